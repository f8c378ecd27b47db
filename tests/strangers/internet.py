# SPDX-License-Identifier: MIT
"""The Internet of the stage (stage.py): a namespace in which every public
address is local, machines beside it, and names for addresses."""
import contextlib
import ctypes
import ipaddress
import os
import pathlib
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "process"))
from harness import PORT  # noqa: E402

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


# ---- The namespace ----------------------------------------------------------

def unshare(flags):
    if LIBC.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


def become_root_of_a_user_namespace():
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    self = pathlib.Path("/proc/self")
    (self / "setgroups").write_text("deny")
    (self / "uid_map").write_text(f"0 {uid} 1")
    (self / "gid_map").write_text(f"0 {gid} 1")


def ip(*lines, space=None):
    """Runs lines of `ip`, all at once, here or in another namespace."""
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines),
                          capture_output=True, text=True, check=False,
                          preexec_fn=space and (lambda: go(space)))
    if done.returncode != 0:
        raise OSError(f"ip: {done.stderr.strip()}")


def space_of_this_process():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def go(space):
    """This thread, and what it starts, is in that namespace from now on."""
    if LIBC.setns(space, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


@contextlib.contextmanager
def inside(space):
    """Sockets that are made meanwhile are in that namespace for ever."""
    go(space)
    try:
        yield
    finally:
        go(INTERNET)


GATEWAY, GATEWAY6 = "169.254.0.1", "fe80::1"


def enter():
    """Moves this process onto the stage; says why it could not, or ""."""
    if shutil.which("ip") is None:
        return "no iproute2, so no network namespaces"
    try:
        try:
            if os.geteuid() != 0:
                raise PermissionError
            unshare(CLONE_NEWNET)
        except PermissionError:
            become_root_of_a_user_namespace()
        ip("link set lo up", "route add local 0.0.0.0/0 dev lo",
           "route add local 2000::/3 dev lo")
        for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            pathlib.Path("/proc/sys/net", switch).write_text("1")
    except OSError as error:
        return f"no network namespace here: {error}"
    return ""


WHY_NOT = enter()
INTERNET = None if WHY_NOT else space_of_this_process()
if WHY_NOT:
    print(f"skipped: {WHY_NOT}")


class Machine:
    """A namespace with addresses of its own, and a cable to the Internet."""
    count = 0

    def __init__(self, addresses):
        Machine.count += 1
        device, self.addresses = f"m{Machine.count}", list(addresses)
        try:
            unshare(CLONE_NEWNET)
            self.space = space_of_this_process()
        finally:
            go(INTERNET)
        ip("link set lo up",
           f"link add eth0 type veth peer name {device} netns {os.getpid()}",
           "link set eth0 up",
           *(f"addr add {a}/24 dev eth0 noprefixroute" if "." in a else
             f"addr add {a}/64 dev eth0 noprefixroute nodad"
             for a in addresses),
           f"route add default via {GATEWAY} dev eth0 onlink",
           f"route add default via {GATEWAY6} dev eth0", space=self.space)
        ip(f"link set {device} up", f"addr add {GATEWAY}/32 dev {device}",
           f"addr add {GATEWAY6}/64 dev {device} nodad",
           *(f"route replace {a} dev {device} table local"
             for a in addresses))

    def close(self):
        """The kernel removes the rest when the last process has ended."""
        os.close(self.space)


# ---- Addresses --------------------------------------------------------------

def home(n):
    """The IPv4 address of the n-th household or small server: those after the
    18,480th are the first again."""
    return f"{20 + n % 77}.{7 + n // 77 % 240}.{1 + n % 200}.{1 + n % 250}"


def home6(n):
    return f"{0x2600 + n % 3000:x}:{0x100 + n // 3000:x}:{1 + n:x}::{1 + n:x}"


def nth(prefix, n, of=None):
    """The n-th address of a network; `of`: the n-th network of this length
    in it, and the first address there: nth("2a0e:1:1::/48", 5, of=64)."""
    net = ipaddress.ip_network(prefix)
    step = 1 if of is None else 1 << (net.max_prefixlen - of)
    offset = n * step + (1 if of is not None else 0)
    if offset >= net.num_addresses:
        raise ValueError(f"{prefix} has no {n}-th one")
    return str(net[offset])


def homes(first, count):
    return [home(n) for n in range(first, first + count)]


def homes6(first, count):
    return [home6(n) for n in range(first, first + count)]


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def join(address, port=PORT):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
