/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_elf_stubs: PLT stubs and the functions that they jump to.
 *
 * A stub has no symbol. On x86-64 it is a jump through a slot (ff 25 and a
 * distance), and the relocation of that slot names the function. This is exact,
 * while counting entries would be a guess. On other machines no stubs are read,
 * and their addresses are named by their offset.
 */
#include "objects/lpp_elf_image.h"

#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__

#define MOST_STUBS 65536u

/* A slot, and the symbol whose address it gets. */
typedef struct slot_t {
    apr_uint64_t address;
    apr_uint32_t symbol;
} slot_t;

static int compare_slots(const void *a, const void *b)
{
    const slot_t *left = a, *right = b;

    return left->address < right->address ? -1
        : left->address > right->address;
}

/* All slots that get the address of a named symbol; sorted, malloc'd. */
static slot_t *read_slots(const lpp_elf_image_t *image, unsigned *count)
{
    slot_t *slots = NULL;
    apr_uint64_t most = 0, i;
    unsigned at;

    *count = 0;
    for (at = 0; at < image->section_count; at++) {
        const ElfW(Shdr) *section = &image->sections[at];
        ElfW(Rela) *relocations;
        slot_t *more;

        if (section->sh_type != SHT_RELA || !(section->sh_flags & SHF_ALLOC)
            || section->sh_size > image->size) {
            continue;
        }
        relocations = lpp_elf_image_copy(image, section->sh_offset,
                                         section->sh_size);
        if (relocations == NULL) {
            continue;
        }
        most += section->sh_size / sizeof(*relocations);
        more = realloc(slots, (most + 1) * sizeof(*slots));
        if (more == NULL) {
            free(relocations);
            break;
        }
        slots = more;
        for (i = 0; i < section->sh_size / sizeof(*relocations); i++) {
            apr_uint32_t type = ELF64_R_TYPE(relocations[i].r_info);

            if (type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT) {
                slots[*count].address = relocations[i].r_offset;
                slots[*count].symbol = ELF64_R_SYM(relocations[i].r_info);
                ++*count;
            }
        }
        free(relocations);
    }
    if (*count > 1) {
        qsort(slots, *count, sizeof(*slots), compare_slots);
    }
    return slots;
}

/* The address of the slot that a stub jumps through; 0: not such a stub. */
static apr_uint64_t slot_of(const unsigned char *code, unsigned len,
                            apr_uint64_t address)
{
    static const unsigned char endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
    unsigned at = 0;
    apr_int32_t distance;

    if (len >= sizeof(endbr64)
        && memcmp(code, endbr64, sizeof(endbr64)) == 0) {
        at = sizeof(endbr64);
    }
    if (at < len && code[at] == 0xf2) { /* bnd */
        at++;
    }
    if (len - at < 6 || code[at] != 0xff || code[at + 1] != 0x25) {
        return 0;
    }
    memcpy(&distance, code + at + 2, sizeof(distance));
    return address + at + 6 + (apr_uint64_t)(apr_int64_t)distance;
}

/* Add the stubs of one section. */
static void read_section(const lpp_elf_image_t *image,
                         const ElfW(Shdr) *section, const slot_t *slots,
                         unsigned slot_count, lpp_elf_stub_t *stubs,
                         unsigned *count)
{
    unsigned step = section->sh_entsize == 8 ? 8 : 16;
    unsigned char *code = lpp_elf_image_copy(image, section->sh_offset,
                                             section->sh_size);
    apr_uint64_t at;

    if (code == NULL || section->sh_addr > 0xffffffffu - section->sh_size) {
        free(code);
        return;
    }
    for (at = 0; at + step <= section->sh_size; at += step) {
        slot_t wanted, *slot;

        wanted.address = slot_of(code + at, step, section->sh_addr + at);
        wanted.symbol = 0;
        slot = wanted.address == 0 ? NULL
            : bsearch(&wanted, slots, slot_count, sizeof(*slots),
                      compare_slots);
        if (slot != NULL && slot->symbol != 0 && *count < MOST_STUBS) {
            stubs[*count].start = (apr_uint32_t)(section->sh_addr + at);
            stubs[*count].end = stubs[*count].start + step;
            stubs[*count].symbol = slot->symbol;
            ++*count;
        }
    }
    free(code);
}

static int holds_stubs(const lpp_elf_image_t *image,
                       const ElfW(Shdr) *section)
{
    const char *name = lpp_elf_image_section_name(image, section);

    return section->sh_type == SHT_PROGBITS
        && section->sh_size <= image->size
        && (strcmp(name, ".plt") == 0 || strcmp(name, ".plt.sec") == 0
            || strcmp(name, ".plt.got") == 0);
}

lpp_elf_stub_t *lpp_elf_stubs_read(const lpp_elf_image_t *image,
                                   unsigned *count, apr_pool_t *pool)
{
    lpp_elf_stub_t *stubs;
    unsigned slot_count, at;
    apr_uint64_t room = 0;
    slot_t *slots;

    *count = 0;
    for (at = 0; at < image->section_count; at++) {
        if (holds_stubs(image, &image->sections[at])) {
            room += image->sections[at].sh_size / 8;
        }
    }
    if (room == 0) {
        return NULL;
    }
    slots = read_slots(image, &slot_count);
    if (slots == NULL) {
        return NULL;
    }
    stubs = apr_palloc(pool, (room < MOST_STUBS ? room : MOST_STUBS)
                       * sizeof(*stubs));
    for (at = 0; stubs != NULL && at < image->section_count; at++) {
        if (holds_stubs(image, &image->sections[at])) {
            read_section(image, &image->sections[at], slots, slot_count,
                         stubs, count);
        }
    }
    free(slots);
    return stubs;
}

#else

lpp_elf_stub_t *lpp_elf_stubs_read(const lpp_elf_image_t *image,
                                   unsigned *count, apr_pool_t *pool)
{
    *count = 0;
    return NULL;
}

#endif
