/* SPDX-License-Identifier: MIT
 *
 * An answer being put together. Private to this room.
 */
#ifndef WARREN_DHT_ANSWER_ANSWER_H
#define WARREN_DHT_ANSWER_ANSWER_H

#include "dht/answer/service.h"

#include <stdint.h>

#define ANSWER_FRAME 88 /* bytes of an answer beside its lists */

struct answer {
    const struct endpoint *to;
    size_t limit;    /* bytes that it may have */
    size_t multiple; /* those of answer_limit.h */
    struct dht_message m;
    /* What `m` points to. */
    uint8_t nodes[DHT_NODES_MAX * COMPACT_NODE4];
    uint8_t nodes6[DHT_NODES_MAX * COMPACT_NODE6];
    uint8_t token[DHT_TOKEN_BYTES];
    uint8_t seeds[DHT_BLOOM_BYTES], others[DHT_BLOOM_BYTES];
};

/* An answer to a query of `query_len` bytes, with nothing in it yet. */
void answer_begin(struct dht_service *s, struct answer *a,
                  const struct endpoint *to, struct bytes transaction,
                  size_t query_len);
void answer_send(struct dht_service *s, struct answer *a);

/* ---- answer_error.c ------------------------------------------------------ */

/* Turns the answer into an error, sends it and returns `why`. */
enum error answer_error(struct dht_service *s, struct answer *a,
                        enum dht_error_code code, const char *text,
                        enum error why);

/* ---- answer_store.c: what writes to the stores --------------------------- */

/* The query shows a token of ours for its source and its target. */
bool answer_has_token(struct dht_service *s, const struct endpoint *from,
                      const struct dht_message *query);
enum error answer_announce(struct dht_service *s, struct answer *a,
                           const struct dht_message *query);
enum error answer_put(struct dht_service *s, struct answer *a,
                      const struct dht_message *query);

/* ---- answer_samples.c ---------------------------------------------------- */

/* No more than `room` of them. */
void answer_add_samples(struct dht_service *s, struct answer *a, size_t room);

/* The filters of a scrape, if there are peers, and filters fit beside a token
 * and no nodes. */
void answer_add_filters(struct dht_service *s, struct answer *a,
                        const struct id *info_hash);

#endif
