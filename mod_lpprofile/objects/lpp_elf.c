/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_elf: the functions of one ELF file, as sorted arrays.
 *
 * The arrays and their string tables live in the pool given by the caller. Does
 * not depend on a process or on other objects.
 */
#include "objects/lpp_elf.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "objects/lpp_elf_image.h"

/* One function symbol. reach is the largest end of this symbol and all before
 * it, so that a search backwards for a symbol that covers an address knows when
 * to stop. */
typedef struct symbol_t {
    apr_uint32_t start, end, reach;
    unsigned char rank;      /* smaller is preferred */
    unsigned char kind;      /* STT_, or KIND_STUB */
    const char *name;
} symbol_t;

#define KIND_STUB 0xff

struct lpp_elf_t {
    symbol_t *symbols;          /* sorted by start, one a start */
    unsigned symbol_count;
    lpp_elf_range_t *ranges;    /* sorted, do not overlap */
    unsigned range_count;
    unsigned char build_id[LPP_ELF_BUILD_ID_MAX];
    apr_size_t build_id_len;
    const char *debuglink;
    apr_uint32_t debuglink_crc;
    const lpp_elf_t *debug;     /* borrowed */
};

/*
 * The rank of a name among several for one address; the best known name comes
 * first. A plain function precedes a resolver, which precedes a label. Within
 * each: global; weak; global and reserved (as "__poll", whose weak name is
 * "poll"); local; weak and reserved.
 */
static unsigned char rank_of(unsigned char info, const char *name)
{
    int reserved = name[0] == '_';
    unsigned char rank;

    switch (ELF64_ST_BIND(info)) {
    case STB_GLOBAL:
    case STB_GNU_UNIQUE:
        rank = reserved ? 2 : 0;
        break;
    case STB_WEAK:
        rank = reserved ? 4 : 1;
        break;
    default:
        rank = 3;
        break;
    }
    return (unsigned char)(ELF64_ST_TYPE(info) == STT_FUNC ? rank
        : ELF64_ST_TYPE(info) == STT_GNU_IFUNC ? 8 + rank : 16 + rank);
}

static apr_size_t underscores(const char *name)
{
    return strspn(name, "_");
}

/* By start. Of several with one start, the one to keep comes first: sized
 * before unsized, then by rank, then by fewer underscores and a shorter name.
 * The order is total, so that every run keeps the same one. */
static int compare(const void *a, const void *b)
{
    const symbol_t *left = a, *right = b;
    int left_sized = left->end > left->start;
    int right_sized = right->end > right->start;
    apr_size_t left_len, right_len;

    if (left->start != right->start) {
        return left->start < right->start ? -1 : 1;
    }
    if (left_sized != right_sized) {
        return right_sized - left_sized;
    }
    if (left->rank != right->rank) {
        return left->rank - right->rank;
    }
    left_len = underscores(left->name);
    right_len = underscores(right->name);
    if (left_len == right_len) {
        left_len = strlen(left->name);
        right_len = strlen(right->name);
    }
    if (left_len != right_len) {
        return left_len < right_len ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

/* Whether a symbol names code of this file. */
static int is_code(const lpp_elf_image_t *image, const ElfW(Sym) *symbol,
                   const char *name)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);

    if (symbol->st_shndx == SHN_UNDEF
        || symbol->st_shndx >= image->section_count
        || !(image->sections[symbol->st_shndx].sh_flags & SHF_EXECINSTR)
        || symbol->st_value > 0xffffffffu
        || symbol->st_size > 0xffffffffu - symbol->st_value) {
        return 0;
    }
    if (type == STT_NOTYPE) { /* labels of assemblers and ARM's mode marks */
        return name[0] != '\0' && name[0] != '$' && name[0] != '.';
    }
    return name[0] != '\0' && (type == STT_FUNC || type == STT_GNU_IFUNC);
}

/* The string table that belongs to a symbol table, kept in pool. */
static const char *keep_strings(const lpp_elf_image_t *image,
                                const ElfW(Shdr) *table, apr_uint64_t *len,
                                apr_pool_t *pool)
{
    const ElfW(Shdr) *section;
    const char *kept = NULL;
    char *copy;

    if (table->sh_link >= image->section_count) {
        return NULL;
    }
    section = &image->sections[table->sh_link];
    copy = lpp_elf_image_copy(image, section->sh_offset, section->sh_size);
    if (copy != NULL) {
        kept = apr_pmemdup(pool, copy, section->sh_size + 1);
        *len = section->sh_size;
    }
    free(copy);
    return kept;
}

/* Add the symbols of a table and, where it is .dynsym, the stubs. */
static apr_status_t read_table(lpp_elf_t *elf, const lpp_elf_image_t *image,
                               const ElfW(Shdr) *table, int stubs_only,
                               apr_pool_t *pool)
{
    apr_uint64_t strings_len = 0, count = table->sh_size / sizeof(ElfW(Sym));
    apr_uint64_t i;
    lpp_elf_stub_t *stubs = NULL;
    unsigned stub_count = 0;
    const char *strings = keep_strings(image, table, &strings_len, pool);
    ElfW(Sym) *read = lpp_elf_image_copy(image, table->sh_offset,
                                         table->sh_size);
    symbol_t *symbols;

    if (read == NULL || strings == NULL) {
        free(read);
        return APR_EGENERAL;
    }
    if (table->sh_type == SHT_DYNSYM) {
        stubs = lpp_elf_stubs_read(image, &stub_count, pool);
    }
    symbols = realloc(elf->symbols, (elf->symbol_count + count + stub_count
                                     + 1) * sizeof(*symbols));
    if (symbols == NULL) {
        free(read);
        return APR_ENOMEM;
    }
    elf->symbols = symbols;
    symbols += elf->symbol_count;
    for (i = 0; i < count && !stubs_only; i++) {
        const char *name = read[i].st_name < strings_len
            ? strings + read[i].st_name : "";

        if (is_code(image, &read[i], name)) {
            symbols->start = (apr_uint32_t)read[i].st_value;
            symbols->end = symbols->start + (apr_uint32_t)read[i].st_size;
            symbols->rank = rank_of(read[i].st_info, name);
            symbols->kind = ELF64_ST_TYPE(read[i].st_info);
            symbols->name = name;
            symbols++;
        }
    }
    for (i = 0; i < stub_count; i++) {
        if (stubs[i].symbol < count
            && read[stubs[i].symbol].st_name < strings_len) {
            symbols->start = stubs[i].start;
            symbols->end = stubs[i].end;
            symbols->rank = 7;
            symbols->kind = KIND_STUB;
            symbols->name = strings + read[stubs[i].symbol].st_name;
            symbols++;
        }
    }
    elf->symbol_count = (unsigned)(symbols - elf->symbols);
    free(read);
    return APR_SUCCESS;
}

/* The end of the section that contains address. */
static apr_uint64_t section_end(const lpp_elf_image_t *image,
                                apr_uint64_t address)
{
    unsigned i;

    for (i = 0; i < image->section_count; i++) {
        const ElfW(Shdr) *section = &image->sections[i];

        if ((section->sh_flags & SHF_EXECINSTR)
            && address >= section->sh_addr
            && address - section->sh_addr < section->sh_size) {
            return section->sh_addr + section->sh_size;
        }
    }
    return address;
}

/*
 * The end of a symbol without size, as assembler code has. If the symbol begins
 * an FDE: the end of that FDE. A label inside an FDE covers nothing. A function
 * outside of all FDEs extends to the next symbol or FDE, at most to the end of
 * its section.
 */
static apr_uint32_t end_of_unsized(const lpp_elf_t *elf,
                                   const lpp_elf_image_t *image, unsigned at)
{
    const symbol_t *symbol = &elf->symbols[at];
    apr_uint64_t end;
    unsigned range;
    int inside;

    range = lpp_elf_ranges_find(elf->ranges, elf->range_count,
                                symbol->start, &inside);
    if (inside) {
        return elf->ranges[range].start == symbol->start
            ? elf->ranges[range].end : symbol->start;
    }
    if (symbol->kind != STT_FUNC) {
        return symbol->start;
    }
    end = section_end(image, symbol->start);
    if (range < elf->range_count && elf->ranges[range].start < end) {
        end = elf->ranges[range].start;
    }
    if (at + 1 < elf->symbol_count && elf->symbols[at + 1].start < end) {
        end = elf->symbols[at + 1].start;
    }
    return (apr_uint32_t)end;
}

/* Sort; keep one symbol for each start; set missing ends; remove empty
 * symbols. */
static void finish_symbols(lpp_elf_t *elf, const lpp_elf_image_t *image,
                           apr_pool_t *pool)
{
    symbol_t *symbols = elf->symbols;
    apr_uint32_t reach = 0;
    unsigned i, kept = 0;

    if (elf->symbol_count > 1) {
        qsort(symbols, elf->symbol_count, sizeof(*symbols), compare);
    }
    for (i = 0; i < elf->symbol_count; i++) {
        if (kept == 0 || symbols[i].start != symbols[kept - 1].start) {
            symbols[kept++] = symbols[i];
        }
    }
    elf->symbol_count = kept;
    for (i = 0; i < elf->symbol_count; i++) {
        if (symbols[i].end == symbols[i].start) {
            symbols[i].end = end_of_unsized(elf, image, i);
        }
    }
    for (i = kept = 0; i < elf->symbol_count; i++) {
        if (symbols[i].end > symbols[i].start) {
            reach = symbols[i].end > reach ? symbols[i].end : reach;
            symbols[i].reach = reach;
            symbols[kept++] = symbols[i];
        }
    }
    elf->symbol_count = kept;
    elf->symbols = kept == 0 ? NULL
        : apr_pmemdup(pool, symbols, kept * sizeof(*symbols));
    free(symbols);
}

static apr_status_t read_image(lpp_elf_t **elf, const char *path,
                               const void *memory, apr_size_t len,
                               int want_ranges, apr_pool_t *pool)
{
    lpp_elf_image_t image;
    const ElfW(Shdr) *full, *dynamic;
    lpp_elf_t *made;
    apr_status_t status = lpp_elf_image_open(&image, path, memory, len);

    *elf = NULL;
    if (status != APR_SUCCESS) {
        return status;
    }
    made = apr_pcalloc(pool, sizeof(*made));
    if (made == NULL) {
        lpp_elf_image_close(&image);
        return APR_ENOMEM;
    }
    made->build_id_len = lpp_elf_image_build_id(&image, made->build_id,
                                                sizeof(made->build_id));
    made->debuglink = lpp_elf_image_debuglink(&image, &made->debuglink_crc,
                                              pool);
    if (want_ranges) {
        made->ranges = lpp_elf_ranges_read(&image, &made->range_count, pool);
    }
    full = lpp_elf_image_section(&image, SHT_SYMTAB, NULL);
    dynamic = lpp_elf_image_section(&image, SHT_DYNSYM, NULL);
    /* A symbol table that cannot be read counts as none: the ranges remain. */
    if (full != NULL) {
        status = read_table(made, &image, full, 0, pool);
    }
    if (dynamic != NULL && status != APR_ENOMEM) {
        status = read_table(made, &image, dynamic, made->symbol_count != 0,
                            pool);
    }
    finish_symbols(made, &image, pool);
    lpp_elf_image_close(&image);
    *elf = made;
    return status == APR_ENOMEM ? status : APR_SUCCESS;
}

apr_status_t lpp_elf_read_file(lpp_elf_t **elf, const char *path,
                               int want_ranges, apr_pool_t *pool)
{
    return read_image(elf, path, NULL, 0, want_ranges, pool);
}

apr_status_t lpp_elf_read_memory(lpp_elf_t **elf, const void *image,
                                 apr_size_t len, apr_pool_t *pool)
{
    return read_image(elf, NULL, image, len, 1, pool);
}

const unsigned char *lpp_elf_build_id(const lpp_elf_t *elf, apr_size_t *len)
{
    *len = elf->build_id_len;
    return elf->build_id_len != 0 ? elf->build_id : NULL;
}

const char *lpp_elf_debuglink(const lpp_elf_t *elf, apr_uint32_t *crc)
{
    *crc = elf->debuglink_crc;
    return elf->debuglink;
}

void lpp_elf_set_debug(lpp_elf_t *elf, const lpp_elf_t *debug)
{
    elf->debug = debug;
}

/* The last symbol that begins at or before address; symbol_count: none. */
static unsigned last_before(const lpp_elf_t *elf, apr_uint64_t address)
{
    unsigned low = 0, high = elf->symbol_count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (elf->symbols[middle].start <= address) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low > 0 ? low - 1 : elf->symbol_count;
}

/* The innermost symbol that covers address by its size, or NULL. */
static const symbol_t *covering(const lpp_elf_t *elf, apr_uint64_t address)
{
    unsigned at = last_before(elf, address);

    if (at == elf->symbol_count) {
        return NULL;
    }
    for (;; at--) {
        if (elf->symbols[at].end > address) {
            return &elf->symbols[at];
        }
        if (at == 0 || elf->symbols[at].reach <= address) {
            return NULL;
        }
    }
}

/* The gap around address between the nearest known functions. */
static void find_gap(const lpp_elf_t *elf, apr_uint64_t address,
                     unsigned next, lpp_elf_function_t *function)
{
    unsigned at = last_before(elf, address);

    function->start = next > 0 ? elf->ranges[next - 1].end : 0;
    function->end = next < elf->range_count ? elf->ranges[next].start
        : ~APR_UINT64_C(0);
    if (at < elf->symbol_count && elf->symbols[at].reach > function->start) {
        function->start = elf->symbols[at].reach;
    }
    at = at == elf->symbol_count ? 0 : at + 1;
    if (at < elf->symbol_count && elf->symbols[at].start < function->end) {
        function->end = elf->symbols[at].start;
    }
}

void lpp_elf_find(const lpp_elf_t *elf, apr_uint64_t address,
                  lpp_elf_function_t *function)
{
    const symbol_t *symbol = NULL;
    unsigned range;
    int inside;

    function->name = NULL;
    function->suffix = "";
    if (elf->debug != NULL) {
        symbol = covering(elf->debug, address);
    }
    if (symbol == NULL) {
        symbol = covering(elf, address);
    }
    if (symbol != NULL) {
        function->start = symbol->start;
        function->end = symbol->end;
        function->name = symbol->name;
        function->suffix = symbol->kind == KIND_STUB ? "@plt"
            : symbol->kind == STT_GNU_IFUNC ? " (ifunc resolver)" : "";
        return;
    }
    range = lpp_elf_ranges_find(elf->ranges, elf->range_count, address,
                                &inside);
    if (inside) {
        function->start = elf->ranges[range].start;
        function->end = elf->ranges[range].end;
        return;
    }
    find_gap(elf, address, range, function);
}
