#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What strangers try with relays that introduce, join and look up: who has a
point, waits with a cookie, or is a member of a topic keeps it, and is served.
"""
import os
import socket
import time
import unittest

from service_twin import NETWORK, TwinTest
from harness import wait_for
from test_service_daemon import PATIENCE

import service_meeting as m
import service_party as p
import service_record as r
import warren_tunnel as w

TIMEOUT, PROTOCOL = 2, 9


class RelayTest(TwinTest):
    RELAYS = 4

    def setUp(self):
        super().setUp()
        self.relay = self.relays[3]
        self.place = self.hops[3]
        self.attacker = self.party(p.Party)
        self.honest = self.party(p.Seeker, number=211)

    def owner(self):
        one = self.party(p.KeyHost, os.urandom(32), number=212)
        self.assertEqual(one.establish(self.place), m.TAKEN)
        return one

    def assert_introduces(self, owner, point=None):
        """Somebody who knows the service is introduced to it, and meets it."""
        keys = (point or owner.points[-1]).keys
        attempt = p.Attempt(self.honest, owner.credential, self.place,
                            keys.auth_id, keys.key,
                            self.honest.road_to(self.hops[1]))
        asking = self.honest.road_to(self.place)
        asking.say([m.INTRODUCE, keys.auth_id, None, attempt.noise1])
        leg = owner.take()
        self.assertEqual(asking.hear(m.ACK)[1], m.TAKEN)
        mine = attempt.joined()
        mine.say(m.DATA, 1, b"met")
        self.assertEqual(leg.answer(), (1, b"met"))
        self.honest.end(asking)

    def refused(self, road, message, *kinds):
        """The reason of FAILED that comes instead of `kinds`."""
        with self.assertRaisesRegex(w.Failure, "FAILED") as caught:
            road.say(message)
            road.hear(*(kinds or (m.ESTABLISHED,)))
        return int(str(caught.exception).split()[1])


class Points(RelayTest):
    def test_somebody_elses(self):
        """ESTABLISH replayed on other circuits and relays, and made up for
        another's key: refused, and the owner's stays."""
        owner = self.owner()
        keys, road = owner.points[0].keys, owner.points[0].road
        said = m.establish(keys.auth_seed, keys.auth_key, road.transcript)
        own_seed = os.urandom(32)
        own_key, _ = r.bindings.crypto_sign_seed_keypair(own_seed)
        for relay in self.place, self.hops[2]:
            way = self.attacker.road_to(relay)
            self.assertEqual(way.ask(said, m.ESTABLISHED)[1], m.REFUSED)
            forged = m.establish(own_seed, own_key, way.transcript)
            forged[1] = keys.auth_key
            self.assertEqual(way.ask(forged, m.ESTABLISHED)[1], m.REFUSED)
            changed = m.establish(own_seed, own_key, way.transcript)
            changed[2] = 1
            self.assertEqual(way.ask(changed, m.ESTABLISHED)[1], m.REFUSED)
            # One's own is taken all the same.
            good = m.establish(own_seed, own_key, way.transcript)
            self.assertEqual(way.ask(good, m.ESTABLISHED)[1], m.TAKEN)
        self.assert_introduces(owner)

    def test_the_first_one_that_comes_has_no_right(self):
        """Somebody knows the auth id before the owner comes."""
        owner = self.party(p.KeyHost, os.urandom(32), number=212)
        salt = os.urandom(16)
        keys = r.point_keys(owner.secret, salt, self.place.identity)
        way = self.attacker.road_to(self.place)
        squat = m.establish(os.urandom(32), keys.auth_key, way.transcript)
        self.assertEqual(way.ask(squat, m.ESTABLISHED)[1], m.REFUSED)
        roads = [owner.road_to(self.place) for _ in range(2)]
        for road in roads:
            good = m.establish(keys.auth_seed, keys.auth_key, road.transcript)
            self.assertEqual(road.ask(good, m.ESTABLISHED)[1], m.TAKEN)
        # The newer circuit of the owner is the point, the older one hears so.
        self.assertEqual(roads[0].hear(m.ESTABLISHED)[1], m.REPLACED)
        owner.points.append(p.Point(roads[1], keys))
        self.assert_introduces(owner)

    def test_results_of_others(self):
        owner, other = self.owner(), self.owner()
        keys = owner.points[0].keys
        asking = self.attacker.road_to(self.place)
        asking.say([m.INTRODUCE, keys.auth_id, None, os.urandom(448)])
        handle = owner.points[0].road.hear(m.INTRODUCED)[1]
        other.points[0].road.say([m.RESULT, handle, m.REFUSED, 0])
        with self.assertRaisesRegex(w.Failure, "no answer"):
            asking.hear(m.ACK, timeout=1)
        owner.points[0].road.say([m.RESULT, handle, m.BUSY, 77])
        owner.points[0].road.say([m.RESULT, handle, m.TAKEN, 0])
        self.assertEqual(asking.hear(m.ACK)[1:], [m.BUSY, 77])
        with self.assertRaisesRegex(w.Failure, "no answer"):
            asking.hear(m.ACK, timeout=1)
        self.assert_introduces(other)


class Cookies(RelayTest):
    def test_guessed_used_and_foreign(self):
        cookie = os.urandom(16)
        waiting = self.honest.road_to(self.place)
        # Nobody waits yet.
        early = self.attacker.road_to(self.place)
        join = [m.JOIN, cookie, bytes(64)]
        self.assertEqual(self.refused(early, join, m.JOINED), TIMEOUT)
        m.wait_at(waiting, cookie)
        for guess in bytes(16), os.urandom(16), cookie[:15] + b"\0":
            self.assertEqual(self.refused(
                self.attacker.road_to(self.place),
                [m.JOIN, guess, bytes(64)], m.JOINED), TIMEOUT)
        # A cookie that another waits with, and a second one on one circuit
        # that is joined.
        self.assertEqual(self.refused(self.attacker.road_to(self.place), [
            m.RENDEZVOUS, cookie], m.READY), PROTOCOL)
        road = self.party(p.Party, number=213).road_to(self.place)
        noise2 = os.urandom(64)
        self.assertEqual(road.ask([m.JOIN, cookie, noise2], m.JOINED)[1], b"")
        self.assertEqual(waiting.hear(m.JOINED)[1], noise2)
        # Used.
        self.assertEqual(self.refused(self.attacker.road_to(self.place), join,
                                      m.JOINED), TIMEOUT)
        self.assertEqual(self.refused(road, [m.JOIN, os.urandom(16), noise2],
                                      m.JOINED), PROTOCOL)
        self.assertEqual(self.refused(waiting, [m.RENDEZVOUS, os.urandom(16)],
                                      m.READY), PROTOCOL)
        # They are still joined, and said again it is answered again.
        self.assertEqual(road.ask([m.JOIN, cookie, noise2], m.JOINED)[1], b"")
        one = m.Leg(waiting, b"\1" * 32, b"\2" * 32)
        two = m.Leg(road, b"\2" * 32, b"\1" * 32)
        one.say(m.DATA, 5, b"through")
        self.assertEqual(two.answer(), (5, b"through"))
        two.say(m.DATA, 5, b"back")
        self.assertEqual(one.answer(), (5, b"back"))
        # When one goes, the other hears so, and may wait anew.
        road.destroy()
        with self.assertRaisesRegex(w.Failure, "FAILED 4"):
            waiting.hear(m.READY)
        m.wait_at(waiting, os.urandom(16))


class Errands(RelayTest):
    def bait(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind((f"{self.net.prefix}.240", 0))
        sock.settimeout(2)
        return sock

    def test_is_no_scanner(self):
        """Endpoints that no lookup of the circuit named are not asked."""
        bait = self.bait()
        where = w.compact(*bait.getsockname())
        road = self.attacker.road_to(self.place)
        relay = w.compact(self.relays[0].address, 7881)
        for endpoint in where, relay:
            self.assertIsNone(m.told(road, endpoint, NETWORK))
        self.assertEqual(m.peers(road, os.urandom(20)), [])
        for i in range(8):
            self.assertIsNone(m.told(road, where, NETWORK, 20 + i))
        with self.assertRaises(socket.timeout):
            bait.recvfrom(2048)
        self.assertEqual(self.relay.metrics()[
            'warren_meeting_requests_total{kind="relay"}'], 0)
        self.assert_looks_up()

    def assert_looks_up(self):
        """Somebody else publishes and finds, through the same last hop."""
        host = self.party(p.KeyHost, os.urandom(32), number=212,
                          relays=[self.hops[0], self.place, self.hops[1]])
        stored = host.publish(intros=[[m.target_of(self.place), bytes(16),
                                       bytes(32)]], replicas=(1,))
        self.assertGreater(min(stored), 0)
        _, seq, _ = self.honest.fetch(host.long_term.key,
                                      road=self.honest.road_to(self.place))
        self.assertEqual(seq, 1)

    def test_is_no_amplifier(self):
        """A thousand lookups on a circuit are 16; of junk none goes out."""
        road = self.attacker.road_to(self.place)
        for i in range(1000):
            road.say([m.DHT_GET, i, os.urandom(32), b""])
            if i % 50 == 0:
                time.sleep(0.02)
        time.sleep(6)
        figures = self.relay.metrics()
        self.assertLessEqual(
            figures['warren_meeting_requests_total{kind="get"}'], 16)
        # Of the rest, those that a busy machine has not dropped before.
        self.assertGreater(figures[
            'warren_meeting_refused_total{reason="full"}'], 0)
        key, value = os.urandom(32), os.urandom(996)
        fresh = self.attacker.road_to(self.place)
        for salt, seq in ((b"", 1), (b"\1", 1), (b"", -1)):
            reason, stored = m.put(fresh, key, salt, seq, bytes(64), value)
            self.assertEqual((reason, stored), (PROTOCOL, 0))
        self.assertEqual(self.relay.metrics()[
            'warren_meeting_requests_total{kind="put"}'], 0)
        self.assert_looks_up()

    def test_answers_are_of_the_circuit_that_asked(self):
        road, other = (self.attacker.road_to(self.place) for _ in range(2))
        road.say([m.DHT_GET, 7, os.urandom(32), b""])
        self.assertEqual(road.hear(m.DHT_DONE, timeout=8)[1], 7)
        for one in road, other:
            with self.assertRaisesRegex(w.Failure, "no answer"):
                one.hear(m.DHT_DONE, timeout=1)
        # What only relays say is nothing that a client may.
        for message in ([m.DHT_DONE, 7, 0, 1, 1, 1], [m.MEMBERS, 0, [], []],
                        [m.INTRODUCED, 1, bytes(16), None, bytes(448)],
                        [m.JOINED, b""], [m.ACK, 0, 0], [m.READY, bytes(16)]):
            self.assertEqual(self.refused(other, message), PROTOCOL)


class Topics(RelayTest):
    def test_the_relay_makes_the_hash(self):
        """Whoever enters a topic cannot choose what the relay announces; that
        ends when the last member is gone."""
        chosen = os.urandom(20)
        members = [self.party(p.Member, b"a string", number=214 + i)
                   for i in range(2)]
        for one in members:
            self.assertEqual(one.enter(self.place), m.TAKEN)
        topic = members[0].string.topic(p.Member.period())
        liar = self.party(p.Member, b"another", number=217)
        liar.string.topic = lambda period: chosen + bytes(12)
        self.assertEqual(liar.enter(self.place), m.TAKEN)
        wanted = [r.topic_hash(NETWORK, t, i).hex()
                  for t in (topic, chosen + bytes(12)) for i in (0, 1)]
        wait_for("they are announced",
                 lambda: set(wanted) <= set(self.announced()), PATIENCE)
        self.assertNotIn(chosen.hex(), self.announced())
        one = self.party(p.Member, b"a string", number=218)
        total, found = one.members_at(self.place)
        self.assertEqual((total, set(found)), (2, {x.own for x in members}))
        for host in (members[0], liar):
            host.end(host.points[0].road)
        wait_for("the liar's are gone", lambda: not
                 set(wanted[2:]) & set(self.announced()), PATIENCE)
        self.assertLessEqual(set(wanted[:2]), set(self.announced()))
        self.assertEqual(set(one.members_at(self.place)[1]), {members[1].own})
        members[1].end(members[1].points[0].road)
        wait_for("all are gone", lambda: not
                 set(wanted) & set(self.announced()), PATIENCE)

    def announced(self):
        return [x["target"] for x in
                self.relay.json("dht", "published")["published"]]


if __name__ == "__main__":
    unittest.main(verbosity=2)
