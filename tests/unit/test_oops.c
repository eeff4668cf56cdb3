/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_oops: the record, and what is hidden in it. CANARY stands wherever a
 * secret would: no result may hold it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "oops/lpp_oops.h"

#define CANARY "s3cr3t-canary"
#define ID "OOPS-0123456789abcdef0123456789abcdef"

typedef struct fixture_t {
    apr_pool_t *pool;
    lpp_oops_hidden_t hidden; /* LPOopsHide X-Mine own_key; a session */
    const lpp_oops_hidden_t *more;
    lpp_oops_t *oops;
} fixture_t;

static int set_up(void **state)
{
    fixture_t *f = calloc(1, sizeof(*f));
    apr_array_header_t *names;

    apr_pool_create(&f->pool, NULL);
    names = apr_array_make(f->pool, 2, sizeof(char *));
    APR_ARRAY_PUSH(names, const char *) = "X-Mine";
    APR_ARRAY_PUSH(names, const char *) = "http_own";
    f->hidden.names = names;
    f->more = &f->hidden;
    *state = f;
    return lpp_oops_create(&f->oops, ID, f->pool) == APR_SUCCESS ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture_t *f = *state;

    apr_pool_destroy(f->pool);
    free(f);
    return 0;
}

static const char *const sensitive[] = {"PASSWORD",
                                        "password",
                                        "user[Password]",
                                        "db-passwd",
                                        "MYPASSWDX",
                                        "client_secret",
                                        "SECRET",
                                        "X-Auth-Token",
                                        "HTTP_X_CSRF_TOKEN",
                                        "apikey",
                                        "X-Api-Key",
                                        "api_key",
                                        "ApI-kEy",
                                        "PHPSESSID_SESSION",
                                        "jsessionid",
                                        "csrf",
                                        "X-Amz-Signature",
                                        "oauth_signature",
                                        "Cookie",
                                        "COOKIE",
                                        "HTTP_COOKIE",
                                        "http-cookie",
                                        "REDIRECT_HTTP_COOKIE",
                                        "REDIRECT_REDIRECT_HTTP_COOKIE",
                                        "HTTP_REDIRECT_HTTP_AUTHORIZATION",
                                        "Set-Cookie",
                                        "Authorization",
                                        "PROXY-AUTHORIZATION",
                                        "HTTP_PROXY_AUTHORIZATION",
                                        "X-Mine",
                                        "HTTP_X_MINE",
                                        "x_mine",
                                        "REDIRECT_OWN",
                                        "own",
                                        "PASS",
                                        "pass_word",
                                        "user[pass]",
                                        "login.pwd",
                                        "PHP_AUTH_PW",
                                        "sid",
                                        "connect-sid",
                                        "PHPSESSID",
                                        "otp",
                                        "X-OTP",
                                        "sig",
                                        "x_sig_2",
                                        "_xsrf",
                                        "X-XSRF",
                                        "passphrase",
                                        "AWS_CREDENTIALS",
                                        "jwt",
                                        "id-jwt",
                                        "COOKIES",
                                        "MY_COOKIE",
                                        "Cookie2",
                                        "X-Authorization",
                                        "private_key",
                                        "Ocp-Apim-Subscription-Key",
                                        "opts[private_key]",
                                        "_key"};

static const char *const harmless[] = {"",
                                       "HTTP_",
                                       "REDIRECT_",
                                       "HTTP_HOST",
                                       "PASSAGE",
                                       "passenger",
                                       "compass_word",
                                       "TOKE",
                                       "signal",
                                       "SIGNAL_2",
                                       "design",
                                       "aside",
                                       "side_1",
                                       "optional",
                                       "PWDX",
                                       "API",
                                       "KEY",
                                       "MONKEY",
                                       "keyboard",
                                       "hot_keys",
                                       "key_id",
                                       "code",
                                       "codec",
                                       "author",
                                       "SESSIO",
                                       "X_MINES",
                                       "AX_MINE",
                                       "OW",
                                       "page",
                                       "\xff\xfe"};

static void names_are_told_apart(void **state)
{
    fixture_t *f = *state;
    unsigned i;

    for (i = 0; i < LPP_COUNT(sensitive); i++) {
        if (!lpp_oops_is_sensitive(sensitive[i], f->more)) {
            fail_msg("not hidden: %s", sensitive[i]);
        }
    }
    for (i = 0; i < LPP_COUNT(harmless); i++) {
        if (lpp_oops_is_sensitive(harmless[i], f->more)) {
            fail_msg("hidden: %s", harmless[i]);
        }
    }
    assert_false(lpp_oops_is_sensitive("X-Mine", NULL));
}

/* in, out; NULL: nothing changes, and the very same string comes back */
static const char *const texts[][2] = {
    {"", NULL},
    {"/a/b?x=1&y=2", NULL},
    {"GET /a?b=c HTTP/1.1", NULL},
    {"a@b.example wrote: 50% done, x = y", NULL},
    {"/a?passage=1&toke=2#frag", NULL},
    {"https://github.example:443/@user/repo", NULL},
    {"//", NULL},
    {"//@", NULL},
    {"%", NULL},
    {"%4", NULL},
    {"=", NULL},
    {"=%3D=", NULL},
    {"/a?token=" CANARY, "/a?token=<hidden>"},
    {"/a?token=" CANARY "&x=1", "/a?token=<hidden>&x=1"},
    {"/a?token=&x=1", NULL},
    {"/a?x=1&TOKEN=" CANARY "#f", "/a?x=1&TOKEN=<hidden>"},
    {"/a?pass%77ord=" CANARY, "/a?pass%77ord=<hidden>"},
    {"/a?%70%41SSWORD=" CANARY "&b=%31", "/a?%70%41SSWORD=<hidden>&b=%31"},
    {"/a?pass%2577ord=" CANARY, "/a?pass%2577ord=<hidden>"},
    {"/a?user%5Bpassword%5D=" CANARY, "/a?user%5Bpassword%5D=<hidden>"},
    {"/a?user[password]=" CANARY, "/a?user[password]=<hidden>"},
    {"/a?x-mine=" CANARY "&own=" CANARY, "/a?x-mine=<hidden>&own=<hidden>"},
    {"/cb?state=1&code=" CANARY "&codec=1",
     "/cb?state=1&code=<hidden>&codec=1"},
    {"/go?u=%2Fcb%3FCode%3D" CANARY "%26a%3D1",
     "/go?u=%2Fcb%3FCode%3D<hidden>"},
    {"exit code=3, status code=4", NULL},
    {"/a?sig=" CANARY "&sid=" CANARY "&otp=" CANARY "&pass=" CANARY "&key=k",
     "/a?sig=<hidden>&sid=<hidden>&otp=<hidden>&pass=<hidden>&key=k"},
    {"/a?monkey=1&keyboard=2&passenger=3&signal=4&aside=5", NULL},
    /* JSON, in all its wrappings */
    {"/a?data={\"password\":\"" CANARY "\",\"page\":\"3\"}&z=2",
     "/a?data={\"password\":\"<hidden>\",\"page\":\"3\"}&z=2"},
    {"/a?data=%7B%22password%22%3A%22" CANARY "%22%2C%22b%22%3A1%7D&z=2",
     "/a?data=%7B%22password%22%3A%22<hidden>%22%2C%22b%22%3A1%7D&z=2"},
    {"/a?d=%257B%2522otp%2522%253A%2520" CANARY "%257D&z=2",
     "/a?d=%257B%2522otp%2522%253A%2520<hidden>%257D&z=2"},
    {"{\"otp\": 123456, \"page\": 3}", "{\"otp\": <hidden>, \"page\": 3}"},
    {"{ 'pwd' : 'it\\'s " CANARY "', 'b': 'c' }",
     "{ 'pwd' : '<hidden>', 'b': 'c' }"},
    {"{\"a\":\"{\\\"token\\\":\\\"" CANARY "\\\",\\\"b\\\":1}\"}",
     "{\"a\":\"{\\\"token\\\":\\\"<hidden>\\\",\\\"b\\\":1}\"}"},
    {"{\"passw\\u006frd\":\"" CANARY "\"}",
     "{\"passw\\u006frd\":\"<hidden>\"}"},
    {"got {\"credentials\":{\"a\":\"" CANARY "\"}}\nnext",
     "got {\"credentials\":<hidden>\nnext"},
    {"{\"page\":\"passenger\",\"monkey\":\"x\"}", NULL},
    {"{\"password\":\"" CANARY, "{\"password\":\"<hidden>"},
    /* headers */
    {"sent X-Auth-Token: " CANARY " " CANARY "\nHost: h",
     "sent X-Auth-Token: <hidden>\nHost: h"},
    {"connect to session-store:6379 failed, my-token:x", NULL},
    {"mod_session_cookie: nothing to save", NULL},
    {"GET /a?token=" CANARY "&x=1 HTTP/1.1",
     "GET /a?token=<hidden>&x=1 HTTP/1.1"},
    {"token=" CANARY "&x=1", "token=<hidden>&x=1"},
    {"a=1;token=" CANARY ";" CANARY "&b=2", "a=1;token=<hidden>&b=2"},
    {"/x?token=a=" CANARY "&b=2", "/x?token=<hidden>&b=2"},
    {"/app;jsessionid=" CANARY "/next?x=1",
     "/app;jsessionid=<hidden>/next?x=1"},
    {"http://h/a;jsessionid=" CANARY "?x=1",
     "http://h/a;jsessionid=<hidden>?x=1"},
    {"/a?b;session=x/" CANARY, "/a?b;session=<hidden>"},
    /* a URL in a URL, once and twice encoded */
    {"/go?u=https%3A%2F%2Fh%2F%3Ftoken%3D" CANARY "%26a%3D1&z=2",
     "/go?u=https%3A%2F%2Fh%2F%3Ftoken%3D<hidden>&z=2"},
    {"/go?u=%252Fx%253Fsecret%253D" CANARY "&z=2",
     "/go?u=%252Fx%253Fsecret%253D<hidden>&z=2"},
    {"/go/http%3A%2F%2Fme%3A" CANARY "%40host%2Fx",
     "/go/http%3A%2F%2F<hidden>%40host%2Fx"},
    /* user info */
    {"http://me:" CANARY "@host:80/a?b=c", "http://<hidden>@host:80/a?b=c"},
    {"http://" CANARY "@host", "http://<hidden>@host"},
    {"http://a@b:" CANARY "@host/", "http://<hidden>@host/"},
    {"http:///me:" CANARY "@host/", "http:///<hidden>@host/"},
    {"//me:" CANARY "@host/", "//<hidden>@host/"},
    {"proxy:fcgi://u:" CANARY "@127.0.0.1:9/x?token=" CANARY,
     "proxy:fcgi://<hidden>@127.0.0.1:9/x?token=<hidden>"},
    {"see http://h/ and ftp://u:" CANARY "@h2/ too",
     "see http://h/ and ftp://<hidden>@h2/ too"},
    /* running text */
    {"AH1: failed, token=" CANARY ", referer: http://h/?a=1",
     "AH1: failed, token=<hidden>, referer: http://h/?a=1"},
    {"script said \"/x?secret=" CANARY "\" again",
     "script said \"/x?secret=<hidden>\" again"},
    {"connect host=x password='" CANARY " y' user=z",
     "connect host=x password='<hidden>' user=z"},
    {"password=\"" CANARY " unclosed\nnext line",
     "password=\"<hidden>\nnext line"},
    {"in (token=" CANARY ").", "in (token=<hidden>)."},
    {"Cookie: a=" CANARY "; b=" CANARY "\nHost: h",
     "Cookie: <hidden>\nHost: h"},
    {"request header [HTTP_AUTHORIZATION: Basic " CANARY "]",
     "request header [HTTP_AUTHORIZATION: <hidden>"},
    {"X-Mine: " CANARY, "X-Mine: <hidden>"},
    {"mod_session: could not save the session for x", NULL},
    {"theme=dark; session=" CANARY "; PHPSESSION=" CANARY,
     "theme=dark; session=<hidden>; PHPSESSION=<hidden>"},
    {"token=" CANARY "\x01token=" CANARY, "token=<hidden>\x01token=<hidden>"},
    /* masked before */
    {"/a?token=<hidden>&x=1", NULL},
    {"(token=<hidden>).", NULL},
};

static void text_is_masked_and_nothing_else_changes(void **state)
{
    fixture_t *f = *state;
    unsigned i;

    for (i = 0; i < LPP_COUNT(texts); i++) {
        const char *masked = lpp_oops_mask_url(texts[i][0], f->more, f->pool);

        if (!texts[i][1]) {
            assert_string_equal(masked, texts[i][0]);
            assert_ptr_equal(masked, texts[i][0]);
            continue;
        }
        assert_string_equal(masked, texts[i][1]);
        assert_null(strstr(masked, CANARY));
        assert_string_equal(lpp_oops_mask_url(masked, f->more, f->pool),
                            masked);
    }
}

static void values_of_this_request_are_hidden_anywhere(void **state)
{
    static const char *const cases[][2] = {
        {"GET /reset/" CANARY "/x HTTP/1.1", "GET /reset/<hidden>/x HTTP/1.1"},
        {"/a?x=" CANARY "&y=1", "/a?x=<hidden>&y=1"},
        {"/a?x=s3cr3t%2Dcanary&y=1", "/a?x=<hidden>&y=1"},
        {"no session " CANARY, "no session <hidden>"},
        {"bad dXNlcjpwYXNzMQ== here", "bad <hidden> here"},
        {"/other/" CANARY "s", NULL},
        {"/styles/darkmode.css?v=short1", NULL},
        {"nothing of it", NULL}};
    fixture_t *f = *state;
    unsigned i;

    lpp_oops_hide_cookies(&f->hidden, "theme=darkmode; a=short1; "
                          "id=\"" CANARY "\"; odd;=", f->pool);
    lpp_oops_hide_authorization(&f->hidden, "Basic  dXNlcjpwYXNzMQ==",
                                f->pool);
    lpp_oops_hide_authorization(&f->hidden, NULL, f->pool);
    lpp_oops_hide_cookies(&f->hidden, NULL, f->pool);
    for (i = 0; i < LPP_COUNT(cases); i++) {
        const char *masked = lpp_oops_mask_url(cases[i][0], f->more, f->pool);

        assert_string_equal(masked, cases[i][1] ? cases[i][1] : cases[i][0]);
        assert_string_equal(lpp_oops_mask_url(masked, f->more, f->pool),
                            masked);
    }
    lpp_oops_add_var(f->oops, "HTTP_X_COPY", CANARY, f->more);
    lpp_oops_add_var(f->oops, "HTTP_X_ALL", "theme=darkmode; a=short1; id=\""
                     CANARY "\"; odd;=", f->more);
    lpp_oops_add_var(f->oops, "HTTP_X_AUTH", "Basic  dXNlcjpwYXNzMQ==",
                     f->more);
    lpp_oops_add_var(f->oops, "HTTP_X_THEME", "darkmode", f->more);
    assert_string_equal(apr_table_get(f->oops->req_vars, "HTTP_X_COPY"),
                        "<hidden>");
    assert_string_equal(apr_table_get(f->oops->req_vars, "HTTP_X_ALL"),
                        "<hidden>");
    assert_string_equal(apr_table_get(f->oops->req_vars, "HTTP_X_AUTH"),
                        "<hidden>");
    assert_string_equal(apr_table_get(f->oops->req_vars, "HTTP_X_THEME"),
                        "darkmode");
}

static const char *const queries[][2] = {
    {"", NULL},
    {"a=1&b=http://h/", NULL},
    {"token=it's \"" CANARY "\" & b=2", "token=<hidden>& b=2"},
    {"a=1;token=x;" CANARY "&b=2", "a=1;token=<hidden>&b=2"},
    {"a;token=x/" CANARY, "a;token=<hidden>"},
    {"/x;token=y/" CANARY, "/x;token=<hidden>"},
    {"u=http://me:" CANARY "@h/", "u=http://<hidden>@h/"},
    {"token=" CANARY "...", "token=<hidden>"},
    {"token=<hidden>&a=1", "token=<hidden>&a=1"},
    {"code=" CANARY "&a=1", "code=<hidden>&a=1"},
    {"a={\"token\":\"x & " CANARY "\",\"b\":1}&c=1",
     "a={\"token\":\"<hidden>\",\"b\":1}&c=1"},
    {"a=%7B%22pw%22:%22" CANARY "%22%7D", "a=%7B%22pw%22:%22<hidden>%22%7D"},
};

static void query_value_ends_at_ampersand_only(void **state)
{
    fixture_t *f = *state;
    unsigned i;

    for (i = 0; i < LPP_COUNT(queries); i++) {
        const char *masked =
            lpp_oops_mask_query(queries[i][0], f->more, f->pool);

        assert_string_equal(masked,
                            queries[i][1] ? queries[i][1] : queries[i][0]);
        assert_null(strstr(masked, CANARY));
    }
}

static void masking_is_linear(void **state)
{
    fixture_t *f = *state;
    static const char *const pieces[] = {
        "token=", "%",   "//", "a;token=", ":",           "%253D",
        "://@",   "x=",  ";;", "\":",      "\"token\":",  "\"a\":\"",
        "\\\\\":", "{\"sid\":[", "pass_", "a-"};
    unsigned i, k;

    /* a megabyte of each takes no time; quadratic would take hours */
    for (i = 0; i < LPP_COUNT(pieces); i++) {
        apr_size_t len = strlen(pieces[i]), size = 1 << 20;
        char *text = apr_palloc(f->pool, size + len + 1);

        for (k = 0; k < size; k += (unsigned)len) {
            memcpy(text + k, pieces[i], len + 1);
        }
        assert_non_null(lpp_oops_mask_url(text, f->more, f->pool));
        assert_non_null(lpp_oops_mask_query(text, f->more, f->pool));
    }
}

static void new_record_is_empty_and_informational(void **state)
{
    fixture_t *f = *state;
    const lpp_oops_t *o = f->oops;

    assert_string_equal(o->id, ID);
    assert_string_equal(o->type, "");
    assert_string_equal(o->tb_text, "");
    assert_string_equal(o->url, "");
    assert_string_equal(o->branch_nick, "mod_lpprofile");
    assert_string_equal(o->revno, LPP_VERSION);
    assert_null(o->username);
    assert_int_equal(o->informational, 1);
    assert_int_equal(o->timeline->nelts, 0);
    assert_true(apr_is_empty_table(o->req_vars));
}

static const char *var(fixture_t *f, const char *name)
{
    return apr_table_get(f->oops->req_vars, name);
}

static void hidden_variables_keep_their_names_only(void **state)
{
    fixture_t *f = *state;
    unsigned i;

    for (i = 0; i < LPP_COUNT(sensitive); i++) {
        lpp_oops_add_var(f->oops, sensitive[i], CANARY, f->more);
        assert_string_equal(var(f, sensitive[i]), "<hidden>");
    }
    for (i = 1; i < LPP_COUNT(harmless); i++) {
        lpp_oops_add_var(f->oops, harmless[i], "shown", f->more);
        assert_string_equal(var(f, harmless[i]), "shown");
    }
}

static void values_are_masked_wherever_they_hold_a_url(void **state)
{
    fixture_t *f = *state;

    lpp_oops_add_var(f->oops, "HTTP_REFERER",
                     "http://u:" CANARY "@h/?token=" CANARY, NULL);
    lpp_oops_add_var(f->oops, "REQUEST_URI", "/a?api-key=" CANARY, NULL);
    lpp_oops_add_var(f->oops, "QUERY_STRING", "secret=a " CANARY, NULL);
    lpp_oops_add_var(f->oops, "REDIRECT_QUERY_STRING", "secret=' " CANARY,
                     NULL);
    lpp_oops_add_var(f->oops, "HTTP_X", "a=1; session=" CANARY, NULL);
    assert_string_equal(var(f, "HTTP_REFERER"),
                        "http://<hidden>@h/?token=<hidden>");
    assert_string_equal(var(f, "REQUEST_URI"), "/a?api-key=<hidden>");
    assert_string_equal(var(f, "QUERY_STRING"), "secret=<hidden>");
    assert_string_equal(var(f, "REDIRECT_QUERY_STRING"), "secret=<hidden>");
    assert_string_equal(var(f, "HTTP_X"), "a=1; session=<hidden>");
}

static void odd_variables_do_no_harm(void **state)
{
    fixture_t *f = *state;

    lpp_oops_add_var(f->oops, NULL, "x", NULL);
    lpp_oops_add_var(f->oops, "", "x", NULL);
    assert_true(apr_is_empty_table(f->oops->req_vars));
    lpp_oops_add_var(f->oops, "A", NULL, NULL);
    assert_string_equal(var(f, "A"), "");
    lpp_oops_add_var(f->oops, "A", "again", NULL);
    assert_string_equal(var(f, "A"), "again");
}

static void long_values_are_cut_between_characters(void **state)
{
    fixture_t *f = *state;
    char *value = apr_palloc(f->pool, 3 * LPP_VALUE_MAX_BYTES + 1);
    unsigned shift;

    for (shift = 0; shift < 3; shift++) {
        apr_size_t len = shift, got;

        memset(value, 'a', shift);
        while (len < 2 * LPP_VALUE_MAX_BYTES) {
            memcpy(value + len, "\xe2\x82\xac", 4);
            len += 3;
        }
        lpp_oops_add_var(f->oops, "V", value, NULL);
        got = strlen(var(f, "V"));
        assert_true(got <= LPP_VALUE_MAX_BYTES);
        assert_true(got > LPP_VALUE_MAX_BYTES - 3);
        assert_int_equal((got - shift) % 3, 0);
    }
    memset(value, 'b', LPP_VALUE_MAX_BYTES);
    value[LPP_VALUE_MAX_BYTES] = '\0';
    lpp_oops_add_var(f->oops, "V", value, NULL);
    assert_int_equal(strlen(var(f, "V")), LPP_VALUE_MAX_BYTES);
}

static void user_info_across_the_cut_is_hidden(void **state)
{
    fixture_t *f = *state;
    char *value = apr_palloc(f->pool, LPP_VALUE_MAX_BYTES + 200);

    /* the secret lies before the cut, its "@" behind it */
    memset(value, 'x', LPP_VALUE_MAX_BYTES);
    strcpy(value + LPP_VALUE_MAX_BYTES - strlen("http://u:" CANARY),
           "http://u:" CANARY CANARY "@host/");
    lpp_oops_add_var(f->oops, "V", value, NULL);
    assert_null(strstr(var(f, "V"), "s3cr3t"));
}

static const lpp_oops_event_t *event(fixture_t *f, int i)
{
    return &APR_ARRAY_IDX(f->oops->timeline, i, lpp_oops_event_t);
}

static void timeline_is_copied_and_sorted_by_start(void **state)
{
    fixture_t *f = *state;
    char detail[] = "one";

    lpp_oops_add_event(f->oops, 5, 6, "phase", detail);
    memset(detail, 'X', 3);
    lpp_oops_add_event(f->oops, 9, 10, "phase", "three");
    lpp_oops_add_event(f->oops, 5, 9, "SQL-main", "two");
    lpp_oops_add_event(f->oops, 1, 2, NULL, NULL);
    assert_int_equal(f->oops->timeline->nelts, 4);
    assert_string_equal(event(f, 0)->detail, "");
    assert_string_equal(event(f, 0)->category, "");
    assert_string_equal(event(f, 1)->detail, "one");
    assert_string_equal(event(f, 2)->detail, "two");
    assert_string_equal(event(f, 3)->detail, "three");
}

static void impossible_times_are_made_possible(void **state)
{
    fixture_t *f = *state;

    lpp_oops_add_event(f->oops, -3, -4, "a", "");
    lpp_oops_add_event(f->oops, NAN, INFINITY, "b", "");
    lpp_oops_add_event(f->oops, 7, 6, "c", "");
    assert_true(event(f, 0)->start_ms >= 0 && event(f, 0)->end_ms >= 0);
    assert_true(event(f, 1)->start_ms >= 0 && event(f, 1)->end_ms < 1e13);
    assert_true(event(f, 2)->end_ms >= event(f, 2)->start_ms);
}

static void timeline_past_its_ceiling_is_counted(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < LPP_TIMELINE_MAX + 3; i++) {
        lpp_oops_add_event(f->oops, i, i, "x", "y");
    }
    assert_int_equal(f->oops->timeline->nelts, LPP_TIMELINE_MAX);
    assert_int_equal(f->oops->timeline_dropped, 3);
}

#define CASE(function)                                                        \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(names_are_told_apart),
        CASE(text_is_masked_and_nothing_else_changes),
        CASE(query_value_ends_at_ampersand_only),
        CASE(values_of_this_request_are_hidden_anywhere),
        CASE(masking_is_linear),
        CASE(new_record_is_empty_and_informational),
        CASE(hidden_variables_keep_their_names_only),
        CASE(values_are_masked_wherever_they_hold_a_url),
        CASE(odd_variables_do_no_harm),
        CASE(long_values_are_cut_between_characters),
        CASE(user_info_across_the_cut_is_hidden),
        CASE(timeline_is_copied_and_sorted_by_start),
        CASE(impossible_times_are_made_possible),
        CASE(timeline_past_its_ceiling_is_counted),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests_name("oops", tests, NULL, NULL);
    apr_terminate();
    return rc;
}
