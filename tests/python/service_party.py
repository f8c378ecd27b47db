# SPDX-License-Identifier: MIT
"""Those who take part in hidden services, as docs/protocol-services.md has
them: who runs a service with a key, who reaches one, and a member of a string.
They use relays that they are given, and do one thing at a time.
"""
import os
import time

import service_meeting as m
import service_record as r
import warren_tunnel as w
from warren_tunnel import Failure

PATIENCE = 20.0


class Party:
    """Circuits of one machine. The first hop of each is one of `relays`."""

    def __init__(self, address, network, relays):
        self.address, self.network, self.relays = address, network, relays
        self.links = {}

    def close(self):
        for link in self.links.values():
            link.close()

    def link(self, relay):
        link = self.links.get(relay.identity)
        if link is None:
            link = m.LiveLink(self.address, self.network, relay)
            link.client.timeout = PATIENCE
            self.links[relay.identity] = link
        return link

    def road(self, *hops):
        return m.Road(self.link(hops[0]), *hops)

    def road_to(self, relay, hops=2):
        """Over relays in the order that they were given."""
        others = [x for x in self.relays if x.identity != relay.identity]
        return self.road(*others[:hops - 1], relay)

    @staticmethod
    def end(*roads):
        for road in roads:
            road.destroy()


def join(road, cookie, noise, resumed=False):
    """The end of a service's way: JOIN, and the leg that comes of it."""
    noise2 = m.answer(noise, resumed)
    answer = road.ask([m.JOIN, cookie, noise2], m.JOINED)
    if answer[1] != b"":
        raise Failure("JOINED with something for who said JOIN")
    return m.leg_of_responder(road, noise)


class Attempt:
    """One INTRODUCE, and the rendezvous point that waits for what comes; with
    `target` and no `meeting` whoever that is."""

    def __init__(self, party, credential, point, auth_id, key, meeting=None,
                 **more):
        self.party, self.point, self.auth_id = party, point, auth_id
        self.cookie = os.urandom(16)
        if meeting is None and "target" not in more:
            meeting = party.road_to(party.relays[-1])
        self.meeting = meeting
        if "target" not in more:
            more["target"] = m.target_of(meeting.last)
        more.setdefault("greeting", int(time.time()))
        prove = more.pop("prove", None)
        ephemeral = os.urandom(32)
        if prove is not None:
            more.update(prove(key, w.public_key(ephemeral)))
        target = more.pop("target")
        if meeting is not None:
            m.wait_at(meeting, self.cookie)
        self.noise = m.handshake(party.network, credential, key)
        self.noise1 = self.noise.write(
            m.invitation(self.cookie, target, **more), ephemeral)
        self.asking = None

    def introduce(self, work=None, asking=None):
        """The status, and what comes with it."""
        self.asking = asking or self.party.road_to(self.point)
        answer = self.asking.ask([m.INTRODUCE, self.auth_id, work,
                                  self.noise1], m.ACK)
        return answer[1:]

    def joined(self, timeout=PATIENCE):
        """The leg, after JOINED."""
        noise2 = self.meeting.hear(m.JOINED, timeout=timeout)[1]
        leg, self.resumed = m.leg_of_opener(self.meeting, self.noise, noise2)
        return leg


class Seeker(Party):
    """Reaches services with a key."""

    def fetch(self, key, access=b"", wall=None, road=None):
        """What the newest descriptor says, and the view that opened it."""
        wall = wall or int(time.time())
        for period in r.alive(wall):
            view = r.View(self.network, key, period, access)
            for replica, salt in enumerate(r.REPLICA_SALTS):
                way = road or self.road_to(self.relays[replica], 2)
                for seq, signature, value in m.get(way, view.key, salt):
                    fields = view.open(replica, seq, value, signature)
                    r.check_time(fields[1], fields[2], wall)
                    # Access is guarded by the descriptor alone.
                    view.credential = r.credential(self.network, key)
                    return view, seq, fields
        raise Failure("no descriptor")

    def attempt(self, view, fields, point=0, **more):
        target, auth_id, key = fields[5][point]
        more.setdefault("greeting", fields[1])
        return Attempt(self, view.credential, m.Target(target), auth_id, key,
                       **more)

    def meet(self, key, access=b"", **more):
        """A leg to the service, which has answered."""
        view, _, fields = self.fetch(key, access)
        for again in range(3):
            attempt = self.attempt(view, fields, again % len(fields[5]),
                                   **more)
            status, effort = attempt.introduce()
            if status == m.TAKEN:
                leg = attempt.joined()
                leg.hello()
                leg.attempt = attempt
                return leg
            if status == m.AGAIN:
                more["greeting"] = effort
        raise Failure(f"the service says {status}")

    def move(self, leg, credential, key, road=None, **more):
        """A new leg of the same channel, by MOVE."""
        attempt = Attempt(self, credential, None, None, key, road, **more)
        leg.say(m.MOVE, attempt.cookie, attempt.noise1)
        moved = leg.hear(m.MOVED)
        if moved[1:] != [attempt.cookie, 0]:
            raise Failure(f"MOVED {moved[2]}")
        other = attempt.joined()
        other.hello()
        return other


class Point:
    def __init__(self, road, keys):
        self.road, self.keys = road, keys


class Guest:
    """An introduction that came, opened."""

    def __init__(self, point, noise, handle, fields, noise1):
        self.point, self.noise, self.handle = point, noise, handle
        (self.cookie, self.target, self.resume, self.member, self.mac,
         self.greeting, self.flags) = fields
        self.noise1 = noise1


class Host(Party):
    """Runs something that is introduced to: `credential` and the keys that
    introductions are made to are of who inherits."""

    def __init__(self, address, network, relays, secret, credential):
        super().__init__(address, network, relays)
        self.secret, self.credential = secret, credential
        self.points, self.results = [], {}

    def keys_of(self, point):
        return point.keys.key, point.keys.secret

    def establish(self, relay, hops=2, make=None):
        """A point at this relay; the status that it says."""
        road = self.road_to(relay, hops)
        keys = r.point_keys(self.secret, os.urandom(16), relay.identity)
        topic = make(keys, relay) if make else {}
        message = m.establish(keys.auth_seed, keys.auth_key, road.transcript,
                              **topic)
        status = road.ask(message, m.ESTABLISHED)[1]
        if status == m.TAKEN:
            self.points.append(Point(road, keys))
        return status

    def introduced(self, timeout=PATIENCE):
        """The next one at any point; it has no result yet."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            for point in self.points:
                try:
                    _, handle, auth_id, _, noise1 = point.road.hear(
                        m.INTRODUCED, timeout=0.2)
                except Failure:
                    continue
                if auth_id != point.keys.auth_id:
                    raise Failure("INTRODUCED for somebody else")
                if noise1 in self.results: # said again
                    point.road.say([m.RESULT, handle,
                                    *self.results[noise1]])
                    continue
                key, secret = self.keys_of(point)
                noise, fields = m.read_invitation(
                    self.network, self.credential, key, secret, noise1)
                return Guest(point, noise, handle, fields, noise1)
        raise Failure("nobody was introduced")

    def result(self, guest, status, effort=0):
        self.results[guest.noise1] = status, effort
        guest.point.road.say([m.RESULT, guest.handle, status, effort])

    def go(self, guest, resumed=False):
        """To the rendezvous point, and joined there."""
        road = self.road_to(m.Target(guest.target), 2)
        return join(road, guest.cookie, guest.noise, resumed)

    def take(self, timeout=PATIENCE):
        guest = self.introduced(timeout)
        self.result(guest, m.TAKEN)
        leg = self.go(guest)
        leg.guest = guest
        return leg


class KeyHost(Host):
    """Runs a service with a key."""

    def __init__(self, address, network, relays, seed):
        self.long_term = r.expand(seed)
        super().__init__(address, network, relays, r.service_secret(seed),
                         r.credential(network, self.long_term.key))
        self.seq = 0

    @property
    def name(self):
        return r.address(self.network, self.long_term.key)

    def intros(self):
        return [[m.target_of(p.road.last), p.keys.auth_id, p.keys.key]
                for p in self.points]

    def publish(self, issued=None, lifetime=180, intros=None, seq=None,
                replicas=(0, 1), work=None):
        """Through another last hop for each; how many nodes took them."""
        wall = int(time.time())
        self.seq = seq or self.seq + 1
        intros = self.intros() if intros is None else intros
        stored = []
        for period in r.alive(wall):
            view = r.View(self.network, self.long_term.key, period)
            blinded = r.blind_secret(self.long_term, view.factor)
            text = r.descriptor_text(period, issued or wall, lifetime, 0, work,
                                     intros)
            value = view.seal(text, self.seq, os.urandom(24))
            for i in replicas:
                salt = r.REPLICA_SALTS[i]
                signature = r.sign(blinded, r.signed_bytes(salt, self.seq,
                                                           value))
                road = self.road_to(self.relays[i])
                reason, count = m.put(road, view.key, salt, self.seq,
                                      signature, value)
                if reason != 0:
                    raise Failure(f"not stored: {reason}")
                stored.append(count)
                self.end(road)
        return stored


class Member(Host):
    """One member of a string."""

    def __init__(self, address, network, relays, string, small=None):
        """`small`: whether its key is to be below nearly all others."""
        self.string = r.String(network, string)
        while True:
            secret = os.urandom(32)
            self.own_secret, self.own = r.member_keys(secret)
            if small is None or self.own[0] < 4 and small \
                    or self.own[0] > 251 and not small:
                break
        super().__init__(address, network, relays, secret,
                         self.string.credential)

    @staticmethod
    def period():
        return r.period_of(int(time.time()))

    def keys_of(self, point):
        return self.own, self.own_secret

    def entry(self, keys, relay):
        topic = self.string.topic(self.period())
        return {"topic": topic, "entry": r.seal_entry(
            self.string.entry_key(self.period()),
            keys.auth_id + relay.identity + topic, self.own, int(time.time()),
            0, os.urandom(24))}

    def enter(self, relay):
        return self.establish(relay, make=self.entry)

    def points_of_others(self):
        """Descriptors of relays that have members, by one last hop."""
        road = self.road_to(self.relays[1])
        found = []
        for replica in 0, 1:
            found += m.peers(road, r.topic_hash(
                self.network, self.string.topic(self.period()), replica),
                1 + replica)
        known = [m.told(road, e, self.network, 10 + i)
                 for i, e in enumerate(sorted(set(found))[:4])]
        self.end(road)
        return [d for d in known if d is not None]

    def members_at(self, relay):
        """{M: (auth id, issued)} of those whose entries open."""
        road = self.road_to(relay)
        topic = self.string.topic(self.period())
        _, total, entries, _ = road.ask([m.MEMBERS_ASK, topic], m.MEMBERS)
        found = {}
        for auth_id, entry in entries:
            try:
                member, issued, _ = r.open_entry(
                    self.string.entry_key(self.period()),
                    auth_id + relay.identity + topic, entry)
            except Failure:
                continue
            found[member] = auth_id, issued
        self.end(road)
        return total, found

    def prove(self, other, e):
        return {"member": self.own, "mac": r.member_mac(
            self.own_secret, other, self.own, other, e)}

    def attempt(self, relay, member, auth_id, issued, **more):
        more.setdefault("prove", self.prove)
        return Attempt(self, self.credential, relay, auth_id, member,
                       greeting=issued, **more)

    def is_proven(self, guest):
        return guest.mac == r.member_mac(self.own_secret, guest.member,
                                         guest.member, self.own,
                                         guest.noise1[:32])
