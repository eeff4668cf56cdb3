/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_elf_image: bytes, headers and sections of an ELF file.
 *
 * Copies with pread instead of mapping the file: a package upgrade may shorten
 * a file at any time, and access to a mapped file would then kill the host with
 * SIGBUS.
 */
#include "objects/lpp_elf_image.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#define MOST_BYTES (256u * 1024 * 1024) /* of one section */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_DATA ELFDATA2LSB
#else
#define OWN_DATA ELFDATA2MSB
#endif
#define OWN_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

void *lpp_elf_image_copy(const lpp_elf_image_t *image, apr_uint64_t offset,
                         apr_uint64_t len)
{
    char *copy;
    apr_uint64_t done = 0;

    if (offset > image->size || len > image->size - offset
        || len > MOST_BYTES) {
        return NULL;
    }
    copy = malloc(len + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (image->fd < 0) {
        memcpy(copy, image->memory + offset, len);
        done = len;
    }
    while (done < len) {
        ssize_t got = pread(image->fd, copy + done, len - done,
                            (off_t)(offset + done));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            free(copy);
            return NULL;
        }
        done += (apr_uint64_t)got;
    }
    copy[len] = '\0';
    return copy;
}

static int is_own_kind(const ElfW(Ehdr) *header)
{
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0
        && header->e_ident[EI_CLASS] == OWN_CLASS
        && header->e_ident[EI_DATA] == OWN_DATA
        && header->e_phentsize == sizeof(ElfW(Phdr));
}

/* Sections are optional: a file without them still has segments. */
static void read_sections(lpp_elf_image_t *image)
{
    const ElfW(Ehdr) *header = &image->header;
    const ElfW(Shdr) *names;

    if (header->e_shoff == 0 || header->e_shnum == 0
        || header->e_shentsize != sizeof(ElfW(Shdr))) {
        return;
    }
    image->sections = lpp_elf_image_copy(image, header->e_shoff,
        (apr_uint64_t)header->e_shnum * sizeof(ElfW(Shdr)));
    if (image->sections == NULL) {
        return;
    }
    image->section_count = header->e_shnum;
    if (header->e_shstrndx < image->section_count) {
        names = &image->sections[header->e_shstrndx];
        image->section_names = lpp_elf_image_copy(image, names->sh_offset,
                                                  names->sh_size);
        image->section_names_len = image->section_names != NULL
            ? names->sh_size : 0;
    }
}

apr_status_t lpp_elf_image_open(lpp_elf_image_t *image, const char *path,
                                const void *memory, apr_size_t len)
{
    apr_status_t status = APR_EGENERAL;
    struct stat about;
    void *header;

    memset(image, 0, sizeof(*image));
    image->fd = -1;
    image->memory = memory;
    image->size = len;
    if (path != NULL) {
        /* O_NONBLOCK: do not wait if a fifo has replaced the file. */
        image->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (image->fd < 0) {
            return errno;
        }
        if (fstat(image->fd, &about) != 0 || !S_ISREG(about.st_mode)) {
            goto leave;
        }
        image->size = (apr_uint64_t)about.st_size;
    }
    header = lpp_elf_image_copy(image, 0, sizeof(image->header));
    if (header == NULL) {
        goto leave;
    }
    memcpy(&image->header, header, sizeof(image->header));
    free(header);
    if (!is_own_kind(&image->header)) {
        goto leave;
    }
    image->segments = lpp_elf_image_copy(image, image->header.e_phoff,
        (apr_uint64_t)image->header.e_phnum * sizeof(ElfW(Phdr)));
    if (image->segments == NULL) {
        goto leave;
    }
    image->segment_count = image->header.e_phnum;
    read_sections(image);
    status = APR_SUCCESS;

leave:
    if (status != APR_SUCCESS) {
        lpp_elf_image_close(image);
    }
    return status;
}

void lpp_elf_image_close(lpp_elf_image_t *image)
{
    if (image->fd >= 0) {
        close(image->fd);
    }
    free(image->segments);
    free(image->sections);
    free(image->section_names);
    memset(image, 0, sizeof(*image));
    image->fd = -1;
}

const char *lpp_elf_image_section_name(const lpp_elf_image_t *image,
                                       const ElfW(Shdr) *section)
{
    return section->sh_name < image->section_names_len
        ? image->section_names + section->sh_name : "";
}

const ElfW(Shdr) *lpp_elf_image_section(const lpp_elf_image_t *image,
                                        ElfW(Word) type, const char *name)
{
    unsigned i;

    for (i = 0; i < image->section_count; i++) {
        const ElfW(Shdr) *section = &image->sections[i];

        if ((type == 0 || section->sh_type == type)
            && (name == NULL
                || strcmp(lpp_elf_image_section_name(image, section),
                          name) == 0)) {
            return section;
        }
    }
    return NULL;
}

/* The build id in one segment of notes; 0: not there. */
static apr_size_t id_in_notes(const char *data, apr_uint64_t len,
                              unsigned char *id, apr_size_t max)
{
    apr_uint64_t at = 0;

    while (len - at >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        apr_uint64_t name = at + sizeof(note), content;

        memcpy(&note, data + at, sizeof(note));
        content = name + (((apr_uint64_t)note.n_namesz + 3) & ~3ull);
        at = content + (((apr_uint64_t)note.n_descsz + 3) & ~3ull);
        if (at > len) {
            break;
        }
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4
            && note.n_descsz <= max && memcmp(data + name, "GNU", 4) == 0) {
            memcpy(id, data + content, note.n_descsz);
            return note.n_descsz;
        }
    }
    return 0;
}

apr_size_t lpp_elf_image_build_id(const lpp_elf_image_t *image,
                                  unsigned char *id, apr_size_t max)
{
    apr_size_t len = 0;
    unsigned i;

    for (i = 0; i < image->segment_count && len == 0; i++) {
        const ElfW(Phdr) *segment = &image->segments[i];
        char *data;

        if (segment->p_type != PT_NOTE || segment->p_filesz > 65536) {
            continue;
        }
        data = lpp_elf_image_copy(image, segment->p_offset,
                                  segment->p_filesz);
        if (data != NULL) {
            len = id_in_notes(data, segment->p_filesz, id, max);
        }
        free(data);
    }
    return len;
}

const char *lpp_elf_image_debuglink(const lpp_elf_image_t *image,
                                    apr_uint32_t *crc, apr_pool_t *pool)
{
    const ElfW(Shdr) *section = lpp_elf_image_section(image, SHT_PROGBITS,
                                                      ".gnu_debuglink");
    const char *link = NULL;
    char *data;

    if (section == NULL || section->sh_size < 8 || section->sh_size > 4096) {
        return NULL;
    }
    data = lpp_elf_image_copy(image, section->sh_offset, section->sh_size);
    if (data != NULL && strlen(data) + 4 < section->sh_size) {
        link = apr_pstrdup(pool, data);
        memcpy(crc, data + section->sh_size - 4, 4);
    }
    free(data);
    return link;
}
