/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_rfc822: any bytes as the texts of a record. What is written must be
 * ASCII lines, with as many headers, variables and timeline rows as were put
 * in, each of which the reader takes for what it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "oops/lpp_oops.h"

#define FIELDS 10
#define HEADERS 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

/* The input's texts, which NULs part; "" for those that are missing. */
static void split(const uint8_t *data, size_t size, const char **fields,
                  apr_pool_t *pool)
{
    size_t at = 0;
    int i;

    for (i = 0; i < FIELDS; i++) {
        size_t from = at;

        while (at < size && data[at]) {
            at++;
        }
        fields[i] = apr_pstrmemdup(pool, (const char *)data + from, at - from);
        at += at < size;
    }
}

/* Whether the reader takes a line for a row of the timeline. */
static int is_row(const char *line)
{
    const char *c = line + strspn(line, "0123456789");

    if (c == line || *c != '-') {
        return 0;
    }
    line = ++c;
    c += strspn(c, "0123456789");
    if (c == line) {
        return 0;
    }
    if (*c == '@') {
        c += strcspn(c, " ");
    }
    return *c == ' ' && c[1];
}

/* Lines up to the next empty one, each of which must be of that kind. */
static int count_lines(char **text, int (*fits)(const char *))
{
    int count = 0;

    while (**text && **text != '\n') {
        char *end = strchr(*text, '\n');

        require(end != NULL);
        *end = '\0';
        require(fits(*text));
        *text = end + 1;
        count++;
    }
    require(**text == '\n');
    (*text)++;
    return count;
}

static int is_header(const char *line)
{
    return line[0] >= 'A' && line[0] <= 'Z' && strstr(line, ": ") != NULL;
}

static int is_variable(const char *line)
{
    return strchr(line, '=') != NULL && !is_row(line);
}

static void check(char *text, const lpp_oops_t *oops)
{
    const char *c;

    for (c = text; *c; c++) {
        require((*c >= ' ' && *c < 0x7f) || *c == '\n' || *c == '\t');
    }
    require(count_lines(&text, is_header) == HEADERS);
    require(count_lines(&text, is_variable)
            == apr_table_elts(oops->req_vars)->nelts);
    require(count_lines(&text, is_row) == oops->timeline->nelts);
    require(!*text == !oops->tb_text[0]);
    require(!*text || strncmp(text, "Traceback", 9) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *fields[FIELDS];
    apr_pool_t *pool;
    lpp_oops_t *oops;
    lpp_buf_t *buf;
    lpp_sink_t sink;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    split(data, size, fields, pool);
    require(lpp_oops_create(&oops, "OOPS-1", pool) == APR_SUCCESS);
    oops->type = fields[0];
    oops->value = fields[1];
    oops->topic = fields[2];
    oops->username = fields[3];
    oops->url = fields[4];
    oops->tb_text = fields[5];
    lpp_oops_add_var(oops, fields[6], fields[7], NULL);
    lpp_oops_add_var(oops, fields[8], fields[9], NULL);
    lpp_oops_add_event(oops, (double)size, (double)size * 3, fields[8],
                       fields[7]);
    buf = apr_palloc(pool, sizeof(*buf));
    lpp_buf_init(buf, pool, LPP_FILE_MAX_BYTES);
    sink = lpp_buf_sink(buf);
    require(lpp_oops_write_rfc822(oops, &sink, pool) == APR_SUCCESS);
    check(buf->data, oops);
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}
