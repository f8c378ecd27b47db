#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Streams over the control socket: to hosts through exits, to services and from
peers, both ways; credit, ends, resets and their reasons; clients that do not
read, and such that are killed."""
import hashlib
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import unittest

from stage import PATIENCE, Streams, bytes_of, echo, read_all, wait_for
from caller import Caller

EXIT = ("--exit.become_exitnode", "yes", "--exit.policy", "accept *:*",
        "--exit.tcp_policy")
BULK = 8 << 20


def digest(data):
    return hashlib.sha256(data).hexdigest()


def endpoint(server):
    return "%s:%d" % server.server_address


def in_threads(*functions):
    """Runs them beside each other; the first failure is raised."""
    failures = []

    def run(function):
        try:
            function()
        except BaseException as e:  # pylint: disable=broad-except
            failures.append(e)
    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class ControlStreams(Streams):
    RELAYS = 5

    def caller(self, node):
        caller = Caller(node)
        self.addCleanup(caller.socket.close)
        return caller

    def exit(self):
        """An exit that connects everywhere but to port 26 of our server."""
        return self.add(flags=(*EXIT, f"reject {self.net.prefix}.201:26, "
                               "accept *:*"))

    def no_streams_left(self, *nodes):
        for node in nodes:
            for whose in ("own", "others"):
                wait_for("the streams are over", lambda n=node, w=whose:
                         n.metrics()["warren_stream_streams{whose=\"%s\"}" % w]
                         == 0, PATIENCE)

    def test_through_an_exit(self):
        leaves, client = self.exit(), self.add()
        mirror, caller = self.server(echo), self.caller(client)
        to = endpoint(mirror)
        watch = self.caller(client)
        events = watch.send("events", kinds="streams")
        watch.hear(events, "subscribed")

        with self.subTest("early bytes, half an end"):
            st = caller.connect(to, isolation="a")
            self.assertEqual(st.ask("write", data=b"early "), {})
            self.assertEqual(st.hear("opened"), {})
            self.assertEqual(st.ask("write", data=b"and late"), {})
            self.assertEqual(st.ask("shutdown"), {})
            self.assertEqual(st.ask("write", data=b"more"), "syntax")
            self.assertEqual(st.hear("end"), {})
            self.assertEqual(st.end(), {"read": 14, "written": 14})
            self.assertEqual(st.data, b"early and late")
            self.assertEqual(st.ask("read", credit=1), "not_found")
            number = watch.hear(events, "stream", event="asked",
                                to=to)["stream"]
            watch.hear(events, "stream", event="opened", stream=number)
            self.assertEqual(
                watch.hear(events, "stream", event="ended", stream=number),
                {"event": "ended", "stream": number, "read": 14,
                 "written": 14, "reason": None, "text": None})

        with self.subTest("8 MB each way"):
            sent = bytes_of("bulk", BULK)
            st = caller.connect(to, isolation=7)
            st.write(sent)
            st.ask("shutdown")
            self.assertEqual(st.end(), {"read": BULK, "written": BULK})
            self.assertEqual(digest(st.data), digest(sent))

        with self.subTest("as much as there is credit for"):
            st = caller.connect(to, credit=10, isolation=7)
            st.reads = False
            st.hear("opened")
            st.ask("write", data=bytes(range(100)))
            st.read(10)
            caller.settle()
            self.assertEqual(st.data, bytes(range(10)))
            self.assertEqual(st.ask("read", credit=30), {})
            st.read(40)
            caller.settle()
            self.assertEqual(st.data, bytes(range(40)))
            st.ask("shutdown")
            self.assertEqual(st.ask("read", credit=2**32 - 1), {})
            self.assertEqual(st.end(), {"read": 100, "written": 100})

        with self.subTest("one write at a time"):
            st = caller.connect("192.0.2.1:80", timeout=60000)
            waits = caller.send("stream.write", call=st.msgid,
                                data=bytes(32768))
            self.assertEqual(st.ask("write", data=b"x"), "in_use")
            self.assertEqual(st.ask("reset"), {})
            self.assertEqual(caller.end(waits), "cancelled")
            self.assertEqual(st.end(), "cancelled")

        with self.subTest("why it is not there"):
            host = mirror.server_address[0]
            for to, why in ((f"{host}:1", "refused"), (f"{host}:26", "policy"),
                            ("no.such.name.invalid:80", "unsupported")):
                st = caller.connect(to, isolation=7)
                self.assertEqual(st.end(), why)
            watch.hear(events, "stream", event="ended", reason="policy")
            st = caller.connect(f"{host}:1", isolation="short", timeout=1)
            self.assertIn(st.end(), ("timeout", "no_relays"))
        self.no_streams_left(client, leaves)
        self.assert_params(caller)

    def assert_params(self, caller):
        """What is wrong is named."""
        for params in ({}, {"to": "192.0.2.1"}, {"to": 5}, {"to": "x:0"},
                       {"to": "a:1", "hops": 5}, {"to": "a:1", "hops": 0},
                       {"to": "a:1", "isolation": -1},
                       {"to": "a:1", "isolation": ""},
                       {"to": "a:1", "credit": 2**32},
                       {"to": "a:1", "credit": -1},
                       {"to": "a" * 56 + ".warren:80"},
                       {"to": "p1.peer.warren"},
                       {"to": "a:1", "timeout": 0}, {"to": "a:1", "x": 1}):
            self.assertIn(caller.ask("stream.connect", **params),
                          ("syntax", "address"), params)
        self.assertEqual(caller.ask("stream.connect", to="localhost:80"),
                         "unsupported")
        self.assertEqual(caller.ask("stream.connect", to="p9.peer.warren:1"),
                         "not_found")
        events = caller.send("events", kinds="circuits")
        for method, params in (("write", {"data": b"x"}),
                               ("read", {"credit": 1}), ("shutdown", {}),
                               ("reset", {})):
            self.assertEqual(caller.ask(f"stream.{method}", **params),
                             "syntax")
            for call, code in ((events, "not_found"), (9999, "not_found"),
                               (-1, "syntax"), ("x", "syntax")):
                self.assertEqual(caller.ask(f"stream.{method}", call=call,
                                            **params), code)
        for method in ("accept", "refuse"):
            self.assertEqual(caller.ask(f"stream.{method}", visit=5),
                             "not_found")
            self.assertEqual(caller.ask(f"stream.{method}"), "syntax")
        for params, code in (({"service": "no", "port": 1}, "not_found"),
                             ({"service": "no", "port": 0}, "syntax"),
                             ({"service": "no"}, "syntax"),
                             ({"service": "a" * 56 + ".warren", "port": 1},
                              "not_found")):
            self.assertEqual(caller.ask("stream.listen", **params), code)

    def test_servers_and_clients_that_break_off(self):
        leaves, client = self.exit(), self.add()
        seen, ends = [], []

        def holds(_, s):
            """What comes, and how it ends."""
            seen.append(s.recv(65536))
            try:
                ends.append(read_all(s))
            except OSError as e:
                ends.append(e)

        def floods(_, s):
            while True:
                s.sendall(bytes(65536))

        def breaks(_, s):
            s.recv(1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
            s.close()

        keeper, flood = self.server(holds), self.server(floods)
        rude, mirror = self.server(breaks), self.server(echo)
        caller = self.caller(client)

        with self.subTest("the server resets"):
            st = caller.connect(endpoint(rude))
            st.ask("write", data=b"x")
            self.assertIsInstance(st.end(), str)

        with self.subTest("the client resets"):
            st = caller.connect(endpoint(keeper))
            st.ask("write", data=b"hello")
            wait_for("it is there", lambda: seen == [b"hello"], PATIENCE)
            self.assertEqual(st.ask("reset"), {})
            self.assertEqual(st.end(), "cancelled")
            wait_for("the server sees it", lambda: len(ends) == 1, PATIENCE)
            self.assertIsInstance(ends[0], OSError)

        with self.subTest("a client is killed, in the midst of it"):
            program = subprocess.Popen(
                ["/usr/bin/python3", pathlib.Path(__file__), "dies",
                 str(client.dir / "control.sock"), endpoint(keeper),
                 endpoint(flood)], stdout=subprocess.PIPE)
            self.addCleanup(program.stdout.close)
            self.assertEqual(program.stdout.readline(), b"there\n")
            wait_for("both are there", lambda: len(seen) == 2 and
                     len(flood.seen) == 1, PATIENCE)
            program.kill()
            program.wait()
            wait_for("the server sees it", lambda: len(ends) == 2, PATIENCE)
            self.assertIsInstance(ends[1], OSError)
            self.no_streams_left(client, leaves)

        with self.subTest("one that does not read, beside one that does"):
            slow = self.caller(client)
            streams = [slow.connect(endpoint(flood), credit=2**32 - 1)
                       for _ in range(4)]
            for st in streams:
                st.hear("opened")
            before = client.metrics()
            st = caller.connect(endpoint(mirror))
            sent = bytes_of("beside", 1 << 20)
            st.write(sent)
            st.ask("shutdown")
            self.assertEqual(st.end(), {"read": 1 << 20, "written": 1 << 20})
            self.assertEqual(digest(st.data), digest(sent))
            after = client.metrics()
            self.assertEqual(after["warren_control_slow_clients_total"], 0)
            self.assertLess(
                after["warren_stream_memory_bytes{whose=\"own\"}"], 64 << 20)
            for st in streams:
                begun = len(st.data)
                st.read(begun + 300_000)  # it goes on when it reads
            self.assertEqual(before["warren_control_slow_clients_total"], 0)
            slow.socket.close()
            self.no_streams_left(client, leaves)

        with self.subTest("some hundred at once"):
            streams = [caller.connect(endpoint(mirror)) for _ in range(200)]
            for number, st in enumerate(streams):
                st.ask("write", data=b"%d" % number)
                st.ask("shutdown")
            for number, st in enumerate(streams):
                self.assertEqual(st.end(), {"read": len(str(number)),
                                            "written": len(str(number))})
                self.assertEqual(st.data, b"%d" % number)

    def test_a_service(self):
        serves, client = self.add(), self.add()
        server, caller = self.caller(serves), self.caller(client)
        made = server.ask("service.new", name="files")
        address = made["address"]
        listens = server.send("stream.listen", service="files", port=80)
        self.assertEqual(server.hear(listens, "listening"),
                         {"service": "files", "port": 80})
        self.assertEqual(server.ask("stream.listen", service=address, port=80),
                         "in_use")
        wait_for("it is published", lambda: serves.json(
            "service", "show", "files")["published"], PATIENCE, 0.3)
        watch = self.caller(serves)
        events = watch.send("events", kinds="peers,streams")
        watch.hear(events, "subscribed")
        visit = None

        with self.subTest("it is registered as well"):
            self.assertEqual(server.ask("service.register", service=address,
                                        timeout=50), {"peers": 0, "data": 0})

        with self.subTest("8 MB each way"):
            there, back = bytes_of("there", BULK), bytes_of("back", BULK)
            st = caller.connect(f"{address}:80")
            st.ask("write", data=there[:1000])
            visit = server.hear(listens, "stream")
            self.assertEqual(visit["port"], 80)
            self.assertIsNone(visit["key"])
            self.assertRegex(visit["peer"], r"^p\d+\.peer\.warren$")
            self.assertEqual(self.caller(serves).ask(
                "stream.accept", visit=visit["visit"]), "not_found")
            taken = server.accept(visit["visit"])

            def opens():
                st.hear("opened")
                st.write(there[1000:])
                st.ask("shutdown")
                self.assertEqual(st.end(), {"read": BULK, "written": BULK})

            def accepts():
                taken.write(back)
                taken.ask("shutdown")
                self.assertEqual(taken.end(), {"read": BULK, "written": BULK})
            in_threads(opens, accepts)
            self.assertEqual(digest(st.data), digest(back))
            self.assertEqual(digest(taken.data), digest(there))
            self.assertEqual(watch.hear(events, "peer")["service"], "files")
            told = watch.hear(events, "stream", event="accepted")
            self.assertEqual((told["peer"], told["port"]),
                             (visit["peer"], 80))

        def visits(st):
            """The visit that this stream becomes."""
            seen = len(server.told(listens, "stream"))
            server.until("a visit", lambda: len(
                server.told(listens, "stream")) > seen)
            return st, server.told(listens, "stream")[-1]["visit"]

        with self.subTest("refused, and never answered"):
            st, number = visits(caller.connect(f"{address}:80"))
            self.assertEqual(server.ask("stream.refuse", visit=number), {})
            self.assertEqual(st.end(), "refused")
            st, number = visits(caller.connect(f"{address}:80"))
            st.ask("reset")
            self.assertEqual(server.hear(listens, "parted"),
                             {"visit": number})
            self.assertEqual(server.ask("stream.accept", visit=number),
                             "not_found")
            self.assertIsInstance(caller.connect(f"{address}:81").end(), str)

        with self.subTest("either end resets"):
            st, number = visits(caller.connect(f"{address}:80"))
            taken = server.accept(number)
            st.hear("opened")
            taken.ask("reset")
            self.assertEqual(st.end(), "requested")
            self.assertEqual(taken.end(), "cancelled")
            st, number = visits(caller.connect(f"{address}:80"))
            taken = server.accept(number)
            st.hear("opened")
            st.ask("reset")
            self.assertEqual(taken.end(), "requested")

        with self.subTest("no more listens, and what was taken goes on"):
            st, number = visits(caller.connect(f"{address}:80"))
            taken = server.accept(number)
            waits, _ = visits(caller.connect(f"{address}:80"))
            self.assertEqual(server.ask("cancel", call=listens), {})
            self.assertEqual(server.end(listens), "cancelled")
            self.assertEqual(waits.end(), "refused")
            st.ask("write", data=b"still")
            self.assertEqual(taken.read(5), b"still")
            listens = server.send("stream.listen", service=address, port=80)
            server.hear(listens, "listening", service="files")

        with self.subTest("the service goes"):
            registered = server.send("service.register", service=address)
            server.hear(registered, "peer")
            self.assertEqual(server.ask("service.remove", name="files"), {})
            self.assertEqual(server.end(listens), "not_found")
            self.assertEqual(server.end(registered), "not_found")
            self.assertIsInstance(taken.end(), str)
            self.assertIsInstance(st.end(), str)
        self.no_streams_left(client, serves)

    def test_visits_that_nobody_answers(self):
        """They time out, and make way; somebody else is served meanwhile."""
        serves = self.add("[streams]\nmax_visits = 4\n")
        greedy, honest = self.add(), self.add()
        server = self.caller(serves)
        address = server.ask("service.new", name="quiet")["address"]
        listens = server.send("stream.listen", service="quiet", port=80)
        wait_for("it is published", lambda: serves.json(
            "service", "show", "quiet")["published"], PATIENCE, 0.3)
        caller = self.caller(greedy)
        streams = [caller.connect(f"{address}:80") for _ in range(8)]
        server.until("they come", lambda: len(
            server.told(listens, "stream")) >= 4)
        other = self.caller(honest)
        st = other.connect(f"{address}:80")
        peers = {v["peer"] for v in server.told(listens, "stream")}
        server.until("another one comes", lambda: {
            v["peer"] for v in server.told(listens, "stream")} - peers)
        visit = server.told(listens, "stream")[-1]["visit"]
        taken = server.accept(visit)
        taken.write(b"welcome")
        st.hear("opened")
        self.assertEqual(st.read(7), b"welcome")
        server.hear(listens, "parted")
        full = [s for s in streams if s.msgid in caller.answers]
        caller.settle()
        self.assertTrue(all(s.end() == "full" for s in full))

        quick = server.send("stream.listen", service="quiet", port=81,
                            timeout=200)
        server.hear(quick, "listening")
        late = other.connect(f"{address}:81")
        number = server.hear(quick, "stream")["visit"]
        server.hear(quick, "parted", visit=number)
        self.assertEqual(late.end(), "timeout")

        with self.subTest("the daemon stops in the midst of all"):
            waits = server.send("stream.connect", to="192.0.2.9:80")
            server.send("stream.write", call=waits, data=bytes(9000))
            server.send("events")
            server.settle()
            for node in (serves, greedy, honest):
                self.assertEqual(node.stop()[0], 0, node.log_text())

    def test_peers_of_a_string(self):
        """Two clients register the same string, find each other, and are full
        peers: datagrams and streams both ways."""
        nodes = [self.add(), self.add()]
        callers = [self.caller(node) for node in nodes]
        registers = [c.send("service.register", service="a swarm")
                     for c in callers]
        events = [c.send("events", kinds="data,peers") for c in callers]
        listens = []
        for caller in callers:
            wait_for("it is registered", lambda c=caller: c.ask(
                "service.list")["services"], PATIENCE)
            listens.append(caller.send("stream.listen", service="a swarm",
                                       port=9))
            caller.hear(listens[-1], "listening", service="a swarm")
        peers = [c.hear(r, "peer")["peer"]
                 for c, r in zip(callers, registers)]
        for caller, of in zip(callers, events):
            self.assertEqual(caller.hear(of, "peer")["service"], "a swarm")

        for one, other in ((0, 1), (1, 0)):
            with self.subTest(one=one):
                a, b = callers[one], callers[other]
                self.assertEqual(a.ask("tunnel.data", to=peers[one] + ":5",
                                       data=b"hello"), {})
                came = b.hear(events[other], "data", direction="in")
                self.assertEqual(came, {
                    "direction": "in", "circuit": None,
                    "source": peers[other] + ":5", "data": b"hello"})
                st = a.connect(peers[one] + ":9")
                st.ask("write", data=b"to a peer")
                visit = b.hear(listens[other], "stream")
                self.assertEqual(visit["peer"], peers[other])
                taken = b.accept(visit["visit"])
                self.assertEqual(taken.read(9), b"to a peer")
                taken.ask("shutdown")
                st.ask("shutdown")
                self.assertEqual(st.end(), {"read": 0, "written": 9})
        with self.subTest("it is shared, and handed on"):
            second = self.caller(nodes[0])
            shared = second.send("service.register", service="a swarm")
            self.assertEqual(second.hear(shared, "peer")["peer"], peers[0])
            callers[0].ask("cancel", call=registers[0])
            self.assertEqual(second.ask("tunnel.data", to=peers[0] + ":5",
                                        data=b"still there"), {})
            callers[1].hear(events[1], "data", data=b"still there")
            self.assertNotIn(listens[0], callers[0].answers)
            second.socket.close()
        self.assertEqual(callers[0].end(listens[0]), "not_found")
        callers[1].hear(events[1], "gone")


def dies(path, *destinations):
    """A client that has streams, and is killed."""
    class At:
        dir = pathlib.Path(path).parent
    caller = Caller(At)
    for to in destinations:
        st = caller.connect(to, credit=2**32 - 1)
        st.ask("write", data=b"hello")
        st.hear("opened")
    print("there", flush=True)
    while caller.take(None):
        pass


if __name__ == "__main__":
    if sys.argv[1:2] == ["dies"]:
        dies(*sys.argv[2:])
    else:
        unittest.main()
