/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_writers: the registry of formats, derived from lpp_formats.h.
 */
#include "formats/lpp_writer.h"

#define WRITE_CALLGRIND lpp_write_callgrind
#define WRITE_PSTATS lpp_write_pstats
#define WRITE_PPROF lpp_write_pprof
#define WRITE_COLLAPSED lpp_write_collapsed

static const lpp_writer_t writers[] = {
#define LPP_X(symbol, action, prefix, suffix, content_type, command)          \
    { LPP_FORMAT_##symbol, action, prefix, suffix, content_type, command,     \
      WRITE_##symbol },
    LPP_FORMATS(LPP_X)
#undef LPP_X
};

const lpp_writer_t *lpp_writer_get(lpp_format_e format)
{
    return (unsigned)format < LPP_FORMAT_COUNT ? &writers[format] : NULL;
}
