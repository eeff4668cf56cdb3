/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_maps_entry: reads the headers of one loaded object and copies the data
 * that is needed.
 *
 * Owns nothing. Trusts no length: the data that the headers describe must be in
 * a readable, file-backed segment of the object.
 */
#include "objects/lpp_maps_entry_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define ALIGN_ROOM                                                            \
    16 /* a copy has the same address modulo 8 as the original, and a reader of
          whole words may read seven bytes past the end */
#define EH_FRAME_MAX_BYTES (64u * 1024 * 1024)

static const void *at(apr_uint64_t address)
{
    return (const void *)(uintptr_t)address;
}

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

static void add_range(lpp_layout_t *layout, apr_uint64_t start,
                      apr_uint64_t end)
{
    lpp_range_t *range;

    if (layout->range_count == LPP_LAYOUT_RANGES) {
        /* More segments than any linker makes: the last one is widened. */
        range = &layout->ranges[LPP_LAYOUT_RANGES - 1];
        if (end > range->end) {
            range->end = end;
        }
        return;
    }
    range = &layout->ranges[layout->range_count++];
    range->start = start;
    range->end = end;
}

static void find_build_id(const struct dl_phdr_info *info,
                          lpp_layout_t *layout, const ElfW(Phdr) *segment)
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

/* The length of .eh_frame up to its terminator, or to the end of its
 * segment. */
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

/* Linkers write the pointer as 4 bytes, relative to itself or to the header. An
 * object with another encoding counts as one without unwind tables. */
static void find_eh_frame(const struct dl_phdr_info *info,
                          lpp_layout_t *layout, const ElfW(Phdr) *segment)
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
    if (hdr[0] == 1 && hdr[1] == 0x1b) { /* pcrel, sdata4 */
        layout->frame = layout->hdr + 4 + (apr_int64_t)relative;
    }
    else if (hdr[0] == 1 && hdr[1] == 0x3b) { /* datarel, sdata4 */
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

void lpp_layout_read(lpp_layout_t *layout, const struct dl_phdr_info *info)
{
    int i;

    memset(layout, 0, sizeof(*layout));
    layout->bias = info->dlpi_addr;
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

/* Copy len bytes at address of this process to *room, and advance *room. */
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

lpp_entry_t *lpp_entry_make(const lpp_layout_t *layout)
{
    apr_size_t path_len = strlen(layout->path) + 1;
    apr_size_t size = sizeof(lpp_entry_t) + path_len + layout->id_len
                      + layout->hdr_len + layout->frame_len + 4 * ALIGN_ROOM;
    lpp_entry_t *entry = calloc(1, size);
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

static int same_bytes(const unsigned char *copy, apr_size_t copy_len,
                      apr_uint64_t address, apr_uint64_t len)
{
    return copy_len == len
           && (len == 0 || memcmp(copy, at(address), len) == 0);
}

/* The table of .eh_frame_hdr has the start of every function, so it differs if
 * the code differs. */
int lpp_entry_same(const lpp_entry_t *entry, const lpp_layout_t *layout)
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
           && object->eh_frame_len == layout->frame_len
           && (object->build_id_len > 0
               || same_bytes(object->eh_frame, object->eh_frame_len,
                             layout->frame, layout->frame_len));
}

void lpp_entry_main_path(char *path, apr_size_t size)
{
    ssize_t len = readlink("/proc/self/exe", path, size - 1);
    const char *name;

    if (len > 0) {
        path[len] = '\0';
        return;
    }
    /* No /proc, or a process that may not read its own after setuid. */
    name = (const char *)(uintptr_t)getauxval(AT_EXECFN);
    strncpy(path, name ? name : "[main]", size - 1);
    path[size - 1] = '\0';
}
