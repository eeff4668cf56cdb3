/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_exported: see lpp_exported.h. */
#include "objects/lpp_exported.h"

#include <dlfcn.h>
#include <link.h>

int lpp_exported(const char *name, apr_uint64_t *address, apr_uint64_t *size)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    ElfW(Sym) *symbol = NULL;
    Dl_info info;

    *address = (apr_uint64_t)(apr_uintptr_t)found;
    *size = 0;
    if (found != NULL
        && dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0
        && symbol != NULL) {
        *size = symbol->st_size;
    }
    return found != NULL;
}
