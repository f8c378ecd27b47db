#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real daemons under attack and churn for as long as is wanted.

Usage: soak.py [MINUTES] [SEED]. A network at public addresses (stage.py) with
clients and hidden services of its own; every minute some attacks
(soak_attacks.py, soak_services.py) go on, a node is killed, stopped or told to
reload, and honest parties try everything. Each minute has a line, what goes
wrong has one at once, and at the end there is a table. Exit code 1 when a
daemon crashed, ended by itself or leaked, when memory kept growing, or when
fewer than 95 of 100 honest tries went well, of all or of one kind."""
import contextlib
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=4")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "strangers"))

import stage  # noqa: E402
from stage import (  # noqa: E402
    SANITIZER, DhtPeer, Echo, Failure, Machine, PublicNode, Stranger,
    circuit_served, data_served, descriptor_of, family_of, home, home6, join,
    wt)
from internet import LIBC  # noqa: E402
from soak_attacks import ATTACKS  # noqa: E402
from soak_services import (  # noqa: E402
    SERVICE_ATTACKS, Hosts, ServiceGuest)

RELAYS, EXITS, CLIENTS = 8, 3, 2
ROUND = 60.0
ENOUGH = 0.95
SLOW = 5  # seconds, worth a line
PR_SET_PDEATHSIG = 1
CLIENT = "--tunnel.max_relays_or_exits", "0"


# ---- The network ------------------------------------------------------------

class World:
    """Honest nodes and clients, and what was seen of them."""

    def __init__(self, root, chance):
        self.root, self.chance, self.nodes, self.wrong = root, chance, [], []
        self.echo = Echo(home(300), root / "echo.log")
        self.relays = [self.add(n, *self.relay_flags(n))
                       for n in range(1, RELAYS + 1)]
        self.clients = [self.add(n, *CLIENT, "--build", "3")
                        for n in range(30, 30 + CLIENTS)]
        self.hosts = Hosts(self.echo, lambda n, config: self.add(
            n, *CLIENT, config=config))
        self.roles = {"relay": self.relays, "client": self.clients,
                      "service": self.hosts.nodes}
        for node in self.nodes:
            node.wait_ready(60)
        for node in self.nodes:
            node.wait_joined(60)
        self.descriptors = {n: descriptor_of(n) for n in self.relays}
        self.exits = self.relays[-EXITS:]
        self.hosts.wait_fine()

    def relay_flags(self, n):
        flags = ["--tunnel.addresses", f"{join(home(n))},{join(home6(n))}"]
        return flags + (["--exit"] if n > RELAYS - EXITS else [])

    def add(self, n, *flags, config=""):
        path = self.root / f"n{n}.ini"
        path.write_text(config)
        node = PublicNode(self.root / f"n{n}", Machine([home(n), home6(n)]),
                          [*flags, "--config", path])
        for other in self.nodes[:2]:
            node.bootstrap += other.reached_by(node.addresses)
        node.start(wait=False)
        self.nodes.append(node)
        return node

    def say(self, what):
        print(what, flush=True)

    def trouble(self, what):
        self.wrong.append(what)
        self.say(f"WRONG: {what}")

    def look(self):
        """Notices who has ended, and starts him again."""
        for node in self.nodes:
            if not node.is_running():
                self.trouble(f"{node.endpoint} ended with "
                             f"{node.process.returncode}: "
                             f"{node.log_text()[-2000:]}")
                node.start()

    def restart(self, node):
        how = self.chance.choice(("kill", "stop", "reload"))
        if how == "reload":
            node.send_signal(signal.SIGHUP)
        elif how == "kill":
            node.kill()
            node.start()
        else:
            code, seconds = node.stop(timeout=60)
            if code != 0 or seconds > 10:
                self.trouble(f"{node.endpoint} ended with {code} after "
                             f"{seconds:.1f} s")
            node.start()
        return f"{how} {node.dir.name}"

    def kill(self):
        """Whatever is left."""
        for node in self.nodes:
            if node.is_running():
                node.kill()
        self.echo.close()

    def close(self):
        for node in self.nodes:
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            code = node.process.wait(60)
            if code != 0:
                self.trouble(f"{node.endpoint} ended with {code} at the end")
            for word in SANITIZER:
                if word in node.log_text():
                    self.trouble(f"{node.log}: {word}")


# ---- Honest parties ---------------------------------------------------------

class Honest(ServiceGuest):
    """One try of each kind after the other; {kind: [well, tries, seconds of
    the longest]}."""

    def __init__(self, world):
        self.world, self.chance = world, world.chance
        self.tries, self.number, self.begun = {}, 100, 0.0

    def somebody(self):
        """Who comes from anywhere, over either family."""
        self.number += 1
        n = 100 + self.number % 800
        return home(n) if self.chance.random() < 0.7 else home6(n)

    def count(self, kind, well, why=""):
        row = self.tries.setdefault(kind, [0, 0, 0.0])
        took = time.monotonic() - self.begun
        row[:] = row[0] + bool(well), row[1] + 1, max(row[2], took)
        if not well:
            self.world.say(f"    {kind} failed after {took:.1f} s: "
                           f"{str(why)[:150]}")
        elif took > SLOW:
            self.world.say(f"    {kind} took {took:.1f} s")

    def circuit(self):
        """Three tries, as who was killed is missed with the next EXTEND."""
        a, b = self.chance.sample(self.world.relays, 2)
        descriptors, somebody = self.world.descriptors, self.somebody()
        for _ in range(3):
            result = circuit_served(descriptors[a], somebody, descriptors[b],
                                    timeout=3)
            if isinstance(result, float):
                break
        self.count("circuit of two hops", isinstance(result, float),
                   f"{a.dir.name} to {b.dir.name}: {result}")

    def data(self):
        exit_node = self.chance.choice(self.world.exits)
        result = data_served(self.world.descriptors[exit_node],
                             self.somebody(), self.world.echo, 3)
        self.count("data through an exit", isinstance(result, float),
                   f"{exit_node.dir.name}: {result}")

    def storing(self):
        node, address = self.chance.choice(self.world.relays), self.somebody()
        to, info_hash = node.at(family_of(address)), os.urandom(20)
        with DhtPeer(address) as peer:
            well = peer.announce(to, info_hash) or \
                peer.announce(to, info_hash)
            found = peer.peers(to, info_hash) or peer.peers(to, info_hash)
        self.count("store and read at a node", well and found,
                   f"{node.dir.name}: taken {well}, found {found}")

    def lookup(self):
        """Each of so few nodes has all that a relay announces for members of
        strings: an attacker of those uses the relay's share there up."""
        publisher = self.chance.choice(self.world.clients +
                                       self.world.hosts.nodes)
        asker = self.chance.choice(self.world.relays)
        key = os.urandom(20).hex()
        done = publisher.cli("dht", "announce", key, "--port", 4000)
        found = asker.cli("dht", "get-peers", key)
        publisher.cli("dht", "withdraw", key)
        self.count("announce and look up", found.returncode == 0,
                   f"{done.stdout}{done.stderr} {found.stdout}{found.stderr}")

    def client(self):
        node = self.chance.choice(self.world.clients)
        done = node.cli("tunnel", "send", "--hops", 3, "--timeout", 20,
                        self.world.echo.endpoint, "hello")
        self.count("message over three hops", done.returncode == 0,
                   f"{done.stdout}{done.stderr}")

    def told(self):
        node, address = self.chance.choice(self.world.relays), self.somebody()
        with Stranger(address, timeout=2, again=[0.5, 1]) as stranger:
            try:
                well = bool(stranger.told(node))
            except wt.Failure:
                well = False
        self.count("descriptor asked for", well, node.dir.name)

    def fresh(self):
        """A client that knows nothing but two bootstrap nodes: its circuits."""
        self.number += 1
        node = self.world.add(1000 + self.number, *CLIENT)
        try:
            node.wait_ready()
            done = node.cli("tunnel", "build", "--hops", 2, "--timeout", 20)
            self.count("circuits of a fresh client", done.returncode == 0,
                       f"{done.stdout}{done.stderr}")
            self.ask(node, "service for a fresh client")
            code, _ = node.stop()
            if code != 0:
                self.world.trouble(f"a fresh client ended with {code}")
        finally:
            self.world.nodes.remove(node)
            node.machine.close()

    def operator(self):
        node = self.chance.choice(self.world.nodes)
        page = node.http("/metrics")[0]
        status = node.cli("status", "--json", timeout=20).returncode
        self.count("status and metrics", page == 200 and status in (0, 1),
                   f"{node.dir.name}: {page}, {status}")

    def all(self):
        for kind in (self.circuit, self.data, self.told, self.storing,
                     self.lookup, self.client, self.operator, self.service,
                     self.member, self.probe):
            self.begun = time.monotonic()
            try:
                kind()
            except (Failure, OSError) as error:
                self.count(kind.__name__, False, repr(error))


# ---- Going on and on --------------------------------------------------------

@contextlib.contextmanager
def under(kind, world):
    """A process of its own attacks meanwhile: it takes no turns from honest
    parties here."""
    seed = world.chance.random()
    child = os.fork()
    if child == 0:
        try:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            world.chance.seed(seed)
            attack_for_ever(kind, world)
        except BaseException:  # nothing of this process may go on
            traceback.print_exc()
        os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def attack_for_ever(kind, world):
    """Forgives what strangers have to live with."""
    while True:
        with contextlib.suppress(Failure, wt.Failure, OSError):
            attack = kind(world)
            while True:
                with contextlib.suppress(Failure, wt.Failure, OSError,
                                         KeyError):
                    attack.step()
                    continue
                time.sleep(0.1)


def one_round(world, honest, attacks, number):
    """A minute; returns the memory of each node at its end."""
    with contextlib.ExitStack() as going:
        for attack in attacks:
            going.enter_context(under(attack, world))
        begun, restarted, fresh = time.monotonic(), "", False
        while time.monotonic() < begun + ROUND:
            world.look()
            honest.all()
            if not fresh:
                fresh, honest.begun = True, time.monotonic()
                honest.fresh()
            if not restarted and time.monotonic() > begun + ROUND / 2:
                node = world.chance.choice(
                    world.chance.choice([*world.roles.values()]))
                points = world.hosts.points(node)
                restarted = world.restart(node)
                if not honest.back(node, points):
                    time.sleep(8)  # neighbours notice after 6
    memory = {n: n.memory() for n in world.nodes}
    names = ", ".join(a.__name__ for a in attacks)
    well = sum(r[0] for r in honest.tries.values())
    tries = sum(r[1] for r in honest.tries.values())
    world.say(f"minute {number}: {names}; {restarted}; honest {well} of "
              f"{tries}; memory {max(memory.values()) / 2**20:.0f} MB at "
              f"most, {sum(memory.values()) / 2**20:.0f} in all")
    return memory


def verdict(world, honest, memories):
    """The table; whether all is well."""
    well = tries = 0
    print("\nhonest party                 well   of  longest")
    for kind, row in sorted(honest.tries.items()):
        print(f"{kind:27} {row[0]:5} {row[1]:4} {row[2]:6.1f} s")
        well, tries = well + row[0], tries + row[1]
        if row[0] < ENOUGH * row[1] - 2:
            world.trouble(f"{kind}: only {row[0]} of {row[1]} went well")
    third = max(len(memories) // 3, 1)
    for role, nodes in world.roles.items():
        first, last = (max(m[n] for m in some for n in nodes)
                       for some in (memories[:third], memories[-third:]))
        print(f"memory of the largest {role}: {first / 2**20:.0f} MB in the "
              f"first third, {last / 2**20:.0f} MB in the last")
        if last > 1.5 * first + (16 << 20):
            world.trouble(f"memory of a {role} keeps growing")
    if well < ENOUGH * tries:
        world.trouble(f"only {well} of {tries} honest tries went well")
    print(f"{len(world.wrong)} things went wrong")
    return not world.wrong


def main(minutes=10, seed=None):
    if stage.WHY_NOT:
        return 1
    seed = int(seed or time.time())
    print(f"seed {seed}", flush=True)
    chance = random.Random(seed)
    root = pathlib.Path(tempfile.mkdtemp(prefix="warren-soak-"))
    world = World(root, chance)
    try:
        honest, memories = Honest(world), []
        honest.all()
        ends = time.monotonic() + 60 * float(minutes)
        while time.monotonic() < ends:
            meeting = chance.choice(SERVICE_ATTACKS)
            others = [a for a in ATTACKS + SERVICE_ATTACKS if a != meeting]
            memories.append(one_round(world, honest,
                                      [meeting, *chance.sample(others, 2)],
                                      len(memories) + 1))
        world.close()
        well = verdict(world, honest, memories)
    finally:
        world.kill()
    if well:
        shutil.rmtree(root, ignore_errors=True)
    else:
        print(f"the logs are in {root}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
