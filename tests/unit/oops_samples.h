/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oops_samples: records that the tests of both encodings write, and that
 * tests/readers/test_oops_*.py read back (LPP_SAMPLES=directory makes the
 * tests leave them there).
 */
#ifndef OOPS_SAMPLES_H
#define OOPS_SAMPLES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "oops/lpp_oops.h"

#define SAMPLE_ID "OOPS-0123456789abcdef0123456789abcdef"

typedef struct sample_t {
    const char *name;
    void (*fill)(lpp_oops_t *oops);
} sample_t;

static void fill_plain(lpp_oops_t *oops)
{
    oops->type = "ProfilingOops";
    oops->value = "Profiled, status 200";
    oops->time = apr_time_from_sec(1112313600); /* 2005-04-01 */
    oops->reporter = "www.example.org";
    oops->topic = "RootObject:index.html";
    oops->username = "Sample User";
    oops->url = "http://localhost:9000/foo?token=<hidden>";
    oops->duration_s = 0.0421875;
    lpp_oops_add_var(oops, "HTTP_USER_AGENT", "Mozilla/5.0", NULL);
    lpp_oops_add_var(oops, "HTTP_COOKIE", "a=b", NULL);
    lpp_oops_add_var(oops, "HTTP_REFERER", "http://localhost:9000/", NULL);
    lpp_oops_add_var(oops, "name=foo", "hello\nworld", NULL);
    lpp_oops_add_event(oops, 1.9, 5.1, "phase", "handler");
    lpp_oops_add_event(oops, 5.5, 123456.7, "SQL-main", "SELECT\n  2 = 2");
}

static void fill_nasty(lpp_oops_t *oops)
{
    oops->type = "HTTPBadGateway";
    oops->value = " two\r\n lines\t\\ \x01 caf\xc3\xa9 \xe2\x82\xac "
                  "\xf0\x9f\x98\x80 bad \xff\xc3 \xed\xa0\x80 ";
    oops->time = apr_time_from_sec(1112313600) + 42;
    oops->reporter = "Informational: False\n\nx";
    oops->topic = "x:\x7f";
    oops->username = "\xc3\xbc";
    oops->url = "http://h/\xff";
    oops->duration_s = 12.5;
    oops->informational = 0;
    oops->tb_text = "Traceback (most recent call last):\n"
                    "  File \"caf\xc3\xa9.so\", line 0, in a\\b\n\n"
                    "\ttabbed\x02\r\n00001-00002@x not a row";
    lpp_oops_add_var(oops, "00001-00002@x y", "no row", NULL);
    lpp_oops_add_var(oops, " blank ends ", " v ", NULL);
    lpp_oops_add_var(oops, "Traceback", "a=b=c", NULL);
    lpp_oops_add_var(oops, "EMPTY", "", NULL);
    lpp_oops_add_var(oops, "BYTES", "%41+\xff\xc3\xa9\x01\\x;/?:@&+$, ()*!~#",
                     NULL);
    lpp_oops_add_event(oops, 0, 0, "", "");
    lpp_oops_add_event(oops, 0, 1, "a b/c", " \n ");
    lpp_oops_add_event(oops, 2, 3, "caf\xc3\xa9", "x\\y \xc3\xa9 \xff \x1c z");
}

static void fill_empty(lpp_oops_t *oops)
{
}

static const sample_t samples[] = {
    {"plain", fill_plain}, {"nasty", fill_nasty}, {"empty", fill_empty}};

static lpp_oops_t *make_sample(unsigned i, apr_pool_t *pool)
{
    lpp_oops_t *oops;

    if (lpp_oops_create(&oops, SAMPLE_ID, pool) != APR_SUCCESS) {
        return NULL;
    }
    samples[i].fill(oops);
    return oops;
}

/* 0 when a sample's bytes were left where LPP_SAMPLES says, or nothing asks. */
static int leave_sample(unsigned i, const char *suffix, const lpp_buf_t *bytes,
                        apr_pool_t *pool)
{
    const char *dir = getenv("LPP_SAMPLES");
    FILE *file;
    int rc;

    if (!dir) {
        return 0;
    }
    file =
        fopen(apr_pstrcat(pool, dir, "/", samples[i].name, suffix, NULL), "w");
    if (!file) {
        return -1;
    }
    rc = fwrite(bytes->data, 1, bytes->len, file) == bytes->len ? 0 : -1;
    return fclose(file) == 0 ? rc : -1;
}

#endif
