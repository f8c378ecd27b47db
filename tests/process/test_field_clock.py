#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the field met: machines whose clock is wrong, and machines that were
suspended. A preloaded library moves the clocks of one daemon by what a file
says, while it runs."""
import pathlib
import shutil
import struct
import subprocess
import time
import unittest

from harness import ProcessTest, wait_for

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *ts)
{
    static int (*real)(clockid_t, struct timespec *);
    int r;

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT,
                                                            "clock_gettime");
    const char *name = id == CLOCK_REALTIME ? getenv("TEST_CLOCK") :
                       id == CLOCK_BOOTTIME ? getenv("TEST_BOOT") : NULL;

    r = real(id, ts);
    if (name) {
        FILE *f = fopen(name, "r");
        long off = 0;
        if (f && fscanf(f, "%ld", &off) == 1)
            ts->tv_sec += off;
        if (f)
            fclose(f);
    }
    return r;
}
"""
CC = shutil.which("cc")
YEARS = 12 * 365 * 86400


@unittest.skipUnless(CC, "no cc to build the clock with")
class Clock(ProcessTest):
    def setUp(self):
        super().setUp()
        source = self.net.root / "clock.c"
        source.write_text(SHIM)
        self.library = self.net.root / "clock.so"
        subprocess.run([CC, "-shared", "-fPIC", "-o", self.library, source,
                        "-ldl"], check=True)
        self.offset = self.net.root / "offset"
        self.network_of(3, "--exit")
        self.late = self.net.add([self.net.nodes[0]])

    def move(self, seconds, which=None):
        """A whole file at a time: the daemon reads it again and again."""
        fresh = pathlib.Path(f"{self.offset}.new")
        fresh.write_text(str(int(seconds)))
        fresh.rename(which or self.offset)

    def start(self, *extra):
        # Sanitizers want to be the first library.
        self.late.start(*extra, preload={
            "LD_PRELOAD": str(self.library), "TEST_CLOCK": str(self.offset),
            "TEST_BOOT": f"{self.offset}.boot",
            "ASAN_OPTIONS": "verify_asan_link_order=0"})

    def problem(self, code):
        return next((p for p in self.late.status()["problems"]
                     if p["code"] == code), None)

    def is_ready(self):
        return self.late.status()["tunnels"]["ready"] > 0

    def test_a_machine_that_starts_in_1970(self):
        self.move(-time.time())
        self.start("--build", "1")
        problem = wait_for("the clock is named",
                           lambda: self.problem("clock_wrong"), 20)
        self.assertEqual(problem["level"], "error")
        by = int(problem["what"].split(" s ")[0].rsplit(" ", 1)[1])
        self.assertAlmostEqual(by, time.time(), delta=300)
        self.assertIn("behind", problem["what"])
        self.assertEqual(self.late.http("/health")[0], 503)
        wait_for("the log says so", lambda: "set the time right"
                 in self.late.log_text(), 10)
        self.assertFalse(self.is_ready())
        self.move(0)
        wait_for("circuits are built once it is right", self.is_ready, 40)
        self.assertIsNone(self.problem("clock_wrong"))

    def test_a_machine_far_in_the_future(self):
        self.move(YEARS)
        self.start("--build", "1")
        problem = wait_for("the clock is named",
                           lambda: self.problem("clock_wrong"), 20)
        self.assertEqual(problem["level"], "error")
        self.assertIn("ahead", problem["what"])
        # Right again, it is right: nothing of that time stays.
        self.move(0)
        wait_for("circuits are built once it is right", self.is_ready, 40)
        wait_for("the clock is believed", lambda: not self.problem("clock")
                 and not self.problem("clock_wrong"), 20)
        wait_for("the key is dated anew", lambda: abs(
            self.made() - time.time()) < 300, 20)

    def test_a_relay_that_is_fast(self):
        """By more than others bear, and by less than a descriptor lives: they
        refuse its own, and it would take theirs."""
        self.move(5000)
        self.start()
        problem = wait_for("the clock is named",
                           lambda: self.problem("clock_wrong"), 60)
        self.assertEqual(problem["level"], "error")
        by = int(problem["what"].split(" s ")[0].rsplit(" ", 1)[1])
        self.assertTrue(3400 < by <= 5000, problem["what"])
        self.assertIn("ahead", problem["what"])
        self.move(0)
        wait_for("it is right", lambda: not self.problem("clock_wrong"), 60)

    def test_a_machine_that_was_suspended(self):
        self.start()
        self.late.wait_joined()
        wait_for("the first rounds are over", lambda: self.lookups() > 5, 20)
        before = wait_for("it is quiet", self.quiet, 30)
        # Time asleep counts for the node, and not for its event loop.
        self.move(120, f"{self.offset}.boot")
        wait_for("it is noticed", lambda: "was suspended for 120 s"
                 in self.late.log_text(), 10)
        wait_for("it looks around at once",
                 lambda: self.lookups() > before, 5)
        self.assertTrue(self.late.status()["healthy"])

    def lookups(self):
        return self.late.metrics()["warren_dht_lookups_started_total"]

    def quiet(self):
        before = self.lookups()
        time.sleep(6)
        return before if self.lookups() == before else None

    def made(self):
        data = (self.late.dir / "handshake.key").read_bytes()
        return struct.unpack(">Q", data[:8])[0]


if __name__ == "__main__":
    unittest.main()
