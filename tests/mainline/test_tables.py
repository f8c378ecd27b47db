#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Nodes of libtorrent, transmission and aria2 have daemons of warren in their
tables as good ones, and keep them there, and the daemons have and keep them;
and a daemon joins by the table that each of them has saved.

    test_tables.py --minutes 60    keeps watching for that long

What is in a table as good is what the node tells who asks for it."""
import os
import socket
import sys
import time
import unittest

from network import (Aria2, Asker, MainlineTest, PlainNodes, Transmission,
                     join, joined, node_ids, place)

MINUTES = 0.5
# Who was silent for 15 minutes is not told of until it is heard again, which
# is no loss: the last looks count together.
PAUSE, LOOKS = 30, 20
OURS = 5
PLAIN, PLAIN_PORT = range(100, 500), 6881
# transmission saves its table when it knows of forty good nodes, and finds
# them when it looks for peers.
LINKS = 20
GOOD = 45
IPV4 = socket.AF_INET
AS_IT_IS = {"dht_upload_rate_limit": 8000, "dht_block_ratelimit": 5}


class Tables(MainlineTest):
    NEEDS = ("libtorrent", "transmission-daemon", "aria2c")

    def setUp(self):
        super().setUp()
        self.ours = self.warrens(OURS)
        self.ids = {}
        for node in self.ours:
            self.ids |= node_ids(node)
        # The rest of the world, which knows of ours.
        world = PlainNodes([place(n) for n in PLAIN], PLAIN_PORT, self.ids)
        self.addCleanup(world.close)
        self.asker = Asker(place(600))
        self.addCleanup(self.asker.sock.close)
        plain = [(place(n), PLAIN_PORT) for n in PLAIN[:12]]
        ours = [n.ends[IPV4] for n in self.ours[:2]]
        self.theirs = {
            "libtorrent": self.session(*plain[:3], **AS_IT_IS),
            "transmission": self.program(Transmission).start(ours + plain),
            "aria2": self.program(Aria2).start(ours[:1])}
        self.theirs["libtorrent"].meet(*ours)
        for program in self.theirs.values():
            for _ in range(LINKS):
                program.download(
                    f"magnet:?xt=urn:btih:{os.urandom(20).hex()}")

    def known(self, program):
        """Those of ours that it has as good ones."""
        to = program.at[IPV4]
        return {end for end, node_id in self.ids.items()
                if end in self.asker.nodes_near(to, node_id)}

    def knowing(self, program):
        """Those of ours that have it, as a good one or to be asked again."""
        where = join(*program.at[IPV4])
        return {n.endpoint for n in self.ours if any(
            node["address"] == where and node["quality"] != "bad"
            for node in n.rpc("dht.nodes", mainline=True)["nodes"])}

    def knows_many(self, program):
        seen = set()
        for _ in range(40):
            seen |= set(self.asker.nodes_near(program.at[IPV4],
                                              os.urandom(20)))
        return len(seen) >= GOOD

    def counts(self):
        return {name: (len(self.known(p)), len(self.knowing(p)))
                for name, p in self.theirs.items()}

    def test_tables(self):
        self.wait("each knows one of ours, and one of ours knows it",
                  lambda: all(a and b for a, b in self.counts().values()))
        self.wait("transmission knows of enough to save them",
                  lambda: self.knows_many(self.theirs["transmission"]), step=5)
        looks = [{name: self.known(p) for name, p in self.theirs.items()}]
        end = time.monotonic() + 60 * MINUTES
        while time.monotonic() < end:
            time.sleep(min(PAUSE, 60 * MINUTES))
            looks.append({n: self.known(p) for n, p in self.theirs.items()})
            print(time.strftime("%X"), self.counts(), flush=True)
        for name, program in self.theirs.items():
            with self.subTest(program=name):
                last = set().union(*(k[name] for k in looks[-LOOKS:]))
                self.assertLessEqual(looks[0][name], last)
                self.assertTrue(self.knowing(program))
        self.check_saved()

    # ---- Saved tables

    def check_saved(self):
        for name, program in self.theirs.items():
            with self.subTest(saved_by=name):
                path = self.saved(name, program)
                fresh = self.warren(flags=["--mainline.bootstrap_files", path])
                fresh.start()
                self.wait(f"a daemon joins by the table of {name}",
                          lambda n=fresh: joined(n))

    def saved(self, name, program):
        if name == "libtorrent":
            path = self.root / "session.state"
            path.write_bytes(program.saved())
            there = program.table()
        else:
            program.stop()
            path, there = program.dir / "dht.dat", program.saved()
        self.assertTrue(there & set(self.ids), there)
        return path


if __name__ == "__main__":
    if "--minutes" in sys.argv:
        at = sys.argv.index("--minutes")
        MINUTES = float(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    unittest.main()
