/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_interp_names_internal: a frame that the handler stored, as lpp_pc_t. */
#ifndef LPP_INTERP_NAMES_INTERNAL_H
#define LPP_INTERP_NAMES_INTERNAL_H

#include "interp/lpp_interp_internal.h"

/*
 * The page function and line of a frame of a published sample. Of a function
 * that has not been asked for in this profile, makes the name to show, which
 * may read a source file.
 * Signal-safe: no. Thread: the helper.
 */
lpp_pc_t lpp_interp_pc(lpp_interp_t *interp, lpp_page_frame_t frame);

#endif
