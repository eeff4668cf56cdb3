/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it runs tools */
/* lpp_symbol and lpp_elf: names of real code, never a neighbour's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#include "names/lpp_debugfile_internal.h"
#include "objects/lpp_elf.h"
#include "objects/lpp_elf_image.h"
#include "names/lpp_symbol.h"

typedef struct fixture_t {
    apr_pool_t *pool;
    lpp_maps_t *maps;
    lpp_symbols_t *symbols;
} fixture_t;

/* Something of our own to name; .symtab has it. */
enum { SPIN_LINE = __LINE__ + 2 }; /* the brace */
__attribute__((noinline)) static int spin(int times)
{
    volatile int sum = 0;

    while (times-- > 0) {
        sum += times;
    }
    return sum;
}

/* Two names of one function: the global one is to be preferred. */
int lpp_test_global(void);
int lpp_test_weak(void) __attribute__((weak, alias("lpp_test_global")));

__attribute__((noinline)) int lpp_test_global(void)
{
    return spin(3);
}

/* Code without size and without FDE, behind it one with both. */
__asm__(".text\n"
        ".type lpp_test_unsized, @function\n"
        "lpp_test_unsized:\n nop\n nop\n ret\n"
        ".balign 64, 0xcc\n"
        ".type lpp_test_sized, @function\n"
        ".globl lpp_test_sized\n"
        "lpp_test_sized:\n nop\n ret\n"
        ".size lpp_test_sized, .-lpp_test_sized\n"
        " nop\n nop\n nop\n nop\n"
        ".balign 64, 0xcc\n");
extern char lpp_test_sized[], lpp_test_unsized[];

static int setup(void **state)
{
    fixture_t *fixture = calloc(1, sizeof(*fixture));

    apr_initialize();
    apr_pool_create(&fixture->pool, NULL);
    if (lpp_maps_create(&fixture->maps, fixture->pool) != APR_SUCCESS
        || lpp_symbols_create(&fixture->symbols, fixture->maps)
               != APR_SUCCESS) {
        return -1;
    }
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_t *fixture = *state;

    lpp_symbols_destroy(fixture->symbols);
    apr_pool_destroy(fixture->pool);
    free(fixture);
    apr_terminate();
    return 0;
}

static lpp_symbol_t name_of(fixture_t *fixture, apr_uintptr_t address)
{
    lpp_symbol_t symbol;

    memset(&symbol, 0xee, sizeof(symbol));
    lpp_symbols_resolve(fixture->symbols,
                        lpp_maps_pc(fixture->maps, address), &symbol);
    assert_non_null(symbol.name);
    assert_non_null(symbol.object);
    return symbol;
}

static void a_static_function_is_named_by_symtab(void **state)
{
    lpp_symbol_t symbol = name_of(*state, (apr_uintptr_t)spin + 4);

    assert_string_equal(symbol.name, "spin");
    assert_int_equal(symbol.kind, LPP_NAME_SYMBOL);
    assert_non_null(strstr(symbol.object, "test_symbol"));
    assert_int_equal(symbol.start,
                     lpp_maps_pc(((fixture_t *)*state)->maps,
                                 (apr_uintptr_t)spin));
}

static void an_exported_function_of_a_library_is_named(void **state)
{
    lpp_symbol_t symbol = name_of(*state,
                                  (apr_uintptr_t)apr_pool_create_ex);

    assert_string_equal(symbol.name, "apr_pool_create_ex");
    assert_non_null(strstr(symbol.object, "libapr-1.so"));
}

static void a_global_name_beats_a_weak_alias(void **state)
{
    assert_string_equal(name_of(*state,
                                (apr_uintptr_t)lpp_test_weak).name,
                        "lpp_test_global");
}

static void a_symbol_covers_its_size_and_no_more(void **state)
{
    lpp_symbol_t inside = name_of(*state, (apr_uintptr_t)lpp_test_sized + 1);
    lpp_symbol_t behind = name_of(*state, (apr_uintptr_t)lpp_test_sized + 3);

    assert_string_equal(inside.name, "lpp_test_sized");
    assert_int_equal(behind.kind, LPP_NAME_OFFSET);
    assert_non_null(strstr(behind.name, "test_symbol+0x"));
}

static void an_unsized_symbol_ends_where_the_next_begins(void **state)
{
    lpp_symbol_t symbol = name_of(*state,
                                  (apr_uintptr_t)lpp_test_unsized + 1);

    assert_string_equal(symbol.name, "lpp_test_unsized");
}

static void an_address_in_no_object_says_where_it_is(void **state)
{
    fixture_t *fixture = *state;
    lpp_symbol_t symbol;

    lpp_symbols_resolve(fixture->symbols, LPP_PC_MAKE(0, 0x12345678),
                        &symbol);
    assert_int_equal(symbol.kind, LPP_NAME_UNKNOWN);
    assert_string_equal(symbol.name, "0x12345000 (in no object)");
    assert_string_equal(symbol.object, "");
    lpp_symbols_resolve(fixture->symbols, LPP_PC_MAKE(4000, 0x12345678),
                        &symbol);
    assert_int_equal(symbol.kind, LPP_NAME_UNKNOWN);
}

/* The stub through which this program calls into libapr. */
static void a_plt_stub_is_named_by_what_it_jumps_to(void **state)
{
#ifdef __x86_64__
    fixture_t *fixture = *state;
    lpp_elf_image_t image;
    lpp_elf_stub_t *stubs;
    lpp_elf_t *elf;
    unsigned count, i, found = 0;
    const char *path = lpp_maps_object(fixture->maps, LPP_PC_OBJECT(
        lpp_maps_pc(fixture->maps, (apr_uintptr_t)apr_pstrdup)))->path;

    assert_int_equal(lpp_elf_image_open(&image, path, NULL, 0), APR_SUCCESS);
    stubs = lpp_elf_stubs_read(&image, &count, fixture->pool);
    assert_true(count > 50);
    assert_int_equal(lpp_elf_read_file(&elf, path, 1, fixture->pool),
                     APR_SUCCESS);
    for (i = 0; i < count; i++) {
        lpp_elf_function_t function;

        lpp_elf_find(elf, stubs[i].start + 7u, &function);
        assert_string_equal(function.suffix, "@plt");
        assert_int_equal(function.start, stubs[i].start);
        found += strcmp(function.name, "memcpy") == 0;
    }
    assert_int_equal(found, 1);
    lpp_elf_image_close(&image);
#else
    skip();
#endif
}

static void a_registered_name_serves_where_no_symbol_does(void **state)
{
    fixture_t *fixture = *state;
    apr_uintptr_t function;
    lpp_symbol_t before, after, own;

    /* a hidden function of libapr: the first frame range without symbol */
    lpp_pc_t libapr = lpp_maps_pc(fixture->maps,
                                  (apr_uintptr_t)apr_pstrdup);
    const lpp_object_t *object = lpp_maps_object(fixture->maps,
                                                 LPP_PC_OBJECT(libapr));

    for (function = object->start; ; function += 16) {
        assert_true(function < object->end);
        before = name_of(fixture, function);
        if (before.kind == LPP_NAME_OFFSET
            && LPP_PC_ADDRESS(before.start) + object->bias > object->start
            && LPP_PC_ADDRESS(before.start) + object->bias + 16 < function) {
            break;
        }
    }
    function = (apr_uintptr_t)(LPP_PC_ADDRESS(before.start) + object->bias);
    assert_int_equal(lpp_symbols_register(fixture->symbols,
                                          (void *)function, "core.c",
                                          "translate_name"), APR_SUCCESS);
    assert_int_equal(lpp_symbols_register(fixture->symbols,
                                          (void *)function, NULL, "fixups"),
                     APR_SUCCESS);
    after = name_of(fixture, function + 4);
    assert_int_equal(after.kind, LPP_NAME_REGISTERED);
    assert_non_null(strstr(after.name, "libapr-1.so"));
    assert_non_null(strstr(after.name, ":translate_name"));
    /* a symbol is still preferred */
    assert_int_equal(lpp_symbols_register(fixture->symbols,
                                          (void *)(apr_uintptr_t)spin,
                                          "x.c", "handler"), APR_SUCCESS);
    own = name_of(fixture, (apr_uintptr_t)spin);
    assert_string_equal(own.name, "spin");
    assert_int_equal(lpp_symbols_register(fixture->symbols, (void *)16, NULL,
                                          "x"), APR_ENOENT);
}

static void the_vdso_is_read_from_memory(void **state)
{
    fixture_t *fixture = *state;
    unsigned number;

    for (number = 1; number <= lpp_maps_count(fixture->maps); number++) {
        const lpp_object_t *object = lpp_maps_object(fixture->maps, number);

        if (strcmp(object->path, "[vdso]") == 0) {
            apr_uintptr_t at;
            int named = 0;

            for (at = object->start; at < object->end; at += 16) {
                named += name_of(fixture, at).kind == LPP_NAME_SYMBOL;
            }
            assert_true(named > 0);
            return;
        }
    }
    skip(); /* no vdso here */
}

/* What the loader says of the same addresses. */
static void every_exported_name_agrees_with_dladdr(void **state)
{
    static const char *const names[] = { "qsort", "getenv", "strtol",
        "fopen", "printf", "inet_ntop", "regexec", "getaddrinfo", "malloc",
        "free", "poll", "read", "write", "nanosleep" };
    unsigned i;

    for (i = 0; i < LPP_COUNT(names); i++) {
        void *function = dlsym(RTLD_DEFAULT, names[i]);
        lpp_symbol_t symbol;
        Dl_info info;

        assert_non_null(function);
        symbol = name_of(*state, (apr_uintptr_t)function);
        assert_int_equal(symbol.kind, LPP_NAME_SYMBOL);
        assert_true(dladdr(function, &info) != 0);
        assert_string_equal(symbol.object, info.dli_fname[0] == '/'
                            ? symbol.object : info.dli_fname);
        /* an alias of the same address, perhaps */
        assert_ptr_equal(dlsym(RTLD_DEFAULT, symbol.name), function);
    }
}

static void what_is_no_elf_file_is_an_error(void **state)
{
    fixture_t *fixture = *state;
    char path[] = "/tmp/lpp-names-XXXXXX";
    lpp_elf_t *elf;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "not an ELF file", 15), 15);
    close(fd);
    assert_int_equal(lpp_elf_read_file(&elf, path, 1, fixture->pool),
                     APR_EGENERAL);
    unlink(path);
    assert_int_equal(lpp_elf_read_file(&elf, path, 1, fixture->pool),
                     APR_ENOENT);
    assert_int_equal(lpp_elf_read_file(&elf, "/tmp", 1, fixture->pool),
                     APR_EGENERAL);
}

/* Cut and garbled files: an error or fewer names, never a crash. */
static void garbled_files_do_no_harm(void **state)
{
    fixture_t *fixture = *state;
    const char *path = lpp_maps_object(fixture->maps, LPP_PC_OBJECT(
        lpp_maps_pc(fixture->maps, (apr_uintptr_t)apr_pstrdup)))->path;
    int fd = open(path, O_RDONLY);
    apr_size_t len = (apr_size_t)lseek(fd, 0, SEEK_END), i;
    unsigned char *good = malloc(len), *bad = malloc(len);
    unsigned seed = 1, round;

    assert_int_equal(pread(fd, good, len, 0), (ssize_t)len);
    close(fd);
    for (round = 0; round < 200; round++) {
        lpp_elf_function_t function;
        apr_pool_t *pool;
        lpp_elf_t *elf;
        apr_size_t cut = round % 2 == 0 ? len
            : (apr_size_t)rand_r(&seed) % len;

        memcpy(bad, good, len);
        for (i = 0; i < 1 + round; i++) {
            /* half of it in the headers, tables and .eh_frame_hdr */
            apr_size_t where = (apr_size_t)rand_r(&seed) % len;

            bad[i % 2 == 0 ? where : where % 4096] =
                (unsigned char)rand_r(&seed);
        }
        memcpy(bad, good, 16);
        apr_pool_create(&pool, fixture->pool);
        if (lpp_elf_read_memory(&elf, bad, cut, pool) == APR_SUCCESS) {
            for (i = 0; i < len; i += 997) {
                lpp_elf_find(elf, i, &function);
                assert_true(function.start <= i);
            }
        }
        apr_pool_destroy(pool);
    }
    free(good);
    free(bad);
}

static void the_source_line_of_a_function_is_known(void **state)
{
    fixture_t *fixture = *state;
    lpp_symbol_t symbol = name_of(fixture, (apr_uintptr_t)spin + 6);

    assert_null(symbol.file); /* only for those who ask */
    lpp_symbols_add_line(fixture->symbols, &symbol);
    assert_non_null(symbol.file);
    assert_non_null(strstr(symbol.file, "test_symbol.c"));
    assert_int_equal(symbol.line, SPIN_LINE);
}

static int run(fixture_t *fixture, const char *directory, const char *command)
{
    return system(apr_psprintf(fixture->pool, "cd %s && %s", directory,
                               command));
}

/* Strip a copy of this program, its debug file by a link beside it. */
static void a_debuglink_leads_to_names_and_lines(void **state)
{
    fixture_t *fixture = *state;
    char directory[] = "/tmp/lpp-names-XXXXXX", *path, *link;
    lpp_pc_t pc = lpp_maps_pc(fixture->maps, (apr_uintptr_t)spin);
    lpp_elf_function_t function;
    lpp_object_t object;
    lpp_debugfile_t *debug;
    const char *file = NULL;
    unsigned line = 0;
    lpp_elf_t *elf;

    assert_non_null(mkdtemp(directory));
    path = apr_pstrcat(fixture->pool, directory, "/copy", NULL);
    link = apr_psprintf(fixture->pool, "cp /proc/%d/exe copy", getpid());
    assert_int_equal(run(fixture, directory, link), 0);
    assert_int_equal(run(fixture, directory,
        "objcopy --only-keep-debug copy copy.debug && strip copy"
        " && objcopy --add-gnu-debuglink=copy.debug copy"), 0);
    memset(&object, 0, sizeof(object));
    object.path = path;
    assert_int_equal(lpp_elf_read_file(&elf, path, 1, fixture->pool),
                     APR_SUCCESS);
    lpp_elf_find(elf, LPP_PC_ADDRESS(pc) + 4, &function);
    assert_null(function.name);
    assert_int_equal(function.start, LPP_PC_ADDRESS(pc)); /* by its FDE */
    debug = lpp_debugfile_open(&object, elf, fixture->pool);
    assert_non_null(debug);
    lpp_elf_find(elf, LPP_PC_ADDRESS(pc) + 4, &function);
    assert_string_equal(function.name, "spin");
    lpp_debugfile_line(debug, function.start, &file, &line);
    assert_non_null(file);
    assert_int_equal(line, SPIN_LINE);

    /* another program's debug file is refused */
    assert_int_equal(run(fixture, directory,
        "objcopy --only-keep-debug /bin/true copy.debug"), 0);
    assert_int_equal(lpp_elf_read_file(&elf, path, 1, fixture->pool),
                     APR_SUCCESS);
    assert_null(lpp_debugfile_open(&object, elf, fixture->pool));
    lpp_elf_find(elf, LPP_PC_ADDRESS(pc) + 4, &function);
    assert_null(function.name);
    assert_int_equal(run(fixture, directory, "rm copy copy.debug"), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void names_are_demangled(void **state)
{
    apr_pool_t *pool = ((fixture_t *)*state)->pool;
    /* a sanitizer may have brought it */
    void *before = dlsym(RTLD_DEFAULT, "__cxa_demangle");

    if (dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL) == NULL) {
        skip();
    }
    assert_string_equal(lpp_debugfile_demangle("_ZN3foo3barEi", pool),
                        "foo::bar(int)");
    assert_string_equal(lpp_debugfile_demangle(
        "_ZN4core3fmt5write17h0123456789abcdefE", pool),
        "core::fmt::write");
    assert_string_equal(lpp_debugfile_demangle("_Zwrong", pool), "_Zwrong");
    assert_string_equal(lpp_debugfile_demangle("read", pool), "read");
    assert_string_equal(lpp_debugfile_demangle("_Rwrong", pool), "_Rwrong");
#ifdef LPP_WITH_LIBIBERTY
    assert_string_equal(lpp_debugfile_demangle(
        "_RNvNtCs1234_7mycrate3foo3bar", pool), "mycrate::foo::bar");
    assert_string_equal(lpp_debugfile_demangle(
        "_RINvNtC3std3mem8align_ofdE", pool), "std::mem::align_of::<f64>");
#endif
    assert_ptr_equal(dlsym(RTLD_DEFAULT, "__cxa_demangle"), before);
}

/* All of libdw's work is done; nobody called. */
static void the_network_is_never_asked(void **state)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    lpp_symbols_t *symbols;
    fixture_t *fixture = *state;
    lpp_symbol_t symbol;
    unsigned number;
    char url[64];

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    getsockname(fd, (struct sockaddr *)&address, &len);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/",
             ntohs(address.sin_port));
    setenv("DEBUGINFOD_URLS", url, 1);
    assert_int_equal(lpp_symbols_create(&symbols, fixture->maps),
                     APR_SUCCESS);
    for (number = 1; number <= lpp_maps_count(fixture->maps); number++) {
        const lpp_object_t *object = lpp_maps_object(fixture->maps, number);

        lpp_symbols_resolve(symbols, LPP_PC_MAKE(number, object->start + 64
                                                 - object->bias), &symbol);
        lpp_symbols_add_line(symbols, &symbol);
    }
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    assert_null(dlsym(RTLD_DEFAULT, "dwarf_begin_elf"));
    unsetenv("DEBUGINFOD_URLS");
    close(fd);
    lpp_symbols_destroy(symbols);
}

static char *build_library(fixture_t *fixture, const char *directory,
                           const char *name, const char *build_id)
{
    assert_int_equal(run(fixture, directory, apr_psprintf(fixture->pool,
        "echo 'int %s(int a) { return a * 3; }' > x.c && cc -O2 -shared "
        "-fPIC -Wl,--build-id=%s -o new.so x.c && mv new.so lib.so", name,
        build_id)), 0);
    return apr_pstrcat(fixture->pool, directory, "/lib.so", NULL);
}

/* A package upgrade while the server runs, with and without build ids. */
static void a_file_replaced_on_disk_gives_no_names(void **state)
{
    static const char *const ids[] = { "sha1", "none" };
    fixture_t *fixture = *state;
    unsigned i;

    for (i = 0; i < LPP_COUNT(ids); i++) {
        char directory[] = "/tmp/lpp-names-XXXXXX";
        lpp_symbols_t *before, *after, *all;
        lpp_symbol_t symbol;
        int changed = 0;
        void *handle;
        lpp_pc_t pc;

        assert_non_null(mkdtemp(directory));
        handle = dlopen(build_library(fixture, directory, "old", ids[i]),
                        RTLD_NOW);
        assert_non_null(handle);
        assert_int_equal(lpp_maps_refresh(fixture->maps, &changed),
                         APR_SUCCESS);
        assert_true(changed);
        pc = lpp_maps_pc(fixture->maps,
                         (apr_uintptr_t)dlsym(handle, "old"));
        assert_int_equal(lpp_symbols_create(&before, fixture->maps),
                         APR_SUCCESS);
        lpp_symbols_resolve(before, pc, &symbol);
        assert_string_equal(symbol.name, "old");
        assert_int_equal(lpp_symbols_create(&all, fixture->maps),
                         APR_SUCCESS);
        lpp_symbols_read(all);
        build_library(fixture, directory, "new", ids[i]);
        /* read before: still right */
        lpp_symbols_resolve(before, pc + 1, &symbol);
        assert_string_equal(symbol.name, "old");
        lpp_symbols_resolve(all, pc, &symbol);
        assert_string_equal(symbol.name, "old");
        /* read only now: the new file's names would be wrong */
        assert_int_equal(lpp_symbols_create(&after, fixture->maps),
                         APR_SUCCESS);
        lpp_symbols_resolve(after, pc, &symbol);
        assert_int_equal(symbol.kind, LPP_NAME_OFFSET);
        assert_string_equal(symbol.name,
                            "lib.so (file on disk has changed)");
        lpp_symbols_destroy(before);
        lpp_symbols_destroy(after);
        lpp_symbols_destroy(all);
        dlclose(handle);
        assert_int_equal(run(fixture, directory, "rm lib.so x.c"), 0);
        assert_int_equal(rmdir(directory), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_static_function_is_named_by_symtab),
        cmocka_unit_test(an_exported_function_of_a_library_is_named),
        cmocka_unit_test(a_global_name_beats_a_weak_alias),
        cmocka_unit_test(a_symbol_covers_its_size_and_no_more),
        cmocka_unit_test(an_unsized_symbol_ends_where_the_next_begins),
        cmocka_unit_test(an_address_in_no_object_says_where_it_is),
        cmocka_unit_test(a_plt_stub_is_named_by_what_it_jumps_to),
        cmocka_unit_test(a_registered_name_serves_where_no_symbol_does),
        cmocka_unit_test(the_vdso_is_read_from_memory),
        cmocka_unit_test(every_exported_name_agrees_with_dladdr),
        cmocka_unit_test(what_is_no_elf_file_is_an_error),
        cmocka_unit_test(garbled_files_do_no_harm),
        cmocka_unit_test(the_source_line_of_a_function_is_known),
        cmocka_unit_test(a_debuglink_leads_to_names_and_lines),
        cmocka_unit_test(a_file_replaced_on_disk_gives_no_names),
        cmocka_unit_test(names_are_demangled),
        cmocka_unit_test(the_network_is_never_asked),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
