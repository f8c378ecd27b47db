/* SPDX-License-Identifier: MIT
 *
 * What a DHT node keeps between runs, between the engine's shapes and the
 * store's.
 */
#ifndef WARREN_NODE_HOST_DHT_RESTORE_H
#define WARREN_NODE_HOST_DHT_RESTORE_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "dht/dht.h"
#include "store/store.h"

#include <stdint.h>

/* Stored nodes that the engine is shown at the start: enough that some of
 * them answer after weeks, few enough not to be a storm. */
#define DHT_RESTORE_NODES 256

struct dht_restored {
    unsigned nodes;
    unsigned announcements;
    unsigned items;
    unsigned failures; /* what the engine or the store did not take */
};

/* Sets the ids of an earlier life, as far as there are any. */
void dht_restore_ids(struct store *store, enum store_dht dht,
                     struct dht_config *config);
/* Shows the engine the rest, and keeps its ids if they are new. */
void dht_restore_all(struct dht *engine, struct store *store,
                     enum store_dht dht, uint64_t now,
                     struct dht_restored *out);

void dht_restore_keep_id(struct store *store, enum store_dht dht,
                         enum family family, const struct id *id);
void dht_restore_keep_node(struct store *store, enum store_dht dht,
                           const struct id *id, const struct endpoint *ep);
void dht_restore_keep_item(struct store *store, enum store_dht dht,
                           const struct dht_item *item);

/* Sequence number of our item at `target`. ERR_NOT_FOUND, errors of store. */
enum error dht_restore_own_seq(struct store *store, enum store_dht dht,
                               const struct id *target, int64_t *out);

#endif
