/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_plugin: for tests: an object that comes and goes. Compiled once as a and
 * once as b, of the same size, so that the loader puts one where the other
 * was; their functions differ in frame and place.
 */
#define NOINLINE __attribute__((noinline, noclone, used))

#ifdef PLUGIN_A
void plugin_a_work(long turns);

NOINLINE static void plugin_a_inner(long turns, volatile char *room)
{
    room[0] = 1;
    __asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(turns) : : "cc");
}

NOINLINE void plugin_a_work(long turns)
{
    volatile char room[700];

    plugin_a_inner(turns, room);
    room[1] = 2;
}
#else
void plugin_b_work(long turns);

NOINLINE void plugin_b_work(long turns)
{
    __asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(turns) : : "cc");
}

NOINLINE void plugin_b_other(long turns);
NOINLINE void plugin_b_other(long turns)
{
    plugin_b_work(turns);
    __asm__ volatile("" : : : "memory");
}
#endif
