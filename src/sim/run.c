/* SPDX-License-Identifier: MIT
 *
 * The loop: the wheel gives out what happens next, which is one of three
 * things, a node's deadline (tick), a datagram (arrive) or a call of a scenario
 * (call). After the first two the node's next deadline is asked for and put
 * into the wheel (refile).
 */
#include "sim/network.h"
#include "wire/msgpack/plane.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint64_t sim_now(const struct sim *s)
{
    return s->wheel.now * SIM_TICK;
}

/* ---- Deadlines --------------------------------------------------------- */

static uint64_t deadline_of(const struct sim_node *n)
{
    uint64_t at = TIME_NEVER;

    for (int p = 0; p < SIM_PLANES; p++)
        if (n->engine[p] != NULL)
            at = time_min(at, n->vtable[p]->next_deadline(n->engine[p]));
    return at;
}

/* Puts the node's deadline into the wheel, not before the step `earliest`. A
 * deadline that moved away is left where it is, and looked at again when it
 * fires: an engine that puts it off with every datagram costs nothing. */
static void refile(struct sim *s, struct sim_node *n, uint64_t earliest)
{
    uint64_t at = deadline_of(n);
    uint64_t tick = sim_tick_of(at);

    if (tick >= SIM_WHEEL_HORIZON)
        return;
    if (tick < earliest)
        tick = earliest;
    if (sim_wheel_has(&n->timer)) {
        if (n->timer.tick <= tick)
            return;
        sim_wheel_remove(&s->wheel, &n->timer);
    }
    sim_wheel_add(&s->wheel, &n->timer, tick);
}

void sim_wake(struct sim *s, uint32_t node)
{
    assert(node < s->node_count);
    refile(s, sim_node_of(s, node), s->wheel.now);
}

static void tick(struct sim *s, struct sim_node *n)
{
    uint64_t now = sim_now(s);
    bool ticked = false;

    for (int p = 0; p < SIM_PLANES; p++) {
        void *engine = n->engine[p];

        if (engine == NULL || n->vtable[p]->next_deadline(engine) > now)
            continue;
        n->vtable[p]->tick(engine, now);
        ticked = true;
        s->stats.ticks++;
    }
    if (!ticked)
        s->stats.idle_ends++;
    /* The next step at the earliest: time must pass even if an engine is
     * never content. */
    refile(s, n, s->wheel.now + 1);
}

/* ---- Datagrams --------------------------------------------------------- */

/* Which of its engines gets it, as in the daemon; SIM_PLANES: none. A node
 * that has only one lets that see everything. */
static int engine_for(const struct sim_node *n, const struct sim_datagram *g)
{
    enum plane plane;

    if (n->engine[SIM_PLANE_TUNNEL] == NULL)
        return SIM_PLANE_DHT;
    if (n->engine[SIM_PLANE_DHT] == NULL)
        return SIM_PLANE_TUNNEL;
    plane = plane_of(bytes_of(g->data, g->len));
    if (plane == PLANE_DHT)
        return SIM_PLANE_DHT;
    return plane == PLANE_TUNNEL ? SIM_PLANE_TUNNEL : SIM_PLANES;
}

/* Mixes one delivery in; the bytes at the datagram's end stand for all. */
static void digest(struct sim *s, const struct sim_datagram *g)
{
    uint64_t tail = 0, h = s->stats.digest;
    size_t n = g->len < sizeof(tail) ? g->len : sizeof(tail);

    memcpy(&tail, g->data + g->len - n, n);
    h ^= s->wheel.now ^ ((uint64_t)g->from_node << 40) ^
         ((uint64_t)g->to_node << 18) ^ g->len;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    h = sim_rng_rotate(h ^ tail, 29) * UINT64_C(0xbf58476d1ce4e5b9);
    s->stats.digest = h ^ (h >> 32);
}

static void arrive(struct sim *s, struct sim_datagram *g)
{
    struct sim_node *n = sim_node_of(s, g->to_node);
    struct bytes datagram = bytes_of(g->data, g->len);

    if (!sim_node_runs(n)) {
        sim_see(s, SIM_UNREACHABLE, g->from_node, g->to_node, &g->from, &g->to,
                datagram);
        sim_refuse(s, g, sim_now(s));
    } else {
        int p = engine_for(n, g);

        s->stats.delivered_bytes += g->len;
        digest(s, g);
        sim_see(s, SIM_DELIVERED, g->from_node, g->to_node, &g->from, &g->to,
                datagram);
        if (p != SIM_PLANES)
            n->vtable[p]->receive(n->engine[p], &g->from, datagram, sim_now(s));
        refile(s, n, s->wheel.now);
    }
    sim_datagram_free(s, g);
}

static void come_back(struct sim *s, struct sim_datagram *g)
{
    struct sim_node *n = sim_node_of(s, g->from_node);

    for (int p = 0; p < SIM_PLANES; p++)
        if (n->engine[p] != NULL && n->vtable[p]->unreachable != NULL)
            n->vtable[p]->unreachable(n->engine[p], &g->to, sim_now(s));
    if (sim_node_runs(n))
        refile(s, n, s->wheel.now);
    sim_datagram_free(s, g);
}

/* ---- Calls ------------------------------------------------------------- */

enum error sim_at(struct sim *s, uint64_t at,
                  void (*fire)(void *ctx, uint64_t now), void *ctx)
{
    struct sim_call *c = malloc(sizeof(*c));

    assert(sim_tick_of(at) < SIM_WHEEL_HORIZON);
    if (c == NULL)
        return ERR_NO_MEMORY;
    *c = (struct sim_call){.entry.kind = ENTRY_CALL,
                           .fire = fire,
                           .ctx = ctx,
                           .next = &s->calls,
                           .prev = s->calls.prev};
    c->prev->next = c;
    c->next->prev = c;
    sim_wheel_add(&s->wheel, &c->entry, sim_tick_of(at));
    return OK;
}

static void call(struct sim *s, struct sim_call *c)
{
    struct sim_call copy = *c;

    c->prev->next = c->next;
    c->next->prev = c->prev;
    free(c);
    copy.fire(copy.ctx, sim_now(s));
}

/* ---- The loop ---------------------------------------------------------- */

static void dispatch(struct sim *s, struct sim_wheel_entry *e)
{
    if (e->kind == ENTRY_CALL) {
        call(s, (struct sim_call *)(void *)e);
        return;
    }
    s->inside = true;
    if (e->kind == ENTRY_NODE)
        tick(s, (struct sim_node *)(void *)e);
    else if (e->kind == ENTRY_REFUSAL)
        come_back(s, (struct sim_datagram *)(void *)e);
    else
        arrive(s, (struct sim_datagram *)(void *)e);
    s->inside = false;
}

bool sim_run_until_set(struct sim *s, const bool *flag, uint64_t limit)
{
    struct sim_wheel_entry *e;

    assert(!s->inside);
    while (!*flag && (e = sim_wheel_pop(&s->wheel, limit / SIM_TICK)) != NULL)
        dispatch(s, e);
    return *flag;
}

void sim_run_until(struct sim *s, uint64_t until)
{
    static const bool never = false;

    sim_run_until_set(s, &never, until);
}

void sim_run_for(struct sim *s, uint64_t duration)
{
    sim_run_until(s, time_after(sim_now(s), duration));
}
