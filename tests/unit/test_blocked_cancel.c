/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same blocking calls as in test_blocked.c, with a C library that makes them
 * as glibc 2.41 does: the place of a call's number is learned, and they are
 * restarted; and with one that hides it: no blocked thread is signalled.
 */
#if defined(__x86_64__)
#include "cancel_calls.h"
#endif
#include "test_blocked.c"
