/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_wait_name: the name of what a blocked call waits for: "tcp
 * 10.0.0.5:5432", "pipe with process sh", "lock held by thread 4711".
 *
 * Made by the helper while the thread is blocked, from what the kernel tells of
 * the descriptors of this process; nothing goes to the network, no file system
 * is asked, nothing runs on the profiled thread. Parts of paths that may be a
 * secret (the id of a session) are replaced by "*".
 */
#ifndef LPP_WAIT_NAME_INTERNAL_H
#define LPP_WAIT_NAME_INTERNAL_H

#include "names/lpp_pagecode.h"
#include "profile/lpp_waits.h"
#include "sampling/lpp_wait_call_internal.h"

/* A name that is being made. */
typedef struct lpp_wait_name_t {
    char text[LPP_WAIT_TEXT_BYTES];
    apr_size_t len;
    char note[LPP_WAIT_NOTE_BYTES]; /* see lpp_wait_t */
} lpp_wait_name_t;

/* Names of sockets and pipes that were made before, by what the kernel calls
 * them, which is never used again: a poll of the same ones costs less. */
#define LPP_WAIT_KNOWN 32
typedef struct lpp_wait_known_t {
    struct {
        apr_uint64_t key; /* 0: none; cookie of a socket, or inode of a pipe */
        char text[96];
        char note[32];
    } entry[LPP_WAIT_KNOWN];
    unsigned next; /* the one to be replaced */
} lpp_wait_known_t;

/* About the thread that waits. */
typedef struct lpp_wait_thread_t {
    lpp_wait_known_t *known; /* or NULL */
    int tid;
    int for_client;  /* it is in a call that serves the client */
    int locks_mutex; /* its innermost frames are pthread_mutex_lock */
} lpp_wait_thread_t;

/*
 * Name what call waits for. name is empty if that is not known.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_wait_name_call(lpp_wait_name_t *name, const lpp_wait_call_t *call,
                        const lpp_wait_thread_t *thread);

/*
 * Name a wait in the kernel that no signal ends (state D): for a disk or a
 * network file system. where: the kernel's function that waits, "" if it is
 * not known. call: that the thread makes, LPP_WAIT_CALL_OTHER if it is not
 * known; faults: it waits for a page of memory.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_wait_name_disk(lpp_wait_name_t *name, const lpp_wait_call_t *call,
                        const char *where, int faults);

/* Add text to a name; what does not fit is cut off.
 * Signal-safe: no. Thread: the helper. */
void lpp_wait_name_add(lpp_wait_name_t *name, const char *format, ...)
    LPP_FORMAT(2, 3);

/*
 * Add what a descriptor of this process is: a peer, a file, a pipe, a process.
 * accepts: the thread waits for a new connection.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_wait_fd_add(lpp_wait_name_t *name, int fd, int accepts,
                     const lpp_wait_thread_t *thread);

/* The same of a descriptor whose connect call is under way: the address that it
 * is given.
 * Signal-safe: no. Thread: the helper. */
void lpp_wait_connect_add(lpp_wait_name_t *name, const lpp_wait_call_t *call,
                          const lpp_wait_thread_t *thread);

/*
 * Fill fds, of LPP_WAIT_FDS_MAX, with the members of the epoll descriptor fd;
 * returns how many. *more: how many did not fit.
 * Signal-safe: no. Thread: the helper.
 */
unsigned lpp_wait_epoll_members(int fd, lpp_wait_fd_t *fds, unsigned *more);

/* Add a path of len bytes, without its secrets.
 * Signal-safe: no. Thread: the helper. */
void lpp_wait_path_add(lpp_wait_name_t *name, const char *path,
                       apr_size_t len);

/* Add "process NAME", or "process 4711" if its name is not known.
 * Signal-safe: no. Thread: the helper. */
void lpp_wait_process_add(lpp_wait_name_t *name, int pid);

/* Read a small file of /proc, without its last newline, into text of size
 * bytes; returns its length, 0 for none.
 * Signal-safe: no. Thread: the helper. */
apr_size_t lpp_wait_read(const char *path, char *text, apr_size_t size);

/*
 * Add the lock or condition at the futex word of call; its holder, if it is
 * known, with what that thread does as note.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_wait_futex_add(lpp_wait_name_t *name, const lpp_wait_call_t *call,
                        const lpp_wait_thread_t *thread);

/* Set as note who holds the lock of the file fd.
 * Signal-safe: no. Thread: the helper. */
void lpp_wait_file_lock_note(lpp_wait_name_t *name, int fd);

#endif
