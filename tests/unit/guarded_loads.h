/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guarded_loads: for tests whose readers follow wrong pointers. A test that
 * includes this runs under valgrind: the linker sends the guarded loads of the
 * core to wrappers here, which tell valgrind that such a load may read any
 * memory, and that what it has read may be used. All else is still checked.
 */
#ifndef GUARDED_LOADS_H
#define GUARDED_LOADS_H

#include "rescue_loads.h"

#endif
