#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a command in a Debian of another suite, in a copy of this checkout.
# Usage: in_debian.sh SUITE ROOT COMMAND ...
# ROOT is made once, by debootstrap, and kept. It gets packages as this machine
# does: mirror, proxy, keys, and the certificates that npm must know. The copy
# has what git knows of and what is new, at the same path below ROOT, and keeps
# its build folder from run to run. Runs of several checkouts may share a ROOT.
#
# All is done in namespaces of its own: mounts, processes and shared memory go
# when this script does, however it ends, and no process stays behind.
set -eu

fail() {
    echo "in-debian: $*" >&2
    exit 1
}

inside=
if test "$1" = --inside; then
    inside=1
    shift
fi
test $# -ge 3 || fail "usage: in_debian.sh SUITE ROOT COMMAND ..."
suite=$1
root=$2
shift 2

if test -z "$inside"; then
    test "$(id -u)" = 0 || fail "only root can chroot: run it with sudo"
    command -v debootstrap >/dev/null || test -e "$root/etc/debian_version" \
        || fail "debootstrap is missing: apt-get install debootstrap"
    mkdir -p "$(dirname "$root")"
    root=$(cd "$(dirname "$root")" && pwd)/$(basename "$root")
    # A shell that waits for a child in the foreground would not hear a signal;
    # one that is killed runs no trap.
    setpriv --pdeathsig KILL unshare --mount --propagation private --ipc \
        --pid --fork --kill-child "$0" --inside "$suite" "$root" "$@" &
    child=$!
    trap 'kill -KILL $child' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    wait "$child" && status=0 || status=$?
    trap - EXIT
    exit "$status"
fi

# The repositories of this machine, "URI release" a line, those of Debian.
repositories() {
    ID='' VERSION_CODENAME=''
    # shellcheck source=/dev/null
    . /etc/os-release
    test "$ID" = debian || return 0
    apt-get indextargets --no-release-info \
        --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 2>/dev/null \
        | awk -v "own=$VERSION_CODENAME" \
            '$3 == "main" && index($2, own) == 1 && !seen[$1, $2]++ {
                print $1, substr($2, length(own) + 1) }' || :
}

make_root() {
    known=$(repositories)
    mirror=$(echo "$known" | awk 'NF == 1 { print $1; exit }')
    mirror=${mirror:-http://deb.debian.org/debian/}
    proxy=$(apt-config dump --no-empty --format '%v' Acquire::http::Proxy)
    export http_proxy="${http_proxy:-$proxy}"
    test -n "$http_proxy" || unset http_proxy
    rm -rf --one-file-system "$root.new"
    # One that a loss of power spoils is made anew: dpkg need not wait for the
    # disk.
    mkdir -p "$root.new/etc/dpkg/dpkg.cfg.d"
    echo force-unsafe-io >"$root.new/etc/dpkg/dpkg.cfg.d/in-debian"
    debootstrap --variant=minbase --include=make,ca-certificates \
        "$suite" "$root.new" "$mirror"
    {
        echo "deb $mirror $suite main"
        case $suite in
        sid | unstable | experimental) ;;
        *) echo "$known" | awk -v "suite=$suite" \
            'NF == 2 { print "deb", $1, suite $2, "main" }' ;;
        esac
    } >"$root.new/etc/apt/sources.list"
    printf '#!/bin/sh\nexit 101\n' >"$root.new/usr/sbin/policy-rc.d"
    chmod 755 "$root.new/usr/sbin/policy-rc.d"
    echo 'APT::Keep-Downloaded-Packages "false";' \
        >"$root.new/etc/apt/apt.conf.d/90in-debian"
    mv "$root.new" "$root"
}

# Bring file $1 of ROOT, of mode $2, up to what stdin has; others may be
# reading it.
put() {
    rm -f "$root$1.new"
    (umask 077 && cat >"$root$1.new")
    chmod "$2" "$root$1.new"
    if cmp -s "$root$1.new" "$root$1"; then
        rm "$root$1.new"
    else
        mv "$root$1.new" "$root$1"
    fi
}

# What may change from run to run.
follow_host() {
    put /etc/resolv.conf 644 </etc/resolv.conf
    put /etc/hosts 644 </etc/hosts
    apt-config dump --no-empty --format '%F "%v";%n' Acquire \
        | grep -v '^Acquire::IndexTargets' \
        | put /etc/apt/apt.conf.d/91host 644
    for from in auth.conf.d trusted.gpg.d keyrings; do
        test ! -d "/etc/apt/$from" \
            || cp -au "/etc/apt/$from/." "$root/etc/apt/$from"
    done
    for file in /etc/apt/auth.conf /root/.npmrc; do
        test ! -f "$file" || put "$file" 600 <"$file"
    done
    certificates=/usr/local/share/ca-certificates
    if test -d $certificates \
        && ! diff -rq $certificates "$root$certificates" >/dev/null; then
        cp -a $certificates/. "$root$certificates"
        chroot "$root" update-ca-certificates >/dev/null
    fi
}

mount_all() {
    # Tests make namespaces, too, which a root that is no mount forbids.
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for node in null zero full random urandom tty; do
        : >"$root/dev/$node"
        mount --bind "/dev/$node" "$root/dev/$node"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts \
        "$root/dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    for number in 0:stdin 1:stdout 2:stderr; do
        ln -s "/proc/self/fd/${number%:*}" "$root/dev/${number#*:}"
    done
}

copy_checkout() {
    mkdir -p "$root$here"
    find "$root$here" -mindepth 1 -maxdepth 1 ! -name build \
        -exec rm -rf {} +
    if test -e "$here/.git" && command -v git >/dev/null; then
        git -c safe.directory='*' -C "$here" ls-files -z \
            --cached --others --exclude-standard
    else
        (cd "$here" && find . -path ./build -prune -o -type f -print0)
    fi | (cd "$here" && xargs -0 sh -c \
        'for f; do test ! -e "$f" || printf "%s\0" "$f"; done' sh) \
        | tar -C "$here" --null -T - -c --owner=0 --group=0 \
        | tar -C "$root$here" -x
}

here=$(cd "$(dirname "$0")/.." && pwd)
exec 8>"$root.$(echo "$here" | cksum | tr ' ' -).lock" 9>"$root.lock"
flock -n 8 || {
    echo "in-debian: waiting for another run of this checkout" >&2
    flock 8
}
flock 9
test -e "$root/etc/debian_version" || make_root
mount_all
follow_host
copy_checkout
exec 9>&-
chroot "$root" env --default-signal=INT,QUIT -i HOME=/root LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    TERM="${TERM:-dumb}" ${http_proxy:+"http_proxy=$http_proxy"} \
    ${https_proxy:+"https_proxy=$https_proxy"} \
    ${no_proxy:+"no_proxy=$no_proxy"} \
    sh -c 'cd "$1" && shift && exec "$@"' sh "$here" "$@" 8>&-
