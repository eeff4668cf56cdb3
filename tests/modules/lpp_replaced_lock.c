/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_replaced_lock: a library that is loaded first and has pthread_mutex_lock
 * of its own, as those have that look for leaks and races.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static int (*real)(pthread_mutex_t *mutex);

    if (real == NULL) {
        void *found = dlsym(RTLD_NEXT, "pthread_mutex_lock");

        memcpy(&real, &found, sizeof(found));
    }
    return real(mutex);
}
