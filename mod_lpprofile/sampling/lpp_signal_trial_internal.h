/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_trial_internal: the kinds of calls that are tried, for
 * lpp_signal_trial.c only. This code runs in the scratch process: it may block,
 * allocate and leave resources behind.
 */
#ifndef LPP_SIGNAL_TRIAL_INTERNAL_H
#define LPP_SIGNAL_TRIAL_INTERNAL_H

#include <pthread.h>

typedef struct lpp_trial_kind_t lpp_trial_kind_t;

/* One call of a kind, with what it needs. */
typedef struct lpp_trial_call_t {
    const lpp_trial_kind_t *of;
    int wait_ms; /* how long it blocks */
    int fds[2];  /* open while used, else 0 */
    int pid;     /* a child process */
    pthread_mutex_t mutex;
} lpp_trial_call_t;

struct lpp_trial_kind_t {
    const char *name;
    long number, other_number; /* of the system call: C libraries differ */
    long (*call)(lpp_trial_call_t *call);   /* on the thread that blocks */
    int (*prepare)(lpp_trial_call_t *call); /* before that; 0: done; or NULL */
    /* Makes it end; NULL: it does so by itself. 0: to be called again until it
     * has ended. */
    int (*finish)(lpp_trial_call_t *call);
    long result;     /* of call, or its errno, negative */
    int teaches;     /* always ends with EINTR; one of the few that are also
                        tried with one thread */
    int begins_anew; /* its timeout begins again when it is restarted */
};

extern const lpp_trial_kind_t lpp_trial_kinds[];
extern const unsigned lpp_trial_kind_count;

/* Close what prepare opened.
 * Signal-safe: no. Thread: the scratch process's first. */
void lpp_trial_clean(lpp_trial_call_t *call);

#endif
