/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_ends: the two ends of a connection, in a form in which the ends seen by
 * one process can be compared with those seen by another.
 *
 * An IPv4 address that is mapped into IPv6 is stored as IPv4. The name of a
 * unix socket is the same for all clients, so its client's end is the id of the
 * process that connected, and its server's end has no address.
 */
#ifndef LPP_ENDS_H
#define LPP_ENDS_H

#include "base/lpp_base.h"

typedef struct lpp_end_t {
    apr_uint16_t family;       /* AF_INET, AF_INET6 or AF_UNIX; 0: not known */
    apr_uint16_t port;         /* 0 for AF_UNIX */
    unsigned char address[16]; /* network order; unused bytes are 0; AF_UNIX: a
                                  process id of 4 bytes, or 0 */
} lpp_end_t;

/* Has no padding: the gate compares and copies it as bytes. */
typedef struct lpp_ends_t {
    lpp_end_t local, remote;
} lpp_ends_t;

/* Which end of a connection a process has; the same but for unix sockets. */
typedef enum {
    LPP_ENDS_CONNECTED, /* it called connect */
    LPP_ENDS_ACCEPTED   /* it called accept */
} lpp_ends_side_e;

/*
 * Fill in *ends of the socket fd: 1. 0, and *ends is zeroed: fd is no connected
 * socket of these families, or not open.
 * Signal-safe: yes. Thread: any.
 */
int lpp_ends_of(int fd, lpp_ends_side_e side, lpp_ends_t *ends);

/* 1 if one and other are the two sides of one connection.
 * Signal-safe: yes. Thread: any. */
int lpp_ends_meet(const lpp_ends_t *one, const lpp_ends_t *other);

/*
 * 1 if the remote end is on this host. is_near sees that from the ends alone: a
 * unix socket, a loopback address, or the same address at both ends. is_here
 * also compares the remote address with those of all interfaces; if these
 * cannot be read, it is the same as is_near.
 * Signal-safe: is_near only. Thread: any.
 */
int lpp_ends_is_near(const lpp_ends_t *ends);
int lpp_ends_is_here(const lpp_ends_t *ends);

#endif
