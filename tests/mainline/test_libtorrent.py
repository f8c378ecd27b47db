#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Daemons of warren in a network of libtorrent's nodes, over both families:
what either announces and puts the other finds, and both keep it for the
other. Items that libtorrent's keep or return they have verified, and so have
warren's."""
import hashlib
import os
import unittest

from nacl.signing import SigningKey

from network import (Asker, MainlineTest, bencode, family_of, join, node_ids,
                     place, place6)

THEIRS, OURS = 6, 5
HASH = hashlib.sha1(b"a hash of the tests").hexdigest()
NESTED = {"a list": [1, b"\xff\0", {"deep": -5}], "z": b""}
LARGEST = "v" * 996  # 1000 bytes with its length before it


class WithLibtorrent(MainlineTest):
    NEEDS = ("libtorrent",)

    def setUp(self):
        super().setUp()
        self.theirs = [self.session(ipv6=True) for _ in range(THEIRS)]
        for session in self.theirs:
            for other in self.theirs:
                if other is not session:
                    session.meet(*other.at.values())
        for session in self.theirs:
            self.wait("libtorrent's nodes know each other", lambda s=session:
                      len(s.table()) >= 2 * THEIRS - 3)
        entry = list(self.theirs[0].at.values())
        self.ours = [self.warren(*entry, ipv6=True).start(wait=False)
                     for _ in range(OURS)]
        for node in self.ours:
            node.wait_ready()
        mine = {e for n in self.ours for e in n.ends.values()}
        for session in self.theirs:
            self.wait("libtorrent's nodes know ours", lambda s=session:
                      len(s.table() & mine) >= OURS)
        self.askers = [Asker(place(500)), Asker(place6(500))]
        for asker in self.askers:
            self.addCleanup(asker.sock.close)

    def asked(self, method, **arguments):
        """{(host, port): results} of libtorrent's nodes and of ours, asked
        one by one, without a lookup, over either family."""
        answers = [{}, {}]
        for kind, nodes in enumerate((
                [s.at for s in self.theirs], [n.ends for n in self.ours])):
            for ends in nodes:
                for asker in self.askers:
                    to = ends[asker.family]
                    answer = asker.ask(to, method, **arguments) or {}
                    answers[kind][to] = answer.get(b"r", {})
        return answers

    def assert_both_keep(self, key, method, **arguments):
        """A node of theirs and one of ours, over each family."""
        for nodes in self.asked(method, **arguments):
            having = {family_of(to[0]) for to, r in nodes.items()
                      if r.get(key)}
            self.assertEqual(having, {a.family for a in self.askers})

    def test_everything(self):
        for part in (self.peers_of_ours, self.peers_of_theirs, self.scrape,
                     self.samples, self.immutable_of_ours,
                     self.immutable_of_theirs, self.mutable_of_ours,
                     self.mutable_of_theirs):
            with self.subTest(part=part.__name__):
                part()

    # ---- Peers

    def peers_of_ours(self):
        self.ours[1].json("dht", "announce", HASH, "--port", 4321,
                          "--mainline")
        for host, _ in self.ours[1].ends.values():
            self.theirs[3].find(HASH, (host, 4321))
        self.assert_both_keep(b"values", "get_peers",
                              info_hash=bytes.fromhex(HASH))

    def peers_of_theirs(self):
        self.seeded = self.torrent()
        self.theirs[1].seed(self.seeded)
        wanted = {join(*a) for a in self.theirs[1].at.values()}

        def found():
            answer = self.ours[4].json("dht", "get-peers", self.seeded.magnet,
                                       "--mainline", ok=(0, 1))
            return wanted <= {p["address"] for p in answer["peers"]}

        self.wait("the peers of libtorrent's torrent are found", found)
        self.assert_both_keep(b"values", "get_peers",
                              info_hash=bytes.fromhex(self.seeded.hash))

    def scrape(self):
        """One seed, at an address of either family: two hosts at most."""
        answer = self.ours[2].json("dht", "scrape", self.seeded.magnet,
                                   "--mainline")
        self.assertEqual(round(answer["seeds"]), 2, answer)
        self.assertEqual(round(answer["downloaders"]), 0, answer)

    def samples(self):
        hashes = {HASH, self.seeded.hash}
        for node in self.ours:
            for to in node.ends.values():
                got, interval, count = self.theirs[2].samples(to)
                self.assertEqual(count, len(got))
                self.assertLessEqual(set(got), hashes)
                self.assertLessEqual(interval.total_seconds(), 21600)
        seen = set()
        for session in self.theirs:
            for to in session.at.values():
                seen |= set(self.ours[0].json("dht", "sample", join(*to),
                                              "--mainline")["samples"])
        self.assertEqual(seen, hashes)

    # ---- Items

    def immutable_of_ours(self):
        for value in ("hello", LARGEST, NESTED):
            put = self.ours[0].rpc("dht.put", value=value, mainline=True)
            raw = bencode(value)
            target = hashlib.sha1(raw).digest()
            self.assertEqual(put["target"], target.hex())
            self.assert_both_keep(b"v", "get", target=target)
            if isinstance(value, str):  # its Python has no others
                self.assertEqual(self.theirs[4].get(put["target"]),
                                 value.encode())

    def immutable_of_theirs(self):
        for value in (b"good bye", LARGEST.encode()[::-1], NESTED | {"b": 1}):
            _, target = self.theirs[5].put(value)
            self.assertEqual(target, hashlib.sha1(bencode(value)).hexdigest())
            self.wait(f"we find {target}", lambda t=target: self.ours[3].cli(
                "dht", "get", t, "--mainline").returncode == 0)
            got = self.ours[3].rpc("dht.get", target=target, mainline=True)
            self.assertEqual(bencode(got["item"]["value"]), bencode(value))
            self.assert_both_keep(b"v", "get", target=bytes.fromhex(target))

    def keys(self):
        """A secret key, the public one, and a file with both."""
        key = SigningKey.generate()
        public = bytes(key.verify_key)
        path = self.root / public.hex()
        path.write_bytes(bytes(key) + public)
        path.chmod(0o600)
        return bytes(key), public, path

    def put_ours(self, value, path, salt):
        flags = ["--salt", salt] if salt else []
        done = self.ours[1].cli("dht", "put", value, "--key", path,
                                "--mainline", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def get_ours(self, target, salt):
        flags = ["--salt", salt] if salt else []
        done = self.ours[2].cli("dht", "get", target, "--mainline", "--json",
                                *flags)
        return done.stdout

    def mutable_of_ours(self):
        for salt in ("", "a salt"):
            _, public, path = self.keys()
            raw = salt.encode()
            target = hashlib.sha1(public + raw).digest()
            for version in (1, 2):
                self.assertEqual(self.put_ours(f"ours {version}", path, salt),
                                 target.hex())
                self.assertEqual(version, self.theirs[0].get_mutable(
                    public, b"ours %d" % version, raw))
            self.assert_both_keep(b"sig", "get", target=target)

    def mutable_of_theirs(self):
        for salt in ("", "another salt"):
            seed, public, path = self.keys()
            raw = salt.encode()
            target = hashlib.sha1(public + raw).digest()
            for version in (1, 2):
                value = b"theirs %d" % version
                self.theirs[2].put_mutable(seed, public, value, raw)
                self.wait(f"we get version {version}", lambda v=value:
                          v.decode() in self.get_ours(target.hex(), salt))
            self.assert_both_keep(b"sig", "get", target=target)
            self.put_ours("ours 3", path, salt)
            self.theirs[5].get_mutable(public, b"ours 3", raw)


if __name__ == "__main__":
    unittest.main()
