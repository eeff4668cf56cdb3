/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_config_signal: names of signals, as people write them.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "sampling/lpp_signal.h"
#include "server/mod_lpprofile_config_internal.h"

int lpp_conf_signal_reserved(int number)
{
    static const int reserved[] = {
        SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP,
        SIGSYS, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGWINCH, SIGCHLD,
        SIGPIPE, SIGTSTP, SIGCONT, SIGTTIN, SIGTTOU, SIGALRM
    };
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(reserved); i++) {
        if (number == reserved[i]) {
            return 1;
        }
    }
    return 0;
}

/* Distance from SIGRTMIN or SIGRTMAX: "", "+3", "-2"; -1 where it is none. */
static int parse_distance(const char *text, char sign)
{
    if (!*text) {
        return 0;
    }
    if (*text++ != sign || !*text || strlen(text) > 2
        || text[strspn(text, "0123456789")]) {
        return -1;
    }
    return atoi(text);
}

int lpp_conf_signal_find(const char *name)
{
    int number, distance;
    const char *known;

    if (!ap_cstr_casecmpn(name, "SIG", 3)) {
        name += 3;
    }
    if (!ap_cstr_casecmpn(name, "RTMIN", 5)) {
        distance = parse_distance(name + 5, '+');
        number = distance < 0 ? 0 : SIGRTMIN + distance;
        return number <= SIGRTMAX ? number : 0;
    }
    if (!ap_cstr_casecmpn(name, "RTMAX", 5)) {
        distance = parse_distance(name + 5, '-');
        number = distance < 0 ? 0 : SIGRTMAX - distance;
        return number >= SIGRTMIN ? number : 0;
    }
    for (number = 1; number < SIGRTMIN; number++) {
        known = sigabbrev_np(number);
        if (known && !ap_cstr_casecmp(known, name)) {
            return number;
        }
    }
    return 0;
}

const char *lpp_conf_signal_say(int number, apr_pool_t *pool)
{
    const char *name;

    if (number == LPP_SIGNAL_AUTO) {
        return "auto";
    }
    if (number >= SIGRTMIN) {
        return apr_psprintf(pool, "SIGRTMIN+%d", number - SIGRTMIN);
    }
    name = sigabbrev_np(number);
    return name ? apr_pstrcat(pool, "SIG", name, NULL)
                : apr_itoa(pool, number);
}
