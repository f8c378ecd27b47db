#!/bin/sh
# SPDX-License-Identifier: MIT
#
# base-image.sh [SUITE]: makes the image debian:SUITE-slim on this machine, for
# engines that have no registry to pull it from. SUITE is trixie (the default,
# Debian 13) or bookworm (Debian 12). Does nothing when the image is there.
# Packages come from wherever this machine's apt gets them: of a release that
# is not this machine's own, from the same mirrors under the other name. The
# image is given these sources, proxies and other acquire settings, so that
# builds on top of it can install packages too. Needs root, debootstrap and
# docker.

set -eu

suite=${1:-trixie}
image=debian:$suite-slim

if docker image inspect "$image" >/dev/null 2>&1; then
    exit 0
fi

fail() {
    echo "base-image: $*" >&2
    exit 1
}

# The sources of release $1 that apt has here, as lines of sources.list.
sources_of() {
    # shellcheck disable=SC2016 # the $(NAMES) are apt's
    apt-get indextargets --format \
        'deb $(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN) $(CREATED_BY)' |
        sed -n "s/^\(deb [^ ]* ${1}[^ ]* [^ ]*\) Debian Packages\$/\1/p" |
        sort -u
}

[ "$(id -u)" -eq 0 ] || fail "debootstrap needs root: run this with sudo"
command -v debootstrap >/dev/null || fail "debootstrap is not installed"

sources=$(sources_of "$suite")
if [ -z "$sources" ]; then
    here=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    sources=$(sources_of "$here" |
        awk -v s="$suite" -v h="$here" '{ sub("^" h, s, $3); print }')
fi
mirror=$(echo "$sources" | awk -v s="$suite" '$3 == s { print $2; exit }')
[ -n "$mirror" ] || fail "apt has no source for Debian here:" \
    "add one and run apt-get update"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' INT TERM

echo "base-image: making $image (a minute or two, once)"
debootstrap --variant=minbase "$suite" "$root" "$mirror" \
    >"$root/bootstrap.log" 2>&1 || {
    tail -n 20 "$root/bootstrap.log" >&2
    fail "debootstrap failed; if it was the signature, this machine's" \
        "debian-archive-keyring may be older than $suite"
}

echo "$sources" >"$root/etc/apt/sources.list"
apt-config dump | grep '^Acquire::' |
    grep -v '^Acquire::\(IndexTargets\|cdrom\)' \
        >"$root/etc/apt/apt.conf.d/90from-host"

# What no container reads, in the image or in packages that are installed
# later: this makes it slim. Nor does a container need files to be on the disk
# before the next one is unpacked.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/slim"
for folder in doc info locale man; do
    echo "path-exclude /usr/share/$folder/*" >>"$root/etc/dpkg/dpkg.cfg.d/slim"
    rm -rf "${root:?}/usr/share/$folder"/*
done
rm -rf "$root"/bootstrap.log "$root"/var/log/* "$root"/var/lib/apt/lists/* \
    "$root"/var/cache/apt/*

tar -C "$root" -c . | docker import --change 'CMD ["bash"]' - "$image" \
    >/dev/null
echo "base-image: $image is ready"
