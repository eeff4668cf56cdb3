/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_altstack: how large an alternate signal stack must be. */
#ifndef LPP_ALTSTACK_H
#define LPP_ALTSTACK_H

#include "base/lpp_base.h"

/*
 * Bytes for the handlers of this module and the frames that the kernel pushes
 * for that many signals, one on top of the other.
 * Signal-safe: yes. Thread: any.
 */
apr_size_t lpp_altstack_bytes(unsigned signals);

#endif
