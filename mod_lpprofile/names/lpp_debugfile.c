/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_debugfile: separate debug files, source lines, demangled names.
 *
 * libdw reads DWARF. libdwfl, its part that asks debuginfod servers, is not
 * used, so that no environment variable can cause network access. Files are
 * read, not mapped (see lpp_elf_image). Files from which lines were read stay
 * open as long as the process, since it needs names until its end and must not
 * call free() there.
 */
#include "names/lpp_debugfile_internal.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <apr_strings.h>
#include <elfutils/libdw.h>
#ifdef LPP_WITH_LIBIBERTY
#include <libiberty/demangle.h>
#endif

#include "objects/lpp_elf_image.h"

#define DEBUG_ROOT "/usr/lib/debug"
#define CRC_MAX_BYTES (512u * 1024 * 1024)

struct lpp_debugfile_t {
    const char *path; /* the file that may have DWARF */
    int tried;
    Dwarf *dwarf;     /* opened when the first line is asked for */
    lpp_debugfile_t *older; /* see all_opened */
};

/* The functions used of libdw (and of libelf, which it loads). */
typedef struct libdw_t {
    int tried;
    void *handle;
    __typeof__(&elf_version) version;
    __typeof__(&elf_begin) begin;
    __typeof__(&elf_end) end;
    __typeof__(&dwarf_begin_elf) dwarf_begin;
    __typeof__(&dwarf_addrdie) addrdie;
    __typeof__(&dwarf_getsrclines) getlines;
    __typeof__(&dwarf_onesrcline) oneline;
    __typeof__(&dwarf_lineaddr) lineaddr;
    __typeof__(&dwarf_lineno) lineno;
    __typeof__(&dwarf_linesrc) linesrc;
} libdw_t;

typedef char *demangle_fn(const char *name, char *out, size_t *len,
                          int *status);

static libdw_t libdw; /* guarded by the caller's lock, as all in this file */

/* Files with DWARF are never closed; the list keeps them reachable, so that
 * leak checkers do not report them. */
static lpp_debugfile_t *all_opened;

static int find(void *handle, const char *name, void *function)
{
    void *found = dlsym(handle, name);

    memcpy(function, &found, sizeof(found));
    return found != NULL;
}

/* RTLD_LOCAL, since other DWARF libraries have symbols of the same names. */
static int load_libdw(void)
{
    void *handle;

    if (libdw.tried) {
        return libdw.handle != NULL;
    }
    libdw.tried = 1;
    handle = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        return 0;
    }
    if (!find(handle, "elf_version", &libdw.version)
        || !find(handle, "elf_begin", &libdw.begin)
        || !find(handle, "elf_end", &libdw.end)
        || !find(handle, "dwarf_begin_elf", &libdw.dwarf_begin)
        || !find(handle, "dwarf_addrdie", &libdw.addrdie)
        || !find(handle, "dwarf_getsrclines", &libdw.getlines)
        || !find(handle, "dwarf_onesrcline", &libdw.oneline)
        || !find(handle, "dwarf_lineaddr", &libdw.lineaddr)
        || !find(handle, "dwarf_lineno", &libdw.lineno)
        || !find(handle, "dwarf_linesrc", &libdw.linesrc)
        || libdw.version(EV_CURRENT) == EV_NONE) {
        dlclose(handle);
        return 0;
    }
    libdw.handle = handle;
    return 1;
}

/* "/usr/lib/debug/.build-id/xx/yyyy.debug" */
static const char *build_id_path(const unsigned char *id, apr_size_t len,
                                 apr_pool_t *pool)
{
    static const char digits[] = "0123456789abcdef";
    char name[2 * LPP_ELF_BUILD_ID_MAX + 1];
    apr_size_t i;

    for (i = 0; i < len && i < LPP_ELF_BUILD_ID_MAX; i++) {
        name[2 * i] = digits[id[i] >> 4];
        name[2 * i + 1] = digits[id[i] & 15];
    }
    name[2 * i] = '\0';
    return apr_psprintf(pool, DEBUG_ROOT "/.build-id/%.2s/%s.debug", name,
                        name + 2);
}

/* Whether the file has the checksum that .gnu_debuglink requires. */
static int has_crc(const char *path, apr_uint32_t wanted)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    unsigned char bytes[16384];
    apr_uint64_t sum = 0;
    uLong crc = crc32(0, NULL, 0);
    ssize_t got = -1;

    if (fd < 0) {
        return 0;
    }
    while (sum < CRC_MAX_BYTES
           && (got = read(fd, bytes, sizeof(bytes))) > 0) {
        crc = crc32(crc, bytes, (uInt)got);
        sum += (apr_uint64_t)got;
    }
    close(fd);
    return got == 0 && (apr_uint32_t)crc == wanted;
}

/* The symbols of the debug file at path (NULL: no memory), if it belongs to
 * elf; else NULL. */
static lpp_elf_t *read_debug(const lpp_elf_t *elf, const char *path,
                             const apr_uint32_t *crc, apr_pool_t *pool)
{
    apr_size_t len, found_len;
    const unsigned char *id = lpp_elf_build_id(elf, &len), *found;
    lpp_elf_t *debug;

    if (path == NULL || access(path, R_OK) != 0
        || lpp_elf_read_file(&debug, path, 0, pool) != APR_SUCCESS) {
        return NULL;
    }
    found = lpp_elf_build_id(debug, &found_len);
    if (len != 0 && found_len != 0) {
        return len == found_len && memcmp(id, found, len) == 0 ? debug
            : NULL;
    }
    return crc != NULL && has_crc(path, *crc) ? debug : NULL;
}

/* Find the debug file by build id, else by the name in .gnu_debuglink in its
 * three usual directories. */
static const char *find_file(const lpp_object_t *object, lpp_elf_t *elf,
                             lpp_elf_t **debug, apr_pool_t *pool)
{
    apr_size_t len;
    const unsigned char *id = lpp_elf_build_id(elf, &len);
    const char *slash = strrchr(object->path, '/'), *link, *path, *dir;
    apr_uint32_t crc;
    unsigned place;

    if (len >= 2) {
        path = build_id_path(id, len, pool);
        *debug = read_debug(elf, path, NULL, pool);
        if (*debug != NULL) {
            return path;
        }
    }
    link = lpp_elf_debuglink(elf, &crc);
    if (link == NULL || slash == NULL || strchr(link, '/') != NULL) {
        return NULL;
    }
    dir = apr_pstrmemdup(pool, object->path,
                         (apr_size_t)(slash - object->path));
    for (place = 0; dir != NULL && place < 3; place++) {
        path = apr_pstrcat(pool, place == 2 ? DEBUG_ROOT : "", dir,
                           place == 1 ? "/.debug/" : "/", link, NULL);
        *debug = strcmp(path, object->path) == 0 ? NULL
            : read_debug(elf, path, &crc, pool);
        if (*debug != NULL) {
            return path;
        }
    }
    return NULL;
}

/* Whether a file has line tables, so that libdw must be loaded. */
static int has_lines(const char *path)
{
    lpp_elf_image_t image;
    int found;

    if (lpp_elf_image_open(&image, path, NULL, 0) != APR_SUCCESS) {
        return 0;
    }
    found = lpp_elf_image_section(&image, SHT_PROGBITS, ".debug_line")
        != NULL;
    lpp_elf_image_close(&image);
    return found;
}

static Dwarf *open_dwarf(const char *path)
{
    Dwarf *dwarf = NULL;
    Elf *elf;
    int fd;

    if (!load_libdw()) {
        return NULL;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return NULL;
    }
    elf = libdw.begin(fd, ELF_C_READ, NULL);
    if (elf != NULL) {
        dwarf = libdw.dwarf_begin(elf, DWARF_C_READ, NULL);
    }
    if (dwarf == NULL) {
        if (elf != NULL) {
            libdw.end(elf);
        }
        close(fd);
    }
    return dwarf;
}

lpp_debugfile_t *lpp_debugfile_open(const lpp_object_t *object,
                                    lpp_elf_t *elf, apr_pool_t *pool)
{
    const char *path = object->path;
    lpp_elf_t *symbols = NULL;
    lpp_debugfile_t *debug;
    const char *other;

    if (path[0] != '/') { /* the vdso */
        return NULL;
    }
    other = find_file(object, elf, &symbols, pool);
    if (other != NULL) {
        lpp_elf_set_debug(elf, symbols);
        path = other;
    }
    if (!has_lines(path)) {
        return NULL;
    }
    path = apr_pstrdup(pool, path);
    debug = path == NULL ? NULL : calloc(1, sizeof(*debug));
    if (debug != NULL) {
        debug->path = path;
        debug->older = all_opened;
        all_opened = debug;
    }
    return debug;
}

void lpp_debugfile_close(lpp_debugfile_t *debug)
{
    lpp_debugfile_t **at = &all_opened;

    if (debug == NULL || debug->dwarf != NULL) {
        return;
    }
    while (*at != NULL && *at != debug) {
        at = &(*at)->older;
    }
    if (*at != NULL) {
        *at = debug->older;
    }
    free(debug);
}

/*
 * The first row at address, or the last one before it. Several rows may have
 * the address of an optimised function; the first is that of the function, the
 * others are of code that was moved there.
 */
static Dwarf_Line *first_row(Dwarf_Lines *lines, size_t count,
                             apr_uint64_t address)
{
    size_t low = 0, high = count;
    Dwarf_Addr at;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (libdw.lineaddr(libdw.oneline(lines, middle), &at) != 0) {
            return NULL;
        }
        if (at < address) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    if (low < count && libdw.lineaddr(libdw.oneline(lines, low), &at) == 0
        && at == address) {
        return libdw.oneline(lines, low);
    }
    return low > 0 ? libdw.oneline(lines, low - 1) : NULL;
}

void lpp_debugfile_line(lpp_debugfile_t *debug, apr_uint64_t address,
                        const char **file, unsigned *line)
{
    Dwarf_Lines *lines;
    Dwarf_Line *found;
    Dwarf_Die unit;
    const char *source;
    size_t count;
    int number;

    if (!debug->tried) {
        debug->tried = 1;
        debug->dwarf = open_dwarf(debug->path);
    }
    /* a line is known only if a compilation unit covers the address */
    if (debug->dwarf == NULL
        || libdw.addrdie(debug->dwarf, address, &unit) == NULL
        || libdw.getlines(&unit, &lines, &count) != 0) {
        return;
    }
    found = first_row(lines, count, address);
    if (found == NULL || libdw.lineno(found, &number) != 0 || number <= 0) {
        return;
    }
    source = libdw.linesrc(found, NULL, NULL);
    if (source != NULL) {
        *file = source;
        *line = (unsigned)number;
    }
}

/* Remove the hash of an older Rust name, which is a C++ name that ends in "::h"
 * and 16 digits. */
static void drop_hash(char *name)
{
    apr_size_t len = strlen(name);

    if (len > 19 && strncmp(name + len - 19, "::h", 3) == 0
        && strspn(name + len - 16, "0123456789abcdef") == 16) {
        name[len - 19] = '\0';
    }
}

const char *lpp_debugfile_demangle(const char *name, apr_pool_t *pool)
{
    static demangle_fn *demangle;
    static int tried;
    const char *result = name;
    char *plain = NULL;
    int status;

#ifdef LPP_WITH_LIBIBERTY
    if (strncmp(name, "_R", 2) == 0) { /* Rust's v0 names */
        plain = rust_demangle(name, 0);
    }
#endif
    if (strncmp(name, "_Z", 2) == 0 && !tried) {
        void *handle = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);

        tried = 1;
        if (handle != NULL && !find(handle, "__cxa_demangle", &demangle)) {
            demangle = NULL;
        }
    }
    if (strncmp(name, "_Z", 2) == 0 && demangle != NULL) {
        plain = demangle(name, NULL, NULL, &status);
    }
    if (plain != NULL) {
        drop_hash(plain);
        result = apr_pstrdup(pool, plain);
        free(plain);
    }
    return result;
}
