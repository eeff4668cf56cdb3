/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_shares: the section of ready time: what is known of it, and that of
 * each branch and, if there are page functions, of each line branch. It comes
 * before the tree, so that sums are computed once. A file without it is of a
 * version that did not know of ready time, or of a profile of which it is
 * unknown.
 */
#include "saved/lpp_saved_internal.h"

void lpp_saved_put_shares(lpp_saved_writer_t *writer,
                          const lpp_saved_t *saved)
{
    const lpp_view_t *view = saved->view;
    apr_uint32_t i;

    if (view->statistics.ready == LPP_READY_UNKNOWN) {
        return;
    }
    lpp_saved_put_number(writer, (apr_uint64_t)view->statistics.ready);
    lpp_saved_put_number(writer, view->branch_count);
    for (i = 0; i < view->branch_count; i++) {
        lpp_saved_put_number(writer, view->branches[i].self.ready_us);
    }
    lpp_saved_put_number(writer, view->line_branch_count);
    for (i = 0; i < view->line_branch_count; i++) {
        lpp_saved_put_number(writer, view->line_branches[i].self.ready_us);
    }
}

static void read_list(lpp_saved_reader_t *reader, lpp_saved_ready_t *list)
{
    apr_uint64_t *us;
    apr_uint32_t i;

    list->count = lpp_saved_count(reader, LPP_SAVED_BRANCHES_MAX, 1);
    us = lpp_saved_array(reader, list->count, sizeof(*us));
    for (i = 0; us && i < list->count && !reader->bad; i++) {
        us[i] = lpp_saved_number(reader, LPP_SAVED_TOTAL_MAX);
    }
    list->us = us;
    if (!us) {
        list->count = 0;
    }
}

void lpp_saved_read_shares(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    reader->view->statistics.ready = (int)lpp_saved_number(reader,
                                                           LPP_READY_EXACT);
    read_list(reader, &reader->branches);
    read_list(reader, &reader->line_branches);
}

apr_uint64_t lpp_saved_ready_us(lpp_saved_reader_t *reader,
                                const lpp_saved_ready_t *list, apr_uint32_t i,
                                const lpp_cost_t *cost)
{
    apr_uint64_t us = i < list->count ? list->us[i] : 0;

    if (us > cost->wall_us - cost->cpu_us) {
        reader->bad = 1;
        us = 0;
    }
    return us;
}
