/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_write_collapsed: folded stacks, root first, with wall microseconds, for
 * flamegraph.pl and speedscope.
 *
 * One line for each branch with self time, so the sum of the lines is the
 * total. The walk keeps the path to the current branch in one buffer and
 * shortens it when it returns to a parent.
 */
#include "formats/lpp_writer.h"

#include <string.h>

/* Add a name; ";" separates frames, and a line ends in a blank and the
 * weight. */
static void add_name(lpp_buf_t *path, const char *name)
{
    apr_size_t start = path->len, plain;

    while (*name == ' ') {
        name++;
    }
    while (*name != '\0') {
        plain = strcspn(name, ";\n\r\t");
        lpp_buf_add(path, name, plain);
        name += plain;
        if (*name == '\0') {
            break;
        }
        lpp_buf_add_byte(path, *name == ';' ? ':' : ' ');
        name++;
    }
    while (path->len > start && path->data[path->len - 1] == ' ') {
        path->data[--path->len] = '\0';
    }
    if (path->len == start) {
        lpp_buf_add_byte(path, '-');
    }
}

/* Add a frame. Functions of different objects may have the same name, so the
 * object is added, unless the name begins with it already. */
static void add_frame(lpp_buf_t *path, const lpp_symbol_t *symbol)
{
    const char *object = lpp_view_object_name(symbol);

    add_name(path, symbol->name);
    if (object[0] != '\0'
        && strncmp(symbol->name, object, strlen(object)) != 0) {
        lpp_buf_add_string(path, " [");
        add_name(path, object);
        lpp_buf_add_byte(path, ']');
    }
}

static apr_status_t write_line(const lpp_sink_t *sink, const lpp_buf_t *path,
                               apr_uint64_t wall_us)
{
    apr_status_t status = path->status;

    if (status == APR_SUCCESS) {
        status = lpp_sink_write(sink, path->data, path->len);
    }
    if (status == APR_SUCCESS) {
        status = lpp_sink_printf(sink, " %" APR_UINT64_T_FMT "\n", wall_us);
    }
    return status;
}

/* The next branch in the order of the tree; LPP_NODE_NONE: there is none. */
static apr_uint32_t next_of(const lpp_view_t *view, apr_uint32_t at)
{
    if (view->branches[at].first_child != LPP_NODE_NONE) {
        return view->branches[at].first_child;
    }
    while (at != 0 && view->branches[at].next_sibling == LPP_NODE_NONE) {
        at = view->branches[at].parent;
    }
    return at != 0 ? view->branches[at].next_sibling : LPP_NODE_NONE;
}

apr_status_t lpp_write_collapsed(const lpp_view_t *view,
                                 const lpp_sink_t *sink, apr_pool_t *scratch)
{
    apr_size_t *ends = NULL; /* of the path, by branch */
    apr_uint32_t at = 0;
    apr_pool_t *pool;
    lpp_buf_t path;
    apr_status_t status = apr_pool_create(&pool, scratch);

    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_buf_init(&path, pool, LPP_FILE_MAX_BYTES);
    ends = apr_palloc(pool, view->branch_count * sizeof(*ends));
    if (ends == NULL) {
        status = APR_ENOMEM;
        goto leave;
    }
    while (at != LPP_NODE_NONE && status == APR_SUCCESS) {
        const lpp_branch_t *branch = &view->branches[at];

        if (at != 0) {
            path.len = ends[branch->parent];
            path.data[path.len] = '\0';
            lpp_buf_add_byte(&path, ';');
        }
        add_frame(&path, &view->functions[branch->function].symbol);
        status = path.status;
        ends[at] = path.len;
        /* the file of a profile without time has the root */
        if (branch->self.wall_us != 0
            || (at == 0 && view->total.wall_us == 0)) {
            status = write_line(sink, &path, branch->self.wall_us);
        }
        at = next_of(view, at);
    }

leave:
    apr_pool_destroy(pool);
    return status;
}
