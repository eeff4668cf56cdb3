/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_test_arrays: for tests: /lpp-arrays says how many functions in
 * httpd's hook arrays of requests lie in the profiler's object though they bear
 * another module's name, how many there are, and a checksum of all that is not
 * the function. /lpp-arrays?MS: after so many milliseconds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

typedef struct link_t {
    void (*function)(void);
    const char *module;
    const char *const *predecessors;
    const char *const *successors;
    int order;
} link_t;

static apr_array_header_t *(*const arrays[])(void) = {
    ap_hook_get_post_read_request, ap_hook_get_quick_handler,
    ap_hook_get_translate_name, ap_hook_get_map_to_storage,
    ap_hook_get_header_parser, ap_hook_get_access_checker,
    ap_hook_get_check_user_id, ap_hook_get_auth_checker,
    ap_hook_get_type_checker, ap_hook_get_fixups, ap_hook_get_insert_filter,
    ap_hook_get_handler, ap_hook_get_log_transaction
};

static int is_entry(const link_t *link)
{
    Dl_info info;
    void *address;

    memcpy(&address, &link->function, sizeof(address));
    return strcmp(link->module, "mod_lpprofile.c") != 0
           && dladdr(address, &info) != 0
           && strstr(info.dli_fname, "mod_lpprofile.so") != NULL;
}

static int handler(request_rec *r)
{
    unsigned entries = 0, hooks = 0, order = 0, i;

    if (r->handler == NULL || strcmp(r->handler, "lpp-arrays") != 0) {
        return DECLINED;
    }
    if (r->args != NULL) {
        apr_sleep(apr_time_from_msec(atoi(r->args)));
    }
    for (i = 0; i < sizeof(arrays) / sizeof(*arrays); i++) {
        const apr_array_header_t *array = arrays[i]();
        int j;

        for (j = 0; array != NULL && j < array->nelts; j++) {
            const link_t *link = &APR_ARRAY_IDX(array, j, link_t);
            const char *c = link->module;

            entries += is_entry(link);
            hooks++;
            while (*c != '\0') {
                order = order * 31 + (unsigned char)*c++;
            }
            order = order * 31 + (unsigned)link->order;
        }
    }
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%u %u %u\n", entries, hooks, order);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_test_arrays) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
