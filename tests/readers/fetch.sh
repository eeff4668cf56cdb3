#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: fetch.sh speedscope|linters DIRECTORY
# Fetches a program that Debian has no package of, for the tests alone:
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
speedscope | linters) "$1" "$2" ;;
*) exit 1 ;;
esac
