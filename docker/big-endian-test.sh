#!/bin/sh
# SPDX-License-Identifier: MIT
#
# big-endian-test.sh: builds the unit tests for s390x, whose numbers have
# their high byte first, in a Debian 12, and runs them under qemu: the base,
# wire, store, DHT, tunnel and node floors. Whole networks in the simulator
# would take hours. Takes half an hour on two cores, so that it is no part of
# `./dev test`. Leaves no container; packages that were fetched are kept in a
# volume for the next time. Status 77: no engine.

set -eu
cd "$(dirname "$0")/.."

# shellcheck disable=SC1091 # checked by itself
. docker/common.sh
need_engine

# What runs in the container, with the checkout as standard input.
#
# The libraries are unpacked beside the system, not installed: with libc6 of
# two architectures, one that is a version behind on a mirror ends it all. Of
# s390x only the release itself is asked for: its updates stay amd64's.
#
# Left out is what the emulator, not the byte order, makes fail: qemu hands the
# length of the kernel's trains (UDP_SEGMENT) and the address to send from
# (IP_PKTINFO) over with their bytes as they are, which test_udp,
# test_udp_kernel, test_exit_train and test_health need, and 4 bytes of what
# test_exit_host asks for (SO_MEMINFO); test_store_kill kills processes after
# milliseconds, before they have begun. So is libwarren, whose tests are
# networks. /tmp is in memory, as some engines count the links of a file wrong.
# shellcheck disable=SC2016 # it is that shell's to expand
in_container='
set -eu
mkdir /home/warren
cd /home/warren
tar -x --no-same-owner
exec </dev/null

echo "== packages"
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
    gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user pkg-config cmake \
    ninja-build
mkdir /home/debs
cd /home/debs
apt-get indextargets --format \
    "deb [arch=s390x] \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" |
    grep " bookworm " | sort -u >s390x.list
sed "s/ bookworm / bookworm-backports /" s390x.list >backports.list
cat backports.list >>s390x.list
s390x_get() {
    apt-get -q -o APT::Architecture=s390x -o APT::Architectures=s390x \
        -o Dir::Etc::SourceList=/home/debs/s390x.list \
        -o Dir::Etc::SourceParts=- "$@"
}
s390x_get update
s390x_get download libsodium23 libsodium-dev libevent-core-2.1-7 \
    libc-ares2 libc-ares-dev libevent-dev libmsgpackc2 libmsgpack-dev \
    libsqlite3-0 libsqlite3-dev libmd0 libmd-dev libcmocka0 libcmocka-dev \
    libngtcp2-16/bookworm-backports libngtcp2-dev/bookworm-backports
for package in *.deb; do
    dpkg -x "$package" /sysroot
done

echo "== build"
cd /home/warren
libraries=/sysroot/usr/lib/s390x-linux-gnu
export PKG_CONFIG_SYSROOT_DIR=/sysroot
export PKG_CONFIG_LIBDIR=$libraries/pkgconfig:/sysroot/usr/share/pkgconfig
cmake -G Ninja -B build/s390x -DCMAKE_TOOLCHAIN_FILE=docker/s390x.cmake \
    -DWARREN_BENCH=OFF -DWARREN_LIBRARY=OFF -DWARREN_TEST_TIMEOUT=1800
nice -n 10 cmake --build build/s390x -j2

echo "== tests"
networks="test_sim_(dht|tunnel)|test_dht_(join|network)|process_"
emulator="test_(exit_(host|train)|health|resolver|store_kill|udp|udp_kernel)\$"
nice -n 10 ctest --test-dir build/s390x -j2 --no-tests=error \
    --output-on-failure -E "^($networks|lint_|python_|$emulator)"
'

docker/base-image.sh bookworm
checkout | docker run --rm -i --init \
    --tmpfs /sysroot:exec --tmpfs /home:exec --tmpfs /tmp \
    -v warren-apt-cache:/var/cache/apt/archives debian:bookworm-slim \
    sh -c "$in_container"
echo "== ok"
