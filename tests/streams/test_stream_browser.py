#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""chromium without a screen loads a page of 200 things through the proxy, by a
name: all of them come, and nothing of it leaves the machine but in tunnels."""
import re
import shutil
import unittest

from page import block
from stage import PATIENCE, bytes_of
from watched import LEAF, PROXY, WEB, Watched
from scene import Web

PROGRAMS = ("chromium-headless-shell", "chromium")
THINGS = 200
BROWSER = next((p for p in PROGRAMS if shutil.which(p)), None)
if BROWSER is None:
    print("skipped: there is no chromium (chromium-headless-shell)",
          flush=True)

# Counts what its images, scripts and requests have brought.
PAGE = """<!DOCTYPE html><html><head><title>loading</title></head><body>
<p id="told">0</p><script>
let loaded = 0, failed = 0;
function tell() {
  document.getElementById("told").textContent =
    `loaded ${loaded}, failed ${failed}`;
}
function one() { loaded++; tell(); }
function bad() { failed++; tell(); }
for (let i = 0; i < %(things)d; i++) {
  if (i %% 4 == 0) {
    fetch(`/thing${i}.bin`).then(r => r.arrayBuffer()).then(
      b => b.byteLength == %(size)d ? one() : bad(), bad);
  } else {
    const s = document.createElement("script");
    s.src = `/thing${i}.js`;
    s.onerror = bad;
    document.body.appendChild(s);
  }
}
</script></body></html>
"""
SIZE = 20_000


def pages():
    out = {"/": (PAGE % {"things": THINGS, "size": SIZE}).encode()}
    for i in range(THINGS):
        if i % 4 == 0:
            out[f"/thing{i}.bin"] = bytes_of(i, SIZE)
        else:
            out[f"/thing{i}.js"] = b"one(); // %d\n" % i + b" " * (100 * i)
    return out


@unittest.skipIf(BROWSER is None, "no chromium")
class Browser(Watched):
    def test_a_page_of_many(self):
        site = self.site.within(lambda: Web((WEB, 8080), pages()))
        self.addCleanup(site.close)
        recorder = self.record()
        words = block("browser").split()
        self.assertEqual(words[0], "chromium")
        self.assertEqual(words[-1], "http://example.org/")
        self.assertIn(f"--proxy-server=socks5://{PROXY}", words)
        seen = self.done(
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu",
            "--disable-dev-shm-usage", "--virtual-time-budget=60000",
            "--dump-dom", *words[1:-1],
            f"--user-data-dir={self.root}/profile",
            "http://web.example:8080/", timeout=2 * PATIENCE)
        self.assertEqual(re.findall(r'id="told">([^<]*)<', seen),
                         [f"loaded {THINGS}, failed 0"])
        self.assert_only_tunnels(recorder.stop())
        self.assertIn("web.example", self.dns.asked)
        self.assertNotIn(LEAF, {a for a, _ in site.seen})


if __name__ == "__main__":
    unittest.main()
