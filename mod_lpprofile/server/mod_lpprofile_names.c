/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_names: httpd's registries as a source of names for stripped
 * modules.
 *
 * The modules of Debian have no function symbols, but most functions that a
 * request calls are registered: hooks in arrays that the core and some modules
 * export, filters on the request, providers in a list. Reads these and passes
 * the names to lpp_symbol; owns nothing.
 *
 * The getters are looked up by name: those of mod_proxy, mod_session and others
 * exist only if the module is loaded; a missing one is no error.
 */
#include "base/lpp_ascii.h"
#include "server/mod_lpprofile_names.h"

#include <dlfcn.h>
#include <string.h>

#include <ap_hooks.h>
#include <ap_provider.h>
#include <ap_socache.h>
#include <apr_strings.h>
#include <http_config.h>
#include <mod_auth.h>
#include <util_filter.h>

#include "server/mod_lpprofile_wrappers.h"

#define FILTERS_MAX 256 /* of one chain; a longer chain is a loop */

/* Every hook that can run while a request is served, and those of its
 * connection. The first name of a function is used, so they are in the order of
 * a request. */
static const char *const getters[] = {
    "ap_hook_get_handler",
    "ap_hook_get_quick_handler",
    "ap_hook_get_create_request",
    "ap_hook_get_pre_read_request",
    "ap_hook_get_post_read_request",
    "ap_hook_get_pre_translate_name",
    "ap_hook_get_translate_name",
    "ap_hook_get_map_to_storage",
    "ap_hook_get_post_perdir_config",
    "ap_hook_get_header_parser",
    "ap_hook_get_access_checker",
    "ap_hook_get_access_checker_ex",
    "ap_hook_get_force_authn",
    "ap_hook_get_check_user_id",
    "ap_hook_get_note_auth_failure",
    "ap_hook_get_auth_checker",
    "ap_hook_get_type_checker",
    "ap_hook_get_fixups",
    "ap_hook_get_insert_filter",
    "ap_hook_get_insert_error_filter",
    "ap_hook_get_log_transaction",
    "ap_hook_get_error_log",
    "ap_hook_get_generate_log_id",
    "ap_hook_get_open_htaccess",
    "ap_hook_get_dirwalk_stat",
    "ap_hook_get_expr_lookup",
    "ap_hook_get_http_scheme",
    "ap_hook_get_default_port",
    "ap_hook_get_get_suexec_identity",
    "ap_hook_get_get_mgmt_items",
    "ap_hook_get_protocol_propose",
    "ap_hook_get_protocol_switch",
    "ap_hook_get_protocol_get",
    "ap_hook_get_create_connection",
    "ap_hook_get_pre_connection",
    "ap_hook_get_process_connection",
    "ap_hook_get_suspend_connection",
    "ap_hook_get_resume_connection",
    "ap_hook_get_pre_close_connection",
    "ap_hook_get_insert_network_bucket",
    "ap_hook_get_get_pollfd_from_conn",
    "ap_hook_get_ssl_conn_is_ssl",
    "ap_hook_get_ssl_var_lookup",
    "ap_hook_get_ssl_bind_outgoing",
    "ap_hook_get_ssl_answer_challenge",
    "ap_hook_get_session_load",
    "ap_hook_get_session_save",
    "ap_hook_get_session_encode",
    "ap_hook_get_session_decode",
    "proxy_hook_get_scheme_handler",
    "proxy_hook_get_check_trans",
    "proxy_hook_get_canon_handler",
    "proxy_hook_get_create_req",
    "proxy_hook_get_fixups",
    "proxy_hook_get_pre_request",
    "proxy_hook_get_post_request",
    "proxy_hook_get_request_status",
    "proxy_hook_get_detach_backend",
    "cache_hook_get_cache_status",
    "dav_hook_get_find_liveprop",
    "dav_hook_get_insert_all_liveprops",
    "dav_hook_get_gather_propsets",
    "dav_hook_get_deliver_report",
    "dav_hook_get_gather_reports",
    "dav_hook_get_method_precondition",
    "dbd_hook_get_post_connect",
    "ap_hook_get_monitor",
    "ap_hook_get_watchdog_step",
    "ap_hook_get_child_init"
};

/* A function in no known object has its address as name. */
static void hand_in(lpp_symbols_t *symbols, void (*function)(void),
                    const char *owner, const char *what)
{
    const void *address;

    apr_status_t status = APR_SUCCESS;

    memcpy(&address, &function, sizeof(address));
    if (address != NULL) {
        status = lpp_symbols_register(symbols, address, owner, what);
    }
    (void)status; /* APR_ENOENT: see above */
}

/* "translate_name" for hooks of httpd, "proxy_scheme_handler" for others. */
static const char *hook_name(const char *getter, apr_pool_t *pool)
{
    const char *middle = strstr(getter, "_hook_get_");
    const char *hook = middle + strlen("_hook_get_");

    if (strncmp(getter, "ap_", 3) == 0) {
        return hook;
    }
    return apr_pstrcat(pool, apr_pstrmemdup(pool, getter,
                                            (apr_size_t)(middle - getter)),
                       "_", hook, NULL);
}

static void add_hook(lpp_symbols_t *symbols, const char *getter,
                     apr_pool_t *pool)
{
    apr_array_header_t *(*get)(void);
    void *found = dlsym(RTLD_DEFAULT, getter);
    const apr_array_header_t *links;
    const char *name;
    int i;

    if (found == NULL) {
        return;
    }
    memcpy(&get, &found, sizeof(get));
    links = get();
    if (links == NULL || links->elt_size != sizeof(lpp_hook_link_t)) {
        return; /* no function is hooked, or this is an unknown version of
                   httpd */
    }
    name = hook_name(getter, pool);
    for (i = 0; i < links->nelts; i++) {
        const lpp_hook_link_t *link = &APR_ARRAY_IDX(links, i, lpp_hook_link_t);

        hand_in(symbols, lpp_wrappers_original(link->function), link->module,
                name);
    }
}

/* Add a name for each provider of one group, by the function add. */
static void add_providers(lpp_symbols_t *symbols, const char *group,
                          const char *version,
                          void (*add)(lpp_symbols_t *symbols,
                                      const void *provider,
                                      const char *name, apr_pool_t *pool),
                          apr_pool_t *pool)
{
    apr_array_header_t *names = ap_list_provider_names(pool, group, version);
    int i;

    for (i = 0; names != NULL && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i,
                                         ap_list_provider_names_t)
                               .provider_name;
        const void *provider = ap_lookup_provider(group, name, version);

        if (provider != NULL) {
            add(symbols, provider, name, pool);
        }
    }
}

static void add_authn(lpp_symbols_t *symbols, const void *provider,
                      const char *name, apr_pool_t *pool)
{
    const authn_provider *authn = provider;

    hand_in(symbols, (void (*)(void))authn->check_password, NULL,
            apr_pstrcat(pool, "authn ", name, " check_password", NULL));
    hand_in(symbols, (void (*)(void))authn->get_realm_hash, NULL,
            apr_pstrcat(pool, "authn ", name, " get_realm_hash", NULL));
}

static void add_authz(lpp_symbols_t *symbols, const void *provider,
                      const char *name, apr_pool_t *pool)
{
    const authz_provider *authz = provider;

    hand_in(symbols, (void (*)(void))authz->check_authorization, NULL,
            apr_pstrcat(pool, "authz ", name, " check_authorization", NULL));
}

static void add_socache(lpp_symbols_t *symbols, const void *provider,
                        const char *name, apr_pool_t *pool)
{
    const ap_socache_provider_t *cache = provider;

    hand_in(symbols, (void (*)(void))cache->store, NULL,
            apr_pstrcat(pool, "socache ", name, " store", NULL));
    hand_in(symbols, (void (*)(void))cache->retrieve, NULL,
            apr_pstrcat(pool, "socache ", name, " retrieve", NULL));
    hand_in(symbols, (void (*)(void))cache->remove, NULL,
            apr_pstrcat(pool, "socache ", name, " remove", NULL));
}

/* Filters of httpd's own modules that mod_filter may run: the chain contains
 * its harness only, and the providers that it runs cannot be read. */
static const char *const stock_filters[] = {
    "DEFLATE", "INFLATE", "BROTLI_COMPRESS", "INCLUDES", "SUBSTITUTE", "SED",
    "XML2ENC", "PROXY-HTML", "XLATEOUT", "EXT_FILTER", "CACHE", "BUFFER",
    "RATE_LIMIT", "LUA", "DATA", "REFLECTOR", "CASEFILTER"
};

static void add_stock_filters(lpp_symbols_t *symbols, apr_pool_t *pool)
{
    unsigned i;

    for (i = 0; i < LPP_COUNT(stock_filters); i++) {
        const ap_filter_rec_t *record =
            ap_get_output_filter_handle(stock_filters[i]);

        if (record != NULL) {
            hand_in(symbols, (void (*)(void))record->filter_func.out_func,
                    NULL, apr_pstrcat(pool, stock_filters[i], " filter",
                                      NULL));
        }
    }
}

void lpp_names_register_hooks_of_server(lpp_symbols_t *symbols)
{
    apr_pool_t *pool;
    unsigned i;

    /* a root pool of its own: pools of the process must not grow */
    if (symbols == NULL || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return;
    }
    apr_pool_tag(pool, "lpp_names");
    for (i = 0; i < LPP_COUNT(getters); i++) {
        add_hook(symbols, getters[i], pool);
    }
    add_providers(symbols, AUTHN_PROVIDER_GROUP, AUTHN_PROVIDER_VERSION,
                  add_authn, pool);
    add_providers(symbols, AUTHZ_PROVIDER_GROUP, AUTHZ_PROVIDER_VERSION,
                  add_authz, pool);
    add_providers(symbols, AP_SOCACHE_PROVIDER_GROUP,
                  AP_SOCACHE_PROVIDER_VERSION, add_socache, pool);
    add_stock_filters(symbols, pool);
    apr_pool_destroy(pool);
}

/* httpd stores names in lower case; the documentation has them in upper
 * case. */
static const char *filter_name(const ap_filter_rec_t *record,
                               apr_pool_t *pool)
{
    char *name = apr_pstrdup(pool, record->name != NULL ? record->name : "");
    char *at;

    for (at = name; *at != '\0'; at++) {
        *at = lpp_to_upper(*at);
    }
    return name;
}

/* Names are allocated only for new functions. */
static void add_chain(lpp_symbols_t *symbols, const ap_filter_t *filter,
                      int is_input, apr_pool_t *pool)
{
    unsigned count;

    for (count = 0; filter != NULL && count < FILTERS_MAX;
         filter = filter->next, count++) {
        const ap_filter_rec_t *record = filter->frec;
        void (*function)(void);
        const char *name;

        if (record == NULL) {
            continue;
        }
        function = is_input ? (void (*)(void))record->filter_func.in_func
            : (void (*)(void))record->filter_func.out_func;
        name = filter_name(record, pool);
        hand_in(symbols, function, NULL,
                apr_pstrcat(pool, name, is_input ? " input filter"
                            : " filter", NULL));
        hand_in(symbols, (void (*)(void))record->filter_init_func, NULL,
                apr_pstrcat(pool, name, " filter init", NULL));
    }
}

void lpp_names_register_filters_of(lpp_symbols_t *symbols, request_rec *r)
{
    apr_pool_t *pool;

    if (symbols == NULL
        || apr_pool_create(&pool, r->pool) != APR_SUCCESS) {
        return;
    }
    add_chain(symbols, r->output_filters, 0, pool);
    add_chain(symbols, r->proto_output_filters, 0, pool);
    add_chain(symbols, r->input_filters, 1, pool);
    add_chain(symbols, r->proto_input_filters, 1, pool);
    if (r->connection != NULL) {
        add_chain(symbols, r->connection->output_filters, 0, pool);
        add_chain(symbols, r->connection->input_filters, 1, pool);
    }
    apr_pool_destroy(pool);
}
