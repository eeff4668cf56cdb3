/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_wait_lock: who holds the lock that a thread waits for, for lpp_wait_name.
 *
 * The C library keeps the thread that holds a mutex eight bytes behind its
 * futex word. The word of other locks, semaphores and conditions looks the
 * same, and there is anything behind it: so a holder is named only if the call
 * was made by pthread_mutex_lock, the word says "locked, with others waiting",
 * and the number is that of a thread of this process.
 */
#include "sampling/lpp_wait_name_internal.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <apr_strings.h>

#define OWNER_OFFSET 8
#define WAITED_FOR 2 /* value of a locked mutex that others wait for */
#define LOCKS_BYTES 16384 /* read of the list of locks */

/* What thread tid does now, as a note; 0: there is no such thread. */
static int note_thread(lpp_wait_name_t *name, int tid)
{
    char path[48], text[256], where[40];
    const char *state;

    apr_snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    if (lpp_wait_read(path, text, sizeof(text)) == 0) {
        return 0;
    }
    state = strrchr(text, ')'); /* the name before it may have any bytes */
    if (state == NULL || strlen(state) < 3) {
        return 0;
    }
    if (state[2] == 'R') {
        apr_cpystrn(name->note, "it runs", sizeof(name->note));
        return 1;
    }
    apr_snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", tid);
    if (lpp_wait_read(path, where, sizeof(where)) > 0
        && strcmp(where, "0") != 0) {
        apr_snprintf(name->note, sizeof(name->note), "it is blocked in %s",
                     where);
    }
    else {
        apr_cpystrn(name->note, "it is blocked", sizeof(name->note));
    }
    return 1;
}

/* The thread that holds the mutex of call; 0: not known. */
static int holder_of(const lpp_wait_call_t *call,
                     const lpp_wait_thread_t *thread)
{
    apr_uint32_t words[3];

    if (!thread->locks_mutex
        || lpp_wait_memory(words, call->address, sizeof(words))
               != sizeof(words)) {
        return 0;
    }
    if (call->operation == FUTEX_LOCK_PI
        || call->operation == FUTEX_LOCK_PI2) {
        return (int)(words[0] & FUTEX_TID_MASK);
    }
    return words[0] == WAITED_FOR ? (int)words[OWNER_OFFSET / 4] : 0;
}

void lpp_wait_futex_add(lpp_wait_name_t *name, const lpp_wait_call_t *call,
                        const lpp_wait_thread_t *thread)
{
    int holder = holder_of(call, thread);

    if (holder > 0 && holder != thread->tid && note_thread(name, holder)) {
        lpp_wait_name_add(name, "lock held by thread %d", holder);
    }
    else if (thread->for_client) {
        lpp_wait_name_add(name, "client");
    }
    else {
        lpp_wait_name_add(name, "lock or condition");
    }
}

void lpp_wait_file_lock_note(lpp_wait_name_t *name, int fd)
{
    char text[LOCKS_BYTES], wanted[64];
    const char *line;
    struct statx file;
    int pid;

    /* Not the time of a network file system: that may not answer. */
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &file)
        != 0) {
        return;
    }
    apr_snprintf(wanted, sizeof(wanted), " %02x:%02x:%" APR_UINT64_T_FMT " ",
                 file.stx_dev_major, file.stx_dev_minor,
                 (apr_uint64_t)file.stx_ino);
    lpp_wait_read("/proc/locks", text, sizeof(text));
    for (line = text; line != NULL && *line != '\0';
         line = strchr(line, '\n'), line += line != NULL) {
        const char *end = strchr(line, '\n');
        const char *at = strstr(line, wanted);

        if (at == NULL) {
            return;
        }
        if ((end != NULL && at > end)
            || memchr(line, '>', (apr_size_t)(at - line)) != NULL) {
            continue; /* another file, or one that waits, too */
        }
        while (at > line && at[-1] != ' ') {
            at--;
        }
        pid = atoi(at);
        if (pid == getpid()) {
            apr_cpystrn(name->note, "held by this process",
                        sizeof(name->note));
        }
        else if (pid > 0) {
            lpp_wait_name_t holder;

            holder.len = 0;
            lpp_wait_process_add(&holder, pid);
            apr_snprintf(name->note, sizeof(name->note), "held by %s (%d)",
                         holder.text, pid);
        }
        return;
    }
}
