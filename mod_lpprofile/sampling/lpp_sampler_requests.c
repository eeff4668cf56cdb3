/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sampler_requests: work that threads have done by the helper while they
 * wait: unwinding their own stack, bringing a profile up to date. The helper
 * takes it on between ticks, whatever else it does.
 */
#include "sampling/lpp_sampler_internal.h"

#include <errno.h>
#include <string.h>

static void serve(lpp_sampler_t *sampler, request_t *request)
{
    lpp_session_t *session = request->session;
    lpp_unwind_end_e end;

    switch (request->kind) {
    case REQUEST_DRAIN:
        if (sampler->tick.session == session) {
            lpp_tick_drain(sampler);
        }
        break;
    case REQUEST_STACK:
        lpp_tick_refresh(sampler);
        request->count = sampler->unwinder == NULL ? 0
            : lpp_tick_unwind(sampler, request->snapshot, request->root_cfa,
                              request->frames, request->max, &end);
        request->count = lpp_tick_hide(sampler, request->frames,
                                       request->count, 0);
        break;
    case REQUEST_ROOT:
        lpp_tick_refresh(sampler);
        request->root_cfa = lpp_tick_root(sampler, session->root_names,
                                          request->snapshot);
        break;
    }
}

/* The mutex is held, and given away while each request is worked on. */
void lpp_sampler_serve_requests(lpp_sampler_t *sampler)
{
    request_t *request;

    while ((request = sampler->requests) != NULL) {
        sampler->requests = request->next;
        request->state = REQUEST_TAKEN;
        pthread_mutex_unlock(&sampler->mutex);
        serve(sampler, request);
        pthread_mutex_lock(&sampler->mutex);
        request->state = REQUEST_SERVED;
        pthread_cond_broadcast(&request->session->cond);
    }
}

apr_status_t lpp_sampler_request(lpp_sampler_t *sampler, request_t *request,
                                 int64_t deadline_ns)
{
    struct timespec deadline = lpp_clock_timespec(deadline_ns);
    request_t **at;

    if (!sampler->started || atomic_load(&sampler->gone)) {
        return APR_EGENERAL;
    }
    request->state = REQUEST_QUEUED;
    request->next = NULL;
    for (at = &sampler->requests; *at != NULL; at = &(*at)->next) {
    }
    *at = request;
    sem_post(&sampler->wake);
    while (request->state != REQUEST_SERVED) {
        if (request->state == REQUEST_TAKEN) {
            /* In work: it is ours to wait for, and that does not take long. */
            pthread_cond_wait(&request->session->cond, &sampler->mutex);
        }
        else if (pthread_cond_timedwait(&request->session->cond,
                                        &sampler->mutex, &deadline) == ETIMEDOUT
                 && request->state == REQUEST_QUEUED) {
            for (at = &sampler->requests; *at != request; at = &(*at)->next) {
            }
            *at = request->next;
            return APR_TIMEUP;
        }
    }
    return APR_SUCCESS;
}

apr_status_t lpp_sampler_find_root(lpp_session_t *session)
{
    request_t request;
    apr_status_t status;

    memset(&request, 0, sizeof(request));
    request.session = session;
    request.kind = REQUEST_ROOT;
    request.snapshot = &session->here;
    status = lpp_sampler_request(
        session->sampler, &request, lpp_sampler_now_ns() + LPP_REQUEST_WAIT_NS);
    if (status == APR_SUCCESS) {
        session->root_cfa = request.root_cfa;
    }
    session->root_known = 1; /* or not to be had: here is used again */
    return status;
}
