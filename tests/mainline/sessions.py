# SPDX-License-Identifier: MIT
"""libtorrent's sessions in this process, each on a machine of the stage, as
nodes of the mainline DHT."""
import hashlib
import socket
import time
import warnings

from krpc import endpoint
from stage import Failure, Machine, family_of, inside

try:
    import libtorrent as lt
    WITHOUT = ""
except ImportError:
    lt = None
    WITHOUT = "there is no python3-libtorrent here"

# What is asked by hand here is the old interface to its programmers.
warnings.filterwarnings("ignore", category=DeprecationWarning)
PORT = 6881
PATIENCE = 60
# Its limits on what it sends and on what one may ask it are for millions:
# in a network of ten everybody asks everybody.
PATIENT = {"dht_upload_rate_limit": 1 << 20, "dht_block_ratelimit": 1000}


def expanded(seed):
    """The secret key of an Ed25519 seed, as libtorrent wants it."""
    raw = bytearray(hashlib.sha512(seed).digest())
    raw[0] &= 248
    raw[31] = raw[31] & 63 | 64
    return bytes(raw)


class Session:
    """`bootstrap`: [(host, port)], which it asks at the start and has in no
    table; `meet` is for others."""

    def __init__(self, directory, *addresses, bootstrap=(), **settings):
        self.got = directory / "got"
        self.got.mkdir(parents=True)
        self.machine = Machine(addresses)
        self.at = {family_of(a): (a, PORT) for a in addresses}
        listen = ",".join(f"[{a}]:{PORT}" if ":" in a else f"{a}:{PORT}"
                          for a in addresses)
        routers = ",".join(f"[{h}]:{p}" if ":" in h else f"{h}:{p}"
                           for h, p in bootstrap)
        with inside(self.machine.space):
            self.lt = lt.session({
                "listen_interfaces": listen, "dht_bootstrap_nodes": routers,
                "enable_dht": True, "enable_lsd": False, "enable_upnp": False,
                "enable_natpmp": False, **PATIENT,
                "alert_mask": lt.alert.category_t.dht_notification
                | lt.alert.category_t.dht_operation_notification,
                **settings}, flags=0)
        self.lt.add_extension("ut_metadata")

    def close(self):
        self.lt = None
        self.machine.close()

    def meet(self, *others):
        """These are nodes, (host, port) each."""
        for other in others:
            self.lt.add_dht_node(other)

    def wait(self, kind, read, what, again=lambda: None, seconds=PATIENCE):
        """What read(alert) says of the first such alert of which it says
        something. `again` is called every five seconds, first at once."""
        deadline = time.monotonic() + seconds
        due = 0
        while time.monotonic() < deadline:
            if time.monotonic() >= due:
                again()
                due = time.monotonic() + 5
            for alert in self.lt.pop_alerts():
                said = read(alert) if isinstance(alert, kind) else None
                if said is not None:
                    return said
            self.lt.wait_for_alert(200)
        raise Failure(f"libtorrent, not within {seconds} s: {what}")

    # ---- Its table

    def state(self):
        return self.lt.save_state()[b"dht state"]

    def table(self):
        """{(host, port)} of the good nodes of both families."""
        state = self.state()
        return {endpoint(raw) for key in (b"nodes", b"nodes6")
                for raw in state.get(key, [])}

    def saved(self):
        """The file that a program made with libtorrent keeps."""
        return lt.bencode(self.lt.save_state())

    # ---- Peers

    def seed(self, torrent):
        """Its peer is at the port of its node."""
        self.add(torrent.magnet, torrent.file.parent, lt.torrent_info(
            lt.bdecode(torrent.metainfo)))

    def download(self, magnet):
        self.add(magnet, self.got, None)

    def add(self, magnet, folder, info):
        params = lt.parse_magnet_uri(magnet)
        if info is not None:
            params.ti = info
        params.save_path = str(folder)
        params.flags &= ~(lt.torrent_flags.paused
                          | lt.torrent_flags.auto_managed)
        self.lt.add_torrent(params).force_dht_announce()

    def find(self, info_hash, wanted):
        """Until it has found this peer."""
        target = lt.sha1_hash(bytes.fromhex(info_hash))

        def read(alert):
            return alert.info_hash == target and wanted in \
                alert.peers() or None

        self.wait(lt.dht_get_peers_reply_alert, read,
                  f"finds {wanted} for {info_hash}",
                  lambda: self.lt.dht_get_peers(target))

    # ---- Items

    def put(self, value):
        """How many nodes keep the immutable item, and its target."""
        target = self.lt.dht_put_immutable_item(value)

        def read(alert):
            return alert.num_success or None

        return self.wait(lt.dht_put_alert, read, "puts an item",
                         lambda: self.lt.dht_put_immutable_item(value)), \
            str(target)

    def put_mutable(self, seed, public, value, salt=b""):
        """How many nodes keep it."""
        def put():
            self.lt.dht_put_mutable_item(expanded(seed), public, value, salt)

        def read(alert):
            return alert.num_success or None

        return self.wait(lt.dht_put_alert, read, "puts a mutable item", put)

    def get(self, target):
        wanted = lt.sha1_hash(bytes.fromhex(target))

        def read(alert):
            return alert.item["value"] if alert.target == wanted else None

        return self.wait(lt.dht_immutable_item_alert, read,
                         f"gets {target}",
                         lambda: self.lt.dht_get_immutable_item(wanted))

    def get_mutable(self, public, wanted, salt=b""):
        """Until an item has this value; its version. libtorrent checks the
        signatures, and tells of older versions first."""
        def read(alert):
            item = alert.item or {"key": None}
            return item["seq"] if (item["key"] == public and item["salt"]
                                   == salt and item["value"] == wanted) \
                else None

        return self.wait(lt.dht_mutable_item_alert, read,
                         f"gets what {public.hex()} signed", lambda:
                         self.lt.dht_get_mutable_item(public, salt))

    def samples(self, to):
        """(hashes, interval, how many it has) of a node."""
        def read(alert):
            return ([str(h) for h in alert.samples], alert.interval,
                    alert.num_infohashes)

        return self.wait(
            lt.dht_sample_infohashes_alert, read, f"samples {to}",
            lambda: self.lt.dht_sample_infohashes(
                to, lt.sha1_hash(bytes(20))))
