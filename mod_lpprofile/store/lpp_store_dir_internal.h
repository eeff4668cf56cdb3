/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_store_dir: what the files that write and that read a store share.
 */
#ifndef LPP_STORE_DIR_INTERNAL_H
#define LPP_STORE_DIR_INTERNAL_H

#include <dirent.h>

#include "store/lpp_store.h"

/* Names of files that are not whole: no reader takes them for its own. */
#define LPP_STORE_TEMP_PREFIX ".lpp-"
#define LPP_STORE_TEMP_SUFFIX ".tmp"

struct lpp_store_t {
    int fd;           /* of the directory */
};

/*
 * A descriptor, which the caller closes, of the store's directory or of a part
 * of it; make: a missing part is made. APR_EINVAL: no name of a part.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_open_part(lpp_store_t *store,
                                                const char *subdirectory,
                                                int make, int *fd);

/*
 * A stream over the same, with a position of its own; the caller closes it.
 * Errors: as above, APR_ENOMEM. Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_read_dir(lpp_store_t *store,
                                               const char *subdirectory,
                                               DIR **dir);

/*
 * What the disk says of the file name in dir; 0: no regular file is there.
 * Signal-safe: yes. Thread: any.
 */
int lpp_store_stat(DIR *dir, const char *name, apr_off_t *bytes,
                   apr_time_t *mtime);

#endif
