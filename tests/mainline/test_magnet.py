#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Downloads by a magnet link, from one program of others to another, where
twenty daemons of warren are the only DHT and nothing else tells of peers; and
the peers of a link, found with a daemon and its command line alone."""
import socket
import unittest

from network import Aria2, MainlineTest, Transmission, join

NODES = 20
DOWNLOAD = 300  # s


class Magnet(MainlineTest):
    def setUp(self):
        super().setUp()
        self.nodes = self.warrens(NODES)

    def entry(self, first):
        """Nodes to join by; transmission looks for no peers before it knows
        of nine."""
        return [n.ends[socket.AF_INET] for n in self.nodes[first:first + 10]]

    def exchange(self, *programs):
        """Each seeds a file, and the other gets it by its link."""
        for seeder, leecher in (programs, programs[::-1]):
            torrent = self.torrent()
            names = [type(p).__name__ for p in (seeder, leecher)]
            with self.subTest(seeder=names[0], leecher=names[1]):
                seeder.seed(torrent)
                leecher.download(torrent.magnet)
                self.wait(f"{names[1]} has the file of {names[0]}",
                          lambda t=torrent, p=leecher: t.is_in(p.got),
                          DOWNLOAD)
                self.find(torrent, seeder.at[socket.AF_INET])

    def find(self, torrent, wanted):
        """By a person who has the link and a node."""
        def found():
            peers = self.nodes[-1].json("dht", "get-peers", torrent.magnet,
                                        "--mainline", ok=(0, 1))["peers"]
            return join(*wanted) in {p["address"] for p in peers}

        self.wait(f"{wanted} is found by the link", found)


class TransmissionAndAria2(Magnet):
    NEEDS = ("transmission-daemon", "aria2c")

    def test_exchange(self):
        self.exchange(self.program(Transmission).start(self.entry(1)),
                      self.program(Aria2).start(self.entry(5)))


class LibtorrentAndTransmission(Magnet):
    NEEDS = ("libtorrent", "transmission-daemon")

    def test_exchange(self):
        self.exchange(self.session(*self.entry(1)),
                      self.program(Transmission).start(self.entry(5)))


if __name__ == "__main__":
    unittest.main()
