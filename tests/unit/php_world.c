/* SPDX-License-Identifier: Apache-2.0 */
/* php_world: see php_world.h. */
#include "php_world.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#define SPACE 512 /* bytes of each structure; more than any row needs */

apr_uint64_t php_address(const void *structure)
{
    return (apr_uint64_t)(apr_uintptr_t)structure;
}

void php_put(void *structure, unsigned offset, apr_uint64_t value,
             unsigned bytes)
{
    memcpy((unsigned char *)structure + offset, &value, bytes);
}

static unsigned char *space(php_world_t *world)
{
    return apr_pcalloc(world->pool, SPACE);
}

unsigned char *php_string(php_world_t *world, const char *text)
{
    apr_size_t len = strlen(text);
    unsigned char *string = apr_pcalloc(world->pool,
                                        world->row->text + len + 8);

    php_put(string, world->row->text_len, len, 8);
    memcpy(string + world->row->text, text, len);
    return string;
}

unsigned char *php_class(php_world_t *world, const char *name)
{
    unsigned char *made = space(world);

    php_put(made, world->row->class_name,
            php_address(php_string(world, name)), 8);
    return made;
}

static unsigned char *function_of(php_world_t *world, unsigned type,
                                  const char *name, const unsigned char *scope)
{
    unsigned char *made = space(world);

    php_put(made, world->row->type, type, 1);
    if (name != NULL) {
        php_put(made, world->row->name,
                php_address(php_string(world, name)), 8);
    }
    php_put(made, world->row->scope, php_address(scope), 8);
    return made;
}

unsigned char *php_function(php_world_t *world, const char *name,
                            const unsigned char *scope, const char *file,
                            unsigned begin)
{
    const lpp_interp_php_row_t *row = world->row;
    unsigned char *made = function_of(world, LPP_INTERP_PHP_USER_FUNCTION,
                                      name, scope);
    unsigned char *ops = apr_pcalloc(world->pool, PHP_OPS * row->op_size);
    unsigned i;

    for (i = 0; i < PHP_OPS; i++) {
        php_put(ops, i * row->op_size + row->op_line, begin + i, 4);
    }
    php_put(made, row->opcodes, php_address(ops), 8);
    php_put(made, row->last, PHP_OPS, 4);
    php_put(made, row->last + 4, 0xdeadbeef, 4); /* another member */
    php_put(made, row->file, php_address(php_string(world, file)), 8);
    php_put(made, row->line, begin, 4);
    php_put(made, row->line + 4, begin + PHP_OPS, 4); /* line_end */
    return made;
}

unsigned char *php_internal(php_world_t *world, const char *name,
                            const unsigned char *scope)
{
    return function_of(world, LPP_INTERP_PHP_INTERNAL_FUNCTION, name, scope);
}

apr_uint64_t php_op(const php_world_t *world, const unsigned char *function,
                    unsigned number)
{
    apr_uint64_t opcodes;

    memcpy(&opcodes, function + world->row->opcodes, 8);
    return opcodes + number * world->row->op_size;
}

unsigned char *php_call(php_world_t *world, unsigned char *before,
                        const unsigned char *function, unsigned op,
                        apr_uint32_t call_info)
{
    const lpp_interp_php_row_t *row = world->row;
    unsigned char *data = space(world);

    if (function != NULL
        && function[row->type] != LPP_INTERP_PHP_INTERNAL_FUNCTION) {
        php_put(data, row->opline, php_op(world, function, op), 8);
    }
    php_put(data, row->function, php_address(function), 8);
    php_put(data, row->call_info, call_info, 4);
    php_put(data, row->previous, php_address(before), 8);
    php_put((void *)(apr_uintptr_t)world->symbols.executor_globals,
            row->current, php_address(data), 8);
    return data;
}

/* A zend_array that has values under these names; more names than values: the
 * rest are other ones. */
static unsigned char *table_of(php_world_t *world, const char *const *names,
                               const unsigned char *value)
{
    const lpp_interp_php_row_t *row = world->row;
    unsigned char *table = space(world), *buckets = space(world);
    unsigned i;

    for (i = 0; names[i] != NULL; i++) {
        php_put(buckets, i * row->bucket_size + row->bucket_key,
                php_address(php_string(world, names[i])), 8);
        php_put(buckets, i * row->bucket_size + row->bucket_value,
                php_address(value), 8);
    }
    php_put(table, row->table_buckets, php_address(buckets), 8);
    php_put(table, row->table_used, i, 4);
    return table;
}

php_world_t *php_world(const lpp_interp_php_row_t *row, apr_pool_t *pool)
{
    static const char *const modules[] = { "core", "date", "standard", NULL };
    static const char *const functions[] = { "strcmp", "strlen", NULL };
    php_world_t *world = apr_pcalloc(pool, sizeof(*world));
    unsigned char *compiler;

    world->pool = pool;
    world->row = row;
    if (lpp_interp_seen_create(&world->seen, pool) != APR_SUCCESS) {
        abort();
    }
    lpp_interp_seen_reset(world->seen);
    world->standard = space(world);
    php_put(world->standard, LPP_INTERP_PHP_MODULE_API, row->api, 4);
    php_put(world->standard, LPP_INTERP_PHP_MODULE_VERSION,
            php_address(apr_psprintf(pool, "%s.36", row->version)), 8);
    world->strlen_function = php_internal(world, "strlen", NULL);
    compiler = space(world);
    php_put(compiler, row->functions,
            php_address(table_of(world, functions, world->strlen_function)),
            8);
    world->symbols.executor_globals =
        php_address(apr_pcalloc(pool, 4 * SPACE));
    world->symbols.compiler_globals = php_address(compiler);
    world->symbols.module_registry =
        php_address(table_of(world, modules, world->standard));
    world->symbols.vm_kind = 4;
    world->php.row = row;
    world->php.globals = world->symbols.executor_globals;
    return world;
}

unsigned php_walk(php_world_t *world)
{
    lpp_interp_walk_t *walk = &world->walk;

    walk->regs = world->regs;
    walk->seen = world->seen;
    walk->frames = world->frames;
    walk->count = walk->flags = 0;
    walk->steps = LPP_INTERP_STEPS_MAX;
    lpp_interp_php_walk(&world->php, walk);
    return walk->count;
}

static const char *text_of(php_world_t *world, const lpp_interp_text_t *text)
{
    return apr_pstrmemdup(world->pool,
                          (const char *)lpp_interp_seen_bytes(world->seen,
                                                              text),
                          text->len);
}

const char *php_shown(php_world_t *world, unsigned at)
{
    lpp_page_frame_t frame = world->frames[at];
    const lpp_interp_record_t *record = lpp_interp_seen_record(
        world->seen, LPP_INTERP_FUNCTION(frame));
    const char *name, *scope;

    if (record == NULL) {
        return "[more functions]";
    }
    name = text_of(world, &record->name);
    scope = text_of(world, &record->scope);
    if (frame & LPP_INTERP_INTERNAL) {
        return apr_psprintf(world->pool, "%s%s%s()", scope,
                            scope[0] != '\0' ? "::" : "", name);
    }
    return apr_psprintf(world->pool, "%s:%u %s%s%s@%u%s",
                        text_of(world, &record->file), record->line, scope,
                        scope[0] != '\0' ? "::" : "", name,
                        LPP_INTERP_LINE(frame),
                        frame & LPP_INTERP_ENTRY ? " ENTRY" : "");
}
