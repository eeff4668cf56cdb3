/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_elf_image: bytes, headers and sections of an ELF file; used by the files
 * of lpp_elf, and by lpp_debugfile.
 */
#ifndef LPP_ELF_IMAGE_H
#define LPP_ELF_IMAGE_H

#include <link.h>

#include "base/lpp_base.h"

/* An open file, or memory. Closed by lpp_elf_image_close. */
typedef struct lpp_elf_image_t {
    int fd;                     /* -1: memory */
    const unsigned char *memory;
    apr_uint64_t size;          /* of file or memory */
    ElfW(Ehdr) header;
    ElfW(Phdr) *segments;       /* malloc'd */
    unsigned segment_count;
    ElfW(Shdr) *sections;       /* malloc'd, NULL where there are none */
    unsigned section_count;
    char *section_names;        /* malloc'd, NUL-terminated, or NULL */
    apr_uint64_t section_names_len;
} lpp_elf_image_t;

/*
 * open opens a file (path), or an image in memory (path NULL; len bytes at
 * memory, borrowed), and checks its headers. After an error nothing is open,
 * and close need not be called. close frees all memory and closes the file; it
 * may be called twice. Errors of open: that of open(); APR_EGENERAL: not an ELF
 * file of the class and byte order of this process, or it cannot be read.
 * Signal-safe: no. Thread: any, one at a time an image.
 */
LPP_MUST_CHECK apr_status_t lpp_elf_image_open(lpp_elf_image_t *image,
                                               const char *path,
                                               const void *memory,
                                               apr_size_t len);
void lpp_elf_image_close(lpp_elf_image_t *image);

/*
 * Copy len bytes at offset and append a NUL; malloc'd, the caller frees the
 * copy. NULL: not within the file, unreadable, more than 256 MB, or no memory.
 * Signal-safe: no. Thread: any.
 */
void *lpp_elf_image_copy(const lpp_elf_image_t *image, apr_uint64_t offset,
                         apr_uint64_t len);

/* The name of a section, "" if it has none; lives as long as image.
 * Signal-safe: yes. Thread: any. */
const char *lpp_elf_image_section_name(const lpp_elf_image_t *image,
                                       const ElfW(Shdr) *section);

/* The first section with that type (0: any) and name (NULL: any), or NULL;
 * lives as long as image.
 * Signal-safe: no. Thread: any. */
const ElfW(Shdr) *lpp_elf_image_section(const lpp_elf_image_t *image,
                                        ElfW(Word) type, const char *name);

/* Copy the build id to id. Returns its length; 0: none, or one that is longer
 * than max bytes.
 * Signal-safe: no. Thread: any. */
apr_size_t lpp_elf_image_build_id(const lpp_elf_image_t *image,
                                  unsigned char *id, apr_size_t max);

/* The file name of .gnu_debuglink, in pool; *crc gets its CRC. NULL: the file
 * has none, or no memory.
 * Signal-safe: no. Thread: any. */
const char *lpp_elf_image_debuglink(const lpp_elf_image_t *image,
                                    apr_uint32_t *crc, apr_pool_t *pool);

/* One function by .eh_frame; addresses below 4 GiB. */
typedef struct lpp_elf_range_t {
    apr_uint32_t start, end;
} lpp_elf_range_t;

/*
 * The ranges of .eh_frame, found by the table of .eh_frame_hdr; sorted, in
 * pool, *count of them. 0 and perhaps NULL: none can be read, or no memory.
 * Signal-safe: no. Thread: any.
 */
lpp_elf_range_t *lpp_elf_ranges_read(const lpp_elf_image_t *image,
                                     unsigned *count, apr_pool_t *pool);

/* The index of the range that contains address (*inside is 1), else of the
 * first range after it (*inside is 0); count: there is none.
 * Signal-safe: yes. Thread: any. */
unsigned lpp_elf_ranges_find(const lpp_elf_range_t *ranges, unsigned count,
                             apr_uint64_t address, int *inside);

/* A PLT stub: jumps to what the relocation of its slot names. */
typedef struct lpp_elf_stub_t {
    apr_uint32_t start, end;
    apr_uint32_t symbol;      /* index in .dynsym */
} lpp_elf_stub_t;

/*
 * The stubs of .plt, .plt.sec and .plt.got, in pool, *count of them. Only on
 * x86-64, where the slot is read from the stub's own jump; elsewhere NULL and
 * 0.
 * Signal-safe: no. Thread: any.
 */
lpp_elf_stub_t *lpp_elf_stubs_read(const lpp_elf_image_t *image,
                                   unsigned *count, apr_pool_t *pool);

#endif
