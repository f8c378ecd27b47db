#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What services, introduction points and members try with daemons that want to
meet them: nothing comes of it but a failure with a reason, and the next that is
honest is met."""
import os
import time
import unittest

from service_twin import NETWORK, TwinTest
from harness import DONE, wait_for
from test_service_attack import everything
from test_service_daemon import PATIENCE

import service_meeting as m
import service_party as p
import service_record as r
import service_relay
import warren_tunnel as w

ANY = tuple(range(7))


class Liar(service_relay.Inn):
    """An introduction point that takes all, brings nobody, and says
    everything that it can think of before it answers."""
    bait, asked = None, 0

    def on_introduce(self, c, auth_id, work, noise1):
        self.asked += 1
        for said in everything(self.bait):
            if said[0] != m.ACK:
                c.say(said)
        for _ in range(3):
            c.say([m.ACK, m.TAKEN, 0])
        c.say([m.ACK, m.REFUSED, 0])


class ClientTest(TwinTest):
    RELAYS = 5

    def setUp(self):
        super().setUp()
        self.owner = self.party(p.KeyHost, os.urandom(32))
        self.inns = 0

    def inn(self, kind=service_relay.Inn):
        self.inns += 1
        inn = kind(f"{self.net.prefix}.{219 + self.inns}", NETWORK)
        self.addCleanup(inn.close)
        return inn

    def try_to_send(self, client, patience="8s"):
        return client.json("service", "send", f"{self.owner.name}:7", "hello",
                           "--timeout", patience, ok=ANY)

    def assert_answered(self, client):
        """The service lets it in now, if it was not met before."""
        asked = self.watch(client, "send", f"{self.owner.name}:7", "hello",
                           "--timeout", f"{PATIENCE}s")
        leg = self.owner.take(PATIENCE)
        self.assertEqual(leg.answer(PATIENCE), (7, b"hello"))
        leg.data(7, b"honest")
        wait_for("the answer is printed", lambda: asked.events, PATIENCE)
        self.assertEqual(asked.events[0]["data"], "honest")


class Descriptors(ClientTest):
    def test_that_are_not_right(self):
        """Signed by the service, but of another period, order, length, time,
        or place: not believed, and nobody in them is called."""
        bait = self.inn()
        now = int(time.time())
        intro = self.intro_at(bait)
        seven = [self.intro_at(bait, bytes([i]) * 32) for i in range(7)]
        nowhere = [bait.target()[:2] + [[w.compact("0.0.0.0", 7881)]],
                   bytes(16), bytes(32)]
        self.client = self.add()
        for fields in (
                {"period": 1}, {"intros": [intro] * 2}, {"intros": seven},
                {"intros": [seven[1], seven[0]]}, {"intros": [nowhere]},
                {"issued": now + 3 * 3600}, {"issued": now - 6 * 3600},
                {"lifetime": 0}, {"seq": 1}, {"version": 2}):
            fields.setdefault("intros", [intro])
            self.publish(**fields)
            answer = self.try_to_send(self.client)
            self.assertNotEqual(answer["outcome"], "answered", fields)
            self.assertEqual(bait.sources, set(), fields)
        # An older one of the same key, and what nobody signed, the last hop
        # does not take.
        with self.assertRaisesRegex(w.Failure, "not stored: 16"):
            self.owner.publish(intros=[intro], seq=1)
        self.assertEqual(self.owner.establish(self.hops[3]), m.TAKEN)
        self.owner.publish(seq=self.owner.seq + 10)
        self.assert_answered(self.client)

    @staticmethod
    def intro_at(bait, identity=None):
        return [[identity or bait.identity, *bait.target()[1:]],
                os.urandom(16), os.urandom(32)]

    def publish(self, intros, period=0, issued=None, lifetime=180, seq=0,
                version=1):
        """One that has something else in it."""
        owner, wall = self.owner, int(time.time())
        owner.seq += 1
        for p_ in r.alive(wall):
            view = r.View(NETWORK, owner.long_term.key, p_)
            blinded = r.blind_secret(owner.long_term, view.factor)
            text = m.msgpack.packb([p_ + period, issued or wall, lifetime, 0,
                                    None, intros]).ljust(r.TEXT, b"\0")
            value = view.seal(text, owner.seq + seq, os.urandom(24))
            value = bytes([version]) + value[1:]
            for i, salt in enumerate(r.REPLICA_SALTS):
                road = owner.road_to(self.hops[i])
                signature = r.sign(blinded, r.signed_bytes(salt, owner.seq,
                                                           value))
                self.assertEqual(m.put(road, view.key, salt, owner.seq,
                                       signature, value)[0], 0)
                owner.end(road)

    def test_addresses_that_are_none(self):
        """Torsion, small order, not canonical, mistyped, another network."""
        client = self.add()
        key = self.owner.long_term.key
        torsion = r.bindings.crypto_core_ed25519_add(
            key, b"\xec" + b"\xff" * 30 + b"\x7f")
        text = r.address(NETWORK, key)
        mistyped = ("b" if text[0] == "a" else "a") + text[1:]
        for wrong in (r.address(NETWORK, torsion),
                      r.address(NETWORK, b"\1" + bytes(31)),
                      r.address(NETWORK, bytes(32)),
                      r.address(NETWORK, b"\xee" + b"\xff" * 30 + b"\x7f"),
                      r.address("other", key), mistyped, text[1:]):
            done = client.cli("service", "send", f"{wrong}:7", "x",
                              "--timeout", "5s")
            self.assertNotEqual(done.returncode, DONE)
            self.assertNotIn("answered", done.stdout)
        self.assertEqual(
            client.metrics()["warren_services_lookups_total"], 0)
        self.assertEqual(self.owner.establish(self.hops[3]), m.TAKEN)
        self.owner.publish()
        self.assert_answered(client)


class Liars(ClientTest):
    def test_a_point_that_brings_nobody(self):
        """It says all that there is to say: nothing comes of it elsewhere. The
        client goes on to the next point, if there is one."""
        liar, bait = self.inn(Liar), self.inn()
        liar.bait = bait
        lie = [liar.target(), os.urandom(16), os.urandom(32)]
        self.owner.publish(intros=[lie])
        client = self.add()
        answer = self.try_to_send(client, "30s")
        self.assertNotEqual(answer["outcome"], "answered")
        self.assertGreater(liar.asked, 0)
        self.assertEqual(self.owner.establish(self.hops[3]), m.TAKEN)
        self.owner.publish(intros=[lie, *self.owner.intros()])
        other = self.add()
        self.assert_answered(other)
        self.assertEqual(bait.sources, set())
        for node in [*self.relays, client, other]:
            self.assertEqual(node.metrics()["warren_exit_sent_total"], 0)

    def test_an_answer_by_somebody_else(self):
        """JOIN with what is no answer to the handshake, and with one of other
        keys: the client tries again, and meets the service."""
        for relay in self.hops[2:]:
            self.assertEqual(self.owner.establish(relay), m.TAKEN)
        self.owner.publish()
        client = self.add()
        asked = self.watch(client, "send", f"{self.owner.name}:7", "hello",
                           "--timeout", f"{PATIENCE}s")
        guest = self.owner.introduced(PATIENCE)
        self.owner.result(guest, m.TAKEN)
        road = self.owner.road_to(m.Target(guest.target))
        self.assertEqual(road.ask([m.JOIN, guest.cookie, os.urandom(64)],
                                  m.JOINED)[1], b"")
        guest = self.owner.introduced(PATIENCE)
        self.owner.result(guest, m.TAKEN)
        stranger = m.handshake(NETWORK, bytes(32), os.urandom(32))
        stranger.remote = guest.noise1[:32]
        stranger.mix_dh(os.urandom(32), stranger.remote)
        road = self.owner.road_to(m.Target(guest.target))
        self.assertEqual(road.ask([m.JOIN, guest.cookie, m.answer(stranger)],
                                  m.JOINED)[1], b"")
        leg = self.owner.take(PATIENCE)
        self.assertEqual(leg.answer(PATIENCE), (7, b"hello"))
        leg.data(7, b"honest")
        wait_for("the answer is printed", lambda: asked.events, PATIENCE)
        self.assertEqual(asked.events[0]["data"], "honest")


class Members(TwinTest):
    RELAYS = 5
    STRING = "a string that is known"

    def test_that_are_somebody_else(self):
        """Another's M, a proof made for a third or for another introduction,
        none at all: refused. Who is who he says is let in."""
        node = self.add()
        seen = self.watch(node, "register", self.STRING)
        one, victim, third = (
            self.party(p.Member, self.STRING.encode(), small=True,
                       number=210 + i) for i in range(3))
        relay, member, auth_id, issued = wait_for(
            "the daemon's entry is found", lambda: self.find(one), PATIENCE,
            1)
        lies = [
            lambda key, e: {"member": victim.own,
                            "mac": one.prove(key, e)["mac"]},
            lambda key, e: {"member": victim.own, "mac": r.member_mac(
                one.own_secret, key, victim.own, key, e)},
            lambda key, e: one.prove(third.own, e),
            lambda key, e: one.prove(key, bytes(32)),
            lambda key, e: {"member": one.own, "mac": bytes(16)},
            lambda key, e: {"member": one.own},
            lambda key, e: {"member": member, "mac": one.prove(key, e)["mac"]},
            None]
        joins = node.metrics()["warren_services_joins_total"]
        for lie in lies:
            attempt = one.attempt(relay, member, auth_id, issued, prove=lie)
            self.assertEqual(attempt.introduce()[0], m.REFUSED)
        # Another string's credential.
        stranger = self.party(p.Member, b"another string", number=213)
        attempt = stranger.attempt(relay, member, auth_id, issued)
        self.assertEqual(attempt.introduce()[0], m.REFUSED)
        self.assertEqual(node.metrics()["warren_services_joins_total"], joins)
        attempt = victim.attempt(relay, member, auth_id, issued)
        self.assertEqual(attempt.introduce()[0], m.TAKEN)
        attempt.joined().hello()
        wait_for("the peer is told", lambda: [
            e for e in seen.of("peer") if e.get("key") == victim.own.hex()],
            PATIENCE)
        self.assertFalse([e for e in seen.of("peer")
                          if e.get("key") == one.own.hex()])

    @staticmethod
    def find(one):
        for relay in one.points_of_others():
            for member, found in one.members_at(relay)[1].items():
                return relay, member, *found
        return None


if __name__ == "__main__":
    unittest.main(verbosity=2)
