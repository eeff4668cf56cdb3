/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "gate_world.h"

static apr_pool_t *root;
report_t *report;

int open_gate_world(void)
{
    apr_initialize();
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return report == MAP_FAILED || apr_pool_create(&root, NULL) != APR_SUCCESS;
}

void close_gate_world(void)
{
    apr_pool_destroy(root);
    apr_terminate();
}

int set_up(void **state)
{
    memset((void *)report, 0, sizeof(*report));
    return apr_pool_create((apr_pool_t **)state, root) != APR_SUCCESS;
}

int tear_down(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

lpp_gate_t *make_gate(apr_pool_t *pool, apr_lockmech_e mechanism)
{
    apr_global_mutex_t *mutex;
    lpp_gate_t *gate;

    assert_int_equal(apr_global_mutex_create(&mutex, NULL, mechanism, pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_gate_create(&gate, mutex, pool), APR_SUCCESS);
    return gate;
}

pid_t fork_child(lpp_gate_t *gate)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        apr_pool_t *pchild;

        if (apr_pool_create(&pchild, NULL) != APR_SUCCESS
            || lpp_gate_child_init(gate, pchild) != APR_SUCCESS) {
            _exit(3);
        }
    }
    return pid;
}

void wait_until(volatile int *what, int value)
{
    int ms;

    for (ms = 0; ms < 10000 && *what != value; ms++) {
        usleep(1000);
    }
    assert_int_equal(*what, value);
}

int wait_exit(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

lpp_owner_t owner_named(const char *url)
{
    lpp_owner_t owner;

    memset(&owner, 0, sizeof(owner));
    owner.tid = 7;
    owner.start = 42;
    apr_cpystrn(owner.id, "OOPS-00112233445566778899aabbccddeeff",
                sizeof(owner.id));
    apr_cpystrn(owner.url, url, sizeof(owner.url));
    apr_cpystrn(owner.host, "example.org", sizeof(owner.host));
    return owner;
}

apr_status_t try_after(lpp_gate_t *gate, apr_interval_time_t slice_us,
                       lpp_owner_t *dead)
{
    lpp_gate_get_owner(gate, dead);
    return lpp_gate_try(gate, slice_us);
}

apr_status_t try_for(lpp_gate_t *gate, int ms, lpp_owner_t *dead)
{
    lpp_owner_t unasked;
    apr_time_t end = apr_time_now() + apr_time_from_msec(ms);
    apr_status_t status;

    do {
        status = try_after(gate, 20000, dead ? dead : &unasked);
    } while (status == APR_TIMEUP && apr_time_now() < end);
    return status;
}
