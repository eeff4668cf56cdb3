/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blocking_io: for tests: the calls of blocking_calls.h that wait for descriptors
 * or move bytes. Each returns what the call returned.
 */
#ifndef BLOCKING_IO_H
#define BLOCKING_IO_H

#pragma GCC visibility push(hidden)

/* Waiting for descriptors that never get ready, with a timeout. */
long call_poll(void);
long call_ppoll(void);
long call_select(void);
long call_pselect(void);
long call_epoll_wait(void);
long call_epoll_pwait(void);
long call_apr_wait_for_io_or_timeout(void);
long call_apr_pollset_poll(void);

/* Until another thread does its part. */
long call_read(void);
long call_recv(void);
long call_recv_with_timeout(void);
long call_accept(void);
long call_connect(void);
long call_write(void);
long call_long_write(void);
long call_long_send(void);
long call_long_writev(void);
long call_long_sendmsg(void);
long call_long_sendfile(void);
long call_long_pipe(void);
long call_recv_all(void);

#pragma GCC visibility pop

#endif
