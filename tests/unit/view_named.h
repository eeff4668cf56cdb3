/* SPDX-License-Identifier: Apache-2.0 */
/* view_named: finds a function of a view, for tests that use cmocka.h. */
#ifndef VIEW_NAMED_H
#define VIEW_NAMED_H

#include <string.h>

#include "names/lpp_view.h"

static const lpp_function_t *named(const lpp_view_t *view, const char *name)
{
    apr_uint32_t i;

    for (i = 0; i < view->function_count; i++) {
        if (strcmp(view->functions[i].symbol.name, name) == 0) {
            return &view->functions[i];
        }
    }
    fail_msg("no function %s", name);
    return NULL;
}

#endif
