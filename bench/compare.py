# SPDX-License-Identifier: MIT
"""Sets what bench_network.py has measured beside tor and py-ipv8, which do the
same work on the same machine in the same run. One that is not installed, or
fails, is no failure of ours: this says why, and goes on.
"""
import pathlib
import shutil
import statistics
import tempfile

import ipv8_network
import tor_network
from ipv8_network import Ipv8Network
from measure import (BUILDS, EXITS, HOPS, RELAYS, Figures, Missing, limit,
                     resident, row, say, title)
from tor_network import TorNetwork

OTHERS = (
    ("tor", TorNetwork, tor_network),
    ("py-ipv8", Ipv8Network, ipv8_network),
)
LIMIT = 80  # seconds for one of them, beside its transfer

ROWS = (
    ("one way, to a server behind the exit", "MB/s", "more"),
    ("  processor time, all its processes", "s/GB", "less"),
    ("  cores that they got", "", ""),
    (f"{HOPS} hops built, median of {BUILDS}", "ms", "less"),
    ("idle relay, resident, median", "MB", "less"),
)


def figures(network, seconds):
    """In the order in which ours are measured."""
    network.start()
    idle = statistics.median(map(resident, network.relay_pids()))
    rate, cost = network.transfer(seconds)
    builds = []
    for _ in range(BUILDS):
        circuit, milliseconds = network.build()
        builds.append(milliseconds)
        network.remove(circuit)
    return Figures(rate, cost, statistics.median(builds), idle)


def measure(make, prefix, seconds):
    """Its title and figures; nothing of it is left."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="warren-beside-"))
    try:
        network = make(directory, prefix)
        try:
            with limit(LIMIT + seconds):
                return network.title, figures(network, seconds)
        finally:
            network.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def values(f):
    """In the order of ROWS."""
    return f.rate, f.cost, f.rate * f.cost / 1e3, f.build, f.idle


def table(name, theirs, ours):
    title("warren", name)
    for (what, unit, aim), a, b in zip(ROWS, values(ours), values(theirs)):
        row(what, a, unit, aim, b)


def run(ours, prefix, seconds):
    """`prefix`: of addresses that are free, as 127.1.2"""
    for name, make, about in OTHERS:
        say()
        try:
            version, theirs = measure(make, prefix, seconds)
        except Missing as missing:
            say(f"Not compared with {name}: {missing}. To have it:")
            for line in about.INSTALL:
                say("    " + line)
        except Exception as failure:  # whatever a program not ours does
            say(f"Not compared with {name}, which failed: "
                f"{type(failure).__name__}: {failure}")
        else:
            say(f"Beside {version}: {RELAYS} relays, {EXITS} exits and a "
                f"client, {HOPS} hops, {seconds} s")
            for line in about.DIFFERENCES:
                say("  " + line)
            table(name, theirs, ours)
