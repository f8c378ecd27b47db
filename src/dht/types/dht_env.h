/* SPDX-License-Identifier: MIT
 *
 * What a DHT node needs of its world, and what it tells it.
 */
#ifndef WARREN_DHT_TYPES_DHT_ENV_H
#define WARREN_DHT_TYPES_DHT_ENV_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>

enum dht_event_kind {
    /* Own id of a family changed: BEP 42 after the vote on our address. */
    DHT_EVENT_ID,
    /* A node answered and is in the routing table: worth remembering. */
    DHT_EVENT_NODE,
    /* The routing table went from empty to not empty or back (`joined`). */
    DHT_EVENT_JOINED,
    /* One of our own publications was renewed (or failed: `error`). */
    DHT_EVENT_PUBLISHED
};

struct dht_event {
    enum dht_event_kind kind;
    enum family family;
    struct id id;         /* ID, NODE; the target of PUBLISHED */
    struct endpoint from; /* ID: our external address; NODE: the node's */
    bool joined;
    unsigned stored;  /* PUBLISHED: nodes that accepted it */
    enum error error; /* PUBLISHED: OK or why nobody did */
};

/* What the world gives to the node. All are required. */
struct dht_env {
    void *ctx;
    /* `datagram` is valid during the call only. Loss is not reported. */
    void (*send)(void *ctx, const struct endpoint *to, struct bytes datagram);
    /* Unpredictable bytes; tests give predictable ones. */
    void (*random)(void *ctx, void *buf, size_t len);
    void (*event)(void *ctx, const struct dht_event *event);
};

#endif
