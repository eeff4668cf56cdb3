#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: fetch.sh pprof|speedscope|linters DIRECTORY
# Fetches a program that Debian has no small package of, for the tests alone:
#   pprof       google's, one file out of the package that Debian's golang-go
#               stands for, of which nothing is installed: DIRECTORY/pprof
#   speedscope  its npm package, of the version and checksum below:
#               DIRECTORY/speedscope/
#   linters     eslint and stylelint, with npm: DIRECTORY/linters/
# What is there already stays. Exit code 2: it cannot be had here, the last line
# says why; 1: what came is not what was asked for.
set -u
version=1.25.0
sha512=cpf9HWTZf1ijLXBJrk87Ve/54tnYx6rlf0gUThvn3ook6h63hLXVOQiMf44PT+XoV503cPfvfiT5gP5vojp6Ag==

gone() {
    echo "$*"
    exit 2
}

golang_package() {
    apt-cache depends golang-go 2>/dev/null \
        | sed -n 's/.*Depends: \(golang-[0-9.]*-go\)$/\1/p'
}

pprof() {
    test -x "$1/pprof" && return
    command -v apt-get >/dev/null || gone "pprof: no apt-get to fetch it with"
    # A new machine has no lists of packages before its first update.
    golang=$(golang_package)
    if test -z "$golang" && test "$(id -u)" = 0; then
        apt-get -q update >"$scratch/log" 2>&1 </dev/null
        golang=$(golang_package)
    fi
    test -n "$golang" || gone "pprof: apt knows no golang-go"
    (cd "$scratch" && apt-get -q download "$golang") \
        >"$scratch/log" 2>&1 </dev/null || gone "pprof: apt has no $golang"
    dpkg-deb --fsys-tarfile "$scratch/$golang"_*.deb \
        | tar x -C "$scratch" --wildcards --transform 's,.*/,,' \
            './usr/lib/go-*/pkg/tool/*/pprof' || exit 1
    test -x "$scratch/pprof" || exit 1
    mv "$scratch/pprof" "$1/pprof"
}

speedscope() {
    test -e "$1/speedscope/dist/release/index.html" && return
    command -v npm >/dev/null || gone "speedscope: no npm to fetch it with"
    (cd "$scratch" && npm pack "speedscope@$version") \
        >"$scratch/log" 2>&1 </dev/null \
        || gone "speedscope: npm does not get it"
    got=$(openssl dgst -sha512 -binary "$scratch/speedscope-$version.tgz" \
        | openssl base64 -A)
    test "$got" = "$sha512" || {
        echo "speedscope: its checksum is $got"
        exit 1
    }
    tar xzf "$scratch/speedscope-$version.tgz" -C "$scratch" || exit 1
    rm -rf "$1/speedscope"
    mv "$scratch/package" "$1/speedscope"
}

linters() {
    test -e "$1/linters/node_modules" && return
    command -v npm >/dev/null || gone "linters: no npm to fetch them with"
    # No script of a package runs.
    npm install --prefix "$scratch/linters" --ignore-scripts --no-audit \
        --no-fund eslint@9.9.1 stylelint@16.8.0 \
        stylelint-config-recommended@14.0.1 >"$scratch/log" 2>&1 </dev/null \
        || gone "linters: npm does not get them"
    rm -rf "$1/linters"
    mv "$scratch/linters" "$1/linters"
}

mkdir -p "$2" || exit 1
scratch=$(mktemp -d "$2/fetch.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
case $1 in
pprof | speedscope | linters) "$1" "$2" ;;
*) exit 1 ;;
esac
