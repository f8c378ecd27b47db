#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A network of 20 real nodes on this machine, shown at work and then broken.

12 of them relay, 2 are exits as well, one is a client that talks to an echo
server through them, and fetches pages; all are in the DHT. Some run hidden
services.

Usage: run.py [PATH_TO_WARREN] [--keep]

Each node is a process with an address of its own in 127.0.0.0/8. All join
through one bootstrap node. Exits 0 when every step went as it must, else 1
with the reason. --keep leaves the network up and says how to talk to it.
"""
import argparse
import pathlib
import shutil
import statistics
import sys
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "process"))
from harness import (DONE, NEGATIVE, Failure, Network,  # noqa: E402
                     wait_for, warren)
import services  # noqa: E402
import streams  # noqa: E402
import tunnels  # noqa: E402

COUNT = 20
INFO_HASH = "d0" * 20


def say(text):
    print(text, flush=True)


def count(number, noun):
    return f"{number} {noun}" + ("" if number == 1 else "s")


class Demo:
    def __init__(self, binary):
        self.binary = binary
        self.net = Network(binary)
        self.rows = []
        self.dead = []
        self.services = None
        self.streams = None

    def living(self):
        return [n for n in self.net.nodes if n not in self.dead]

    def name_of(self, endpoint):
        return next((n.dir.name for n in self.net.nodes
                     if n.endpoint == endpoint), endpoint)

    # ---- one line of the table ----

    def row(self, what, node, answer=None, found="", seconds=None):
        """Of a lookup in the DHT, or of something that took some time."""
        if answer:
            self.add_row(what, node, answer["hops"], answer["duration"], found,
                         f"{answer['answered']}/{answer['asked']}")
        else:
            self.add_row(what, node, "", seconds * 1e3, found)

    def add_row(self, what, node, hops, duration, found, answered=""):
        self.rows.append((what, node.dir.name if node else "", str(hops),
                          answered, f"{duration:.1f}", found))

    def print_table(self):
        """The results take as many lines as the terminal makes them."""
        head = ("what", "node", "hops", "answered", "ms", "result")
        table = [head, *self.rows]
        widths = [max(len(r[i]) for r in table) for i in range(len(head))]
        screen = shutil.get_terminal_size((80, 24)).columns
        room = max(screen - sum(w + 2 for w in widths[:-1]), 20)
        widths[-1] = min(widths[-1], room)
        right = (False, False, True, True, True, False)
        say("")
        for r in table:
            lines = textwrap.wrap(r[-1], widths[-1], break_long_words=False,
                                  break_on_hyphens=False) or [""]
            for number, line in enumerate(lines):
                cells = [*(r[:-1] if number == 0 else [""] * (len(r) - 1)),
                         line]
                cells = [c.rjust(w) if to_right else c.ljust(w)
                         for c, w, to_right in zip(cells, widths, right)]
                say("  ".join(cells).rstrip())
            if r is head:
                say("  ".join("-" * w for w in widths))
        say("")

    # ---- steps ----

    def start(self):
        begun = time.monotonic()
        first = self.net.add()
        first.start()
        for number in range(1, COUNT):
            node = self.net.add([first])
            node.start(*tunnels.flags(number, node),
                       *services.flags(number, node),
                       *streams.flags(number, node), wait=False)
        for node in self.net.nodes:
            node.wait_ready(30)
        for node in self.net.nodes:
            node.wait_joined(30)
        self.row("all have joined", None, seconds=time.monotonic() - begun,
                 found=f"{COUNT} processes started, through one")

    def see_each_other(self):
        begun = time.monotonic()

        def sizes():
            return [len(n.json("dht", "nodes")["nodes"])
                    for n in self.net.nodes]

        wait_for("every node knows 8 others", lambda: min(sizes()) >= 8, 30,
                 0.2)
        known = sizes()
        self.row("they know each other", None,
                 seconds=time.monotonic() - begun,
                 found=f"{min(known)} to {max(known)} nodes known, median "
                       f"{statistics.median(known):g}")
        for seeker, wanted in ((3, 17), (12, 5)):
            self.find_node(self.net.nodes[seeker], self.net.nodes[wanted])

    def find_node(self, seeker, wanted):
        ident = wanted.id()
        answer = seeker.json("dht", "find-node", ident)
        if answer["nodes"][0] != {"id": ident, "address": wanted.endpoint}:
            raise Failure(f"{seeker.endpoint} did not find {wanted.endpoint} "
                          f"by its id: {answer}")
        self.row("find-node", seeker, answer, f"{wanted.dir.name}, by its id")

    def announce(self, *announcers):
        for number in announcers:
            node = self.net.nodes[number]
            answer = node.json("dht", "announce", INFO_HASH)
            self.row("announce", node, answer,
                     f"stored on {count(answer['stored'], 'node')}")

    def get_peers(self, announcers, *seekers):
        expected = {self.net.nodes[a].endpoint for a in announcers}
        for number in seekers:
            node = self.net.nodes[number]
            answer = node.json("dht", "get-peers", INFO_HASH)
            found = {p["address"] for p in answer["peers"]}
            if not expected <= found:
                raise Failure(f"{node.endpoint} found {sorted(found)}, not "
                              f"all of {sorted(expected)}")
            first = self.name_of(answer["peers"][0]["from"]) or "itself"
            self.row("get-peers", node, answer,
                     f"{count(len(found), 'peer')}, told by {first}")

    def make_key(self):
        self.key = self.net.root / "key"
        done = warren("dht", "key", "new", self.key, binary=self.binary)
        if done.returncode != DONE:
            raise Failure(done.stderr)

    def put(self, number, value):
        node = self.net.nodes[number]
        answer = node.json("dht", "put", "--key", self.key, value)
        self.target = answer["target"]
        self.row("put, signed", node, answer,
                 f"'{value}' on {count(answer['stored'], 'node')}")

    def get(self, number, value):
        node = self.net.nodes[number]
        answer = node.json("dht", "get", self.target, ok=(DONE, NEGATIVE))
        item = answer["item"]
        if item is None or item["value"] != value:
            raise Failure(f"{node.endpoint} got {item}, not '{value}'")
        self.row("get", node, answer,
                 f"'{item['value']}', version {item['seq']}")

    def kill(self):
        """The bootstrap node and a quarter of the rest."""
        victims = [self.net.nodes[i] for i in (0, 4, 8, 12, 16, 19)]
        for node in victims:
            wait_for(f"{node.endpoint} has written its store",
                     lambda n=node: n.status()["store"]["nodes"] > 0)
        self.returning = victims[1]
        self.returning_id = self.returning.id()
        for node in victims:
            node.kill()
        self.dead = victims
        self.row("SIGKILL", None, seconds=0, found="the bootstrap node and "
                 f"{len(victims) - 1} of the other {COUNT - 1}")

    def restart(self):
        """From its own store alone."""
        node = self.returning
        node.bootstrap = []
        begun = time.monotonic()
        node.start()
        node.wait_joined()
        seconds = time.monotonic() - begun
        if node.id() != self.returning_id:
            raise Failure(f"{node.endpoint} came back with another id")
        self.dead.remove(node)
        self.row("restart, no bootstrap", node, seconds=seconds,
                 found="same id, joined from its own store")

    def check_nobody_else_died(self):
        for node in self.living():
            if not node.is_running():
                raise Failure(f"{node.endpoint} ended by itself: "
                              f"{node.log_text()}")

    def run(self):
        say(f"Starting {COUNT} nodes, n1 at {self.net.prefix}.1 to n{COUNT} "
            f"at .{COUNT} ...")
        self.start()
        say("Letting them find each other ...")
        self.see_each_other()
        self.tunnels = tunnels.Tunnels(self, say)
        self.tunnels.run()
        self.streams = streams.Streams(self, say)
        self.services = services.Services(self, say)
        self.services.run()
        self.streams.run(self.services.address)
        say("Announcing on three, looking from others ...")
        announcers = (2, 9, 15)
        self.announce(*announcers)
        self.get_peers(announcers, 6, 11, 18)
        say("Storing a signed item, changing it from another node ...")
        self.make_key()
        self.put(1, "first")
        self.get(14, "first")
        self.put(7, "second")
        self.get(10, "second")
        say("Killing the bootstrap node and a quarter of the rest ...")
        self.kill()
        self.get_peers(announcers, 5, 13)
        self.get(3, "second")
        self.find_node(self.net.nodes[17], self.net.nodes[6])
        say("Bringing a killed node back without any bootstrap node ...")
        self.restart()
        self.get_peers(announcers, 4)
        self.get(4, "second")
        self.check_nobody_else_died()

    def say_how_to_talk(self):
        living = self.living()
        node = living[0]
        pids = self.net.root / "pids"
        pids.write_text("".join(f"{n.process.pid}\n"
                                for n in [*living, *self.net.servers]))
        say(f"The network is up: {len(living)} nodes, data in {self.net.root}."
            "\nTalk to one of them, for example:")
        say(f"  PATH={pathlib.Path(self.binary).parent}:$PATH")
        say(f"  cd {self.net.root}")
        talk = f"--data-dir {node.dir.name}"
        say(f"  warren status {talk}")
        say(f"  warren dht nodes {talk}")
        say(f"  warren dht get-peers {INFO_HASH} {talk}")
        say(f"  warren dht get {self.target} --trace {talk}")
        self.tunnels.say_how_to_talk()
        self.services.say_how_to_talk()
        self.streams.say_how_to_talk(self.services.address)
        say(f"  curl http://{node.address}:7882/metrics")
        say("Stop all of them:")
        say(f"  kill $(cat {pids}); rm -r {self.net.root}")

    def stop(self):
        for node in self.living():
            node.send_signal(15)
        for node in self.living():
            code = node.process.wait(10)
            if code != DONE:
                raise Failure(f"{node.endpoint} ended with code {code}: "
                              f"{node.log_text()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("warren", nargs="?", help="the program to start",
                        default=ROOT / "build/release/warren")
    parser.add_argument("--keep", action="store_true",
                        help="leave the network up")
    args = parser.parse_args()
    demo = Demo(str(pathlib.Path(args.warren).resolve()))
    begun = time.monotonic()
    keep = False
    try:
        demo.run()
        demo.print_table()
        if args.keep:
            demo.say_how_to_talk()
            keep = True
        else:
            demo.stop()
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except (Failure, OSError) as failure:
        if demo.rows:
            demo.print_table()
        say(f"The demo failed: {failure}")
        return 1
    finally:
        if demo.services is not None:
            demo.services.close()
        if not keep:
            demo.net.close()
    say(f"All went as it must, in {time.monotonic() - begun:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
