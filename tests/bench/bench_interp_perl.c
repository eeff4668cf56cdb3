/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_interp_perl: what it costs to read Perl's frames in a sample.
 *
 *   bench_interp_perl
 *
 * Runs libperl in this process, interrupts subroutines at a depth, prints "name
 * value unit" lines, medians over the samples; warm: a loop that computes; cold:
 * one that allocates.
 */
#include <dlfcn.h>

#include "bench_interp.h"

static lpp_interp_perl_t perl;
static void *library, *interpreter;

static void walk_perl(lpp_interp_walk_t *walk)
{
    lpp_interp_perl_walk(&perl, walk);
}

/* The function of that name, to the pointer at to. */
static void look_up(void *to, const char *name)
{
    void *found = dlsym(library, name);

    need(found == NULL ? APR_ENOENT : APR_SUCCESS, name);
    memcpy(to, &found, sizeof(found));
}

static void begin_perl(void)
{
    static char *arguments[] = { "bench", "-e", "0", NULL }, *none[] = { NULL };
    void (*init)(int *, char ***, char ***);
    void *(*alloc)(void);
    void (*construct)(void *);
    int (*parse)(void *, void *, int, char **, char **);
    char **argv = arguments, **environment = none;
    int argc = 3;

    look_up(&init, "Perl_sys_init3");
    look_up(&alloc, "perl_alloc");
    look_up(&construct, "perl_construct");
    look_up(&parse, "perl_parse");
    init(&argc, &argv, &environment);
    interpreter = alloc();
    construct(interpreter);
    need(parse(interpreter, NULL, argc, argv, environment) == 0
             ? APR_SUCCESS : APR_EGENERAL, "perl_parse");
}

static void measure(const char *kind, int functions)
{
    void *(*eval)(void *, const char *, int);
    char text[400];

    look_up(&eval, "Perl_eval_pv");
    /* The first frames are that of the text, f and the work. */
    snprintf(text, sizeof(text),
             "no warnings;\n"
             "sub warm { for my $i (1 .. 20000) { } }\n"
             "sub cold { my @x; push @x, \"x\" x 4000 for 1 .. 2000; }\n"
             "sub f { my ($n, $end) = @_;\n"
             "    return f($n - 1, $end) if $n;\n"
             "    %s() while (times)[0] + (times)[1] < $end; }\n"
             "f(%d, (times)[0] + (times)[1] + 1.5);\n", kind, functions - 3);
    begin_samples();
    eval(interpreter, text, 1);
    print_samples("perl", kind, functions);
}

int main(void)
{
    lpp_interp_found_t found;

    library = dlopen("libperl.so.5.36", RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        library = dlopen("libperl.so.5.40", RTLD_NOW | RTLD_GLOBAL);
    }
    need(library == NULL ? APR_ENOENT : APR_SUCCESS, "libperl");
    begin_perl();
    memset(&found, 0, sizeof(found));
    lpp_interp_perl_find(&perl, &found);
    need(found.usable ? APR_SUCCESS : APR_EGENERAL, found.why);
    lpp_interp_perl_enter_thread(&perl);
    take_samples(walk_perl);
    measure_depths(measure);
    return 0;
}
