#!/bin/sh
# SPDX-License-Identifier: MIT
#
# enter.sh COMMAND...: what every container of docker/experiment.yml starts
# with. Gives all that the container sends the delay and loss of $PROFILE (the
# words of tc-netem(8), or none), and becomes the user warren. A network that
# was asked for delay and cannot have it does not start: status 69.

set -eu

profile=${PROFILE:-none}

refuse() {
    echo "enter: there is no '$profile' here: $*" >&2
    exit 69
}

# The loopback too: the daemons of one container talk over it.
if [ "$profile" != none ]; then
    for link in /sys/class/net/*; do
        # shellcheck disable=SC2086 # the words of the profile
        why=$(tc qdisc replace dev "${link##*/}" root netem limit 100000 \
            $profile 2>&1) && continue
        case $why in
        *"qdisc kind is unknown"*)
            refuse "the kernel has no netem (sch_netem; modprobe sch_netem" \
                "on the host, where it is a module). PROFILE=none does" \
                "without. tc says: $why"
            ;;
        *) refuse "tc says: $why" ;;
        esac
    done
fi
if [ -d /data ]; then
    chown warren:warren /data
    export TMPDIR=/data
fi
exec setpriv --reuid warren --regid warren --clear-groups --no-new-privs \
    --bounding-set=-all -- "$@"
