/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_formats: the list of profile formats, from which the trigger's actions,
 * the names of files, the writers and the page's guidance are derived.
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
    /* Cannot be asked for in a URL: written for every profile, and read by the
     * report pages, which make the other formats from it (lpp_saved). */
    LPP_FORMAT_SAVED = LPP_FORMAT_COUNT
} lpp_format_e;

/* A set of formats is a sum of these. */
#define LPP_FORMAT_BIT(format) (1u << (format))

#define LPP_SAVED_SUFFIX ".lpprofile"

#endif
