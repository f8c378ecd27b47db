#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The collector of docker/experiment.yml against daemons on loopback, and what
enter.sh does before a node starts: no container engine is needed."""
import csv
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COLLECTOR = ROOT / "docker/collector"
sys.path[:0] = [str(ROOT / "tests/process"), str(COLLECTOR),
                str(ROOT / "python")]
import collect  # noqa: E402
import tables  # noqa: E402
from harness import BINARY, NO_RELAY, ProcessTest, wait_for  # noqa: E402

SIM = ("--duration", "2m", "--nodes", "20", "--set", "lookups.rate=60")


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def make_tables(directory, values):
    """Two samples, the values in the second."""
    t = tables.Tables(7)
    t.sample(5 * tables.SECOND)
    for name, value in values:
        t.add(name, value)
    t.sample(10 * tables.SECOND)
    t.add("lookup_hops", 9)  # is in no sample
    t.write(directory, False)


class TablesTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="warren-collector-")
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)

    def column(self, file, name, row=-1):
        table = rows(self.place / file)
        return table[row][table[0].index(name)]

    def test_numbers(self):
        make_tables(self.place, [
            *(("lookup_hops", hops) for hops in (3, 1, 2, 2)),
            ("lookup_success", 1), ("lookup_success", 0),
            ("lookup_success", 1), ("lookup_time", 1500000000),
            ("datagrams", 3), ("datagrams", 4), ("table_nodes", 7500)])
        for name, text in (("seed", "7"), ("time", "10"),
                           ("lookup_hops_count", "4"),
                           ("lookup_hops_mean", "2"),
                           ("lookup_hops_least", "1"),
                           ("lookup_hops_median", "2"),
                           ("lookup_hops_p90", "3"),
                           ("lookup_hops_most", "3"),
                           ("lookup_success", "0.666666667"),
                           ("lookup_success_hits", "2"),
                           ("lookup_success_of", "3"),
                           ("lookup_time_mean", "1.5"),
                           ("lookup_first_count", "0"),
                           ("lookup_first_mean", ""),
                           ("datagrams", "7"), ("table_nodes", "7.5"),
                           ("nodes", "")):
            self.assertEqual(self.column("samples.csv", name), text, name)
            self.assertEqual(self.column("totals.csv", name), text, name)
        self.assertEqual(self.column("samples.csv", "lookup_hops_count", 1),
                         "0")
        self.assertEqual(self.column("totals.csv", "complete"), "0")

    def test_distribution(self):
        make_tables(self.place, [("lookup_hops", v) for v in (63, 64, 65, 66)])
        self.assertEqual(rows(self.place / "values.csv"), [
            ["seed", "measure", "value", "count", "share"],
            ["7", "lookup_hops", "63", "1", "0.25"],
            ["7", "lookup_hops", "65", "2", "0.75"],
            ["7", "lookup_hops", "66", "1", "1"]])

    def test_buckets_are_those_of_the_simulator(self):
        for value, end in ((0, 0), (63, 63), (64, 65), (127, 127), (128, 131),
                           (1000, 1007), (10**9, 1006632959)):
            self.assertEqual(tables.bucket(value), end)
        rng = random.Random(1)
        for _ in range(1000):
            value = rng.randrange(2**rng.randrange(1, 62))
            end = tables.bucket(value)
            self.assertLessEqual(value, end)
            self.assertLessEqual(end - value, value // 32)
            self.assertEqual(tables.bucket(end), end)
            self.assertNotEqual(tables.bucket(end + 1), end)


class CountTest(unittest.TestCase):
    """What of the daemon's answer is counted."""

    def count(self, first):
        experiment = collect.Experiment.__new__(collect.Experiment)
        experiment.tables = tables.Tables(1)
        step = {"outcome": "timeout", "early": False}
        experiment.count({
            "asked": 9, "hops": 2, "duration": 12.5, "steps": [
                step, step | {"early": True}, step | {"outcome": "answered"},
                step]}, first)
        return {name: events for name, events in
                experiment.tables.events.items() if events}

    def test_found(self):
        self.assertEqual(self.count(5000000), {
            "lookup_success": [1], "lookup_hops": [2], "lookup_messages": [9],
            "lookup_timeouts": [2], "lookup_time": [12500000],
            "lookup_first": [5000000]})

    def test_first_is_no_later_than_the_end(self):
        self.assertEqual(self.count(99000000)["lookup_first"], [12500000])

    def test_not_found(self):
        self.assertEqual(self.count(None), {
            "lookup_success": [0], "lookup_messages": [9],
            "lookup_timeouts": [2], "lookup_time": [12500000]})


class CollectorTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.out = self.net.root / "out"
        self.nodes = self.network_of(5, *NO_RELAY)

    def start(self, *args, nodes=4):
        self.process = subprocess.Popen(
            [sys.executable, COLLECTOR / "collect.py", "--warren", BINARY,
             "--bootstrap", self.nodes[0].endpoint, "--listen",
             f"{self.net.prefix}.100:7891", "--hosts",
             ",".join(n.address for n in self.nodes), "--nodes", str(nodes),
             "--out", self.out, "--probes", "3", "--announcers", "2", "--keys",
             "5", "--warmup", "1s", "--rate", "10", *args],
            env=os.environ | {"PYTHONPATH": str(ROOT / "python")},
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.process.stderr.close)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)

    def totals(self):
        table = rows(self.out / "totals.csv")
        return dict(zip(table[0], table[1]))

    def test_columns_are_those_of_the_simulator(self):
        self.start("--duration", "4s", "--sample", "2s")
        sim = self.out.parent / "sim"
        subprocess.run([BINARY, "sim", *SIM, "--csv", sim], check=True,
                       stdout=subprocess.DEVNULL)
        self.assertEqual(self.process.wait(90), 0,
                         self.process.stderr.read())
        for file in ("samples.csv", "totals.csv", "values.csv"):
            ours, theirs = rows(self.out / file), rows(sim / file)
            self.assertEqual([c for c in theirs[0] if c in ours[0]], ours[0])
            self.assertEqual({len(row) for row in ours}, {len(ours[0])})
        self.assertLessEqual({row[1] for row in rows(self.out / "values.csv")},
                             {row[1] for row in rows(sim / "values.csv")})
        self.assertEqual([r[1] for r in rows(self.out / "samples.csv")[1:]],
                         ["2", "4"])
        total = self.totals()
        self.assertEqual(total["complete"], "1")
        self.assertEqual(float(total["nodes"]), 8)
        self.assertGreater(int(total["lookup_success_of"]), 10)
        self.assertGreater(float(total["lookup_success"]), 0.9)
        self.assertGreater(int(total["datagrams"]), 0)
        self.assertGreater(float(total["table_nodes"]), 3)
        self.assertGreaterEqual(float(total["lookup_messages_median"]), 3)
        self.assertLess(float(total["lookup_time_median"]), 2)

    def test_one_that_is_ended_leaves_what_it_had(self):
        self.start("--duration", "1h", "--sample", "1s")
        wait_for("tables", lambda: (self.out / "values.csv").exists(), 90)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(20), 3)
        self.assertIn("ended before its time", self.process.stderr.read())
        self.assertEqual(self.totals()["complete"], "0")

    def test_wrong_arguments(self):
        for args, what in ((["--duration", "5"], "'5' must be a duration"),
                           (["--rate", "0"], "must be a number above 0"),
                           (["--announcers", "9"], "more than --probes 3"),
                           (["--keys", "0"], "a whole number from 1 on")):
            self.start(*args)
            self.assertEqual(self.process.wait(20), 2)
            self.assertIn(what, self.process.stderr.read())


class EnterTest(unittest.TestCase):
    """enter.sh with programs of our own in place of tc and setpriv."""

    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="warren-enter-")
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)
        self.told = self.place / "told"
        self.program("setpriv", 'while [ "$1" != -- ]; do shift; done\n'
                     'shift\nexec "$@"')

    def program(self, name, text):
        path = self.place / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def enter(self, profile):
        return subprocess.run(
            [COLLECTOR / "enter.sh", "echo", "it runs"], text=True,
            env={"PATH": f"{self.place}:{os.environ['PATH']}",
                 "PROFILE": profile, "TOLD": str(self.told)},
            capture_output=True, timeout=20, check=False)

    def test_the_profile_is_that_of_every_link(self):
        self.program("tc", 'echo "$@" >>"$TOLD"')
        done = self.enter("delay 50ms 10ms loss 1%")
        self.assertEqual((done.returncode, done.stdout), (0, "it runs\n"))
        links = [line.split() for line in self.told.read_text().splitlines()]
        self.assertEqual({line[3] for line in links},
                         set(os.listdir("/sys/class/net")))
        for line in links:
            self.assertEqual(" ".join(line[4:]), "root netem limit 100000 "
                             "delay 50ms 10ms loss 1%")

    def test_a_kernel_without_netem_is_said_by_name(self):
        self.program("tc", "echo 'Error: Specified qdisc kind is unknown.' "
                     ">&2; exit 2")
        done = self.enter("delay 50ms")
        self.assertEqual((done.returncode, done.stdout), (69, ""))
        self.assertIn("the kernel has no netem (sch_netem", done.stderr)
        self.assertIn("Specified qdisc kind is unknown", done.stderr)
        self.assertIn("PROFILE=none", done.stderr)

    def test_none_needs_no_netem(self):
        self.program("tc", "exit 1")
        self.assertEqual(self.enter("none").stdout, "it runs\n")


if __name__ == "__main__":
    unittest.main()
