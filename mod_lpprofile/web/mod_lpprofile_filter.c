/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_filter: see mod_lpprofile_filter.h.
 *
 * One output filter, just before the content-set filters (mod_deflate), so that
 * it receives HTML without encoding. All but the possible tail of the page is
 * passed on at once; the block is made only when the rest of the page has
 * passed the filters after this one, so that it covers their work too. Holds
 * back at most LPP_TAIL_MAX_BYTES, copied, never a page. It examines the
 * beginning of a body: JSON is no page, and a <meta> in the head of a page may
 * forbid the style of the block.
 */
#include <string.h>

#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

#include "parse/lpp_tail.h"
#include "server/mod_lpprofile_wrappers.h"
#include "web/mod_lpprofile_filter.h"
#include "web/mod_lpprofile_filter_internal.h"
#include "request/mod_lpprofile_run.h"
#include "web/mod_lpprofile_url.h"

#define FILTER_NAME "LPPROFILE"
#define PASS_BYTES 65536 /* read from a file before it is passed on */
#define SCAN_BYTES (1024 * 1024) /* of XHTML examined before it is passed on, at
                                    most */

static ap_filter_rec_t *filter_handle;

typedef enum {
    STATE_UNDECIDED, /* no data of a response received yet */
    STATE_INJECT,
    STATE_HEAD       /* HEAD: headers as for GET, no block */
} state_e;

typedef struct filter_ctx_t {
    state_e state;
    int xhtml;
    int passed;               /* data was passed on already */
    int begun;                /* a byte that is not blank was received */
    lpp_tail_t tail;
    lpp_policy_head_t head;
    apr_bucket_brigade *out;  /* to be passed on; empty between two calls */
    apr_bucket_brigade *held; /* copies: what lpp_tail holds back */
    apr_size_t out_bytes;
} filter_ctx_t;

static apr_status_t pass_out(ap_filter_t *f)
{
    filter_ctx_t *ctx = f->ctx;
    apr_status_t rv;

    if (APR_BRIGADE_EMPTY(ctx->out)) {
        return APR_SUCCESS;
    }
    rv = lpp_pass_brigade(f->next, ctx->out);
    apr_brigade_cleanup(ctx->out);
    ctx->out_bytes = 0;
    ctx->passed = 1;
    return rv;
}

/* Remove the filter: pass on the held data, then bb, unchanged. */
static apr_status_t step_aside(ap_filter_t *f, apr_bucket_brigade *bb)
{
    filter_ctx_t *ctx = f->ctx;

    APR_BRIGADE_PREPEND(bb, ctx->held);
    APR_BRIGADE_PREPEND(bb, ctx->out);
    ap_remove_output_filter(f);
    return lpp_pass_brigade(f->next, bb);
}

/* Pass on the first count bytes of the held data, with the metadata between
 * them. */
static apr_status_t release_held(filter_ctx_t *ctx, apr_size_t held,
                                 apr_size_t count)
{
    apr_bucket *end;
    apr_status_t rv;

    ctx->out_bytes += count;
    if (count == held) {
        APR_BRIGADE_CONCAT(ctx->out, ctx->held);
        return APR_SUCCESS;
    }
    rv = apr_brigade_partition(ctx->held, (apr_off_t)count, &end);
    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
        return rv;
    }
    while (!APR_BRIGADE_EMPTY(ctx->held)
           && APR_BRIGADE_FIRST(ctx->held) != end) {
        apr_bucket *b = APR_BRIGADE_FIRST(ctx->held);

        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(ctx->out, b);
    }
    return APR_SUCCESS;
}

/* Read a bucket. Before a read that blocks, pass on and flush the data so far,
 * so that the client need not wait for it. */
static apr_status_t read_bucket(ap_filter_t *f, apr_bucket *b,
                                const char **data, apr_size_t *len)
{
    filter_ctx_t *ctx = f->ctx;
    apr_status_t rv = lpp_read_bucket(b, data, len, APR_NONBLOCK_READ);

    if (!APR_STATUS_IS_EAGAIN(rv)) {
        return rv;
    }
    APR_BRIGADE_INSERT_TAIL(
        ctx->out, apr_bucket_flush_create(f->c->bucket_alloc));
    rv = pass_out(f);
    return rv == APR_SUCCESS ? lpp_read_bucket(b, data, len, APR_BLOCK_READ)
                             : rv;
}

/* Take one data bucket, of len bytes at data: its front is passed on as it is,
 * its tail is copied. */
static apr_status_t take_data(ap_filter_t *f, apr_bucket *b, const char *data,
                              apr_size_t len)
{
    filter_ctx_t *ctx = f->ctx;
    apr_size_t held = ctx->tail.held, count;
    apr_status_t rv;

    if (!ctx->head.done) {
        lpp_policy_head_feed(&ctx->head, data, len);
    }
    count = lpp_tail_feed(&ctx->tail, data, len);
    if (held && count) {
        rv = release_held(ctx, held, count < held ? count : held);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    count = count > held ? count - held : 0;
    if (count < len) {
        /* Copy first: the split may move the bytes. */
        rv = apr_brigade_write(ctx->held, NULL, NULL, data + count,
                               len - count);
        if (rv == APR_SUCCESS && count) {
            rv = apr_bucket_split(b, count);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (count) {
            apr_bucket_delete(APR_BUCKET_NEXT(b));
        }
    }
    if (!count) {
        apr_bucket_delete(b);
        return APR_SUCCESS;
    }
    APR_BUCKET_REMOVE(b);
    APR_BRIGADE_INSERT_TAIL(ctx->out, b);
    ctx->out_bytes += count;
    return ctx->out_bytes >= PASS_BYTES ? pass_out(f) : APR_SUCCESS;
}

/* Metadata keeps its place among the data, except a flush, which must not wait
 * for the end of the page. */
static apr_status_t take_metadata(ap_filter_t *f, apr_bucket *b)
{
    filter_ctx_t *ctx = f->ctx;
    int flush = APR_BUCKET_IS_FLUSH(b);

    APR_BUCKET_REMOVE(b);
    if (ctx->tail.held && !flush) {
        APR_BRIGADE_INSERT_TAIL(ctx->held, b);
        return APR_SUCCESS;
    }
    APR_BRIGADE_INSERT_TAIL(ctx->out, b);
    return flush ? pass_out(f) : APR_SUCCESS;
}

/* A brigade that is written in small pieces. apr_brigade_write alone makes a
 * bucket for each piece once its first buffer is full. */
typedef struct block_t {
    apr_bucket_brigade *brigade;
    apr_size_t used;
    char bytes[APR_BUCKET_BUFF_SIZE];
} block_t;

static apr_status_t flush_block(block_t *block)
{
    apr_size_t used = block->used;

    block->used = 0;
    return used ? apr_brigade_write(block->brigade, NULL, NULL, block->bytes,
                                    used) : APR_SUCCESS;
}

static apr_status_t write_to_block(void *baton, const char *data,
                                   apr_size_t len)
{
    block_t *block = baton;
    apr_status_t rv;

    if (len > sizeof(block->bytes) - block->used
        && (rv = flush_block(block)) != APR_SUCCESS) {
        return rv;
    }
    if (len > sizeof(block->bytes)) {
        return apr_brigade_write(block->brigade, NULL, NULL, data, len);
    }
    memcpy(block->bytes + block->used, data, len);
    block->used += len;
    return APR_SUCCESS;
}

/* The end of the page (bb begins with EOS): pass on the rest of the page first,
 * then make the block, which covers that work. */
static apr_status_t finish(ap_filter_t *f, apr_bucket_brigade *bb)
{
    filter_ctx_t *ctx = f->ctx;
    lpp_run_t *run = lpp_run_get(f->r);
    block_t *block;
    lpp_sink_t sink = {write_to_block, NULL};
    apr_status_t rv;

    if (!ctx->passed && APR_BRIGADE_EMPTY(ctx->out)) {
        /* Nothing was sent yet, so mod_headers has not set its policy: pass on
         * a flush first. */
        APR_BRIGADE_INSERT_TAIL(
            ctx->out, apr_bucket_flush_create(f->c->bucket_alloc));
    }
    rv = pass_out(f);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    block = apr_palloc(f->r->pool, sizeof(*block));
    block->brigade = apr_brigade_create(f->r->pool, f->c->bucket_alloc);
    block->used = 0;
    sink.baton = block;
    if (run && (lpp_tail_end(&ctx->tail) || !ctx->xhtml)) {
        int styled = !ctx->head.forbidden && lpp_filter_may_style(f->r);

        rv = lpp_run_write_block(run, f->r, styled, ctx->xhtml, &sink);
        rv = rv == APR_SUCCESS ? flush_block(block) : rv;
        if (rv != APR_SUCCESS) {
            apr_brigade_cleanup(block->brigade); /* remove the incomplete
                                                    block */
        }
    }
    APR_BRIGADE_CONCAT(block->brigade, ctx->held);
    APR_BRIGADE_PREPEND(bb, block->brigade);
    ap_remove_output_filter(f);
    return lpp_pass_brigade(f->next, bb);
}

/* The first bytes of the body, as far as they have arrived; does not block. */
static void peek(apr_bucket_brigade *bb, const char **data, apr_size_t *len)
{
    apr_bucket *b = APR_BRIGADE_FIRST(bb);

    *data = NULL;
    *len = 0;
    while (b != APR_BRIGADE_SENTINEL(bb) && APR_BUCKET_IS_METADATA(b)) {
        b = APR_BUCKET_NEXT(b);
    }
    if (b == APR_BRIGADE_SENTINEL(bb)
        || lpp_read_bucket(b, data, len, APR_NONBLOCK_READ) != APR_SUCCESS) {
        *len = 0;
    }
}

/* 1 if the whole XHTML page has arrived, is small, and has no </body> at its
 * end: then it stays unchanged, with its headers. 0 if that is not known
 * yet. */
static int has_no_tag(apr_bucket_brigade *bb)
{
    apr_bucket *b;
    apr_off_t length;
    lpp_tail_t tail;

    if (APR_BRIGADE_EMPTY(bb) || !APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb))
        || apr_brigade_length(bb, 0, &length) != APR_SUCCESS || length < 0
        || length > SCAN_BYTES) {
        return 0;
    }
    lpp_tail_init(&tail, 1);
    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t len;

        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        if (lpp_read_bucket(b, &data, &len, APR_NONBLOCK_READ)
            != APR_SUCCESS) {
            return 0;
        }
        (void)lpp_tail_feed(&tail, data, len);
    }
    return !lpp_tail_end(&tail);
}

/* Examine the response once, before its first byte: 1 if it will be changed. */
static int decide(ap_filter_t *f, lpp_run_t *run, apr_bucket_brigade *bb)
{
    filter_ctx_t *ctx = f->ctx;
    request_rec *r = f->r;
    const char *why = NULL, *data;
    apr_size_t len;
    int inject;

    lpp_run_settle_user(run);
    inject = lpp_run_wants_block(run, r);
    if (inject) {
        peek(bb, &data, &len);
        why = lpp_filter_why_not(r, lpp_run_plan(run), data, len);
        if (!why && lpp_filter_is_xhtml(r) && has_no_tag(bb)) {
            why = "no-body-tag";
        }
        if (!why && r->header_only) {
            lpp_run_note(run, "head");
        }
        else if (why) {
            lpp_run_note(run, why);
            inject = 0;
        }
    }
    if (inject) {
        lpp_filter_change_headers(r);
        (void)lpp_url_last_headers(r);
        ctx->state = r->header_only ? STATE_HEAD : STATE_INJECT;
        ctx->xhtml = lpp_filter_is_xhtml(r);
        lpp_tail_init(&ctx->tail, ctx->xhtml);
        lpp_policy_head_init(&ctx->head, ctx->xhtml, r->pool);
    }
    lpp_run_set_headers(run, r);
    return inject;
}

/* For HEAD send EOS in its own brigade, else httpd derives Content-Length from
 * the body without the block. A filter that compresses needs a flush to pass on
 * what it has. */
static apr_status_t pass_head(ap_filter_t *f, apr_bucket_brigade *bb)
{
    filter_ctx_t *ctx = f->ctx;

    while (!APR_BRIGADE_EMPTY(bb)
           && !APR_BUCKET_IS_EOS(APR_BRIGADE_FIRST(bb))) {
        apr_bucket *b = APR_BRIGADE_FIRST(bb);

        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(ctx->out, b);
    }
    if (!APR_BRIGADE_EMPTY(bb)) {
        apr_status_t rv;

        APR_BRIGADE_INSERT_TAIL(ctx->out,
                                apr_bucket_flush_create(f->c->bucket_alloc));
        rv = pass_out(f);
        return rv == APR_SUCCESS ? step_aside(f, bb) : rv;
    }
    return pass_out(f);
}

static int has_error(apr_bucket_brigade *bb)
{
    apr_bucket *b;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (AP_BUCKET_IS_ERROR(b)) {
            return 1;
        }
    }
    return 0;
}

static apr_status_t take_all(ap_filter_t *f, apr_bucket_brigade *bb)
{
    filter_ctx_t *ctx = f->ctx;
    const char *data;
    apr_size_t len;

    while (!APR_BRIGADE_EMPTY(bb)) {
        apr_bucket *b = APR_BRIGADE_FIRST(bb);
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(b)) {
            return finish(f, bb);
        }
        if (AP_BUCKET_IS_ERROR(b)) {
            return step_aside(f, bb); /* truncated: the page has no end */
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            rv = take_metadata(f, b);
        }
        else {
            rv = read_bucket(f, b, &data, &len);
            if (rv == APR_SUCCESS && !ctx->begun) {
                if (lpp_filter_is_json(data, len)) {
                    return step_aside(f, bb); /* its headers were sent */
                }
                ctx->begun = lpp_filter_blank(data, len) < len;
            }
            rv = rv == APR_SUCCESS ? take_data(f, b, data, len) : rv;
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (f->c->aborted) {
            return APR_ECONNABORTED;
        }
    }
    return pass_out(f);
}

static apr_status_t filter_brigade(ap_filter_t *f, apr_bucket_brigade *bb)
{
    filter_ctx_t *ctx = f->ctx;
    lpp_run_t *run = lpp_run_get(f->r);

    if (APR_BRIGADE_EMPTY(bb)) {
        return APR_SUCCESS;
    }
    if (ctx->state == STATE_UNDECIDED) {
        /* An error bucket starts a new response, which has a filter of its
         * own. */
        if (!run || f->r->main || has_error(bb) || !decide(f, run, bb)) {
            return step_aside(f, bb);
        }
    }
    if (ctx->state == STATE_HEAD) {
        return pass_head(f, bb);
    }
    return take_all(f, bb);
}

/* r may already have a filter that was added before its handler ran. */
__attribute__((noinline)) void lpp_filter_insert(request_rec *r)
{
    ap_filter_t *f;
    filter_ctx_t *ctx;

    if (r->main || !lpp_run_get(r)) {
        return;
    }
    for (f = r->output_filters; f; f = f->next) {
        if (f->frec == filter_handle && f->r == r) {
            return;
        }
    }
    ctx = apr_pcalloc(r->pool, sizeof(*ctx));
    ctx->out = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    ctx->held = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    ap_add_output_filter_handle(filter_handle, ctx, r, r->connection);
}

/* If a filter that writes the response's headers is still in the chain, they
 * were not sent yet: it removes itself afterwards. */
int lpp_filter_join(request_rec *r)
{
    ap_filter_t *f;

    for (f = r->output_filters; f; f = f->next) {
        if (f->r == r && (!strcmp(f->frec->name, "http_header")
                          || !strcmp(f->frec->name, "h2_c2_response_out"))) {
            lpp_filter_insert(r);
            return 1;
        }
    }
    return 0;
}

static void insert_for_error(request_rec *r)
{
    if (lpp_run_any()) {
        lpp_filter_insert(r);
    }
}

void lpp_filter_register_hooks(apr_pool_t *pool)
{
    filter_handle = ap_register_output_filter(
        FILTER_NAME, filter_brigade, NULL, AP_FTYPE_CONTENT_SET - 1);
    /* Last of the insert hooks: among filters of one type the one inserted last
     * runs last, and this one must receive the output of the others. */
    ap_hook_insert_error_filter(insert_for_error, NULL, NULL,
                                APR_HOOK_REALLY_LAST);
}
