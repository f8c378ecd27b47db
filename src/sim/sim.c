/* SPDX-License-Identifier: MIT
 *
 * The network and its nodes: made, given addresses, a place and engines, killed
 * and freed. Datagrams are sent in link.c and arrive in run.c.
 */
#include "sim/sim.h"

#include "sim/network.h"

#include "sim/clockwork/pages.h"

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
        .threads = 1,
        .latency = {.base = 10 * TIME_MS,
                    .access = 20 * TIME_MS,
                    .distance = 60 * TIME_MS,
                    .jitter = 20 * TIME_MS},
        .reorder_delay = 200 * TIME_MS,
        .uplink_queue = 200 * TIME_MS,
    };
}

static void set_links(struct sim *s, const struct sim_config *config)
{
    s->config.latency = config->latency;
    s->config.reorder_delay = config->reorder_delay;
    s->config.uplink = config->uplink;
    s->config.uplink_queue = config->uplink_queue;
    s->loss = sim_rng_threshold(config->loss);
    s->duplicate = sim_rng_threshold(config->duplicate);
    s->reorder = sim_rng_threshold(config->reorder);
    s->shortest = sim_link_shortest(&s->config);
}

void sim_reconfigure(struct sim *s, const struct sim_config *config)
{
    assert(!s->inside);
    set_links(s, config);
    sim_workers_refit(s);
}

static size_t nodes_bytes(const struct sim *s)
{
    return s->config.max_nodes * sizeof(struct sim_node);
}

static size_t sites_bytes(const struct sim *s)
{
    return s->config.max_nodes * sizeof(struct sim_site);
}

enum error sim_new(const struct sim_config *config, struct sim **out)
{
    struct sim *s;

    if (config->max_nodes == 0 || config->max_nodes > SIM_NODES_MAX ||
        config->max_datagrams == 0 || config->threads == 0 ||
        config->threads > SIM_THREADS_MAX ||
        sim_tick_of(config->start) >= SIM_NEVER / 2)
        return ERR_RANGE;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NO_MEMORY;
    s->config = *config;
    set_links(s, config);
    s->now = sim_tick_of(config->start);
    sim_rng_init(&s->rng, config->seed, UINT64_MAX);
    sim_address_map_init(&s->addresses);
    s->nodes = sim_pages_new(nodes_bytes(s));
    s->sites = sim_pages_new(sites_bytes(s));
    if (s->nodes == NULL || s->sites == NULL || sim_workers_new(s) != OK) {
        sim_free(s);
        return ERR_NO_MEMORY;
    }
    *out = s;
    return OK;
}

/* The tunnel, which is the last plane, first: it has requests under way in the
 * DHT. */
static void free_engines(struct sim_node *n)
{
    for (int p = SIM_PLANES - 1; p >= 0; p--) {
        if (n->engine[p] != NULL)
            n->vtable[p]->free(n->engine[p]);
        n->engine[p] = NULL;
        n->due[p] = SIM_NEVER;
    }
}

/* What only some networks have. */
static void free_extras(struct sim *s)
{
    /* And of one that was not added after all. */
    for (uint32_t i = 0;
         s->nats != NULL && i <= s->node_count && i < s->config.max_nodes; i++)
        nat_free(s->nats[i]);
    sim_pages_free(s->nats, s->config.max_nodes * sizeof(struct nat *));
    sim_pages_free(s->uplinks, s->config.max_nodes * sizeof(*s->uplinks));
}

void sim_free(struct sim *s)
{
    if (s == NULL)
        return;
    assert(!s->inside);
    for (uint32_t i = 0; i < s->node_count; i++)
        free_engines(sim_node_of(s, i));
    sim_workers_free(s);
    sim_pages_free(s->nodes, nodes_bytes(s));
    sim_pages_free(s->sites, sites_bytes(s));
    free_extras(s);
    sim_address_map_deinit(&s->addresses);
    free(s->calls);
    free(s);
}

/* ---- Nodes ------------------------------------------------------------- */

/* All of its addresses or none. */
static enum error take_addresses(struct sim *s, uint32_t index,
                                 const struct sim_place *place)
{
    struct sim_node *n = sim_node_of(s, index);
    struct sim_site *site = &s->sites[index];

    for (int f = 0; f < FAMILIES; f++) {
        if (!place->family[f])
            continue;
        if (place->at[f] != NULL)
            n->at[f] = *place->at[f];
        else
            sim_address_make(s->config.addressing, (enum family)f, index,
                             &n->at[f]);
        if (sim_node_at(s, &n->at[f]) != SIM_NODE_NONE)
            return ERR_IN_USE;
        site->has |= (uint8_t)(1u << f);
        site->asked |= (uint8_t)((place->at[f] != NULL) << f);
    }
    if (!sim_address_map_reserve(&s->addresses, FAMILIES))
        return ERR_NO_MEMORY;
    for (int f = 0; f < FAMILIES; f++)
        if (site->asked >> f & 1)
            sim_address_map_add(&s->addresses, &n->at[f], index);
    return OK;
}

/* Its place, and its access delay. */
static void settle(struct sim *s, uint32_t index)
{
    struct sim_draw draw = sim_draw_of(s->config.seed, index, UINT64_MAX);
    struct sim_site *site = &s->sites[index];
    uint64_t x = sim_draw_next(&draw);

    site->x = (uint16_t)x;
    site->y = (uint16_t)(x >> 16);
    site->access = (uint32_t)(((x >> 32) * s->config.latency.access) >> 32);
    if (s->config.path != NULL && path_has_latency(s->config.path))
        site->x = path_region(s->config.path, index);
}

/* What the path says, in an array that only some networks have. */
static enum error equip_uplink(struct sim *s, uint32_t index)
{
    uint32_t uplink =
        s->config.path == NULL ? 0 : path_uplink(s->config.path, index);

    if (uplink == 0)
        return OK;
    if (s->uplinks == NULL)
        s->uplinks = sim_pages_new(s->config.max_nodes * sizeof(*s->uplinks));
    if (s->uplinks == NULL)
        return ERR_NO_MEMORY;
    s->uplinks[index] = uplink;
    return OK;
}

static enum error equip_nat(struct sim *s, uint32_t index, enum nat_kind kind)
{
    struct sim_draw draw = sim_draw_of(s->config.seed, index, UINT64_MAX - 1);

    if (kind == NAT_NONE)
        return OK;
    if (s->nats == NULL)
        s->nats = sim_pages_new(s->config.max_nodes * sizeof(struct nat *));
    if (s->nats == NULL)
        return ERR_NO_MEMORY;
    nat_free(s->nats[index]); /* of a node that was not added after all */
    s->nats[index] = nat_new(kind, SIM_PORT, sim_draw_next(&draw));
    s->sites[index].hidden = true;
    return s->nats[index] == NULL ? ERR_NO_MEMORY : OK;
}

enum error sim_node_add(struct sim *s, const struct sim_place *place,
                        uint32_t *out)
{
    uint32_t index = s->node_count;
    enum error err;

    if (!place->family[FAMILY_IPV4] && !place->family[FAMILY_IPV6])
        return ERR_RANGE;
    if (index == s->config.max_nodes)
        return ERR_FULL;
    s->sites[index] = (struct sim_site){.has = 0};
    *sim_node_of(s, index) =
        (struct sim_node){.due = {SIM_NEVER, SIM_NEVER},
                          .filed = SIM_NEVER,
                          .later = SIM_NEVER,
                          .random = sim_draw_of(~s->config.seed, index, 0)};
    err = equip_uplink(s, index);
    if (err == OK)
        err = equip_nat(s, index, place->nat);
    if (err == OK)
        err = take_addresses(s, index, place);
    if (err != OK)
        return err;
    settle(s, index);
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
    s->sites[node].runs = true;
    sim_wake(s, node);
}

void sim_kill(struct sim *s, uint32_t node)
{
    assert(node < s->node_count && !s->inside);
    s->sites[node].runs = false;
    free_engines(sim_node_of(s, node));
}

/* What a node has left to do in a window is seen by who works it off. */
void sim_wake(struct sim *s, uint32_t node)
{
    struct sim_worker *w = sim_worker_of(s, node);

    assert(node < s->node_count);
    assert(!s->inside || sim_worker_here == w);
    sim_node_read_due(sim_node_of(s, node));
    if (w->node != node)
        sim_node_file(w, sim_node_of(s, node), s->inside ? w->end : s->now);
}

bool sim_alive(const struct sim *s, uint32_t node)
{
    return node < s->node_count && s->sites[node].runs;
}

void *sim_engine_of(const struct sim *s, uint32_t node, enum sim_plane plane)
{
    return node < s->node_count ? sim_node_of(s, node)->engine[plane] : NULL;
}

enum sim_plane sim_dht_plane(const struct sim *s)
{
    return s->config.dht;
}

uint32_t sim_nodes(const struct sim *s)
{
    return s->node_count;
}

bool sim_endpoint(const struct sim *s, uint32_t node, enum family family,
                  struct endpoint *out)
{
    assert(node < s->node_count);
    if (!(s->sites[node].has >> family & 1))
        return false;
    *out = sim_node_of(s, node)->at[family];
    return true;
}

uint32_t sim_node_at(const struct sim *s, const struct endpoint *ep)
{
    uint32_t index;

    if (ep->family < FAMILIES &&
        sim_address_index(s->config.addressing, ep, &index) &&
        index < s->node_count && s->sites[index].has >> ep->family & 1 &&
        !(s->sites[index].asked >> ep->family & 1))
        return index;
    return s->addresses.count == 0 ? SIM_NODE_NONE
                                   : sim_address_map_find(&s->addresses, ep);
}

void sim_random(struct sim *s, uint32_t node, void *buf, size_t len)
{
    sim_draw_fill(&sim_node_of(s, node)->random, buf, len);
}

struct sim_rng *sim_rng(struct sim *s)
{
    assert(!s->inside);
    return &s->rng;
}

void sim_partition(struct sim *s, uint32_t node, uint16_t group)
{
    assert(node < s->node_count && !s->inside);
    s->sites[node].group = group;
}

void sim_heal(struct sim *s)
{
    for (uint32_t i = 0; i < s->node_count; i++)
        s->sites[i].group = 0;
}

void sim_set_tap(struct sim *s, const struct sim_tap *tap)
{
    /* It would be called from all of them at once, in no order. */
    assert(s->worker_count == 1 || tap == NULL);
    s->tap = tap != NULL ? *tap : (struct sim_tap){0};
}

uint64_t sim_node_sent(const struct sim *s, uint32_t node)
{
    return sim_node_of(s, node)->sent;
}
