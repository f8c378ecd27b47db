/* SPDX-License-Identifier: MIT
 *
 * A DHT engine, of either dialect, in the shape in which the tunnel asks for
 * one: struct dht_provider on top of struct dht. It knows both engines, which
 * may not know each other, and is used by both worlds that they live in, the
 * node and the simulator.
 */
#ifndef WARREN_PROVIDER_BUILTIN_PROVIDER_H
#define WARREN_PROVIDER_BUILTIN_PROVIDER_H

#include "dht/dht.h"
#include "provider/provider_call.h"

#include <stdint.h>

struct builtin_provider {
    struct dht_provider provider; /* what the tunnel is given */
    struct dht *dht;
    void *ctx;
    uint64_t (*now)(void *ctx);
    struct calls calls; /* max_lookups of them at most */

    /* Set by whoever wants to hear, after builtin_provider_init; else NULL. */

    /* The deadlines of the DHT or the tunnel may be others now. */
    void (*changed)(void *ctx);
    /* A node that is among the closest to a hash that peers were asked for.
     * Nodes of our own DHT are relays at the same address, mostly, and those at
     * a hash drawn at random are a fair sample of them. Not for the mainline
     * DHT, whose nodes are nothing of the kind. */
    void (*met)(void *ctx, const struct endpoint *node);
};

/* `now` tells the time that the DHT is to be called with. The provider must not
 * move while it is in use, and goes before the DHT. */
void builtin_provider_init(struct builtin_provider *b, struct dht *dht,
                           uint64_t (*now)(void *ctx), void *ctx);
/* Requests under way are cancelled; what was published stays so. */
void builtin_provider_deinit(struct builtin_provider *b);

#endif
