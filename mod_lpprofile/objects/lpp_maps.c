/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_maps: the table of loaded objects.
 *
 * Owns the numbers of objects, and copies of their data that unwinding needs.
 * Reads an object's memory only inside the dl_iterate_phdr callback, where the
 * loader's lock keeps it mapped. Objects are never removed from the table.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "objects/lpp_maps.h"
#include "objects/lpp_maps_entry_internal.h"

/* One executable segment of a loaded object. */
typedef struct range_t {
    lpp_range_t range;
    const lpp_object_t *object;
} range_t;

struct lpp_maps_t {
    lpp_entry_t **entries; /* LPP_OBJECTS_MAX, filled from the front */
    unsigned count;        /* published with release order */
    range_t *ranges;       /* of loaded objects, sorted by start */
    unsigned range_count;
    unsigned long long adds, subs; /* the loader's counters at last refresh */
    int gathered;                  /* adds and subs are set */
    pid_t owner;                   /* process that made the table */
};

/* One walk over the loader's list. */
typedef struct gather_t {
    lpp_maps_t *maps;
    const char *main_path;
    apr_uint64_t vdso;
    lpp_entry_t **seen; /* what is loaded, in the loader's order: a newly
                             loaded object is appended */
    unsigned seen_count;
    unsigned fresh_count; /* of these, how many were not in the table */
    unsigned old_count;   /* objects in the table before this walk */
    unsigned long long adds, subs;
    apr_status_t status;
} gather_t;

/* Assign the next number to entry. 0: no number is left; entry was freed. */
static int publish_entry(lpp_maps_t *maps, lpp_entry_t *entry)
{
    unsigned count = maps->count;

    if (count == LPP_OBJECTS_MAX) {
        free(entry);
        return 0;
    }
    entry->object.number = count + 1;
    maps->entries[count] = entry;
    __atomic_store_n(&maps->count, count + 1, __ATOMIC_RELEASE);
    return 1;
}

/* The entry of an object that may have been reloaded from the same file: the
 * old one where the build id is the same, else a new one, which shares the
 * copies and the unwind table with the old entry. */
static lpp_entry_t *renew_entry(lpp_maps_t *maps, lpp_entry_t *old)
{
    lpp_entry_t *entry;

    if (old->object.build_id_len > 0 || maps->count >= LPP_OBJECTS_MAX / 2) {
        __atomic_store_n(&old->object.gone, 0, __ATOMIC_RELAXED);
        return old;
    }
    entry = malloc(sizeof(*entry));
    if (entry == NULL) {
        return NULL;
    }
    *entry = *old;
    entry->owns_unwind = 0;
    entry->object.gone = 0;
    if (!publish_entry(maps, entry)) {
        return NULL;
    }
    __atomic_store_n(&old->object.gone, 1, __ATOMIC_RELAXED);
    return entry;
}

/* The newest entry with this layout, loaded or gone. */
static lpp_entry_t *find_entry(const lpp_maps_t *maps,
                               const lpp_layout_t *layout)
{
    unsigned i;

    for (i = maps->count; i > 0; i--) {
        if (lpp_entry_same(maps->entries[i - 1], layout)) {
            return maps->entries[i - 1];
        }
    }
    return NULL;
}

static lpp_entry_t *add_entry(gather_t *gather, const lpp_layout_t *layout,
                              lpp_entry_t *known)
{
    lpp_entry_t *entry;

    if (known != NULL) {
        entry = renew_entry(gather->maps, known);
        gather->status = entry ? gather->status : APR_ENOMEM;
        return entry;
    }
    entry = lpp_entry_make(layout);
    if (entry == NULL) {
        gather->status = APR_ENOMEM;
        return NULL;
    }
    if (!publish_entry(gather->maps, entry)) {
        gather->status = APR_ENOSPC;
        return NULL;
    }
    return entry;
}

static int gather_object(struct dl_phdr_info *info, size_t size, void *baton)
{
    gather_t *gather = baton;
    lpp_layout_t layout;
    lpp_entry_t *entry;

    lpp_layout_read(&layout, info);
    layout.path = info->dlpi_name ? info->dlpi_name : "";
    if (gather->vdso != 0 && layout.range_count > 0
        && gather->vdso >= layout.bias
        && gather->vdso < layout.ranges[layout.range_count - 1].end
        && gather->vdso + 65536 > layout.ranges[0].start) {
        layout.path = "[vdso]";
    }
    else if (layout.path[0] == '\0') {
        layout.path = gather->main_path;
    }
    gather->adds = info->dlpi_adds;
    gather->subs = info->dlpi_subs;
    if (layout.range_count == 0) {
        return 0;
    }
    entry = find_entry(gather->maps, &layout);
    if (entry == NULL || entry->object.gone) {
        entry = add_entry(gather, &layout, entry);
        gather->fresh_count++;
        if (entry != NULL) {
            entry->object.fresh = gather->maps->gathered
                                  && info->dlpi_subs != gather->maps->subs;
        }
    }
    if (entry != NULL && gather->seen_count < LPP_OBJECTS_MAX) {
        gather->seen[gather->seen_count++] = entry;
    }
    return 0;
}

/*
 * Objects were loaded and unloaded between two refreshes: an object that looks
 * the same as before may be a reload. The loader appends to its list, so a
 * reload is among the last `adds` places.
 */
static void renew_suspects(gather_t *gather, unsigned long long adds)
{
    unsigned i = 0;

    if (adds <= gather->fresh_count) {
        return;
    }
    if (gather->seen_count > adds) {
        i = gather->seen_count - (unsigned)adds;
    }
    for (; i < gather->seen_count; i++) {
        lpp_entry_t *entry = gather->seen[i];

        if (entry->object.number <= gather->old_count) {
            entry = renew_entry(gather->maps, entry);
            if (entry == NULL) {
                gather->status = APR_ENOMEM;
                return;
            }
            gather->seen[i] = entry;
        }
    }
}

unsigned lpp_maps_adopt(lpp_maps_t *maps, const char *path, apr_uint64_t bias,
                        const unsigned char *build_id,
                        apr_size_t build_id_len)
{
    lpp_layout_t layout;
    lpp_entry_t *entry;
    unsigned i;

    for (i = maps->count; i > 0; i--) {
        const lpp_object_t *object = &maps->entries[i - 1]->object;

        if (strcmp(object->path, path) == 0
            && object->build_id_len == build_id_len
            && (build_id_len > 0
                ? memcmp(object->build_id, build_id, build_id_len) == 0
                : object->bias == bias)) {
            return i;
        }
    }
    memset(&layout, 0, sizeof(layout));
    layout.path = path;
    layout.bias = bias;
    layout.id = (apr_uintptr_t)build_id;
    layout.id_len = build_id_len;
    entry = lpp_entry_make(&layout);
    if (entry == NULL) {
        return 0;
    }
    entry->object.gone = 1;
    return publish_entry(maps, entry) ? entry->object.number : 0;
}

static int compare_ranges(const void *left, const void *right)
{
    const range_t *a = left, *b = right;

    return a->range.start < b->range.start ? -1
                                           : a->range.start > b->range.start;
}

/* Sort what is loaded now for look-ups. */
static apr_status_t index_ranges(lpp_maps_t *maps, const gather_t *gather)
{
    unsigned count = 0, i, j;
    range_t *ranges;

    for (i = 0; i < gather->seen_count; i++) {
        count += gather->seen[i]->range_count;
    }
    ranges = malloc((count + 1) * sizeof(*ranges));
    if (ranges == NULL) {
        return APR_ENOMEM;
    }
    count = 0;
    for (i = 0; i < gather->seen_count; i++) {
        for (j = 0; j < gather->seen[i]->range_count; j++) {
            ranges[count].range = gather->seen[i]->ranges[j];
            ranges[count++].object = &gather->seen[i]->object;
        }
    }
    qsort(ranges, count, sizeof(*ranges), compare_ranges);
    free(maps->ranges);
    maps->ranges = ranges;
    maps->range_count = count;
    return APR_SUCCESS;
}

static void mark_gone(lpp_maps_t *maps, const gather_t *gather)
{
    unsigned i;

    for (i = 0; i < maps->count; i++) {
        maps->entries[i]->loaded = 0;
    }
    for (i = 0; i < gather->seen_count; i++) {
        gather->seen[i]->loaded = 1;
    }
    for (i = 0; i < maps->count; i++) {
        lpp_entry_t *entry = maps->entries[i];

        if (entry->object.gone == entry->loaded) {
            __atomic_store_n(&entry->object.gone, !entry->loaded,
                             __ATOMIC_RELAXED);
        }
    }
}

static int read_counters(struct dl_phdr_info *info, size_t size, void *baton)
{
    gather_t *gather = baton;

    gather->adds = info->dlpi_adds;
    gather->subs = info->dlpi_subs;
    return 1; /* one object is enough */
}

/* Update the table from the loader's list. */
static apr_status_t gather_all(lpp_maps_t *maps)
{
    char path[PATH_MAX];
    gather_t gather;
    apr_status_t status;
    unsigned i;

    memset(&gather, 0, sizeof(gather));
    gather.seen = calloc(LPP_OBJECTS_MAX, sizeof(*gather.seen));
    if (gather.seen == NULL) {
        return APR_ENOMEM;
    }
    lpp_entry_main_path(path, sizeof(path));
    gather.maps = maps;
    gather.main_path = path;
    gather.vdso = getauxval(AT_SYSINFO_EHDR);
    gather.old_count = maps->count;
    for (i = 0; i < maps->count; i++) {
        maps->entries[i]->object.fresh = 0;
    }
    dl_iterate_phdr(gather_object, &gather);
    if (maps->gathered && gather.subs != maps->subs) {
        renew_suspects(&gather, gather.adds - maps->adds);
    }
    status = index_ranges(maps, &gather);
    if (status == APR_SUCCESS) {
        mark_gone(maps, &gather);
        status = gather.status;
    }
    if (status != APR_ENOMEM) {
        /* Not set if memory was short, so that the next refresh tries again. */
        maps->adds = gather.adds;
        maps->subs = gather.subs;
        maps->gathered = 1;
    }
    free(gather.seen);
    return status;
}

static apr_status_t free_maps(void *baton)
{
    lpp_maps_t *maps = baton;
    unsigned i;

    if (!lpp_maps_made_here(maps)) {
        return APR_SUCCESS;
    }
    for (i = 0; i < maps->count; i++) {
        if (maps->entries[i]->owns_unwind) {
            free((void *)maps->entries[i]->object.unwind);
        }
    }
    for (i = 0; i < maps->count; i++) {
        free(maps->entries[i]);
    }
    free(maps->ranges);
    free(maps->entries);
    return APR_SUCCESS;
}

apr_status_t lpp_maps_create(lpp_maps_t **maps, apr_pool_t *pool)
{
    lpp_maps_t *made = apr_pcalloc(pool, sizeof(*made));
    apr_status_t status;

    *maps = NULL;
    if (made == NULL) {
        return APR_ENOMEM;
    }
    made->entries = calloc(LPP_OBJECTS_MAX, sizeof(*made->entries));
    if (made->entries == NULL) {
        return APR_ENOMEM;
    }
    made->owner = getpid();
    apr_pool_cleanup_register(pool, made, free_maps, apr_pool_cleanup_null);
    status = gather_all(made);
    if (status == APR_SUCCESS || status == APR_ENOSPC) {
        *maps = made;
        return APR_SUCCESS;
    }
    apr_pool_cleanup_run(pool, made, free_maps);
    return status;
}

apr_status_t lpp_maps_refresh(lpp_maps_t *maps, int *changed)
{
    gather_t gather;

    *changed = 0;
    memset(&gather, 0, sizeof(gather));
    dl_iterate_phdr(read_counters, &gather);
    if (maps->gathered && gather.adds == maps->adds
        && gather.subs == maps->subs) {
        return APR_SUCCESS;
    }
    *changed = 1;
    return gather_all(maps);
}

const lpp_object_t *lpp_maps_find(const lpp_maps_t *maps, apr_uint64_t address)
{
    unsigned low = 0, high = maps->range_count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (maps->ranges[middle].range.start <= address) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    if (low == 0 || address >= maps->ranges[low - 1].range.end) {
        return NULL;
    }
    return maps->ranges[low - 1].object;
}

unsigned lpp_maps_count(const lpp_maps_t *maps)
{
    return __atomic_load_n(&maps->count, __ATOMIC_ACQUIRE);
}

const lpp_object_t *lpp_maps_object(const lpp_maps_t *maps, unsigned number)
{
    if (number == 0 || number > lpp_maps_count(maps)) {
        return NULL;
    }
    return &maps->entries[number - 1]->object;
}

lpp_pc_t lpp_maps_pc(const lpp_maps_t *maps, apr_uint64_t address)
{
    const lpp_object_t *object = lpp_maps_find(maps, address);

    if (object == NULL) {
        return LPP_PC_MAKE(0, address);
    }
    return LPP_PC_MAKE(object->number, address - object->bias);
}

int lpp_maps_made_here(const lpp_maps_t *maps)
{
    return getpid() == maps->owner;
}

void lpp_maps_attach_unwind(lpp_maps_t *maps, unsigned number, void *block)
{
    lpp_entry_t *entry = maps->entries[number - 1];

    entry->object.unwind = block;
    entry->owns_unwind = 1;
}
