/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_symbol: finds the name of a place in code.
 *
 * Owns one table of functions for each object, read once; the names registered
 * by the httpd part of this module; and every name it has returned. All of it
 * is in a pool with its own allocator, guarded by one lock, so that request
 * threads and the jobs thread never use a pool of the process. It lasts as long
 * as the process. Never uses the network, and never reads memory of an object
 * that may be unloaded.
 */
#include "names/lpp_symbol.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include "names/lpp_debugfile_internal.h"
#include "objects/lpp_elf.h"
#include "names/lpp_symbol_internal.h"

#define PAGE_MASK APR_UINT64_C(0xfff)

/* What is known of one object. */
typedef struct table_t {
    lpp_elf_t *elf;         /* NULL: its file cannot be used */
    const char *why;        /* the reason for that */
    lpp_debugfile_t *debug; /* lines of its debug file, or NULL */
} table_t;

struct lpp_symbols_t {
    apr_thread_mutex_t *lock; /* guards all below */
    apr_pool_t *pool;         /* own allocator */
    lpp_maps_t *maps;         /* borrowed */
    lpp_pagecode_t *pages;
    table_t **tables;         /* by number of the object */
    apr_hash_t *registered;   /* lpp_pc_t -> name */
    apr_hash_t *known;        /* lpp_pc_t of start -> lpp_symbol_t */
    apr_allocator_t *allocator; /* of pool; stored here for leak checkers */
    lpp_symbols_t *older;     /* see all_tables */
};

/* A child never frees its table, since a job may still use it while the child
 * ends. The list keeps tables reachable, so that leak checkers do not report
 * them. */
static _Atomic(lpp_symbols_t *) all_tables;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

/* The inode that is mapped at address in this process, 0: unknown. */
static apr_uint64_t inode_at(apr_uint64_t address)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long long start, end, inode, found = 0;
    char *line = NULL;
    size_t room = 0;

    while (maps != NULL && found == 0 && getline(&line, &room, maps) > 0) {
        if (sscanf(line, "%llx-%llx %*s %*s %*s %llu", &start, &end, &inode)
                == 3
            && address >= start && address < end
            && strstr(line, " (deleted)") == NULL) {
            found = inode;
        }
    }
    free(line);
    if (maps != NULL) {
        fclose(maps);
    }
    return found;
}

/* Whether the file on disk is still the one that was loaded: by build id;
 * without one, by the inode that is mapped, if it still is. */
static int is_same_file(const lpp_object_t *object, const lpp_elf_t *elf)
{
    apr_size_t len;
    const unsigned char *id = lpp_elf_build_id(elf, &len);
    struct stat about;

    if (len != object->build_id_len) {
        return 0;
    }
    if (len != 0) {
        return memcmp(id, object->build_id, len) == 0;
    }
    return !object->gone && stat(object->path, &about) == 0
        && about.st_ino != 0 && about.st_ino == inode_at(object->start);
}

static apr_status_t read_vdso(table_t *table, const lpp_object_t *object,
                              apr_pool_t *pool)
{
    const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
    apr_uint64_t end = (object->end + PAGE_MASK) & ~PAGE_MASK;

    if (image == NULL || end <= (apr_uintptr_t)image) {
        return APR_ENOENT;
    }
    return lpp_elf_read_memory(&table->elf, image,
                               (apr_size_t)(end - (apr_uintptr_t)image),
                               pool);
}

/* Returned where memory is short. */
static table_t no_table = { NULL, "no memory to read it", NULL };
static const lpp_symbol_t no_symbol = { 0, "(no memory for the name)", "",
    NULL, 0, LPP_NAME_UNKNOWN, NULL, LPP_LANGUAGE_NONE };

/* The table of an object; read now, if it was not read before. */
static table_t *table_of(lpp_symbols_t *symbols, const lpp_object_t *object)
{
    table_t *table = symbols->tables[object->number];
    apr_status_t status;

    if (table != NULL) {
        return table;
    }
    table = apr_pcalloc(symbols->pool, sizeof(*table));
    if (table == NULL) {
        return &no_table; /* the next call will try again */
    }
    symbols->tables[object->number] = table;
    if (strcmp(object->path, "[vdso]") == 0) {
        status = read_vdso(table, object, symbols->pool);
    }
    else {
        status = lpp_elf_read_file(&table->elf, object->path, 1,
                                   symbols->pool);
    }
    if (status != APR_SUCCESS) {
        table->elf = NULL;
        table->why = status == APR_ENOMEM ? no_table.why : "file not readable";
        return table;
    }
    if (strcmp(object->path, "[vdso]") != 0
        && !is_same_file(object, table->elf)) {
        table->elf = NULL;
        table->why = "file on disk has changed";
        return table;
    }
    table->debug = lpp_debugfile_open(object, table->elf, symbols->pool);
    return table;
}

/* Make the symbol of a function that is asked for the first time. NULL: no
 * memory. */
static lpp_symbol_t *make(lpp_symbols_t *symbols, lpp_pc_t start,
                          const lpp_object_t *object, const table_t *table,
                          const lpp_elf_function_t *function)
{
    lpp_symbol_t *symbol = apr_pcalloc(symbols->pool, sizeof(*symbol));
    const char *registered = apr_hash_get(symbols->registered, &start,
                                          sizeof(start));
    apr_pool_t *pool = symbols->pool;
    const char *base = base_name(object->path);

    if (symbol == NULL) {
        return NULL;
    }
    symbol->start = start;
    symbol->object = lpp_symbol_clean(object->path, strlen(object->path),
                                      pool);
    symbol->kind = LPP_NAME_OFFSET;
    symbol->registered = registered;
    if (table->elf == NULL) {
        symbol->name = apr_psprintf(pool, "%s (%s)", base, table->why);
    }
    else if (function->name != NULL) {
        apr_size_t len = strlen(function->name);
        const char *version = len > 1 ? strchr(function->name + 1, '@')
            : NULL;

        if (version != NULL) {
            len = (apr_size_t)(version - function->name);
        }
        symbol->kind = LPP_NAME_SYMBOL;
        symbol->name = lpp_symbol_clean(function->name, len, pool);
        if (symbol->name != NULL) {
            symbol->name = lpp_debugfile_demangle(symbol->name, pool);
        }
        if (symbol->name != NULL && function->suffix[0] != '\0') {
            symbol->name = apr_pstrcat(pool, symbol->name, function->suffix,
                                       NULL);
        }
    }
    else if (registered != NULL) {
        symbol->kind = LPP_NAME_REGISTERED;
        symbol->name = registered;
    }
    else {
        symbol->name = apr_psprintf(pool, "%s+0x%" APR_UINT64_T_HEX_FMT,
                                    base, LPP_PC_ADDRESS(start));
    }
    symbol->name = symbol->name == NULL ? NULL
        : lpp_symbol_clean(symbol->name, strlen(symbol->name), pool);
    return symbol->name != NULL && symbol->object != NULL ? symbol : NULL;
}

/* Code in no known object: made at run time, or not known to lpp_maps. Each
 * page counts as one function, else each instruction of a loop would be one. */
static const lpp_symbol_t *find_unknown(lpp_symbols_t *symbols, lpp_pc_t pc)
{
    lpp_pc_t start = pc & ~PAGE_MASK;
    lpp_symbol_t *symbol = apr_hash_get(symbols->known, &start,
                                        sizeof(start));

    if (symbol == NULL) {
        const char *name = apr_psprintf(symbols->pool,
                                        "0x%" APR_UINT64_T_HEX_FMT
                                        " (in no object)",
                                        LPP_PC_ADDRESS(start));

        symbol = apr_pcalloc(symbols->pool, sizeof(*symbol));
        if (symbol == NULL || name == NULL) {
            return &no_symbol;
        }
        symbol->start = start;
        symbol->name = name;
        symbol->object = "";
        symbol->kind = LPP_NAME_UNKNOWN;
        apr_hash_set(symbols->known, &symbol->start, sizeof(start), symbol);
    }
    return symbol;
}

/* The frames of lpp_base.h that are not functions. */
static const lpp_symbol_t no_functions[] = {
    { LPP_PC_PROFILER, LPP_PROFILER_NAME, "", NULL, 0, LPP_NAME_REGISTERED,
      NULL, LPP_LANGUAGE_NONE },
    { LPP_PC_OWN_STACK, LPP_OWN_STACK_NAME, "", NULL, 0, LPP_NAME_REGISTERED,
      NULL, LPP_LANGUAGE_NONE },
    { LPP_PC_RUN_TIME_CODE, LPP_RUN_TIME_CODE_NAME, "", NULL, 0,
      LPP_NAME_UNKNOWN, NULL, LPP_LANGUAGE_NONE }
};

static const lpp_symbol_t *find_page(lpp_symbols_t *symbols, lpp_pc_t pc)
{
    lpp_pc_t start = LPP_PAGE_START(pc);
    lpp_symbol_t *symbol = apr_hash_get(symbols->known, &start,
                                        sizeof(start));
    const lpp_page_function_t *page;

    if (symbol == NULL) {
        symbol = apr_pcalloc(symbols->pool, sizeof(*symbol));
        if (symbol == NULL) {
            return &no_symbol;
        }
        page = lpp_pagecode_get(symbols->pages, LPP_PAGE_NUMBER(pc));
        symbol->start = start;
        symbol->name = page->name;
        symbol->object = symbol->file = page->file;
        symbol->line = page->line;
        symbol->kind = LPP_NAME_INTERPRETER;
        symbol->language = page->language;
        apr_hash_set(symbols->known, &symbol->start, sizeof(start), symbol);
    }
    return symbol;
}

static const lpp_symbol_t *find_wait(lpp_symbols_t *symbols, lpp_pc_t pc)
{
    lpp_symbol_t *symbol = apr_hash_get(symbols->known, &pc, sizeof(pc));

    if (symbol == NULL) {
        symbol = apr_pcalloc(symbols->pool, sizeof(*symbol));
        if (symbol == NULL) {
            return &no_symbol;
        }
        symbol->start = pc;
        symbol->name = LPP_WAIT_NUMBER(pc) == LPP_PAGE_MORE
            ? LPP_WAIT_MORE_NAME
            : lpp_pagecode_get(symbols->pages, LPP_WAIT_NUMBER(pc))->name;
        symbol->object = "";
        symbol->kind = LPP_NAME_REGISTERED;
        apr_hash_set(symbols->known, &symbol->start, sizeof(pc), symbol);
    }
    return symbol;
}

static const lpp_symbol_t *find(lpp_symbols_t *symbols, lpp_pc_t pc)
{
    const lpp_object_t *object = lpp_maps_object(symbols->maps,
                                                 LPP_PC_OBJECT(pc));
    lpp_elf_function_t function = { 0, 0, NULL, "" };
    lpp_symbol_t *symbol;
    table_t *table;
    lpp_pc_t start;
    unsigned i;

    for (i = 0; i < LPP_COUNT(no_functions); i++) {
        if (no_functions[i].start == pc) {
            return &no_functions[i];
        }
    }
    if (LPP_PC_IS_PAGE(pc)) {
        return find_page(symbols, pc);
    }
    if (LPP_PC_IS_WAIT(pc)) {
        return find_wait(symbols, pc);
    }
    if (object == NULL || object->number > LPP_OBJECTS_MAX) {
        return find_unknown(symbols, pc);
    }
    table = table_of(symbols, object);
    if (table->elf != NULL) {
        lpp_elf_find(table->elf, LPP_PC_ADDRESS(pc), &function);
    }
    start = LPP_PC_MAKE(object->number, function.start);
    symbol = apr_hash_get(symbols->known, &start, sizeof(start));
    if (symbol == NULL) {
        symbol = make(symbols, start, object, table, &function);
        if (symbol == NULL) {
            return &no_symbol;
        }
        apr_hash_set(symbols->known, &symbol->start, sizeof(start), symbol);
    }
    return symbol;
}

apr_status_t lpp_symbols_create(lpp_symbols_t **symbols, lpp_maps_t *maps)
{
    lpp_symbols_t *made;
    apr_allocator_t *allocator;
    apr_pool_t *pool;
    apr_status_t status;

    *symbols = NULL;
    made = calloc(1, sizeof(*made)); /* not in the pool: see all_tables */
    if (made == NULL) {
        return APR_ENOMEM;
    }
    status = apr_allocator_create(&allocator);
    if (status != APR_SUCCESS) {
        free(made);
        return status;
    }
    status = apr_pool_create_unmanaged_ex(&pool, NULL, allocator);
    if (status != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        free(made);
        return status;
    }
    apr_allocator_owner_set(allocator, pool);
    apr_pool_tag(pool, "lpp_symbols");
    made->allocator = allocator;
    made->pool = pool;
    made->maps = maps;
    made->tables = apr_pcalloc(pool, (LPP_OBJECTS_MAX + 1)
                               * sizeof(*made->tables));
    made->registered = apr_hash_make(pool);
    made->known = apr_hash_make(pool);
    status = made->tables == NULL ? APR_ENOMEM
        : apr_thread_mutex_create(&made->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    if (status == APR_SUCCESS) {
        status = lpp_pagecode_create(&made->pages);
    }
    if (status != APR_SUCCESS) {
        apr_pool_destroy(pool);
        free(made);
        return status;
    }
    made->older = atomic_load(&all_tables);
    while (!atomic_compare_exchange_weak(&all_tables, &made->older, made)) {
    }
    *symbols = made;
    return APR_SUCCESS;
}

lpp_pagecode_t *lpp_symbols_pagecode(lpp_symbols_t *symbols)
{
    return symbols->pages;
}

void lpp_symbols_read(lpp_symbols_t *symbols)
{
    unsigned count = lpp_maps_count(symbols->maps), number;

    apr_thread_mutex_lock(symbols->lock);
    for (number = 1; number <= count && number <= LPP_OBJECTS_MAX; number++) {
        const lpp_object_t *object = lpp_maps_object(symbols->maps, number);

        if (object != NULL && !object->gone) {
            table_of(symbols, object);
        }
    }
    apr_thread_mutex_unlock(symbols->lock);
}

void lpp_symbols_destroy(lpp_symbols_t *symbols)
{
    lpp_symbols_t *first = atomic_load(&all_tables), **at = &first;
    unsigned number;

    while (*at != symbols) {
        at = &(*at)->older;
    }
    *at = symbols->older;
    atomic_store(&all_tables, first);
    for (number = 0; number <= LPP_OBJECTS_MAX; number++) {
        if (symbols->tables[number] != NULL) {
            lpp_debugfile_close(symbols->tables[number]->debug);
        }
    }
    lpp_pagecode_destroy(symbols->pages);
    apr_pool_destroy(symbols->pool);
    free(symbols);
}

/*
 * Only the thread that refreshes the table may call lpp_maps_find, so this
 * searches the objects by number, which any thread may read. A registration is
 * rare.
 */
static const lpp_object_t *object_of(const lpp_symbols_t *symbols,
                                     apr_uint64_t address)
{
    unsigned number = lpp_maps_count(symbols->maps);

    for (; number > 0; number--) {
        const lpp_object_t *object = lpp_maps_object(symbols->maps, number);

        if (object != NULL && !object->gone && address >= object->start
            && address < object->end) {
            return object;
        }
    }
    return NULL;
}

apr_status_t lpp_symbols_register(lpp_symbols_t *symbols,
                                  const void *function, const char *owner,
                                  const char *what)
{
    const lpp_object_t *object = object_of(symbols,
                                           (apr_uintptr_t)function);
    lpp_symbol_t *symbol;
    apr_status_t status;
    const char *base;
    char *name;
    lpp_pc_t pc, *key;

    if (object == NULL) {
        return APR_ENOENT;
    }
    pc = LPP_PC_MAKE(object->number,
                     (apr_uintptr_t)function - object->bias);
    apr_thread_mutex_lock(symbols->lock);
    status = APR_SUCCESS;
    if (apr_hash_get(symbols->registered, &pc, sizeof(pc)) == NULL) {
        base = base_name(object->path);
        if (owner != NULL && strstr(base, ".so") == NULL) {
            base = owner;
        }
        key = apr_pmemdup(symbols->pool, &pc, sizeof(pc));
        name = apr_pstrcat(symbols->pool, base, ":", what, NULL);
        name = lpp_symbol_clean(name, strlen(name), symbols->pool);
        if (name == NULL) {
            status = APR_ENOMEM;
            goto leave;
        }
        apr_hash_set(symbols->registered, key, sizeof(*key), name);
        /* it may already have a name made of its offset */
        symbol = apr_hash_get(symbols->known, &pc, sizeof(pc));
        if (symbol != NULL) {
            symbol->registered = name;
        }
        if (symbol != NULL && symbol->kind == LPP_NAME_OFFSET) {
            symbol->name = name;
            symbol->kind = LPP_NAME_REGISTERED;
        }
    }

leave:
    apr_thread_mutex_unlock(symbols->lock);
    return status;
}

void lpp_symbols_resolve(lpp_symbols_t *symbols, lpp_pc_t pc,
                         lpp_symbol_t *symbol)
{
    apr_thread_mutex_lock(symbols->lock);
    *symbol = *find(symbols, pc);
    if (symbol->kind != LPP_NAME_INTERPRETER) {
        symbol->file = NULL; /* set by lpp_symbols_add_line */
        symbol->line = 0;
    }
    apr_thread_mutex_unlock(symbols->lock);
}

void lpp_symbols_add_line(lpp_symbols_t *symbols, lpp_symbol_t *symbol)
{
    unsigned number = LPP_PC_OBJECT(symbol->start);
    lpp_symbol_t *known;
    table_t *table;

    apr_thread_mutex_lock(symbols->lock);
    known = apr_hash_get(symbols->known, &symbol->start,
                         sizeof(symbol->start));
    table = number != 0 && number <= LPP_OBJECTS_MAX
        ? symbols->tables[number] : NULL;
    if (known != NULL && known->file == NULL && table != NULL
        && table->elf != NULL && table->debug != NULL) {
        lpp_debugfile_line(table->debug, LPP_PC_ADDRESS(symbol->start),
                           &known->file, &known->line);
        if (known->file != NULL) {
            known->file = lpp_symbol_clean(known->file, strlen(known->file),
                                symbols->pool);
        }
    }
    if (known != NULL) {
        symbol->file = known->file;
        symbol->line = known->line;
    }
    apr_thread_mutex_unlock(symbols->lock);
}
