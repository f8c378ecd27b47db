#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fresh-test.sh [SUITE...]: builds warren and runs the demo in a system that was
# just installed, of each Debian release that is supported: nothing is there but
# what `./dev` installs. First as root; then as somebody who may install
# nothing, with a package missing that cmake can do without, and with one that
# it cannot. Leaves no container; packages that were fetched are kept in a
# volume for the next time. Status 77: no engine.

set -eu
cd "$(dirname "$0")/.."

suites=${*:-bookworm trixie}
cache=warren-apt-cache

# shellcheck disable=SC1091 # checked by itself
. docker/common.sh
need_engine

# What runs in the container, with the checkout as standard input.
# shellcheck disable=SC2016 # it is that shell's to expand
in_container='
set -eu
mkdir /home/warren
cd /home/warren
tar -x --no-same-owner
exec </dev/null
apt-get -q update

echo "== as root"
./dev build
for part in tests bench; do
    [ ! -e build/release/$part ] || { echo "$part was compiled"; exit 1; }
done
./dev demo

echo "== as a user, without a package that nothing needs"
useradd --home-dir /home/warren user
chown -R user: .
rm build/release/CMakeCache.txt
dpkg --remove pkg-config
su user -c "./dev build && ./dev demo"

echo "== as a user, without what the demo needs"
dpkg --remove python3-msgpack
! su user -c "./dev demo" >out 2>&1 || { echo "it was not missed"; exit 1; }
cat out
grep -q "apt-get install.* python3-msgpack" out

echo "== this release has what the tests need"
! su user -c "./dev setup" >out 2>&1 || { echo "nothing was missing"; exit 1; }
sed -n "s/^ *sudo \(apt-get install .*\)/\1 -q --simulate/p" out >in
grep -q python3-nacl in
sh in >out || { cat in; exit 1; }

echo "== as a user, without what cmake needs"
rm build/release/CMakeCache.txt
dpkg --remove libmd-dev
! su user -c "./dev build" >out 2>&1 || { echo "it was not missed"; exit 1; }
cat out
grep -q "apt-get install.* libmd-dev" out
'

# Some engines take a minute to write the 15,000 headers that libmsgpack-dev
# brings to Debian 12: they go to memory, as what is compiled does.
for suite in $suites; do
    docker/base-image.sh "$suite"
    echo "== $suite"
    checkout | docker run --rm -i --init \
        --tmpfs /usr/include:exec --tmpfs /home:exec \
        -v "$cache:/var/cache/apt/archives" "debian:$suite-slim" \
        sh -c "$in_container"
done
echo "== ok"
