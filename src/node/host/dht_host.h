/* SPDX-License-Identifier: MIT
 *
 * The world that the DHT engine lives in here: it sends through the node's
 * sockets, is woken by one timer, and what it must remember between runs (its
 * ids, nodes it met, its own announcements and items) goes to the store. A node
 * has one of these for the DHT of its network, and may have another for the
 * mainline DHT.
 */
#ifndef WARREN_NODE_HOST_DHT_HOST_H
#define WARREN_NODE_HOST_DHT_HOST_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "dht/dht.h"
#include "node/config/config.h"
#include "node/entry/saved_table.h"
#include "node/log/log.h"
#include "node/net/udp.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct dht_host;

/* What the host borrows; all outlive it. */
struct dht_host_world {
    struct event_base *base;
    struct udp *udp;
    struct store *store;
    struct log *log;
};

/* Which DHT it is; read during a call. */
struct dht_host_plan {
    const char *name; /* "DHT", for people; outlives the host */
    enum store_dht rows;
    const struct dht_config *dht;
    const struct config_hosts *bootstrap;
    /* Of other programs, to ask; NULL, for dht_host_reconfigure: as before. */
    const struct saved_table *saved;
};

/* Makes the engine with the ids of its earlier life, shows it the nodes that
 * it knew, and has it renew what it published. Errors of dht_new. */
enum error dht_host_new(const struct dht_host_world *world,
                        const struct dht_host_plan *plan, uint64_t now,
                        struct dht_host **out);
void dht_host_free(struct dht_host *h);

/* Takes the new caps, rates and what to join through. */
enum error dht_host_reconfigure(struct dht_host *h,
                                const struct dht_host_plan *plan);

enum error dht_host_receive(struct dht_host *h, const struct endpoint *from,
                            struct bytes datagram, uint64_t now);

/* See dht_send_failed. */
void dht_host_send_failed(struct dht_host *h, const struct endpoint *to,
                          enum error why);

/* To be called every few seconds: says it once in the log when none of those
 * that it could join through has answered for half a minute. */
void dht_host_watch(struct dht_host *h, uint64_t now);

/* To be called after anything that may have changed the next deadline. */
void dht_host_rearm(struct dht_host *h);

/* "DHT", "mainline DHT". */
const char *dht_host_name(const struct dht_host *h);
struct dht *dht_host_engine(const struct dht_host *h);

/* As dht_network_changed; bootstrap hosts are tried at once if need be. */
void dht_host_network_changed(struct dht_host *h, const bool usable[FAMILIES],
                              const bool moved[FAMILIES], uint64_t now);

bool dht_host_joined(const struct dht_host *h);
bool dht_host_has_joined(const struct dht_host *h, enum family f);
/* TIME_NEVER while it has not. */
uint64_t dht_host_joined_at(const struct dht_host *h);
/* When it had joined and nobody answered any more; else TIME_NEVER. */
uint64_t dht_host_lost_at(const struct dht_host *h);
/* Nodes of the earlier life that the engine was shown. */
unsigned dht_host_restored(const struct dht_host *h);
/* Nodes of saved tables that it may join through. */
size_t dht_host_saved(const struct dht_host *h);
/* As bootstrap_trouble. */
const char *dht_host_trouble(const struct dht_host *h);
/* As bootstrap_is_self. */
bool dht_host_is_its_bootstrap(const struct dht_host *h);
/* Times when the engine could not be shown what was stored. */
uint64_t dht_host_not_restored(const struct dht_host *h);

/* ---- Own publications: the engine's calls, remembered ------------------ */

/* As the engine's functions of these names; what starts is in the store
 * before they return, as far as the disk allows. */
enum error dht_host_announce(struct dht_host *h, const struct id *info_hash,
                             uint16_t port, bool implied_port,
                             const struct dht_handler *handler,
                             dht_request *out);
/* The same of a peer that has all of it (BEP 33). */
enum error dht_host_announce_seed(struct dht_host *h,
                                  const struct id *info_hash, uint16_t port,
                                  bool implied_port,
                                  const struct dht_handler *handler,
                                  dht_request *out);
/* Withdraws an announcement, or stops renewing an item. ERR_NOT_FOUND. */
enum error dht_host_withdraw(struct dht_host *h, const struct id *target);

/* The item is remembered by dht_host_keep_item, once the first round has
 * shown that nobody holds a newer one. */
enum error dht_host_put(struct dht_host *h, const struct dht_item *item,
                        const int64_t *cas, const struct dht_handler *handler,
                        dht_request *out);
void dht_host_keep_item(struct dht_host *h, const struct dht_item *item);
/* Whether the next start finds the announcement or the item. */
bool dht_host_keeps(const struct dht_host *h, bool is_item,
                    const struct id *target);
/* Of one that was withdrawn: whether a restart may find it all the same,
 * because the disk could not be written. */
bool dht_host_comes_back(const struct dht_host *h, const struct id *target);
/* Sequence number of our own item at `target`. ERR_NOT_FOUND. */
enum error dht_host_own_seq(struct dht_host *h, const struct id *target,
                            int64_t *out);

#endif
