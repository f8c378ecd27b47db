#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Shows that the lint checks catch what they are for."""
import pathlib
import tempfile
import unittest

import layering
import sizes


class Layering(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        docs = self.root / "docs/architecture.md"
        docs.parent.mkdir()
        docs.write_text("".join(
            f"| `{room}` | a sentence |\n" for room in
            ("wire", "node", "dht", "dht/table", "dht/query", "sim/a",
             "sim/b", "sim/c")))
        self.write("wire/.may_include", "wire/\nmsgpack.h\nstdint.h\n")
        self.write("node/.may_include", "node/\nwire/\nevent2/\n*.h\n")
        self.write("dht/table.h", "")
        self.write("dht/.may_include", "wire/\ndht/table/\n")
        self.write("dht/table/table.h", "")
        self.write("dht/table/.may_include", "wire/\n")
        self.write("dht/query/query.h", "")
        self.write("dht/query/.may_include", "dht/table/\n")

    def write(self, name, text):
        path = self.root / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def offences(self, floor, line):
        self.write(f"{floor}/probe.c", f"/* one */\n{line}\n")
        return layering.check(self.root)

    def test_allowed(self):
        for floor, line in [
                ("wire", "#include <stdint.h>"),
                ("wire", '#include "wire/mp_reader.h"'),
                ("wire", '#include "probe.c"'),
                ("dht", '#include "dht/table/table.h"'),
                ("dht/table", '#include "table.h"'),
                ("dht/query", '#include "../table/table.h"'),
                ("node", "#include <event2/event.h>"),
                ("node", "#include <sys/socket.h>")]:
            self.assertEqual(self.offences(floor, line), [], line)

    def test_forbidden(self):
        for floor, line in [
                ("wire", '#include "dht/table.h"'),
                ("wire", '#include "../dht/table.h"'),
                ("wire", "  #  include <stdio.h>"),
                ("wire", "#include <event2/event.h>"),
                ("wire", "#include HEADER"),
                ("dht", '#include "dht/query/query.h"'),
                ("dht/table", '#include "dht/query/query.h"'),
                ("node", '#include "dht/table.h"'),
                ("node", "#include <msgpack.h>"),
                ("node", "#include <sqlite3.h>")]:
            found = self.offences(floor, line)
            self.assertEqual(len(found), 1, line)
            self.assertIn("probe.c:2:", found[0])
            self.write(f"{floor}/probe.c", "")

    def test_circle(self):
        self.write("sim/a/.may_include", "sim/b/\n")
        self.write("sim/b/.may_include", "sim/c/\n")
        self.write("sim/c/.may_include", "sim/a/\n")
        self.write("sim/a/a.h", '#include "sim/b/b.h"\n')
        self.write("sim/b/b.h", '#include "sim/c/c.h"\n')
        self.write("sim/c/c.h", "")
        self.assertEqual(layering.check(self.root), [])
        self.write("sim/c/c.h", '#include "sim/a/a.h"\n')
        found = layering.check(self.root)
        self.assertEqual(len(found), 3)
        self.assertIn("a circle", found[0])

    def test_crowd(self):
        for folder in ("src/dht/table", "tests/dht"):
            for n in range(25):
                path = self.root / folder / f"{n}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("")
        found = layering.check(self.root)
        self.assertEqual(len(found), 2)
        self.assertIn("make another room", found[0])

    def test_missing_list(self):
        self.write("sim/a/net.c", "")
        self.assertEqual(len(layering.check(self.root)), 1)

    def test_missing_sentence(self):
        self.write("cli/main.c", "")
        self.write("cli/.may_include", "")
        found = layering.check(self.root)
        self.assertEqual(len(found), 1)
        self.assertIn("architecture.md", found[0])


class Sizes(unittest.TestCase):
    def offences(self, text, suffix=".c"):
        with tempfile.NamedTemporaryFile("w", suffix=suffix) as file:
            file.write(text)
            file.flush()
            return sizes.check(file.name)

    def test_function(self):
        self.assertEqual(self.offences("int f(void)\n{\n" + ";\n" * 98 + "}"),
                         [])
        self.assertEqual(
            len(self.offences("int f(void)\n{\n" + ";\n" * 99 + "}")), 1)

    def test_table_in_function(self):
        rows = "    {1, 2},\n" * 200
        self.assertEqual(
            self.offences("int f(void)\n{\n" + rows + ";\n" * 98 + "}"), [])
        self.assertEqual(
            len(self.offences("int f(void)\n{\n" + rows + ";\n" * 99 + "}")),
            1)

    def test_file(self):
        self.assertEqual(self.offences("\n" * 900), [])
        self.assertEqual(len(self.offences("\n" * 901)), 1)
        self.assertEqual(len(self.offences("\n" * 301, ".h")), 1)

    def test_width(self):
        self.assertEqual(self.offences("x" * 80), [])
        self.assertEqual(len(self.offences("x" * 81, ".sh")), 1)


if __name__ == "__main__":
    unittest.main()
