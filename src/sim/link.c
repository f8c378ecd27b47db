/* SPDX-License-Identifier: MIT
 *
 * A datagram from a node's hands to the wheel: who can get it, whether and
 * when it will arrive. A node behind NAT would have its addresses rewritten
 * in sim_send, and be filtered before `arrive` in run.c.
 */
#include "sim/network.h"

#include <assert.h>
#include <string.h>

static size_t datagram_size(size_t len)
{
    return sizeof(struct sim_datagram) + len;
}

void sim_datagram_free(struct sim *s, struct sim_datagram *g)
{
    s->stats.in_flight--;
    sim_pool_put(&s->pool, g, datagram_size(g->len));
}

/* On a torus by steps along its axes: 0..65,536. */
static uint32_t distance(const struct sim_node *a, const struct sim_node *b)
{
    uint16_t dx = (uint16_t)(a->x - b->x), dy = (uint16_t)(a->y - b->y);
    uint32_t x = dx > 0x8000 ? 0x10000u - dx : dx;
    uint32_t y = dy > 0x8000 ? 0x10000u - dy : dy;

    return x + y;
}

static uint64_t delay(struct sim *s, const struct sim_node *a,
                      const struct sim_node *b)
{
    const struct sim_latency *l = &s->config.latency;
    uint64_t far = ((uint64_t)l->distance * distance(a, b)) >> 16;

    return (uint64_t)l->base + a->access + b->access + far +
           sim_rng_below(&s->rng, l->jitter);
}

/* When the sender's uplink has sent it; TIME_NEVER when its queue is full. */
static uint64_t departure(struct sim *s, struct sim_node *n, size_t len)
{
    uint64_t now = sim_now(s);
    uint64_t at = n->uplink_free > now ? n->uplink_free : now;

    if (s->config.uplink == 0)
        return now;
    if (at - now > s->config.uplink_queue)
        return TIME_NEVER;
    n->uplink_free = at + len * TIME_S / s->config.uplink;
    return n->uplink_free;
}

/* One copy into the wheel. False when there is no room for it. */
static bool launch(struct sim *s, const struct sim_datagram *head,
                   struct bytes datagram, uint64_t arrival)
{
    struct sim_datagram *g;

    if (s->stats.in_flight >= s->config.max_datagrams)
        return false;
    g = sim_pool_get(&s->pool, datagram_size(datagram.len));
    if (g == NULL)
        return false;
    *g = *head;
    if (datagram.len > 0)
        memcpy(g->data, datagram.p, datagram.len);
    sim_wheel_add(&s->wheel, &g->entry, sim_tick_of(arrival));
    s->stats.in_flight++;
    return true;
}

/* What becomes of it before the first copy is made. */
static enum sim_fate judge(struct sim *s, const struct sim_node *n,
                           uint32_t to_node)
{
    const struct sim_node *to;

    if (sim_rng_chance(&s->rng, s->loss))
        return SIM_LOST;
    if (to_node == SIM_NODE_NONE)
        return SIM_UNREACHABLE;
    to = sim_node_of(s, to_node);
    if (!sim_node_runs(to))
        return SIM_UNREACHABLE;
    return to->group == n->group ? SIM_SENT : SIM_CUT;
}

void sim_refuse(struct sim *s, const struct sim_datagram *g, uint64_t arrival)
{
    struct sim_datagram back = *g;

    if (!s->config.refuses || g->to_node == SIM_NODE_NONE)
        return;
    back.entry = (struct sim_wheel_entry){.kind = ENTRY_REFUSAL};
    back.len = 0;
    launch(s, &back, bytes_of(NULL, 0),
           arrival + delay(s, sim_node_of(s, g->to_node),
                           sim_node_of(s, g->from_node)));
}

void sim_send_as(struct sim *s, uint32_t node, const struct endpoint *from,
                 const struct endpoint *to, struct bytes datagram)
{
    struct sim_node *n = sim_node_of(s, node);
    uint32_t to_node = sim_address_map_find(&s->addresses, to);
    struct sim_datagram head = {.entry.kind = ENTRY_DATAGRAM,
                                .from_node = node,
                                .to_node = to_node,
                                .from = *from,
                                .to = *to,
                                .len = (uint16_t)datagram.len};
    enum sim_fate fate;
    uint64_t leaves;

    assert(datagram.len <= SIM_DATAGRAM_MAX);
    n->sent++;
    s->stats.offered++;
    s->stats.offered_bytes += datagram.len;
    leaves = departure(s, n, datagram.len);
    fate = leaves == TIME_NEVER ? SIM_OVERFLOW : judge(s, n, to_node);
    if (fate == SIM_SENT) {
        const struct sim_node *r = sim_node_of(s, to_node);
        uint64_t arrival = leaves + delay(s, n, r);

        if (sim_rng_chance(&s->rng, s->reorder)) {
            arrival += sim_rng_below(&s->rng, s->config.reorder_delay);
            sim_see(s, SIM_REORDERED, node, to_node, from, to, datagram);
        }
        if (!launch(s, &head, datagram, arrival))
            fate = SIM_OVERFLOW;
        else if (sim_rng_chance(&s->rng, s->duplicate) &&
                 launch(s, &head, datagram, leaves + delay(s, n, r)))
            sim_see(s, SIM_DUPLICATED, node, to_node, from, to, datagram);
    }
    if (fate == SIM_UNREACHABLE && to_node != SIM_NODE_NONE)
        sim_refuse(s, &head, leaves + delay(s, n, sim_node_of(s, to_node)));
    sim_see(s, fate, node, to_node, from, to, datagram);
}

void sim_send(struct sim *s, uint32_t node, const struct endpoint *to,
              struct bytes datagram)
{
    const struct sim_node *n = sim_node_of(s, node);

    assert(node < s->node_count);
    if (to->family < FAMILIES && n->has[to->family])
        sim_send_as(s, node, &n->at[to->family], to, datagram);
    else
        s->stats.fate[SIM_UNREACHABLE]++;
}
