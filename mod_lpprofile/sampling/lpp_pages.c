/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_pages: see lpp_pages_internal.h. */
#include "sampling/lpp_pages_internal.h"

#include <signal.h>
#include <string.h>

#include "base/lpp_log.h"
#include "base/lpp_log_tags.h"
#include "sampling/lpp_crash_internal.h"

static void log_unread(lpp_sampler_t *sampler)
{
    lpp_page_statistics_t pages;

    if (!sampler->logged_unread) {
        lpp_interp_statistics(sampler->target.interp, &pages);
        if (pages.unread[0] != '\0') {
            sampler->logged_unread = 1;
            lpp_log(LPP_LOG_NOTICE, 0, LPP_TAG_PAGES_UNREAD, "%s",
                    pages.unread);
        }
    }
}

void lpp_pages_begin(lpp_sampler_t *sampler, lpp_session_t *session)
{
    lpp_interp_t *interp = sampler->target.interp;

    if (interp == NULL || session->pages_begun) {
        return;
    }
    session->pages_begun = 1;
    if (session->options.languages == 0 || lpp_crash_rescues()) {
        lpp_interp_begin(interp, session->options.languages,
                         sampler->frames.changes);
    }
    else {
        lpp_interp_refuse(interp);
    }
    log_unread(sampler);
}

/* The sampling signal is blocked meanwhile: its handler reads, too. The helper
 * may have begun to read while this thread was blocked. */
void lpp_pages_read(lpp_session_t *session)
{
    lpp_interp_t *interp = session->sampler->target.interp;
    lpp_snapshot_t *snapshot = &session->copy.snapshot;
    sigset_t ours, mask;

    snapshot->page_count = 0;
    snapshot->page_flags = 0;
    /* Crashes are watched until the session is STOPPED. */
    if (!session->pages_begun || session->state != SESSION_RUNNING
        || !pthread_equal(session->thread, pthread_self())
        || lpp_interp_languages(interp) == 0 || !lpp_crash_rescues()) {
        return;
    }
    if (!session->arming.armed) {
        lpp_interp_enter_thread(interp);
    }
    sigemptyset(&ours);
    if (session->arming.armed) {
        sigaddset(&ours, session->arming.number);
    }
    if (pthread_sigmask(SIG_BLOCK, &ours, &mask) == 0) {
        pthread_mutex_lock(&session->sampler->pages_mutex);
        lpp_interp_read(interp, snapshot, &mask);
        pthread_mutex_unlock(&session->sampler->pages_mutex);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
    }
}

unsigned lpp_pages_unwind(lpp_session_t *session, apr_uint64_t root_cfa,
                          lpp_pc_t *pcs, unsigned max)
{
    lpp_sampler_t *sampler = session->sampler;
    lpp_frames_t *frames = &sampler->frames;
    const lpp_snapshot_t *snapshot = &session->copy.snapshot;
    lpp_unwind_end_e end;
    unsigned count;

    lpp_frames_refresh(frames);
    if (frames->unwinder == NULL) {
        return 0;
    }
    count = lpp_frames_unwind(frames, snapshot, root_cfa, frames->pcs,
                              LPP_FRAMES_MAX, &end);
    count = lpp_frames_hide(frames, frames->pcs, count, 0);
    if (count == 0) {
        return 0;
    }
    count--;
    memmove(frames->pcs, frames->pcs + 1, count * sizeof(*frames->pcs));
    if (sampler->target.interp != NULL) {
        count = lpp_interp_stack(sampler->target.interp, snapshot, frames->pcs,
                                 count, LPP_FRAMES_MAX,
                                 end == LPP_UNWIND_ROOT);
    }
    count = count < max ? count : max;
    memcpy(pcs, frames->pcs, count * sizeof(*pcs));
    return count;
}

void lpp_pages_count(const lpp_sampler_t *sampler, lpp_session_t *session)
{
    if (session->pages_begun) {
        lpp_interp_statistics(sampler->target.interp,
                              &session->profile->statistics.pages);
    }
}
