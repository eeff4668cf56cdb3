/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blocking_calls: for tests: every call that can keep a thread waiting, each
 * for WAIT_MS, and what came of it. For unit tests and for the module that makes
 * the same calls inside httpd. Transfers and waits for descriptors are in
 * blocking_io.c.
 */
#ifndef BLOCKING_CALLS_H
#define BLOCKING_CALLS_H

#include <pthread.h>
#include <semaphore.h>
#include <netinet/in.h>
#include <sys/types.h>
#include <time.h>

#include <apr_pools.h>

#define WAIT_MS 150 /* what every call waits for */
#define WAIT_NS (WAIT_MS * 1000000L)

/* Inside httpd, no other module is to see these names. */
#pragma GCC visibility push(hidden)

extern apr_pool_t *pool; /* of one call; set by the test */
extern const struct timespec wait_spec; /* WAIT_NS */

typedef struct blocking_call_t {
    const char *name;
    long (*call)(void); /* returns what the call returned */
} blocking_call_t;

#define CALLS 34
extern const blocking_call_t calls[CALLS];

typedef struct outcome_t {
    long result;
    int error;
    apr_uint64_t took_ns;
} outcome_t;

/* Makes one call: result, errno and how long it took. */
outcome_t run(long (*call)(void));

/* Of the monotonic clock. */
apr_uint64_t now_ns(void);

/* Something another thread does after WAIT_MS, so that the call ends. */
typedef struct helper_t {
    pthread_t thread;
    void (*work)(struct helper_t *helper);
    int fd;
    int other_fd;
    struct sockaddr_in address;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    sem_t ready;
    int word;
} helper_t;

/* Starts a thread that does the work after WAIT_MS. */
void help(helper_t *helper, void (*work)(helper_t *));

void write_byte(helper_t *helper);

void make_pair(int fds[2]);
void close_pair(int fds[2]);

/* A new file without a name. */
int locked_file(void);

/* Waits for that child to end. */
void reap(pid_t pid);

long call_nanosleep(void);

#pragma GCC visibility pop

#endif
