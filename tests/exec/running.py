# SPDX-License-Identifier: MIT
"""Programs that `warren exec` runs, for tests. To be imported first: it finds
the modules of tests/streams, which find those of tests/process."""
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "streams"))
from scene import run  # noqa: E402
from harness import BINARY  # noqa: E402


def why_not():
    """Why `warren exec` cannot do what it is for here; empty when it can."""
    made = subprocess.run(["unshare", "--user", "--net", "--mount", "true"],
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"no namespaces here: {made.stderr.strip()}"
    lacks = [p for p in ("ip", "nft") if shutil.which(
        p, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    return f"not installed here: {', '.join(lacks)}" if lacks else ""


WHY_NOT = why_not()
if WHY_NOT:
    print(f"skipped: {WHY_NOT}", flush=True)


def python(text, *args):
    """The words of a Python program that uses sockets and knows no proxy."""
    return ("/usr/bin/python3", "-c", "import socket, struct, sys\n" +
            textwrap.dedent(text), *args)


class Running:
    def words(self, node, *args, flags=("--hops", "1")):
        return [BINARY, "exec", "--data-dir", str(node.dir), *flags,
                *map(str, args)]

    def exec(self, node, *args, flags=("--hops", "1"), **more):
        return run(*self.words(node, *args, flags=flags), **more)

    def done(self, node, *args, **more):
        done = self.exec(node, *args, **more)
        self.assertEqual((done.returncode, done.stderr), (0, b""), args)
        return done.stdout

    def carriers(self, node):
        """Processes that carry for programs of this daemon."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:2] == [b"exec"] and os.fsencode(node.dir) in words:
                found.append(int(path.parent.name))
        return found
