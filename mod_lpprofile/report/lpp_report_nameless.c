/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, functions without names: their objects, and the packages of debug
 * symbols that contain the names.
 */
#include <stdlib.h>
#include <string.h>

#include "names/lpp_debugpackage.h"
#include "report/lpp_report_pages_internal.h"

#define OBJECTS_MAX 6 /* named in the sentence */

typedef struct object_t {
    const char *path;
    apr_uint64_t samples; /* in its nameless functions, once for each
                             function */
} object_t;

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const object_t *)a)->path, ((const object_t *)b)->path);
}

static int compare_samples(const void *a, const void *b)
{
    const object_t *left = a, *right = b;

    if (left->samples != right->samples) {
        return left->samples > right->samples ? -1 : 1;
    }
    return compare_paths(a, b);
}

/* Find the objects in which samples show nameless functions, most samples
 * first. */
static apr_uint32_t find_objects(const lpp_view_t *view, object_t *objects)
{
    apr_uint32_t i, count = 0, made = 0;

    for (i = 0; i < view->function_count; i++) {
        const lpp_function_t *function = &view->functions[i];

        if (function->symbol.kind == LPP_NAME_OFFSET
            && function->symbol.object[0] == '/'
            && function->total.samples > 0) {
            objects[count].path = function->symbol.object;
            objects[count++].samples = function->total.samples;
        }
    }
    qsort(objects, count, sizeof(*objects), compare_paths);
    for (i = 0; i < count; i++) {
        if (made > 0 && compare_paths(&objects[made - 1], &objects[i]) == 0) {
            objects[made - 1].samples += objects[i].samples;
        }
        else {
            objects[made++] = objects[i];
        }
    }
    qsort(objects, made, sizeof(*objects), compare_samples);
    return made;
}

static int is_said(const char *const *packages, apr_uint32_t i)
{
    apr_uint32_t before;

    for (before = 0; before < i; before++) {
        if (packages[before] && !strcmp(packages[before], packages[i])) {
            return 1;
        }
    }
    return 0;
}

static void install(lpp_page_t *page, const char *const *packages,
                    apr_uint32_t count)
{
    apr_uint32_t i, shown = 0;

    for (i = 0; i < count; i++) {
        if (!packages[i] || is_said(packages, i)) {
            continue;
        }
        lpp_page_raw(page, shown++ ? " " : " Their names are in packages of "
            "debug symbols (those that end in -dbgsym are in Debian's archive "
            "<code>debian-debug</code>); profiles have them after a restart "
            "of the server:</p>\n<pre>apt-get install ");
        lpp_page_text(page, packages[i]);
    }
    lpp_page_raw(page, shown ? "</pre>\n" : "</p>\n");
}

void lpp_report_nameless(lpp_page_t *page, const lpp_view_t *view)
{
    object_t *objects = apr_palloc(page->scratch, (view->function_count + 1)
                                   * sizeof(*objects));
    const char *paths[OBJECTS_MAX], *packages[OBJECTS_MAX];
    apr_uint32_t i, count = objects ? find_objects(view, objects) : 0;

    if (count == 0) {
        return;
    }
    count = count < OBJECTS_MAX ? count : OBJECTS_MAX;
    lpp_page_raw(page, "<p class=\"small\">No names of functions: ");
    for (i = 0; i < count; i++) {
        const char *name = strrchr(objects[i].path, '/') + 1;

        paths[i] = objects[i].path;
        lpp_page_raw(page, i ? ", " : "");
        lpp_page_code(page, name);
    }
    lpp_page_raw(page, ".");
    lpp_debugpackage_find(LPP_DEBUGPACKAGE_LISTS, paths, count, packages,
                          page->scratch);
    install(page, packages, count);
}
