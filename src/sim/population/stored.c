/* SPDX-License-Identifier: MIT
 *
 * Which nodes of the table are kept is drawn while it is walked through, each
 * with the same probability (reservoir sampling: Vitter, 1985).
 */
#include "sim/population/stored.h"

#include "dht/dht.h"
#include "sim/dht_node.h"

#include <stdlib.h>
#include <string.h>

struct sample {
    struct sim *sim;
    struct sim_rng *rng;
    uint32_t seen;
    uint8_t count;
    struct stored_node nodes[STORED_NODES];
};

static void consider(void *ctx, const struct dht_node_info *info)
{
    struct sample *s = ctx;
    uint32_t node = sim_node_at(s->sim, &info->ep), at;

    if (info->quality != DHT_GOOD || node == SIM_NODE_NONE)
        return;
    s->seen++;
    at = s->count < STORED_NODES ? s->count++ : sim_rng_below(s->rng, s->seen);
    if (at < STORED_NODES)
        s->nodes[at] = (struct stored_node){info->id, node, info->ep.family};
}

struct stored *stored_save(struct sim *s, uint32_t node, struct sim_rng *r)
{
    struct sample sample = {.sim = s, .rng = r};
    struct dht *d = sim_dht_of(s, node)->dht;
    struct dht_status status;
    struct stored *st;
    struct endpoint ep;

    dht_nodes(d, sim_now(s), consider, &sample);
    st = calloc(1, sizeof(*st) + sample.count * sizeof(st->nodes[0]));
    if (st == NULL)
        return NULL;
    dht_status(d, sim_now(s), &status);
    for (int f = 0; f < FAMILIES; f++) {
        st->id[f] = status.id[f];
        st->has_id[f] = sim_endpoint(s, node, (enum family)f, &ep);
    }
    st->count = sample.count;
    memcpy(st->nodes, sample.nodes, sample.count * sizeof(st->nodes[0]));
    return st;
}

void stored_ids(const struct stored *st, struct dht_config *config)
{
    for (int f = 0; f < FAMILIES; f++) {
        config->has_id[f] = st->has_id[f];
        config->id[f] = st->id[f];
    }
}

void stored_restore(const struct stored *st, struct sim *s, uint32_t node)
{
    struct dht *d = sim_dht_of(s, node)->dht;

    for (uint8_t i = 0; i < st->count; i++) {
        const struct stored_node *n = &st->nodes[i];
        struct endpoint ep;

        if (sim_endpoint(s, n->node, (enum family)n->family, &ep))
            dht_node_add(d, &n->id, &ep, sim_now(s));
    }
    sim_wake(s, node);
}
