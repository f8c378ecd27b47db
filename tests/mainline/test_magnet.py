#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Downloads by a magnet link, from one program of others to another, where
twenty daemons of warren are the only DHT and nothing else tells of peers; then
a daemon that has just come finds the peers of the link."""
import socket
import unittest

from network import Aria2, Transmission, TwentyNodes

DOWNLOAD = 300  # s


class Exchange(TwentyNodes):
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


class TransmissionAndAria2(Exchange):
    NEEDS = ("transmission-daemon", "aria2c")

    def test_exchange(self):
        self.exchange(self.program(Transmission).start(self.entry(1)),
                      self.program(Aria2).start(self.entry(5)))


class LibtorrentAndTransmission(Exchange):
    NEEDS = ("libtorrent", "transmission-daemon")

    def test_exchange(self):
        self.exchange(self.session(*self.entry(1)),
                      self.program(Transmission).start(self.entry(5)))


if __name__ == "__main__":
    unittest.main()
