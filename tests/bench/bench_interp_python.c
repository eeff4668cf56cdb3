/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_interp_python: what it costs to read Python's frames in a sample.
 *
 *   bench_interp_python
 *
 * Runs libpython in this process, interrupts functions at a depth, prints "name
 * value unit" lines, medians over the samples; warm: a loop that computes; cold:
 * one that allocates.
 */
#include <dlfcn.h>

#include "bench_interp.h"

static lpp_interp_python_t python;

static void walk_python(lpp_interp_walk_t *walk)
{
    lpp_interp_python_walk(&python, walk);
}

static void run(const char *text)
{
    int (*simple)(const char *, void *) =
        (int (*)(const char *, void *))dlsym(RTLD_DEFAULT,
                                             "PyRun_SimpleStringFlags");

    if (simple(text, NULL) != 0) {
        exit(1);
    }
}

static void measure(const char *kind, int functions)
{
    char text[400];

    /* The first functions are that of the text, f and work. */
    snprintf(text, sizeof(text),
             "import time\n"
             "def warm():\n"
             "    for i in range(20000): pass\n"
             "def cold():\n"
             "    x = []\n"
             "    for i in range(2000): x.append(bytearray(4000))\n"
             "def f(n, work, end):\n"
             "    if n: return f(n - 1, work, end)\n"
             "    while time.monotonic() < end: work()\n"
             "f(%d, %s, time.monotonic() + 1.5)\n", functions - 3, kind);
    begin_samples();
    run(text);
    print_samples("python", kind, functions);
}

int main(void)
{
    void *library = dlopen("libpython3.11.so.1.0", RTLD_NOW | RTLD_GLOBAL);
    lpp_interp_found_t found;

    if (library == NULL) {
        library = dlopen("libpython3.13.so.1.0", RTLD_NOW | RTLD_GLOBAL);
    }
    if (library == NULL) {
        fprintf(stderr, "no libpython\n");
        return 1;
    }
    ((void (*)(int))dlsym(library, "Py_InitializeEx"))(0);
    memset(&found, 0, sizeof(found));
    lpp_interp_python_find(&python, &found);
    if (!found.usable) {
        fprintf(stderr, "%s\n", found.why);
        return 1;
    }
    take_samples(walk_python);
    measure_depths(measure);
    return 0;
}
