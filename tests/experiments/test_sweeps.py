#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The sweep of examples/experiments in parts: by GNU parallel, and by what an
array of Slurm and an indexed job of Kubernetes run on each machine."""
import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples/experiments"
sys.path.append(str(HERE.parent / "process"))
from harness import BINARY, clean_environment  # noqa: E402

SWEEP = ("--sweep", "network.loss=0%,5%,10%,20%", "--repeat", "2")
PARTS = 8
# As the examples have it, but small.
SMALL = {"duration": "2m", "warmup": "2m", "count": "20", "rate": "60"}


class SweepTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place = tempfile.TemporaryDirectory(prefix="warren-sweep-")
        cls.addClassCleanup(place.cleanup)
        cls.place = pathlib.Path(place.name)
        for file in EXAMPLES.iterdir():
            if file.is_file():
                shutil.copy(file, cls.place)
        scenario = (EXAMPLES / "loss.ini").read_text()
        for key, value in SMALL.items():
            scenario, found = re.subn(rf"^{key} = .*", f"{key} = {value}",
                                      scenario, flags=re.M)
            assert found == 1, key
        (cls.place / "loss.ini").write_text(scenario)
        (cls.place / "bin").mkdir()
        (cls.place / "bin/warren").symlink_to(BINARY)
        cls.path = f"{cls.place}/bin:{os.environ['PATH']}"
        cls.whole = cls.json_of(cls.run_in(cls.place, [
            "warren", "sim", "loss.ini", *SWEEP, "--json"]))

    @classmethod
    def run_in(cls, directory, command, **environment):
        done = subprocess.run(command, cwd=directory, text=True, check=False,
                              capture_output=True, timeout=240, env={
                                  **clean_environment(), "PATH": cls.path,
                                  **environment})
        if done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}: "
                                 f"{done.stdout}{done.stderr}")
        return done.stdout

    @staticmethod
    def json_of(text):
        return json.loads(text)["runs"]

    def check_merged(self, directory):
        files = sorted(map(str, directory.glob("run-*.sim")))
        self.assertEqual(len(files), PARTS)
        self.assertEqual(list(directory.glob("*.new")), [])
        self.assertEqual(self.whole, self.json_of(self.run_in(
            directory, ["warren", "sim", "merge", "--json", *files])))

    def test_parallel(self):
        if shutil.which("parallel") is None:
            self.skipTest("GNU parallel is not installed")
        out = self.place / "parallel"
        self.run_in(self.place, ["./sweep_parallel.sh", out])
        self.check_merged(out)
        with open(out / "totals.csv", encoding="utf-8", newline="") as file:
            self.assertEqual(len(list(csv.reader(file))), 1 + PARTS)
        # What is there is not done again.
        before = (out / "run-3.sim").stat().st_mtime_ns
        self.run_in(self.place, ["./sweep_parallel.sh", out])
        self.assertEqual((out / "run-3.sim").stat().st_mtime_ns, before)

    def test_slurm(self):
        """The batch script, as each task of the array runs it."""
        text = (EXAMPLES / "sweep_slurm.sh").read_text()
        self.assertIn(f"#SBATCH --array=1-{PARTS}\n", text)
        for task in range(1, PARTS + 1):
            self.run_in(self.place, ["sh", "sweep_slurm.sh"],
                        SLURM_ARRAY_TASK_ID=str(task),
                        SLURM_ARRAY_TASK_COUNT=str(PARTS))
        self.check_merged(self.place)
        for file in self.place.glob("run-*.sim"):
            file.unlink()

    def test_indexed_job(self):
        """Its command, as each of the pods runs it."""
        text = (EXAMPLES / "sweep_job.yml").read_text()
        self.assertIn(f"completions: {PARTS}\n", text)
        self.assertIn(f'name: PARTS\n              value: "{PARTS}"\n', text)
        script = re.search(r"- sh\n +- -euc\n +- \|\n(.*?)\n +volumeMounts:",
                           text, re.S)[1]
        out = self.place / "job"
        out.mkdir()
        for index in range(PARTS):
            self.run_in(out, ["sh", "-euc", textwrap.dedent(script)],
                        JOB_COMPLETION_INDEX=str(index), PARTS=str(PARTS),
                        SCENARIO=str(self.place / "loss.ini"))
        self.check_merged(out)


if __name__ == "__main__":
    unittest.main(verbosity=2)  # says why one is skipped
