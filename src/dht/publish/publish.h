/* SPDX-License-Identifier: MIT
 *
 * What we keep in the DHT: announcements and items of our own. Each is
 * published in rounds (a lookup, then a store at the nearest nodes that gave
 * a token) which repeat, with jitter, before the others forget: a peer after
 * a half of its 30 minutes, an item after a half of its two hours. A round
 * that nobody accepted is tried again sooner, with back-off.
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
#define PUBLISH_HURRY      (200 * TIME_MS) /* from one to the next */
#define PUBLISH_RETRY_MIN  (15 * TIME_S) /* doubled up to PUBLISH_PEER_EVERY */

struct lookups;
struct maintain;
struct publication;
struct queries;
struct dht_world;

struct publications {
    struct dht_world *w;
    struct queries *queries;
    struct lookups *lookups;
    const struct maintain *maintain; /* knows whom to begin with */
    struct publication *first;
    unsigned count;
    uint64_t at; /* earliest round that is due */
};

/* The pointers are set. */
void publish_init(struct publications *all);
void publish_deinit(struct publications *all);
/* Our address is another one: peers are announced again, one after the
 * other. */
void publish_hurry(struct publications *all);
void publish_tick(struct publications *all);
uint64_t publish_next_deadline(const struct publications *all);
/* Frees what was withdrawn. */
void publish_sweep(struct publications *all);
size_t publish_memory(const struct publications *all);

/* See dht.h. */
enum error publish_announce(struct publications *all,
                            const struct id *info_hash, uint16_t port,
                            bool implied_port,
                            const struct dht_handler *handler,
                            dht_request *out);
enum error publish_put(struct publications *all, const struct dht_item *item,
                       const int64_t *cas, const struct dht_handler *handler,
                       dht_request *out);
enum error publish_withdraw(struct publications *all, bool is_item,
                            const struct id *target);
/* The first round of this request goes on unheard. */
void publish_cancel(struct publications *all, dht_request request);

#endif
