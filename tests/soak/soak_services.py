# SPDX-License-Identifier: MIT
"""Hidden services in a soak (soak.py): who runs them, honest guests of theirs,
and attacks by strangers who know the address and the string (the second
implementation, tests/python/service_party.py)."""
import contextlib
import json
import os
import pathlib
import sys
import time

import msgpack

from soak_attacks import Attack
from stage import (
    NETWORK, Failure, family_of, home, reached_over, wait_for,
    wt)

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "services"))
from test_service_attack import everything  # noqa: E402
import service_meeting as m  # noqa: E402
import service_party as p  # noqa: E402
import service_record as r  # noqa: E402
import service_relay  # noqa: E402

STRING = "a string of the soak"
PATIENCE = 20  # s, what somebody honest waits
CHANNELS = 12  # of one attacker: a service takes 32 peers


# ---- Who runs them ----------------------------------------------------------

class Hosts:
    """A node with a service of a key, "web", and two with one string, "club".
    What comes there goes to the echo server."""

    def __init__(self, echo, add):
        port = f"udp {echo.endpoint}\n"
        self.web = add(40, f"[service web]\nport = 9 {port}")
        self.members = [add(n, f"[service club]\nstring = {STRING}\n"
                               f"port = 9 {port}") for n in (41, 42)]
        self.nodes = [self.web, *self.members]
        self.address, self.keys = None, {}

    def wait_fine(self):
        """Until the address is found, and each member has the other one."""
        wait_for("the service can be reached", lambda: self.shown().get(
            "published"), 60, 0.5)
        self.address = next(s["address"] for s in self.web.json(
            "service", "list")["services"] if s["name"] == "web")
        for node, other in (self.members, self.members[::-1]):
            peers = wait_for("the members meet",
                             lambda n=node: self.peers(n), 60, 0.5)
            self.keys[other] = peers[0]["key"]

    def shown(self):
        return self.web.json("service", "show", "web")

    def points(self, node):
        """Relays that introduce to this node's service of a key."""
        if node is not self.web:
            return set()
        return {x["relay"] for x in self.shown()["introduction"]
                if x["established"]}

    @staticmethod
    def peers(node):
        return node.json("service", "peers", "club")["peers"]

    def peer(self, node):
        """How a member calls the other one, "": it is not there."""
        other = self.members[node is self.members[0]]
        return next((x["peer"] for x in self.peers(node)
                     if x["key"] == self.keys[other]), "")


class ServiceGuest:
    """The tries of an honest party (soak.Honest) with services."""

    def ask(self, node, kind, to=None, again=4):
        """Datagrams are lost with whoever is killed: it is said again."""
        self.begun = time.monotonic()
        for _ in range(again):
            done = node.cli("service", "send", "--timeout", 5,
                            to or f"{self.world.hosts.address}:9", "hello")
            if done.returncode == 0:
                break
        self.count(kind, done.returncode == 0 and "hello" in done.stdout,
                   f"{done.stdout}{done.stderr}")

    def service(self):
        self.ask(self.chance.choice(self.world.clients), "message to a service")

    def member(self):
        hosts = self.world.hosts
        node = self.chance.choice(hosts.members)
        try:
            peer = wait_for("the other member is a peer",
                            lambda: hosts.peer(node), PATIENCE, 0.5)
        except Failure as failure:
            self.count("message between members", False, failure)
            return
        self.ask(node, "message between members", f"{peer}:9")

    def probe(self):
        done = self.world.hosts.web.cli("service", "probe", "web", "--json",
                                        "--timeout", PATIENCE)
        self.count("probe of a service", done.returncode == 0 and
                   json.loads(done.stdout)["reachable"],
                   f"{done.stdout}{done.stderr}")

    def back(self, node, points):
        """Whether this node has the service: it is reached again then, where
        it was."""
        if not points:
            return False
        hosts, self.begun = self.world.hosts, time.monotonic()
        try:
            now = wait_for("a point after the restart",
                           lambda: hosts.points(node), PATIENCE, 0.2)
        except Failure as failure:
            now = {str(failure)}
        self.count("old points after a restart", now <= points,
                   f"{now} after {points}")
        # That it was killed is noticed after 6 s; then there may be work to do.
        self.ask(self.chance.choice(self.world.clients),
                 "service after a restart", again=6)
        return True


# ---- Attacks ----------------------------------------------------------------

class ServiceAttack(Attack):
    """From four addresses, over links to all relays."""
    kind = p.Party

    def begin(self):
        self.relays = list(self.world.descriptors.values())
        self.chance.shuffle(self.relays)
        self.relays = [reached_over(d, family_of(home(1)))
                       for d in self.relays]
        self.parties = [self.party(i) for i in range(4)]
        self.roads, self.legs, self.met = [], [], 0

    def party(self, i, *more):
        relays = self.relays[:]
        self.chance.shuffle(relays)
        return self.kind(home(70 + i), NETWORK, relays, *more)

    def place(self):
        return self.chance.choice(self.relays)

    def road(self, relay, hops=None, party=None):
        """A new circuit; a link that does not answer is given up."""
        party = party or self.chance.choice(self.parties)
        others = [d for d in self.relays if d.identity != relay.identity]
        way = [*self.chance.sample(others, (hops or
                                            self.chance.choice((1, 2, 2))) - 1),
               relay]
        try:
            party.link(way[0]).client.timeout = 1
            return party.road(*way)
        except wt.Failure:
            link = party.links.pop(way[0].identity, None)
            if link is not None:
                link.close()
            raise

    def keep(self, road, most):
        """The oldest goes when there are many."""
        self.roads.append(road)
        if len(self.roads) > most:
            self.roads.pop(0).destroy()

    def lead(self, introduce):
        """Whoever `introduce` introduces to a rendezvous point of ours is led
        there. Each time it is another one: of one few are taken."""
        self.met += 1
        inn = service_relay.Inn(home(1400 + self.met % 200), NETWORK)
        leg = None
        with contextlib.suppress(wt.Failure):
            attempt = introduce(inn.target())
            if attempt is not None:
                leg = inn.leg(attempt, 3)
        if leg is None:
            inn.close()
            return
        leg.inn, leg.kind = inn, self.chance.randrange(6)
        self.legs.append(leg)

    def babble(self, leg):
        """Nothing, nothing that makes sense, or more than anybody reads."""
        number = self.chance.randrange(1 << 32)
        if leg.kind == 1:
            leg.road.c.say_end(os.urandom(self.chance.choice((240, 1264))))
        elif leg.kind == 2:  # answers come that nobody reads
            leg.data(9, os.urandom(self.chance.randrange(1200)))
        elif leg.kind == 3:  # never finished
            leg.say(m.PIECE, number, 0, 50, os.urandom(m.PIECE_BYTES))
        elif leg.kind == 4:
            leg.say(m.PING, number)
            leg.data(self.chance.randrange(1 << 16), b"x")
            leg.say(m.MOVE, os.urandom(16), os.urandom(448))
        elif leg.kind == 5:
            text = msgpack.packb(self.chance.choice(everything(leg.inn)))
            leg.say_raw(text[:1240])
            leg.say_raw(os.urandom(self.chance.randrange(200)))

    def garbled(self, message):
        """The same with something else in one field."""
        message = list(message)
        message[self.chance.randrange(1, len(message))] = self.chance.choice(
            (None, b"", -1, 1 << 63, os.urandom(64), bytes(1000), [[]], ""))
        return message


class Points(ServiceAttack):
    """Introduction points and members of nothing, right and wrong."""

    def step(self):
        relay = self.place()
        road = self.road(relay)
        string = r.String(NETWORK, self.chance.choice(
            (STRING.encode(), os.urandom(8))))
        topic = string.topic(p.Member.period())
        seed = os.urandom(32)
        key, _ = r.bindings.crypto_sign_seed_keypair(seed)
        more = self.chance.choice((
            {}, {"topic": topic, "entry": os.urandom(81)},
            {"topic": os.urandom(32), "entry": os.urandom(81)}))
        message = m.establish(seed, key, road.transcript, **more)
        for _ in range(self.chance.randrange(3)):
            road.say(self.garbled(message))
        road.say(message)
        if topic in message:
            road.say([m.MEMBERS_ASK, topic])
        self.keep(road, 300)
        time.sleep(0.01)


class Cookies(ServiceAttack):
    """Who waits for nobody, and who joins nobody."""

    def step(self):
        road = self.road(self.place())
        kind = self.chance.random()
        if kind < 0.7:
            road.say([m.RENDEZVOUS, os.urandom(16)])
        for _ in range(self.chance.randrange(4)):
            road.say([m.JOIN, os.urandom(16), os.urandom(64)])
        if kind > 0.9:
            road.say(self.garbled([m.JOIN, bytes(16), bytes(64)]))
        self.keep(road, 300)
        time.sleep(0.01)


class Guests(ServiceAttack):
    """Who knows the address, and where the service is met."""
    kind = p.Seeker

    def begin(self):
        super().begin()
        self.key = r.read_address(NETWORK, self.world.hosts.address)
        self.greeting, self.seen = 0, None
        self.fetch()

    def fetch(self):
        """The descriptor, by whoever finds it."""
        for _ in range(6):
            with contextlib.suppress(wt.Failure):
                seeker = self.chance.choice(self.parties)
                self.view, _, self.fields = seeker.fetch(
                    self.key, road=self.road(self.place(), 2, seeker))
                return
        raise Failure("the descriptor is not found")

    def lure(self, target, **more):
        seeker = self.chance.choice(self.parties)
        if self.greeting:
            more["greeting"] = self.greeting
        point = self.chance.randrange(len(self.fields[5]))
        return seeker.attempt(self.view, self.fields, point, target=target,
                              **more)

    def introduce(self, attempt, timeout=0.3):
        """The status, None: nobody says."""
        road = self.road(attempt.point, 2)
        road.say([m.INTRODUCE, attempt.auth_id, None, attempt.noise1])
        try:
            _, status, later = road.hear(m.ACK, timeout=timeout)
        except wt.Failure:
            return None
        finally:
            road.destroy()
        if status == m.AGAIN:
            self.greeting = later
        if status == m.UNKNOWN:
            self.fetch()
        return status


class Introductions(Guests):
    """To nobody, without the credential, to a rendezvous with nobody, and the
    same one for ever."""

    def step(self):
        attempt = self.lure(self.chance.choice((
            m.target_of(self.place()),
            [os.urandom(32), wt.public_key(os.urandom(32)),
             [wt.compact(self.anybody(), 7881)]])))
        kind = self.chance.random()
        if kind < 0.2:
            attempt.auth_id = os.urandom(16)
        elif kind < 0.4:
            attempt.noise1 = os.urandom(448)
        elif kind < 0.6 and self.seen is not None:
            attempt = self.seen
        self.seen = self.seen or attempt
        self.introduce(attempt, 0.1)


class Channels(Guests):
    """Peers that say nothing, nothing that makes sense, or never listen."""

    def step(self):
        if len(self.legs) < CHANNELS:
            self.lead(self.led)
        elif self.chance.random() < 0.01:  # the silence of who is gone
            self.legs.pop(0).inn.close()
        for leg in self.legs:
            for _ in range(20):
                self.babble(leg)
        time.sleep(0.1)

    def led(self, target):
        attempt = self.lure(target)
        return attempt if self.introduce(attempt, 2) == m.TAKEN else None


class Errands(ServiceAttack):
    """Lookups, items and questions through last hops, as many as go."""

    def step(self):
        self.keep(self.road(self.place()), 30)
        for road in self.roads:
            for _ in range(4):
                road.say(self.errand())
        time.sleep(0.05)

    def errand(self):
        number, kind = self.chance.randrange(1 << 16), self.chance.random()
        key = os.urandom(32)
        if kind < 0.3:
            return [m.DHT_GET, number, key[:self.chance.choice((20, 32))], b""]
        if kind < 0.5:
            return [m.RELAY_ASK, number, wt.compact(self.anybody(), 7881)]
        if kind < 0.6:
            return self.garbled([m.DHT_GET, number, key, b""])
        seed, value = os.urandom(32), os.urandom(996)
        key, _ = r.bindings.crypto_sign_seed_keypair(seed)
        signature = r.bindings.crypto_sign(
            r.signed_bytes(b"", 1, value), seed + key)[:64]
        if kind < 0.7:
            signature = bytes(64)
        return [m.DHT_PUT, number, key, b"", 1, signature, value]


class FakeMembers(ServiceAttack):
    """Members of the string who are nobody: entered everywhere, they take who
    comes, and come, and are silent or talk nonsense."""

    @staticmethod
    def kind(address, network, relays):
        return p.Member(address, network, relays, STRING.encode())

    def begin(self):
        super().begin()
        self.number = 0

    def step(self):
        self.number += 1
        party = self.chance.choice(self.parties)
        if self.number % 64 == 0:  # keys cost nothing
            i = self.parties.index(party)
            party.close()
            self.parties[i] = party = self.party(i)
        relay = self.place()
        if self.number % 4:
            self.enter(party, relay)
        else:
            self.come(party, relay)
        for leg in self.legs:
            self.babble(leg)
        time.sleep(0.02)

    def enter(self, party, relay):
        road = self.road(relay, None, party)
        keys = r.point_keys(party.secret, os.urandom(16), relay.identity)
        road.say(m.establish(keys.auth_seed, keys.auth_key, road.transcript,
                             **party.entry(keys, relay)))
        self.keep(road, 200)
        for old in self.roads[-8:]:  # whoever comes is told anything
            with contextlib.suppress(wt.Failure):
                handle = old.hear(m.INTRODUCED, timeout=0.01)[1]
                old.say([m.RESULT, handle, self.chance.randrange(8), 0])

    def come(self, party, relay):
        road = self.road(relay, 2, party)
        topic = party.string.topic(party.period())
        road.say([m.MEMBERS_ASK, topic])
        _, _, entries, _ = road.hear(m.MEMBERS, timeout=1)
        road.destroy()
        for auth_id, entry in entries:
            with contextlib.suppress(wt.Failure):
                member, issued, _ = r.open_entry(
                    party.string.entry_key(party.period()),
                    auth_id + relay.identity + topic, entry)
                if member.hex() in self.world.hosts.keys.values() \
                        and len(self.legs) < CHANNELS:
                    self.lead(lambda target, them=(member, auth_id, issued):
                              self.visit(party, relay, them, target))

    def visit(self, party, relay, them, target):
        attempt = party.attempt(relay, *them, target=target)
        road = self.road(relay, 2, party)
        road.say([m.INTRODUCE, attempt.auth_id, None, attempt.noise1])
        status = road.hear(m.ACK, timeout=2)[1]
        road.destroy()
        return attempt if status == m.TAKEN else None


SERVICE_ATTACKS = (Points, Cookies, Introductions, Channels, Errands,
                   FakeMembers)
