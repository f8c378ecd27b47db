/* SPDX-License-Identifier: MIT
 *
 * The DHT as the tunnel rooms see it: a table of functions. The built-in DHT is
 * one; whoever uses the library can give another. Semantics are those of
 * BEP 5 (peers under a hash) and BEP 44 (signed items under a key).
 *
 * Everything is asynchronous. A request that was taken ends with exactly one
 * call of `done`, unless it is cancelled; the cookie of the one who asked
 * comes with each call. Calls may come from within the request itself or
 * later, but on the same thread; afterwards the member's next deadline is to
 * be asked again, because answers are acted upon in the next tick.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DHT_PROVIDER_H
#define WARREN_TUNNEL_DIRECTORY_DHT_PROVIDER_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "wire/item/value.h"

#include <stdbool.h>
#include <stdint.h>

/* A mutable item. `signature` covers item_signed_bytes (wire/item_signing.h);
 * the one who publishes it signs, so that no key leaves its owner. Views are
 * valid during the call. */
struct dht_provider_item {
    uint8_t key[32];
    struct bytes salt; /* at most DHT_SALT_MAX */
    int64_t seq;
    uint8_t signature[64];
    const struct value *value;
};

struct dht_provider_counts {
    unsigned asked, answered, stored;
};

/* Who hears the answers to one request. */
struct dht_provider_handler {
    void *ctx;
    uint64_t cookie;
    /* Each peer once, as they come. NULL when not asked for. */
    void (*peer)(void *ctx, uint64_t cookie, const struct endpoint *peer);
    /* Of the right key and salt, and verified; each newer seq. */
    void (*item)(void *ctx, uint64_t cookie,
                 const struct dht_provider_item *item);
    /* Just before `done`, by a DHT that knows: how many nodes were asked,
     * answered and stored it. NULL when not asked for. */
    void (*counted)(void *ctx, uint64_t cookie,
                    const struct dht_provider_counts *counts);
    /* OK also when nothing was found. */
    void (*done)(void *ctx, uint64_t cookie, enum error e);
};

/* The functions that can fail give ERR_FULL (ask later), ERR_NO_MEMORY or
 * ERR_UNSUPPORTED, and then call nothing. `request` names what was asked for
 * in `cancel`, and is never 0. */
struct dht_provider {
    void *ctx;
    /* Whoever answers cannot tell who asks, nor link what is asked for: what a
     * service publishes and its clients look up may be asked here from the
     * node itself. False, as for every DHT that sends from our address: then
     * it is asked through circuits, and here only what others ask. */
    bool anonymous;
    /* Announces this node under `hash` with the port that it sends from, and
     * keeps it announced until withdrawn. Again is no error. */
    enum error (*announce)(void *ctx, const struct id *hash);
    void (*withdraw)(void *ctx, const struct id *hash);
    enum error (*get_peers)(void *ctx, const struct id *hash,
                            const struct dht_provider_handler *handler,
                            uint64_t *request);
    /* Publishes, and keeps published until another with the same key and salt
     * takes its place. */
    enum error (*put)(void *ctx, const struct dht_provider_item *item);
    /* Publishes once, and keeps nothing: for somebody else, who repeats it when
     * he wants it to last. What we keep published under the same key is not
     * touched. `done` gets OK when a node stored it, else why none did
     * (ERR_SEQ: a newer one is out there). May be NULL. */
    enum error (*put_once)(void *ctx, const struct dht_provider_item *item,
                           const struct dht_provider_handler *handler,
                           uint64_t *request);
    enum error (*get_item)(void *ctx, const uint8_t key[32], struct bytes salt,
                           const struct dht_provider_handler *handler,
                           uint64_t *request);
    void (*cancel)(void *ctx, uint64_t request);
};

#endif
