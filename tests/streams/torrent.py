#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A torrent client (libtorrent), as a program:

    torrent.py FILE FOLDER SETTING=VALUE...

`FILE` is a torrent, `FOLDER` has what there is of it. Runs until all of it is
there and its tracker has heard so, or, with stay=1, until it is killed."""
import sys
import time

import libtorrent as lt

OFF = {"enable_dht": False, "enable_lsd": False, "enable_upnp": False,
       "enable_natpmp": False, "allow_multiple_connections_per_ip": True,
       "alert_mask": lt.alert.category_t.all_categories & ~(
           lt.alert.category_t.debug_notification |
           lt.alert.category_t.stats_notification)}


def value(text):
    return {"yes": True, "no": False}.get(text) if text in (
        "yes", "no") else int(text) if text.isdigit() else text


def main():
    torrent, folder = sys.argv[1:3]
    said = dict(word.split("=", 1) for word in sys.argv[3:])
    stay = said.pop("stay", None)
    settings = OFF | {key: value(text) for key, text in said.items()}
    # 0: none of the extensions by which peers tell of each other.
    session = lt.session(settings, flags=0)
    one = session.add_torrent({"ti": lt.torrent_info(torrent),
                               "save_path": folder})
    while stay or not (one.status().is_seeding and told):
        for alert in session.pop_alerts():
            print(alert.what(), alert.message(), file=sys.stderr, flush=True)
        told = any(t["endpoints"] and not t["updating"]
                   for t in one.trackers())
        time.sleep(0.1)
    print("all of it", flush=True)


if __name__ == "__main__":
    main()
