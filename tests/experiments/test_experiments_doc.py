#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every command of docs/experiments.md works, on fewer nodes; the scenarios in
examples/experiments are those that it names, and so are the pictures."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/process"))
from harness import BINARY, DONE  # noqa: E402

PAGE = ROOT / "docs/experiments.md"
SCENARIOS = ROOT / "examples/experiments"

# What the document's command becomes: the same with less of everything. What
# only prints, and what is swept itself, stays.
SMALLER = """#!/bin/bash
less=()
seeds=2
case " $* " in
*" merge "* | *" --default "* | *" --list "*) ;;
*" examples/"*) seeds=1 ;;&
*) less=(--duration 60s --set run.warmup=60s --set nodes.arrival_time=20s)
   [[ $* == *nodes.count* ]] || less+=(--nodes 40)
   [[ $* == *--repeat* ]] && less+=(--repeat $seeds)
   grep -qs -e '^\\[tunnels\\]' -- "$2" && less+=(--set tunnels.relays=14
       --set tunnels.exits=3 --set tunnels.clients=4)
   grep -qs -e '^\\[services\\]' -- "$2" && less+=(--set services.keys=2) ;;
esac
exec "$BINARY" "${@/nodes.count=*/nodes.count=30,40}" "${less[@]}"
"""


def commands(text):
    """The blocks of sh, each as (line, text)."""
    for block in re.finditer(r"^```sh\n(.*?)^```$", text, re.M | re.S):
        yield text.count("\n", 0, block.start()) + 1, block[1]


class ExperimentsDocTest(unittest.TestCase):
    def setUp(self):
        self.text = PAGE.read_text()
        place = tempfile.TemporaryDirectory(prefix="warren-experiments-")
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)

    def test_every_command_works(self):
        bin_ = self.place / "bin"
        bin_.mkdir()
        (bin_ / "warren").write_text(SMALLER)
        (bin_ / "warren").chmod(0o755)
        (self.place / "examples").symlink_to(ROOT / "examples")
        env = {**os.environ, "BINARY": BINARY,
               "PATH": f"{bin_}:{os.environ['PATH']}"}
        blocks = list(commands(self.text))
        self.assertGreater(len(blocks), 5)
        for line, block in blocks:
            with self.subTest(line=line):
                done = subprocess.run(
                    ["/bin/bash", "-euc", block], cwd=self.place, env=env,
                    capture_output=True, text=True, timeout=240, check=False)
                self.assertEqual(
                    (done.returncode, done.stderr), (DONE, ""), block)
        # What the text says to look at is there.
        for name in re.findall(r"`(\w+/(?:sweep|cdf|age)_\w+\.png)`",
                               self.text):
            self.assertTrue((self.place / name).exists(), name)

    def test_what_it_names_exists(self):
        for link in re.findall(r"\]\(([^)#:]+)\)", self.text):
            self.assertTrue((PAGE.parent / link).exists(), link)
        shown = set(re.findall(r"\]\(experiments/([^)]+\.png)\)", self.text))
        there = {p.name for p in (PAGE.parent / "experiments").glob("*")}
        self.assertEqual(shown, there)

    def test_every_scenario_is_explained_and_right(self):
        for path in SCENARIOS.glob("*.ini"):
            self.assertIn(f"examples/experiments/{path.name}", self.text)
            done = subprocess.run(
                [BINARY, "sim", path, "--list", "--repeat", "2"],
                capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (DONE, ""))


if __name__ == "__main__":
    unittest.main()
