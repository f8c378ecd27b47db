#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Measures a network of containers: docker/experiment.yml. See --help. Leaves
# no container, network or volume behind, however it ends.
# Status 0: done; 1: not, stderr says why, and the tables have what there was;
# 2: wrong arguments; 77: no engine.

set -eu

usage() {
    cat <<'END'
usage: docker/experiment.sh [FLAGS] --csv DIR

Starts a network of containers, announces and looks up in it, and writes the
tables of `warren sim --csv` into DIR, with a scenario.ini for `warren sim`
of the same network.

  --csv DIR        where the tables go
  --nodes N        daemons in all, as in `warren sim` (30)
  --probes N       of those, the ones in the collector that ask (4)
  --delay TIME     of each datagram, one way, like 50ms (none)
  --jitter TIME    by which that varies, up and down (none)
  --loss PERCENT   of all datagrams, like 1% (none)
  --duration TIME  that is measured, like 90s (5m)
  --warmup TIME    before that (10s)
  --sample TIME    between two rows (10s)
  --keys N         that are announced and looked up (20)
  --announcers N   of each (3)
  --rate N         lookups a second, of all probes together (2)
  --seed N         of keys and times (1)
  --stack          deploy it to the swarm that this engine manages
  --image NAME     have the image under this name; for a swarm of several
                   machines one that all of them can pull (push it first)
  --no-build       take the image that is there
END
}

wrong() {
    echo "experiment: $*" >&2
    exit 2
}

fail() {
    echo "experiment: $*" >&2
    exit 1
}

# ---- Arguments -------------------------------------------------------------

csv=
nodes=30 probes=4 keys=20 announcers=3 rate=2 seed=1
delay=0ms jitter=0ms loss=0%
duration=5m warmup=10s sample=10s
stack=false build=true image=localhost/warren-experiment

# matches FLAG VALUE PATTERN WHAT: an extended regular expression, of it all.
matches() {
    printf '%s\n' "$2" | grep -Eqx -e "$3" || wrong "$1 is '$2' but must be $4"
}

number() {
    matches "$1" "$2" '[1-9][0-9]{0,5}' "a whole number from 1 on"
}

time_of() {
    matches "$1" "$2" '[0-9]{1,6}(ms|s|m|h)' "a duration, like 50ms or 5m"
}

take() {
    case $1 in
    --csv) csv=$2 ;;
    --image) image=$2 ;;
    --nodes) number "$@" && nodes=$2 ;;
    --probes) number "$@" && probes=$2 ;;
    --keys) number "$@" && keys=$2 ;;
    --announcers) number "$@" && announcers=$2 ;;
    --seed) number "$@" && seed=$2 ;;
    --delay) milliseconds "$@" && delay=$2 ;;
    --jitter) milliseconds "$@" && jitter=$2 ;;
    --duration) time_of "$@" && duration=$2 ;;
    --warmup) time_of "$@" && warmup=$2 ;;
    --sample) time_of "$@" && sample=$2 ;;
    --loss)
        matches "$@" '([0-9]|[1-9][0-9])(\.[0-9]{1,3})?%' \
            "a share below 100%, like 1% or 0.5%"
        loss=$2
        ;;
    --rate)
        matches "$@" '[0-9]{1,3}(\.[0-9]{1,3})?' "a number up to 999"
        rate=$2
        ;;
    esac
}

milliseconds() {
    matches "$1" "$2" '[0-9]{1,4}ms' "a time like 50ms"
}

while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --stack) stack=true ;;
    --no-build) build=false ;;
    --csv | --nodes | --probes | --delay | --jitter | --loss | --duration | \
        --warmup | --sample | --keys | --announcers | --rate | --seed | \
        --image)
        [ $# -gt 1 ] || wrong "$1 wants a value"
        take "$1" "$2"
        shift
        ;;
    *) wrong "there is no '$1'; --help lists what there is" ;;
    esac
    shift
done
[ -n "$csv" ] || wrong "where should the tables go? --csv DIR"
[ "$nodes" -ge $((probes + 2)) ] || wrong "--nodes $nodes are too few:" \
    "--probes $probes are among them, a bootstrap node, and one more at least"
[ "$announcers" -le "$probes" ] || wrong "--announcers $announcers are more" \
    "than --probes $probes"
[ "${jitter%ms}" -le "${delay%ms}" ] || wrong "--jitter $jitter is more than" \
    "--delay $delay"

mkdir -p "$csv" || exit 1
csv=$(cd "$csv" && pwd)
cd "$(dirname "$0")/.."
# shellcheck disable=SC1091 # checked by itself
. docker/common.sh
need_engine

# Words of tc-netem(8).
profile() {
    words=
    [ "$delay" = 0ms ] || words="delay $delay"
    [ "$jitter" = 0ms ] || words="$words $jitter"
    case $loss in
    0% | 0.0% | 0.00% | 0.000%) ;;
    *) words="$words loss $loss" ;;
    esac
    echo "${words:-none}"
}

# The same network for `warren sim`, in which nothing is nearer than 1 ms:
# containers without a delay are.
scenario() {
    mean=${delay%ms} by=${jitter%ms}
    [ "$mean" -gt 0 ] || mean=1
    latency="fixed ${mean}ms"
    [ "$by" -eq 0 ] || latency="uniform $((mean - by))ms $((mean + by))ms"
    cat <<END
# The network of containers that the tables beside this file are of:
# docker/experiment.sh with the profile "$(profile)".
# warren sim scenario.ini --csv ../simulated
[run]
seed = $seed
duration = $duration
warmup = 3m
sample = $sample
[nodes]
count = $nodes
[network]
latency = $latency
loss = $loss
[lookups]
# of each node in an hour
rate = $(awk "BEGIN { print $rate * 3600 / $nodes }")
keys = $keys
announcers = $announcers
END
}

# ---- The network -----------------------------------------------------------

export IMAGE="$image" NODES=$((nodes - probes - 1)) PROBES="$probes"
export KEYS="$keys" ANNOUNCERS="$announcers" RATE="$rate" SEED="$seed"
export DURATION="$duration" WARMUP="$warmup" SAMPLE="$sample"
PROFILE=$(profile)
COLLECTOR_HOST=$(docker info -f '{{.Name}}')
export PROFILE COLLECTOR_HOST
project=warren-experiment-$$

compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose -p "$project" -f docker/experiment.yml "$@"
    else
        docker-compose -p "$project" -f docker/experiment.yml "$@"
    fi
}

build_image() {
    docker/base-image.sh
    docker build -f docker/Dockerfile -t localhost/warren-network .
    tar -c --exclude=__pycache__ docker/experiment.Dockerfile \
        docker/collector python/warren |
        docker build -f docker/experiment.Dockerfile -t "$image" -
}

up() {
    if $stack; then
        docker stack deploy -c docker/experiment.yml --resolve-image never \
            "$project"
    else
        compose up -d --scale "node=$NODES"
    fi
}

# All that has the label of this stack or project.
label() {
    if $stack; then
        echo "label=com.docker.stack.namespace=$project"
    else
        echo "label=com.docker.compose.project=$project"
    fi
}

# That of the collector, running or not.
collector() {
    if $stack; then
        docker ps -aq --filter \
            "label=com.docker.swarm.service.name=${project}_collector"
    else
        docker ps -aq --filter "$(label)" \
            --filter label=com.docker.compose.service=collector
    fi
}

# Of what the network is made: no line, when it is gone.
remains() {
    docker ps -aq --filter "$(label)"
    docker network ls -q --filter "$(label)"
}

down() {
    if ! $stack; then
        compose down -v --remove-orphans -t 3
        return
    fi
    docker stack rm "$project"
    left=60
    while [ -n "$(remains)" ]; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.5
    done
}

# What the collector has written. A copy of a running container's is whole.
take_out() {
    id=$(collector)
    [ -z "$id" ] || docker cp "$id:/out/." "$csv" || true
}

# The last words of containers that have failed, and of how many.
last_words() {
    docker ps -aq --filter "$(label)" --filter status=exited |
        while read -r id; do
            [ "$(docker inspect -f '{{.State.ExitCode}}' "$id")" = 0 ] ||
                docker logs --tail 1 "$id" 2>&1
        done | sort | uniq -c
}

cleanup() {
    status=$?
    trap '' INT TERM
    [ -z "$follower" ] || kill "$follower" 2>/dev/null || true
    if ! $out; then
        take_out >/dev/null 2>&1
    fi
    down >"$log" 2>&1 || {
        cat "$log" >&2
        echo "experiment: this was not taken away: $(remains)" >&2
        status=1
    }
    rm -f "$log"
    exit "$status"
}

# quietly COMMAND...: what it says is shown when it fails.
quietly() {
    "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        fail "'$*' failed"
    }
}

# ---- What is done ----------------------------------------------------------

log=$(mktemp)
follower=
out=false
trap cleanup EXIT
trap 'echo "experiment: ended early" >&2; exit 1' INT TERM

if $build; then
    echo "experiment: building the image" >&2
    quietly build_image
fi
scenario >"$csv/scenario.ini"
echo "experiment: $nodes nodes, profile $PROFILE" >&2
quietly up
left=60
until id=$(collector) && [ -n "$id" ]; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || fail "no collector was started"
    sleep 1
done
docker logs -f "$id" >&2 &
follower=$!
# In the background, as a signal would wait for a command's end.
docker wait "$id" >"$log" &
wait $!
ended=$(cat "$log")
take_out
out=true
[ "$ended" = 0 ] || {
    last_words >&2
    fail "the collector ended with status $ended"
}
echo "experiment: the tables are in $csv" >&2
