# SPDX-License-Identifier: MIT
"""Networks of the mainline DHT of warren's daemons and of other programs, at
public addresses on one machine (tests/strangers/stage.py).

`place(n)` and `place6(n)` are addresses that all of the programs take for
those of nodes: transmission drops what comes from 127/8, libtorrent takes
one node of a network into its table and has networks where it looks for none.
"""
import pathlib
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "strangers"))
# What tests of the mainline DHT import from here.
from stage import (  # noqa: E402,F401
    PORT, Failure, StrangersTest, family_of, home, home6, join, wait_for)
from harness import warren  # noqa: E402,F401
from test_docs import shape  # noqa: E402,F401
import clients  # noqa: E402
import sessions  # noqa: E402
from clients import Aria2, Transmission  # noqa: E402,F401
from krpc import Asker, PlainNodes, bdecode, bencode  # noqa: E402,F401

MAINLINE = ("--mainline.enabled", "true", "--tunnel.max_relays_or_exits", "0")
# "Dark Internet" of libtorrent, of what home() gives.
DARK = {21, 22, 25, 26, 28, 29, 30, 33, 34, 48, 56}
LIT = [n for n in range(1, 1000) if int(home(n).split(".")[0]) not in DARK]
PATIENCE = 180  # s, with sanitizers on a busy machine


def missing(*programs):
    """Why a test with these cannot be made here; empty when it can."""
    gone = [clients.missing(p) for p in programs if p != "libtorrent"]
    return next((why for why in gone if why),
                sessions.WITHOUT if "libtorrent" in programs else "")


def place(n):
    return home(LIT[n])


def place6(n):
    return home6(LIT[n])


class MainlineTest(StrangersTest):
    """A test with a network of its own. Machines have numbers: place(n)."""
    NEEDS = ()  # programs of others

    @classmethod
    def setUpClass(cls):
        why = missing(*cls.NEEDS)
        if why:
            print(f"skipped: {why}", flush=True)
            raise unittest.SkipTest(why)

    def setUp(self):
        super().setUp()
        self.last, self.torrents = -1, 0

    def tearDown(self):
        """What the other programs have sent is understood. Unexpected are
        answers that nobody waits for any more."""
        for node in self.nodes:
            self.assertEqual({}, {name: count for name, count
                                  in node.metrics().items()
                                  if name.startswith("warren_dht_dropped")
                                  and "unexpected" not in name and count})
        super().tearDown()

    def addresses(self, ipv6):
        """Of the next machine."""
        self.last += 1
        return [place(self.last)] + ([place6(self.last)] if ipv6 else [])

    def warren(self, *bootstrap, flags=(), ipv6=False, addresses=None):
        """A daemon, not started yet, that joins through these, [(host,
        port)], and has no other network."""
        addresses = addresses or self.addresses(ipv6)
        node = self.daemon(*addresses, flags=[*MAINLINE, *flags])
        node.ends = {family_of(a): (a, PORT) for a in addresses}
        if bootstrap:
            node.more += ["--mainline.bootstrap",
                          ",".join(join(*b) for b in bootstrap)]
        return node

    def warrens(self, count, ipv6=False, flags=()):
        """So many in one network; the first is who the others join by."""
        made = [self.warren(ipv6=ipv6, flags=flags).start()]
        first = list(made[0].ends.values())
        for _ in range(count - 1):
            made.append(self.warren(*first, ipv6=ipv6, flags=flags))
            made[-1].start(wait=False)
        for node in made:
            node.wait_ready()
        for node in made[1:]:
            self.wait(f"{node.endpoint} joins", lambda n=node: joined(n))
        return made

    def program(self, kind, ipv6=False):
        """A Transmission or an Aria2, not started yet."""
        self.last += 1
        made = kind(self.root / f"p{self.last}", place(self.last),
                    *([place6(self.last)] if ipv6 else []))
        self.addCleanup(made.close)
        return made

    def session(self, *bootstrap, ipv6=False, **settings):
        """A session of libtorrent that asks these at the start."""
        addresses = self.addresses(ipv6)
        made = sessions.Session(self.root / f"p{self.last}", *addresses,
                                bootstrap=bootstrap, **settings)
        self.addCleanup(made.close)
        return made

    def torrent(self):
        self.torrents += 1
        return clients.Torrent(self.root / "torrents", self.torrents)

    def wait(self, what, condition, timeout=PATIENCE, step=0.2):
        return wait_for(what, condition, timeout, step)


def joined(node):
    return node.status()["mainline"]["joined"]


def node_ids(node):
    """{(host, port): id} of a daemon in the mainline DHT."""
    status = node.status()["mainline"]
    return {node.ends[family]: bytes.fromhex(status[name]["id"])
            for family, name in ((socket.AF_INET, "ipv4"),
                                 (socket.AF_INET6, "ipv6"))
            if family in node.ends}


class TwentyNodes(MainlineTest):
    """Daemons that are the only DHT."""

    def setUp(self):
        super().setUp()
        self.twenty = self.warrens(20)

    def entry(self, first):
        """Nodes to join by; transmission looks for no peers before it knows
        of nine."""
        return [n.ends[socket.AF_INET] for n in self.twenty[first:first + 10]]

    def person(self):
        """A daemon that has just come, and keeps nothing for others yet."""
        node = self.warren(*self.entry(3)).start()
        self.wait("it joins", lambda: joined(node))
        return node

    def find(self, torrent, wanted, node=None):
        """By a person who has the link and a node."""
        node = node or self.person()

        def found():
            peers = node.json("dht", "get-peers", torrent.magnet,
                              "--mainline", ok=(0, 1))["peers"]
            return join(*wanted) in {p["address"] for p in peers}

        self.wait(f"{wanted} is found by the link", found)
