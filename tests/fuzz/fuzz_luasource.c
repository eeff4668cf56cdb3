/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_luasource: reads the functions of any text. Lines do not go back, names
 * end inside their room.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parse/lpp_luasource.h"

#define FUNCTIONS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lpp_lua_definition_t *definitions =
        calloc(FUNCTIONS, sizeof(*definitions)); /* fences, for sanitizers */
    char *text = malloc(size);
    unsigned count, i;

    if (size > 0) {
        memcpy(text, data, size);
    }
    count = lpp_luasource_read(text, size, definitions, FUNCTIONS);
    if (count > FUNCTIONS) {
        abort();
    }
    for (i = 0; i < count; i++) {
        if (memchr(definitions[i].name, '\0', LPP_LUA_NAME_BYTES) == NULL
            || definitions[i].line > size + 1
            || (i > 0 && definitions[i].line < definitions[i - 1].line)) {
            abort();
        }
    }
    free(text);
    free(definitions);
    return 0;
}
