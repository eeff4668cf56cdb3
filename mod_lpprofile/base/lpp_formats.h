/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_formats: the one list of profile formats. The trigger's actions, the
 * store's names, the writers, the page's guidance and the guards derive from
 * it; a format that is not here does not exist.
 */
#ifndef LPP_FORMATS_H
#define LPP_FORMATS_H

/*
 * X(SYMBOL, action, file name before the stem, after the stem,
 *   content type, command that opens it)
 */
#define LPP_FORMATS(X)                                                        \
    X(CALLGRIND, "callgrind", "callgrind.out.", "",                           \
      "application/x-callgrind", "kcachegrind")                               \
    X(PSTATS, "pstats", "", ".prof", "application/octet-stream",              \
      "python3 -m pstats")                                                    \
    X(PPROF, "pprof", "", ".pb.gz", "application/octet-stream",               \
      "go tool pprof -http=:")                                                \
    X(COLLAPSED, "collapsed", "", ".collapsed.txt", "text/plain",             \
      "flamegraph.pl --countname=us")

typedef enum {
#define LPP_X(symbol, ...) LPP_FORMAT_##symbol,
    LPP_FORMATS(LPP_X)
#undef LPP_X
    LPP_FORMAT_COUNT,
    /* No format of a URL: what every profile leaves behind for the report
     * pages, which make any of the others from it (lpp_saved). */
    LPP_FORMAT_SAVED = LPP_FORMAT_COUNT
} lpp_format_e;

/* A set of formats is a sum of these. */
#define LPP_FORMAT_BIT(format) (1u << (format))

#define LPP_SAVED_SUFFIX ".lpprofile"

#endif
