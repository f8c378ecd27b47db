/* SPDX-License-Identifier: MIT
 *
 * A Kademlia DHT node as a pure transition: it is given datagrams and the
 * time, and gives back datagrams, events and its next deadline. It knows no
 * socket, no clock and no file. Semantics are those of the mainline DHT
 * (BEP 5, 32, 33, 42, 43, 44, 51); the messages are in wire/krpc. Which of the
 * two DHTs it is a node of, warren's or the mainline DHT, its configuration
 * says: config.dialect.
 *
 *     loop:  dht_receive(d, from, bytes, now)    for each datagram
 *            dht_tick(d, now)                    when dht_next_deadline is due
 *
 * Every call may send through env.send, which must not call back in. What it
 * has to report, through env.event and the handlers of requests, it reports
 * last, when its work is done: so these may call whatever is here, dht_free
 * too. What that has to be told in turn is told by the next dht_tick, which is
 * due at once. Single-threaded.
 */
#ifndef WARREN_DHT_DHT_H
#define WARREN_DHT_DHT_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "base/timestamp.h"
#include "dht/types/dht_config.h"
#include "dht/types/dht_env.h"
#include "dht/types/dht_item.h"
#include "dht/types/dht_request.h"
#include "dht/types/dht_status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Creation ---------------------------------------------------------- */

struct dht;

/* `env` and `config` are copied. ERR_NO_MEMORY, ERR_RANGE (a cap of 0, no
 * family). */
enum error dht_new(const struct dht_config *config, const struct dht_env *env,
                   uint64_t now, struct dht **out);
/* Requests that run are forgotten; no callback is called any more. In a
 * callback it takes effect when the call that reports has returned. */
void dht_free(struct dht *d);

/* Takes new caps and rates; ids, families, network and dialect stay as they
 * are. */
enum error dht_reconfigure(struct dht *d, const struct dht_config *config);

/* ---- Life -------------------------------------------------------------- */

/* OK when the datagram was one of the DHT's and had its effect; otherwise the
 * reason for which it was dropped, which is counted in the statistics. */
enum error dht_receive(struct dht *d, const struct endpoint *from,
                       struct bytes datagram, uint64_t now);
void dht_tick(struct dht *d, uint64_t now);
/* The machine did not let out what was sent to `to`, for this reason
 * (ERR_UNREACHABLE, ERR_FORBIDDEN, ERR_IO): queries to there that are in
 * flight fail now instead of at their time-out. Never from within env.send. */
void dht_send_failed(struct dht *d, const struct endpoint *to, enum error why,
                     uint64_t now);
/* When dht_tick wants to be called; TIME_NEVER when nothing is due. */
uint64_t dht_next_deadline(const struct dht *d);

/* For who drives many nodes: brings what dht_receive and dht_tick are going to
 * touch into the cache, with `stage` 1 the node's own memory, and with 2, when
 * that has come, what it leads to. Changes nothing. */
void dht_prefetch(const struct dht *d, unsigned stage);

/* An address to join through when nothing else is known, asked with back-off
 * as long as the table is empty. Duplicates are ignored. ERR_FULL at 32. */
enum error dht_bootstrap_add(struct dht *d, const struct endpoint *ep,
                             uint64_t now);
/* Forgets all bootstrap addresses (the names are resolved anew). */
void dht_bootstrap_clear(struct dht *d);

/* What the machine can reach has changed. A family that is not `usable` is
 * not counted on: as long as the other one is, lookups leave it out. The
 * others are joined, or looked through, anew at once, and asked for our
 * address; where it has `moved`, the one that we had is forgotten. */
void dht_network_changed(struct dht *d, const bool usable[FAMILIES],
                         const bool moved[FAMILIES], uint64_t now);

/* Our address in this family, where the machine itself knows it: a socket is
 * bound to it, or an interface has it and it is global. Then what others say of
 * it does not count. NULL: ask the others (BEP 42). */
void dht_set_address(struct dht *d, enum family f, const struct endpoint *ours,
                     uint64_t now);

/* How busy the process is, of LIMITER_LOAD_MAX (base/limiter.h): how much is
 * answered over all follows it. */
void dht_set_load(struct dht *d, unsigned load);

/* A node from an earlier life. It enters the table once it has answered. */
void dht_node_add(struct dht *d, const struct id *id, const struct endpoint *ep,
                  uint64_t now);

/* ---- Requests ---------------------------------------------------------- */

/* One query to one address. `done` gets closest[0] as the one who answered
 * and duration as the round trip. ERR_FULL, ERR_ADDRESS (family off). */
enum error dht_ping(struct dht *d, const struct endpoint *ep,
                    const struct dht_handler *handler, uint64_t now,
                    dht_request *out);

/* One find_node to one address, for who walks the network: whom it names, in
 * all families that are on, is told to `answer` and not gone after. It waits
 * for as long as an answer may take (query_timeout); `done` is as with a ping.
 * Apart from lookups: a quarter of max_pending may wait, ERR_FULL then;
 * ERR_ADDRESS. */
enum error dht_ask(struct dht *d, const struct endpoint *ep,
                   const struct id *target,
                   void (*answer)(void *ctx, const struct dht_answer *),
                   const struct dht_handler *handler, uint64_t now,
                   dht_request *out);

/* BEP 51. `samples` is not called when the node knows nothing of that. */
enum error dht_sample(struct dht *d, const struct endpoint *ep,
                      const struct id *target,
                      void (*samples)(void *ctx, const struct dht_samples *),
                      const struct dht_handler *handler, uint64_t now,
                      dht_request *out);

/* Iterative lookups, in every family that is on at the same time; what they
 * find makes one result. All: ERR_FULL at max_lookups. With an empty table
 * `done` comes later with ERR_NO_NODES. */
enum error dht_find_node(struct dht *d, const struct id *target,
                         const struct dht_handler *handler, uint64_t now,
                         dht_request *out);
enum error dht_get_peers(struct dht *d, const struct id *info_hash,
                         const struct dht_handler *handler, uint64_t now,
                         dht_request *out);
/* The same without those who have all of it, as far as nodes know that of
 * whom they name (BEP 33: noseed). */
enum error dht_get_downloaders(struct dht *d, const struct id *info_hash,
                               const struct dht_handler *handler, uint64_t now,
                               dht_request *out);
/* How many peers there are (BEP 33: scrape): in the result `scraped`, `seeds`
 * and `downloaders`. The peers that come with the answers are told as well. */
enum error dht_scrape(struct dht *d, const struct id *info_hash,
                      const struct dht_handler *handler, uint64_t now,
                      dht_request *out);
/* An immutable item, or a mutable one, whose key comes with the answer: the
 * target is the SHA-1 of key and `salt`, which is empty for the others.
 * ERR_TOO_LARGE (salt). */
enum error dht_get_item(struct dht *d, const struct id *target,
                        struct bytes salt, const struct dht_handler *handler,
                        uint64_t now, dht_request *out);

/* The handler is not called any more, from this very moment. No effect when
 * the request has ended. The first round of a publication goes on unheard: see
 * dht_withdraw. */
void dht_cancel(struct dht *d, dht_request request);

/* ---- Publications: renewed with jitter until withdrawn ----------------- */

/* Announces a peer at our own address. With `implied_port` the port is the
 * one that we send from. A second call for the same hash replaces the first.
 * The handler hears of the first round, or ERR_CANCELLED when it is replaced
 * or withdrawn before that; each round is an event too. ERR_FULL, ERR_RANGE
 * (no port). */
enum error dht_announce(struct dht *d, const struct id *info_hash,
                        uint16_t port, bool implied_port,
                        const struct dht_handler *handler, uint64_t now,
                        dht_request *out);
/* The same of a peer that has all of it (BEP 33). */
enum error dht_announce_seed(struct dht *d, const struct id *info_hash,
                             uint16_t port, bool implied_port,
                             const struct dht_handler *handler, uint64_t now,
                             dht_request *out);
/* ERR_NOT_FOUND. Others forget it when it expires. */
enum error dht_withdraw(struct dht *d, const struct id *info_hash);

/* Publishes an item. A mutable one comes signed (dht_item_sign); one with a
 * higher seq replaces ours. With `cas` the first round is conditional; where
 * the condition does not hold (ERR_CAS) what we had before goes on. When a
 * newer item of the same key is found elsewhere, or in the first round another
 * value of the same seq, the round ends with ERR_SEQ, and ours is not renewed
 * until dht_put or dht_unput. ERR_FULL, ERR_SIGNATURE, ERR_TOO_LARGE, ERR_SEQ
 * (lower than ours). */
enum error dht_put(struct dht *d, const struct dht_item *item,
                   const int64_t *cas, const struct dht_handler *handler,
                   uint64_t now, dht_request *out);
/* One round of an item of somebody else's, which is not renewed, not listed and
 * no event; what we publish under its target goes on as it is. The handler
 * hears of the round. A newer item out there ends it with ERR_SEQ. ERR_FULL,
 * ERR_SIGNATURE, ERR_TOO_LARGE. */
enum error dht_put_once(struct dht *d, const struct dht_item *item,
                        const struct dht_handler *handler, uint64_t now,
                        dht_request *out);
/* Stops renewing. ERR_NOT_FOUND. */
enum error dht_unput(struct dht *d, const struct id *target);

#endif
