/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_thread: see lpp_thread_internal.h. */
#include "sampling/lpp_thread_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <apr_strings.h>

#include "base/lpp_clock.h"

#define MAJOR_FAULTS 12 /* field of stat */

#if defined(__x86_64__) /* registers of a call, see lpp_snapshot_t */
static const unsigned char call_regs[7] = { 0, 5, 4, 1, 10, 8, 9 };
#else
static const unsigned char call_regs[7] = { 8, 0, 1, 2, 3, 4, 5 };
#endif

/* What schedstat has: CPU time and ready time in nanoseconds, and how often the
 * thread was put on a processor. 0: not known; a kernel that does not count
 * shows three times 0, but a thread that exists has run. */
static int read_schedstat(int fd, apr_uint64_t numbers[3])
{
    char text[96], *at, *end;
    ssize_t len;
    int i;

    if (fd < 0) {
        return 0;
    }
    len = pread(fd, text, sizeof(text) - 1, 0);
    if (len <= 0) {
        return 0;
    }
    text[len] = '\0';
    at = text;
    for (i = 0; i < 3; i++) {
        numbers[i] = strtoull(at, &end, 10);
        if (end == at) {
            return 0;
        }
        at = end;
    }
    return numbers[2] != 0;
}

apr_uint64_t lpp_thread_runs(const lpp_thread_t *thread)
{
    apr_uint64_t numbers[3];

    return read_schedstat(thread->schedstat_fd, numbers) ? numbers[2] : 0;
}

apr_int64_t lpp_schedstat_ready_ns(int fd)
{
    apr_uint64_t numbers[3];

    return read_schedstat(fd, numbers) ? (apr_int64_t)numbers[1] : -1;
}

static int open_task_file(int tid, const char *name)
{
    char path[64];

    apr_snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int lpp_schedstat_open(int tid)
{
    return open_task_file(tid, "schedstat");
}

void lpp_thread_open(lpp_thread_t *thread)
{
    thread->process = getpid();
    thread->schedstat_fd = lpp_schedstat_open(thread->tid);
    thread->syscall_fd = open_task_file(thread->tid, "syscall");
    thread->stat_fd = open_task_file(thread->tid, "stat");
}

static void close_file(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

void lpp_thread_close(lpp_thread_t *thread)
{
    close_file(&thread->schedstat_fd);
    close_file(&thread->syscall_fd);
    close_file(&thread->stat_fd);
}

/* Field number of a line of stat, counted as in proc(5), which numbers the
 * state 3; at points to the state. */
static apr_uint64_t stat_field(const char *at, int number)
{
    for (; number > 3 && at != NULL; number--) {
        at = strchr(at, ' ');
        at += at != NULL;
    }
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

void lpp_thread_state(const lpp_thread_t *thread, lpp_thread_state_t *state)
{
    char text[512];
    const char *at;
    ssize_t len;
    int fd;

    state->letter = '\0';
    state->where[0] = '\0';
    if (thread->stat_fd < 0) {
        return;
    }
    len = pread(thread->stat_fd, text, sizeof(text) - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    at = strrchr(text, ')'); /* the name before it may have any bytes */
    if (at == NULL || at[1] != ' ' || at[2] == '\0') {
        return;
    }
    state->letter = at[2];
    state->major_faults = stat_field(at + 2, MAJOR_FAULTS);
    if (state->letter == 'D') {
        fd = open_task_file(thread->tid, "wchan");
        len = fd < 0 ? -1 : read(fd, state->where, sizeof(state->where) - 1);
        state->where[len > 0 ? len : 0] = '\0';
        if (fd >= 0) {
            close(fd);
        }
    }
}

int lpp_thread_is_asleep(const lpp_thread_t *thread)
{
    lpp_thread_state_t state;

    lpp_thread_state(thread, &state);
    return state.letter == '\0' ? -1
        : state.letter == 'S' || state.letter == 'D';
}

int lpp_thread_look(const lpp_thread_t *thread, lpp_snapshot_t *snapshot,
                    const lpp_thread_stack_t *stack, apr_int64_t cpu_ns)
{
    unsigned long long words[9];
    struct iovec to, from;
    char text[256], *at = text;
    ssize_t len;
    int i;

    if (thread->syscall_fd < 0) {
        return 0;
    }
    len = pread(thread->syscall_fd, text, sizeof(text) - 1, 0);
    if (len <= 0) {
        return 0;
    }
    text[len] = '\0';
    for (i = 0; i < 9; i++) { /* number, six arguments, SP, PC */
        char *end;

        words[i] = strtoull(at, &end, 0);
        if (end == at) {
            return 0; /* "running", or blocked outside of a call */
        }
        at = end;
    }
    if (words[7] < stack->start || words[7] >= stack->end) {
        return 0;
    }
    memset(snapshot, 0, sizeof(*snapshot));
    for (i = 0; i < 7; i++) {
        snapshot->regs[call_regs[i]] = words[i];
    }
    snapshot->regs[LPP_REG_SP] = words[7];
    snapshot->regs[LPP_REG_PC] = words[8];
    snapshot->flags = LPP_SNAPSHOT_SYSCALL;
    snapshot->stack = stack->copy;
    snapshot->stack_address = words[7];
    snapshot->stack_len = (apr_uint32_t)(
        stack->end - words[7] > LPP_STACK_MAX_BYTES
        ? LPP_STACK_MAX_BYTES : stack->end - words[7]);
    to.iov_base = stack->copy;
    from.iov_base = (void *)(apr_uintptr_t)words[7];
    to.iov_len = from.iov_len = snapshot->stack_len;
    /* The kernel makes the copy: the thread may wake and end, and its stack may
     * be unmapped. */
    return process_vm_readv(thread->process, &to, 1, &from, 1, 0)
               == (ssize_t)snapshot->stack_len
           && lpp_clock_ns(thread->clock) == cpu_ns;
}
