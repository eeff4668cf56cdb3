/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_deny: for tests: children in which system calls fail, as under a
 * hardened unit: LPP_DENY in the server's environment is a list of
 * NUMBER=ERRNO, by spaces; LPP_DENY_AT_START: in the parent, too; LPP_DENY_WRITE_EXECUTE: no memory is ever both
 * written and run.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

#define MOST 16
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

module AP_MODULE_DECLARE_DATA lpp_deny_module;

static void deny(apr_pool_t *pchild, server_rec *s)
{
    struct sock_filter code[2 * MOST + 2];
    struct sock_fprog program = { 0, code };
    const char *text = getenv("LPP_DENY");
    unsigned short n = 0;
    char *end;

    if (getenv("LPP_DENY_WRITE_EXECUTE")
        && prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, errno, s,
                     "mod_lpp_deny: the kernel cannot");
    }
    code[n++] = (struct sock_filter)BPF_STMT(
        BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    while (text && *text && n < 2 * MOST) {
        unsigned number = (unsigned)strtoul(text, &end, 10);
        unsigned error = *end == '=' ? (unsigned)strtoul(end + 1, &end, 10) : 0;

        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                 number, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(
            BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
        text = end + (*end == ' ');
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
                                             SECCOMP_RET_ALLOW);
    program.len = n;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, errno, s,
                     "mod_lpp_deny: no filter to be had");
    }
}

static void register_hooks(apr_pool_t *pool)
{
    if (getenv("LPP_DENY_AT_START")) {
        deny(pool, NULL);
    }
    ap_hook_child_init(deny, NULL, NULL, APR_HOOK_REALLY_LAST);
}

AP_DECLARE_MODULE(lpp_deny) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
