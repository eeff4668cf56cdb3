/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops: the record of a report, for both encodings. Owns its table and
 * timeline; masks each request variable that is added, so that encoders need
 * not mask anything.
 */
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_utf8.h"
#include "oops/lpp_oops.h"
#include "oops/lpp_oops_text_internal.h"

#define MS_MAX 1e12 /* thirty years; every time then fits an integer */

apr_status_t lpp_oops_create(lpp_oops_t **oops, const char *id,
                             apr_pool_t *pool)
{
    lpp_oops_t *made = apr_pcalloc(pool, sizeof(*made));

    *oops = NULL;
    if (!made) {
        return APR_ENOMEM;
    }
    made->id = id;
    made->type = made->value = made->reporter = made->topic = "";
    made->tb_text = made->url = "";
    made->branch_nick = LPP_NAME;
    made->revno = LPP_VERSION;
    made->informational = 1;
    made->req_vars = apr_table_make(pool, 40);
    made->timeline = apr_array_make(pool, 16, sizeof(lpp_oops_event_t));
    made->pool = pool;
    if (!made->req_vars || !made->timeline) {
        return APR_ENOMEM;
    }
    *oops = made;
    return APR_SUCCESS;
}

/* Limit a time to what every encoding can represent; NaN becomes 0. */
static double to_ms(double ms)
{
    return ms >= 0 ? (ms < MS_MAX ? ms : MS_MAX) : 0;
}

void lpp_oops_add_event(lpp_oops_t *oops, double start_ms, double end_ms,
                        const char *category, const char *detail)
{
    const lpp_oops_event_t row = { start_ms, end_ms, category, detail, -1, -1 };

    lpp_oops_add_row(oops, &row);
}

void lpp_oops_add_row(lpp_oops_t *oops, const lpp_oops_event_t *row)
{
    lpp_oops_event_t event = *row, *events;
    int at;

    if (oops->timeline->nelts >= LPP_TIMELINE_MAX) {
        oops->timeline_dropped++;
        return;
    }
    event.start_ms = to_ms(row->start_ms);
    event.end_ms = to_ms(row->end_ms);
    if (event.end_ms < event.start_ms) {
        event.end_ms = event.start_ms;
    }
    event.category = apr_pstrdup(oops->pool, row->category ? row->category
                                                           : "");
    event.detail = apr_pstrdup(oops->pool, row->detail ? row->detail : "");
    if (!event.category || !event.detail) {
        oops->timeline_dropped++;
        return;
    }
    /* Events arrive almost in order, so search from the end. */
    apr_array_push(oops->timeline);
    events = (lpp_oops_event_t *)oops->timeline->elts;
    for (at = oops->timeline->nelts - 1;
         at > 0 && events[at - 1].start_ms > event.start_ms; at--) {
        events[at] = events[at - 1];
    }
    events[at] = event;
}

static int is_query(const char *name)
{
    return strstr(name, "QUERY_STRING") != NULL;
}

void lpp_oops_add_var(lpp_oops_t *oops, const char *name, const char *value,
                      const lpp_oops_hidden_t *hidden)
{
    if (!name || !name[0]) {
        return;
    }
    if (!value) {
        value = "";
    }
    if (lpp_oops_is_sensitive(name, hidden)
        || lpp_oops_hides_value(value, strlen(value), hidden)) {
        value = LPP_OOPS_HIDDEN;
    }
    else {
        /* Mask before the cut, which may remove the "@" that ends user info. */
        value = is_query(name)
                    ? lpp_oops_mask_query(value, hidden, oops->pool)
                    : lpp_oops_mask_url(value, hidden, oops->pool);
    }
    if (strlen(value) > LPP_VALUE_MAX_BYTES) {
        value = apr_pstrmemdup(oops->pool, value,
                               lpp_utf8_cut(value, LPP_VALUE_MAX_BYTES));
    }
    else {
        value = apr_pstrdup(oops->pool, value);
    }
    name = apr_pstrdup(oops->pool, name);
    if (name && value) {
        apr_table_setn(oops->req_vars, name, value);
    }
}
