# SPDX-License-Identifier: MIT
"""A private network of tor on this machine: one directory authority, as many
relays and exits as ours has, and a client, each a process on an address of
its own. tor(1), TESTING NETWORK OPTIONS, says what makes it private.
"""
import contextlib
import os
import random
import re
import shutil
import subprocess

from measure import EXITS, HOPS, RELAYS, Failure, Missing
from harness import wait_for  # measure says where it is
from socks_load import Load
from tor_control import TorControl

INSTALL = (
    "apt-get install --no-install-recommends tor",
    "systemctl disable --now tor    (the program is enough)",
)
DIFFERENCES = (
    "A TCP stream, in order and repeated where lost, in cells of 514 bytes",
    "over TLS, at the rate that its congestion control finds, after 4 s of",
    "warming up. Its relays keep a directory, ours a DHT. A program reaches",
    "its client by SOCKS and is not counted; ours is the client, and is",
    "counted.",
)
WARM_UP = 4  # seconds until the congestion control has found its window
OR_PORT, DIR_PORT, SOCKS_PORT = 9001, 9030, 9050

# Nothing leaves this machine: no DNS, no directory but ours.
#
# What makes one circuit fastest where there is no latency: the default
# scheduler, KIST, writes each 10 ms and makes 2 to 9 MB/s of it on two cores,
# this one 10 to 47; with the long queues below 37 to 50.
COMMON = """\
TestingTorNetwork 1
UseDefaultFallbackDirs 0
AddressDisableIPv6 1
AssumeReachable 1
ServerDNSDetectHijacking 0
ServerDNSResolvConfFile {directory}/resolv.conf
Schedulers Vanilla
__OwningControllerProcess {pid}
DataDirectory {directory}/{name}
Log notice file {directory}/{name}/log
Nickname {name}
OutboundBindAddress {address}
"""
AUTHORITY = """\
Address {address}
ORPort {address}:{or_port}
DirPort {address}:{dir_port}
SocksPort 0
ExitRelay 0
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ContactInfo none
V3AuthVotingInterval 10
V3AuthVoteDelay 2
V3AuthDistDelay 2
TestingV3AuthInitialVotingInterval 10
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingMinExitFlagThreshold 0
ConsensusParams cc_alg=2 cc_sscap_exit=10000 cc_vegas_alpha_exit=1000 \
cc_vegas_beta_exit=1000 cc_vegas_gamma_exit=1000 cc_vegas_delta_exit=5000
"""
RELAY = """\
Address {address}
ORPort {address}:{or_port}
SocksPort 0
"""
EXIT = RELAY + """\
ExitRelay 1
ExitPolicy accept *:*
"""
CLIENT = """\
ClientOnly 1
SocksPort {address}:{socks_port}
ControlSocket {directory}/control
LearnCircuitBuildTimeout 0
__LeaveStreamsUnattached 1
"""


class TorNetwork:
    def __init__(self, directory, prefix):
        self.tor = shutil.which("tor") or shutil.which("tor", path="/usr/sbin")
        if self.tor is None or shutil.which("tor-gencert") is None:
            raise Missing("there is no program tor, or no tor-gencert")
        version = self.run(self.tor, "--version").split("\n")[0]
        self.title = version.rstrip(".")
        self.directory = directory
        self.prefix = prefix
        self.addresses = {}
        self.processes = {}
        self.control = None
        self.load = None

    @staticmethod
    def run(*command, **options):
        return subprocess.run(command, capture_output=True, text=True,
                              timeout=30, check=True, **options).stdout

    # ---- files ----

    def torrc(self, name, text, authority):
        """Writes it, into a directory of the node's own."""
        number = len(self.addresses) + 1
        address = self.addresses.setdefault(name, f"{self.prefix}.{number}")
        (self.directory / name).mkdir(mode=0o700, exist_ok=True)
        (self.directory / name / "torrc").write_text(
            (COMMON + text).format(
                directory=self.directory, name=name, pid=os.getpid(),
                address=address, or_port=OR_PORT, dir_port=DIR_PORT,
                socks_port=SOCKS_PORT) + authority)

    def command(self, name, *flags):
        return [self.tor, "-f", self.directory / name / "torrc", "--quiet",
                "--defaults-torrc", self.directory / "empty", *flags]

    def certificate(self):
        """The authority's; returns its fingerprint."""
        keys = self.directory / "authority" / "keys"
        keys.mkdir(mode=0o700, parents=True)
        self.run("tor-gencert", "--create-identity-key", "--passphrase-fd",
                 "0", cwd=keys, input="none\n")
        text = (keys / "authority_certificate").read_text()
        return re.search(r"^fingerprint (\w{40})$", text, re.MULTILINE)[1]

    def authority(self):
        """Writes its files; returns the line by which others know it."""
        line = "DirAuthority authority orport={} v3ident={} {}.1:{} {}\n"
        known = OR_PORT, self.certificate(), self.prefix, DIR_PORT
        self.torrc("authority", AUTHORITY, line.format(*known, "0" * 40))
        told = self.run(*self.command("authority", "--list-fingerprint"))
        line = line.format(*known, "".join(told.split()[1:]))
        self.torrc("authority", AUTHORITY, line)
        return line

    # ---- processes ----

    def start(self):
        (self.directory / "empty").write_text("")
        (self.directory / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        authority = self.authority()
        self.relays = [f"relay{i}" for i in range(RELAYS)]
        self.exits = [f"exit{i}" for i in range(EXITS)]
        for names, text in ((self.relays, RELAY), (self.exits, EXIT),
                            (["client"], CLIENT)):
            for name in names:
                self.torrc(name, text, authority)
        for name in self.addresses:
            self.processes[name] = subprocess.Popen(
                self.command(name), stdin=subprocess.DEVNULL)
        wait_for("tor's client listens", self.connect)
        wait_for("tor's client knows all relays", self.knows_all, 60, 0.2)

    def connect(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                log = self.directory / name / "log"
                raise Failure(f"tor ended: {log.read_text()[-500:]}")
        with contextlib.suppress(OSError):  # not yet
            self.control = TorControl(self.directory / "control")
        return self.control is not None

    def knows_all(self):
        self.known = self.control.relays()
        return (self.control.bootstrapped() == 100 and
                self.known.keys() >= {*self.relays, *self.exits} and
                all(map(self.control.has_descriptor, self.known.values())))

    def pids(self):
        return [p.pid for p in self.processes.values()]

    def relay_pids(self):
        """Without the authority's and the client's."""
        return [self.processes[n].pid for n in (*self.relays, *self.exits)]

    # ---- figures ----

    def build(self):
        """A circuit, and milliseconds."""
        path = random.sample(self.relays, HOPS - 1)
        path.append(random.choice(self.exits))
        return self.control.build(self.known[name] for name in path)

    def remove(self, circuit):
        self.control.remove(circuit)

    def transfer(self, seconds):
        """MB/s and s/GB."""
        circuit = self.build()[0]
        proxy = (self.addresses["client"], SOCKS_PORT)
        self.load = Load(proxy, f"{self.prefix}.200")
        self.load.start_stream(lambda: self.control.attach(circuit))
        self.load.measure(self.pids(), WARM_UP)
        figures = self.load.measure(self.pids(), seconds)
        self.load.stop()
        self.remove(circuit)
        return figures

    def close(self):
        if self.load:
            self.load.stop()
        if self.control:
            self.control.close()
        for process in self.processes.values():
            process.kill()
            process.wait()
