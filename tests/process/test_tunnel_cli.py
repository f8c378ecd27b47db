#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Circuits through real daemons, as the command line builds and uses them."""
import json
import pathlib
import re
import socket
import tempfile
import threading
import time
import unittest

import msgpack

from harness import (DONE, NEGATIVE, REFUSED, UNANSWERED, USAGE, ProcessTest,
                     wait_for, warren)

RELAYS = 7
EXITS = 2
CLIENT = ("--tunnel.max_relays_or_exits", "0", "--build", "1")
EXIT = ("--exit.become_exitnode", "true")
PATIENCE = 90  # s, with sanitizers on a busy machine

# Arguments and what stderr has to say; nothing of it reaches a daemon.
WRONG = [
    (["tunnel", "build", "--hops", "0"],
     "warren: --hops must be a whole number from 1 to 4, not '0'"),
    (["tunnel", "build", "--hops", "5"],
     "warren: --hops must be a whole number from 1 to 4, not '5'"),
    (["tunnel", "build", "--count", "0"],
     "warren: --count must be a whole number from 1 to 1024, not '0'"),
    (["tunnel", "build", "3"],
     "warren: 'warren tunnel build' takes no arguments besides flags"),
    (["tunnel", "send", "1.2.3.4:5"],
     "warren: 'warren tunnel send' needs an argument: warren tunnel send "
     "HOST:PORT DATA"),
    (["tunnel", "send", "1.2.3.4", "x"],
     "warren: HOST:PORT must be an address or a name and a port, like "
     "192.0.2.1:53, [2001:db8::1]:53 or example.org:53, not '1.2.3.4'"),
    (["tunnel", "send", "1.2.3.4:0", "x"],
     "warren: no datagram can be sent to '1.2.3.4:0': neither to multicast "
     "and the like, nor to port 0"),
    (["tunnel", "send", "224.0.0.1:5", "x"],
     "warren: no datagram can be sent to '224.0.0.1:5': neither to multicast "
     "and the like, nor to port 0"),
    (["tunnel", "send", "localhost:5", "x"],
     "warren: no exit resolves 'localhost:5': such names are local"),
    (["tunnel", "send", "1.2.3.4:5", "x" * 8001],
     "warren: DATA has 8001 bytes; at most 8000 can be sent at once"),
    (["tunnel", "ping", "first"],
     "warren: CIRCUIT must be a whole number from 1 to 4294967295, not "
     "'first'"),
    (["tunnel", "close", "0"],
     "warren: CIRCUIT must be a whole number from 1 to 4294967295, not '0'"),
    (["tunnel", "speedtest", "--seconds", "0"],
     "warren: --seconds must be a duration from 1s to 1h, like 30s, 15m or 2h, "
     "or a number of seconds, not '0'"),
    (["tunnel", "sned", "x", "y"],
     "warren: there is no verb 'tunnel sned'; did you mean 'warren tunnel "
     "send'?"),
]


class WrongArguments(unittest.TestCase):
    def test_table(self):
        for args, said in WRONG:
            with self.subTest(args=args):
                done = warren(*args)
                self.assertEqual(done.stderr.split("\n")[0], said)
                self.assertEqual(done.returncode, USAGE)
                self.assertEqual(done.stdout, "")

    def test_help(self):
        for verb in ("peers", "circuits", "tunnel build", "tunnel stop",
                     "tunnel send", "tunnel ping", "tunnel close",
                     "tunnel speedtest"):
            with self.subTest(verb=verb):
                done = warren(*verb.split(), "--help")
                self.assertEqual(done.returncode, DONE)
                self.assertTrue(done.stdout.startswith(
                    f"usage: warren {verb} "), done.stdout)
                self.assertIn("--json", done.stdout)


def relay(number, **more):
    return {"identity": f"{number:02x}" * 32,
            "addresses": [f"192.0.2.{number}:7881"], "roles": ["relay"],
            "exit_policy": "", "tcp_policy": "", "guard": False,
            "usable": True, "rtt": None, "failures": 0,
            "doubt": 0, "capacity": 0, "last_seen": 5, **more}


def hop(number, rtt=None):
    return {"identity": f"{number:02x}" * 32,
            "address": f"192.0.2.{number}:7881", "rtt": rtt}


PEERS = {"known": 5, "peers": [
    relay(1), relay(2, roles=["relay", "exit"], guard=True, rtt=12.34,
                    failures=3, capacity=1234, last_seen=600),
    relay(3, addresses=["192.0.2.3:1", "[2001:db8::3]:1"], last_seen=9000)]}
PEERS_TABLE = """\
identity  address                 roles             rtt ms  kB/s  failed    seen
01010101  192.0.2.1:7881          relay                  -     -       0     5 s
02020202  192.0.2.2:7881          relay exit guard    12.3  1234       3  10 min
03030303  192.0.2.3:1             relay                  -     -       0     2 h
          [2001:db8::3]:1
and 2 more
"""
CIRCUITS = {"ready": 0.5, "circuits": [
    {"id": 7, "hops": 2, "built": 2, "state": "ready", "age": 61, "idle": 1,
     "up": 9999, "down": 123456789, "build_time": 4.5, "rtt": 1.25,
     "path": [hop(1), hop(2)]},
    {"id": 12, "hops": 1, "built": 0, "state": "building", "age": 0,
     "idle": 0, "up": 0, "down": 10000, "build_time": None, "rtt": None,
     "path": [hop(3)]}]}
CIRCUITS_TABLE = """\
circuit  hops  state      age       up      down  rtt ms  path
      7     2  ready     61 s  10.0 kB  123.5 MB     1.2  01010101 02020202
     12     1  building   0 s      0 B   10.0 kB       -  03030303
"""
SPEED = {"circuit": 7, "hops": 3, "elapsed": 5012.0, "sent": 1000,
         "answered": 990, "lost": 10, "lost_forward": 6, "lost_backward": 3,
         "refused": 1, "up": 2500000, "down": 2400000, "rtt_min": 1.0,
         "rtt_mean": 2.5, "rtt_max": 9.75, "jitter": 0.5}
SPEED_TEXT = """\
circuit     7, 3 hops, 5.0 s
goodput     up 2.50 MB/s, down 2.40 MB/s
loss        1.00 % of 1000 datagrams: 6 on the way there, 3 on the way back, 1
            refused
round trip  2.50 ms (1.00 to 9.75), jitter 0.50
"""


def sent(outcome, **more):
    return {"outcome": outcome, "reason": None, "text": None, "circuit": 7,
            "hops": 3, "broken": 0, "refusals": 0, "source": None,
            "data": None, "rtt": None,
            "duration": 5.5, **more}


ANSWERED = sent("answered", source="192.0.2.9:53", data=b"pong \x1b[1m",
                rtt=3.25)
REFUSAL = sent("refused", reason="policy", refusals=1,
               text="the exit does not send there")
SILENCE = sent("silent", reason="silent", text="the destination is silent")

# Arguments, what the daemon answers or {"code": } and {"text": } of an error;
# exit code, stdout, stderr, and the params that the daemon must have got.
TALKS = [
    (["peers"], PEERS, DONE, PEERS_TABLE, "", {}),
    (["peers"], {"known": 0, "peers": []}, DONE,
     "No relays are known; they are looked for while circuits are wanted: "
     "'warren\ntunnel build'.\n", "", {}),
    (["circuits"], CIRCUITS, DONE, CIRCUITS_TABLE, "", {}),
    (["circuits"], {"ready": 0.0, "circuits": []}, DONE,
     "No circuits: 'warren tunnel build' starts to keep some, 'warren status' "
     "says\nwhat is missing.\n", "", {}),
    (["tunnel", "build", "--count", "2", "--timeout", "9"],
     {"hops": 3, "active": 2, "ready": 1.0, "duration": 12.5,
      "circuits": [7, 8]}, DONE,
     "2 circuits of 3 hops ready after 12.5 ms: 7 8\n", "",
     {"hops": 3, "count": 2, "timeout": 9000, "stream": False}),
    (["tunnel", "build", "--hops", "1"],
     ValueError("no_nodes", "no exit is known"), UNANSWERED, "",
     "warren: no exit is known\n",
     {"hops": 1, "timeout": 30000, "stream": False}),
    (["tunnel", "stop", "--hops", "2"], {"hops": 2, "active": 1}, DONE,
     "no more circuits are built of 2 hops\n", "", {"hops": 2}),
    (["tunnel", "stop", "--hops", "1"], {"hops": 1, "active": 0}, DONE,
     "no more circuits are built of 1 hop\n", "", {"hops": 1}),
    (["tunnel", "send", "Example.org:53", "ping"], ANSWERED, DONE,
     "pong \\x1b[1m\n",
     "answered by 192.0.2.9:53 in 3.2 ms, over circuit 7 of 3 hops\n",
     {"hops": 3, "timeout": 30000, "stream": False, "to": "Example.org:53",
      "data": b"ping"}),
    (["tunnel", "send", "--hops", "4", "1.2.3.4:5", ""], REFUSAL, REFUSED, "",
     "warren: refused by the exit: the exit does not send there\n",
     {"hops": 4, "timeout": 30000, "stream": False, "to": "1.2.3.4:5",
      "data": b""}),
    (["tunnel", "send", "1.2.3.4:5", ""], {**REFUSAL, "refusals": 2}, REFUSED,
     "", "warren: refused by 2 exits: the exit does not send there\n", None),
    (["tunnel", "send", "1.2.3.4:5", ""], {**ANSWERED, "refusals": 1}, DONE,
     "pong \\x1b[1m\n",
     "answered by 192.0.2.9:53 in 3.2 ms, over circuit 7 of 3 hops; 1 other "
     "exit refused it\n", None),
    (["tunnel", "send", "1.2.3.4:5", "x", "--timeout", "7"], SILENCE,
     UNANSWERED, "",
     "warren: no answer within 7 s: the destination is silent\n", None),
    (["tunnel", "ping", "7"], {"circuit": 7, "hops": [hop(1, 1.5),
                                                      hop(2, 20.25)]}, DONE,
     "hop  identity  address         rtt ms\n"
     "  1  01010101  192.0.2.1:7881    1.50\n"
     "  2  02020202  192.0.2.2:7881   20.25\n", "",
     {"circuit": 7, "timeout": 30000}),
    (["tunnel", "ping", "7"], {"circuit": 7, "hops": [hop(1, 1.5), hop(2)]},
     UNANSWERED,
     "hop  identity  address            rtt ms\n"
     "  1  01010101  192.0.2.1:7881       1.50\n"
     "  2  02020202  192.0.2.2:7881  no answer\n", "", None),
    (["tunnel", "speedtest", "--seconds", "5"], SPEED, DONE, SPEED_TEXT, "",
     {"hops": 3, "duration": 5000, "timeout": 30000, "stream": False}),
    (["tunnel", "speedtest"], {**SPEED, "answered": 0}, UNANSWERED, None, "",
     None),
    (["tunnel", "close", "7"], {"circuit": 7}, DONE, "closed circuit 7\n", "",
     {"circuit": 7}),
    (["tunnel", "close", "7"], ValueError("not_found", "no such circuit"),
     NEGATIVE, "", "warren: no such circuit\n", None),
]


class Talks(unittest.TestCase):
    """What the verbs ask and print, against a daemon that is not real."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "control.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listener.close)
        self.listener.bind(str(self.path))
        self.listener.listen()

    def serve(self, answer):
        client, _ = self.listener.accept()
        unpacker = msgpack.Unpacker()
        with client:
            while True:
                unpacker.feed(client.recv(65536))
                for _, msgid, method, params in unpacker:
                    error = None
                    if isinstance(answer, ValueError):
                        error = dict(zip(("code", "text"), answer.args))
                    client.sendall(msgpack.packb(
                        [1, msgid, error, None if error else answer]))
                    self.asked = method, params[0] if params else {}
                    return

    def talk(self, args, answer):
        server = threading.Thread(target=self.serve, args=(answer,))
        server.start()
        done = warren(*args, "--control", self.path)
        server.join()
        return done

    def test_table(self):
        for args, answer, code, stdout, stderr, params in TALKS:
            with self.subTest(args=args):
                done = self.talk(args, answer)
                if stdout is not None:
                    self.assertEqual(done.stdout, stdout)
                self.assertEqual(done.stderr, stderr)
                self.assertEqual(done.returncode, code)
                verb = "tunnel." + (args[1] if args[0] == "tunnel"
                                    else args[0])
                self.assertEqual(self.asked[0], verb)
                if params is not None:
                    self.assertEqual(self.asked[1], params)

    def test_json(self):
        for args, answer, code, _, _, _ in TALKS:
            with self.subTest(args=args):
                done = self.talk([*args, "--json"], answer)
                self.assertEqual(done.returncode, code)
                got = json.loads(done.stdout)
                if isinstance(answer, ValueError):
                    self.assertEqual(got["error"], dict(zip(
                        ("code", "text"), answer.args)))
                else:
                    self.assertEqual(set(got), set(answer))


class Pages(Talks):
    """10,000 relays come in pages, and are put together."""

    RELAYS, PAGE = 10000, 1000

    def serve(self, answer):
        del answer
        identities = [f"{n:064x}" for n in range(self.RELAYS)]
        client, _ = self.listener.accept()
        unpacker = msgpack.Unpacker()
        with client:
            while data := client.recv(65536):
                unpacker.feed(data)
                for _, msgid, _, params in unpacker:
                    after = params[0].get("after", "")
                    left = [i for i in identities if i > after]
                    page = {"known": self.RELAYS, "peers": [
                        {**relay(1), "identity": i}
                        for i in left[:self.PAGE]]}
                    if len(left) > self.PAGE:
                        page["next"] = left[self.PAGE - 1]
                    client.sendall(msgpack.packb([1, msgid, None, page]))

    def test_table(self):
        done = self.talk(["peers"], None)
        self.assertEqual(done.returncode, DONE)
        self.assertEqual(len(done.stdout.splitlines()), 1 + self.RELAYS)

    def test_json(self):
        done = self.talk(["peers", "--json"], None)
        self.assertEqual(done.returncode, DONE)
        got = json.loads(done.stdout)
        self.assertEqual(got["known"], self.RELAYS)
        self.assertEqual([p["identity"] for p in got["peers"]],
                         [f"{n:064x}" for n in range(self.RELAYS)])


class TunnelTest(ProcessTest):
    def start(self, relays, exits, *exit_flags):
        """Relays, then exits, then the client, which relays nothing and
        keeps circuits of one hop, and so looks for relays."""
        first = self.net.add().start()
        for number in range(1, relays + exits + 1):
            flags = EXIT + exit_flags if relays <= number < relays + exits \
                else CLIENT if number == relays + exits else ()
            self.net.add([first]).start(*flags, wait=False)
        for node in self.net.nodes:
            node.wait_ready(PATIENCE)
        for node in self.net.nodes:
            node.wait_joined(PATIENCE)
        self.client = self.net.nodes[-1]
        self.relays = self.net.nodes[:relays]
        self.exits = self.net.nodes[relays:relays + exits]

    def wait_peers(self, count):
        return wait_for(f"{count} relays are known", lambda: (
            lambda peers: peers if len(peers) >= count else None)(
                self.client.json("peers")["peers"]), PATIENCE, 0.3)

    def circuits(self, hops):
        return [c for c in self.client.json("circuits")["circuits"]
                if c["hops"] == hops and c["state"] == "ready"]


class Circuits(TunnelTest):
    """One network for all of them: starting one takes longest."""

    def setUp(self):
        super().setUp()
        self.echo = self.net.echo()
        self.start(RELAYS, EXITS, "--exit.policy", "reject *:9, accept *")

    def test_everything(self):
        for part in (self.peers, self.build, self.send, self.send_long,
                     self.list_circuits, self.ping, self.speedtest,
                     self.close, self.refused, self.silent, self.relay_dies,
                     self.stop_pool):
            with self.subTest(part=part.__name__):
                part()

    def peers(self):
        peers = self.wait_peers(RELAYS + EXITS)
        by_address = {p["addresses"][0]: p for p in peers}
        self.assertEqual(set(by_address), {n.endpoint for n in
                                           self.relays + self.exits})
        for node in self.exits:
            self.assertIn("exit", by_address[node.endpoint]["roles"])
        for node in self.relays:
            peer = by_address[node.endpoint]
            self.assertIn("relay", peer["roles"])
            self.assertNotIn("exit", peer["roles"])
            self.assertRegex(peer["identity"], "^[0-9a-f]{64}$")
        done = self.client.cli("peers")
        self.assertEqual(done.returncode, DONE)
        self.assertEqual(len(done.stdout.splitlines()), RELAYS + EXITS + 1)

    def build(self):
        for hops in (1, 2, 3, 4):
            answer = self.client.json("tunnel", "build", "--hops", hops,
                                      "--timeout", PATIENCE)
            self.assertEqual(answer["hops"], hops)
            self.assertGreaterEqual(len(answer["circuits"]), 1)
        done = self.client.cli("tunnel", "build", "--hops", 3, "--count", 1)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertRegex(done.stdout, r"^\d+ circuits? of 3 hops ready")
        done = self.client.cli("tunnel", "build", "--count", 1000)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("min_circuits", done.stderr)

    def send(self):
        exits = {n.address for n in self.exits}
        for hops in (1, 2, 3, 4):
            data = f"over {hops}"
            answer = self.client.json("tunnel", "send", "--hops", hops,
                                      self.echo.endpoint, data)
            self.assertEqual((answer["outcome"], answer["source"]),
                             ("answered", self.echo.endpoint))
            self.assertIn(self.echo.source_of(answer["data"], data), exits)
        done = self.client.cli("tunnel", "send", self.echo.endpoint, "plain")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn(self.echo.source_of(done.stdout.strip(), "plain"), exits)
        self.assertIn("hops", done.stderr)

    def send_long(self):
        data = "x" * 4000  # cut into pieces
        answer = self.client.json("tunnel", "send", "--hops", 3,
                                  self.echo.endpoint, data)
        self.assertTrue(answer["data"].startswith(data + " from "))

    def list_circuits(self):
        found = self.client.json("circuits")
        self.assertGreaterEqual(found["ready"], 1.0)
        known = {p["identity"]: p for p in self.client.json("peers")["peers"]}
        for circuit in found["circuits"]:
            self.assertEqual(len(circuit["path"]), circuit["hops"])
            hops = [hop["identity"] for hop in circuit["path"]]
            self.assertEqual(len(set(hops)), len(hops))
            self.assertIn("exit", known[hops[-1]]["roles"])
        self.assertGreater(sum(c["down"] for c in found["circuits"]), 0)
        done = self.client.cli("circuits")
        self.assertEqual(len(re.findall(r"^ *\d+ +\d  ", done.stdout, re.M)),
                         len(found["circuits"]))

    def ping(self):
        circuit = self.circuits(3)[0]
        answer = self.client.json("tunnel", "ping", circuit["id"])
        self.assertEqual([h["identity"] for h in answer["hops"]],
                         [h["identity"] for h in circuit["path"]])
        for hop in answer["hops"]:
            self.assertGreater(hop["rtt"], 0)
        done = self.client.cli("tunnel", "ping", circuit["id"])
        self.assertEqual(len(done.stdout.splitlines()), 4)
        done = self.client.cli("tunnel", "ping", 4000000000)
        self.assertEqual(done.returncode, NEGATIVE)
        self.assertIn("no such circuit", done.stderr)

    def speedtest(self):
        report = self.client.json("tunnel", "speedtest", "--hops", 3,
                                  "--seconds", 3)
        self.assertEqual(report["hops"], 3)
        self.assertGreater(report["answered"], 10)
        self.assertGreater(report["up"], 0)
        self.assertGreater(report["down"], 0)
        self.assertGreater(report["rtt_mean"], 0)
        measured = [p for p in self.client.json("peers")["peers"]
                    if p["capacity"] > 0]
        self.assertEqual(len(measured), 3)
        for peer in measured:
            self.assertLessEqual(peer["capacity"], report["down"] / 1000)
        done = self.client.cli("tunnel", "speedtest", "--hops", 1,
                               "--seconds", 1)
        self.assertEqual(done.returncode, DONE, done.stderr)
        for word in ("goodput", "loss", "round trip"):
            self.assertIn(word, done.stdout)

    def close(self):
        circuit = self.circuits(4)[0]["id"]
        self.client.json("tunnel", "close", circuit)
        self.assertNotIn(circuit, [c["id"] for c in self.circuits(4)])
        done = self.client.cli("tunnel", "close", circuit)
        self.assertEqual(done.returncode, NEGATIVE)
        self.assertIn("no such circuit", done.stderr)

    def refused(self):
        done = self.client.cli("tunnel", "send", "--hops", 2,
                               f"{self.net.prefix}.200:9", "x")
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertEqual(done.stderr, f"warren: refused by {EXITS} exits: the "
                                      "exit does not send there\n")
        answer = self.client.json("tunnel", "send", "--hops", 2,
                                  f"{self.net.prefix}.200:9", "x",
                                  ok=(REFUSED,))
        self.assertEqual((answer["outcome"], answer["reason"],
                          answer["refusals"]), ("refused", "policy", EXITS))

    def silent(self):
        begun = time.monotonic()
        done = self.client.cli("tunnel", "send", "--hops", 1, "--timeout", 4,
                               f"{self.net.prefix}.201:4007", "x")
        self.assertEqual(done.returncode, UNANSWERED, done.stderr)
        self.assertIn("no answer within 4 s: the exit is there, the "
                      "destination has not answered; whether it got the "
                      "datagram is not known", done.stderr)
        self.assertLess(time.monotonic() - begun, 10)

    def relay_dies(self):
        """One in the middle, then one at the beginning of circuits."""
        exits = {n.address for n in self.exits}
        for place in (1, 0):
            paths = [[h["address"] for h in c["path"]]
                     for c in self.circuits(3)]
            victim = next(n for n in self.relays if n.is_running() and any(
                p[place] == n.endpoint for p in paths))
            victim.kill()
            for number in range(3):
                data = f"after {place}.{number}"
                answer = self.client.json(
                    "tunnel", "send", "--hops", 3, "--timeout", PATIENCE,
                    self.echo.endpoint, data)
                self.assertIn(self.echo.source_of(answer["data"], data), exits)

    def stop_pool(self):
        self.client.json("tunnel", "stop", "--hops", 4)
        done = self.client.cli("tunnel", "stop", "--hops", 4)
        self.assertEqual(done.returncode, NEGATIVE)


class Exits(TunnelTest):
    """Exits that send to some ports and networks only."""

    def setUp(self):
        super().setUp()
        self.echo = self.net.echo()

    def policies(self, *lines):
        """An exit of each; the client knows all of them."""
        self.start(3, 0)
        self.exits = [self.net.add([self.relays[0]]).start(
            *EXIT, "--exit.policy", line) for line in lines]
        self.wait_peers(3 + len(lines))

    def send(self, data, **more):
        answer = self.client.json("tunnel", "send", "--hops", 2, "--timeout",
                                  PATIENCE, self.echo.endpoint, data, **more)
        if answer["outcome"] == "answered":
            answer["exit"] = self.echo.source_of(answer["data"], data)
        return answer

    def test_one_of_many_sends_there(self):
        """Its circuit is built when there is none, and then used."""
        self.policies("reject *:4007, accept *", "reject *:4007, accept *",
                      "accept *:53, reject *", "accept *:4007, reject *")
        self.client.json("tunnel", "build", "--hops", 2, "--timeout", PATIENCE)
        for number in range(6):
            answer = self.send(f"n{number}")
            self.assertEqual(answer["exit"], self.exits[3].address)
            self.assertEqual(answer["refusals"], 0)
        refused = [n.metrics()['warren_exit_refused_total{reason="policy"}']
                   for n in self.exits]
        self.assertEqual(refused, [0, 0, 0, 0])
        counts = self.exits[3].metrics()
        taken, *others = [
            counts[f"warren_exit_policy_line_total{{{line}}}"]
            for line in ('number="1",line="accept *:4007"',
                         'number="2",line="reject *"',
                         'number="3",line="reject *"')]
        self.assertGreaterEqual(taken, 1)
        self.assertEqual(others, [0, 0])

    def test_another_one_when_an_exit_refuses(self):
        """What it refuses to a single network, its summary does not say."""
        self.policies(f"reject {self.net.prefix}.200, accept *", "accept *")
        refusals = number = 0
        while refusals == 0 and number < 30:
            number += 1
            answer = self.send(f"n{number}")
            self.assertEqual(answer["exit"], self.exits[1].address)
            refusals += answer["refusals"]
            for circuit in self.circuits(2):
                self.client.json("tunnel", "close", circuit["id"])
        self.assertGreater(refusals, 0)

    def test_a_network_that_no_summary_names(self):
        self.policies("reject *", f"accept {self.net.prefix}.200, reject *")
        for number in range(4):
            answer = self.send(f"n{number}")
            self.assertEqual(answer["exit"], self.exits[1].address)
            for circuit in self.circuits(2):
                self.client.json("tunnel", "close", circuit["id"])

    def test_the_only_exit_refuses(self):
        self.policies("reject *:4007, accept *")
        begun = time.monotonic()
        answer = self.send("hello", ok=(REFUSED,))
        self.assertEqual((answer["reason"], answer["refusals"]),
                         ("policy", 1))
        self.assertLess(time.monotonic() - begun, PATIENCE / 3)


class NoExit(TunnelTest):
    def test_names_the_missing_role(self):
        self.start(3, 0)
        self.wait_peers(3)
        done = self.client.cli("tunnel", "build", "--hops", 2, "--timeout", 2)
        self.assertEqual(done.returncode, UNANSWERED)
        self.assertRegex(done.stderr, r"^warren: 0 of \d+ circuits of 2 hops "
                         "are there: no exit is known that would do .3 relays "
                         "are known, 0 of them exits.; the node goes on "
                         "trying\n$")
        done = self.client.cli("tunnel", "send", "--hops", 1, "--timeout", 2,
                               "127.0.0.1:9", "x")
        self.assertEqual(done.returncode, UNANSWERED)
        self.assertIn("no exit is known", done.stderr)
        done = self.client.cli("status")
        self.assertIn("no exit is known", done.stdout)
        self.assertIn("become_exitnode", done.stdout)
        codes = [p["code"] for p in self.client.status()["problems"]]
        self.assertIn("no_circuits", codes)

    def test_no_relays(self):
        self.client = self.net.add().start(*CLIENT)
        done = self.client.cli("tunnel", "build", "--timeout", 2)
        self.assertEqual(done.returncode, UNANSWERED)
        self.assertIn("too few relays are known", done.stderr)
        for verb in (["build"], ["send", "127.0.0.1:9", "x"], ["speedtest"]):
            done = self.client.cli("tunnel", *verb, "--hops", 1,
                                   "--timeout", 1)
            self.assertIn(" of 1 hop ", done.stderr)
        self.assertIn("No relays are known", self.client.cli("peers").stdout)
        self.assertIn("No circuits", self.client.cli("circuits").stdout)


if __name__ == "__main__":
    unittest.main()
