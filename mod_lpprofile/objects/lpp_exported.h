/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_exported: functions and variables that the loaded objects export. */
#ifndef LPP_EXPORTED_H
#define LPP_EXPORTED_H

#include "base/lpp_base.h"

/*
 * The address in this process and the size in bytes of an exported function or
 * variable, in any object; of a variable of which each thread has its own, the
 * calling thread's. Returns 0 if there is none: address and size are 0. A size
 * may be 0, too, if it is not known. Slow: it searches the object's symbols.
 * Signal-safe: no. Thread: any.
 */
int lpp_exported(const char *name, apr_uint64_t *address, apr_uint64_t *size);

#endif
