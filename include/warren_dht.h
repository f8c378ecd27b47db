/* SPDX-License-Identifier: MIT
 *
 * Either DHT: the built-in one, whose nodes are those of the node's network,
 * and the mainline DHT, that of BitTorrent, which a node with the setting
 * mainline.enabled is in as well. Part of warren.h, which includes it; what is
 * said there of the functions without `_in` holds here too. All requests have
 * numbers of their own: warren_dht_cancel takes any.
 *
 *     uint8_t hash[20];
 *
 *     warren_magnet_hash("magnet:?xt=urn:btih:...", hash);
 *     warren_dht_get_peers_in(w, WARREN_DHT_MAINLINE, hash, 0, &handler, NULL);
 *
 * All functions but warren_magnet_hash: WARREN_ERR_UNSUPPORTED (the node is not
 * in that DHT), WARREN_ERR_ARGUMENT (no such DHT, no such flag).
 */
#ifndef WARREN_DHT_H
#define WARREN_DHT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct warren;
struct warren_dht_handler;

enum warren_dht { WARREN_DHT_BUILT_IN = 0, WARREN_DHT_MAINLINE = 1 };

/* Flags, to be combined. Seeds are peers that have all of it (BEP 33). */
enum warren_dht_flag {
    WARREN_DHT_SEED = 1,    /* of an announcement: this host is one */
    WARREN_DHT_NO_SEEDS = 2 /* of a lookup: only the others, as far as nodes
                               know */
};

/* As warren_dht_get_peers. */
WARREN_API int warren_dht_get_peers_in(struct warren *w, enum warren_dht dht,
                                       const uint8_t hash[20], unsigned flags,
                                       const struct warren_dht_handler *handler,
                                       uint64_t *request);

/* How many peers there are (BEP 33): `scraped`, `seeds` and `downloaders` of
 * the result. The handler hears of peers that nodes name by the way. */
WARREN_API int warren_dht_scrape_in(struct warren *w, enum warren_dht dht,
                                    const uint8_t hash[20],
                                    const struct warren_dht_handler *handler,
                                    uint64_t *request);

/* As warren_dht_announce, and warren_dht_withdraw. A hash may be announced in
 * both. */
WARREN_API int warren_dht_announce_in(struct warren *w, enum warren_dht dht,
                                      const uint8_t hash[20], uint16_t port,
                                      unsigned flags,
                                      const struct warren_dht_handler *handler,
                                      uint64_t *request);
WARREN_API int warren_dht_withdraw_in(struct warren *w, enum warren_dht dht,
                                      const uint8_t hash[20]);

/* The hash that the DHT knows a torrent by, out of its magnet link (BEP 9), or
 * out of 40 hex digits. Of a torrent of version 2 alone (BEP 52) it is the
 * first 20 bytes of its hash. WARREN_ERR_ARGUMENT. */
WARREN_API int warren_magnet_hash(const char *link, uint8_t hash[20]);

#ifdef __cplusplus
}
#endif

#endif
