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

/* `answered` is called after an answer was passed on: the tunnel's next
 * deadline may have changed. `host` outlives the bridge. NULL when memory is
 * out. */
struct dht_bridge *dht_bridge_new(struct dht_host *host, void *arg,
                                  void (*answered)(void *arg));
/* Requests that run are cancelled. */
void dht_bridge_free(struct dht_bridge *b);

const struct dht_provider *dht_bridge_provider(const struct dht_bridge *b);

#endif
