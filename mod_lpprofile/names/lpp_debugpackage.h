/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_debugpackage: the Debian package that has the debug symbols of an object.
 *
 * Searches dpkg's lists of installed files for the object, and returns the name
 * of the package with its debug symbols in Debian's archives. Reads only these
 * lists; uses neither apt nor the network. On other systems it finds nothing.
 */
#ifndef LPP_DEBUGPACKAGE_H
#define LPP_DEBUGPACKAGE_H

#include "base/lpp_base.h"

#define LPP_DEBUGPACKAGE_LISTS "/var/lib/dpkg/info"

/*
 * For each of count objects, given by absolute path as the kernel shows it, set
 * packages[i] to the name of the package with its debug symbols, in pool; NULL:
 * no package has the object, or no memory. lists is the directory of dpkg's
 * file lists. Reads some megabytes, which takes 10 to 50 ms.
 * Signal-safe: no. Thread: any that no profiled request waits for.
 */
void lpp_debugpackage_find(const char *lists, const char *const *paths,
                           apr_uint32_t count, const char **packages,
                           apr_pool_t *pool);

#endif
