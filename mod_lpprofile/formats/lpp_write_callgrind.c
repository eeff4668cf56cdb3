/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_write_callgrind: a profile in callgrind's format, for KCacheGrind,
 * QCacheGrind and callgrind_annotate.
 *
 * A name is written once with a number, and after that only its number is. The
 * events are Wall, CPU, Ready (microseconds) and Samples; the reader derives
 * Wait and Blocked. No line ends in a blank, and "summary:" comes after
 * "events:": otherwise KCacheGrind rejects the file. The costs of page
 * functions, and of calls from them, are those of each of their lines; those of
 * other functions have the line that the function begins at. callgrind_annotate
 * shows the lines with a cost of their own: a line of a page function that only
 * calls has one of 0.
 */
#include "formats/lpp_writer.h"

#include <string.h>

#include <apr_hash.h>

#define NO_FILE "???" /* what valgrind writes */

/* Strings and their numbers. */
typedef struct names_t {
    apr_hash_t *numbers; /* string -> unsigned * */
    unsigned count;
} names_t;

typedef struct writer_t {
    const lpp_view_t *view;
    lpp_buf_t out;              /* written to the sink when it is large */
    names_t objects, files;
    apr_hash_t *bases;          /* base name -> the first object's path */
    unsigned char *defined;     /* of each function, 1: its name was written */
    lpp_line_costs_t lines;     /* of page functions */
    apr_uint32_t self, call;    /* the next ones of lines */
    apr_pool_t *pool;
} writer_t;

/* Add text without control characters; a "#" would begin a comment, and a "(1"
 * at the begin would be a number. */
static void add_text(lpp_buf_t *out, const char *text)
{
    apr_size_t plain;

    if (text[0] == '(' && text[1] >= '0' && text[1] <= '9') {
        lpp_buf_add_byte(out, '_');
    }
    while (*text == ' ') {
        text++;
    }
    while (*text != '\0') {
        plain = strcspn(text, "#\n\r\t");
        lpp_buf_add(out, text, plain);
        text += plain;
        if (*text == '\0') {
            break;
        }
        lpp_buf_add_string(out, *text == '#' ? "%23" : "_");
        text++;
    }
    while (out->len > 0 && out->data[out->len - 1] == ' ') {
        out->data[out->len - 1] = '_';
    }
}

/* Add a number and the byte after it. Most of the file is made of these. */
static void add_number(lpp_buf_t *out, apr_uint64_t number, char next)
{
    char text[24], *at = text + sizeof(text);

    *--at = next;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    lpp_buf_add(out, at, (apr_size_t)(text + sizeof(text) - at));
}

static void add_numbered(writer_t *writer, names_t *names, const char *key,
                         const char *text)
{
    unsigned *number;

    if (text[0] == '\0') { /* the root has no object */
        lpp_buf_addf(&writer->out, "%s=\n", key);
        return;
    }
    number = apr_hash_get(names->numbers, text, APR_HASH_KEY_STRING);
    if (number != NULL) {
        lpp_buf_add_string(&writer->out, key);
        lpp_buf_add(&writer->out, "=(", 2);
        add_number(&writer->out, *number, ')');
        lpp_buf_add_byte(&writer->out, '\n');
        return;
    }
    number = apr_palloc(writer->pool, sizeof(*number));
    if (number == NULL) {
        writer->out.status = APR_ENOMEM;
        return;
    }
    *number = ++names->count;
    apr_hash_set(names->numbers, text, APR_HASH_KEY_STRING, number);
    lpp_buf_addf(&writer->out, "%s=(%u) ", key, *number);
    add_text(&writer->out, text);
    lpp_buf_add_byte(&writer->out, '\n');
}

/*
 * The source file; if it is unknown, or no line of it is known (for which
 * callgrind_annotate has no place), the object's base name, since
 * callgrind_annotate identifies functions only by file and name and would add
 * up functions of different objects.
 */
static const char *file_of(writer_t *writer, const lpp_symbol_t *symbol)
{
    const char *base, *first;

    if (symbol->file != NULL && symbol->file[0] != '\0'
        && (symbol->line != 0 || symbol->kind == LPP_NAME_INTERPRETER)) {
        return symbol->file;
    }
    if (symbol->object[0] == '\0') {
        return NO_FILE;
    }
    base = lpp_view_object_name(symbol);
    first = apr_hash_get(writer->bases, base, APR_HASH_KEY_STRING);
    if (first == NULL) {
        apr_hash_set(writer->bases, base, APR_HASH_KEY_STRING,
                     symbol->object);
        return base;
    }
    return strcmp(first, symbol->object) == 0 ? base : symbol->object;
}

/* Add object, file and function, as caller or (with prefix "c") as callee. */
static void add_function(writer_t *writer, apr_uint32_t index, int callee)
{
    const lpp_symbol_t *symbol = &writer->view->functions[index].symbol;
    lpp_buf_t *out = &writer->out;

    add_numbered(writer, &writer->objects, callee ? "cob" : "ob",
                 symbol->object);
    add_numbered(writer, &writer->files, callee ? "cfi" : "fl",
                 file_of(writer, symbol));
    lpp_buf_add_string(out, callee ? "cfn=(" : "fn=(");
    add_number(out, (apr_uint64_t)index + 1, ')');
    if (!writer->defined[index]) {
        writer->defined[index] = 1;
        lpp_buf_add_byte(out, ' ');
        add_text(out, symbol->name);
    }
    lpp_buf_add_byte(out, '\n');
}

static void add_cost(lpp_buf_t *out, unsigned line, const lpp_cost_t *cost)
{
    add_number(out, line, ' ');
    add_number(out, cost->wall_us, ' ');
    add_number(out, cost->cpu_us, ' ');
    add_number(out, cost->ready_us, ' ');
    add_number(out, cost->samples, '\n');
}

/* Of a page function: the line of a part of its cost; one that is not known is
 * that of its start. */
static unsigned line_of(const lpp_symbol_t *symbol, unsigned line)
{
    return line != 0 ? line : symbol->line != 0 ? symbol->line : 1;
}

static int is_zero(const lpp_cost_t *cost)
{
    return cost->wall_us == 0 && cost->cpu_us == 0 && cost->ready_us == 0
        && cost->samples == 0;
}

static void add_totals(lpp_buf_t *out, const char *key,
                       const lpp_cost_t *total)
{
    lpp_buf_addf(out, "%s: %" APR_UINT64_T_FMT " %" APR_UINT64_T_FMT
                 " %" APR_UINT64_T_FMT " %" APR_UINT64_T_FMT "\n", key,
                 total->wall_us, total->cpu_us, total->ready_us,
                 total->samples);
}

static void add_head(writer_t *writer)
{
    const lpp_view_t *view = writer->view;
    const lpp_view_about_t *about = &view->about;
    apr_array_header_t *notes = lpp_writer_notes(view, writer->pool);
    lpp_buf_t *out = &writer->out;
    int i;

    lpp_buf_add_string(out, "# callgrind format\nversion: 1\n"
                       "creator: " LPP_NAME "-" LPP_VERSION "\n");
    lpp_buf_addf(out, "pid: %u\ncmd: ", about->pid);
    add_text(out, about->method[0] != '\0' ? about->method : "-");
    lpp_buf_add_byte(out, ' ');
    add_text(out, about->url[0] != '\0' ? about->url : "-");
    lpp_buf_add_string(out, "\npart: 1\n");
    for (i = 0; i < notes->nelts; i++) {
        const lpp_writer_note_t *note = &APR_ARRAY_IDX(notes, i,
                                                       lpp_writer_note_t);

        lpp_buf_addf(out, "desc: %s: ", note->name);
        add_text(out, note->value);
        lpp_buf_add_byte(out, '\n');
    }
    lpp_buf_add_string(out, "positions: line\n"
                       "event: Wall : Wall time (us)\n"
                       "event: CPU : CPU time (us)\n"
                       "event: Ready : Ready, without a processor (us)\n"
                       "event: Samples : Samples\n"
                       "event: Wait = Wall - CPU : Waiting time (us)\n"
                       "event: Blocked = Wall - CPU - Ready : "
                       "Blocked time (us)\n"
                       "events: Wall CPU Ready Samples\n");
    add_totals(out, "summary", &view->total);
}

/* The next part of costs, which are count, if it is one of index; else NULL.
 * Indexes do not fall from call to call. */
static const lpp_line_cost_t *next_part(const lpp_line_cost_t *costs,
                                        apr_uint32_t count, apr_uint32_t *at,
                                        apr_uint32_t index)
{
    while (*at < count && costs[*at].index < index) {
        ++*at;
    }
    return *at < count && costs[*at].index == index ? &costs[(*at)++] : NULL;
}

/* Whether one of the count parts is that line of symbol. */
static int has_line(const lpp_symbol_t *symbol, const lpp_line_cost_t *parts,
                    apr_uint32_t count, unsigned line)
{
    apr_uint32_t i;

    for (i = 0; i < count && line_of(symbol, parts[i].line) != line; i++) {
    }
    return i < count;
}

/* Add a cost of 0 for each line of a page function that has a call and none of
 * the parts; edge is its first edge. */
static void add_calling_lines(writer_t *writer, apr_uint32_t index,
                              apr_uint32_t edge, const lpp_line_cost_t *parts,
                              apr_uint32_t part_count)
{
    static const lpp_cost_t none = {0, 0, 0, 0};
    const lpp_view_t *view = writer->view;
    const lpp_symbol_t *symbol = &view->functions[index].symbol;
    const lpp_line_costs_t *lines = &writer->lines;
    apr_uint32_t at = writer->call;
    const lpp_line_cost_t *call;
    unsigned line, last = 0;

    for (; edge < view->edge_count && view->edges[edge].caller == index;
         edge++) {
        while ((call = next_part(lines->calls, lines->call_count, &at, edge))
               != NULL) {
            line = line_of(symbol, call->line);
            if (line != last && !has_line(symbol, parts, part_count, line)) {
                add_cost(&writer->out, line, &none);
                last = line;
            }
        }
    }
}

/* Add the function's own cost; edge is its first edge. */
static void add_self(writer_t *writer, apr_uint32_t index, apr_uint32_t edge)
{
    const lpp_function_t *function = &writer->view->functions[index];
    const lpp_line_costs_t *lines = &writer->lines;
    const lpp_line_cost_t *part, *first = NULL;
    apr_uint32_t count = 0;

    if (function->symbol.kind == LPP_NAME_INTERPRETER) {
        while ((part = next_part(lines->selfs, lines->self_count,
                                 &writer->self, index)) != NULL) {
            add_cost(&writer->out, line_of(&function->symbol, part->line),
                     &part->cost);
            first = count++ == 0 ? part : first;
        }
        add_calling_lines(writer, index, edge, first, count);
    }
    else if (index == 0 || !is_zero(&function->self)) {
        add_cost(&writer->out, function->symbol.line, &function->self);
    }
}

/* Add one call: calls, the cost, and the caller's line. */
static void add_call(writer_t *writer, const lpp_edge_t *edge,
                     apr_uint64_t calls, unsigned line,
                     const lpp_cost_t *cost)
{
    lpp_buf_t *out = &writer->out;

    add_function(writer, edge->callee, 1);
    lpp_buf_add_string(out, "calls=");
    add_number(out, lpp_writer_count(calls, cost->samples), ' ');
    add_number(out, writer->view->functions[edge->callee].symbol.line, '\n');
    add_cost(out, line, cost);
}

/* Add the calls of one edge: one, or, where its caller is a page function, one
 * for each line that has cost; an exact count is one of all lines. */
static void add_edge(writer_t *writer, apr_uint32_t index)
{
    const lpp_edge_t *edge = &writer->view->edges[index];
    const lpp_symbol_t *caller
        = &writer->view->functions[edge->caller].symbol;
    const lpp_line_costs_t *lines = &writer->lines;
    const lpp_line_cost_t *part = NULL;

    if (caller->kind == LPP_NAME_INTERPRETER && !is_zero(&edge->total)) {
        while ((part = next_part(lines->calls, lines->call_count,
                                 &writer->call, index)) != NULL) {
            add_call(writer, edge,
                     part->cost.samples == edge->total.samples ? edge->calls
                                                               : 0,
                     line_of(caller, part->line), &part->cost);
        }
    }
    else if (!is_zero(&edge->total) || edge->calls != 0) {
        add_call(writer, edge, edge->calls, caller->line, &edge->total);
    }
}

/* Add one function with its calls; *edge moves to the edges of the next
 * caller. */
static void add_body(writer_t *writer, apr_uint32_t index,
                     apr_uint32_t *edge)
{
    const lpp_view_t *view = writer->view;

    lpp_buf_add_byte(&writer->out, '\n');
    add_function(writer, index, 0);
    add_self(writer, index, *edge);
    for (; *edge < view->edge_count && view->edges[*edge].caller == index;
         ++*edge) {
        add_edge(writer, *edge);
    }
}

/* Write the buffer to the sink and make it empty. */
static apr_status_t flush(writer_t *writer, const lpp_sink_t *sink)
{
    apr_status_t status = writer->out.status;

    if (status == APR_SUCCESS && writer->out.len > 0) {
        status = lpp_sink_write(sink, writer->out.data, writer->out.len);
    }
    lpp_buf_reset(&writer->out);
    return status;
}

apr_status_t lpp_write_callgrind(const lpp_view_t *view,
                                 const lpp_sink_t *sink, apr_pool_t *scratch)
{
    apr_uint32_t index, edge = 0;
    writer_t writer;
    apr_status_t status;

    memset(&writer, 0, sizeof(writer));
    writer.view = view;
    status = apr_pool_create(&writer.pool, scratch);
    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_buf_init(&writer.out, writer.pool, LPP_FILE_MAX_BYTES);
    writer.objects.numbers = apr_hash_make(writer.pool);
    writer.files.numbers = apr_hash_make(writer.pool);
    writer.bases = apr_hash_make(writer.pool);
    writer.defined = apr_pcalloc(writer.pool, view->function_count);
    status = writer.defined == NULL ? APR_ENOMEM
        : lpp_view_line_costs(&writer.lines, view, writer.pool);
    if (status != APR_SUCCESS) {
        goto leave;
    }
    add_head(&writer);
    for (index = 0; index < view->function_count; index++) {
        if (index == 0 || !is_zero(&view->functions[index].total)) {
            add_body(&writer, index, &edge);
        }
        while (edge < view->edge_count && view->edges[edge].caller == index) {
            edge++; /* skip the edges of a function that was left out */
        }
        if (writer.out.len > 32768) {
            status = flush(&writer, sink);
            if (status != APR_SUCCESS) {
                goto leave;
            }
        }
    }
    add_totals(&writer.out, "\ntotals", &view->total);
    status = flush(&writer, sink);

leave:
    apr_pool_destroy(writer.pool);
    return status;
}
