#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs those of the named Debian packages that are missing; on another
# system, says what is needed and fails when the build could not work at all.
# Usage: deps.sh "package ..." ["package ..."]
# Those of the second list would change an httpd that is installed as a service
# (mod_php makes Debian switch it to prefork): only where there is none. Tests
# of what is missing are skipped then.
set -eu

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    cat <<'END'
Not a Debian system. Needed, by whatever name they have here:
  to build   a C compiler, httpd 2.4 with apxs, APR and APR-util headers,
             libunwind headers (and the library at run time); if it is there,
             libiberty, for names of Rust
  to test    cmocka, python3 with pytest, curl, openssl, valgrind's
             callgrind_annotate, strace, mod_fcgid, php-cgi, nghttp2, npm
LPP_HTTPD and LPP_MODULES_DIR say where httpd and its modules are.
END
    command -v "${APXS:-apxs}" >/dev/null && exit 0
    echo "deps: no apxs in PATH" >&2
    exit 1
fi

is_installed() {
    # Node.js from elsewhere than Debian brings npm along, and bars Debian's.
    test "$1" = npm && command -v npm >/dev/null && return
    status=$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) || return 1
    test "$status" = installed
}

wanted=$1
is_installed apache2 || wanted="$wanted ${2:-}"
missing=
for package in $wanted; do
    is_installed "$package" || missing="$missing $package"
done
test -n "$missing" || exit 0

sudo=
if test "$(id -u)" != 0; then
    command -v sudo >/dev/null || {
        echo "deps: as root: apt-get install$missing" >&2
        exit 1
    }
    sudo=sudo
fi
echo "deps: installing$missing"
options="-y -q --no-install-recommends -o Acquire::Retries=3
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0"
$sudo apt-get -q -o Acquire::Retries=3 update </dev/null
# shellcheck disable=SC2086 # both are lists
$sudo env DEBIAN_FRONTEND=noninteractive apt-get $options install $missing \
    </dev/null
