/* SPDX-License-Identifier: MIT
 *
 * The built-in DHT as the tunnel's dht_provider. What is published this way
 * is not remembered in the store: the tunnel publishes again when it starts.
 */
#ifndef WARREN_NODE_DHT_BRIDGE_H
#define WARREN_NODE_DHT_BRIDGE_H

#include "tunnel/dht_provider.h"

struct dht_bridge;
struct dht_host;

#define DHT_BRIDGE_REQUESTS 64 /* at a time; then ERR_FULL */

/* Both may be called from within the bridge's functions. */
struct dht_bridge_handler {
    void *arg;
    /* An answer was passed on: the tunnel's next deadline may have changed. */
    void (*answered)(void *arg);
    /* A node that is among the closest to a hash that peers were asked for.
     * Nodes of the DHT are relays at the same address, mostly, and those at
     * a hash drawn at random are a fair sample of them. */
    void (*met)(void *arg, const struct endpoint *node);
};

/* `host` outlives the bridge. NULL when memory is out. */
struct dht_bridge *dht_bridge_new(struct dht_host *host,
                                  const struct dht_bridge_handler *handler);
/* Requests that run are cancelled. */
void dht_bridge_free(struct dht_bridge *b);

const struct dht_provider *dht_bridge_provider(const struct dht_bridge *b);

#endif
