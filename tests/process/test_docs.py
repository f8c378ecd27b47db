#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The documents say what the program does.

Tables of docs/operating.md that stand between <!-- made from: X --> and
<!-- end --> are compared with what the program says; lists that the program
cannot print are compared with its source. Scripts that docs/ print are taken
out of them and run.

With --write as the only argument, writes those tables anew instead.
"""
import ipaddress
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

from harness import Network, ProcessTest, wait_for, warren

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPERATING = ROOT / "docs/operating.md"
CONTROL = ROOT / "docs/control.md"
PROTOCOL = ROOT / "docs/protocol.md"
README = ROOT / "README.md"
MADE = re.compile(r"(<!-- made from: (.*?) -->\n)(.*?)(<!-- end -->)", re.S)
HASH = "0123456789abcdef0123456789abcdef01234567"


def block(text):
    return f"```text\n{text.strip()}\n```\n"


def table(*rows):
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


# ---- What the program says --------------------------------------------------

def config_tables():
    """`warren config default` as a table for each section."""
    out = ""
    comment = []
    in_service = False
    for line in warren("config", "default").stdout.splitlines():
        if line.startswith("[") or line == "# [service NAME]":
            out += ("\n" if out else "") + f"**{line.lstrip('# ')}**\n\n"
            out += table(("key", "default", "reload", "meaning"),
                         ("---",) * 4)
            comment = []
            in_service = not line.startswith("[")
            continue
        if in_service and re.match(r"# \w+ =", line):
            line = "#" + line[2:]
        if line.startswith("# "):
            comment.append(line[2:])
        elif "=" in line:
            key, default = line[1:].split("=", 1)
            meaning = " ".join(comment)
            reload = " SIGHUP reloads it." in meaning
            meaning = meaning.replace(" SIGHUP reloads it.", "")
            out += table((f"`{key.strip()}`", default.strip() or "(none)",
                          "yes" if reload else "", meaning))
            comment = []
    return out


def flag_table():
    rows = re.findall(r"^  --(\S+)( VALUE| F)? ", warren(
        "run", "--help").stdout, re.M)
    keys = re.findall(r'^    \{"(\w+)", "(\w+)", (.*?)\.meaning',
                      (ROOT / "src/node/config/config_keys.c").read_text(),
                      re.S | re.M)
    longer = {flag: f"{section}.{key}" for section, key, rest in keys
              for flag in re.findall(r'\.flag = "([\w-]+)"', rest)}
    return table(("flag", "the same as"), ("---", "---"),
                 *((f"`--{flag}{value}`",
                    f"`--{longer[flag]}`" if flag in longer
                    else "the INI file to read")
                   for flag, value in rows))


def metric_table(page):
    families = {}
    for line in page.splitlines():
        word = line.split(" ", 3)
        if line.startswith("# HELP"):
            families[word[2]] = {"help": word[3], "labels": {}}
        elif line.startswith("# TYPE"):
            families[word[2]]["type"] = word[3]
        else:
            name = re.match(r"\w+", line)[0]
            for label, value in re.findall(r'(\w+)="([^"]*)"', line):
                values = families[name]["labels"].setdefault(label, [])
                if value not in values:
                    values.append(value)
    return table(("metric", "type", "labels", "meaning"), ("---",) * 4,
                 *((f"`{name}`", f["type"],
                    "; ".join(f"`{label}`: {', '.join(values)}"
                              if label != "version" else f"`{label}`"
                              for label, values in f["labels"].items()),
                    f["help"]) for name, f in families.items()))


def made(source, node):
    if source == "warren help":
        return block(warren("help").stdout)
    if source == "warren config default":
        return config_tables()
    if source == "warren run --help":
        return flag_table()
    if source == "/metrics":
        return metric_table(node.http("/metrics")[1])
    raise ValueError(source)


def write():
    net = Network()
    try:
        node = net.add().start()
        text = MADE.sub(lambda m: m[1] + made(m[2], node) + m[4],
                        OPERATING.read_text())
    finally:
        net.close()
    OPERATING.write_text(text)


# ---- Tests ------------------------------------------------------------------

def words_in_rows(text, title):
    """The `word` in the first column of the rows of a chapter."""
    chapter = re.search(rf"^## {title}\n(.*?)(^## |\Z)", text, re.S | re.M)[1]
    return set(re.findall(r"^\| `?([\w.]+)`? \|", chapter, re.M))


class Operating(ProcessTest):
    def setUp(self):
        super().setUp()
        self.text = OPERATING.read_text()
        self.maxDiff = None

    def source(self, name):
        return next((ROOT / "src").rglob(name)).read_text()

    def test_tables(self):
        node = self.net.add().start()
        sources = []
        for _, source, text, _ in MADE.findall(self.text):
            with self.subTest(source=source):
                self.assertEqual(text, made(source, node),
                                 "run tests/process/test_docs.py --write")
            sources.append(source)
        self.assertEqual(sources, ["warren help", "warren config default",
                                   "warren run --help", "/metrics"])

    def test_backup(self):
        """The two files that are to be saved bring back who this was and what
        it published; the others are made anew."""
        chapter = re.search(r"^\*\*Backup\.\*\*(.*?)^\*\*Upgrade", self.text,
                            re.S | re.M)[1]
        saved = re.findall(r"/var/lib/warren/([\w.]+) ", re.search(
            r"^    sudo cp (.*)$", chapter, re.M)[0])
        self.assertEqual(saved, ["warren.db", "identity.key"])
        node = self.net.add().start()
        node.cli("dht", "announce", HASH)
        before = node.status()
        node.stop()
        backup = self.net.root / "backup"
        backup.mkdir()
        for name in saved:
            shutil.copy2(node.dir / name, backup / name)
        for path in node.dir.iterdir():
            path.unlink()
        for name in saved:
            shutil.copy2(backup / name, node.dir / name)
        node.start()
        after = node.status()
        self.assertEqual(after["tunnels"]["identity"],
                         before["tunnels"]["identity"])
        self.assertEqual(after["dht"]["ipv4"]["id"],
                         before["dht"]["ipv4"]["id"])
        self.assertIn(HASH, [p["target"] for p in node.json(
            "dht", "published")["published"]])

    def test_exit_codes(self):
        codes = re.findall(r"^    EXIT_\w+ = (\d+)",
                           self.source("exit_code.h"), re.M)
        self.assertEqual(words_in_rows(self.text, "Exit codes"),
                         {"code", *codes})

    def test_problems(self):
        calls = re.findall(r"= health_add\(h,(.*?)\);",
                           self.source("health.c") +
                           self.source("health_joined.c"), re.S)
        codes = re.findall(r'"(\w+)"', " ".join(calls))
        self.assertEqual(words_in_rows(self.text, "Status: what can be wrong"),
                         {"code", *codes})

    def test_methods(self):
        methods = re.findall(r'^    \{"([\w.]+)", rpc_', self.source("rpc.c"),
                             re.M)
        rows = words_in_rows(CONTROL.read_text(), "Methods")
        self.assertEqual(rows - {"method"}, set(methods))


class Unit(unittest.TestCase):
    """The unit of docs/operating.md does what is said of it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.text = re.search(r"^```ini\n(\[Unit\].*?)^```$",
                              OPERATING.read_text(), re.S | re.M)[1]

    def lines(self, key):
        return re.findall(rf"^{key}=(.*)$", self.text, re.M)

    def run_line(self, line, config):
        words = line.replace("/etc/warren.ini", str(config)).replace(
            "/var/lib/warren", str(self.dir / "data")).split()
        self.assertEqual(words[0], "/usr/local/bin/warren")
        return warren(*words[1:])

    def test_broken_file(self):
        """The daemon ends with the status that is not started again, and a
        reload fails before the daemon hears of it."""
        config = self.dir / "warren.ini"
        config.write_text("[node]\nlissten = 1\n")
        self.assertEqual(self.lines("ExecStartPre"), [])
        start, = self.lines("ExecStart")
        done = self.run_line(start, config)
        self.assertEqual([str(done.returncode)],
                         self.lines("RestartPreventExitStatus"))
        check, kill = self.lines("ExecReload")
        done = self.run_line(check, config)
        self.assertEqual(done.returncode, 2)
        self.assertIn("listen", done.stderr)
        self.assertEqual(kill, "/bin/kill -HUP $MAINPID")
        config.write_text("[node]\nlisten = 127.0.0.1:7881\n")
        self.assertEqual(self.run_line(check, config).returncode, 0)

    def test_systemd_takes_it(self):
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            self.skipTest("there is no systemd-analyze")
        unit = self.dir / "warren.service"
        program = self.dir / "warren"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        unit.write_text(self.text.replace("/usr/local/bin/warren",
                                          str(program)).replace(
                                              "User=warren", "User=daemon"))
        done = subprocess.run([analyze, "verify", "--man=no", unit],
                              capture_output=True, text=True, timeout=60,
                              check=False)
        said = [line for line in done.stderr.splitlines()
                if "warren.service" in line]
        self.assertEqual(said, [])


def script(document, name, directory):
    """A script that a document prints, as a file."""
    text = re.search(rf"^```python {name}\n(.*?)^```$", document.read_text(),
                     re.S | re.M)[1]
    path = directory / f"{name}.py"
    path.write_text(text)
    return path


class Scripts(ProcessTest):
    def run_script(self, document, name, *arguments):
        path = script(document, name, self.net.root)
        done = subprocess.run(["/usr/bin/python3", path, *map(str, arguments)],
                              capture_output=True, text=True, timeout=30,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_client(self):
        first, second = self.network_of(2)
        second.json("dht", "announce", HASH, "--port", 4000)
        wait_for("the first node knows the second as a good one",
                 lambda: self.run_script(PROTOCOL, "client", first.address,
                                         7881, HASH).count("\n") == 3)
        self.assertEqual(
            self.run_script(PROTOCOL, "client", first.address, 7881, HASH),
            f"id   {first.id()}\n"
            f"node {second.id()} {second.endpoint}\n"
            f"peer {second.address}:4000\n")

    def test_client_is_short(self):
        text = script(PROTOCOL, "client", self.net.root).read_text()
        lines = [line for line in text.splitlines() if line]
        self.assertLessEqual(len(lines), 24)

    def test_bep42(self):
        text = PROTOCOL.read_text()
        space = {}
        exec(script(PROTOCOL, "bep42", self.net.root).read_text(), space)
        rows = re.findall(r"^\| (\S+) \| \d+ \| `(\w{40})` \|$", text, re.M)
        self.assertEqual(len(rows), 6)
        for address, node_id in rows:
            packed = ipaddress.ip_address(address).packed
            self.assertTrue(space["matches"](bytes.fromhex(node_id), packed))
            self.assertFalse(space["matches"](bytes(20), packed))

    def test_control(self):
        node = self.network_of(2)[0]
        self.assertEqual(self.run_script(CONTROL, "control",
                                         node.dir / "control.sock"), "True\n")


def shape(text):
    """Text without what differs from run to run."""
    text = re.sub(r"\b[0-9a-f]{40,64}\b", "ID", text)
    text = re.sub(r"\d[\d.]*", "N", text)
    text = re.sub(r"\b(N \w+)ies\b", r"\1y", text)
    text = re.sub(r"\b(N \w+sh)es\b", r"\1", text)
    text = re.sub(r"\b(N \w+)s\b", r"\1", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


class Readme(ProcessTest):
    """The session of the README, typed again: $ COMMAND and its output."""

    def session(self):
        lines = [line[4:] for line in README.read_text().splitlines()
                 if line.startswith("    ") or not line]
        text = "\n".join(lines)
        return re.findall(r"^\$ (warren .*)\n((?:(?!\$ ).*\n)*?)"
                          r"(?=\n*\$ |\n*\Z)", text + "\n", re.M)

    def test_session(self):
        first, second = self.network_of(2)
        key = self.net.root / "my.key"
        here = {"/tmp/a": first.dir, "/tmp/b": second.dir,
                "/tmp/my.key": key, "$HASH": HASH}
        target = ""
        session = self.session()
        self.assertEqual(len(session), 6)
        for command, expected in session:
            words = [str(here.get(w, w)) for w in command.split()[1:]]
            if words[1] == "get":
                words[2] = target
            done = warren(*words)
            with self.subTest(command=command):
                self.assertEqual(done.returncode, 0, done.stderr)
                text = (done.stderr + done.stdout).replace(
                    str(self.net.root / "n1"), "/tmp/a")
                self.assertEqual(shape(text), shape(expected))
            target = done.stdout.strip()


class Threats(unittest.TestCase):
    """Every test that the threat model names is there and runs, and every cap
    of the configuration is hit by one."""

    def setUp(self):
        self.text = (ROOT / "docs/threat-model.md").read_text()
        self.there = set()
        for path in (ROOT / "tests").rglob("test_*"):
            text = path.read_text() if path.suffix in (".c", ".py") else ""
            if path.suffix == ".c":
                names = [name for name in
                         re.findall(r"^static void\s+(test_\w+)\(", text, re.M)
                         if len(re.findall(rf"\b{name}\b", text)) > 1]
            else:
                names = re.findall(r"^    def (test_\w+)", text, re.M)
            self.there |= {(path.name, name) for name in names}

    def test_names(self):
        named = set(re.findall(r"`(?:(test_\w+\.\w+): )?(test_\w+)`",
                               self.text))
        self.assertGreater(len(named), 100)
        names = {name for _, name in self.there}
        self.assertEqual([], sorted(
            (file, name) for file, name in named
            if not ((file, name) in self.there if file else name in names)))
        for name in re.findall(r"`(fuzz_\w+\.c)`", self.text):
            corpus = ROOT / "tests/fuzz/corpus" / name[5:-2]
            self.assertTrue(any((ROOT / "tests/fuzz").rglob(name)), name)
            self.assertTrue(any(corpus.iterdir()), name)

    def rows(self, title):
        chapter = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", self.text,
                            re.S | re.M)[1]
        return [[cell.strip() for cell in row[1:-1].split("|")]
                for row in re.findall(r"^\|.*\|$", chapter, re.M)[2:]]

    def test_every_attack_has_a_test(self):
        without = [attack for attack, _, tests
                   in self.rows("Threats, answers, tests")
                   if "`" not in tests and "**" not in attack]
        self.assertEqual(without, [])
        services = self.rows("Attacks on hidden services")
        self.assertEqual([int(row[0]) for row in services],
                         list(range(1, 39)))
        for row in services:
            self.assertRegex(row[3], "`(test|fuzz)_", row[1])

    def test_every_cap_has_a_test(self):
        caps = set()
        for line in warren("config", "default").stdout.splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            key = re.match(r"#((tcp_)?max_\w+|\w*(rate|burst|bandwidth)) =",
                           line)
            # The caps of [mainline] are those of [dht], in the same code.
            if key and section != "mainline":
                caps.add(f"{section}.{key[1]}")
        rows = self.rows("Caps")
        self.assertEqual(caps, {key for row in rows for key in
                                re.findall(r"`([\w.]+)`", row[0])})
        for row in rows:
            self.assertRegex(row[2], "`test_", row[0])


class Bytes(ProcessTest):
    """What the protocol's examples leave out: a response as it is sent."""

    def test_ping(self):
        node = self.net.add().start()
        major, minor, patch = map(int, re.search(
            r"(\d+)\.(\d+)\.(\d+)", warren("version").stdout).groups())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((f"{self.net.prefix}.200", 0))
            sock.settimeout(5)
            sock.sendto(b"\x84\xa1a\x81\xa2id\xc4\x14abcdefghij0123456789"
                        b"\xa1q\xa4ping\xa1t\xc4\x02aa\xa1y\xa1q",
                        (node.address, 7881))
            host, port = sock.getsockname()
            self.assertEqual(
                sock.recv(2048),
                b"\x85\xa2ip\xc4\x06" + socket.inet_aton(host) +
                struct.pack(">H", port) + b"\xa1r\x81\xa2id\xc4\x14" +
                bytes.fromhex(node.id()) + b"\xa1t\xc4\x02aa" +
                b"\xa1v\xc4\x04WR" + bytes([major, minor << 4 | patch]) +
                b"\xa1y\xa1r")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        unittest.main()
