/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sampler_internal: what the files of the sampler share.
 *
 * lpp_sampler.c is the helper thread and its queue, lpp_sampler_sleep.c how it
 * waits, lpp_sampler_requests.c what it does for a thread that waits for it.
 * lpp_session.c is the side of the request, lpp_session_wait.c its wait for the
 * gate. lpp_tick.c is what the helper does with one profile: _task asks /proc
 * about the thread, _root finds where the request's stack begins, _share judges
 * the profiler's cost, _will keeps the samples for the case that the process
 * dies. No other file includes this.
 */
#ifndef LPP_SAMPLER_INTERNAL_H
#define LPP_SAMPLER_INTERNAL_H

#include <semaphore.h>
#include <time.h>

#include "base/lpp_clock.h"
#include "sampling/lpp_sampler.h"
#include "sampling/lpp_signal.h"
#include "sampling/lpp_will.h"

/* How long a thread waits for what it asks of the helper. */
#define LPP_REQUEST_WAIT_NS INT64_C(2000000000)

#define LPP_ROOTS_MAX 8 /* root functions whose size is remembered */

/* The way of a session; only forward, but for RUNNING and PAUSED. */
typedef enum {
    SESSION_WAITING,   /* in the queue */
    SESSION_PREPARING, /* the helper has the gate and looks for the root */
    SESSION_GRANTED,   /* the request may arm */
    SESSION_RUNNING,
    SESSION_PAUSED,
    SESSION_STOPPED,   /* ended, by the request or the helper; not yet final */
    SESSION_DONE,      /* the profile is final, the helper has let go */
    SESSION_FAILED     /* never ran: status says why */
} session_state_e;

/* Something the helper does for a thread that waits for it. */
typedef struct request_t {
    lpp_session_t *session;
    enum { REQUEST_DRAIN, REQUEST_STACK, REQUEST_ROOT } kind;
    enum { REQUEST_QUEUED, REQUEST_TAKEN, REQUEST_SERVED } state;
    lpp_snapshot_t *snapshot; /* where the thread stands; STACK and ROOT */
    lpp_pc_t *frames;         /* STACK: at most max, the waiting thread's */
    unsigned max, count;
    apr_uint64_t root_cfa;    /* in for STACK, out of ROOT */
    struct request_t *next;
} request_t;

struct lpp_session_t {
    lpp_sampler_t *sampler;
    lpp_session_options_t options; /* copied */
    const char *const *root_names; /* borrowed, static */
    pthread_cond_t cond;           /* its request waits for a state */
    pthread_mutex_t tree_mutex;    /* guards profile while the helper adds */
    lpp_profile_t *profile;        /* in the session's pool */
    unsigned char *here_stack;     /* LPP_STACK_MAX_BYTES, request side */
    int here_is_samplers;          /* and goes back to it */
    lpp_snapshot_t here;           /* where the request stood */

    /* Guarded by sampler->mutex. */
    session_state_e state;
    int counted;               /* among those that wait, by lpp_gate_enter */
    lpp_session_t *next;       /* in the queue */
    apr_status_t status;       /* of FAILED */
    apr_uint64_t root_cfa;     /* 0: whole stack */
    int root_known;            /* 0: here is where it is to be looked for */
    int64_t start_wall_ns;
    int64_t segment_wall_ns;   /* of the start or resume */
    int64_t end_wall_ns;       /* once STOPPED */
    int64_t cpu_before_ns;     /* of segments that are over */
    int64_t segment_cpu_ns;    /* thread's CPU clock at start or resume */
    unsigned segments;         /* counts starts and resumes */
    clockid_t cpu_clock;       /* of the thread of this segment */
    int tid;
    int can_unwind;
    void *kept;                /* of lpp_gate_release_keep, or NULL */
    int64_t client_told_us;    /* of its time on the client, at the gate */

    /* The profiled thread's own. */
    pthread_t thread;
    int armed;        /* its mask is changed, its signal unblocked */
    int signal_taken; /* one lpp_signal_take to give back */
    int number;
    sigset_t old_mask;
    int client_depth;

    atomic_int settled;            /* state is past PREPARING */
    atomic_int cut_short;          /* lpp_stop_e */
    atomic_uint lowered_hz;        /* 0: the rate is what was asked for */
    /* Time blocked on the client: of the calls that are over, and since when
     * the one that goes on lasts (or 0) and its thread's CPU clock then. The
     * sum is written after since is 0, and read before since. */
    atomic_llong client_before_ns, client_since_ns, client_cpu_ns;
};

/* What the helper knows of the thread it samples; nobody else touches it. */
typedef struct lpp_tick_t {
    lpp_session_t *session;
    unsigned segment;       /* session->segments this belongs to */
    int sampling;           /* signals may be sent */
    clockid_t clock;
    int tid;
    int schedstat_fd;       /* /proc/self/task/TID/schedstat, or -1 */
    int syscall_fd;         /* .../syscall where readable, or -1 */
    int64_t interval_ns, watch_ns, next_sample_ns;
    int64_t start_wall_ns;  /* of the session */
    int64_t cpu_offset_ns;  /* from the thread's CPU clock to the request's CPU
                               time */
    int64_t given_wall_ns, given_cpu_ns; /* time handed out up to here */
    int64_t seen_cpu_ns;    /* last reading of the thread's CPU clock ... */
    int64_t seen_wall_ns;   /* ... and when it was first read */
    int outstanding;        /* a signal without answer */
    apr_uint64_t sequence;  /* of that */
    lpp_weight_t pending;   /* what its sample will weigh */
    int64_t sent_cpu_ns;
    apr_uint64_t sent_runs; /* see lpp_tick_runs; 0: running, or not known */
    int sent_blocked;
    unsigned sent_changes;  /* sampler->changes when the sample was asked for */
    /* The blocked episode that has its sample: */
    enum { EPISODE_NONE, EPISODE_FRESH, EPISODE_KNOWN } episode;
    apr_uint32_t node;      /* where its time goes */
    int64_t episode_cpu_ns; /* KNOWN: the CPU clock stands here */
    int64_t own_start_ns;   /* helper's CPU clock at the session's start */
    /* What this costs, see lpp_tick_share.c: where judging began. */
    unsigned judged_segment;
    int64_t judged_cpu_ns;  /* of the thread */
    int64_t judged_own_ns;  /* of helper and handler */
    int64_t judge_next_ns;  /* of the thread: judge again then */
    int stand_down;         /* too dear: end the session */
} lpp_tick_t;

struct lpp_sampler_t {
    lpp_sampler_options_t options;
    apr_pool_t *pool;     /* the sampler's own, outlives a stuck helper */
    pid_t process;        /* that made it */
    lpp_ring_t *ring;
    lpp_signal_target_t target;
    atomic_int stop;      /* set by anybody, even in a signal handler */
    atomic_int gone;      /* the helper touches nothing any more */
    atomic_int signal;    /* in use, for lpp_sampler_signal */
    sem_t wake;           /* posted for the helper */
    atomic_int expected_from; /* a session is announced: on which processor,
                             and 1; else 0 */
    atomic_int here_taken; /* here_stack is some session's */
    unsigned char *here_stack; /* LPP_STACK_MAX_BYTES, for one at a time */

    pthread_mutex_t mutex; /* guards what follows, and session states */
    pthread_condattr_t monotonic;
    int started;           /* the helper exists */
    int idle;              /* it waits for somebody to come */
    pthread_t thread;
    lpp_session_t *queue;  /* waiting, in order */
    request_t *requests;

    /* The helper's own. */
    lpp_unwinder_t *unwinder; /* NULL: none to be had */
    lpp_tick_t tick;
    lpp_will_t *will;         /* what stays if this process dies, or NULL */
    lpp_pc_t *frames;         /* LPP_FRAMES_MAX */
    apr_uint64_t *cfas;       /* LPP_FRAMES_MAX */
    unsigned char *blocked_stack; /* LPP_STACK_MAX_BYTES */
    unsigned touched_slots;       /* of the ring, from the front */
    unsigned changes;             /* of what is loaded, seen so far */
    int said_broken;              /* a call could not be restarted */
    struct { /* root functions; forgotten when something is loaded */
        const char *name; /* borrowed */
        apr_uint64_t address;
        apr_uint64_t size; /* 0: there is no such function */
    } roots[LPP_ROOTS_MAX];
};

static inline int64_t lpp_sampler_now_ns(void)
{
    return lpp_clock_ns(CLOCK_MONOTONIC);
}

/* 1 where another processor can do what is spun for. */
int lpp_sampler_may_spin(void);

/* Helper: sleep until somebody posts, or until then (CLOCK_MONOTONIC; < 0: no
 * end); the same with nothing to do, staying up where somebody is expected. */
void lpp_sampler_sleep(lpp_sampler_t *sampler, int64_t then_ns);
void lpp_sampler_idle(lpp_sampler_t *sampler);

/* Start the helper if there is none. The mutex is held. */
LPP_MUST_CHECK apr_status_t lpp_sampler_ensure(lpp_sampler_t *sampler);

/*
 * Have the helper serve request and wait for that until deadline_ns (of
 * CLOCK_MONOTONIC); APR_TIMEUP, APR_EGENERAL where there is no helper. The
 * mutex is held, before and after; on success it was held since serving.
 */
LPP_MUST_CHECK apr_status_t lpp_sampler_request(lpp_sampler_t *sampler,
                                                request_t *request,
                                                int64_t deadline_ns);

/* Have the helper find the session's root where it stands (here). The mutex is
 * held, and given away meanwhile. */
LPP_MUST_CHECK apr_status_t lpp_sampler_find_root(lpp_session_t *session);

/* Helper: do what was asked for. The mutex is held, and given away while each
 * request is worked on. */
void lpp_sampler_serve_requests(lpp_sampler_t *sampler);

/* Helper: bring maps and unwinder up to date, find the root of a snapshot. */
void lpp_tick_refresh(lpp_sampler_t *sampler);
/* lpp_unwind, with the two frames that stand for what is no function (see
 * LPP_PC_OWN_STACK): code made at run time, and the outer end of a stack that
 * is not the thread's, which never ends as CUT or LOST. */
unsigned lpp_tick_unwind(lpp_sampler_t *sampler,
                         const lpp_snapshot_t *snapshot,
                         apr_uint64_t root_cfa, lpp_pc_t *frames,
                         unsigned max, lpp_unwind_end_e *end);
/* Drop hidden frames; returns how many stay. replace: of a sample. Then those
 * that stand for a function become its start, whether its own frame is there or
 * not; all other frames of the object of hidden code are the profiler's: where
 * it worked itself, LPP_PC_PROFILER is all that stays, else they are dropped,
 * too. */
unsigned lpp_tick_hide(const lpp_sampler_t *sampler, lpp_pc_t *frames,
                       unsigned count, int replace);
apr_uint64_t lpp_tick_root(lpp_sampler_t *sampler,
                           const char *const *root_names,
                           const lpp_snapshot_t *snapshot);

/*
 * Helper: begin with a session; follow a start or resume (the mutex is held);
 * one tick: returns when the next is due; take in what the handler delivered;
 * drop what will not come any more; finish: the totals, with nothing armed.
 */
void lpp_tick_begin(lpp_sampler_t *sampler, lpp_session_t *session);
void lpp_tick_follow(lpp_sampler_t *sampler);
int64_t lpp_tick_run(lpp_sampler_t *sampler);
void lpp_tick_drain(lpp_sampler_t *sampler);
void lpp_tick_pause(lpp_sampler_t *sampler);
void lpp_tick_finish(lpp_sampler_t *sampler);

/*
 * Helper: the files in /proc of the thread tick->tid; how often it was put on a
 * processor, 0 where that is not known; its stack without a signal, where its
 * SP and PC can be read. It may wake while its stack is copied: the CPU clock
 * then does not show cpu any more, and look says 0.
 */
void lpp_tick_open_task(lpp_tick_t *tick);
void lpp_tick_close_task(lpp_tick_t *tick);
apr_uint64_t lpp_tick_runs(const lpp_tick_t *tick);
int lpp_tick_look(lpp_sampler_t *sampler, lpp_snapshot_t *snapshot,
                  int64_t cpu);

/* Helper: compare the profiler's cost with the request's, lower the rate or ask
 * to stand down; add the finished profile to the sums of all children. */
void lpp_tick_judge(lpp_sampler_t *sampler);
void lpp_tick_add_totals(lpp_sampler_t *sampler);

/*
 * Helper: whatever happens from now on is not lost with this process; weight
 * was given to node; the clocks of this tick; the profile is final.
 */
void lpp_tick_make_will(lpp_sampler_t *sampler, const lpp_session_t *session);
void lpp_tick_bequeath(lpp_sampler_t *sampler, apr_uint32_t node,
                       const lpp_weight_t *weight);
void lpp_tick_bequeath_total(lpp_sampler_t *sampler, int64_t now, int64_t cpu);
void lpp_tick_bequeath_end(lpp_sampler_t *sampler,
                           const lpp_session_t *session);

/* Wait for the gate, counting what is skipped; RUNNING: it is granted. */
LPP_MUST_CHECK lpp_start_e lpp_session_wait(lpp_session_t *session,
                                            apr_status_t *status);

/*
 * A session that waits is counted by the gate until it is granted or gives up:
 * the helper takes it off before others can see the owner, else its thread.
 */
void lpp_session_uncount(lpp_session_t *session);

#endif
