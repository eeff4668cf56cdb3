/* SPDX-License-Identifier: Apache-2.0 */
/* interp_python_world: see interp_python_world.h. */
#include "interp_python_world.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>

#include "guarded_loads.h"

apr_pool_t *pool;
lpp_interp_python_t python;
lpp_interp_found_t found;
lpp_interp_seen_t *seen;
lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];

/* Python frees little when its process ends. LeakSanitizer calls this. */
__attribute__((visibility("default")))
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libpython3";
}

void run(const char *format, ...)
{
    char text[65536];
    int (*simple)(const char *, void *) =
        (int (*)(const char *, void *))dlsym(RTLD_DEFAULT,
                                             "PyRun_SimpleStringFlags");
    va_list values;

    rescue_loads();
    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    assert_int_equal(simple(text, NULL), 0);
}

void walk(lpp_interp_python_t *interpreter, lpp_interp_walk_t *made,
          const apr_uint64_t *regs)
{
    made->regs = regs;
    made->seen = seen;
    made->frames = frames;
    made->count = made->flags = 0;
    made->steps = LPP_INTERP_STEPS_MAX;
    lpp_interp_python_walk(interpreter, made);
}

static void *load(void)
{
    static const char *const names[] = { "libpython3.11.so.1.0",
                                         "libpython3.13.so.1.0" };
    unsigned i;

    for (i = 0; i < LPP_COUNT(names); i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);

        if (library != NULL) {
            return library;
        }
    }
    return NULL;
}

int start_python(void **state)
{
    void *library = load();

    (void)state;
    if (library == NULL) {
        fprintf(stderr, "No libpython: install libpython3-dev.\n");
        return -1;
    }
    rescue_loads();
    apr_initialize();
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS
        || lpp_interp_seen_create(&seen, pool) != APR_SUCCESS) {
        return -1;
    }
    lpp_interp_seen_reset(seen);
    ((void (*)(int))dlsym(library, "Py_InitializeEx"))(0);
    lpp_interp_python_find(&python, &found);
    run("import sys; sys.path.insert(0, '" SCRIPTS "');"
        "sys.dont_write_bytecode = True");
    return 0;
}
