/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_log_tags: the one list of log tags: each names one message for good.
 * Add at the end; never reuse a number. tests/guard compares it with the
 * sources. Each room takes its numbers from its own ten or twenty:
 * 010 sampler, signal, maps, unwind; 030 gate, process; 040 config;
 * 050 trigger;
 * 060 run; 080 store and oops; 100 filter and pages; 110 sql; 120 memory;
 * 130 names; 140 aggregate; 150 inline; 160 hooks; 170 deaths, status.
 */
#ifndef LPP_LOG_TAGS_H
#define LPP_LOG_TAGS_H

#define LPP_TAG_SAMPLER_RELEASE "LPP010"

#define LPP_TAG_PROCESS_MUTEX_TYPE "LPP030"
#define LPP_TAG_PROCESS_MUTEX_UNFIT "LPP031"
#define LPP_TAG_PROCESS_MUTEX_KEPT "LPP032"
#define LPP_TAG_PROCESS_NO_GATE "LPP033"
#define LPP_TAG_PROCESS_NO_MAPS "LPP034"
#define LPP_TAG_PROCESS_NO_CHILD "LPP035"

#define LPP_TAG_CONFIG_PATH "LPP040"
#define LPP_TAG_CONFIG_DIR "LPP041"
#define LPP_TAG_CONFIG_SERVED "LPP042"
#define LPP_TAG_CONFIG_USER_TOO_EARLY "LPP043"
#define LPP_TAG_CONFIG_EXPR_FAILED "LPP044"
#define LPP_TAG_KEEP_DIFFERS "LPP045"
#define LPP_TAG_URL_REFUSED "LPP050"
#define LPP_TAG_URL_MISMATCH "LPP051"

#define LPP_TAG_RUN_TIMED_OUT "LPP060"
#define LPP_TAG_RUN_FAILED "LPP061"
#define LPP_TAG_RUN_PROFILED "LPP062"
#define LPP_TAG_RUN_SKIPPED "LPP063"
#define LPP_TAG_RUN_NO_FILE "LPP064"
#define LPP_TAG_RUN_NO_OOPS "LPP065"
#define LPP_TAG_RUN_STOOD_DOWN "LPP066"
#define LPP_TAG_RUN_NO_SIGNAL "LPP067"
#define LPP_TAG_KEEP_REMOVED "LPP080"
#define LPP_TAG_KEEP_FAILED "LPP081"
#define LPP_TAG_KEEP_NO_CHILD "LPP082"
#define LPP_TAG_PAGES_WRITE "LPP100"
#define LPP_TAG_PAGES_DAMAGED "LPP101"
#define LPP_TAG_PAGES_NOT_KEPT "LPP102"
#define LPP_TAG_SQL_DRIVER "LPP110"
#define LPP_TAG_SQL_CONNECTION "LPP111"
#define LPP_TAG_MEMORY_OPEN "LPP120"
#define LPP_TAG_MEMORY_WRITE "LPP121"
#define LPP_TAG_AGGREGATE_OPEN "LPP140"
#define LPP_TAG_AGGREGATE_UNWRITTEN "LPP141"
#define LPP_TAG_AGGREGATE_RECORDED "LPP142"
#define LPP_TAG_AGGREGATE_DONE "LPP143"
#define LPP_TAG_AGGREGATE_FAILED "LPP144"
#define LPP_TAG_INLINE_THREAD "LPP150"
#define LPP_TAG_INLINE_LUA "LPP151"
#define LPP_TAG_HOOKS_LEFT_OUT "LPP160"
#define LPP_TAG_HOOKS_COUNTED "LPP161"
#define LPP_TAG_DEATHS_NO_OOPS "LPP170"
#define LPP_TAG_DEATHS_REPORTED "LPP171"
#define LPP_TAG_DEATHS_NO_WRITER "LPP172"
#define LPP_TAG_DEATHS_NO_FILE "LPP173"

#endif
