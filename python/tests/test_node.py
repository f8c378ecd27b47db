# SPDX-License-Identifier: MIT
"""Tunnels, datagrams, events, services and the DHT, as the daemon has them."""
import asyncio
import unittest
import unittest.mock

from fake import FakeTest, warren
from warren.events import QUEUE

HASH = "01" * 20
ADDRESS = "a" * 56 + ".warren"
EFFORT = {"target": HASH, "asked": 3, "answered": 2, "hops": 1,
          "duration": 1.5}


class Tunnels(FakeTest):
    async def test_names_of_the_interface(self):
        self.daemon.answers("tunnel.build", hops=3, active=2, ready=1.0,
                            duration=5.0, circuits=[4, 5])
        self.daemon.answers("tunnel.active", hops=3, circuits=[4, 5],
                            ready=1.0)
        self.daemon.answers("tunnel.data")
        self.assertEqual(await self.node.build_tunnels(hops=3), [4, 5])
        circuits = await self.node.active_data_circuits(3)
        self.assertEqual(circuits, [4, 5])
        await self.node.tunnel_data(circuits[0], "example.org:53", b"x",
                                    type="data")
        await self.node.tunnel_data(0, warren.Peer("p1.peer.warren"), b"x")
        self.assertEqual(self.daemon.last.requests[2:], [
            ("tunnel.data", {"circuit": 4, "to": "example.org:53",
                             "data": b"x", "type": "data"}),
            ("tunnel.data", {"to": "p1.peer.warren", "data": b"x",
                             "type": "data"})])

    async def test_circuits(self):
        self.daemon.answers("tunnel.circuits", ready=1.5, circuits=[{
            "id": 4, "hops": 2, "built": 2, "state": "ready", "age": 7,
            "idle": 3, "up": 10, "down": 20, "build_time": 2.5, "rtt": None,
            "path": [{"identity": "ab", "address": "127.0.0.1:1",
                      "rtt": 500.0}], "new": "unknown to us"}])
        self.assertEqual(await self.node.tunnels_ready(), 1.5)
        self.assertEqual(await self.node.circuits(), [warren.Circuit(
            4, 2, 2, "ready", 7.0, 3.0, 10, 20, 0.0025, None,
            (warren.Hop("ab", "127.0.0.1:1", 0.5),))])

    async def test_send(self):
        self.daemon.answers("tunnel.send", outcome="answered", circuit=4,
                            source="192.0.2.1:53", data=b"yes", rtt=2.0)
        self.assertEqual(
            await self.node.tunnel_send("192.0.2.1:53", b"?", timeout=2),
            warren.Answer("192.0.2.1:53", b"yes", 4, 0.002))
        self.daemon.answers("tunnel.send", outcome="refused",
                            text="the exits did not send it")
        await self.fails("refused", self.node.tunnel_send("a:1", b"?"))

    async def test_answers_of_another_shape(self):
        for result in ({}, {"circuits": None}, {"circuits": [True]},
                       {"circuits": [-1]}, {"circuits": {}}):
            self.daemon.answers("tunnel.active", **result)
            await self.fails("wrong_type", self.node.active_data_circuits(3))
        self.assertFalse(self.node.closed)


class Events(FakeTest):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.daemon.runs("events", "subscribed", kinds=[])

    def lost(self, count):
        self.daemon.tell("events", "lost", count=count)

    def out(self, n):
        self.daemon.tell("events", "data", direction="out", circuit=1,
                         to="a:1", data=b"%d" % n)

    async def test_events(self):
        async with self.node.events("circuits", "data") as events:
            self.assertEqual(self.daemon.last.requests, [
                ("events", {"kinds": "circuits,data"})])
            for name, params, wanted in (
                    ("circuit", {"event": "closed", "circuit": 4, "hops": 3,
                                 "hop": 2, "reason": "timeout", "text": "t"},
                     warren.CircuitEvent("closed", 4, 3, 2, "timeout", "t")),
                    ("circuit", {"event": "ready", "circuit": 4, "hops": 3,
                                 "hop": 0, "reason": None, "text": None},
                     warren.CircuitEvent("ready", 4, 3, 0, None, None)),
                    ("data", {"direction": "in", "circuit": None,
                              "source": "p1.peer.warren:3", "data": b"x"},
                     warren.DataEvent("in", None, "p1.peer.warren:3", None,
                                      b"x")),
                    ("refused", {"circuit": 4, "reason": "policy",
                                 "text": "t"},
                     warren.RefusedEvent(4, "policy", "t")),
                    ("peer", {"peer": "p1", "service": None, "key": None,
                              "opened": True},
                     warren.PeerEvent("p1", None, None, True)),
                    ("gone", {"peer": "p1", "service": "s", "reason": "r",
                              "text": "t"},
                     warren.GoneEvent("p1", "s", "r", "t")),
                    ("state", {"service": "s", "state": "fine", "text": "t"},
                     warren.StateEvent("s", "fine", "t")),
                    ("stream", {"event": "ended", "stream": 9, "to": "a:1",
                                "read": 1, "written": 2, "reason": None,
                                "text": None},
                     warren.StreamEvent("ended", 9, "a:1", None, None, 1, 2,
                                        None, None)),
                    ("lost", {"count": 7}, warren.LostEvent(7))):
                self.daemon.tell("events", "of a newer daemon")
                self.daemon.tell("events", name, **params)
                self.assertEqual(await self.soon(events.__anext__()), wanted)
        self.assertEqual(self.daemon.methods()[-1], "cancel")
        self.assertEqual([e async for e in events], [])

    async def test_program_that_is_too_slow(self):
        """Is told how many are missing, in their place."""
        async with self.node.events() as events:
            total = QUEUE + 500
            for n in range(total):
                self.out(n)
            await self.until(lambda: events._lost == 501)
            self.lost(10)
            await self.until(lambda: events._lost == 511)
            got = []
            for _ in range(QUEUE - 1):
                got.append(await events.__anext__())
            self.assertEqual([e.data for e in got],
                             [b"%d" % n for n in range(QUEUE - 1)])
            self.out(9999)
            await self.until(lambda: events._queue)
            self.assertEqual(await events.__anext__(), warren.LostEvent(511))
            self.assertEqual((await events.__anext__()).data, b"9999")

    async def test_without_with(self):
        async def first():
            async for event in self.node.events("data"):
                return event
        waiting = asyncio.ensure_future(first())
        await self.until(lambda: self.daemon.methods() == ["events"])
        self.out(1)
        self.assertEqual((await self.soon(waiting)).data, b"1")

    async def test_daemon_dies(self):
        async with self.node.events() as events:
            self.out(1)
            await self.until(lambda: events._queue)
            self.daemon.last.close()
            await self.until(lambda: self.node.closed)
            self.assertEqual((await events.__anext__()).data, b"1")
            await self.fails("disconnected", events.__anext__(),
                             warren.Disconnected)

    async def test_kinds(self):
        with self.assertRaises(warren.WarrenError) as caught:
            self.node.events("data", "weather")
        self.assertIn("weather", caught.exception.text)
        self.daemon.handlers["events"] = lambda c, msgid, _: c.fail(
            msgid, "full")
        await self.fails("full", self.node.events().__aenter__())

    async def test_event_of_another_shape(self):
        """Ends the connection: a daemon that does that is none."""
        async with self.node.events() as events:
            self.daemon.tell("events", "circuit", event="ready")
            await self.fails("wrong_type", events.__anext__(),
                             warren.ProtocolError)


class Services(FakeTest):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.daemon.answers("service.list", services=[])
        self.daemon.runs("service.register")
        self.heard = []

    def on(self, name):
        return lambda *args: self.heard.append((name, *args))

    async def register(self, identifier="club", **more):
        return await self.soon(self.node.register_service(
            identifier, on_peer=self.on("peer"), on_data=self.on("data"),
            on_gone=self.on("gone"), on_state=self.on("state"), **more))

    def come(self, name="p1.peer.warren", method="service.register"):
        self.daemon.tell(method, "peer", peer=name, key=None, opened=True)

    async def test_closed_by_a_callback_of_its_own(self):
        """Which goes on; others that run are cancelled."""
        async def leave(peer):
            await service.close()
            await asyncio.sleep(0)
            done.append(peer.name)
        done = []
        service = await self.node.register_service("club", on_peer=leave)
        self.come()
        await self.until(lambda: done)
        self.assertEqual(done, ["p1.peer.warren"])

    async def test_string(self):
        service = await self.register(hops=1)
        self.assertEqual(self.daemon.last.requests[0], (
            "service.register", {"service": "club", "hops": 1}))
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(service.wait_peer(), 0.01)
        self.assertEqual(service._somebody, [])  # nobody waits any more
        waiting = asyncio.ensure_future(service.wait_peer())
        tell = self.daemon.tell
        tell("service.register", "state", state="fine", text="all is well")
        self.come()
        tell("service.register", "data", peer="p1.peer.warren", port=7,
             data=b"x")
        peer = await self.soon(waiting)
        self.assertEqual(service.peers, [peer])
        tell("service.register", "gone", peer="p1.peer.warren",
             reason="left", text="it has left")
        await self.until(lambda: len(self.heard) == 4)
        self.assertEqual(self.heard, [
            ("state", warren.State("fine", "all is well")),
            ("peer", peer), ("data", peer, 7, b"x"),
            ("gone", peer, warren.Reason("left", "it has left"))])
        self.assertEqual(peer, warren.Peer("p1.peer.warren", None, True))
        self.assertEqual(service.peers, [])
        self.daemon.answers("tunnel.data")
        await service.send(peer, b"y", port=7)
        self.assertEqual(self.daemon.last.requests[-1][1]["to"],
                         "p1.peer.warren:7")
        waiting = asyncio.ensure_future(service.wait_peer())
        await asyncio.sleep(0)
        await self.soon(service.close())
        await self.fails("cancelled", waiting)
        await self.soon(service.wait_closed())
        await self.fails("cancelled", service.wait_peer())

    async def test_refused(self):
        self.daemon.handlers["service.register"] = lambda c, msgid, _: c.fail(
            msgid, "full")
        await self.fails("full", self.register())

    async def test_address(self):
        await self.register(ADDRESS, access="cd" * 32)
        self.assertEqual(self.daemon.last.requests[0], (
            "service.register", {"service": ADDRESS, "access": "cd" * 32}))

    async def test_who_gives_up_waiting_cancels(self):
        self.daemon.runs("service.list")
        registering = asyncio.ensure_future(self.register())
        await self.until(lambda: "service.list" in self.daemon.methods())
        registering.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await registering
        await self.until(lambda: not self.client._running)

    async def test_callbacks_that_fail(self):
        def bad(_):
            raise ZeroDivisionError

        async def bad_later(*_):
            raise KeyError
        service = await self.soon(self.node.register_service(
            "club", on_peer=bad, on_data=bad_later))
        self.come()
        self.daemon.tell("service.register", "data", peer="p1.peer.warren",
                         port=0, data=b"")
        await self.until(lambda: len(self.trouble) == 2)
        self.assertEqual([type(t["exception"]) for t in self.trouble],
                         [ZeroDivisionError, KeyError])
        self.trouble.clear()
        self.assertEqual(len(service.peers), 1)

    async def test_callbacks_that_take_long(self):
        """Datagrams that too many of them wait for are dropped."""
        async def slow(*_):
            await enough.wait()
        enough = asyncio.Event()
        with unittest.mock.patch("warren.service.TASKS_MAX", 10):
            service = await self.soon(self.node.register_service(
                "club", on_data=slow))
            for _ in range(25):
                self.daemon.tell("service.register", "data", port=0,
                                 peer="p1.peer.warren", data=b"")
            self.come()
            await self.soon(service.wait_peer())
            self.assertEqual(service.dropped, 15)
            enough.set()
            await self.until(lambda: not service._tasks)

    async def test_daemon_dies(self):
        service = await self.register()
        ending = asyncio.ensure_future(service.wait_closed())
        peer = asyncio.ensure_future(service.wait_peer())
        await asyncio.sleep(0)
        self.daemon.last.close()
        await self.fails("disconnected", ending, warren.Disconnected)
        await self.fails("disconnected", peer, warren.Disconnected)

    async def test_keys(self):
        self.daemon.answers("service.new", name="web", address=ADDRESS)
        self.assertEqual(await self.node.new_service("web"),
                         warren.NewService("web", ADDRESS, None))
        self.daemon.answers("service.remove")
        await self.node.remove_service("web")


class Dht(FakeTest):
    async def test_peers(self):
        self.daemon.answers("dht.get_peers", peers=[
            {"address": "1.2.3.4:5", "hop": 0, "from": None},
            {"address": "1.2.3.4:6", "hop": 2, "from": "9.9.9.9:9"}], **EFFORT)
        for target in HASH, HASH.upper(), bytes.fromhex(HASH):
            found = await self.node.dht.get_peers(target)
        self.assertEqual(self.daemon.last.requests,
                         3 * [("dht.get_peers", {"target": HASH})])
        self.assertEqual(found, warren.Found(
            warren.Effort(HASH, 3, 2, 1, 0.0015),
            (warren.DhtPeer("1.2.3.4:5", 0, None),
             warren.DhtPeer("1.2.3.4:6", 2, "9.9.9.9:9"))))
        for wrong in b"short", "xy" * 20, HASH[1:]:
            await self.fails("syntax", self.node.dht.get_peers(wrong))

    async def test_mainline(self):
        link = "Magnet:?xt=urn:btih:" + HASH
        self.daemon.answers("dht.get_peers", peers=[], **EFFORT)
        await self.node.mainline.get_peers(link)
        await self.node.dht.get_peers(link, no_seeds=True)
        self.daemon.answers("dht.announce", stored=2, kept=True, **EFFORT)
        await self.node.mainline.announce(HASH, seed=True)
        self.daemon.answers("dht.put", stored=2, kept=True, **EFFORT)
        await self.node.mainline.put(7)
        self.assertEqual(self.daemon.last.requests, [
            ("dht.get_peers", {"target": link, "mainline": True}),
            ("dht.get_peers", {"target": link, "no_seeds": True}),
            ("dht.announce", {"target": HASH, "mainline": True,
                              "seed": True}),
            ("dht.put", {"value": 7, "mainline": True})])

    async def test_scrape(self):
        self.daemon.answers("dht.scrape", scraped=2, seeds=1.5,
                            downloaders=0.0, peers=[], **EFFORT)
        self.assertEqual(
            await self.node.mainline.scrape(HASH),
            warren.Scrape(warren.Effort(HASH, 3, 2, 1, 0.0015), 2, 1.5, 0.0,
                          ()))

    async def test_bencoded_item(self):
        self.daemon.answers("dht.get", item={
            "bencoded": b"d1:b0:1:a0:e", "mutable": False, "hop": 2}, **EFFORT)
        self.assertEqual(await self.node.mainline.get(HASH),
                         warren.Item(None, False, 2,
                                     bencoded=b"d1:b0:1:a0:e"))

    async def test_announce(self):
        self.daemon.answers("dht.announce", stored=2, kept=True, **EFFORT)
        stored = await self.node.dht.announce(HASH, port=7)
        self.assertEqual((stored.stored, stored.kept), (2, True))
        self.daemon.answers("dht.withdraw", target=HASH, kept=False)
        await self.node.dht.withdraw(HASH)

    async def test_items(self):
        self.daemon.answers("dht.put", stored=2, kept=True, **EFFORT)
        await self.node.dht.put(b"x")
        await self.node.dht.put({"a": 1}, b"k" * 32, b"s" * 64, 1, b"salt", 0)
        self.assertEqual(self.daemon.last.requests, [
            ("dht.put", {"value": b"x"}),
            ("dht.put", {"value": {"a": 1}, "key": "6b" * 32,
                         "signature": "73" * 64, "seq": 1, "salt": b"salt",
                         "cas": 0})])
        self.daemon.answers("dht.get", item=None, **EFFORT)
        self.assertIsNone(await self.node.dht.get(HASH))
        self.daemon.answers("dht.get", item={
            "value": [b"x", 1], "mutable": False, "hop": 2}, **EFFORT)
        self.assertEqual(await self.node.dht.get(HASH),
                         warren.Item([b"x", 1], False, 2))
        self.daemon.answers("dht.get", item={
            "value": 7, "mutable": True, "hop": 2, "key": "k",
            "signature": "s", "seq": 3, "salt": b""}, **EFFORT)
        self.assertEqual((await self.node.dht.get(HASH)).seq, 3)


class Values(unittest.TestCase):
    def test_none_changes(self):
        with self.assertRaises(AttributeError):
            warren.Peer("p1.peer.warren").name = "p2.peer.warren"
        self.assertEqual(warren.Peer("p1.peer.warren").at(80),
                         "p1.peer.warren:80")


if __name__ == "__main__":
    unittest.main()
