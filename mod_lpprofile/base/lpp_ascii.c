/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_ascii: see lpp_ascii.h. */
#include <string.h>

#include "base/lpp_ascii.h"

char *lpp_trim(char *text)
{
    size_t len;

    while (lpp_is_space(*text)) {
        text++;
    }
    len = strlen(text);
    while (len && lpp_is_space(text[len - 1])) {
        text[--len] = '\0';
    }
    return text;
}
