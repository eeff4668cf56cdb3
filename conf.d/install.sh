#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts lpprofile.load and lpprofile.conf where Debian's a2enmod finds them, and
# lpprofile-dev.conf beside them. A file that was edited stays.
# Usage: DESTDIR=... install.sh LIBEXECDIR SYSCONFDIR
set -eu
here=$(dirname "$0")
available=${DESTDIR:-}$2/mods-available
mkdir -p "$available"

sed "s|/usr/lib/apache2/modules|$1|" "$here/lpprofile.load" \
    >"$available/lpprofile.load"
chmod 644 "$available/lpprofile.load"

for name in lpprofile.conf lpprofile-dev.conf; do
    target=$available/$name
    if test -f "$target" && ! cmp -s "$here/$name" "$target"; then
        target=$target.new
        echo "$available/$name was edited: it stays, see $target"
    fi
    install -m 644 "$here/$name" "$target"
done
echo "Installed. Now: a2enmod lpprofile, set it up in" \
    "$2/mods-available/lpprofile.conf, and reload httpd."
