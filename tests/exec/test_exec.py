#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`warren exec` as it is to programs and to whoever starts them, and the
private proxy that it opens. test_exec_traffic.py looks at what they send,
test_exec_leaks.py at what leaves the machine meanwhile."""
import errno
import os
import pathlib
import pty
import shlex
import shutil
import signal
import socket
import subprocess
import unittest

from running import WHY_NOT, Running, python
from page import block
from scene import Scene, git_repository, missing, run
from stage import (CLIENT, PATIENCE, SocksError, echo, read_exact, socks,
                   wait_for)
from harness import (NO_DAEMON, TROUBLE, USAGE, Control, Failure, ProcessTest,
                     clean_environment, warren)

RAW = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
/* RAW ADDRESS PORT: connects and talks by system calls alone. */
int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    char buf[64] = {0};
    long fd = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);

    if (argc < 3)
        return 1;
    at.sin_port = htons((unsigned short)atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &at.sin_addr);
    if (syscall(SYS_connect, fd, &at, sizeof(at)) != 0)
        return 2;
    syscall(SYS_write, fd, "raw", 3);
    syscall(SYS_read, fd, buf, sizeof(buf) - 1);
    puts(buf);
    return 0;
}
"""


class Private(Running, Scene):
    """The method socks.open."""

    def opened(self, node, **params):
        """A control connection that holds a proxy open; where that is, its
        user and its password."""
        control = Control(node)
        self.closing.append(control.socket)
        control.send("socks.open", **params)
        kind, method, (_, told) = control.receive()
        self.assertEqual((kind, method), (2, "listening"))
        host, port = told["address"].split(":")
        self.assertEqual(host, "127.0.0.1")
        return control, (host, int(port)), (told["user"], told["password"])

    def test_private_proxy(self):
        port = self.server(echo).server_address[1]
        node = self.add()  # with no proxy of its own
        control, proxy, user = self.opened(node, hops=1)
        _, other, another = self.opened(node, hops=1)
        self.assertNotEqual((proxy, user), (other, another))
        with socks(proxy, "web.example", port, user=user) as s:
            s.sendall(b"through")
            self.assertEqual(read_exact(s, 7), b"through")
            # Nobody else gets anything of it, by any protocol.
            for name in None, ("exec", "guess"), another, (user[0], ""):
                with self.assertRaises(SocksError) as refused:
                    socks(proxy, "web.example", port, user=name)
                self.assertEqual(refused.exception.args, (2,))
            with socket.create_connection(proxy, PATIENCE) as http:
                http.sendall(b"CONNECT web.example:%d HTTP/1.1\r\n\r\n" % port)
                self.assertIn(b" 403 ", http.recv(4096))
            # It ends with whoever asked for it, and so do its connections.
            control.socket.close()
            s.settimeout(PATIENCE)
            with self.assertRaises(ConnectionResetError):
                s.recv(1)
        with self.assertRaises(OSError):
            socket.create_connection(proxy, PATIENCE)
        with socks(other, "web.example", port, user=another) as s:
            s.sendall(b"still")
            self.assertEqual(read_exact(s, 5), b"still")

    def test_one_process_leaves_room(self):
        """A process that opens proxies has a quarter of them."""
        node = self.add(flags=CLIENT + ("--socks.max_private", "8"))
        for _ in range(2):
            self.opened(node, hops=1)
        with Control(node) as control:
            with self.assertRaisesRegex(Failure, "socks.max_private"):
                control.call("socks.open", hops=1)
        self.assertEqual(node.metrics()["warren_socks_private"], 2)
        done = run(*self.words(node, "true")) if not WHY_NOT else None
        self.assertIn(done and (done.returncode, done.stderr),
                      (None, (0, b"")))

    def test_names_share_circuits(self):
        """Of one name one connection to the exit, of none a new one each."""
        port = self.server(echo).server_address[1]
        node = self.add()

        def trunks():
            return node.metrics()['warren_stream_connections{whose="own"}']

        counts = []
        for name in ({"name": "a"}, {"name": "a"}, {"name": "b"}, {}, {}):
            _, proxy, user = self.opened(node, hops=1, **name)
            self.closing.append(socks(proxy, "web.example", port, user=user))
            counts.append(trunks())
        self.assertEqual(counts, [1, 1, 2, 3, 4])
        # Others are nobody there.
        with self.assertRaises(SocksError):
            socks(proxy, "web.example", port, user=(f"{user[0]}.0", user[1]))

    def test_senseless_requests(self):
        node = self.add()
        with Control(node) as control:
            for params, said in (({}, "hops is missing"),
                                 ({"hops": 9}, "from 1 to 4")):
                with self.assertRaisesRegex(Failure, said):
                    control.call("socks.open", **params)


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Programs(Running, Scene):
    """Each as it is, with no word of a proxy."""

    def setUp(self):
        super().setUp()
        self.folder = self.net.root / "home"
        self.folder.mkdir()
        self.env = {"HOME": str(self.folder),
                    "https_proxy": "http://127.0.0.1:9",
                    "ALL_PROXY": "socks5h://127.0.0.1:9"}

    def test_programs(self):
        node = self.add()
        for name in ("page", "curl", "wget", "ssh", "raw"):
            with self.subTest(name):
                getattr(self, name)(node)
        wait_for("nothing is left of them", lambda: not self.carriers(node),
                 PATIENCE)

    def page(self, node):
        """The lines of docs/applications.md."""
        if missing("curl", "git"):
            return
        files = git_repository(self.net.root, self.env)
        site, port = self.web({"/": b"a page\n"}, files)
        text = block("exec").replace("example.org", f"web.example:{port}")
        words = shlex.join(self.words(node, flags=("--hops", "1")))
        done = run("sh", "-e", "-c", text.replace("warren exec", words),
                   cwd=self.folder, env=self.env)
        self.assertEqual((done.returncode, done.stdout), (0, b"a page\n"),
                         done.stderr)
        self.assertEqual((self.folder / "project/file").read_text(),
                         "of a project\n")
        self.assertEqual({a for a, _ in site.seen}, {self.exit.address})

    def curl(self, node):
        if missing("curl"):
            return
        site, port = self.web({"/": b"a page\n"})
        for more in (), ("-4",), ("-6",):
            self.assertEqual(self.done(node, "curl", "-sS", *more,
                                       f"http://web.example:{port}/",
                                       env=self.env), b"a page\n")
        self.assertEqual({a for a, _ in site.seen}, {self.exit.address})
        self.assertEqual(set(site.hosts), {f"web.example:{port}"})

    def wget(self, node):
        if not missing("wget"):
            _, port = self.web({"/": b"a page\n"})
            self.assertEqual(self.done(
                node, "wget", "-q", "-O", "-", f"http://web.example:{port}/",
                env=self.env, flags=()), b"a page\n")

    def ssh(self, node):
        if missing("ssh", "ssh-keygen") or not pathlib.Path(
                "/usr/sbin/sshd").exists():
            return
        port, config = self.sshd()
        said = self.done(node, "ssh", "-q", "-F", config, "-p", port,
                         "web.example", "echo $SSH_CLIENT; cat",
                         data=b"through\n", env=self.env)
        self.assertEqual(said.split()[0].decode(), self.exit.address)
        self.assertEqual(said.splitlines()[1], b"through")

    def raw(self, node):
        """Neither a library nor a variable has a say in it."""
        if missing("cc"):
            return
        source, program = self.folder / "raw.c", self.folder / "raw"
        source.write_text(RAW)
        made = run("cc", "-static", "-O1", "-o", program, source)
        if made.returncode != 0:
            print(f"skipped: no static program: {made.stderr.decode()}")
            return
        port = self.server(echo).server_address[1]
        self.assertEqual(self.done(
            node, "sh", "-c", f"{program} $(getent ahostsv4 web.example | "
            f"sed -n '1s/ .*//p') {port}", env=self.env), b"raw\n")

    def test_service(self):
        if missing("curl"):
            self.skipTest("no curl")
        _, port = self.web({"/": b"a page\n"})
        _, address = self.service([f"80 tcp {self.host}:{port}"])
        self.assertEqual(self.done(self.add(), "curl", "-sS",
                                   f"http://{address}/"), b"a page\n")


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Process(Running, ProcessTest):
    """It is the program, to whoever has started it."""

    def setUp(self):
        super().setUp()
        self.node = self.network_of(2)[1]

    def test_status_and_signals(self):
        for words, status in ((("true",), 0), (("sh", "-c", "exit 7"), 7),
                              (("sh", "-c", "kill -TERM $$"),
                               -signal.SIGTERM)):
            self.assertEqual(self.exec(self.node, *words).returncode, status)
        done = run("sh", "-c", '"$@"; echo $?', "sh", *self.words(
            self.node, "sh", "-c", "kill -KILL $$"))
        self.assertEqual(done.stdout.split()[-1], b"137")
        done = self.exec(self.node, "no-such-program",
                         env={"PATH": "/usr/bin:/bin"})
        self.assertEqual((done.returncode, done.stderr), (
            127, b"warren: cannot run no-such-program: No such file or "
            b"directory\n"))
        done = self.exec(self.node, "/etc/passwd")
        self.assertEqual((done.returncode, done.stderr), (
            126, b"warren: cannot run /etc/passwd: Permission denied\n"))
        process = subprocess.Popen(self.words(self.node, "sleep", 60),
                                   env=clean_environment())
        wait_for("it runs", lambda: b"sleep" == pathlib.Path(
            f"/proc/{process.pid}/cmdline").read_bytes()[:5], PATIENCE)
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), -signal.SIGTERM)
        wait_for("nothing is left", lambda: not self.carriers(self.node),
                 PATIENCE)

    def test_usage(self):
        node = self.node
        for words, status, said in (
                ((), USAGE, b"needs an argument: warren exec PROGRAM"),
                (("--hops", "9", "true"), USAGE, b"from 1 to 4, not '9'"),
                (("--hop", "1", "true"), USAGE, b"did you mean --hops?"),
                (("-x", "true"), USAGE, b"has no flag -x")):
            done = self.exec(node, *words, flags=())
            self.assertEqual(done.returncode, status, words)
            self.assertIn(said, done.stderr)
        done = warren("exec", "--data-dir", self.net.root / "none", "true")
        self.assertEqual(done.returncode, NO_DAEMON)
        self.assertIn("no daemon listens", done.stderr)
        # Flags of the program are its own.
        self.assertEqual(self.done(node, "echo", "--help", "--json", "--",
                                   "-n"), b"--help --json -- -n\n")
        self.assertEqual(self.done(node, "--", "echo", "--hops"),
                         b"--hops\n")
        self.assertIn("--allow-leaks", warren("exec", "--help").stdout)

    def test_what_the_program_finds(self):
        """The same user, place, files and environment, without privileges."""
        here = self.net.root
        said = self.done(self.node, "sh", "-c", """
            id; pwd; cat; echo "$WORD"; env | grep -ci _proxy
            grep -E '^(Cap(Amb|Inh)|NoNewPrivs)' /proc/self/status
            cat /etc/resolv.conf; grep ^hosts /etc/nsswitch.conf
            """, data=b"of stdin\n", cwd=here,
            env={"WORD": "a word", "http_proxy": "http://127.0.0.1:9"})
        lines = said.decode().splitlines()
        self.assertEqual(lines[0].split()[:2],
                         run("id").stdout.decode().split()[:2])
        self.assertEqual(lines[1:], [
            str(here), "of stdin", "a word", "0", "CapInh:\t" + 16 * "0",
            "CapAmb:\t" + 16 * "0", "NoNewPrivs:\t1", "# by warren exec",
            "nameserver 127.0.0.1", "search .", "hosts: files dns"])

    def test_families_of_sockets(self):
        """Those that a network namespace keeps apart, and no others."""
        said = self.done(self.node, *python("""
            for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6,
                           socket.AF_NETLINK, socket.AF_VSOCK,
                           socket.AF_BLUETOOTH, socket.AF_ALG, 42):
                try:
                    socket.socket(family, socket.SOCK_DGRAM).close()
                    print("made")
                except OSError as error:
                    print(error.errno)
            # Which would make others (io_uring_setup, on all machines).
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            print(libc.syscall(425, 1, bytes(120)), ctypes.get_errno())
            """))
        self.assertEqual(said.decode().split(), 4 * ["made"] + 4 * [
            str(errno.EAFNOSUPPORT)] + ["-1", str(errno.ENOSYS)])

    def test_resolvers(self):
        """Whatever resolv.conf may say by then: systemd-resolved puts its own
        in the place of another, and with it 127.0.0.53."""
        said = self.done(self.node, *python("""
            query = (b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0"
                     b"\\3web\\7example\\0\\0\\1\\0\\1")
            for resolver in "127.0.0.1", "127.0.0.53":
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                s.connect((resolver, 53))
                s.settimeout(60)
                s.send(query)
                print(socket.inet_ntoa(s.recv(512)[-4:]))
            """))
        self.assertEqual(said, 2 * b"198.18.0.1\n")

    def test_hidden_sockets(self):
        """Who would act for the program outside is not there; others are."""
        folder = self.net.root / "run"
        folder.mkdir()
        for name in "bus", "other":
            s = socket.socket(socket.AF_UNIX)
            self.addCleanup(s.close)
            s.bind(str(folder / name))
            s.listen()
        said = self.done(self.node, *python("""
            import os
            print("DBUS_SESSION_BUS_ADDRESS" in os.environ)
            for name in sys.argv[1:]:
                try:
                    socket.socket(socket.AF_UNIX).connect(name)
                    print("there")
                except OSError as error:
                    print(error.strerror)
            """, folder / "bus", folder / "other"), env={
                "XDG_RUNTIME_DIR": str(folder),
                "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus"})
        self.assertEqual(said, b"False\nConnection refused\nthere\n")

    def test_hidden_sockets_without_a_variable(self):
        """A program knows where they are without XDG_RUNTIME_DIR."""
        said = run("unshare", "--user", "--map-root-user", "--mount", "sh",
                   "-ec", """mount -t tmpfs run /run
                   mkdir -p /run/user/0
                   exec env -u XDG_RUNTIME_DIR "$@" """, "sh", *python("""
            import subprocess
            s = socket.socket(socket.AF_UNIX)
            s.bind("/run/user/0/bus")
            s.listen()
            sys.exit(subprocess.call(sys.argv[1:]))
            """), *self.words(self.node, *python("""
            try:
                socket.socket(socket.AF_UNIX).connect("/run/user/0/bus")
                print("there")
            except OSError as error:
                print(error.strerror)
            """)))
        self.assertEqual((said.stdout, said.stderr),
                         (b"Connection refused\n", b""))

    def test_within_itself(self):
        done = self.exec(self.node, *self.words(self.node, "true"))
        self.assertEqual((done.returncode, done.stderr), (
            USAGE, b"warren: this is run by 'warren exec' already: true can "
            b"be run as it is\n"))

    def test_addresses_of_others_can_be_bound(self):
        """Which is no sign of running within itself."""
        done = run("unshare", "--user", "--map-root-user", "--net", "sh",
                   "-ec", """ip link set lo up
                   echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind
                   exec "$@" """, "sh", *self.words(self.node, "echo", "runs"))
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, b"runs\n", b""))

    def test_root_of_a_namespace(self):
        """Root with few ids is served as a user is."""
        done = run("unshare", "--user", "--map-root-user",
                   *self.words(self.node, "id", "-u"))
        self.assertEqual((done.returncode, done.stdout), (0, b"0\n"),
                         done.stderr)

    def test_inherited_files(self):
        """A pipe comes along; a socket to the network does not."""
        reader, writer = os.pipe()
        with socket.create_server(("127.0.0.1", 0)) as server, \
                socket.create_connection(server.getsockname()) as s:
            done = self.exec(self.node, *python("""
                import os
                os.write(int(sys.argv[1]), b"through\\n")
                try:
                    os.write(int(sys.argv[2]), b"leak")
                except OSError:
                    print("closed")
                """, writer, s.fileno()), pass_fds=[writer, s.fileno()])
            self.assertEqual(done.stdout, b"closed\n", done.stderr)
        os.close(writer)  # nobody else has it: neither has who carries
        with open(reader, "rb") as pipe:
            self.assertEqual(pipe.read(), b"through\n")

    def test_terminal(self):
        """Ctrl-Z stops the program, Ctrl-C ends it, as a shell that started
        it sees; what carries for it has no terminal and goes on."""
        words = self.words(self.node, "sh", "-c", "echo ready; exec sleep 60")
        seen, tell = os.pipe()
        leader, master = pty.fork()
        if leader == 0:  # a shell in as many lines as it takes
            pid = os.fork()
            if pid == 0:
                os.setpgid(0, 0)
                signal.signal(signal.SIGTTOU, signal.SIG_IGN)
                os.tcsetpgrp(0, os.getpid())
                signal.signal(signal.SIGTTOU, signal.SIG_DFL)
                os.execve(words[0], words, clean_environment())
            status = os.waitpid(pid, os.WUNTRACED)[1]
            os.write(tell, b"%d %d\n" % (pid, status))
            os.killpg(pid, signal.SIGCONT)
            os.write(tell, b"%d\n" % os.waitpid(pid, 0)[1])
            os._exit(0)
        os.close(tell)
        self.addCleanup(os.close, master)
        said = b""
        while b"ready" not in said:
            said += os.read(master, 4096)
        with open(seen, "rb", buffering=0) as shell:
            os.write(master, b"\x1a")
            pid, status = map(int, shell.readline().split())
            self.assertTrue(os.WIFSTOPPED(status), status)
            self.assertEqual(os.WSTOPSIG(status), signal.SIGTSTP)
            carrier, = self.carriers(self.node)
            self.assertNotEqual(carrier, pid)
            self.assertNotEqual(os.getsid(carrier), leader)
            os.write(master, b"\x03")
            status = int(shell.readline())
            self.assertTrue(os.WIFSIGNALED(status), status)
            self.assertEqual(os.WTERMSIG(status), signal.SIGINT)
        os.waitpid(leader, 0)
        wait_for("nothing is left", lambda: not self.carriers(self.node),
                 PATIENCE)


class WithoutNamespaces(Running, Scene):
    """On a system that lets nobody make one more."""

    def setUp(self):
        super().setUp()
        if WHY_NOT and "namespaces" in WHY_NOT:
            self.within = ()
        else:
            self.within = (shutil.which("unshare"), "--user",
                           "--map-root-user", "/bin/sh", "-c",
                           "echo 0 >/proc/sys/user/max_user_namespaces && "
                           "exec \"$@\"", "sh")

    def limited(self, node, *args, flags=(), **more):
        return run(*self.within, *self.words(
            node, *args, flags=("--hops", "1", *flags)), **more)

    def test_refuses(self):
        done = self.limited(self.add(), "true")
        self.assertEqual(done.returncode, TROUBLE)
        self.assertRegex(done.stderr.decode(),
                         "no namespaces can be made here: unshare: .*"
                         "--allow-leaks")

    def path(self, *programs):
        """A PATH with these only."""
        folder = self.net.root / "-".join(programs)
        folder.mkdir()
        for program in programs:
            (folder / program).symlink_to(shutil.which(program))
        return {"PATH": str(folder)}

    def test_what_is_done_instead(self):
        if missing("curl"):
            self.skipTest("no curl")
        node = self.add()
        _, port = self.web({"/": b"a page\n"})
        fetch = ("curl", "-sS", f"http://web.example:{port}/")
        tried = [("proxy variables", self.path("curl"))]
        if not missing("proxychains4"):
            tried.append(("proxychains4", self.path(
                "proxychains4", "curl")))
        for name, env in tried:
            with self.subTest(name):
                done = self.limited(node, *fetch, flags=("--allow-leaks",),
                                    env=env | {"all_proxy": "http://x:1"})
                self.assertEqual((done.returncode, done.stdout),
                                 (0, b"a page\n"), done.stderr)
                self.assertIn(f"curl runs by {name}: what it sends past that "
                              "is not hidden".encode(), done.stderr)
        wait_for("nothing is left", lambda: not self.carriers(node), PATIENCE)
        # torsocks lets nobody connect to loopback, where the sites are:
        # test_exec_leaks.py shows it at work.
        if not missing("torsocks"):
            done = self.limited(node, "true", flags=("--allow-leaks",))
            self.assertIn(b"true runs by torsocks", done.stderr)


if __name__ == "__main__":
    unittest.main()
