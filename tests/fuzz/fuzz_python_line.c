/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the location table of a Python function, which is read from the
 * memory of a running interpreter. The input is the number of a code unit, in
 * two bytes, then the table.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "interp/lpp_interp_languages_internal.h"

#define FIRST_LINE 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *table; /* of exactly its length, for sanitizers */
    apr_uint32_t line, unit;

    if (size <= 2) {
        return 0;
    }
    unit = data[0] | (apr_uint32_t)data[1] << 8;
    table = malloc(size - 2);
    memcpy(table, data + 2, size - 2);
    line = lpp_interp_python_line(table, size - 2, FIRST_LINE, unit);
    if (line == 0 || line > LPP_PAGE_LINE_MAX) {
        abort();
    }
    free(table);
    return 0;
}
