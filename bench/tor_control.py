# SPDX-License-Identifier: MIT
"""A client of tor's control port: circuits with hops of our choice, and
streams put on them. The protocol is in tor's control-spec."""
import base64
import re
import socket
import time

from measure import Failure

PATIENCE = 15.0  # seconds


class TorControl:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("r", newline="\r\n")
        self.events = []
        self.command("AUTHENTICATE")
        self.command("SETEVENTS CIRC STREAM")

    def close(self):
        self.lines.close()
        self.socket.close()

    def line(self):
        line = self.lines.readline()
        if not line:
            raise Failure("tor closed its control port")
        return line.rstrip("\r\n")

    def send(self, text):
        self.socket.sendall(text.encode() + b"\r\n")

    def answer(self):
        """Its lines; those of events are kept for event()."""
        answer = []
        while True:
            line = self.line()
            if line.startswith("650 "):
                self.events.append(line)
                continue
            answer.append(line)
            if re.match(r"\d{3} ", line):
                return answer

    def command(self, text):
        """The lines of the answer, which has to be good."""
        self.send(text)
        answer = self.answer()
        if not answer[-1].startswith("250"):
            raise Failure(f"tor answers '{answer[-1]}' to {text}")
        return answer

    def event(self, pattern):
        """Waits for one; returns the match."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            line = self.events.pop(0) if self.events else self.line()
            if match := re.match("650 " + pattern, line):
                return match
        raise Failure(f"tor does not tell of {pattern}")

    # ---- what it is asked for ----

    def bootstrapped(self):
        """Per cent."""
        answer = self.command("GETINFO status/bootstrap-phase")[0]
        return int(re.search(r"PROGRESS=(\d+)", answer)[1])

    def relays(self):
        """{nickname: fingerprint} of the consensus that the client has."""
        found = {}
        for line in self.command("GETINFO ns/all"):
            words = line.removeprefix("250+ns/all=").split()
            if words[:1] == ["r"]:
                found[words[1]] = base64.b64decode(words[2] + "=").hex()
        return found

    def has_descriptor(self, fingerprint):
        """Of a relay in the consensus: its keys, which come later."""
        self.send(f"GETINFO md/id/{fingerprint}")
        return self.answer()[-1].startswith("250")

    def build(self, fingerprints):
        """A circuit through these: its number, and milliseconds."""
        begun = time.monotonic()
        answer = self.command("EXTENDCIRCUIT 0 " + ",".join(
            "$" + f for f in fingerprints))
        circuit = answer[0].split()[2]
        outcome = self.event(f"CIRC {circuit} (BUILT|FAILED|CLOSED)(.*)")
        if outcome[1] != "BUILT":
            raise Failure(f"tor's circuit: {outcome[0]}")
        return circuit, (time.monotonic() - begun) * 1e3

    def attach(self, circuit):
        """The next stream that a program asks for goes over this circuit."""
        stream = self.event(r"STREAM (\d+) NEW .*PURPOSE=USER")[1]
        self.command(f"ATTACHSTREAM {stream} {circuit}")

    def remove(self, circuit):
        self.command(f"CLOSECIRCUIT {circuit}")
