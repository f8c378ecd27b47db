#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""warren sim as somebody uses it: scenarios, overrides, sweeps, parts, ends."""
import csv
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.append(str(pathlib.Path(__file__).parent.parent / "process"))
from harness import BINARY, DONE, NEGATIVE, TROUBLE, USAGE  # noqa: E402

SMALL = """[run]
duration = 10m
warmup = 3m
[nodes]
count = 60
[lookups]
rate = 30
keys = 10
"""


def sim(*args, cwd=None):
    return subprocess.run([BINARY, "sim", *map(str, args)], cwd=cwd,
                          capture_output=True, text=True, timeout=120,
                          check=False)


class SimTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="warren-sim-")
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)
        self.file = self.place / "small.ini"
        self.file.write_text(SMALL)

    def run_json(self, *args):
        done = sim(*args, "--json")
        self.assertEqual((done.returncode, done.stderr), (DONE, ""))
        return json.loads(done.stdout)

    def test_default_is_a_scenario(self):
        text = sim("--default").stdout
        self.assertIn("[network]\n", text)
        self.assertIn("#max_peers = ", text)  # of the daemon
        self.assertLess(max(map(len, text.splitlines())), 120)
        self.file.write_text(re.sub(r"^#(\w+ =)", r"\1", text, flags=re.M))
        done = sim(self.file, "--set", "run.duration=2m", "--set",
                   "nodes.count=20")
        self.assertEqual((done.returncode, done.stderr), (DONE, ""))

    def test_every_mistake_is_named_at_once(self):
        self.file.write_text("[nodes]\ncuont = 5\n[dht]\nmax_peers = no\n"
                             "[netwrk]\n[network]\nloss = 200%\n")
        done = sim(self.file, "--set", "lookups.keys=-1", "--churn", "x")
        self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
        told = done.stderr.splitlines()
        for line, what in zip(
                told, [":2: unknown key cuont in [nodes]; did you mean count?",
                       ":4: max_peers is 'no' but must be a whole number",
                       ":5: unknown section [netwrk]; did you mean [network]?",
                       ":7: loss is '200%' but must be a share",
                       "--churn: session is 'exponential xm' but must be",
                       "--set: keys is '-1' but must be a whole number"]):
            self.assertIn(what, line)
        self.assertEqual(len(told), 6)

    def test_wrong_flags(self):
        for args, what in [
                (["--set", "loss"], "--set loss must be SECTION.KEY=VALUE"),
                (["--sweep", "loss=1,2"], "must be SECTION.KEY=A,B,C"),
                (["--sweep", "network.loss=1%,1%"], "the same value twice"),
                (["--sweep", "network.lost=1%,2%"], "did you mean loss?"),
                (["--repeat", "0"], "--repeat must be a whole number from 1"),
                (["--part", "3/2"], "--part must be I/N with I from 1 to N"),
                (["--part", "1/2"], "say with --save FILE"),
                (["--part", "2/2", "--save", "x"], "there are only 1 runs"),
                (["--churn", "0"], "each time is from 1s"),
                (["--nodes", "1"], "count is '1' but must be")]:
            done = sim(*args)
            self.assertEqual((done.returncode, done.stdout), (USAGE, ""), args)
            self.assertIn(what, done.stderr)

    def test_missing_files(self):
        for args, what in [
                (["/nonexistent.ini"], "/nonexistent.ini: No such file"),
                (["--set", "network.regions=/nonexistent.csv"],
                 "/nonexistent.csv: No such file")]:
            done = sim(*args)
            self.assertEqual((done.returncode, done.stdout), (TROUBLE, ""))
            self.assertIn(what, done.stderr)

    def test_quick_run(self):
        done = sim("--nodes", 100, "--loss", 5, "--churn", 60, "--duration",
                   "5m")
        self.assertEqual((done.returncode, done.stderr), (DONE, ""))
        self.assertIn("lookup", done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)

    def test_same_seed_same_bytes(self):
        first = sim(self.file, "--json").stdout
        self.assertGreater(len(first), 500)
        self.assertEqual(first, sim(self.file, "--json").stdout)
        self.assertEqual(first, sim(self.file, "--json", "--threads",
                                    2).stdout)
        self.assertNotEqual(first, sim(self.file, "--json", "--seed",
                                       2).stdout)

    def test_parts_make_the_whole(self):
        sweep = [self.file, "--sweep", "network.loss=0%,20%", "--repeat", "2"]
        whole = self.run_json(*sweep)
        listed = sim(*sweep, "--list").stdout.splitlines()
        self.assertEqual(len(listed), 4)
        for line in listed:
            done = subprocess.run(["sh", "-c", line.replace("warren", BINARY,
                                                            1)],
                                  cwd=self.place, capture_output=True,
                                  text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (DONE, ""))
        files = [self.place / f"run-{i}.sim" for i in (3, 1, 4, 2)]
        merged = sim("merge", "--json", *files)
        self.assertEqual((merged.returncode, merged.stderr), (DONE, ""))
        merged = json.loads(merged.stdout)
        self.assertEqual(merged["hash"], whole["hash"])
        self.assertEqual(merged["runs"], whole["runs"])

    def test_which_dht(self):
        """It is said unless it is warren's own alone, or swept."""
        short = ("--set", "run.duration=1m")
        saved = self.place / "a.sim"
        for setting, dht in (
                ("dialect=mainline", "mainline"),
                ("both=10%", "warren's, and some nodes in the mainline DHT "
                             "too"),
                ("both=0%", None)):
            flags = (*short, "--set", f"nodes.{setting}", "--save", saved)
            self.assertEqual(self.run_json(self.file, *flags)["dht"], dht)
            self.assertEqual(json.loads(
                sim("merge", "--json", saved).stdout)["dht"], dht)
            told = re.findall("^DHT: (.*)$", sim("merge", saved).stdout, re.M)
            self.assertEqual(told, [dht] if dht else [])
        told = self.run_json(self.file, *short, "--sweep",
                             "nodes.dialect=mainline,warren")
        self.assertIsNone(told["dht"])

    def test_merge_refuses_what_does_not_fit(self):
        saved = self.place / "a.sim"
        other = self.place / "b.sim"
        sim(self.file, "--set", "run.duration=1m", "--save", saved)
        sim(self.file, "--set", "run.duration=2m", "--save", other)
        cut = self.place / "cut.sim"
        cut.write_bytes(saved.read_bytes()[:-5])
        for files, what in [([saved, saved], "which was there before"),
                            ([saved, other], "is of another scenario"),
                            ([cut], "cut.sim: "),
                            ([self.file], "is no file of 'warren sim --save'"),
                            ]:
            done = sim("merge", *files)
            self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
            self.assertIn(what, done.stderr)
        done = sim("merge", self.place / "c")
        self.assertEqual((done.returncode, done.stdout), (TROUBLE, ""))
        self.assertIn("No such file", done.stderr)
        done = sim("merge", saved)
        self.assertEqual((done.returncode, done.stderr), (DONE, ""))

    def start_long(self, *args, **kwargs):
        run = subprocess.Popen(
            [BINARY, "sim", self.file, "--duration", "300d", *args],
            text=True, **kwargs)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        return run

    def test_ctrl_c_reports_what_there_is(self):
        run = self.start_long("--json", stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        time.sleep(2)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
        self.assertEqual(err, "warren: ended early; this is what there is\n")
        self.assertFalse(json.loads(out)["runs"][0]["complete"])
        self.assertEqual(run.returncode, NEGATIVE)

    def test_progress_on_a_terminal(self):
        ours, theirs = pty.openpty()
        run = self.start_long(stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        told = b""
        end = time.monotonic() + 30
        while b" 60 nodes" not in told and time.monotonic() < end:
            told += os.read(ours, 4096)
        run.send_signal(signal.SIGINT)
        os.close(ours)
        line = told.decode().split("\r")[-1]
        self.assertRegex(line, r"^[\d:d ]+ of 300d [\d:]+, 60 nodes, "
                               r"[\d.]+M datagrams, \d+x, .* to go")

    def test_tables_can_be_read(self):
        out = self.place / "out"
        done = sim(self.file, "--csv", out)
        self.assertEqual((done.returncode, done.stderr), (DONE, ""))
        with open(out / "samples.csv", encoding="ascii") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual(len(rows), 10)
        self.assertGreater(sum(1 for c in rows[0] if "lookup" in c), 5)


if __name__ == "__main__":
    unittest.main()
