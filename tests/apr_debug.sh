#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds libapr-1 with pool debugging into directory $1: every allocation is its
# own, and freed when its pool is cleared, so that a sanitizer sees who uses it
# afterwards. Debian's libapr-1 is not built like that; this is the source of
# the installed one, from apt-get source (deb-src must be on), or the tree
# APR_SOURCE. Only the pools: a stock httpd fails APR's stricter checks itself,
# those of tables in each DirectoryIndex, those of lifetimes at its start.
set -eu

out=$1
source=${APR_SOURCE:-}
mkdir -p "$out"
if test -z "$source"; then
    version=$(dpkg-query -W -f '${source:Version}' libapr1)
    source=$out/source
    rm -rf "$source"
    (cd "$out" && apt-get -q source --download-only "apr=$version" \
        && dpkg-source -x apr_*.dsc source) >"$out/source.log" 2>&1 || {
        cat "$out/source.log" >&2
        echo "apr_debug: no source of apr $version: turn deb-src on," \
            "or name a tree: APR_SOURCE=" >&2
        exit 1
    }
fi
source=$(cd "$source" && pwd)
cd "$out"
# As debian/rules has it: what is laid out otherwise would not fit httpd.
"$source/configure" --enable-layout=Debian --enable-nonportable-atomics \
    --enable-allocator-uses-mmap ac_cv_prog_AWK=mawk >configure.log 2>&1
make -s libapr-1.la >make.log 2>&1
rm -f memory/unix/apr_pools.lo libapr-1.la
make -s CPPFLAGS=-DAPR_POOL_DEBUG=1 libapr-1.la >>make.log 2>&1
# Debian's has no symbols either but those it exports.
strip "$(readlink -f .libs/libapr-1.so.0)"
