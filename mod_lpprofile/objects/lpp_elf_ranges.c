/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_elf_ranges: where functions begin and end, read from .eh_frame, which
 * stripped files still have.
 *
 * The binary search table of .eh_frame_hdr has the starts; the FDE of each
 * entry has the length. Reads the file and not memory, since the object may be
 * unloaded.
 */
#include "objects/lpp_elf_image.h"

#include <stdlib.h>
#include <string.h>

#define HDR_BYTES 12u            /* version, encodings, pointer, count */
#define ENC_TABLE 0x3b           /* datarel, signed 4 bytes: what ld writes */
#define ENC_PTR 0x1b             /* pcrel, signed 4 bytes */
#define ENC_COUNT 0x03           /* unsigned 4 bytes */
#define ENC_FORM 0x0f

/* A copy of .eh_frame, with its address in the file. */
typedef struct frames_t {
    unsigned char *data;
    apr_uint64_t address, len;
    apr_uint64_t cie;            /* offset of the CIE that was read last */
    unsigned encoding;           /* of pc in the FDEs of that CIE */
} frames_t;

static apr_uint32_t word_at(const unsigned char *data)
{
    apr_uint32_t word;

    memcpy(&word, data, sizeof(word));
    return word;
}

/* The size of an encoded pointer in bytes; 0: an encoding that is not read
 * here. */
static unsigned width_of(unsigned encoding)
{
    switch (encoding & ENC_FORM) {
    case 0x00:
        return sizeof(void *);
    case 0x02:
    case 0x0a:
        return 2;
    case 0x03:
    case 0x0b:
        return 4;
    case 0x04:
    case 0x0c:
        return 8;
    default:
        return 0;
    }
}

static int skip_leb(const frames_t *frames, apr_uint64_t *at)
{
    while (*at < frames->len) {
        if ((frames->data[(*at)++] & 0x80) == 0) {
            return 1;
        }
    }
    return 0;
}

/* The pointer encoding that a CIE sets for its FDEs; 0xff: it cannot be
 * read. */
static unsigned read_cie(const frames_t *frames, apr_uint64_t at)
{
    const char *augmentation;
    apr_uint64_t end = at + 9;

    if (at > frames->len || frames->len - at < 16
        || word_at(frames->data + at) == 0xffffffffu
        || word_at(frames->data + at + 4) != 0) {
        return 0xff;
    }
    augmentation = (const char *)frames->data + end;
    while (end < frames->len && frames->data[end] != 0) {
        end++;
    }
    if (augmentation[0] != 'z') {
        return augmentation[0] == '\0' ? 0x00 : 0xff;
    }
    end++;
    /* code and data alignment, return register, length of the augmentation */
    if (!skip_leb(frames, &end) || !skip_leb(frames, &end)
        || !skip_leb(frames, &end) || !skip_leb(frames, &end)) {
        return 0xff;
    }
    for (augmentation++; *augmentation != '\0'; augmentation++) {
        if (end >= frames->len) {
            return 0xff;
        }
        if (*augmentation == 'R') {
            return frames->data[end];
        }
        else if (*augmentation == 'L') {
            end++;
        }
        else if (*augmentation == 'P') {
            unsigned width = width_of(frames->data[end]);

            if (width == 0) {
                return 0xff;
            }
            end += 1 + width;
        }
        else if (*augmentation != 'S' && *augmentation != 'B') {
            return 0xff;
        }
    }
    return 0x00;
}

/* The length of the function whose FDE is at address; 0: unknown. */
static apr_uint64_t length_of(frames_t *frames, apr_uint64_t address)
{
    apr_uint64_t at = address - frames->address, len = 0;
    apr_uint32_t back;
    unsigned width;

    if (address < frames->address || at > frames->len
        || frames->len - at < 8
        || word_at(frames->data + at) == 0xffffffffu) {
        return 0;
    }
    back = word_at(frames->data + at + 4);
    if (back > at + 4) {
        return 0;
    }
    if (frames->cie != at + 4 - back) {
        frames->cie = at + 4 - back;
        frames->encoding = read_cie(frames, frames->cie);
    }
    width = width_of(frames->encoding);
    if (width == 0 || frames->len - at < 8 + 2 * width) {
        return 0;
    }
    memcpy(&len, frames->data + at + 8 + width, width);
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    len >>= 8 * (sizeof(len) - width);
#endif
    return len;
}

/* Copy .eh_frame, from the address in the header to the end of the section, or
 * else of the segment. 0: it cannot be read. */
static int copy_frames(const lpp_elf_image_t *image, apr_uint64_t address,
                       frames_t *frames)
{
    const ElfW(Shdr) *section = lpp_elf_image_section(image, SHT_PROGBITS,
                                                      ".eh_frame");
    unsigned i;

    memset(frames, 0, sizeof(*frames));
    frames->address = address;
    frames->cie = ~APR_UINT64_C(0);
    if (section == NULL) { /* x86-64 has its own type for it */
        section = lpp_elf_image_section(image, 0x70000001, ".eh_frame");
    }
    for (i = 0; i < image->segment_count; i++) {
        const ElfW(Phdr) *segment = &image->segments[i];
        apr_uint64_t skip = address - segment->p_vaddr;

        if (segment->p_type != PT_LOAD || address < segment->p_vaddr
            || skip >= segment->p_filesz) {
            continue;
        }
        frames->len = segment->p_filesz - skip;
        if (section != NULL && section->sh_addr == address
            && section->sh_size < frames->len) {
            frames->len = section->sh_size;
        }
        frames->data = lpp_elf_image_copy(image, segment->p_offset + skip,
                                          frames->len);
        return frames->data != NULL;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const lpp_elf_range_t *left = a, *right = b;

    return left->start < right->start ? -1 : left->start > right->start;
}

/* Convert the table's entries to ranges that do not overlap. Returns their
 * number. */
static unsigned fill(const unsigned char *hdr, apr_uint64_t hdr_address,
                     unsigned entries, frames_t *frames,
                     lpp_elf_range_t *ranges)
{
    unsigned count = 0, i, kept = 0;
    int sorted = 1;

    for (i = 0; i < entries; i++) {
        const unsigned char *entry = hdr + HDR_BYTES + 8 * (apr_size_t)i;
        apr_uint64_t start = hdr_address
            + (apr_uint64_t)(apr_int64_t)(apr_int32_t)word_at(entry);
        apr_uint64_t len = length_of(frames, hdr_address
            + (apr_uint64_t)(apr_int64_t)(apr_int32_t)word_at(entry + 4));

        if (len != 0 && len <= 0xffffffffu && start <= 0xffffffffu - len) {
            ranges[count].start = (apr_uint32_t)start;
            ranges[count].end = (apr_uint32_t)(start + len);
            sorted = sorted && (count == 0
                                || ranges[count - 1].start < start);
            count++;
        }
    }
    if (!sorted) { /* linkers sort the table */
        qsort(ranges, count, sizeof(*ranges), compare);
    }
    for (i = 0; i < count; i++) {
        if (kept > 0 && ranges[i].start < ranges[kept - 1].end) {
            if (ranges[i].start == ranges[kept - 1].start) {
                continue;
            }
            ranges[kept - 1].end = ranges[i].start;
        }
        ranges[kept++] = ranges[i];
    }
    return kept;
}

lpp_elf_range_t *lpp_elf_ranges_read(const lpp_elf_image_t *image,
                                     unsigned *count, apr_pool_t *pool)
{
    const ElfW(Phdr) *segment = NULL;
    lpp_elf_range_t *ranges = NULL;
    unsigned char *hdr = NULL;
    frames_t frames;
    unsigned i, entries;

    *count = 0;
    for (i = 0; i < image->segment_count; i++) {
        if (image->segments[i].p_type == PT_GNU_EH_FRAME) {
            segment = &image->segments[i];
        }
    }
    if (segment == NULL || segment->p_filesz < HDR_BYTES) {
        return NULL;
    }
    hdr = lpp_elf_image_copy(image, segment->p_offset, segment->p_filesz);
    if (hdr == NULL || hdr[0] != 1 || hdr[1] != ENC_PTR
        || hdr[2] != ENC_COUNT || hdr[3] != ENC_TABLE) {
        goto leave;
    }
    entries = word_at(hdr + 8);
    if (entries == 0 || entries > (segment->p_filesz - HDR_BYTES) / 8
        || !copy_frames(image, segment->p_vaddr + 4
            + (apr_uint64_t)(apr_int64_t)(apr_int32_t)word_at(hdr + 4),
            &frames)) {
        goto leave;
    }
    ranges = apr_palloc(pool, entries * sizeof(*ranges));
    if (ranges != NULL) {
        *count = fill(hdr, segment->p_vaddr, entries, &frames, ranges);
    }
    free(frames.data);

leave:
    free(hdr);
    return ranges;
}

unsigned lpp_elf_ranges_find(const lpp_elf_range_t *ranges, unsigned count,
                             apr_uint64_t address, int *inside)
{
    unsigned low = 0, high = count;

    while (low < high) { /* find the first that ends after address */
        unsigned middle = low + (high - low) / 2;

        if (ranges[middle].end > address) {
            high = middle;
        }
        else {
            low = middle + 1;
        }
    }
    *inside = low < count && ranges[low].start <= address;
    return low;
}
