#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Hidden services between daemons and the implementation that was written from
docs/protocol-services.md: each side is once the daemon's."""
import os
import signal
import time
import unittest

from service_twin import NETWORK, TwinTest
from harness import wait_for
from test_service_daemon import PATIENCE, Server

import service_meeting as m
import service_party as p
import service_record as r
import warren_tunnel as w


class PythonClient(TwinTest):
    def test_reaches_a_service_of_a_daemon(self):
        server = Server(self.net.prefix + ".202")
        host = self.add(f"[service web]\nport = 53 udp {server.endpoint}\n")
        key = r.read_address(NETWORK, self.wait_fine(host, "web"))
        seeker = self.party(p.Seeker)
        leg = seeker.meet(key)
        for payload in b"hello", b"x" * 1227, bytes(range(256)) * 30:
            leg.data(53, payload, len(payload))
            self.assertEqual(leg.answer(), (53, b"echo " + payload))
        leg.say(m.PING, 77)
        self.assertEqual(leg.hear(m.PONG), [m.PONG, 77])
        # One peer, and still the same one after a MOVE and after a RESUME.
        self.assertEqual(self.peers(host), [False])
        view, _, fields = seeker.fetch(key)
        attempt = leg.attempt
        other = seeker.move(leg, view.credential, self.key_of(attempt, fields),
                            seeker.road_to(self.hops[2]))
        other.data(53, b"moved")
        self.assertEqual(other.answer(), (53, b"echo moved"))
        other.road.destroy()
        again = seeker.meet(key, resume=other.resume)
        self.assertTrue(again.attempt.resumed)
        again.data(53, b"resumed")
        self.assertEqual(again.answer(), (53, b"echo resumed"))
        self.assertEqual(self.peers(host), [False])
        self.assertEqual(len(set(server.sources)), 1)
        again.say(m.CLOSE, 1)
        wait_for("the peer is gone", lambda: self.peers(host) == [], PATIENCE)

    def test_reaches_one_that_only_friends_find(self):
        server = Server(self.net.prefix + ".202")
        host = self.add("")
        host.json("service", "new", "web")
        secret = bytes.fromhex(host.json("service", "access", "add", "web",
                                         "friend")["secret"])
        self.configure(host, "[service web]\n"
                             f"port = 53 udp {server.endpoint}\n")
        host.send_signal(signal.SIGHUP)
        key = r.read_address(NETWORK, self.wait_fine(host, "web"))
        seeker = self.party(p.Seeker)
        leg = wait_for("the friend meets it",
                       lambda: self.meet(seeker, key, secret), PATIENCE, 1)
        leg.data(53, b"a friend")
        self.assertEqual(leg.answer(PATIENCE), (53, b"echo a friend"))
        with self.assertRaisesRegex(w.Failure, "no descriptor"):
            seeker.fetch(key, bytes(32))

    @staticmethod
    def meet(seeker, key, secret):
        try:
            return seeker.meet(key, secret)
        except w.Failure:
            return None

    @staticmethod
    def key_of(attempt, fields):
        return next(key for _, auth_id, key in fields[5]
                    if auth_id == attempt.auth_id)

    @staticmethod
    def peers(host):
        return [peer["opened"] for peer in
                host.json("service", "peers", "web")["peers"]]


class PythonService(TwinTest):
    def test_is_reached_by_a_daemon(self):
        host = self.party(p.KeyHost, os.urandom(32))
        for relay in self.hops[2:4]:
            self.assertEqual(host.establish(relay), m.TAKEN)
        self.assertGreater(min(host.publish()), 0)
        client = self.add()
        asked = self.watch(client, "send", f"{host.name}:7", "hello",
                           "--timeout", f"{PATIENCE}s")
        # It has restarted, for all that the client knows.
        later = int(time.time()) + 5
        host.result(host.introduced(PATIENCE), m.AGAIN, later)
        leg = host.take(PATIENCE)
        self.assertEqual(leg.guest.greeting, later)
        self.assertEqual(leg.hear(m.HELLO, timeout=PATIENCE)[0], m.HELLO)
        self.assertEqual(leg.answer(PATIENCE), (7, b"hello"))
        leg.data(7, b"and to you")
        wait_for("the answer is printed", lambda: asked.events, PATIENCE)
        self.assertEqual(asked.events[0]["data"], "and to you")
        # It is said to be withdrawn, and the daemon says so.
        host.publish(lifetime=10, intros=[])
        other = self.add()
        answer = self.ask(other, f"{host.name}:7", "hello", ok=(0, 1, 4, 5))
        self.assertNotEqual(answer["outcome"], "answered")


class PythonMember(TwinTest):
    STRING = "twins of one string"

    def test_meets_a_member_that_is_a_daemon(self):
        node = self.add()
        seen = self.watch(node, "register", self.STRING)
        # The smaller key opens: first Python's, then the daemon's.
        opener = self.party(p.Member, self.STRING.encode(), small=True)
        relay, member, auth_id, issued = wait_for(
            "a member is found", lambda: self.find(opener), PATIENCE, 1)
        attempt = opener.attempt(relay, member, auth_id, issued)
        self.assertEqual(attempt.introduce()[0], m.TAKEN)
        leg = attempt.joined()
        leg.hello()
        wait_for("the peer is told", lambda: self.event(seen, opener),
                 PATIENCE)
        leg.data(0, b"from a twin")
        wait_for("it is printed", lambda: [
            e for e in seen.of("data") if e["data"] == "from a twin"],
            PATIENCE)
        waiter = self.party(p.Member, self.STRING.encode(), small=False,
                            number=211)
        self.assertEqual(waiter.enter(self.hops[3]), m.TAKEN)
        came = waiter.take(PATIENCE)
        self.assertTrue(waiter.is_proven(came.guest))
        self.assertEqual(came.guest.member, member)
        came.hear(m.HELLO, timeout=PATIENCE)
        wait_for("that peer is told, too", lambda: self.event(seen, waiter),
                 PATIENCE)

    @staticmethod
    def event(seen, one):
        return [e for e in seen.of("peer") if e.get("key") == one.own.hex()]

    @staticmethod
    def find(one):
        for relay in one.points_of_others():
            _, members = one.members_at(relay)
            for member, (auth_id, issued) in members.items():
                return relay, member, auth_id, issued
        return None


if __name__ == "__main__":
    unittest.main(verbosity=2)
