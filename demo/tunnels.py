# SPDX-License-Identifier: MIT
"""The part of the demo that goes through circuits: an echo server confirms
that what it gets comes from an exit, and never from the client."""
import time

from harness import Failure, wait_for

RELAYS = range(0, 12)
EXITS = range(12, 14)
CLIENT = 14  # the others are in the DHT and nothing else

SPEEDTEST_SECONDS = 3


NAMES = 53533  # the port of the name server


def name_server(node):
    """Where it is, of this node's network."""
    return node.address.rpartition(".")[0] + ".210"


def flags(number, node):
    """What a node is started with, by its number."""
    if number in RELAYS:
        return []
    if number in EXITS:
        return ["--exit.become_exitnode", "true", "--exit.nameservers",
                f"{name_server(node)}:{NAMES}"]
    if number == CLIENT:  # looks for relays from the start
        return ["--tunnel.max_relays_or_exits", "0", "--build", "1"]
    return ["--tunnel.max_relays_or_exits", "0"]


class Tunnels:
    def __init__(self, demo, say):
        self.demo = demo
        self.say = say
        self.nodes = demo.net.nodes
        self.client = self.nodes[CLIENT]
        self.exits = {self.nodes[i].address for i in EXITS}
        self.echo = demo.net.echo()

    def row(self, what, hops, duration, found):
        self.demo.add_row(what, self.client, hops, duration, found)

    # ---- steps ----

    def find_relays(self):
        begun = time.monotonic()

        def known():
            peers = self.client.json("peers")["peers"]
            exits = [p for p in peers if "exit" in p["roles"]]
            return (len(peers), len(exits)) if len(peers) >= 10 and \
                len(exits) == len(EXITS) else None

        relays, exits = wait_for("the client knows 10 relays and both exits",
                                 known, 30, 0.2)
        self.row("relays found", "", (time.monotonic() - begun) * 1e3,
                 f"{relays} relays known, {exits} of them exits")

    def build(self):
        for hops in (1, 2, 3, 4):
            answer = self.client.json("tunnel", "build", "--hops", hops)
            self.row("circuits built", hops, answer["duration"],
                     f"{answer['active']} ready")

    def send(self, what, hops, data):
        answer = self.client.json("tunnel", "send", "--hops", hops,
                                  self.echo.endpoint, data)
        source = self.echo.source_of(answer["data"], data)
        if source not in self.exits:
            raise Failure(f"the echo server was asked by {source}, which is "
                          f"none of the exits {sorted(self.exits)}")
        broken = answer["broken"]
        again = f", after {broken} broken circuit{'s' * (broken > 1)}" \
            if broken else ""
        name = next(n.dir.name for n in self.nodes if n.address == source)
        self.row(what, hops, answer["duration"], f"came from exit {name}"
                 f"{again}")

    def ping(self):
        circuit = next(c for c in self.client.json("circuits")["circuits"]
                       if c["hops"] == 3 and c["state"] == "ready")
        answer = self.client.json("tunnel", "ping", circuit["id"])
        rtts = [hop["rtt"] for hop in answer["hops"]]
        self.row("ping every hop", 3, rtts[-1], "round trips " + ", ".join(
            f"{rtt:.1f}" for rtt in rtts) + " ms")

    def kill_relay(self):
        """The middle of a circuit of three, and later start it again. Where
        that is the one whom all others ask first it is another hop."""
        circuits = [c for c in self.client.json("circuits")["circuits"]
                    if c["hops"] == 3 and c["state"] == "ready"]
        hops = [(c["path"][hop]["address"], word) for hop, word in (
            (1, "second"), (0, "first")) for c in circuits]
        victim, which = next((n, word) for address, word in hops
                             for n in self.nodes[1:] if n.endpoint == address)
        victim.kill()
        self.demo.row("SIGKILL", victim, seconds=0,
                      found=f"{which} hop of a circuit in use")
        for number in range(1, 4):
            self.send("send", 3, f"after the kill {number}")
        victim.start(*flags(self.nodes.index(victim), victim))
        victim.wait_joined()

    def speedtest(self):
        answer = self.client.json("tunnel", "speedtest", "--hops", 3,
                                  "--seconds", SPEEDTEST_SECONDS)
        lost = 100 * answer["lost"] / max(answer["sent"], 1)
        self.row("speed test", 3, answer["elapsed"],
                 f"up {answer['up'] / 1e6:.1f} MB/s, down "
                 f"{answer['down'] / 1e6:.1f} MB/s, loss {lost:.1f} %, round "
                 f"trip {answer['rtt_mean']:.1f} ms")

    def check_echo(self):
        askers = self.echo.askers()
        if not askers <= self.exits:
            raise Failure(f"the echo server was asked by {sorted(askers)}")

    def run(self):
        self.say(f"Building circuits from {self.client.endpoint} ...")
        self.find_relays()
        self.build()
        self.say(f"Sending to the echo server at {self.echo.endpoint} ...")
        for hops in (1, 2, 3, 4):
            self.send("send", hops, f"through {hops}")
        self.ping()
        self.say("Measuring a circuit of 3 hops ...")
        self.speedtest()
        self.say("Killing a relay in use ...")
        self.kill_relay()
        self.check_echo()

    def say_how_to_talk(self):
        talk = f"--data-dir {self.client.dir.name}"
        self.say(f"  warren peers {talk}")
        self.say(f"  warren circuits {talk}")
        self.say(f"  warren tunnel send --hops 3 {self.echo.endpoint} hello "
                 f"{talk}")
        self.say(f"  warren tunnel speedtest --hops 3 {talk}")
