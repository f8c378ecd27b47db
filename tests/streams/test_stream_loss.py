#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Bytes both ways through daemons whose datagrams get lost, 5 of 100 on each
link, while relays are killed: all come, in order. In a network namespace of
its own, whose packet filter loses them. WARREN_LOSS_BYTES is how much goes each
way. (With datagrams that overtake others: test_sim_tunnel_carry.c.)"""
import ctypes
import os
import shutil
import socket
import subprocess
import threading
import time
import unittest

from scene import EXIT
from stage import PATIENCE, Streams, bytes_of, echo, socks, wait_for

CLONE_NEWNET = 0x40000000
LOSE = ("iptables", "-A", "INPUT", "-p", "udp", "-m", "statistic", "--mode",
        "random", "--probability", "0.05", "-j", "DROP")
BYTES = int(os.environ.get("WARREN_LOSS_BYTES", "16000000"))
DEATHS = 2  # of all relays of the circuit that is used


def why_not():
    """Enters a namespace; says why that cannot be done here."""
    if os.geteuid() != 0:
        return "not root, so no network namespace"
    if shutil.which("iptables") is None or shutil.which("ip") is None:
        return "no iptables and iproute2"
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        return f"no network namespace: {os.strerror(ctypes.get_errno())}"
    for args in (("ip", "link", "set", "lo", "up"), LOSE):
        done = subprocess.run(args, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            return f"{args[0]}: {done.stderr.strip()}"
    return ""


WHY_NOT = why_not()
if WHY_NOT:
    print(f"skipped: {WHY_NOT}", flush=True)


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Loss(Streams):
    RELAYS = 9

    def kill_circuit(self, node):
        """All but the exit of the one that has carried most."""
        used = max(node.json("circuits")["circuits"],
                   key=lambda c: (-c["idle"], c["down"]))
        hops = {h["address"].rsplit(":", 1)[0] for h in used["path"][:-1]}
        for relay in self.relays:
            if relay.address in hops and relay.is_running():
                relay.kill()

    def test_both_ways(self):
        mirror = self.server(echo).server_address
        self.add(flags=EXIT)
        node, at = self.proxy()
        data = bytes_of("lossy", BYTES)
        s = socks(at, *mirror)
        s.settimeout(PATIENCE)
        got = bytearray()

        def write():
            for at in range(0, len(data), 65536):  # each has its time
                s.sendall(data[at:at + 65536])
            s.shutdown(socket.SHUT_WR)
        writer = threading.Thread(target=write, daemon=True)
        begun = time.monotonic()
        writer.start()
        dead = 0
        while piece := s.recv(65536):
            got += piece
            if dead < DEATHS and len(got) > (dead + 1) * BYTES // (DEATHS + 1):
                dead += 1
                self.kill_circuit(node)
        writer.join(PATIENCE)
        s.close()
        self.assertEqual(len(got), len(data), node.cli("circuits").stdout +
                         node.log_text()[-3000:])
        self.assertTrue(got == data)
        self.assertEqual(dead, DEATHS)
        metrics = node.metrics()
        changes = int(metrics["warren_stream_circuit_changes_total"])
        self.assertGreaterEqual(changes, DEATHS)
        # Counted when the stream is gone, which is soon.
        lost = wait_for("what was lost is told", lambda: int(sum(
            v for k, v in node.metrics().items()
            if k.startswith("warren_stream_lost_total"))), PATIENCE)
        print(f"{BYTES} bytes each way in {time.monotonic() - begun:.1f} s, "
              f"{lost} packets said again, {changes} changes of the circuit",
              flush=True)


if __name__ == "__main__":
    unittest.main()
