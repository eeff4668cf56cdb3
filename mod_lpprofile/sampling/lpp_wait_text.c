/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_wait_text: the text of a name of lpp_wait_name, and what the kernel says
 * in /proc for it.
 */
#include "sampling/lpp_wait_name_internal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include <apr_strings.h>

void lpp_wait_name_add(lpp_wait_name_t *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    name->len += (apr_size_t)apr_vsnprintf(name->text + name->len,
                                           sizeof(name->text) - name->len,
                                           format, arguments);
    va_end(arguments);
    if (name->len >= sizeof(name->text)) {
        name->len = sizeof(name->text) - 1;
    }
}

apr_size_t lpp_wait_read(const char *path, char *text, apr_size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    apr_size_t len = 0;
    ssize_t got = fd >= 0;

    while (got > 0 && len < size - 1) { /* a page at most at a time */
        got = read(fd, text + len, size - 1 - len);
        len += got > 0 ? (apr_size_t)got : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (len > 0 && text[len - 1] == '\n') {
        len--;
    }
    text[len] = '\0';
    return len;
}

void lpp_wait_process_add(lpp_wait_name_t *name, int pid)
{
    char path[32], comm[32];

    apr_snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    if (lpp_wait_read(path, comm, sizeof(comm)) > 0) {
        lpp_wait_name_add(name, "process %s", comm);
    }
    else {
        lpp_wait_name_add(name, "process %d", pid);
    }
}
