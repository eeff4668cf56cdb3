#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs test programs, JOBS at a time (1 without it): each argument is a command.
# What a program says is printed whole when it ends, its result after it; at the
# end the commands that failed. Exits with 1 where one did.
#
#   JOBS=2 tests/run_programs.sh "build/test_a" "build/fuzz_b tests/corpus/b/*"
test $# -gt 0 || { echo "run_programs.sh: no programs" >&2; exit 1; }
LPP_RUN=$(mktemp -d) || exit 1
trap 'rm -rf "$LPP_RUN"' EXIT
trap 'exit 1' HUP INT TERM
# Memory that was freed is kept: where a program allocates and frees much, most
# of its time would go into asking the system for it again.
export LPP_RUN MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=33554432
printf '%s\0' "$@" | xargs -0 -n 1 -P "${JOBS:-1}" sh -c '
	began=$(date +%s)
	sh -c "$1" >"$LPP_RUN/$$" 2>&1 </dev/null
	code=$?
	exec 9>>"$LPP_RUN/lock"
	flock 9
	echo "== $1"
	cat "$LPP_RUN/$$"
	echo "== exit $code after $(($(date +%s) - began)) s"
	test $code -eq 0 || echo "failed: $1" >>"$LPP_RUN/failed"' sh \
	|| echo "failed: run_programs.sh itself" >>"$LPP_RUN/failed"
! cat "$LPP_RUN/failed" 2>/dev/null
