/* SPDX-License-Identifier: MIT
 *
 * A request to the DHT that runs for a client of the control socket: collects
 * what the engine reports, passes it on as news, and answers at the end.
 */
#ifndef WARREN_NODE_RPC_DHT_CALL_H
#define WARREN_NODE_RPC_DHT_CALL_H

#include "base/text.h"
#include "dht/dht.h"
#include "node/rpc/rpc_internal.h"

/* Elements of a list, encoded as they came. */
struct collected {
    struct text mp;
    uint32_t count;
};

struct dht_call {
    struct call under_way; /* its id is the engine's request */
    struct rpc *rpc;
    struct dht_host *dht;      /* which was asked */
    struct control_call *call; /* NULL when the client has gone */
    bool outlives_client;      /* publications do: they are for others */
    bool trace, stream;
    struct dht_handler handler; /* to start the engine's request with */
    uint64_t began_at;
    struct id target;
    struct collected steps;
    struct collected peers;
    struct collected samples;
    struct dht_samples sampled; /* its numbers; the bytes are in `samples` */
    bool has_samples;           /* false: whoever was asked knows of none */
    struct collected nodes;     /* whom an answer names */
    uint8_t version[DHT_VERSION_MAX];
    size_t version_len;
    bool asks;     /* of dht_ask, whose cap is another one */
    bool to_one;   /* one node is asked, by its address */
    bool has_item; /* the newest one found, or the one to publish */
    struct dht_item item;
    unsigned item_hop; /* that found it */
    struct value value;
    uint8_t salt[DHT_SALT_MAX];
    /* Writes the pairs of the answer, whose number it returns first. */
    uint32_t (*pairs)(const struct dht_call *c, const struct dht_result *r);
    void (*answer)(const struct dht_call *c, const struct dht_result *r,
                   struct mp_writer *w);
    void (*ended)(struct dht_call *c, const struct dht_result *r); /* or NULL */
};

/* NULL when memory is out, or the DHT that it is for not enabled, and then
 * `call` has been answered. */
struct dht_call *dht_call_new(struct rpc *rpc, struct control_call *call,
                              const struct rpc_params *params);

/* After the engine took or refused the request. On failure it is answered
 * and `c` freed. */
void dht_call_started(struct dht_call *c, enum error err);

/* Copies `item` into the call. */
void dht_call_keep_item(struct dht_call *c, const struct dht_item *item);

void dht_call_write_list(struct mp_writer *w, const char *key,
                         const struct collected *list);
/* {"value" (or "bencoded", value_is_raw), "mutable", and of a mutable one
 * "key", "signature", "seq", "salt", "hop"} */
void dht_call_write_item(struct mp_writer *w, const struct dht_item *item,
                         unsigned hop);

/* For dht_ask, and dht_sample. */
void dht_call_on_answer(void *ctx, const struct dht_answer *answer);
void dht_call_on_samples(void *ctx, const struct dht_samples *samples);

#endif
