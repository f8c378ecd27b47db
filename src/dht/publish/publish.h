/* SPDX-License-Identifier: MIT
 *
 * What we keep in the DHT: announcements and items of our own. Each is
 * published in rounds (a lookup, then a store at the nearest nodes that gave
 * a token) which repeat, with jitter, before the others forget: a peer after
 * a half of its 30 minutes, an item after a half of its two hours. A round
 * that nobody accepted is tried again sooner, with back-off.
 *
 * That nodes took it does not show that others find it: who has just joined
 * knows few nodes, and stores at the wrong ones. So the next round comes soon,
 * and its lookup tells whether what was stored is found; only when it is, and
 * all that were asked took it, the rounds are far apart. A node that we get to
 * know, and that lies nearer than those that have it, brings a round too.
 *
 * Rounds begin one after the other, at a pace at which others, who answer one
 * source so many queries a second, have time for all of them.
 */
#ifndef WARREN_DHT_PUBLISH_PUBLISH_H
#define WARREN_DHT_PUBLISH_PUBLISH_H

#include "base/error.h"
#include "base/id.h"
#include "base/timestamp.h"
#include "dht/types/dht_item.h"
#include "dht/types/dht_request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUBLISH_PEER_EVERY (15 * TIME_MIN) /* less up to a fifth */
#define PUBLISH_ITEM_EVERY (60 * TIME_MIN)
#define PUBLISH_AGAIN      (30 * TIME_S) /* to see whether it is found */
#define PUBLISH_CROWD      (5 * TIME_S)  /* while many nodes come */
/* From one round to the next; rounds that need not wait. The nodes of a small
 * network get two queries of each round, and the default of their source_rate
 * is 20 a second. */
#define PUBLISH_PACE      (200 * TIME_MS)
#define PUBLISH_BURST     16
#define PUBLISH_RETRY_MIN (15 * TIME_S) /* doubled up to PUBLISH_PEER_EVERY */

struct contacts;
struct lookups;
struct maintain;
struct publication;
struct queries;
struct dht_world;

struct publications {
    uint64_t at; /* earliest round that is due */
    struct publication *first;
    struct dht_world *w;
    const struct contacts *contacts;
    struct queries *queries;
    struct lookups *lookups;
    const struct maintain *maintain; /* knows whom to begin with */
    unsigned count;
    uint64_t pace; /* the rounds so far are paid until then */
};

/* The pointers are set. */
void publish_init(struct publications *all);
void publish_deinit(struct publications *all);
/* Our address is another one: peers are announced again. */
void publish_hurry(struct publications *all);
/* This node is in the table now. */
void publish_met(struct publications *all, enum family f, const struct id *id);
void publish_tick(struct publications *all);
uint64_t publish_next_deadline(const struct publications *all);
/* Frees what was withdrawn. */
void publish_sweep(struct publications *all);
size_t publish_memory(const struct publications *all);

/* At our own address. */
struct publish_peer {
    const struct id *info_hash;
    uint16_t port;
    bool implied_port, seed;
};

/* See dht.h. */
enum error publish_announce(struct publications *all,
                            const struct publish_peer *peer,
                            const struct dht_handler *handler,
                            dht_request *out);
enum error publish_put(struct publications *all, const struct dht_item *item,
                       const int64_t *cas, const struct dht_handler *handler,
                       dht_request *out);
enum error publish_put_once(struct publications *all,
                            const struct dht_item *item,
                            const struct dht_handler *handler,
                            dht_request *out);
enum error publish_withdraw(struct publications *all, bool is_item,
                            const struct id *target);
/* The first round of this request goes on unheard; what is put once, and has
 * not begun, is not put. */
void publish_cancel(struct publications *all, dht_request request);

#endif
