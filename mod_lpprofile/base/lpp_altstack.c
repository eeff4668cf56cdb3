/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_altstack: see lpp_altstack.h. */
#include "base/lpp_altstack.h"

#include <sys/auxv.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

/* What a handler of this module needs besides the frame that the kernel
 * pushes. */
#define HANDLER_BYTES 4096
/* Size of that frame where the kernel does not report it: with AVX-512. */
#define FRAME_BYTES 4096

apr_size_t lpp_altstack_bytes(unsigned signals)
{
    unsigned long frame = getauxval(AT_MINSIGSTKSZ);

    return signals * (frame > 0 ? frame : FRAME_BYTES) + HANDLER_BYTES;
}
