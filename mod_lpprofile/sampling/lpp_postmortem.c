/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_postmortem: post-mortem data, see lpp_postmortem.h.
 *
 * The helper alone writes; another process reads after the writer's death. A
 * count is stored after the data that it counts, so that a writer that is
 * killed at any point leaves less data, not wrong data. Other processes may
 * write to the same memory: the writer checks each count that it reads back
 * against its limit, and the reader works on a copy, which cannot change
 * between check and use. Owns no memory.
 */
#include "sampling/lpp_postmortem.h"

#include <string.h>

#include "base/lpp_utf8.h"

/* A day: no profile lasts that long, and sums of such times cannot overflow. */
#define TIME_MAX_NS (APR_UINT64_C(86400) * 1000000000)

void lpp_postmortem_begin(lpp_postmortem_t *postmortem, const char *id)
{
    atomic_store(&postmortem->nodes, 0);
    atomic_store(&postmortem->objects, 0);
    atomic_store(&postmortem->functions, 0);
    atomic_store(&postmortem->last, 0);
    memset(postmortem->unwinder, 0, sizeof(postmortem->unwinder));
    memset(&postmortem->statistics, 0, sizeof(postmortem->statistics));
    memset(&postmortem->node[0], 0, sizeof(postmortem->node[0]));
    postmortem->wall_ns = postmortem->cpu_ns = 0;
    strncpy(postmortem->id, id, sizeof(postmortem->id) - 1);
    postmortem->id[sizeof(postmortem->id) - 1] = '\0';
    atomic_store(&postmortem->nodes, 1); /* the root */
}

static int has_object(const lpp_postmortem_t *postmortem, unsigned count,
                      unsigned number)
{
    for (; count > 0; count--) {
        if (postmortem->object[count - 1].number == number) {
            return 1;
        }
    }
    return 0;
}

/* Add path and build id of the object of pc, where they are not there yet. */
static void add_object(lpp_postmortem_t *postmortem, lpp_pc_t pc,
                       const lpp_maps_t *maps)
{
    unsigned count = atomic_load(&postmortem->objects);
    const lpp_object_t *object = lpp_maps_object(maps, LPP_PC_OBJECT(pc));
    lpp_postmortem_object_t *added;

    if (object == NULL || count >= LPP_POSTMORTEM_OBJECTS
        || has_object(postmortem, count, object->number)
        || strlen(object->path) >= sizeof(added->path)
        || object->build_id_len > sizeof(added->build_id)) {
        return;
    }
    added = &postmortem->object[count];
    added->number = object->number;
    added->bias = object->bias;
    added->build_id_len = (apr_uint32_t)object->build_id_len;
    if (object->build_id_len > 0) {
        memcpy(added->build_id, object->build_id, object->build_id_len);
    }
    strcpy(added->path, object->path);
    atomic_store(&postmortem->objects, count + 1);
}

static int has_function(const lpp_postmortem_t *postmortem, unsigned count,
                        apr_uint32_t number)
{
    for (; count > 0; count--) {
        if (postmortem->function_number[count - 1] == number) {
            return 1;
        }
    }
    return 0;
}

/* to has LPP_POSTMORTEM_NAME_BYTES. */
static void set_name(char *to, const char *name)
{
    apr_size_t len = strlen(name);

    if (len >= LPP_POSTMORTEM_NAME_BYTES) {
        len = lpp_utf8_cut(name, LPP_POSTMORTEM_NAME_BYTES - 1);
    }
    memcpy(to, name, len);
    to[len] = '\0';
}

/* Add what the page function, or wait, of pc is, where it is not there yet. */
static void add_function(lpp_postmortem_t *postmortem, lpp_pc_t pc,
                         lpp_pagecode_t *pages)
{
    unsigned count = atomic_load(&postmortem->functions);
    apr_uint32_t number = LPP_PAGE_NUMBER(pc);
    lpp_postmortem_function_t *added;
    const lpp_page_function_t *page;

    if (pages == NULL || number == LPP_PAGE_MORE
        || count >= LPP_POSTMORTEM_FUNCTIONS
        || has_function(postmortem, count, number)) {
        return;
    }
    page = lpp_pagecode_get(pages, number);
    added = &postmortem->function[count];
    added->language = page->language;
    added->internal = page->internal != 0;
    added->line = page->line;
    set_name(added->name, page->name);
    set_name(added->file, page->file);
    postmortem->function_number[count] = number;
    atomic_store(&postmortem->functions, count + 1);
}

/* Whether node or one of its callers is a page function. */
static int has_page_function(const lpp_profile_t *profile, apr_uint32_t node)
{
    while (node != 0 && !LPP_PC_IS_PAGE(profile->nodes[node].pc)) {
        node = profile->nodes[node].parent; /* always a smaller number */
    }
    return node != 0;
}

void lpp_postmortem_add(lpp_postmortem_t *postmortem,
                        const lpp_profile_t *profile, apr_uint32_t node,
                        const lpp_weight_t *weight, const lpp_maps_t *maps,
                        lpp_pagecode_t *pages)
{
    lpp_postmortem_node_t *added;
    apr_uint32_t count;

    if (postmortem == NULL) {
        return;
    }
    count = atomic_load(&postmortem->nodes);
    if (count == 0 || count > LPP_POSTMORTEM_NODES || count > profile->count) {
        return; /* another process has written here: the data is not usable */
    }
    while (count < profile->count && count < LPP_POSTMORTEM_NODES) {
        added = &postmortem->node[count];
        memset(added, 0, sizeof(*added));
        added->pc = profile->nodes[count].pc;
        added->parent = profile->nodes[count].parent;
        if (LPP_PC_IS_PAGE(added->pc) || LPP_PC_IS_WAIT(added->pc)) {
            add_function(postmortem, added->pc, pages);
        }
        else {
            add_object(postmortem, added->pc, maps);
        }
        atomic_store(&postmortem->nodes, ++count);
    }
    node = node < profile->count ? node : 0;
    while (node >= count) {
        node = profile->nodes[node].parent; /* always a smaller number */
    }
    postmortem->node[node].wall_ns += weight->wall_ns;
    postmortem->node[node].cpu_ns += weight->cpu_ns;
    postmortem->node[node].ready_ns += weight->ready_ns;
    postmortem->node[node].samples += (apr_uint32_t)weight->samples;
    if (weight->samples != 0 && has_page_function(profile, node)) {
        atomic_store(&postmortem->last, node);
    }
}

void lpp_postmortem_set_total(lpp_postmortem_t *postmortem,
                              const lpp_profile_t *profile,
                              const lpp_weight_t *total)
{
    if (postmortem == NULL) {
        return;
    }
    postmortem->wall_ns = total->wall_ns;
    postmortem->cpu_ns = total->cpu_ns;
    postmortem->ready_ns = total->ready_ns;
    postmortem->statistics = profile->statistics;
    postmortem->statistics.unwinder = NULL; /* an address of this process */
    if (postmortem->unwinder[0] == '\0'
        && profile->statistics.unwinder != NULL) {
        strncpy(postmortem->unwinder, profile->statistics.unwinder,
                sizeof(postmortem->unwinder) - 1);
    }
}

/* numbers[n]: the number in maps of object n of the dead process; 0: none.
 * APR_EINVAL: the data is not what the writer writes. */
static apr_status_t find_objects(const lpp_postmortem_t *postmortem,
                                 lpp_maps_t *maps, unsigned *numbers)
{
    unsigned i, count = atomic_load(&((lpp_postmortem_t *)postmortem)->objects);

    memset(numbers, 0, (LPP_OBJECTS_MAX + 1) * sizeof(*numbers));
    for (i = 0; i < count; i++) {
        const lpp_postmortem_object_t *object = &postmortem->object[i];

        if (object->number > LPP_OBJECTS_MAX || object->path[0] == '\0'
            || object->build_id_len > sizeof(object->build_id)
            || memchr(object->path, '\0', sizeof(object->path)) == NULL) {
            return APR_EINVAL;
        }
        numbers[object->number] = lpp_maps_adopt(
            maps, object->path, object->bias, object->build_id,
            object->build_id_len);
    }
    return APR_SUCCESS;
}

/* numbers[n]: the number in pages of function n of the dead process. APR_EINVAL
 * as above. The table makes the strings safe to show. */
static apr_status_t find_functions(const lpp_postmortem_t *postmortem,
                                   lpp_pagecode_t *pages,
                                   apr_uint32_t *numbers)
{
    unsigned i, count
        = atomic_load(&((lpp_postmortem_t *)postmortem)->functions);

    for (i = 0; i <= LPP_PAGES_MAX; i++) {
        numbers[i] = LPP_PAGE_MORE;
    }
    for (i = 0; i < count && pages != NULL; i++) {
        const lpp_postmortem_function_t *from = &postmortem->function[i];
        lpp_page_function_t page = { (lpp_language_e)from->language,
            from->internal != 0, from->name, from->file, from->line };

        if (postmortem->function_number[i] > LPP_PAGES_MAX
            || from->language >= LPP_LANGUAGES || from->line > LPP_PAGE_LINE_MAX
            || memchr(from->name, '\0', sizeof(from->name)) == NULL
            || memchr(from->file, '\0', sizeof(from->file)) == NULL) {
            return APR_EINVAL;
        }
        numbers[postmortem->function_number[i]]
            = lpp_pagecode_number(pages, &page);
    }
    return APR_SUCCESS;
}

/* What the numbers of the dead process are here. */
typedef struct numbers_t {
    unsigned *objects;       /* LPP_OBJECTS_MAX + 1 */
    apr_uint32_t *functions; /* LPP_PAGES_MAX + 1 */
} numbers_t;

/* The pc of the dead process as one of this process. */
static lpp_pc_t translate(lpp_pc_t pc, const numbers_t *numbers)
{
    unsigned object = LPP_PC_OBJECT(pc);

    if (LPP_PC_IS_PAGE(pc) || LPP_PC_IS_WAIT(pc)) {
        apr_uint32_t number = LPP_PAGE_NUMBER(pc) <= LPP_PAGES_MAX
            ? numbers->functions[LPP_PAGE_NUMBER(pc)] : LPP_PAGE_MORE;

        return LPP_PC_IS_WAIT(pc) ? LPP_WAIT_PC(number)
                                  : LPP_PAGE_PC(number, LPP_PAGE_LINE(pc));
    }
    object = object <= LPP_OBJECTS_MAX ? numbers->objects[object] : 0;
    return LPP_PC_MAKE(object, LPP_PC_ADDRESS(pc));
}

/* Convert count nodes to those of a profile; total gets their sum. APR_EINVAL:
 * the data is not what the writer writes. */
static apr_status_t read_nodes(const lpp_postmortem_t *postmortem,
                               unsigned count, const numbers_t *numbers,
                               lpp_node_t *nodes, lpp_weight_t *total)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        const lpp_postmortem_node_t *node = &postmortem->node[i];

        if ((i > 0 && node->parent >= i) || node->wall_ns > TIME_MAX_NS
            || node->cpu_ns > TIME_MAX_NS || node->ready_ns > TIME_MAX_NS) {
            return APR_EINVAL;
        }
        memset(&nodes[i], 0, sizeof(nodes[i]));
        nodes[i].pc = translate(node->pc, numbers);
        nodes[i].parent = i > 0 ? node->parent : LPP_NODE_NONE;
        nodes[i].self.wall_ns = node->wall_ns;
        nodes[i].self.cpu_ns = node->cpu_ns;
        nodes[i].self.ready_ns = node->ready_ns;
        nodes[i].self.samples = node->samples;
        total->wall_ns += node->wall_ns;
        total->cpu_ns += node->cpu_ns;
        total->ready_ns += node->ready_ns;
        total->samples += node->samples;
    }
    return APR_SUCCESS;
}

/* A copy in pool, which no other process can change; NULL: no memory. */
static const lpp_postmortem_t *copy_data(const lpp_postmortem_t *postmortem,
                                         apr_pool_t *pool)
{
    lpp_postmortem_t *copy = apr_palloc(pool, sizeof(*copy));

    if (copy != NULL) {
        memcpy(copy, postmortem, sizeof(*copy));
        copy->unwinder[sizeof(copy->unwinder) - 1] = '\0';
    }
    return copy;
}

static int make_numbers(numbers_t *numbers, apr_pool_t *pool)
{
    numbers->objects = apr_palloc(pool, (LPP_OBJECTS_MAX + 1)
                                  * sizeof(*numbers->objects));
    numbers->functions = apr_palloc(pool, (LPP_PAGES_MAX + 1)
                                    * sizeof(*numbers->functions));
    return numbers->objects != NULL && numbers->functions != NULL;
}

/* Whether the times and counts of a copy may be those of a profile. */
static int is_plausible(lpp_postmortem_t *copy)
{
    return copy->wall_ns <= TIME_MAX_NS && copy->cpu_ns <= TIME_MAX_NS
        && copy->ready_ns <= TIME_MAX_NS
        && copy->statistics.ready >= LPP_READY_UNKNOWN
        && copy->statistics.ready <= LPP_READY_EXACT
        && atomic_load(&copy->objects) <= LPP_POSTMORTEM_OBJECTS
        && atomic_load(&copy->functions) <= LPP_POSTMORTEM_FUNCTIONS;
}

apr_status_t lpp_postmortem_read(const lpp_postmortem_t *postmortem,
                                 const char *id, lpp_maps_t *maps,
                                 lpp_pagecode_t *pages,
                                 lpp_profile_t **profile, apr_pool_t *pool)
{
    unsigned count = atomic_load(&((lpp_postmortem_t *)postmortem)->nodes);
    numbers_t numbers;
    lpp_profile_t data;
    apr_status_t status;

    *profile = NULL;
    if (count == 0 || memcmp(postmortem->id, id, sizeof(postmortem->id)) != 0) {
        return APR_ENOENT;
    }
    memset(&data, 0, sizeof(data));
    postmortem = copy_data(postmortem, pool);
    data.nodes = apr_palloc(pool, LPP_POSTMORTEM_NODES * sizeof(*data.nodes));
    if (postmortem == NULL || data.nodes == NULL
        || !make_numbers(&numbers, pool)) {
        return APR_ENOMEM;
    }
    if (count > LPP_POSTMORTEM_NODES
        || !is_plausible((lpp_postmortem_t *)postmortem)) {
        return APR_EINVAL;
    }
    data.count = count;
    status = find_objects(postmortem, maps, numbers.objects);
    if (status == APR_SUCCESS) {
        status = find_functions(postmortem, pages, numbers.functions);
    }
    if (status == APR_SUCCESS) {
        status =
            read_nodes(postmortem, count, &numbers, data.nodes, &data.total);
    }
    if (status == APR_SUCCESS) {
        status = lpp_profile_create(profile, LPP_POSTMORTEM_NODES, pool);
    }
    if (status != APR_SUCCESS) {
        return status;
    }
    /* The process may have died between two updates: take the larger value. */
    if (data.total.wall_ns < postmortem->wall_ns) {
        data.total.wall_ns = postmortem->wall_ns;
    }
    if (data.total.cpu_ns < postmortem->cpu_ns) {
        data.total.cpu_ns = postmortem->cpu_ns;
    }
    if (data.total.ready_ns < postmortem->ready_ns) {
        data.total.ready_ns = postmortem->ready_ns;
    }
    data.statistics = postmortem->statistics;
    data.statistics.samples = data.total.samples;
    data.statistics.unwinder = postmortem->unwinder;
    lpp_profile_merge(*profile, &data);
    return APR_SUCCESS;
}

unsigned lpp_postmortem_last_pages(const lpp_postmortem_t *postmortem,
                                   const lpp_profile_t *profile,
                                   lpp_pc_t *frames, unsigned max)
{
    apr_uint32_t node = atomic_load(&((lpp_postmortem_t *)postmortem)->last);
    unsigned count = 0;

    /* Callers have smaller numbers. */
    for (; node > 0 && node < profile->count && count < max;
         node = profile->nodes[node].parent) {
        if (LPP_PC_IS_PAGE(profile->nodes[node].pc)) {
            frames[count++] = profile->nodes[node].pc;
        }
    }
    return count;
}
