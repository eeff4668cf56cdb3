/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpprofile.h: what other modules can tell mod_lpprofile.
 *
 * Optional functions: fetch them with APR_RETRIEVE_OPTIONAL_FN in an
 * optional_fn_retrieve hook; what you get is NULL where mod_lpprofile is not
 * loaded. All may be called on any request's thread at any time and do nothing
 * where that request is not profiled. Needs APR and nothing else; C and C++.
 */
#ifndef LPPROFILE_H
#define LPPROFILE_H

#include <stddef.h>

#include <apr_optional.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * An SQL statement that did not go through mod_dbd (its statements are seen
 * anyway), on the thread that serves the request:
 *
 *     int statement = begin ? begin("mysql:dbhost/shop", text) : 0;
 *     ... send it, fetch its rows ...
 *     if (statement) {
 *         end(statement, rows, failed ? message : NULL);
 *     }
 *
 * begin: database names it in the timeline as SQL-<database>, of the form
 * "driver:host/name" or "driver", without white space and without a password;
 * what is before the colon says how quotes in text are read ("pgsql", "mysql",
 * "sqlite3", "oracle", others). text is the statement, UTF-8, of any length.
 * Both are copied. Returns a number for end, 0 where nothing is recorded.
 * end: on the same thread, before the request ends. rows: got or affected, -1
 * where not known. error: the database's message, copied, or NULL.
 */
APR_DECLARE_OPTIONAL_FN(int, lpprofile_statement_begin,
                        (const char *database, const char *text));
APR_DECLARE_OPTIONAL_FN(void, lpprofile_statement_end,
                        (int statement, long rows, const char *error));

/*
 * A region of a request that is to be profiled, on the thread that serves it:
 *
 *     start(r, "parse");
 *     ... work ...
 *     stop(r);
 *
 * Where the request is profiled as a whole, a region is only named in the
 * timeline. Else, where LPProfilingAllowed allows it, the regions of a request
 * are profiled together, and nothing else of it: as a pstats file, and in the
 * page for those who may see it. The first one waits until no other request
 * is profiled, as LPProfileLockTimeout has it.
 *
 * start: r is the request or any subrequest or redirect of it; name is copied,
 * UTF-8, NULL allowed. Regions nest and repeat. Returns 1 where something is
 * recorded, else 0: then nothing happened, and a stop is not needed.
 * time: the same for the timeline alone; it never begins a profile.
 * stop: ends the innermost region; 0 where none is open. What is never stopped
 * ends with the request. Other threads of a request are refused: all return 0.
 */
struct request_rec;
APR_DECLARE_OPTIONAL_FN(int, lpprofile_start,
                        (struct request_rec *r, const char *name));
APR_DECLARE_OPTIONAL_FN(int, lpprofile_time,
                        (struct request_rec *r, const char *name));
APR_DECLARE_OPTIONAL_FN(int, lpprofile_stop, (struct request_rec *r));

/*
 * The three at hand. Fill it in an optional_fn_retrieve hook (a restart loads
 * modules anew, and runs it again); without mod_lpprofile, or unfilled but
 * zeroed, all that follows does nothing.
 */
typedef struct lpprofile_api_t {
    APR_OPTIONAL_FN_TYPE(lpprofile_start) *start;
    APR_OPTIONAL_FN_TYPE(lpprofile_time) *time;
    APR_OPTIONAL_FN_TYPE(lpprofile_stop) *stop;
} lpprofile_api_t;

static inline void lpprofile_retrieve(lpprofile_api_t *api)
{
    api->start = APR_RETRIEVE_OPTIONAL_FN(lpprofile_start);
    api->time = APR_RETRIEVE_OPTIONAL_FN(lpprofile_time);
    api->stop = APR_RETRIEVE_OPTIONAL_FN(lpprofile_stop);
}

/* A region that ends with its block of code, however that is left. */
typedef struct lpprofile_scope_t {
    const lpprofile_api_t *api;
    struct request_rec *r; /* NULL: nothing to stop */
} lpprofile_scope_t;

static inline lpprofile_scope_t lpprofile_scope_begin(
    const lpprofile_api_t *api, struct request_rec *r, const char *name)
{
    lpprofile_scope_t scope;

    scope.api = api;
    scope.r = api->start && api->start(r, name) ? r : NULL;
    return scope;
}

static inline void lpprofile_scope_end(lpprofile_scope_t *scope)
{
    if (scope->r) {
        scope->api->stop(scope->r);
        scope->r = NULL;
    }
}

#define LPPROFILE_PASTE_(a, b) a##b
#define LPPROFILE_PASTE(a, b) LPPROFILE_PASTE_(a, b)

/* C: LPPROFILE_REGION(&api, r, "parse"); from here to the end of the block.
 * (GCC and Clang.) */
#define LPPROFILE_REGION(api, r, name)                                        \
    lpprofile_scope_t LPPROFILE_PASTE(lpprofile_scope_, __LINE__)             \
        __attribute__((cleanup(lpprofile_scope_end), unused))                 \
        = lpprofile_scope_begin((api), (r), (name))

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
/* C++: lpprofile::region parse(api, r, "parse"); */
namespace lpprofile
{
class region
{
public:
    region(const lpprofile_api_t &api, struct request_rec *r,
           const char *name)
        : scope_(lpprofile_scope_begin(&api, r, name))
    {
    }

    ~region()
    {
        lpprofile_scope_end(&scope_);
    }

private:
    region(const region &);
    region &operator=(const region &);

    lpprofile_scope_t scope_;
};
}
#endif

#endif
