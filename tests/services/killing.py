# SPDX-License-Identifier: MIT
"""A channel with traffic whose relays are killed one after the other, and how
long it is silent then. Used by a test and by the bench."""
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "process"))
from harness import clean_environment, wait_for

PAUSE = 0.02  # s, between datagrams

# Who is who on the way, by its place among the hops of one end. The rendezvous
# point is the last of both.
ROLES = {
    "rendezvous point": ("client", 2),
    "client's layer 2": ("client", 1),
    "client's guard": ("client", 0),
    "service's third hop": ("service", 2),
    "service's layer 2": ("service", 1),
    "service's guard": ("service", 0),
}
LENGTHS = {"client": 3, "service": 4}


class Talk(threading.Thread):
    """Asks all the while; notes when answers come."""

    def __init__(self, to, pause=PAUSE):
        super().__init__(daemon=True)
        self.pause = pause
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(to)
        self.answers = []
        self.ended = False
        self.start()

    def run(self):
        while not self.ended:
            self.socket.send(b"are you there?")
            self.hear(time.monotonic() + self.pause)

    def hear(self, until):
        """All that comes: after a gap there are many at once."""
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                self.socket.recv(100)
            except OSError:
                continue
            self.answers.append(time.monotonic())

    def wait_for_more(self, count, patience):
        before = len(self.answers)
        wait_for("answers come", lambda: len(self.answers) >= before + count,
                 patience)

    def gap(self):
        """The longest time without an answer since the last call, s."""
        answers = self.answers[:]
        del self.answers[:len(answers) - 1]
        return max(after - before for before, after in
                   zip(answers, answers[1:]))

    def close(self):
        self.ended = True
        self.join()
        self.socket.close()


class Channel:
    """Of a client to port 9 of a service, both with 3 hops and without other
    peers, through some of these relays."""

    def __init__(self, client, service, address, relays, patience,
                 pause=PAUSE):
        self.ends = {"client": client, "service": service}
        self.relays = {r.endpoint: r for r in relays}
        self.patience = patience
        self.process = subprocess.Popen(
            [client.binary, "service", "connect", f"{address}:9", "--json",
             "--data-dir", str(client.dir)], stdout=subprocess.PIPE, text=True,
            env=clean_environment())
        ip, port = json.loads(
            self.process.stdout.readline())["address"].rsplit(":", 1)
        self.talk = Talk((ip, int(port)), pause)

    def close(self):
        self.talk.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def roles(self):
        """The endpoint of each role; None while both ends do not agree."""
        paths = {}
        for end, node in self.ends.items():
            peers = node.rpc("service.peers")["peers"]
            paths[end] = peers[0]["path"] if len(peers) == 1 else []
            if len(paths[end]) != LENGTHS[end]:
                return None
        if paths["client"][-1] != paths["service"][-1]:
            return None
        return {role: paths[end][at] for role, (end, at) in ROLES.items()}

    def kill(self, role):
        """Returns the relay, and how long nothing was answered, s."""
        self.talk.wait_for_more(25, self.patience)
        relay = self.relays[wait_for("it is clear who is who", self.roles,
                                     self.patience)[role]]
        self.talk.gap()
        relay.kill()
        self.talk.wait_for_more(50, self.patience)
        return relay, self.talk.gap()
