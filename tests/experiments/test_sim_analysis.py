#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Routing tables and hops of simulated networks agree with Kademlia's analysis.

Bucket i of a node has the nodes that share exactly i bits with it, each other
node with the probability 2^-(i+1), and holds at most k of them: a table has the
sum of E[min(k, Binomial(N - 1, 2^-(i+1)))] contacts (Maymounkov and Mazieres
2002, section 2.2). A lookup halves the distance with each bit that a hop
brings, so that its hops grow with the logarithm of N: by about one for ten
times as many nodes, where a hop brings three bits and a half.

WARREN_ANALYSIS=10000,100000 names other sizes (half an hour of processor time
and 1.3 GB for the second, with sanitizers many times that)."""
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).parent.parent / "process"))
from harness import BINARY, DONE  # noqa: E402

K = 8
SIZES = [int(n) for n in os.environ.get("WARREN_ANALYSIS", "100,1000")
         .split(",")]
SCENARIO = """[run]
duration = 20m
warmup = 40m
[network]
latency = lognormal 60ms 0.5
[lookups]
rate = 3
keys = 100
"""


def least(n, p):
    """E[min(K, Binomial(n, p))], by the probability of each number below K."""
    below = [math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) -
                      math.lgamma(n - i + 1) + i * math.log(p) +
                      (n - i) * math.log1p(-p)) for i in range(K)]
    return sum(i * q for i, q in enumerate(below)) + K * (1 - sum(below))


def table(nodes):
    return sum(least(nodes - 1, 2.0 ** -(i + 1)) for i in range(40))


class AnalysisTest(unittest.TestCase):
    def simulate(self, nodes):
        with tempfile.NamedTemporaryFile("w", suffix=".ini") as f:
            f.write(SCENARIO)
            f.flush()
            done = subprocess.run(
                [BINARY, "sim", f.name, "--nodes", str(nodes), "--json"],
                capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (DONE, ""))
        return json.loads(done.stdout)["runs"][0]["total"]

    def test_tables_and_hops(self):
        hops = []
        for nodes in SIZES:
            total = self.simulate(nodes)
            hops.append(total["lookup_hops"]["mean"])
            print(f"{nodes} nodes: {total['table_nodes']:.1f} contacts, "
                  f"{table(nodes):.1f} by the analysis; {hops[-1]:.2f} hops")
            self.assertAlmostEqual(total["table_nodes"] / table(nodes), 1,
                                   delta=0.05)
        for i in range(1, len(SIZES)):
            growth = (hops[i] - hops[i - 1]) / math.log10(SIZES[i] /
                                                          SIZES[i - 1])
            self.assertGreater(growth, 0.5)
            self.assertLess(growth, 1.3)


if __name__ == "__main__":
    unittest.main()
