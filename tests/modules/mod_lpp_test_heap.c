/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_test_heap: for test_selfcost.py. Handler "lpp-test-heap" leaves this
 * process with a heap of 200 MB of which every other piece is free, as that of
 * a large application looks, and answers how many microseconds of CPU it takes
 * to count it.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>

#define PIECES 800000
#define PIECE_BYTES 240

static double cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e6 * (double)now.tv_sec + (double)now.tv_nsec / 1e3;
}

static int handler(request_rec *r)
{
    static void *pieces[PIECES];
    struct mallinfo2 heap;
    double took;
    int i;

    if (!r->handler || strcmp(r->handler, "lpp-test-heap") != 0) {
        return DECLINED;
    }
    for (i = 0; i < PIECES && !pieces[i]; i++) {
        pieces[i] = malloc(PIECE_BYTES);
        memset(pieces[i], i, PIECE_BYTES);
    }
    /* Neighbours in the list of free pieces are none in memory. */
    for (i = 0; i < PIECES / 2; i++) {
        free(pieces[2 * (i * APR_UINT64_C(7919) % (PIECES / 2))]);
    }
    took = cpu_us();
    heap = mallinfo2();
    took = cpu_us() - took;
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%.0f %lu\n", took, (unsigned long)heap.ordblks);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_test_heap) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
