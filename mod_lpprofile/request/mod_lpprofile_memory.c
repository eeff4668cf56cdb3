/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_memory: see mod_lpprofile_memory.h. The columns are Launchpad's
 * (section 8 of the contract), then this module's.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <apr_hash.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>

#include "base/lpp_clock.h"
#include "base/lpp_log_tags.h"
#include "store/lpp_store.h"
#include "server/mod_lpprofile_config.h"
#include "request/mod_lpprofile_facts.h"
#include "request/mod_lpprofile_memory.h"

APLOG_USE_MODULE(lpprofile);

#define REQUEST_KEY "lpprofile-memory"
#define COMPLAIN_EVERY_US apr_time_from_sec(60)

/*
 * mallinfo2 reads the free chunks of all arenas, with the lock of each: this
 * takes a microsecond if there are few, a quarter of a second in a large
 * fragmented heap. Their number is not available. So the heap of a process is
 * counted only while its private memory has grown by at most HEAP_STEP_BYTES
 * since the last count, and that count was short; the chunks of one step take
 * some milliseconds at worst. After a count that took HEAP_LONG_US the heap is
 * not counted for a thousand times as long; after one that took
 * HEAP_TOO_LONG_US, never again.
 */
#define HEAP_STEP_BYTES ((apr_uint64_t)20 << 20)
#define HEAP_LONG_US 20
#define HEAP_PAUSE 1000
#define HEAP_TOO_LONG_US 1000

/* State of a log, shared by all children of a generation. */
typedef struct shared_t {
    _Atomic apr_int64_t complained_at;
    _Atomic apr_uint32_t lost; /* lines since that time */
    atomic_int torn;           /* the last line is incomplete */
} shared_t;

/* One open log, shared by the hosts that name the same one. In pconf. */
struct lpp_memory_log_t {
    const char *name;     /* as in the configuration */
    int fd;
    shared_t *shared;     /* anonymous memory, inherited by the children */
};

/* A request that is logged; in its pool. */
typedef struct begun_t {
    apr_time_t begin_us; /* CLOCK_MONOTONIC of the request's start */
    lpp_memory_sizes_t start;
    apr_uint32_t requests_before; /* begun in this process until then */
    apr_uint32_t active_before;   /* of these, not yet ended */
} begun_t;

static _Atomic apr_int64_t heap_paused_until_us; /* CLOCK_MONOTONIC */
static _Atomic apr_uint64_t heap_counted_at_bytes; /* private memory then */

/* Of this process; for the column "requests that ran in the same process
 * meanwhile". */
static atomic_uint requests_begun;
static atomic_uint requests_active;

/* /proc/self/statm of this child, kept open: read twice for each request. */
static int statm_fd = -1;

/* The first three numbers of a statm line. */
static void parse_statm(const char *text, lpp_memory_sizes_t *sizes)
{
    static long page_bytes;
    apr_uint64_t pages, shared;
    char *end;

    if (!page_bytes) {
        page_bytes = sysconf(_SC_PAGESIZE);
    }
    pages = strtoull(text, &end, 10);
    sizes->vss_bytes = pages * (apr_uint64_t)page_bytes;
    sizes->rss_bytes = strtoull(end, &end, 10) * (apr_uint64_t)page_bytes;
    shared = strtoull(end, NULL, 10) * (apr_uint64_t)page_bytes;
    sizes->private_bytes = sizes->rss_bytes > shared
        ? sizes->rss_bytes - shared : 0;
}

/* Whether a count would certainly be short. */
static int is_short(const lpp_memory_sizes_t *sizes, apr_int64_t now)
{
    return sizes->private_bytes
        && sizes->private_bytes <= atomic_load(&heap_counted_at_bytes)
                                   + HEAP_STEP_BYTES
        && now >= atomic_load(&heap_paused_until_us);
}

/* Use the shorter of the two counts: the other one may have taken long only
 * because the thread waited for a processor. */
static void learn(const lpp_memory_sizes_t *begin,
                  const lpp_memory_sizes_t *end, apr_int64_t now)
{
    apr_uint64_t least = begin->heap_took_us < end->heap_took_us
        ? begin->heap_took_us : end->heap_took_us;

    if (least > HEAP_TOO_LONG_US) {
        atomic_store(&heap_paused_until_us, APR_INT64_MAX);
    }
    else if (least > HEAP_LONG_US) {
        atomic_store(&heap_paused_until_us,
                     now + (apr_int64_t)least * HEAP_PAUSE);
    }
    else {
        atomic_store(&heap_counted_at_bytes, end->private_bytes);
    }
}

static void count_heap(lpp_memory_sizes_t *sizes,
                       const lpp_memory_sizes_t *begin)
{
    apr_int64_t from = lpp_monotonic_us(), until;
    struct mallinfo2 heap;

    if (begin ? !begin->heap_bytes
                || sizes->private_bytes > begin->private_bytes
                                          + HEAP_STEP_BYTES
              : !is_short(sizes, from)) {
        return;
    }
    heap = mallinfo2();
    until = lpp_monotonic_us();
    sizes->heap_bytes = heap.uordblks + heap.hblkhd;
    sizes->heap_took_us = (apr_uint64_t)(until - from);
    if (begin) {
        learn(begin, sizes, until);
    }
}

void lpp_memory_read(lpp_memory_sizes_t *sizes,
                     const lpp_memory_sizes_t *begin)
{
    char text[128];
    int fd = statm_fd >= 0 ? statm_fd
        : open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

    if (fd >= 0 && fd != statm_fd) {
        close(fd); /* was opened for this read only */
    }
    memset(sizes, 0, sizeof(*sizes));
    if (len > 0) {
        text[len] = '\0';
        parse_statm(text, sizes);
    }
    count_heap(sizes, begin);
}

/* The parent, which may be root, opens it: follow no link, and let only the
 * owner read it. */
static apr_status_t open_file(int *fd, const char *typed, apr_pool_t *pool)
{
    const char *path = ap_server_root_relative(pool, typed);

    if (!path) {
        return APR_EBADPATH;
    }
    *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC
               | O_NONBLOCK, 0600);
    return *fd < 0 ? errno : APR_SUCCESS;
}

static apr_status_t close_file(void *log)
{
    close(((lpp_memory_log_t *)log)->fd);
    return APR_SUCCESS;
}

/* A program that does not read must not block the server: lines are lost while
 * its pipe is full. Only the writing end is non-blocking; the program reads as
 * usual. */
static apr_status_t open_pipe(int *fd, const char *command, apr_pool_t *pool)
{
    piped_log *piped = ap_open_piped_log(pool, command);
    apr_status_t rv;
    int flags;

    if (!piped) {
        return APR_EGENERAL;
    }
    rv = apr_os_file_get(fd, ap_piped_log_write_fd(piped));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    flags = fcntl(*fd, F_GETFL);
    return flags < 0 || fcntl(*fd, F_SETFL, flags | O_NONBLOCK) < 0
        ? errno : APR_SUCCESS;
}

static apr_status_t unmap(void *shared)
{
    munmap(shared, sizeof(shared_t));
    return APR_SUCCESS;
}

static apr_status_t open_log(lpp_memory_log_t *log, apr_pool_t *pool)
{
    apr_status_t rv;

    log->shared = mmap(NULL, sizeof(shared_t), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (log->shared == MAP_FAILED) {
        return errno;
    }
    apr_pool_cleanup_register(pool, log->shared, unmap,
                              apr_pool_cleanup_null);
    if (*log->name == '|') {
        return open_pipe(&log->fd, log->name + 1, pool);
    }
    rv = open_file(&log->fd, log->name, pool);
    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(pool, log, close_file,
                                  apr_pool_cleanup_null);
    }
    return rv;
}

/* Each generation opens its logs again, so that a graceful restart rotates
 * them. */
static int open_logs(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                     server_rec *main_server)
{
    apr_hash_t *by_name = apr_hash_make(ptemp);
    server_rec *s;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    for (s = main_server; s; s = s->next) {
        const lpp_conf_t *conf = lpp_config_get(s);
        const char *name = lpp_config_memory_log(conf);
        lpp_memory_log_t *log;
        apr_status_t rv;

        if (!name || !lpp_config_enabled(conf)) {
            continue;
        }
        log = apr_hash_get(by_name, name, APR_HASH_KEY_STRING);
        if (!log) {
            log = apr_pcalloc(pconf, sizeof(*log));
            log->name = name;
            rv = open_log(log, pconf);
            if (rv != APR_SUCCESS) {
                ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                             LPP_TAG_MEMORY_OPEN ": " LPP_DIR_MEMORY_LOG
                             " %s: cannot be opened", name);
                return HTTP_INTERNAL_SERVER_ERROR;
            }
            apr_hash_set(by_name, name, APR_HASH_KEY_STRING, log);
        }
        lpp_config_set_memory_handle(s, log);
    }
    return OK;
}

static apr_status_t close_statm(void *unused)
{
    close(statm_fd);
    statm_fd = -1;
    return APR_SUCCESS;
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (statm_fd >= 0) {
        apr_pool_cleanup_register(pchild, NULL, close_statm,
                                  apr_pool_cleanup_null);
    }
}

/* Runs after the line was written, or as cleanup of the request's pool: some
 * requests are never logged. */
static apr_status_t one_less(void *unused)
{
    atomic_fetch_sub(&requests_active, 1);
    return APR_SUCCESS;
}

/* Only for the first request of a chain: redirects and subrequests are part of
 * it. Requests of hosts without a log are counted too, since they change the
 * sizes. */
static int begin(request_rec *r)
{
    apr_uint32_t before, active;
    begun_t *begun;

    if (r->main || r->prev) {
        return DECLINED;
    }
    before = atomic_fetch_add(&requests_begun, 1);
    active = atomic_fetch_add(&requests_active, 1);
    apr_pool_cleanup_register(r->pool, NULL, one_less, apr_pool_cleanup_null);
    if (!lpp_config_memory_handle(lpp_config_get(r->server))) {
        return DECLINED;
    }
    begun = apr_palloc(r->pool, sizeof(*begun));
    begun->begin_us = lpp_moment_us(r->request_time);
    begun->requests_before = before;
    begun->active_before = active;
    lpp_memory_read(&begun->start, NULL);
    apr_pool_userdata_setn(begun, REQUEST_KEY, NULL, r->pool);
    return DECLINED;
}

/* Log a failure, at most once a minute for each log, over all children. */
static void complain(request_rec *r, const lpp_memory_log_t *log,
                     apr_status_t rv)
{
    shared_t *shared = log->shared;
    apr_int64_t now = lpp_monotonic_us();
    apr_int64_t last = atomic_load(&shared->complained_at);

    atomic_fetch_add(&shared->lost, 1);
    if ((!last || now - last > COMPLAIN_EVERY_US)
        && atomic_compare_exchange_strong(&shared->complained_at, &last,
                                          now)) {
        ap_log_cserror(APLOG_MARK, APLOG_WARNING, rv, r->connection, r->server,
                       LPP_TAG_MEMORY_WRITE ": " LPP_DIR_MEMORY_LOG " %s: "
                       "cannot be written; lines lost since the last such "
                       "message: %u",
                       log->name, atomic_exchange(&shared->lost, 0));
    }
}

/*
 * Append a line in one write, so that lines of concurrent children stay whole
 * (files by O_APPEND, pipes up to PIPE_BUF). line begins with a newline, which
 * is written only if a full disk has truncated the previous line. The rest of a
 * truncated line is not written later: it would split another line.
 */
static void append(request_rec *r, const lpp_memory_log_t *log,
                   const char *line)
{
    apr_size_t len;
    ssize_t written;

    if (!atomic_load(&log->shared->torn)
        || !atomic_exchange(&log->shared->torn, 0)) {
        line++;
    }
    len = strlen(line);
    do {
        written = write(log->fd, line, len);
    } while (written < 0 && errno == EINTR);
    if (written != (ssize_t)len) {
        apr_status_t rv = written < 0 ? errno : APR_ENOSPC;

        if (written > 0 || *line == '\n') {
            atomic_store(&log->shared->torn, 1);
        }
        complain(r, log, rv);
    }
}

/* "-" where the heap was not counted at the beginning or at the end. */
static const char *heap_of(const lpp_memory_sizes_t *sizes,
                           const lpp_memory_sizes_t *other, apr_pool_t *pool)
{
    return sizes->heap_bytes && other->heap_bytes
        ? apr_psprintf(pool, "%" APR_UINT64_T_FMT, sizes->heap_bytes) : "-";
}

static int end(request_rec *r)
{
    const lpp_conf_t *conf = lpp_config_get(r->server);
    const lpp_memory_log_t *log = lpp_config_memory_handle(conf);
    request_rec *last = r;
    const char *id, *page_id, *line;
    lpp_memory_sizes_t now;
    begun_t *begun = NULL;
    apr_uint32_t meanwhile;
    void *found = NULL;

    if (!log || r->main || r->prev) {
        return DECLINED;
    }
    apr_pool_userdata_get(&found, REQUEST_KEY, r->pool);
    begun = found;
    if (!begun) {
        return DECLINED;
    }
    if (!lpp_config_allowed(conf, r)) {
        return DECLINED;
    }
    while (last->next) {
        last = last->next;
    }
    lpp_memory_read(&now, &begun->start);
    meanwhile = begun->active_before
        + (atomic_load(&requests_begun) - begun->requests_before - 1);
    id = apr_table_get(r->notes, LPP_MEMORY_OOPS_NOTE);
    page_id = apr_table_get(r->notes, LPP_MEMORY_PAGE_NOTE);
    if (!page_id) {
        page_id = lpp_facts_page_id(last, conf,
                                    lpp_facts_hidden(r, conf, r->pool));
    }
    line = apr_psprintf(
        r->pool, "\n%s %s %s %.6f %" APR_UINT64_T_FMT " %" APR_UINT64_T_FMT
        " %" APR_UINT64_T_FMT " %" APR_UINT64_T_FMT " %u %s %s\n",
        lpp_store_time(r->request_time, r->pool),
        lpp_store_word(page_id, r->pool), id ? id : "-",
        (double)(lpp_monotonic_us() - begun->begin_us) / APR_USEC_PER_SEC,
        begun->start.vss_bytes, begun->start.rss_bytes, now.vss_bytes,
        now.rss_bytes, meanwhile, heap_of(&begun->start, &now, r->pool),
        heap_of(&now, &begun->start, r->pool));
    apr_pool_cleanup_run(r->pool, NULL, one_less);
    append(r, log, line);
    return DECLINED;
}

void lpp_memory_register_open(apr_pool_t *pool)
{
    ap_hook_open_logs(open_logs, NULL, NULL, APR_HOOK_MIDDLE);
}

static int is_anywhere(const server_rec *s)
{
    while (s && !lpp_config_memory_log(lpp_config_get(s))) {
        s = s->next;
    }
    return s != NULL;
}

void lpp_memory_register_hooks(apr_pool_t *pool)
{
    /* Profiles show the sizes as well. */
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    if (!is_anywhere(ap_server_conf)) {
        return; /* no log: no work for any request */
    }
    /* First: memory that later modules allocate belongs to the request. */
    ap_hook_post_read_request(begin, NULL, NULL, APR_HOOK_REALLY_FIRST);
    /* Before lpp_run_take_over (REALLY_LAST), which ends the run. */
    ap_hook_log_transaction(end, NULL, NULL, APR_HOOK_LAST);
}
