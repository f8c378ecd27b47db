#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the field met: machines whose clock is wrong. A preloaded library moves
the clock of one daemon by what a file says, while it runs."""
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
    r = real(id, ts);
    if (id == CLOCK_REALTIME) {
        FILE *f = fopen(getenv("TEST_CLOCK"), "r");
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

    def move(self, seconds):
        """A whole file at a time: the daemon reads it again and again."""
        fresh = pathlib.Path(f"{self.offset}.new")
        fresh.write_text(str(int(seconds)))
        fresh.rename(self.offset)

    def start(self, *extra):
        # Sanitizers want to be the first library.
        self.late.start(*extra, preload={
            "LD_PRELOAD": str(self.library), "TEST_CLOCK": str(self.offset),
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

    def made(self):
        data = (self.late.dir / "handshake.key").read_bytes()
        return struct.unpack(">Q", data[:8])[0]


if __name__ == "__main__":
    unittest.main()
