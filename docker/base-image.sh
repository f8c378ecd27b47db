#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes the image debian:bookworm-slim on this machine, for engines that have
# no registry to pull it from. Does nothing when the image is there already.
# Packages come from wherever this machine's apt gets them, and the image is
# given the same sources, proxies and other acquire settings, so that builds
# on top of it can install packages too. Needs root, debootstrap and docker.

set -eu

suite=bookworm
image=debian:$suite-slim

if docker image inspect "$image" >/dev/null 2>&1; then
    exit 0
fi

fail() {
    echo "base-image: $*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "debootstrap needs root: run this with sudo"
command -v debootstrap >/dev/null || fail "debootstrap is not installed"

# shellcheck disable=SC2016 # the $(NAMES) are apt's
sources=$(apt-get indextargets --format \
    'deb $(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN) $(CREATED_BY)' |
    sed -n "s/^\(deb [^ ]* ${suite}[^ ]* [^ ]*\) Debian Packages\$/\1/p" |
    sort -u)
mirror=$(echo "$sources" | awk -v s="$suite" '$3 == s { print $2; exit }')
[ -n "$mirror" ] || fail "apt has no source for Debian $suite here:" \
    "add one and run apt-get update"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' INT TERM

echo "base-image: making $image (a minute or two, once)"
debootstrap --variant=minbase "$suite" "$root" "$mirror" \
    >"$root/bootstrap.log" 2>&1 || {
    tail -n 20 "$root/bootstrap.log" >&2
    fail "debootstrap failed"
}

echo "$sources" >"$root/etc/apt/sources.list"
apt-config dump | grep '^Acquire::' |
    grep -v '^Acquire::\(IndexTargets\|cdrom\)' \
        >"$root/etc/apt/apt.conf.d/90from-host"

# What no container reads: this makes the image slim.
rm -rf "$root"/bootstrap.log "$root"/var/log/* "$root"/var/lib/apt/lists/* \
    "$root"/var/cache/apt/* "$root"/usr/share/doc/* "$root"/usr/share/man/* \
    "$root"/usr/share/info/* "$root"/usr/share/locale/*

tar -C "$root" -c . | docker import --change 'CMD ["bash"]' - "$image" \
    >/dev/null
echo "base-image: $image is ready"
