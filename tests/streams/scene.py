# SPDX-License-Identifier: MIT
"""An Internet of ours: relays, an exit, a name server that only the exit asks,
and servers; and the programs that tests of applications start."""
import http.server
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import threading

from stage import PATIENCE, Streams, clean_environment, wait_for
from nameserver import Dns

EXIT = ("--exit.become_exitnode", "yes", "--exit.policy", "accept *:*",
        "--exit.tcp_policy", "reject 192.168.0.0/16:*, accept *:*")


def missing(*programs):
    """Which of them are not installed here; says so."""
    lacks = [p for p in programs if shutil.which(p) is None]
    if lacks:
        print(f"skipped: not installed here: {', '.join(lacks)}", flush=True)
    return lacks


def run(*args, data=None, timeout=PATIENCE, env=None, **more):
    """A program with this standard input, and what came of it, as bytes. Its
    environment has no proxy but what `env` says."""
    clean = {k: v for k, v in clean_environment().items()
             if not k.lower().endswith("_proxy")}
    if data is None:
        more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([str(a) for a in args], input=data,
                          capture_output=True, timeout=timeout,
                          env=clean | (env or {}), check=False, **more)


def git_repository(root, env):
    """A folder to be served over HTTP, with a project.git in it."""
    files = root / "files"
    work, origin = root / "work", files / "project.git"
    work.mkdir()
    (work / "file").write_text("of a project\n")
    for args in (("init", "-q"), ("add", "file"),
                 ("-c", "user.name=a", "-c", "user.email=a@example",
                  "commit", "-q", "-m", "one"),
                 ("clone", "-q", "--bare", ".", origin)):
        run("git", "-C", work, *args, env=env)
    run("git", "-C", origin, "update-server-info", env=env)
    return files


class Web(http.server.ThreadingHTTPServer):
    """Pages from a dictionary, by path; what is put there can be had again.
    Notes who connected (`seen`), and for what (`hosts`)."""
    daemon_threads = True
    request_queue_size = 1024

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, code, body=b""):
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.server.hosts.append(self.headers.get("Host"))
            body = self.server.page(self.path.split("?")[0])
            self.answer(404 if body is None else 200, body or b"")

        def do_PUT(self):
            count = int(self.headers["Content-Length"])
            self.server.pages[self.path] = self.rfile.read(count)
            self.answer(201)

        def log_message(self, *_):
            pass

    def __init__(self, address, pages, folder=None):
        self.pages, self.folder = dict(pages), folder
        self.seen, self.hosts = [], []
        super().__init__(address, self.Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def page(self, path):
        if path in self.pages or self.folder is None:
            return self.pages.get(path)
        file = self.folder / path.lstrip("/")
        return file.read_bytes() if file.is_file() else None

    def process_request(self, request, client_address):
        self.seen.append(client_address)
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        pass

    def close(self):
        self.shutdown()
        self.server_close()


class Scene(Streams):
    """With an exit, `self.exit`, and names, `self.dns.names`."""

    def setUp(self):
        super().setUp()
        self.host = f"{self.net.prefix}.201"
        self.dns = Dns(f"{self.net.prefix}.210", {
            "web.example": [self.host]})
        self.exit = self.add(flags=EXIT + (
            "--exit.nameservers", self.dns.endpoint))

    def web(self, pages=(), folder=None, host=None):
        web = Web((host or self.host, 0), pages, folder)
        self.closing.append(web)
        return web, web.server_address[1]

    def background(self, *args, **more):
        """A program that runs until the test ends."""
        log = open(self.net.root / "program.log", "ab")
        process = subprocess.Popen([str(a) for a in args], stdout=log,
                                   stderr=log, stdin=subprocess.DEVNULL,
                                   env=clean_environment(), **more)

        def end():
            process.kill()
            process.wait()
            log.close()
        self.addCleanup(end)
        return process

    def sshd(self):
        """An sshd of this user's own: its port, and a configuration for ssh
        with a key that it takes. Skips the test where there is none."""
        if missing("ssh", "ssh-keygen") or shutil.which(
                "sshd", path="/usr/sbin:/usr/bin") is None:
            print("skipped: no ssh and sshd here", flush=True)
            self.skipTest("no ssh and sshd")
        there = self.net.root / "sshd"
        there.mkdir(mode=0o700)
        for name in "host", "user":
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                there / name)
        if os.geteuid() == 0:  # else sshd asks for no such place
            pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        with socket.create_server((self.host, 0)) as s:
            port = s.getsockname()[1]
        (there / "server").write_text(
            f"ListenAddress {self.host}:{port}\nHostKey {there}/host\n"
            f"AuthorizedKeysFile {there}/user.pub\nStrictModes no\n"
            f"PidFile {there}/pid\nUsePAM no\nPasswordAuthentication no\n")
        (there / "client").write_text(
            f"IdentityFile {there}/user\nStrictHostKeyChecking accept-new\n"
            f"UserKnownHostsFile {there}/known\n"
            f"User {pwd.getpwuid(os.geteuid()).pw_name}\n")
        self.background("/usr/sbin/sshd", "-D", "-e", "-f", there / "server")
        listens(self.host, port)
        return port, there / "client"


def listens(host, port):
    def there():
        try:
            socket.create_connection((host, port), 1).close()
        except OSError:
            return False
        return True
    wait_for(f"somebody listens on {host}:{port}", there, PATIENCE)


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))
