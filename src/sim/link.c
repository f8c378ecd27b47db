/* SPDX-License-Identifier: MIT
 *
 * A datagram from a node's hands to the calendar of its receiver's worker:
 * from which address it leaves (leave), who can get it (judge), how long it
 * takes (delay, which is never shorter than sim_link_shortest says). Whether
 * the receiver lets it in is asked when it arrives (admit, in window.c).
 *
 * Everything random about a datagram is drawn from a stream of its own, which
 * follows from the seed, the sender and how many that had sent before.
 */
#include "sim/network.h"

#include <assert.h>
#include <string.h>

/* On a torus by steps along its axes: 0..65,536. */
static uint32_t distance(const struct sim_site *a, const struct sim_site *b)
{
    uint16_t dx = (uint16_t)(a->x - b->x), dy = (uint16_t)(a->y - b->y);
    uint32_t x = dx > 0x8000 ? 0x10000u - dx : dx;
    uint32_t y = dy > 0x8000 ? 0x10000u - dy : dy;

    return x + y;
}

uint64_t sim_link_shortest(const struct sim_config *config)
{
    bool by_path = config->path != NULL && path_has_latency(config->path);
    uint64_t ticks =
        (by_path ? path_least(config->path) : config->latency.base) / SIM_TICK;

    return ticks > 0 ? ticks : 1;
}

static struct path_end end_of(const struct sim *s, const struct sim_site *site)
{
    return (struct path_end){(uint32_t)(site - s->sites), site->x};
}

/* One way from a to b, in ns. */
static uint64_t delay(const struct sim *s, const struct sim_site *a,
                      const struct sim_site *b, struct sim_draw *draw)
{
    const struct sim_latency *l = &s->config.latency;
    const struct path *path = s->config.path;
    uint64_t far;

    if (path != NULL && path_has_latency(path))
        return path_delay(path, end_of(s, a), end_of(s, b),
                          sim_draw_next(draw));
    far = ((uint64_t)l->distance * distance(a, b)) >> 16;

    return (uint64_t)l->base + a->access + b->access + far +
           sim_draw_below(draw, l->jitter);
}

/* When the sender's uplink has sent it; TIME_NEVER when its queue is full. */
static uint64_t departure(const struct sim *s, struct sim_node *n, size_t len,
                          uint64_t now)
{
    uint32_t uplink = s->uplinks != NULL ? s->uplinks[n - s->nodes] : 0;
    uint64_t at = n->uplink_free > now ? n->uplink_free : now;

    if (uplink == 0)
        uplink = s->config.uplink;
    if (uplink == 0)
        return now;
    if (at - now > s->config.uplink_queue)
        return TIME_NEVER;
    n->uplink_free = at + len * TIME_S / uplink;
    return n->uplink_free;
}

/* Between windows all share what room there is. */
static bool take_room(struct sim_worker *w)
{
    struct sim *s = w->sim;

    if (s->inside) {
        if (w->room == 0)
            return false;
        w->room--;
    } else {
        if (s->in_flight >= s->config.max_datagrams)
            return false;
        s->in_flight++;
    }
    w->stats.in_flight++;
    return true;
}

static size_t record_size(size_t len)
{
    return (offsetof(struct sim_arrival, data) + len + 7) & ~(size_t)7;
}

/* One copy into the calendar. False when there is no room for it. */
static bool launch(struct sim_worker *w, const struct sim_arrival *head,
                   struct bytes datagram, uint64_t arrival)
{
    struct sim *s = w->sim;
    uint32_t to_node = head->head.node;
    uint64_t tick = sim_tick_of(arrival);
    struct sim_arrival *g;
    struct sim_record record;

    assert(tick >= w->now + s->shortest && tick < SIM_NEVER);
    if (!take_room(w))
        return false;
    g = sim_calendar_add(w->to[to_node % s->worker_count], &w->datagram_chunks,
                         tick, to_node, record_size(datagram.len));
    if (g == NULL) {
        w->ended++;
        return false;
    }
    record = g->head;
    *g = *head;
    g->head = record;
    if (datagram.len > 0)
        memcpy(g->data, datagram.p, datagram.len);
    return true;
}

/* What becomes of it before the first copy is made. */
static enum sim_fate judge(const struct sim *s, uint32_t node, uint32_t to_node,
                           uint64_t now, struct sim_draw *draw)
{
    const struct sim_site *from = &s->sites[node], *to;
    const struct path *path = s->config.path;

    if (sim_draw_chance(draw, s->loss))
        return SIM_LOST;
    if (to_node == SIM_NODE_NONE)
        return SIM_UNREACHABLE;
    to = &s->sites[to_node];
    if (!to->runs)
        return SIM_UNREACHABLE;
    if (to->group != from->group ||
        (path != NULL && path_cuts(path, node, to_node, now)))
        return SIM_CUT;
    return SIM_SENT;
}

/* Makes the copies of one that gets through. */
static enum sim_fate launch_all(struct sim_worker *w,
                                const struct sim_arrival *head,
                                struct bytes datagram, uint64_t leaves,
                                struct sim_draw *draw)
{
    struct sim *s = w->sim;
    uint32_t from = head->from_node, to = head->head.node;
    const struct sim_site *a = &s->sites[from], *b = &s->sites[to];
    uint64_t arrival = leaves + delay(s, a, b, draw);

    if (sim_draw_chance(draw, s->reorder)) {
        arrival += sim_draw_below(draw, s->config.reorder_delay);
        sim_see(w, SIM_REORDERED, from, to, &head->from, &head->to, datagram);
    }
    if (!launch(w, head, datagram, arrival))
        return SIM_OVERFLOW;
    if (sim_draw_chance(draw, s->duplicate) &&
        launch(w, head, datagram, leaves + delay(s, a, b, draw)))
        sim_see(w, SIM_DUPLICATED, from, to, &head->from, &head->to, datagram);
    return SIM_SENT;
}

/* Who sends: the worker that runs here, for the node that it works on, else the
 * one of the node. */
static struct sim_worker *sender_worker(const struct sim *s, uint32_t node)
{
    struct sim_worker *w = s->inside ? sim_worker_here : sim_worker_of(s, node);

    assert(node < s->node_count);
    assert(!s->inside || w->node == node);
    return w;
}

void sim_refuse(struct sim_worker *w, const struct sim_arrival *g, uint64_t at)
{
    const struct sim *s = w->sim;
    struct sim_draw draw;
    struct sim_arrival back = *g;

    if (!s->config.refuses || g->refusal || g->head.node == SIM_NODE_NONE ||
        s->sites[g->head.node].hidden) /* a NAT drops it and says nothing */
        return;
    back.head.node = g->from_node;
    back.from_node = g->head.node;
    back.refusal = true;
    back.len = 0;
    draw = sim_draw_of(~s->config.seed, g->from_node, g->count);
    launch(w, &back, bytes_of(NULL, 0),
           at + delay(s, &s->sites[back.from_node], &s->sites[back.head.node],
                      &draw));
}

/* Of one whose receiver was gone before it left. */
static void refuse_unsent(struct sim_worker *w, const struct sim_arrival *head,
                          uint64_t leaves, struct sim_draw *draw)
{
    const struct sim *s = w->sim;

    if (s->config.refuses && head->head.node != SIM_NODE_NONE)
        sim_refuse(w, head,
                   leaves + delay(s, &s->sites[head->from_node],
                                  &s->sites[head->head.node], draw));
}

/* Whose address it is. All ports of a NAT lead to who is behind it. */
static uint32_t node_at(const struct sim *s, const struct endpoint *to)
{
    uint32_t node = sim_node_at(s, to);
    struct endpoint nat = *to;

    if (node != SIM_NODE_NONE || s->nats == NULL)
        return node;
    nat.port = SIM_PORT;
    node = sim_node_at(s, &nat);
    return node != SIM_NODE_NONE && s->sites[node].hidden ? node
                                                          : SIM_NODE_NONE;
}

void sim_send_as(struct sim *s, uint32_t node, const struct endpoint *from,
                 const struct endpoint *to, struct bytes datagram)
{
    struct sim_worker *w = sender_worker(s, node);
    struct sim_node *n = sim_node_of(s, node);
    struct sim_arrival head = {.head.node = node_at(s, to),
                               .from_node = node,
                               .count = (uint32_t)n->sent,
                               .from = *from,
                               .to = *to,
                               .len = (uint16_t)datagram.len};
    struct sim_draw draw = sim_draw_of(s->config.seed, node, n->sent);
    enum sim_fate fate = SIM_OVERFLOW;
    uint64_t leaves;

    assert(datagram.len <= SIM_DATAGRAM_MAX);
    n->sent++;
    w->stats.offered++;
    w->stats.offered_bytes += datagram.len;
    leaves = departure(s, n, datagram.len, w->now * SIM_TICK);
    if (leaves != TIME_NEVER)
        fate = judge(s, node, head.head.node, w->now * SIM_TICK, &draw);
    if (fate == SIM_SENT)
        fate = launch_all(w, &head, datagram, leaves, &draw);
    if (fate == SIM_UNREACHABLE)
        refuse_unsent(w, &head, leaves, &draw);
    sim_see(w, fate, node, head.head.node, from, to, datagram);
}

/* The address that the receiver will see; false when it has none to send
 * from. */
static bool leave(const struct sim *s, uint32_t node, const struct endpoint *to,
                  struct endpoint *from)
{
    uint64_t now = sender_worker(s, node)->now * SIM_TICK;

    if (to->family >= FAMILIES ||
        !sim_endpoint(s, node, (enum family)to->family, from))
        return false;
    if (s->sites[node].hidden)
        from->port = nat_out(s->nats[node], to, now);
    return from->port != 0;
}

void sim_send(struct sim *s, uint32_t node, const struct endpoint *to,
              struct bytes datagram)
{
    struct endpoint from;

    if (leave(s, node, to, &from))
        sim_send_as(s, node, &from, to, datagram);
    else
        sender_worker(s, node)->stats.fate[SIM_UNREACHABLE]++;
}
