/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_wait_name: see lpp_wait_name_internal.h.
 */
#include "sampling/lpp_wait_name_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <apr_strings.h>

#define MEMBERS_BYTES 4096 /* read of the list of an epoll descriptor */
#define PATH_BYTES 256     /* read of a path that is an argument */

/* All descriptors of fds; more: how many others there are. */
static void add_fds(lpp_wait_name_t *name, const lpp_wait_fd_t *fds,
                    unsigned count, unsigned more,
                    const lpp_wait_thread_t *thread)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        apr_size_t before = name->len;

        if (i > 0) {
            lpp_wait_name_add(name, ", ");
        }
        if (name->len + LPP_WAIT_NOTE_BYTES > sizeof(name->text)) {
            name->text[name->len = before] = '\0';
            more += count - i; /* no room for their names */
            break;
        }
        lpp_wait_fd_add(name, fds[i].fd, 0, thread);
    }
    if (more > 0) {
        lpp_wait_name_add(name, ", %u more", more);
    }
    if (count + more > 1) {
        name->note[0] = '\0'; /* it is of one of them */
    }
}

/* The kernel lists them so: "tfd: 8 events: 19 ..." a line. */
unsigned lpp_wait_epoll_members(int fd, lpp_wait_fd_t *fds, unsigned *more)
{
    char path[48], text[MEMBERS_BYTES];
    unsigned count = 0;
    const char *at;

    *more = 0;
    apr_snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    lpp_wait_read(path, text, sizeof(text));
    for (at = strstr(text, "tfd:"); at != NULL; at = strstr(at, "tfd:")) {
        at += 4;
        if (count < LPP_WAIT_FDS_MAX) {
            fds[count].fd = atoi(at);
            fds[count++].events = 0;
        }
        else {
            (*more)++;
        }
    }
    return count;
}

static void add_epoll(lpp_wait_name_t *name, int fd,
                      const lpp_wait_thread_t *thread)
{
    lpp_wait_fd_t fds[LPP_WAIT_FDS_MAX];
    unsigned more, count = lpp_wait_epoll_members(fd, fds, &more);

    if (count == 0) {
        lpp_wait_name_add(name, "events of no descriptor");
    }
    add_fds(name, fds, count, more, thread);
}

static void add_path_argument(lpp_wait_name_t *name, apr_uint64_t address)
{
    char text[PATH_BYTES];
    apr_size_t len = lpp_wait_memory(text, address, sizeof(text));
    const char *end = memchr(text, '\0', len);

    if (len == 0) {
        lpp_wait_name_add(name, "file");
        return;
    }
    lpp_wait_name_add(name, "file ");
    lpp_wait_path_add(name, text, end != NULL ? (apr_size_t)(end - text)
                                              : len);
}

static void add_child(lpp_wait_name_t *name, const lpp_wait_call_t *call,
                      const lpp_wait_thread_t *thread)
{
    if (call->fd_count > 0) {
        lpp_wait_fd_add(name, call->fds[0].fd, 0, thread);
    }
    else if (call->pid > 0) {
        lpp_wait_name_add(name, "child ");
        lpp_wait_process_add(name, call->pid);
    }
    else {
        lpp_wait_name_add(name, "any child process");
    }
}

static void add_ipc(lpp_wait_name_t *name, const lpp_wait_call_t *call)
{
    lpp_wait_name_add(name, call->number == SYS_semop
                            || call->number == SYS_semtimedop
                      ? "semaphore set %d" : "message queue %d", call->id);
}

void lpp_wait_name_call(lpp_wait_name_t *name, const lpp_wait_call_t *call,
                        const lpp_wait_thread_t *thread)
{
    name->len = 0;
    name->text[0] = name->note[0] = '\0';
    switch (call->kind) {
    case LPP_WAIT_CALL_CONNECT:
        lpp_wait_connect_add(name, call, thread);
        break;
    case LPP_WAIT_CALL_FDS:
        add_fds(name, call->fds, call->fd_count, call->fd_more, thread);
        break;
    case LPP_WAIT_CALL_EPOLL:
        add_epoll(name, call->fds[0].fd, thread);
        break;
    case LPP_WAIT_CALL_ACCEPT:
        lpp_wait_fd_add(name, call->fds[0].fd, 1, thread);
        break;
    case LPP_WAIT_CALL_LOCK:
        lpp_wait_name_add(name, "lock of ");
        lpp_wait_fd_add(name, call->fds[0].fd, 0, thread);
        lpp_wait_file_lock_note(name, call->fds[0].fd);
        break;
    case LPP_WAIT_CALL_FUTEX:
        lpp_wait_futex_add(name, call, thread);
        break;
    case LPP_WAIT_CALL_CHILD:
        add_child(name, call, thread);
        break;
    case LPP_WAIT_CALL_SLEEP:
        lpp_wait_name_add(name, "sleep");
        break;
    case LPP_WAIT_CALL_SIGNAL:
        lpp_wait_name_add(name, "signal");
        break;
    case LPP_WAIT_CALL_IPC:
        add_ipc(name, call);
        break;
    case LPP_WAIT_CALL_PATH:
        add_path_argument(name, call->address);
        break;
    default:
        if (call->number >= 0) {
            lpp_wait_name_add(name, "system call %ld", call->number);
        }
        break;
    }
}

void lpp_wait_name_disk(lpp_wait_name_t *name, const lpp_wait_call_t *call,
                        const char *where, int faults)
{
    static const lpp_wait_thread_t nobody = { NULL, 0, 0, 0 };
    int network = strncmp(where, "nfs", 3) == 0
        || strncmp(where, "rpc", 3) == 0 || strncmp(where, "cifs", 4) == 0;

    name->len = 0;
    name->text[0] = '\0';
    apr_cpystrn(name->note, where, sizeof(name->note));
    if (strcmp(where, "kernel_clone") == 0 || strcmp(where, "do_fork") == 0) {
        lpp_wait_name_add(name, "start of a child process");
        return;
    }
    lpp_wait_name_add(name, network ? "network file system" : "disk");
    if (call->kind == LPP_WAIT_CALL_FDS && call->fd_count == 1) {
        lpp_wait_name_add(name, " ");
        lpp_wait_fd_add(name, call->fds[0].fd, 0, &nobody);
    }
    else if (faults) {
        lpp_wait_name_add(name, " (a page of memory)");
    }
}
