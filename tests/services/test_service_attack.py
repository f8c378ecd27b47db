#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What peers, rendezvous points and strangers try with a service that a daemon
runs; each time somebody honest is served after it, or meanwhile."""
import contextlib
import os
import sqlite3
import time
import unittest

import msgpack

from service_twin import NETWORK, TwinTest
from harness import wait_for
from test_service_daemon import CLIENT, PATIENCE, Server

import service_meeting as m
import service_party as p
import service_record as r
import service_relay
import warren_tunnel as w

# What relays and the service do because somebody asked, whatever it is.
ACTS = ("warren_meeting_introduced_total", "warren_meeting_joined_total",
        "warren_meeting_established_total", "warren_meeting_members_told_total",
        'warren_meeting_requests_total{kind="get"}',
        'warren_meeting_requests_total{kind="put"}',
        'warren_meeting_requests_total{kind="relay"}',
        "warren_exit_sent_total", "warren_exit_questions_total",
        "warren_services_joins_total", "warren_services_connects_total",
        "warren_services_puts_total", "warren_services_lookups_total")
WALL = 1800000000


def number():
    return int.from_bytes(os.urandom(4), "big")


def everything(bait, cookie=bytes(16), noise1=bytes(448)):
    """Every message of each plane, such as would do something in its place;
    the circuit and meeting ones name `bait`."""
    key, where = os.urandom(32), w.compact(*bait.endpoints[0])
    value, signature = bytes(996), bytes(64)
    work = [bytes(4), 1024, bytes(8), bytes(16)]
    return [
        [w.EXTEND, 1, bait.identity, bait.handshake_key, where, bytes(50)],
        [w.EXTENDED, 1, bytes(48)], [w.FAILED, 1, 2], [w.DATA, where, b"x"],
        [w.DATA, [b"bait.test", 7881], b"x"], [w.PIECE, 1, 0, 2, b"x" * 1216],
        [w.M_PING, 5], [w.M_PONG, 5], [w.M_TEST, 5, bytes(64)],
        [w.M_TESTED, 5, bytes(64)],
        m.establish(os.urandom(32), key, bytes(64)), [m.ESTABLISHED, 4],
        [m.INTRODUCE, key[:16], work, noise1], [m.ACK, 0, 0], [m.ACK, 6, WALL],
        [m.INTRODUCED, number(), key[:16], None, noise1],
        [m.RESULT, number(), 0, 0], [m.RENDEZVOUS, cookie], [m.READY, cookie],
        [m.JOIN, cookie, bytes(64)], [m.JOINED, bytes(64)],
        [m.MEMBERS_ASK, key],
        [m.MEMBERS, 1, [[key[:16], bytes(81)]], [bait.target()]],
        [m.DHT_GET, 1, key, b""], [m.DHT_GET, 2, key[:20], b""],
        [m.DHT_PEERS, 1, [where]], [m.DHT_ITEM, 1, 1, signature, value],
        [m.DHT_PUT, 3, key, b"", 1, signature, value],
        [m.DHT_DONE, 1, 0, 1, 1, 1], [m.RELAY_ASK, 4, where],
        [m.RELAY_TOLD, 4, bytes(200)], [35], [63, 1], [64, 1], [127], [255]]


class KeyTest(TwinTest):
    """A daemon runs the service "web", whose address all know."""

    def setUp(self):
        super().setUp()
        self.server = Server(self.net.prefix + ".202")
        self.host = self.add(
            f"[service web]\nport = 53 udp {self.server.endpoint}\n")
        self.key = r.read_address(NETWORK, self.wait_fine(self.host, "web"))
        self.seeker = self.party(p.Seeker)
        self.view, _, self.fields = self.seeker.fetch(self.key)
        self.inns = 0

    def inn(self, kind=service_relay.Inn):
        self.inns += 1
        inn = kind(f"{self.net.prefix}.{219 + self.inns}", NETWORK)
        self.addCleanup(inn.close)
        return inn

    def lure(self, inn, point=0, **more):
        return self.seeker.attempt(self.view, self.fields, point,
                                   target=inn.target(), **more)

    def leg_at(self, inn, **more):
        attempt = self.lure(inn, **more)
        self.assertEqual(attempt.introduce()[0], m.TAKEN)
        leg = inn.leg(attempt, PATIENCE)
        leg.hello()
        return leg

    def acts(self):
        found = {}
        for node in [*self.relays, self.host]:
            figures = node.metrics()
            for name in ACTS:
                found[node.address, name] = figures.get(name, 0)
        return found

    def count(self, result):
        return self.host.metrics()[
            f'warren_services_introductions_total{{result="{result}"}}']

    def joins(self):
        return self.host.metrics()["warren_services_joins_total"]

    def assert_answers(self, leg, data=b"still there"):
        leg.data(53, data)
        self.assertEqual(leg.answer(PATIENCE), (53, b"echo " + data))

    def assert_served(self):
        """Somebody who did nothing wrong."""
        honest = self.party(p.Seeker, number=211)
        leg = honest.meet(self.key)
        self.assert_answers(leg, b"honest")
        leg.say(m.CLOSE, 1)
        honest.end(leg.road)

    def wait_quiet(self):
        """The service has looked for what it published."""
        wait_for("it is verified", lambda: self.host.json(
            "service", "show", "web").get("verified"), PATIENCE, 0.5)
        last = None
        while last != (last := self.acts()):
            time.sleep(1)
        return last


class Planes(KeyTest):
    def test_nothing_that_comes_to_a_service_acts_elsewhere(self):
        """Every message of each plane, from the peer in end cells, and from
        the rendezvous point as the last hop."""
        bait, inn = self.inn(), self.inn()
        leg = self.leg_at(inn)
        before = self.wait_quiet()
        links = self.host.metrics()["warren_tunnel_link_inits_out_total"]
        for message in everything(bait):
            leg.say_raw(msgpack.packb(message)[:1240])
            leg.road.c.say(message)
        # A MOVE is the one that may: it is the opener's to say, and this one
        # does not open.
        leg.say(m.MOVE, bytes(16), bytes(448))
        self.assertEqual(leg.hear(m.MOVED)[1], bytes(16))
        time.sleep(1)
        self.assertEqual(self.acts(), before)
        self.assertEqual(
            self.host.metrics()["warren_tunnel_link_inits_out_total"], links)
        self.assertEqual(bait.sources, set())
        self.assert_served()

    def test_introductions_elsewhere_than_at_a_point(self):
        """INTRODUCED by the rendezvous point, with an invitation that holds:
        nobody goes anywhere. Told at the point, it does."""
        inn, other = self.inn(), self.inn()
        leg = self.leg_at(inn)
        attempt = self.lure(other)
        joins = self.joins()
        for auth_id in {intro[1] for intro in self.fields[5]}:
            leg.road.c.say([m.INTRODUCED, number(), auth_id, None,
                            attempt.noise1])
        time.sleep(1)
        self.assertEqual(self.joins(), joins)
        self.assertEqual(other.sources, set())
        self.assert_answers(leg)
        self.assertEqual(attempt.introduce()[0], m.TAKEN)
        inn = other.leg(attempt)
        inn.hello()
        self.assert_answers(inn)

    def test_a_rendezvous_point_that_lies(self):
        """End cells changed, said again, swapped, made up: none counts, and
        what was sent comes once."""
        leg = self.leg_at(self.inn())
        circuit, asked = leg.road.c, len(self.server.sources)
        whole = [leg.out.add(msgpack.packb([m.DATA, 53, b"%d" % i]).ljust(
            216, b"\0")) for i in range(8)]
        for i in range(0, 240, 7):
            changed = bytearray(whole[0])
            changed[i] ^= 1 << i % 8
            circuit.say_end(bytes(changed))
        for layer in (bytes(240), os.urandom(240), os.urandom(1264)):
            circuit.say_end(layer)
        for layer in whole[::-1] * 3:  # swapped, and thrice
            circuit.say_end(layer)
        answers = {leg.answer()[1] for _ in range(8)}
        self.assertEqual(answers, {b"echo %d" % i for i in range(8)})
        time.sleep(0.5)
        self.assertEqual(len(self.server.sources), asked + 8)
        self.assert_answers(leg)
        self.assert_served()


class Points(TwinTest):
    RELAYS = 5

    def test_nothing_that_a_point_says_acts_elsewhere(self):
        """A hostile relay is one of the points: every message of each plane
        comes from it, and introductions of others."""
        point = service_relay.Inn(f"{self.net.prefix}.219", NETWORK)
        self.addCleanup(point.close)
        server = Server(self.net.prefix + ".202")
        host = self.add(f"[service web]\nport = 53 udp {server.endpoint}\n")
        address = self.wait_fine(host, "web")
        self.assertEqual(host.stop()[0], 0)
        self.put_in(host, point)
        host.start(*CLIENT, "--config", self.path_of(host))
        wait_for("it is a point", lambda: point.points, PATIENCE)
        self.wait_fine(host, "web")
        bait = service_relay.Relay(f"{self.net.prefix}.220", NETWORK)
        self.addCleanup(bait.close)
        (auth_id, circuit), = point.points.items()
        joins = host.metrics()["warren_services_joins_total"]
        for message in everything(bait):
            if message[0] != m.ESTABLISHED:
                circuit.say(message)
        for _ in range(3):
            circuit.say([m.INTRODUCED, number(), auth_id, None,
                         os.urandom(448)])
            circuit.say_end(os.urandom(240))
        wait_for("it has answered those", lambda: [
            x for x in circuit.messages if x[0] == m.RESULT and
            x[2] == m.REFUSED][2:], PATIENCE)
        self.assertEqual(bait.sources, set())
        self.assertEqual(host.metrics()["warren_services_joins_total"], joins)
        self.assertEqual(host.metrics()["warren_exit_sent_total"], 0)
        # Through the same point somebody who knows the address is met.
        seeker = self.party(p.Seeker)
        key = r.read_address(NETWORK, address)
        view, fields, at = wait_for("the point is published", lambda:
                                    self.find(seeker, key, auth_id), PATIENCE,
                                    0.5)
        attempt = seeker.attempt(view, fields, at)
        self.assertEqual(attempt.introduce()[0], m.TAKEN)
        leg = attempt.joined()
        leg.hello()
        leg.data(53, b"through it")
        self.assertEqual(leg.answer(PATIENCE), (53, b"echo through it"))

    @staticmethod
    def put_in(host, point):
        """As if the service had drawn it once: in the place of one of its
        points."""
        with contextlib.closing(sqlite3.connect(host.dir / "warren.db")) as db:
            (key,), *_ = db.execute("SELECT key FROM service_point")
            db.execute("UPDATE service_point SET key = ?, handshake_key = ?, "
                       "endpoint = ? WHERE key = ?",
                       (key[:-32] + point.identity, point.handshake_key,
                        w.compact(*point.endpoints[0]), key))
            db.commit()

    @staticmethod
    def find(seeker, key, auth_id):
        view, _, fields = seeker.fetch(key)
        ids = [intro[1] for intro in fields[5]]
        return auth_id in ids and (view, fields, ids.index(auth_id))


class Introductions(KeyTest):
    def test_without_the_address(self):
        """Who knows a point and an auth id, but not the credential or not the
        key, is refused, and nobody sets out."""
        inn = self.inn()
        target, auth_id, key = self.fields[5][0]
        joins, forged = self.joins(), self.count("forged")
        wrong = [(os.urandom(32), key), (bytes(32), key),
                 (r.credential("other", self.key), key),
                 (r.credential(NETWORK, self.key, bytes(32)), key),
                 (self.view.credential, w.public_key(os.urandom(32)))]
        for credential, static in wrong:
            attempt = p.Attempt(self.seeker, credential, m.Target(target),
                                auth_id, static, target=inn.target())
            self.assertEqual(attempt.introduce(), [m.REFUSED, 0])
        attempt = self.lure(inn, version=2)
        self.assertEqual(attempt.introduce(), [m.REFUSED, 0])
        attempt = self.lure(inn)
        attempt.auth_id = os.urandom(16)
        self.assertEqual(attempt.introduce()[0], m.UNKNOWN)
        self.assertEqual(self.joins(), joins)
        self.assertEqual(self.count("forged"), forged + len(wrong) + 1)
        self.assertEqual(inn.sources, set())
        self.assert_served()

    def test_said_again_by_others(self):
        """What a point has seen, again: on other circuits, at other points,
        and after the service was killed. Never a second circuit."""
        inn = self.inn()
        attempt = self.lure(inn)
        self.assertEqual(attempt.introduce(), [m.TAKEN, 0])
        inn.leg(attempt).hello()
        for _ in range(3):
            self.assertEqual(attempt.introduce(), [m.TAKEN, 0])
        other_target, other_id, _ = self.fields[5][1]
        attempt.point, attempt.auth_id = m.Target(other_target), other_id
        # As one that was never seen: points cannot find each other so.
        self.assertEqual(attempt.introduce(), [m.REFUSED, 0])
        fresh = self.lure(inn)
        fresh.point, fresh.auth_id = attempt.point, other_id
        self.assertEqual(fresh.introduce(), [m.REFUSED, 0])
        time.sleep(0.5)
        self.assertEqual(inn.joins, 1)

        time.sleep(1.1)  # the descriptor is from before that second
        self.host.kill()
        self.host.start(*CLIENT, "--config", self.path_of(self.host))
        target, auth_id, _ = self.fields[5][0]
        attempt.point, attempt.auth_id = m.Target(target), auth_id

        def answered():
            status = attempt.introduce()
            return status if status[0] != m.UNKNOWN else None
        status, later = wait_for("its points are there again", answered,
                                 PATIENCE, 0.5)
        self.assertEqual(status, m.AGAIN)
        self.assertGreater(later, self.fields[1])
        time.sleep(1)
        self.assertEqual(inn.joins, 1)
        # Who is honest has the old descriptor, too: and says the time.
        honest = self.lure(inn)
        status, later = honest.introduce()
        self.assertEqual(status, m.AGAIN)
        honest = self.lure(inn, greeting=later)
        self.assertEqual(honest.introduce()[0], m.TAKEN)
        leg = inn.leg(honest)
        leg.hello()
        self.assert_answers(leg)
        self.assertEqual(inn.joins, 2)

    def test_rendezvous_points_that_are_none(self):
        """Nobody there, another key, no address: it fails in time, and others
        are served meanwhile."""
        inn = self.inn()
        good = inn.target()
        nobody = [os.urandom(32), os.urandom(32),
                  [w.compact(f"{self.net.prefix}.250", 7881)]]
        another = [good[0], w.public_key(os.urandom(32)), good[2]]
        stranger = [os.urandom(32), good[1], good[2]]
        failed = self.host.metrics()["warren_services_joins_failed_total"]
        for target in (nobody, another, stranger):
            attempt = self.seeker.attempt(self.view, self.fields,
                                          target=target)
            self.assertEqual(attempt.introduce()[0], m.TAKEN)
        for address in ("0.0.0.0", "255.255.255.255", "224.0.0.1"):
            attempt = self.seeker.attempt(
                self.view, self.fields,
                target=good[:2] + [[w.compact(address, 7881)]])
            self.assertEqual(attempt.introduce()[0], m.REFUSED)
        attempt = self.seeker.attempt(
            self.view, self.fields,
            target=good[:2] + [[w.compact(inn.endpoints[0][0], 0)]])
        self.assertEqual(attempt.introduce()[0], m.REFUSED)
        self.assert_served()
        wait_for("they are given up", lambda: self.host.metrics()[
            "warren_services_joins_failed_total"] == failed + 3, PATIENCE)
        self.assertEqual(inn.joins, 0)
        self.assert_served()

    def test_third_hops_stay(self):
        """Whatever relay is named, whether it joins or not: it is reached over
        the few third hops of the service."""
        inns = [self.inn() for _ in range(4)]
        inns[3].on_join = lambda c, cookie, noise2: c.say([w.FAILED, 0, 2])
        for i in range(24):
            attempt = self.lure(inns[i % 4], i % len(self.fields[5]))
            self.assertEqual(attempt.introduce()[0], m.TAKEN)
            if i % 4 < 3:
                inns[i % 4].came(attempt.cookie)
        before = {source[0] for inn in inns for source in inn.sources}
        # A third of so few relays, and no less than three.
        self.assertLessEqual(len(before), 3)
        self.assertGreaterEqual(len(before), 1)
        self.assert_served()
        # A channel that moves keeps the hops that it has.
        leg = self.leg_at(inns[0])
        circuit = leg.road.c
        _, _, key = next(i for i in self.fields[5]
                         if i[1] == leg.attempt.auth_id)
        for inn in inns[1:3]:
            time.sleep(1.1)  # one new cookie a second
            attempt = p.Attempt(self.seeker, self.view.credential, None, None,
                                key, target=inn.target())
            leg.say(m.MOVE, attempt.cookie, attempt.noise1)
            self.assertEqual(leg.hear(m.MOVED)[1:], [attempt.cookie, 0])
            leg = inn.leg(attempt)
            leg.hello()
            self.assertEqual(leg.road.c.session.peer[0],
                             circuit.session.peer[0])
        self.assert_answers(leg)


if __name__ == "__main__":
    unittest.main(verbosity=2)
