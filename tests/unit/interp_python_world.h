/* SPDX-License-Identifier: Apache-2.0 */
/* interp_python_world: libpython in this process, for the tests of
 * lpp_interp_python. */
#ifndef INTERP_PYTHON_WORLD_H
#define INTERP_PYTHON_WORLD_H

#include <apr_pools.h>

#include "interp/lpp_interp_python_internal.h"

#define SCRIPTS "tests/http/site/python"

extern apr_pool_t *pool;
extern lpp_interp_python_t python; /* as find has left it */
extern lpp_interp_found_t found;
extern lpp_interp_seen_t *seen;
extern lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];

/* Starts Python and finds it; 0 if that is done. The set-up of a group. */
int start_python(void **state);

/* Runs a script in Python, which must not fail; printf's format. */
void run(const char *format, ...);

/* Reads the calling thread's frames, with these registers. */
void walk(lpp_interp_python_t *interpreter, lpp_interp_walk_t *made,
          const apr_uint64_t *regs);

#endif
