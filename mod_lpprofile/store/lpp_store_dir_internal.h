/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_store_dir: definitions shared by the files that write and read a store.
 */
#ifndef LPP_STORE_DIR_INTERNAL_H
#define LPP_STORE_DIR_INTERNAL_H

#include <dirent.h>

#include "store/lpp_store.h"

/* Names of files that are not complete yet: every reader ignores them. */
#define LPP_STORE_TEMP_PREFIX ".lpp-"
#define LPP_STORE_TEMP_SUFFIX ".tmp"

struct lpp_store_t {
    int fd;           /* of the directory */
};

/*
 * Open the store's directory (subdirectory NULL) or a part of it; the caller
 * closes *fd. make: create a missing part. Errors: APR_EINVAL where
 * subdirectory is not a name of this module, else that of the system.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_open_part(lpp_store_t *store,
                                                const char *subdirectory,
                                                int make, int *fd);

/*
 * Open the same directory for reading its names; the caller closes *dir. Errors
 * as above.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_read_dir(lpp_store_t *store,
                                               const char *subdirectory,
                                               DIR **dir);

/*
 * Get the size and time of the regular file name in dir. Returns 0 if there is
 * none; both are then unchanged.
 * Signal-safe: yes. Thread: any.
 */
int lpp_store_stat(DIR *dir, const char *name, apr_off_t *bytes,
                   apr_time_t *mtime);

#endif
