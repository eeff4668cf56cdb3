/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_interp_php: what reading PHP's page functions costs in the handler, of
 * stacks in memory laid out as PHP's are.
 *
 *   bench_interp_php [ROUNDS]
 *
 * prints "name value unit" lines, medians over the rounds.
 */
#include <apr_general.h>
#include <apr_strings.h>

#include "bench_util.h"
#include "../unit/php_world.c"

#define COLD_BYTES (4 << 20) /* written in between: caches are cold */
#define FUNCTIONS 20         /* that the frames are of */
#define WALKS 200

static double walk_ns(php_world_t *world, int is_cold)
{
    static unsigned char cold[COLD_BYTES];
    double took[WALKS];
    int i;

    for (i = 0; i < WALKS; i++) {
        apr_uint64_t start;

        if (is_cold) {
            memset(cold, i, sizeof(cold));
        }
        start = now_ns(CLOCK_MONOTONIC);
        php_walk(world);
        took[i] = (double)(now_ns(CLOCK_MONOTONIC) - start);
    }
    return median(took, WALKS);
}

static void bench(unsigned depth, int rounds, apr_pool_t *pool)
{
    php_world_t *world = php_world(&lpp_interp_php_rows[0], pool);
    unsigned char *functions[FUNCTIONS], *at = NULL;
    double warm[ROUNDS_MAX], cold[ROUNDS_MAX];
    unsigned i;
    int round;

    for (i = 0; i < FUNCTIONS; i++) {
        functions[i] = php_function(world, apr_psprintf(pool, "f%u", i), NULL,
                                    "/site/index.php", 10 * i);
        /* PHP knows the hash of a script's name. */
        php_put((void *)(apr_uintptr_t)lpp_peek_word(
                    php_address(functions[i]) + world->row->file),
                world->row->text_hash, ~0ull, 8);
    }
    for (i = 0; i < depth; i++) {
        at = php_call(world, at, functions[i % FUNCTIONS], i % PHP_OPS, 0);
    }
    for (round = 0; round < rounds; round++) {
        warm[round] = walk_ns(world, 0);
        cold[round] = walk_ns(world, 1);
    }
    print(apr_psprintf(pool, "interp.php.%u.warm", depth),
          median(warm, rounds), "ns");
    print(apr_psprintf(pool, "interp.php.%u.cold", depth),
          median(cold, rounds), "ns");
}

int main(int argc, char **argv)
{
    int rounds = rounds_of(argc, argv);
    apr_pool_t *pool;

    apr_initialize();
    need(apr_pool_create(&pool, NULL), "a pool");
    bench(10, rounds, pool);
    bench(50, rounds, pool);
    bench(200, rounds, pool);
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}
