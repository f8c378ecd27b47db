/* SPDX-License-Identifier: MIT
 *
 * An answer being put together. Private to answer.c and answer_store.c.
 */
#ifndef WARREN_DHT_ANSWER_H
#define WARREN_DHT_ANSWER_H

#include "base/endpoint.h"
#include "base/error.h"
#include "wire/krpc/dht_message.h"

#include <stddef.h>
#include <stdint.h>

#define ANSWER_SAMPLES 20

struct dht;

struct answer {
    const struct endpoint *to;
    size_t limit; /* bytes that it may have */
    struct dht_message m;
    /* What `m` points to. */
    uint8_t nodes[DHT_NODES_MAX * COMPACT_NODE4];
    uint8_t nodes6[DHT_NODES_MAX * COMPACT_NODE6];
    uint8_t samples[ANSWER_SAMPLES * ID_BYTES];
    uint8_t token[DHT_TOKEN_BYTES];
};

void answer_send(struct dht *d, struct answer *a);
/* Turns the answer into an error, sends it and returns `why`. */
enum error answer_error(struct dht *d, struct answer *a,
                        enum dht_error_code code, const char *text,
                        enum error why);

/* answer_store.c: what writes to, or reads items from, the stores. */
enum error answer_announce(struct dht *d, struct answer *a,
                           const struct dht_message *query);
enum error answer_put(struct dht *d, struct answer *a,
                      const struct dht_message *query);
/* Adds our item under the query's target to the answer `m`, if there is one
 * that the asker does not have; its fields are views of the store. */
void answer_add_item(struct dht *d, struct dht_message *m,
                     const struct dht_message *query);

#endif
