/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_set_clock: to be preloaded. The wall clock, and no other, is ahead by as
 * many seconds as the file LPP_CLOCK_FILE says; right while it is missing.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void)
{
    const char *path = getenv("LPP_CLOCK_FILE");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY) : -1;
    char text[32] = "";

    if (fd < 0) {
        return 0;
    }
    if (syscall(SYS_read, fd, text, sizeof(text) - 1) < 0) {
        text[0] = '\0';
    }
    syscall(SYS_close, fd);
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, now);

    if (rc == 0 && clock == CLOCK_REALTIME) {
        now->tv_sec += ahead();
    }
    return rc;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec precise;
    int rc = clock_gettime(CLOCK_REALTIME, &precise);

    (void)zone;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return rc;
}

time_t time(time_t *now)
{
    struct timespec precise;

    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) {
        *now = precise.tv_sec;
    }
    return precise.tv_sec;
}
