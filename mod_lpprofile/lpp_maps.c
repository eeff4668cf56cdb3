/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_maps: the table of loaded objects.
 *
 * Owns the numbers given to objects and the copies of what unwinding needs of
 * them. Reads an object's memory only inside the dl_iterate_phdr callback,
 * where the loader's lock keeps it mapped. Never forgets an object.
 */
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "lpp_maps.h"

#define RANGES_PER_OBJECT 4
#define EH_FRAME_MAX_BYTES (64u * 1024 * 1024)
#define ALIGN_ROOM 16 /* the copies keep their address modulo 8, and a reader
                         of whole words may overrun the end by seven bytes */

typedef struct range_t {
    apr_uint64_t start, end;
    const lpp_object_t *object;
} range_t;

/* An object with what only this room needs; one malloc block with its copies,
 * which share with another entry has its copies there. */
typedef struct entry_t {
    lpp_object_t object; /* first: the public part */
    range_t ranges[RANGES_PER_OBJECT];
    unsigned range_count;
    int owns_unwind;     /* object.unwind is freed with this entry */
    int loaded;          /* scratch of refresh */
} entry_t;

struct lpp_maps_t {
    entry_t **entries;       /* LPP_OBJECTS_MAX, filled from the front */
    unsigned count;          /* published with release order */
    range_t *ranges;         /* of loaded objects, sorted by start */
    unsigned range_count;
    unsigned long long adds, subs; /* the loader's counters at last refresh */
    int gathered;            /* adds and subs mean something */
    pid_t owner;             /* process that made the table */
};

/* What the headers of one object tell, process addresses. */
typedef struct layout_t {
    const char *path;
    apr_uint64_t bias;
    range_t ranges[RANGES_PER_OBJECT];
    unsigned range_count;
    apr_uint64_t hdr, hdr_len;     /* .eh_frame_hdr */
    apr_uint64_t frame, frame_len; /* .eh_frame */
    apr_uint64_t id, id_len;       /* build id */
} layout_t;

/* One walk over the loader's list. */
typedef struct gather_t {
    lpp_maps_t *maps;
    const char *main_path;
    apr_uint64_t vdso;
    entry_t **seen;      /* what is loaded, in the loader's order: a newly
                            loaded object is appended */
    unsigned seen_count;
    unsigned fresh_count; /* of these, how many were not in the table */
    unsigned old_count;   /* objects in the table before this walk */
    unsigned long long adds, subs;
    apr_status_t status;
} gather_t;

static const void *at(apr_uint64_t address)
{
    return (const void *)(uintptr_t)address;
}

/* ---- reading one object, under the loader's lock ---- */

/* The end of the loaded, file-backed segment that holds address, or 0. */
static apr_uint64_t segment_end(const struct dl_phdr_info *info,
                                apr_uint64_t address)
{
    int i;

    for (i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        apr_uint64_t start = info->dlpi_addr + segment->p_vaddr;

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_R)
            && address >= start && address - start < segment->p_filesz) {
            return start + segment->p_filesz;
        }
    }
    return 0;
}

static void add_range(layout_t *layout, apr_uint64_t start, apr_uint64_t end)
{
    range_t *range;

    if (layout->range_count == RANGES_PER_OBJECT) {
        /* More segments than any linker makes: the last one is widened. */
        range = &layout->ranges[RANGES_PER_OBJECT - 1];
        if (end > range->end) {
            range->end = end;
        }
        return;
    }
    range = &layout->ranges[layout->range_count++];
    range->start = start;
    range->end = end;
}

static void find_build_id(const struct dl_phdr_info *info, layout_t *layout,
                          const ElfW(Phdr) *segment)
{
    apr_uint64_t address = info->dlpi_addr + segment->p_vaddr;
    apr_uint64_t end = address + segment->p_memsz;

    if (segment_end(info, address) < end) {
        return;
    }
    while (end - address >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = at(address);
        apr_uint64_t name_len = ((apr_uint64_t)note->n_namesz + 3) & ~3ull;
        apr_uint64_t desc_len = ((apr_uint64_t)note->n_descsz + 3) & ~3ull;

        address += sizeof(*note);
        if (name_len > end - address || desc_len > end - address - name_len) {
            return;
        }
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4
            && memcmp(at(address), "GNU", 4) == 0) {
            layout->id = address + name_len;
            layout->id_len = note->n_descsz;
            return;
        }
        address += name_len + desc_len;
    }
}

/* Bytes of .eh_frame up to its terminator or the end of its segment. */
static apr_uint64_t eh_frame_length(apr_uint64_t start, apr_uint64_t end)
{
    apr_uint64_t address = start, len;

    if (end - start > EH_FRAME_MAX_BYTES) {
        end = start + EH_FRAME_MAX_BYTES;
    }
    while (end - address >= 4) {
        apr_uint32_t len32;

        memcpy(&len32, at(address), 4);
        len = (apr_uint64_t)len32 + 4;
        if (len32 == 0) {
            break;
        }
        if (len32 == 0xffffffffu) {
            if (end - address < 12) {
                break;
            }
            memcpy(&len, at(address + 4), 8);
            if (len > EH_FRAME_MAX_BYTES) {
                break;
            }
            len += 12;
        }
        if (len > end - address) {
            break;
        }
        address += len;
    }
    return address - start;
}

/* Every linker writes the pointer as 4 bytes relative to itself or to the
 * header; anything else counts as having no unwind tables. */
static void find_eh_frame(const struct dl_phdr_info *info, layout_t *layout,
                          const ElfW(Phdr) *segment)
{
    const unsigned char *hdr;
    apr_uint64_t hdr_end, frame_end;
    apr_int32_t relative;

    layout->hdr = info->dlpi_addr + segment->p_vaddr;
    layout->hdr_len = segment->p_memsz;
    hdr_end = segment_end(info, layout->hdr);
    if (layout->hdr_len < 8 || hdr_end < layout->hdr + layout->hdr_len) {
        layout->hdr = layout->hdr_len = 0;
        return;
    }
    hdr = at(layout->hdr);
    memcpy(&relative, hdr + 4, 4);
    if (hdr[0] == 1 && hdr[1] == 0x1b) {        /* pcrel, sdata4 */
        layout->frame = layout->hdr + 4 + (apr_int64_t)relative;
    }
    else if (hdr[0] == 1 && hdr[1] == 0x3b) {   /* datarel, sdata4 */
        layout->frame = layout->hdr + (apr_int64_t)relative;
    }
    else {
        return;
    }
    frame_end = segment_end(info, layout->frame);
    if (frame_end == 0) {
        layout->frame = 0;
        return;
    }
    layout->frame_len = eh_frame_length(layout->frame, frame_end);
}

static void read_layout(const struct dl_phdr_info *info, layout_t *layout)
{
    int i;

    for (i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        apr_uint64_t start = info->dlpi_addr + segment->p_vaddr;

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X)) {
            add_range(layout, start, start + segment->p_memsz);
        }
        else if (segment->p_type == PT_NOTE && layout->id == 0) {
            find_build_id(info, layout, segment);
        }
        else if (segment->p_type == PT_GNU_EH_FRAME) {
            find_eh_frame(info, layout, segment);
        }
    }
}

/* Copy len bytes of the process at address to *room and move *room on. */
static const unsigned char *copy_bytes(unsigned char **room,
                                       apr_uint64_t address, apr_uint64_t len)
{
    unsigned char *copy = *room;

    if (len == 0) {
        return NULL;
    }
    copy += (address - (uintptr_t)copy) & 7;
    memcpy(copy, at(address), len);
    *room = copy + len;
    return copy;
}

static entry_t *make_entry(const layout_t *layout)
{
    apr_size_t path_len = strlen(layout->path) + 1;
    apr_size_t size = sizeof(entry_t) + path_len + layout->id_len
                      + layout->hdr_len + layout->frame_len + 4 * ALIGN_ROOM;
    entry_t *entry = calloc(1, size);
    lpp_object_t *object;
    unsigned char *room;
    unsigned i;

    if (entry == NULL) {
        return NULL;
    }
    object = &entry->object;
    room = (unsigned char *)(entry + 1);
    object->path = memcpy(room, layout->path, path_len);
    room += path_len;
    object->bias = layout->bias;
    object->build_id = copy_bytes(&room, layout->id, layout->id_len);
    object->build_id_len = layout->id_len;
    object->eh_frame_hdr = copy_bytes(&room, layout->hdr, layout->hdr_len);
    object->eh_frame_hdr_len = layout->hdr_len;
    object->eh_frame_hdr_address = layout->hdr;
    object->eh_frame = copy_bytes(&room, layout->frame, layout->frame_len);
    object->eh_frame_len = layout->frame_len;
    object->eh_frame_address = layout->frame;
    entry->range_count = layout->range_count;
    for (i = 0; i < layout->range_count; i++) {
        entry->ranges[i] = layout->ranges[i];
        if (i == 0 || layout->ranges[i].start < object->start) {
            object->start = layout->ranges[i].start;
        }
        if (layout->ranges[i].end > object->end) {
            object->end = layout->ranges[i].end;
        }
    }
    return entry;
}

/* ---- the table ---- */

static int same_bytes(const unsigned char *copy, apr_size_t copy_len,
                      apr_uint64_t address, apr_uint64_t len)
{
    return copy_len == len && (len == 0 || memcmp(copy, at(address), len) == 0);
}

/* Is what lies there now the file this entry was made from? The header's table
 * holds the start of every function: code that differs differs here, too. */
static int same_content(const entry_t *entry, const layout_t *layout)
{
    const lpp_object_t *object = &entry->object;
    unsigned i;

    if (object->bias != layout->bias
        || entry->range_count != layout->range_count
        || strcmp(object->path, layout->path) != 0) {
        return 0;
    }
    for (i = 0; i < layout->range_count; i++) {
        if (entry->ranges[i].start != layout->ranges[i].start
            || entry->ranges[i].end != layout->ranges[i].end) {
            return 0;
        }
    }
    return same_bytes(object->build_id, object->build_id_len, layout->id,
                      layout->id_len)
           && object->eh_frame_hdr_address == layout->hdr
           && same_bytes(object->eh_frame_hdr, object->eh_frame_hdr_len,
                         layout->hdr, layout->hdr_len)
           && object->eh_frame_address == layout->frame
           && object->eh_frame_len == layout->frame_len;
}

/* Give entry the next number. 0: there is none, entry was freed. */
static int publish_entry(lpp_maps_t *maps, entry_t *entry)
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

/* A new number for what is still, or again, the same file: the copies and
 * the unwind table are shared with the old entry, which outlives it. */
static entry_t *renew_entry(lpp_maps_t *maps, entry_t *old)
{
    entry_t *entry;

    if (maps->count >= LPP_OBJECTS_MAX / 2) {
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

/* The newest entry for this very layout, loaded or gone. */
static entry_t *find_entry(const lpp_maps_t *maps, const layout_t *layout)
{
    unsigned i;

    for (i = maps->count; i > 0; i--) {
        if (same_content(maps->entries[i - 1], layout)) {
            return maps->entries[i - 1];
        }
    }
    return NULL;
}

static entry_t *add_entry(gather_t *gather, const layout_t *layout,
                          entry_t *known)
{
    entry_t *entry;

    if (known != NULL) {
        entry = renew_entry(gather->maps, known);
        gather->status = entry ? gather->status : APR_ENOMEM;
        return entry;
    }
    entry = make_entry(layout);
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
    layout_t layout;
    entry_t *entry;

    memset(&layout, 0, sizeof(layout));
    layout.bias = info->dlpi_addr;
    read_layout(info, &layout);
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
    }
    if (entry != NULL && gather->seen_count < LPP_OBJECTS_MAX) {
        gather->seen[gather->seen_count++] = entry;
    }
    return 0;
}

/*
 * Something was loaded and unloaded that left no trace: an object that is the
 * same as before, but at the end of the loader's list, may be a reload. The
 * last `adds` places are the only ones where one can be.
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
        entry_t *entry = gather->seen[i];

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

static int compare_ranges(const void *left, const void *right)
{
    const range_t *a = left, *b = right;

    return a->start < b->start ? -1 : a->start > b->start;
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
            ranges[count] = gather->seen[i]->ranges[j];
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
        entry_t *entry = maps->entries[i];

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

static void main_path(char *path, apr_size_t size)
{
    ssize_t len = readlink("/proc/self/exe", path, size - 1);
    const char *name;

    if (len > 0) {
        path[len] = '\0';
        return;
    }
    /* No /proc, or a process that may not look at itself after setuid. */
    name = (const char *)(uintptr_t)getauxval(AT_EXECFN);
    strncpy(path, name ? name : "[main]", size - 1);
    path[size - 1] = '\0';
}

/* The loader's list as it is now into the table. */
static apr_status_t gather_all(lpp_maps_t *maps)
{
    char path[PATH_MAX];
    gather_t gather;
    apr_status_t status;

    memset(&gather, 0, sizeof(gather));
    gather.seen = calloc(LPP_OBJECTS_MAX, sizeof(*gather.seen));
    if (gather.seen == NULL) {
        return APR_ENOMEM;
    }
    main_path(path, sizeof(path));
    gather.maps = maps;
    gather.main_path = path;
    gather.vdso = getauxval(AT_SYSINFO_EHDR);
    gather.old_count = maps->count;
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
        /* After want of memory the next refresh tries again. */
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

    if (getpid() != maps->owner) {
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

const lpp_object_t *lpp_maps_find(const lpp_maps_t *maps,
                                  apr_uint64_t address)
{
    unsigned low = 0, high = maps->range_count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (maps->ranges[middle].start <= address) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    if (low == 0 || address >= maps->ranges[low - 1].end) {
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

void lpp_maps_attach_unwind(lpp_maps_t *maps, unsigned number, void *block)
{
    entry_t *entry = maps->entries[number - 1];

    entry->object.unwind = block;
    entry->owns_unwind = 1;
}
