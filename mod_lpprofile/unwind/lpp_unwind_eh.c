/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_eh: reads .eh_frame and .eh_frame_hdr (LSB; DWARF 4, 6.4).
 *
 * Owns nothing: all pointers are into the copies of lpp_maps.
 */
#include "unwind/lpp_unwind_eh_internal.h"

#include <string.h>

#define PE_OMIT 0xff
#define PE_FORMAT 0x0f
#define PE_RELATIVE 0x70
#define PE_PCREL 0x10
#define PE_DATAREL 0x30
#define PE_INDIRECT 0x80
#define PE_DATAREL_SDATA4 0x3b

apr_uint64_t lpp_eh_read_u(lpp_eh_reader_t *reader, unsigned bytes)
{
    apr_uint64_t value = 0;
    unsigned i;

    if ((apr_size_t)(reader->end - reader->at) < bytes) {
        reader->failed = 1;
        reader->at = reader->end;
        return 0;
    }
    for (i = 0; i < bytes; i++) {
        value |= (apr_uint64_t)reader->at[i] << (8 * i);
    }
    reader->at += bytes;
    reader->address += bytes;
    return value;
}

static apr_uint64_t read_leb(lpp_eh_reader_t *reader, int with_sign)
{
    apr_uint64_t value = 0, byte;
    unsigned shift = 0;

    do {
        byte = lpp_eh_read_u(reader, 1);
        if (shift < 64) {
            value |= (byte & 0x7f) << shift;
            shift += 7;
        }
    } while ((byte & 0x80) && !reader->failed);
    if (with_sign && (byte & 0x40) && shift < 64) {
        value |= ~APR_UINT64_C(0) << shift;
    }
    return value;
}

apr_uint64_t lpp_eh_read_uleb(lpp_eh_reader_t *reader)
{
    return read_leb(reader, 0);
}

apr_int64_t lpp_eh_read_sleb(lpp_eh_reader_t *reader)
{
    return (apr_int64_t)read_leb(reader, 1);
}

apr_uint64_t lpp_eh_read_pointer(lpp_eh_reader_t *reader, int encoding,
                                 apr_uint64_t datarel_base)
{
    apr_uint64_t base = 0, value;

    switch (encoding & PE_RELATIVE) {
    case 0:
        break;
    case PE_PCREL:
        base = reader->address;
        break;
    case PE_DATAREL:
        base = datarel_base;
        break;
    default:
        reader->failed = 1;
    }
    switch (encoding & PE_FORMAT) {
    case 0x00: /* absptr */
        value = lpp_eh_read_u(reader, sizeof(void *));
        break;
    case 0x01:
        value = lpp_eh_read_uleb(reader);
        break;
    case 0x02:
        value = lpp_eh_read_u(reader, 2);
        break;
    case 0x03:
        value = lpp_eh_read_u(reader, 4);
        break;
    case 0x04:
    case 0x0c:
        value = lpp_eh_read_u(reader, 8);
        break;
    case 0x09:
        value = (apr_uint64_t)lpp_eh_read_sleb(reader);
        break;
    case 0x0a:
        value = (apr_uint64_t)(apr_int16_t)lpp_eh_read_u(reader, 2);
        break;
    case 0x0b:
        value =
            (apr_uint64_t)(apr_int64_t)(apr_int32_t)lpp_eh_read_u(reader, 4);
        break;
    default:
        value = 0;
        reader->failed = 1;
    }
    if (encoding & PE_INDIRECT) {
        reader->failed = 1; /* would need the object's data */
    }
    return base + value;
}

lpp_eh_reader_t lpp_eh_read_block(lpp_eh_reader_t *reader, apr_uint64_t bytes)
{
    lpp_eh_reader_t block = *reader;

    if (bytes > (apr_uint64_t)(reader->end - reader->at)) {
        reader->failed = 1;
        bytes = 0;
    }
    block.end = block.at + bytes;
    reader->at += bytes;
    reader->address += bytes;
    return block;
}

/* Open the record (CIE or FDE) at offset, without its length field. 0: there
 * are no more. */
static int open_record(const lpp_object_t *object, apr_size_t offset,
                       lpp_eh_reader_t *record, apr_size_t *next)
{
    lpp_eh_reader_t reader;
    apr_uint64_t length;

    if (offset >= object->eh_frame_len) {
        return 0;
    }
    memset(&reader, 0, sizeof(reader));
    reader.at = object->eh_frame + offset;
    reader.end = object->eh_frame + object->eh_frame_len;
    reader.address = object->eh_frame_address + offset;
    length = lpp_eh_read_u(&reader, 4);
    if (length == 0xffffffffu) {
        length = lpp_eh_read_u(&reader, 8);
    }
    if (length == 0 || reader.failed) {
        return 0;
    }
    *record = lpp_eh_read_block(&reader, length);
    *next = (apr_size_t)(reader.at - object->eh_frame);
    return !reader.failed;
}

/* Read the letters of a CIE's augmentation, after its 'z'. */
static void read_augmentation(lpp_eh_reader_t *cie, const char *letters,
                              lpp_eh_fde_t *fde)
{
    lpp_eh_reader_t block = lpp_eh_read_block(cie, lpp_eh_read_uleb(cie));

    for (; *letters != '\0'; letters++) {
        switch (*letters) {
        case 'R':
            fde->pointer_encoding = (int)lpp_eh_read_u(&block, 1);
            break;
        case 'S':
            fde->signal_frame = 1;
            break;
        case 'L':
            lpp_eh_read_u(&block, 1);
            break;
        case 'P': {
            int encoding = (int)lpp_eh_read_u(&block, 1);

            lpp_eh_read_pointer(&block, encoding & ~PE_INDIRECT, 0);
        } break;
        case 'B': /* aarch64: signed with the B key */
        case 'G':
            break;
        default:
            /* The length of unknown data, and so the place of what follows, is
             * not known. */
            cie->failed = 1;
            return;
        }
    }
    cie->failed |= block.failed;
}

/* Read the CIE at offset into fde. 0: unreadable. */
static int read_cie(const lpp_object_t *object, apr_size_t offset,
                    lpp_eh_fde_t *fde)
{
    lpp_eh_reader_t cie;
    const char *letters;
    unsigned version;
    apr_size_t next;

    fde->cie_read = 0;
    if (!open_record(object, offset, &cie, &next)
        || lpp_eh_read_u(&cie, 4) != 0) {
        return 0;
    }
    version = (unsigned)lpp_eh_read_u(&cie, 1);
    letters = (const char *)cie.at;
    while (lpp_eh_read_u(&cie, 1) != 0) {
        /* to the end of the string */
    }
    if (cie.failed || (version != 1 && version != 3)) {
        return 0;
    }
    fde->code_align = lpp_eh_read_uleb(&cie);
    fde->data_align = lpp_eh_read_sleb(&cie);
    fde->return_register = version == 1 ? (unsigned)lpp_eh_read_u(&cie, 1)
                                        : (unsigned)lpp_eh_read_uleb(&cie);
    fde->pointer_encoding = 0;
    fde->signal_frame = 0;
    fde->has_augmentation = letters[0] == 'z';
    if (fde->has_augmentation) {
        read_augmentation(&cie, letters + 1, fde);
    }
    else if (letters[0] != '\0') {
        return 0;
    }
    fde->cie_code = cie;
    fde->cie_offset = offset;
    fde->cie_read = !cie.failed;
    return fde->cie_read;
}

/* Read the FDE in record. 0: it is a CIE, empty or unreadable. */
static int read_fde(const lpp_object_t *object, lpp_eh_reader_t *record,
                    lpp_eh_fde_t *fde)
{
    apr_size_t here = (apr_size_t)(record->at - object->eh_frame);
    apr_uint64_t back = lpp_eh_read_u(record, 4);

    if (record->failed || back == 0 || back > here) {
        return 0;
    }
    if ((!fde->cie_read || fde->cie_offset != here - back)
        && !read_cie(object, here - (apr_size_t)back, fde)) {
        return 0;
    }
    fde->start = lpp_eh_read_pointer(record, fde->pointer_encoding,
                                     object->eh_frame_hdr_address);
    fde->end =
        fde->start
        + lpp_eh_read_pointer(record, fde->pointer_encoding & PE_FORMAT, 0);
    if (fde->has_augmentation) {
        lpp_eh_read_block(record, lpp_eh_read_uleb(record));
    }
    fde->code = *record;
    return !record->failed && fde->end > fde->start;
}

int lpp_eh_next(const lpp_object_t *object, apr_size_t *offset,
                lpp_eh_fde_t *fde)
{
    lpp_eh_reader_t record;

    while (open_record(object, *offset, &record, offset)) {
        if (read_fde(object, &record, fde)) {
            return 1;
        }
    }
    return 0;
}

/* Find the search table: its offset in the header, and the number of its
 * pairs. */
static apr_size_t search_table(const lpp_object_t *object, apr_size_t *offset)
{
    const unsigned char *hdr = object->eh_frame_hdr;
    lpp_eh_reader_t reader;
    apr_uint64_t count;

    *offset = 0;
    if (hdr == NULL || object->eh_frame_len == 0 || hdr[2] == PE_OMIT
        || hdr[3] != PE_DATAREL_SDATA4) {
        return 0;
    }
    memset(&reader, 0, sizeof(reader));
    reader.at = hdr + 8;
    reader.end = hdr + object->eh_frame_hdr_len;
    count = lpp_eh_read_pointer(&reader, hdr[2] & PE_FORMAT, 0);
    *offset = (apr_size_t)(reader.at - hdr);
    if (reader.failed || count > (apr_uint64_t)(reader.end - reader.at) / 8) {
        return 0;
    }
    return (apr_size_t)count;
}

/* The address in number i of the pair at entry. */
static apr_uint64_t entry_address(const lpp_object_t *object, apr_size_t entry,
                                  unsigned i)
{
    apr_int32_t pair[2];

    memcpy(pair, object->eh_frame_hdr + entry, sizeof(pair));
    return object->eh_frame_hdr_address + (apr_uint64_t)(apr_int64_t)pair[i];
}

int lpp_eh_search(const lpp_object_t *object, apr_uint64_t address,
                  apr_size_t *entry)
{
    apr_size_t first, low = 0, high = search_table(object, &first);

    while (low < high) {
        apr_size_t middle = low + (high - low) / 2;

        if (entry_address(object, first + middle * 8, 0) <= address) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    *entry = first + (low - 1) * 8;
    return low > 0;
}

int lpp_eh_find(const lpp_object_t *object, apr_uint64_t address,
                lpp_eh_fde_t *fde)
{
    lpp_eh_reader_t record;
    apr_size_t entry, offset;
    apr_uint64_t place;

    if (!lpp_eh_search(object, address, &entry)) {
        return 0;
    }
    place = entry_address(object, entry, 1);
    if (place < object->eh_frame_address) {
        return 0;
    }
    memset(fde, 0, sizeof(*fde));
    offset = (apr_size_t)(place - object->eh_frame_address);
    return open_record(object, offset, &record, &offset)
           && read_fde(object, &record, fde) && address >= fde->start
           && address < fde->end;
}
