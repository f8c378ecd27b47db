#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Brings docker/compose.yml up on the engine of this machine and checks what
# it promises: an image whose name is nobody else's, healthy containers, a
# lookup across them, data through a circuit of three hops, a hidden service
# that is asked, pages through the proxy, identities that outlive a killed
# container, no keys behind `down -v`. Leaves nothing running. Status 77: no
# engine.

set -eu
cd "$(dirname "$0")"

project=warren-smoke-$$
replicas=5
exits=2
hash=5741525245$(printf '%030d' 7)

if docker compose version >/dev/null 2>&1; then
    compose="docker compose -p $project -f compose.yml"
else
    compose="docker-compose -p $project -f compose.yml"
fi
# shellcheck disable=SC1091 # checked by itself
. ./common.sh
need_engine
if ! $compose version >/dev/null 2>&1; then
    echo "neither docker compose nor docker-compose is installed"
    exit 77
fi

cleanup() {
    status=$?
    if [ "$status" -ne 0 ]; then
        $compose logs --tail=20 || true
    fi
    $compose down -v --remove-orphans || true
    exit "$status"
}

fail() {
    echo "smoke-test: $*" >&2
    exit 1
}

up() {
    $compose up -d --scale "node=$replicas" --scale "exit=$exits" "$@"
}

containers() {
    docker ps -q --filter "label=com.docker.compose.project=$project" "$@"
}

# The container of replica $2 of service $1.
container() {
    containers --filter "label=com.docker.compose.service=$1" \
        --filter "label=com.docker.compose.container-number=$2"
}

each() {
    echo bootstrap 1
    echo client 1
    echo hidden 1
    seq "$replicas" | sed 's/^/node /'
    seq "$exits" | sed 's/^/exit /'
}

warren() {
    where=$(container "$1" "$2")
    shift 2
    docker exec "$where" warren "$@"
}

# within SECONDS COMMAND...: tries once a second until it succeeds.
within() {
    left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 1
    done
}

# The volumes of all containers.
volumes() {
    containers -a | xargs docker inspect -f \
        '{{range .Mounts}}{{if .Name}}{{println .Name}}{{end}}{{end}}' |
        sort -u | sed '/^$/d'
}

all_healthy() {
    [ "$(containers --filter health=healthy | wc -l)" -eq "$(each | wc -l)" ]
}

# A line for each container: service, number, node id.
identities() {
    each | while read -r service number; do
        id=$(warren "$service" "$number" status --json </dev/null |
            grep -Eo '"id": *"[0-9a-f]{40}"')
        echo "$service $number $id"
    done
}

finds() {
    warren "$1" "$2" dht get-peers "$hash" | grep -F "$3"
}

address_of() {
    docker inspect -f \
        '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' \
        "$(container "$1" "$2")"
}

# The client's datagram goes to the echo server through three hops; the
# answer says which address it came from.
sends_through_an_exit() {
    answer=$(warren client 1 tunnel send --hops 3 --timeout 5 echo:7 hello) ||
        return 1
    echo "$answer"
    for number in $(seq "$exits"); do
        case $answer in
        *"from $(address_of exit "$number"): hello"*) return 0 ;;
        esac
    done
    fail "the answer did not come from an exit: $answer"
}

hidden_address() {
    warren hidden 1 service list --json | grep -Eo '[a-z2-7]{56}\.warren'
}

asks_the_service() {
    answer=$(warren client 1 service send "$1:7" hello --timeout 5s) ||
        return 1
    echo "$answer"
    case $answer in
    *"from 127.0.0.1: hello"*) ;;
    *) fail "the service answered: $answer" ;;
    esac
}

# A page of HOST, by name, through the proxy of the client.
page_of() {
    docker exec "$(container client 1)" perl -MIO::Socket::INET -e '
        my $s = IO::Socket::INET->new("127.0.0.1:1080") or die "no proxy: $!";
        print $s "CONNECT $ARGV[0]:80 HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: $ARGV[0]\r\n\r\n";
        $s->shutdown(1);
        print <$s>' "$1"
}

gets_a_page_through_an_exit() {
    page=$(page_of echo)
    echo "$page"
    for number in $(seq "$exits"); do
        case $page in
        *"from $(address_of exit "$number")"*) return 0 ;;
        esac
    done
    return 1
}

gets_a_hidden_page() {
    page_of "$1" | grep '^a hidden page$'
}

./base-image.sh
trap cleanup EXIT
trap 'exit 1' INT TERM

echo "== up"
$compose build
up
case $(docker inspect -f '{{.Config.Image}}' "$(container node 1)") in
localhost/*) ;;
*) fail "the image has a name that a registry may have too" ;;
esac
within 60 all_healthy || fail "not every container became healthy"

echo "== a lookup from one container finds what another announced"
address=$(address_of node 1)
warren node 1 dht announce "$hash" --port 4242
within 20 finds node 3 "$address:4242" || fail "node 3 found no $address:4242"

echo "== the client sends through three hops, and out of an exit"
within 30 sends_through_an_exit || fail "nothing came back"

echo "== the client asks a hidden service, which no exit leads to"
hidden=$(hidden_address) || fail "the service has no address"
within 30 asks_the_service "$hidden" || fail "the service did not answer"

echo "== a program in the client's container gets pages through its proxy"
within 30 gets_a_page_through_an_exit || fail "no page came from an exit"
within 30 gets_a_hidden_page "$hidden" || fail "no page of the service came"

echo "== killed and recreated containers keep their identities"
before=$(identities)
killed=$(containers)
[ "$(echo "$before" | cut -d' ' -f3- | sort -u | wc -l)" -eq \
    "$(each | wc -l)" ] || fail "identities are not distinct: $before"
docker kill "$(container node 2)" "$(container bootstrap 1)"
up --force-recreate
within 60 all_healthy || fail "not every container became healthy again"
after=$(identities)
[ "$before" = "$after" ] || fail "identities were $before, are $after"
for old in $killed; do
    ! docker inspect "$old" >/dev/null 2>&1 || fail "$old was not recreated"
done

[ "$(hidden_address)" = "$hidden" ] || fail "the service has another address"

echo "== a node that was scaled away leaves no volume behind"
had=$(volumes)
[ -n "$had" ] || fail "the containers had no volume"
replicas=3
up
$compose down -v
for volume in $had; do
    ! docker volume inspect "$volume" >/dev/null 2>&1 ||
        fail "the volume $volume was left"
done

echo "== ok"
