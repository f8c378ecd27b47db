#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A torrent client (libtorrent) through the proxy, by names alone: a tracker
that speaks UDP, a peer by CONNECT, and one by uTP in datagrams of UDP
ASSOCIATE; nothing of it beside the tunnels. Half of what is wanted is at either
peer, so that both are needed."""
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import unittest

from stage import PATIENCE, bytes_of, clean_environment
from watched import LEAF, WEB, Watched

try:
    import libtorrent as lt
except ImportError:
    lt = None
    print("skipped: there is no libtorrent (python3-libtorrent)", flush=True)

PROGRAM = pathlib.Path(__file__).parent / "torrent.py"
PIECE = 64 * 1024
PIECES = 32
TRACKER, BY_TCP, BY_UTP = 6969, 7001, 7002
CONNECT, ANNOUNCE = 0, 1
MAGIC = 0x41727101980


class Tracker(threading.Thread):
    """Of BEP 15: says the same peers to all, and notes who came (`seen`) and
    what they announced (`said`)."""

    def __init__(self, at, peers):
        super().__init__(daemon=True)
        self.peers, self.seen, self.said = peers, set(), []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(at)
        self.start()

    def answer(self, data):
        if len(data) < 16:
            return None
        head, action, number = struct.unpack(">QII", data[:16])
        if action == CONNECT and head == MAGIC:
            return struct.pack(">IIQ", CONNECT, number, 77)
        if action != ANNOUNCE or head != 77 or len(data) < 98:
            return None
        self.said.append(struct.unpack(">I", data[80:84])[0])
        return struct.pack(">IIIII", ANNOUNCE, number, 1800, 1, 2) + b"".join(
            socket.inet_aton(host) + struct.pack(">H", port)
            for host, port in self.peers)

    def run(self):
        while True:
            try:
                data, source = self.sock.recvfrom(4096)
            except OSError:
                return
            self.seen.add(source[0])
            answer = self.answer(data)
            if answer:
                self.sock.sendto(answer, source)

    def close(self):
        self.sock.close()


@unittest.skipIf(lt is None, "no libtorrent")
class Torrent(Watched):
    def make(self):
        """The torrent, and folders with each half of what it is of."""
        data = bytes_of("torrent", PIECE * PIECES)
        half = len(data) // 2
        for name, part in (("first", data[:half] + bytes(half)),
                           ("second", bytes(half) + data[half:])):
            (self.root / name).mkdir()
            (self.root / name / "data").write_bytes(part)
        (self.root / "data").write_bytes(data)
        files = lt.file_storage()
        lt.add_files(files, str(self.root / "data"))
        made = lt.create_torrent(files, PIECE)
        lt.set_piece_hashes(made, str(self.root))
        (self.root / "quiet.torrent").write_bytes(lt.bencode(made.generate()))
        made.add_tracker(f"udp://web.example:{TRACKER}/announce")
        (self.root / "a.torrent").write_bytes(lt.bencode(made.generate()))
        return data

    def torrent(self, machine, torrent, folder, *settings, **popen):
        (self.root / folder).mkdir(exist_ok=True)
        process = subprocess.Popen(
            ["ip", "netns", "exec", machine.name, sys.executable, PROGRAM,
             self.root / torrent, self.root / folder, *settings],
            env=clean_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, **popen)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def peer(self, folder, port, other):
        """One that has half, and is spoken to in one way only."""
        self.torrent(self.site, "quiet.torrent", folder, "stay=1",
                    f"listen_interfaces={WEB}:{port}", f"{other}=no",
                    "enable_outgoing_tcp=no", "enable_outgoing_utp=no",
                    "in_enc_policy=2", stderr=subprocess.DEVNULL)

    def test_tracker_and_peers(self):
        data = self.make()
        tracker = self.site.within(lambda: Tracker(
            (WEB, TRACKER), [(WEB, BY_TCP), (WEB, BY_UTP)]))
        self.addCleanup(tracker.close)
        self.peer("first", BY_TCP, "enable_incoming_utp")
        self.peer("second", BY_UTP, "enable_incoming_tcp")
        recorder = self.record()
        log = open(self.root / "leech.log", "w+", errors="replace")
        self.addCleanup(log.close)
        leech = self.torrent(
            self.leaf, "a.torrent", "got",
            f"proxy_type={int(lt.proxy_type_t.socks5)}",
            "proxy_hostname=127.0.0.1", "proxy_port=1080",
            "proxy_hostnames=yes", "proxy_peer_connections=yes",
            "proxy_tracker_connections=yes",
            "listen_interfaces=0.0.0.0:6881",
            stderr=log)
        try:
            out, _ = leech.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            out = None
        log.seek(0)
        self.assertEqual(out, b"all of it\n", log.read()[-5000:])
        self.assertTrue((self.root / "got/data").read_bytes() == data)
        self.assert_only_tunnels(recorder.stop())
        self.assertTrue(tracker.said)
        self.assertNotIn(LEAF, tracker.seen)
        metrics = self.client.metrics()
        self.assertGreaterEqual(metrics["warren_socks_opened_total"], 1)
        self.assertGreaterEqual(metrics["warren_socks_associations_total"], 1)


if __name__ == "__main__":
    unittest.main()
