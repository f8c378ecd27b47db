#!/bin/sh
# SPDX-License-Identifier: MIT
#
# docker/experiment.sh as somebody uses it, on the engine of this machine: a
# small network with docker-compose, one whose collector is killed, one on a
# swarm of this engine alone that is ended by a signal. Each leaves its tables
# and nothing else. The swarm is there for the test only. Status 77: no engine.

set -eu
cd "$(dirname "$0")/.."

# shellcheck disable=SC1091 # checked by itself
. docker/common.sh
need_engine
if ! docker compose version >/dev/null 2>&1 &&
    ! docker-compose version >/dev/null 2>&1; then
    echo "neither docker compose nor docker-compose is installed"
    exit 77
fi

out=$(mktemp -d)
swarm=false
had_bridge=true
docker network inspect docker_gwbridge >/dev/null 2>&1 || had_bridge=false

cleanup() {
    status=$?
    if $swarm; then
        docker swarm leave --force >/dev/null || status=1
        # Which outlives the swarm that it was made for.
        $had_bridge || docker network rm docker_gwbridge >/dev/null || status=1
    fi
    rm -rf "$out"
    exit "$status"
}

fail() {
    echo "experiment-test: $*" >&2
    exit 1
}

# What an engine has: containers, volumes, networks but for its own.
all_there_is() {
    docker ps -aq --no-trunc --filter name=warren-experiment
    docker volume ls -q
    docker network ls --format '{{.Name}}' | grep experiment || true
}

leaves_nothing() {
    echo "after $(($(date +%s) - begun)) s"
    [ "$(all_there_is)" = "$before" ] ||
        fail "this was left behind: $(all_there_is)"
}

# In a shell of its own, which a signal ends.
experiment() {
    dir=$1
    shift
    exec docker/experiment.sh --csv "$out/$dir" --no-build --nodes 5 \
        --probes 3 --rate 5 --keys 5 --warmup 2s --sample 2s "$@"
}

# Of the first data row.
cell() {
    awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++)
        if ($i == name) at = i } NR == 2 { print $at }' "$1"
}

# was_measured DIR NODES COMPLETE
was_measured() {
    [ "$(cell "$1/totals.csv" complete)" = "$3" ] ||
        fail "complete is not $3 in $1"
    [ "$(cell "$1/totals.csv" nodes)" = "$2" ] || fail "$1 has other nodes"
    cell "$1/totals.csv" lookup_success |
        awk '{ exit !($1 > 0.8) }' || fail "lookups of $1 failed"
}

# Of the tables in DIR, all columns are those that the simulation of the same
# network has, in its order.
same_columns() {
    simulate "$1"
    for table in samples totals values; do
        head -n 1 "$out/simulated/$table.csv" | tr , '\n' >"$out/theirs"
        head -n 1 "$1/$table.csv" | tr , '\n' >"$out/ours"
        grep -Fxf "$out/ours" "$out/theirs" | cmp - "$out/ours" ||
            fail "$table.csv has other columns"
    done
}

# In the image, which is of this checkout.
simulate() {
    docker run -i --rm --entrypoint sh localhost/warren-network -ec '
        cat >/tmp/scenario.ini
        warren sim /tmp/scenario.ini --csv /tmp/simulated >/dev/null
        tar -C /tmp -c simulated' <"$1/scenario.ini" | tar -C "$out" -x
}

# until_sampled DIR PID: until the collector has written its first tables.
until_sampled() {
    left=60
    until docker exec "$(docker ps -q --filter name=experiment.*collector)" \
        test -e /out/values.csv 2>/dev/null; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "there was no sample"
        kill -0 "$1" || fail "it ended before a sample: $(cat "$out/log")"
        sleep 1
    done
}

has_netem() {
    docker run --rm --cap-add NET_ADMIN --user root --entrypoint tc \
        localhost/warren-experiment qdisc add dev lo root netem delay 1ms \
        2>/dev/null
}

trap cleanup EXIT
trap 'exit 1' INT TERM
before=$(all_there_is)
begun=$(date +%s)

echo "== wrong arguments are named"
for wrong in "--nodes 0" "--delay 5" "--loss 1" "--rate no" "--probes 30" \
    "--announcers 9" "--jitter 5ms" "--duration" "--frobnicate"; do
    # shellcheck disable=SC2086 # two words
    ! said=$(docker/experiment.sh --csv "$out" $wrong 2>&1) ||
        fail "$wrong was taken"
    case $said in
    "experiment: "*"${wrong%% *}"*) ;;
    *) fail "of $wrong it says: $said" ;;
    esac
done

echo "== a network of containers has the tables of a simulated one"
docker/experiment.sh --csv "$out/containers" --nodes 8 --probes 3 --rate 5 \
    --keys 5 --warmup 2s --sample 2s --duration 8s
was_measured "$out/containers" 8 1
same_columns "$out/containers"
leaves_nothing
if command -v gnuplot >/dev/null; then
    gnuplot -c examples/experiments/side_by_side.gp "$out/simulated" \
        "$out/containers" "$out/both.png" 2>"$out/said"
    [ -s "$out/both.png" ] || fail "there is no picture: $(cat "$out/said")"
    [ ! -s "$out/said" ] || fail "of the picture: $(cat "$out/said")"
fi

echo "== a delay is had, or refused by name"
if has_netem; then
    (experiment delayed --delay 40ms --loss 1% --duration 6s)
    cell "$out/delayed/totals.csv" lookup_time_median |
        awk '{ exit !($1 > 0.08) }' || fail "lookups took less than a delay"
else
    ! said=$(experiment delayed --delay 40ms 2>&1) ||
        fail "a delay was promised that cannot be had"
    case $said in
    *"the kernel has no netem (sch_netem"*) ;;
    *) fail "without netem it says: $said" ;;
    esac
fi
leaves_nothing

echo "== a killed collector leaves what it had"
experiment killed --duration 1h >"$out/log" 2>&1 &
pid=$!
until_sampled "$pid"
docker kill "$(docker ps -q --filter name=experiment.*collector)" >/dev/null
! wait "$pid" || fail "nobody has seen that the collector was killed"
grep -q "the collector ended with status 137" "$out/log" ||
    fail "of a killed collector it says: $(cat "$out/log")"
was_measured "$out/killed" 5 0
leaves_nothing

echo "== a stack on a swarm, which is ended, leaves what it had"
if [ "$(docker info -f '{{.Swarm.LocalNodeState}}')" != inactive ]; then
    echo "this engine is part of a swarm, which is not the test's: left out"
elif ! said=$(docker swarm init --advertise-addr 127.0.0.1 2>&1); then
    echo "no swarm can be made here: $said"
else
    swarm=true
    experiment stack --stack --duration 1h >"$out/log" 2>&1 &
    pid=$!
    until_sampled "$pid"
    kill -TERM "$pid"
    ! wait "$pid" || fail "it was ended, and calls that a success"
    was_measured "$out/stack" 5 0
    leaves_nothing
fi
echo "== ok"
