/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_libunwind: libunwind's remote API over a copied stack.
 *
 * Owns the address space. libunwind is not linked, which would put its
 * _Unwind_* symbols into the global scope of the server: it is loaded
 * RTLD_LOCAL and called by pointers. It reads the "remote process" only through
 * the accessors here, that is the copied stack and lpp_maps' copies of
 * .eh_frame; so neither a corrupt stack nor a concurrent dlclose can make it
 * read unmapped memory.
 *
 * libunwind's cache is not used: its key is the address alone, but one address
 * has two rules, for a return address and for an interrupted instruction. Nor
 * is its guessing (frame pointers, shape of the code): a frame without unwind
 * information ends the walk.
 */
#include "unwind/lpp_unwind_libunwind_internal.h"

#if defined(__has_include)
#if __has_include(<libunwind.h>)
#define HAVE_LIBUNWIND 1
#endif
#endif

#if defined(HAVE_LIBUNWIND) && LPP_REGS > 2

#include <dlfcn.h>
#include <libunwind.h>
#include <string.h>

#include "unwind/lpp_unwind_eh_internal.h"

#define STRING_OF(x) #x
#define EXPANDED(x) STRING_OF(x)
/* libunwind.h defines these names as macros for the mangled names. */
#define SYMBOL_OF(function) EXPANDED(function)
#define LIBRARY "libunwind-" EXPANDED(UNW_TARGET) ".so.8"

typedef int search_fn(unw_addr_space_t space, unw_word_t ip,
                      unw_dyn_info_t *info, unw_proc_info_t *result,
                      int need_unwind_info, void *arg);

struct lpp_libunwind_t {
    unw_addr_space_t space;
    void (*destroy_addr_space)(unw_addr_space_t space);
    int (*init_remote)(unw_cursor_t *cursor, unw_addr_space_t space,
                       void *arg);
    int (*step)(unw_cursor_t *cursor);
    int (*get_reg)(unw_cursor_t *cursor, int number, unw_word_t *value);
    int (*get_save_loc)(unw_cursor_t *cursor, int number,
                        unw_save_loc_t *place);
    search_fn *search_unwind_table;

    /* the current walk */
    lpp_walk_t *walk;
    apr_uint64_t regs[LPP_REGS]; /* the registers for init_remote */
    const lpp_object_t *object;  /* whose tables are being read */
    int uncovered;               /* the last look-up found an object's code, but
                                    no FDE that covers it */
    int outside;                 /* a read left the copied stack */
    int searching;               /* a look-up is in progress */
};

static int find_proc_info(unw_addr_space_t space, unw_word_t ip,
                          unw_proc_info_t *result, int need_unwind_info,
                          void *arg)
{
    lpp_libunwind_t *engine = arg;
    const lpp_object_t *object = lpp_maps_find(engine->walk->maps, ip);
    apr_size_t entry;
    unw_dyn_info_t info;
    int status;

    engine->object = object;
    if (object == NULL) {
        return -UNW_EINVALIDIP;
    }
    /* The search is done here, and libunwind gets a table with one entry: it
     * would read the whole table in pieces through access_mem. */
    if (!lpp_eh_search(object, ip, &entry)) {
        engine->uncovered = 1;
        return -UNW_EINVALIDIP;
    }
    memset(&info, 0, sizeof(info));
    info.start_ip = object->start;
    info.end_ip = object->end;
    info.format = UNW_INFO_FORMAT_REMOTE_TABLE;
    info.u.rti.segbase = object->eh_frame_hdr_address;
    info.u.rti.table_data = object->eh_frame_hdr_address + entry;
    info.u.rti.table_len = 8 / sizeof(unw_word_t);
    engine->searching = 1;
    status = engine->search_unwind_table(space, ip, &info, result,
                                         need_unwind_info, arg);
    engine->searching = 0;
    if (status == -UNW_ENOINFO) {
        /* UNW_ENOINFO would make libunwind guess. */
        engine->uncovered = 1;
        return -UNW_EINVALIDIP;
    }
    return status;
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info,
                            void *arg)
{
}

static int get_dyn_info_list_addr(unw_addr_space_t space, unw_word_t *list,
                                  void *arg)
{
    return -UNW_ENOINFO;
}

/* libunwind reads aligned words, so a word may extend past either end of a
 * copy, by less than a word; lpp_maps leaves room for that. */
static int read_copy(const unsigned char *copy, apr_size_t len,
                     apr_uint64_t start, unw_word_t address, unw_word_t *value)
{
    if (copy == NULL || address + sizeof(*value) <= start
        || address >= start + len) {
        return 0;
    }
    memcpy(value, copy + (apr_int64_t)(address - start), sizeof(*value));
    return 1;
}

static int access_mem(unw_addr_space_t space, unw_word_t address,
                      unw_word_t *value, int write, void *arg)
{
    lpp_libunwind_t *engine = arg;
    const lpp_object_t *object = engine->object;
    apr_uint64_t word;

    if (write) {
        return -UNW_EREADONLYREG;
    }
    if (object != NULL
        && (read_copy(object->eh_frame, object->eh_frame_len,
                      object->eh_frame_address, address, value)
            || read_copy(object->eh_frame_hdr, object->eh_frame_hdr_len,
                         object->eh_frame_hdr_address, address, value))) {
        return 0;
    }
    if (engine->searching) {
        /* The pointer to a C++ personality is in the object's data: it is not
         * needed, but without it libunwind rejects the whole FDE. */
        *value = 0;
        return 0;
    }
    if (!lpp_walk_read(engine->walk, address, &word)) {
        engine->outside = 1;
        return -UNW_EINVAL;
    }
    *value = word;
    return 0;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number,
                      unw_word_t *value, int write, void *arg)
{
    lpp_libunwind_t *engine = arg;

    if (write || number < 0 || number >= LPP_REGS) {
        return -UNW_EBADREG;
    }
    *value = engine->regs[number];
    return 0;
}

static int access_fpreg(unw_addr_space_t space, unw_regnum_t number,
                        unw_fpreg_t *value, int write, void *arg)
{
    return -UNW_EBADREG;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *arg)
{
    return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t space, unw_word_t ip, char *name,
                         size_t size, unw_word_t *offset, void *arg)
{
    return -UNW_ENOINFO;
}

static unw_accessors_t accessors = {.find_proc_info = find_proc_info,
                                    .put_unwind_info = put_unwind_info,
                                    .get_dyn_info_list_addr =
                                        get_dyn_info_list_addr,
                                    .access_mem = access_mem,
                                    .access_reg = access_reg,
                                    .access_fpreg = access_fpreg,
                                    .resume = resume,
                                    .get_proc_name = get_proc_name};

/* Padding between functions has no FDE; a thread whose innermost frame is there
 * is in a leaf function that has pushed nothing. Start again from its caller.
 * 0: the walk ends. */
static int leave_leaf(lpp_libunwind_t *engine, unw_cursor_t *cursor,
                      apr_uint64_t *pc)
{
#ifdef __x86_64__
    lpp_walk_t *walk = engine->walk;
    apr_uint64_t regs[LPP_REGS];
    unw_word_t value;
    int i;

    for (i = 0; i < LPP_REGS; i++) {
        if (engine->get_reg(cursor, i, &value) < 0) {
            value = 0;
        }
        regs[i] = value;
    }
    if (!lpp_walk_cfa(walk, regs[LPP_REG_SP] + 8)) {
        return 0;
    }
    if (!lpp_walk_read(walk, regs[LPP_REG_SP], &regs[LPP_REG_PC])) {
        return 0;
    }
    if (lpp_maps_find(walk->maps, regs[LPP_REG_PC] - 1) == NULL) {
        walk->end = LPP_UNWIND_LOST;
        return 0;
    }
    regs[LPP_REG_SP] += 8;
    regs[LPP_REG_PC]--; /* init_remote takes it as exact */
    memcpy(engine->regs, regs, sizeof(regs));
    *pc = regs[LPP_REG_PC];
    if (engine->init_remote(cursor, engine->space, engine) >= 0) {
        return 1;
    }
#endif
    engine->walk->end = LPP_UNWIND_LOST;
    return 0;
}

/* How the walk ended where step found no caller: the unwind information says
 * so; or, with libunwind 1.8 or later, it gave the place of the return address,
 * and a 0 was read there, which is no return address. */
static lpp_unwind_end_e end_of_chain(lpp_libunwind_t *engine,
                                     unw_cursor_t *cursor)
{
    unw_save_loc_t place;

    return engine->get_save_loc(cursor, UNW_REG_IP, &place) >= 0
                   && place.type == UNW_SLT_NONE
               ? LPP_UNWIND_ROOT
               : LPP_UNWIND_LOST;
}

/* Go to the caller: *pc and *exact are those of the current frame before, and
 * of the caller after. 0: the walk ends. */
static int step_out(lpp_libunwind_t *engine, unw_cursor_t *cursor,
                    apr_uint64_t *pc, int *exact)
{
    lpp_walk_t *walk = engine->walk;
    const lpp_object_t *object;
    lpp_eh_fde_t fde;
    unw_word_t cfa, ip;
    int status;

    engine->uncovered = engine->outside = 0;
    walk->end = LPP_UNWIND_LOST;
    status = engine->step(cursor);
    if (engine->uncovered && *exact) {
        *exact = 0;
        return leave_leaf(engine, cursor, pc);
    }
    if (engine->uncovered || engine->object == NULL) {
        return 0;
    }
    if (status < 0 && !engine->outside) {
        return 0;
    }
    /* Even if the return address could not be read, the CFA is known, and may
     * be that of the root. */
    if (engine->get_reg(cursor, UNW_REG_SP, &cfa) < 0) {
        return 0;
    }
    if (status < 0) {
        lpp_unwind_end_e end = walk->end;

        if (cfa == walk->last_cfa || lpp_walk_cfa(walk, cfa)) {
            walk->end = end;
        }
        return 0;
    }
    if (!lpp_walk_cfa(walk, cfa)) {
        return 0;
    }
    if (status == 0) {
        walk->end = end_of_chain(engine, cursor);
        return 0;
    }
    object = engine->object;
    if (engine->get_reg(cursor, UNW_REG_IP, &ip) < 0 || ip == 0) {
        return 0;
    }
    *exact = lpp_eh_find(object, *pc, &fde) && fde.signal_frame;
    *pc = *exact ? ip : ip - 1;
    return 1;
}

void lpp_libunwind_walk(lpp_libunwind_t *engine, lpp_walk_t *walk)
{
    apr_uint64_t pc = walk->snapshot->regs[LPP_REG_PC];
    unw_cursor_t cursor;
    int exact = 1;

    engine->walk = walk;
    engine->object = NULL;
    memcpy(engine->regs, walk->snapshot->regs, sizeof(engine->regs));
    walk->end = LPP_UNWIND_LOST;
    if (pc == 0 || engine->init_remote(&cursor, engine->space, engine) < 0) {
        return;
    }
    do {
        if (!lpp_walk_add(walk, lpp_maps_pc(walk->maps, pc))) {
            return;
        }
    } while (step_out(engine, &cursor, &pc, &exact));
}

static apr_status_t destroy_space(void *baton)
{
    lpp_libunwind_t *engine = baton;

    engine->destroy_addr_space(engine->space);
    return APR_SUCCESS;
}

apr_status_t lpp_libunwind_create(lpp_libunwind_t **engine,
                                  const lpp_maps_t *maps, apr_pool_t *pool)
{
    lpp_libunwind_t *made = apr_pcalloc(pool, sizeof(*made));
    unw_addr_space_t (*create_addr_space)(unw_accessors_t *, int);
    void *library;

    *engine = NULL;
    if (made == NULL) {
        return APR_ENOMEM;
    }
    /* Stays loaded until the process ends: the pool may be destroyed where
     * dlclose must not be called. */
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) {
        return APR_ENOTIMPL;
    }
    create_addr_space = dlsym(library, SYMBOL_OF(unw_create_addr_space));
    made->destroy_addr_space =
        dlsym(library, SYMBOL_OF(unw_destroy_addr_space));
    made->init_remote = dlsym(library, SYMBOL_OF(unw_init_remote));
    made->step = dlsym(library, SYMBOL_OF(unw_step));
    made->get_reg = dlsym(library, SYMBOL_OF(unw_get_reg));
    made->get_save_loc = dlsym(library, SYMBOL_OF(unw_get_save_loc));
    made->search_unwind_table =
        dlsym(library, SYMBOL_OF(UNW_OBJ(dwarf_search_unwind_table)));
    if (create_addr_space == NULL || made->destroy_addr_space == NULL
        || made->init_remote == NULL || made->step == NULL
        || made->get_reg == NULL || made->get_save_loc == NULL
        || made->search_unwind_table == NULL) {
        return APR_ENOTIMPL;
    }
    made->space = create_addr_space(&accessors, 0);
    if (made->space == NULL) {
        return APR_ENOMEM;
    }
    if (lpp_maps_made_here(maps)) {
        apr_pool_cleanup_register(pool, made, destroy_space,
                                  apr_pool_cleanup_null);
    }
    *engine = made;
    return APR_SUCCESS;
}

#else

apr_status_t lpp_libunwind_create(lpp_libunwind_t **engine,
                                  const lpp_maps_t *maps, apr_pool_t *pool)
{
    *engine = NULL;
    return APR_ENOTIMPL;
}

void lpp_libunwind_walk(lpp_libunwind_t *engine, lpp_walk_t *walk)
{
    walk->end = LPP_UNWIND_LOST;
}

#endif
