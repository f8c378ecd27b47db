#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The same 50 nodes as real processes and as a scenario: hops and queries of a
lookup agree.

Tolerance: 60 keys, each announced by three nodes and looked up three times by
others, so 180 lookups. Means may differ by a tenth and a quarter of a hop or
query, distributions in a fifth of their mass (total variation; two samples of
180 from one distribution over four values differ in less than a tenth)."""
import collections
import csv
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.append(str(pathlib.Path(__file__).parent.parent / "process"))
from harness import BINARY, DONE, NO_RELAY, ProcessTest  # noqa: E402

NODES, KEYS, ANNOUNCERS, LOOKUPS = 50, 60, 3, 180

SCENARIO = f"""[run]
duration = 1h
[nodes]
count = {NODES}
bootstraps = 1
[network]
latency = fixed 1ms
[lookups]
rate = 60
keys = {KEYS}
announcers = {ANNOUNCERS}
"""


def mean(counts):
    return sum(v * n for v, n in counts.items()) / sum(counts.values())


def variation(a, b):
    """Half of the sum of differences of two distributions."""
    return sum(abs(a[v] / sum(a.values()) - b[v] / sum(b.values()))
               for v in set(a) | set(b)) / 2


class TruthTest(ProcessTest):
    def simulated(self):
        with tempfile.TemporaryDirectory(prefix="warren-sim-") as place:
            file = pathlib.Path(place) / "fifty.ini"
            file.write_text(SCENARIO)
            done = subprocess.run([BINARY, "sim", file, "--csv", place],
                                  capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (DONE, ""))
            found = collections.defaultdict(collections.Counter)
            with open(pathlib.Path(place) / "values.csv",
                      encoding="ascii") as f:
                for row in csv.DictReader(f):
                    found[row["measure"]][int(float(row["value"]))] += int(
                        row["count"])
        return found["lookup_hops"], found["lookup_messages"]

    def ask(self, node, *args):
        done = node.cli("dht", *args, "--json")
        self.assertEqual(done.returncode, DONE, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def real(self):
        nodes = self.network_of(NODES, *NO_RELAY)
        chance = random.Random(7)
        keys = [chance.randbytes(20).hex() for _ in range(KEYS)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(
                lambda job: self.ask(job[1], "announce", job[0], "--port",
                                     "6881"),
                [(key, node) for key in keys
                 for node in chance.sample(nodes, ANNOUNCERS)]))
            told = list(pool.map(
                lambda job: self.ask(job[0], "get-peers", job[1]),
                [(chance.choice(nodes), keys[i % KEYS])
                 for i in range(LOOKUPS)]))
        return (collections.Counter(t["hops"] for t in told),
                collections.Counter(t["asked"] for t in told))

    def test_hops_and_queries_agree(self):
        for what, real, simulated in zip(("hops", "queries"), self.real(),
                                         self.simulated()):
            told = f"{what}: real {dict(real)}, simulated {dict(simulated)}"
            print(told, f"means {mean(real):.2f}, {mean(simulated):.2f}, "
                  f"variation {variation(real, simulated):.2f}")
            self.assertGreater(sum(simulated.values()), 1000, told)
            self.assertLess(abs(mean(real) - mean(simulated)),
                            0.1 * mean(simulated) + 0.25, told)
            self.assertLess(variation(real, simulated), 0.2, told)


if __name__ == "__main__":
    unittest.main()
