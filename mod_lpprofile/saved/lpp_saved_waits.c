/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_waits: the section of what the request waited for: how often and
 * how long at most. Names and total times are in the tree. It exists only if
 * there is a wait.
 */
#include <apr_strings.h>

#include "saved/lpp_saved_internal.h"
#include "names/lpp_view_graph.h"

void lpp_saved_put_waits(lpp_saved_writer_t *writer, const lpp_saved_t *saved)
{
    const lpp_view_t *view = saved->view;
    apr_uint32_t i;

    if (view->wait_count == 0) {
        return;
    }
    lpp_saved_put_number(writer, view->wait_count);
    for (i = 0; i < view->wait_count; i++) {
        lpp_saved_put_number(writer, view->waits[i].function);
        lpp_saved_put_number(writer, view->waits[i].times);
        lpp_saved_put_number(writer, view->waits[i].longest_us);
        lpp_saved_put_string(writer, view->waits[i].note);
    }
}

void lpp_saved_read_waits(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    lpp_view_t *view = reader->view;
    apr_uint32_t count = lpp_saved_count(reader, view->function_count, 4), i;
    lpp_wait_t *rows = lpp_saved_array(reader, count, sizeof(*rows));
    apr_status_t status;

    (void)saved;
    for (i = 0; rows && i < count && !reader->bad; i++) {
        rows[i].pc = view->functions[lpp_saved_number(
            reader, view->function_count - 1)].symbol.start;
        rows[i].times = lpp_saved_number(reader, LPP_SAVED_TOTAL_MAX);
        rows[i].longest_ns = lpp_saved_number(reader, LPP_SAVED_TOTAL_MAX
                                              / 1000) * 1000;
        apr_cpystrn(rows[i].note, lpp_saved_name(reader),
                    sizeof(rows[i].note));
    }
    if (reader->bad) {
        return;
    }
    status = lpp_view_add_waits(view, rows, count, reader->pool);
    if (status != APR_SUCCESS) {
        reader->bad = 1;
        reader->status = status;
    }
}
