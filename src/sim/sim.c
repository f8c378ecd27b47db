/* SPDX-License-Identifier: MIT
 *
 * The network and its nodes: made, given addresses, a place and engines, killed
 * and freed. Datagrams are sent in link.c and arrive in run.c.
 */
#include "sim/sim.h"

#include "sim/network.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void sim_config_init(struct sim_config *config)
{
    *config = (struct sim_config){
        .seed = 1,
        .start = TIME_HOUR, /* so that `now - an hour` is a time */
        .addressing = SIM_ADDRESS_PRIVATE,
        .max_nodes = SIM_NODES_MAX,
        .max_datagrams = 4 * 1000 * 1000,
        .latency = {.base = 10 * TIME_MS,
                    .access = 20 * TIME_MS,
                    .distance = 60 * TIME_MS,
                    .jitter = 20 * TIME_MS},
        .reorder_delay = 200 * TIME_MS,
        .uplink_queue = 200 * TIME_MS,
    };
}

void sim_reconfigure(struct sim *s, const struct sim_config *config)
{
    s->config.latency = config->latency;
    s->config.reorder_delay = config->reorder_delay;
    s->config.uplink = config->uplink;
    s->config.uplink_queue = config->uplink_queue;
    s->loss = sim_rng_threshold(config->loss);
    s->duplicate = sim_rng_threshold(config->duplicate);
    s->reorder = sim_rng_threshold(config->reorder);
}

enum error sim_new(const struct sim_config *config, struct sim **out)
{
    uint32_t blocks = config->max_nodes / NODE_BLOCK + 1;
    struct sim *s;

    if (config->max_nodes == 0 || config->max_nodes > SIM_NODES_MAX ||
        config->max_datagrams == 0 ||
        sim_tick_of(config->start) >= SIM_WHEEL_HORIZON / 2)
        return ERR_RANGE;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NO_MEMORY;
    s->blocks = calloc(blocks, sizeof(struct sim_node *));
    if (s->blocks == NULL) {
        free(s);
        return ERR_NO_MEMORY;
    }
    s->config = *config;
    sim_reconfigure(s, config);
    sim_rng_init(&s->rng, config->seed, UINT64_MAX);
    sim_wheel_init(&s->wheel, sim_tick_of(config->start));
    sim_pool_init(&s->pool);
    sim_address_map_init(&s->addresses);
    s->calls.next = s->calls.prev = &s->calls;
    *out = s;
    return OK;
}

/* The tunnel first: it has requests under way in the DHT. */
static void free_engines(struct sim_node *n)
{
    for (int p = SIM_PLANES - 1; p >= 0; p--) {
        if (n->engine[p] != NULL)
            n->vtable[p]->free(n->engine[p]);
        n->engine[p] = NULL;
    }
}

/* What is on its way, and calls that have not fired. */
static void drain(struct sim *s)
{
    struct sim_wheel_entry *e;

    while ((e = sim_wheel_pop(&s->wheel, SIM_WHEEL_HORIZON)) != NULL)
        if (e->kind == ENTRY_DATAGRAM || e->kind == ENTRY_REFUSAL)
            sim_datagram_free(s, (struct sim_datagram *)(void *)e);
    while (s->calls.next != &s->calls) {
        struct sim_call *c = s->calls.next;

        s->calls.next = c->next;
        free(c);
    }
}

void sim_free(struct sim *s)
{
    if (s == NULL)
        return;
    assert(!s->inside);
    for (uint32_t i = 0; i < s->node_count; i++)
        free_engines(sim_node_of(s, i));
    drain(s);
    for (uint32_t i = 0; i <= s->config.max_nodes / NODE_BLOCK; i++)
        free(s->blocks[i]);
    free(s->blocks);
    sim_pool_deinit(&s->pool);
    sim_address_map_deinit(&s->addresses);
    free(s);
}

/* ---- Nodes ------------------------------------------------------------- */

/* All of its addresses or none. */
static enum error take_addresses(struct sim *s, struct sim_node *n,
                                 const struct sim_place *place)
{
    for (int f = 0; f < FAMILIES; f++) {
        if (!place->family[f])
            continue;
        if (place->at[f] != NULL)
            n->at[f] = *place->at[f];
        else
            sim_address_make(s->config.addressing, (enum family)f, n->index,
                             &n->at[f]);
        if (sim_node_at(s, &n->at[f]) != SIM_NODE_NONE)
            return ERR_IN_USE;
        n->has[f] = true;
    }
    if (!sim_address_map_reserve(&s->addresses, FAMILIES))
        return ERR_NO_MEMORY;
    for (int f = 0; f < FAMILIES; f++)
        if (n->has[f])
            sim_address_map_add(&s->addresses, &n->at[f], n->index);
    return OK;
}

enum error sim_node_add(struct sim *s, const struct sim_place *place,
                        uint32_t *out)
{
    uint32_t index = s->node_count;
    struct sim_node **block = &s->blocks[index / NODE_BLOCK];
    struct sim_node *n;
    uint64_t draw;
    enum error err;

    if (!place->family[FAMILY_IPV4] && !place->family[FAMILY_IPV6])
        return ERR_RANGE;
    if (index == s->config.max_nodes)
        return ERR_FULL;
    if (*block == NULL)
        *block = calloc(NODE_BLOCK, sizeof(struct sim_node));
    if (*block == NULL)
        return ERR_NO_MEMORY;
    n = &(*block)[index % NODE_BLOCK];
    *n = (struct sim_node){.index = index, .timer.kind = ENTRY_NODE};
    err = take_addresses(s, n, place);
    if (err != OK)
        return err;
    sim_rng_init(&n->rng, s->config.seed, index);
    draw = sim_rng_next(&n->rng); /* its place, and its access delay */
    n->x = (uint16_t)draw;
    n->y = (uint16_t)(draw >> 16);
    n->access = (uint32_t)(((draw >> 32) * s->config.latency.access) >> 32);
    s->node_count++;
    *out = index;
    return OK;
}

void sim_attach(struct sim *s, uint32_t node, enum sim_plane plane,
                const struct sim_engine *vtable, void *engine)
{
    struct sim_node *n = sim_node_of(s, node);

    assert(node < s->node_count && n->engine[plane] == NULL);
    n->vtable[plane] = vtable;
    n->engine[plane] = engine;
    sim_wake(s, node);
}

void sim_kill(struct sim *s, uint32_t node)
{
    assert(node < s->node_count && !s->inside);
    sim_wheel_remove(&s->wheel, &sim_node_of(s, node)->timer);
    free_engines(sim_node_of(s, node));
}

bool sim_alive(const struct sim *s, uint32_t node)
{
    return node < s->node_count && sim_node_runs(sim_node_of(s, node));
}

void *sim_engine_of(const struct sim *s, uint32_t node, enum sim_plane plane)
{
    return node < s->node_count ? sim_node_of(s, node)->engine[plane] : NULL;
}

uint32_t sim_nodes(const struct sim *s)
{
    return s->node_count;
}

bool sim_endpoint(const struct sim *s, uint32_t node, enum family family,
                  struct endpoint *out)
{
    const struct sim_node *n = sim_node_of(s, node);

    assert(node < s->node_count);
    if (!n->has[family])
        return false;
    *out = n->at[family];
    return true;
}

uint32_t sim_node_at(const struct sim *s, const struct endpoint *ep)
{
    return sim_address_map_find(&s->addresses, ep);
}

void sim_random(struct sim *s, uint32_t node, void *buf, size_t len)
{
    sim_rng_fill(&sim_node_of(s, node)->rng, buf, len);
}

struct sim_rng *sim_rng(struct sim *s)
{
    return &s->rng;
}

void sim_partition(struct sim *s, uint32_t node, uint16_t group)
{
    assert(node < s->node_count);
    sim_node_of(s, node)->group = group;
}

void sim_heal(struct sim *s)
{
    for (uint32_t i = 0; i < s->node_count; i++)
        sim_node_of(s, i)->group = 0;
}

void sim_set_tap(struct sim *s, const struct sim_tap *tap)
{
    s->tap = tap != NULL ? *tap : (struct sim_tap){0};
}

void sim_stats(const struct sim *s, struct sim_stats *out)
{
    *out = s->stats;
    out->memory =
        sizeof(*s) + s->pool.memory +
        (s->config.max_nodes / NODE_BLOCK + 1) * sizeof(struct sim_node *) +
        (s->node_count + NODE_BLOCK - 1) / NODE_BLOCK * NODE_BLOCK *
            sizeof(struct sim_node);
    if (s->addresses.slots != NULL)
        out->memory += (s->addresses.mask + 1) * sizeof(*s->addresses.slots);
}

uint64_t sim_node_sent(const struct sim *s, uint32_t node)
{
    return sim_node_of(s, node)->sent;
}
