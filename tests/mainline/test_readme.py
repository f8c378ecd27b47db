#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The session of the README about a magnet link, typed again: transmission has
the torrent, and a daemon that has just come finds it by the link."""
import pathlib
import re
import socket
import unittest

from network import Transmission, TwentyNodes, join, shape, warren

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


class Readme(TwentyNodes):
    NEEDS = ("transmission-daemon",)

    def test_session(self):
        command, expected = re.search(
            r"^\$ (warren dht get-peers .*)\n((?:.+\n|\n(?!```))*?)```",
            README.read_text(), re.M).groups()
        torrent = self.torrent()
        seeder = self.program(Transmission).start(self.entry(1))
        seeder.seed(torrent)
        self.find(torrent, seeder.at[socket.AF_INET], self.twenty[-1])
        node = self.person()
        words = [torrent.magnet if "magnet:" in w else
                 str(node.dir) if w == "/tmp/m" else w
                 for w in command.split()[1:]]
        done = warren(*words)
        self.assertEqual(shape(done.stdout + done.stderr), shape(expected))
        self.assertIn(join(*seeder.at[socket.AF_INET]), done.stdout)


if __name__ == "__main__":
    unittest.main()
