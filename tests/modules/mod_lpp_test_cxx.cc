/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_test_cxx: for tests: C++ that throws. Loaded after the profiler, so
 * that its exceptions would find whatever unwinder that one had made global.
 */
#include <stdexcept>
#include <string>

extern "C" {
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>

extern module AP_MODULE_DECLARE_DATA lpp_test_cxx_module;
}

namespace {

struct Counted {
    int *count;
    explicit Counted(int *at) : count(at) {}
    ~Counted() { ++*count; }
};

__attribute__((noinline)) void dive(int depth, int *count)
{
    Counted here(count);

    if (depth == 0) {
        throw std::runtime_error("as deep as it goes");
    }
    dive(depth - 1, count);
    __asm__ volatile("" : : : "memory");
}

int handler(request_rec *r)
{
    int good = 0, turn;

    if (!r->handler || std::string(r->handler) != "lpp-cxx") {
        return DECLINED;
    }
    for (turn = 0; turn < 5000; turn++) {
        int count = 0;

        try {
            dive(20, &count);
        }
        catch (const std::exception &caught) {
            good += count == 21
                && std::string(caught.what()) == "as deep as it goes";
        }
    }
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%d\n", good);
    return OK;
}

void register_hooks(apr_pool_t *)
{
    ap_hook_handler(handler, nullptr, nullptr, APR_HOOK_MIDDLE);
}

} // namespace

/* For other modules: 1 when a throw was caught as it should be. */
extern "C" __attribute__((visibility("default"))) int lpp_cxx_throw(void)
{
    int count = 0;

    try {
        dive(7, &count);
    }
    catch (const std::runtime_error &) {
        return count == 8;
    }
    return 0;
}

extern "C" {
module AP_MODULE_DECLARE_DATA lpp_test_cxx_module = {
    STANDARD20_MODULE_STUFF, nullptr, nullptr, nullptr, nullptr, nullptr,
    register_hooks
};
}
