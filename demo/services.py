# SPDX-License-Identifier: MIT
"""The part of the demo that finds and reaches hidden services: no exit takes
part in it, and nobody in between knows both sides."""
import json
import pathlib
import signal
import subprocess
import threading
import time

from harness import DONE, UNANSWERED, Failure, clean_environment, wait_for
import tunnels

STRING = "the warren demo"
MEMBERS = (14, 17)  # register the string
HOST = 18           # has a service with a key
CLIENT, SECOND = 14, 15
TRIES = 60
SECTION = "[service web]\nport = 7 udp {}\nport = 80 tcp {}\n"


def config_of(node):
    return pathlib.Path(f"{node.dir}.ini")


def flags(number, node):
    """What a node is started with besides; its file can be changed later."""
    if number != HOST:
        return []
    config_of(node).write_text("")
    return ["--config", config_of(node)]


def times(tries):
    return "" if tries == 1 else f", said {tries} times"


class Registration:
    """`warren service register STRING` on a node, and what it prints."""

    def __init__(self, node):
        self.events = []
        self.process = subprocess.Popen(
            [node.binary, "service", "register", STRING, "--json",
             "--data-dir", node.dir], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=clean_environment())
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def of(self, kind):
        return [e for e in self.events if e.get("event") == kind]

    def close(self):
        self.process.kill()
        self.process.wait()


class Services:
    def __init__(self, demo, say):
        self.demo = demo
        self.say = say
        self.nodes = demo.net.nodes
        self.host = self.nodes[HOST]
        self.echo = demo.tunnels.echo
        self.registrations = []

    def row(self, what, node, duration, found, hops=""):
        self.demo.add_row(what, node, hops, duration, found)

    # ---- a string ----

    def register(self):
        begun = time.monotonic()
        self.registrations = [Registration(self.nodes[i]) for i in MEMBERS]
        for r in self.registrations:
            wait_for("members of the string find each other",
                     lambda r=r: r.of("peer"), 60, 0.01)
        for i in MEMBERS:
            self.row("register", self.nodes[i],
                     (time.monotonic() - begun) * 1e3, f"'{STRING}', found "
                     "the other", 3)

    def talk(self, data):
        first, second = self.registrations
        node = self.nodes[MEMBERS[0]]
        begun = time.monotonic()
        heard = len(second.of("data"))
        for tries in range(1, TRIES + 1):
            node.json("service", "send", first.of("peer")[0]["peer"], data,
                      "--no-wait")
            try:
                wait_for("the other member hears it",
                         lambda: len(second.of("data")) > heard, 1, 0.001)
                break
            except Failure:
                continue
        else:
            raise Failure("the other member hears nothing")
        said = second.of("data")[-1]
        if said["data"] != data:
            raise Failure(f"the other member heard {said}")
        self.row("send to a member", node, (time.monotonic() - begun) * 1e3,
                 f"'{data}' heard{times(tries)}", 3)

    # ---- a key ----

    def shown(self):
        return self.host.json("service", "show", "web")

    def serve(self):
        begun = time.monotonic()
        config_of(self.host).write_text(SECTION.format(
            self.echo.endpoint, self.demo.streams.server.endpoint))
        self.host.send_signal(signal.SIGHUP)
        wait_for("the service has started", lambda: self.host.json(
            "service", "list")["services"], 10, 0.02)
        wait_for("the service can be found", lambda: self.shown()["published"],
                 60, 0.02)
        self.address = self.shown()["address"]
        self.row("service", self.host, (time.monotonic() - begun) * 1e3,
                 f"{self.address[:8]}... published, "
                 f"{len(self.points())} introduction points", 3)

    def points(self):
        """The nodes that introduce others to the service now."""
        at = {p["address"] for p in self.shown()["introduction"]
              if p["established"]}
        return [n for n in self.nodes if n.endpoint in at]

    def ask(self, what, number, data):
        """As a program over UDP does: what is lost is said again."""
        node = self.nodes[number]
        begun = time.monotonic()
        for tries in range(1, TRIES + 1):
            answer = node.json("service", "send", f"{self.address}:7", data,
                               "--timeout", "1s", ok=(DONE, UNANSWERED))
            if answer["outcome"] == "answered":
                break
        else:
            raise Failure(f"the service did not answer {node.endpoint}")
        source = self.echo.source_of(answer["data"], data)
        if source in {n.address for n in self.nodes}:
            raise Failure(f"the service's server was asked by {source}")
        self.row(what, node, (time.monotonic() - begun) * 1e3,
                 f"'{data}' answered{times(tries)}", 3)

    def kill_points(self):
        victims = self.points()
        for node in victims:
            node.kill()
        self.row("SIGKILL", None, 0, "the introduction points " + ", ".join(
            n.dir.name for n in victims))
        return victims

    def find_others(self, victims):
        begun = time.monotonic()

        def told():
            """Other points, which the DHT has been told of."""
            points = [n for n in self.points() if n not in victims]
            age = self.shown()["published_age"]
            return points if points and age + 1 < time.monotonic() - begun \
                else None  # the age is in whole seconds

        points = wait_for("the service has other introduction points", told,
                          150, 0.1)
        self.row("points replaced", self.host,
                 (time.monotonic() - begun) * 1e3, "now " + ", ".join(
                     n.dir.name for n in points))

    def run(self):
        self.say("Registering a string on two nodes, starting a service ...")
        self.register()
        self.talk("hello")
        self.serve()
        self.ask("send to a service", CLIENT, "hello")
        self.say("Killing the introduction points of the service ...")
        victims = self.kill_points()
        self.find_others(victims)
        self.ask("send to a service", SECOND, "are you there?")
        for node in victims:
            node.start(*tunnels.flags(self.nodes.index(node), node))
            node.wait_joined()

    def close(self):
        for r in self.registrations:
            r.close()

    def say_how_to_talk(self):
        talk = f"--data-dir {self.nodes[CLIENT].dir.name}"
        self.say(f"  warren service send {self.address}:7 hello {talk}")
        self.say(f"  warren service register '{STRING}' {talk}")
