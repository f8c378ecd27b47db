# SPDX-License-Identifier: MIT
"""Files of vectors, as docs/vectors/*.txt are: names, and bytes in hex in the
lines below that begin with blanks."""
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "docs/vectors"


class Vectors:
    """Called with a name it gives the bytes, and knows what was asked for."""

    def __init__(self, file):
        self.bytes, self.used, name = {}, set(), None
        for line in (FOLDER / file).read_text().splitlines():
            if line.startswith(" "):
                self.bytes[name] += bytes.fromhex(line.strip())
            elif line and not line.startswith("#"):
                name = line
                assert name not in self.bytes, name
                self.bytes[name] = b""

    def __call__(self, name):
        self.used.add(name)
        return self.bytes[name]

    def unused(self):
        return set(self.bytes) - self.used
