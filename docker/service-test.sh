#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Two containers that run examples/register_service find each other and talk,
# through relays in containers of their own. There is no exit, and no way out of
# the network. Leaves nothing running. Status 77: no engine.

set -eu
cd "$(dirname "$0")/.."

name=warren-service-$$
relays=6

# shellcheck disable=SC1091 # checked by itself
. docker/common.sh
need_engine

cleanup() {
    status=$?
    docker ps -aq --filter "label=$name" | xargs -r docker rm -f >/dev/null
    docker network rm "$name" >/dev/null 2>&1 || true
    docker rmi "$name" >/dev/null 2>&1 || true
    exit "$status"
}

# start CONTAINER SCRIPT
start() {
    docker run -d --label "$name" --network "$name" --name "$name-$1" \
        "$name" sh -c "$2" >/dev/null
}

# What a node is told, but for its bootstrap node.
settings="[node]\ndata_dir = /tmp/data\nlisten = 0.0.0.0:7881\n\
testing_network = true\n"

relay() {
    start "relay$1" "printf '$settings$2' >/tmp/node.ini
        exec build/release/warren run --config /tmp/node.ini"
}

program() {
    start "$1" "printf '$settings$2\n[tunnel]\nmax_relays_or_exits = 0\n' \
            >/tmp/node.ini
        exec build/release/examples/register_service /tmp/node.ini 1"
}

heard() {
    docker logs "$name-$1" 2>/dev/null |
        grep '^p[0-9]*\.peer\.warren says: my message to this peer$'
}

docker/base-image.sh
trap cleanup EXIT
trap 'exit 1' INT TERM

echo "== the example is built"
docker build -q --target build -t localhost/warren-build \
    -f docker/Dockerfile . >/dev/null
# The image is built without the library and without examples.
tar -c examples |
    docker run -i --label "$name" --name "$name-build" localhost/warren-build \
        sh -ec '
            tar -x --no-same-owner
            cmake --preset release -DWARREN_LIBRARY=ON >/dev/null
            cmake --build --preset release --target register_service >/dev/null'
docker commit "$name-build" "$name" >/dev/null

echo "== two programs, $relays relays, no exit"
docker network create --internal "$name" >/dev/null
relay 1 ""
bootstrap="[dht]\nbootstrap = $name-relay1:7881\n"
for number in $(seq 2 "$relays"); do
    relay "$number" "$bootstrap"
done
program alice "$bootstrap"
program bob "$bootstrap"
for who in alice bob; do
    left=60
    until heard "$who"; do
        left=$((left - 1))
        if [ "$left" -eq 0 ]; then
            docker logs "$name-$who" || true
            echo "service-test: $who heard nothing" >&2
            exit 1
        fi
        sleep 1
    done
done
echo "== ok"
