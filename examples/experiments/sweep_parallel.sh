#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sweep_parallel.sh OUT: the sweep of loss.ini with GNU parallel (Debian:
# parallel), a run on each processor at a time. --sshlogin of it takes several
# machines; then OUT has to be in a file system that all of them have.

set -eu

out=${1:?where the results go}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
cd "$out"

# A line for each run: a command that leaves run-N.sim.
warren sim "$here/loss.ini" --sweep network.loss=0%,5%,10%,20% --repeat 2 \
    --list >runs
# One that is started again does what is missing alone.
parallel --halt now,fail=1 --joblog log --resume-failed <runs >/dev/null

warren sim merge --csv . --plot . run-*.sim
