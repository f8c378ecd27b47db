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

#include "dht/dht.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lookup;

#define PUBLISH_PEER_EVERY (15 * TIME_MIN) /* less up to a fifth */
#define PUBLISH_ITEM_EVERY (60 * TIME_MIN)
#define PUBLISH_HURRY      (200 * TIME_MS) /* from one to the next */
#define PUBLISH_RETRY_MIN  (15 * TIME_S) /* doubled up to PUBLISH_PEER_EVERY */

/* Our address is another one: peers are announced again, one after the
 * other. */
void publish_hurry(struct dht *d);
void publish_tick(struct dht *d);
uint64_t publish_next_deadline(const struct dht *d);
/* Frees what was withdrawn. */
void publish_sweep(struct dht *d);
void publish_free_all(struct dht *d);
size_t publish_memory(const struct dht *d);

/* Second half of a round: the lookup `l` has found its nodes. */
void publish_store(struct dht *d, struct lookup *l);
/* OK: stored; ERR_TIMEOUT: silent so far; else why not. */
void publish_store_ended(struct dht *d, struct lookup *l, uint8_t slot,
                         enum error err);
/* The round is over; called before its handler hears. */
void publish_round_ended(struct dht *d, struct lookup *l, enum error err);
/* A verified mutable item was found under the target. */
void publish_saw_item(struct lookup *l, const struct dht_item *item);
/* Cancels the round that is to begin or runs. */
bool publish_cancel(struct dht *d, dht_request request);

#endif
