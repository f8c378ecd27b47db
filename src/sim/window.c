/* SPDX-License-Identifier: MIT
 *
 * What happens in a window: what the nodes of a worker have to do is collected
 * (sim_worker_gather), sorted by node and time, and worked off node by node
 * (work_node), so that what comes next is known some nodes ahead and can be
 * brought into the cache.
 */
#include "sim/network.h"
#include "wire/msgpack/plane.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define COPY_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COPY_EACH 1
#endif
#endif
#ifndef COPY_EACH
#define COPY_EACH 0
#endif

/* Events ahead at which a node is brought into the cache, then its engine. */
#define AHEAD_NODE   12
#define AHEAD_ENGINE 8, 4, 2 /* by stage */

_Thread_local struct sim_worker *sim_worker_here;

/* ---- Deadlines --------------------------------------------------------- */

void sim_node_read_due(struct sim_node *n)
{
    for (int p = 0; p < SIM_PLANES; p++)
        n->due[p] =
            n->engine[p] == NULL
                ? SIM_NEVER
                : sim_tick_of(n->vtable[p]->next_deadline(n->engine[p]));
}

/* A deadline that moved away is left where it is, and looked at again when it
 * fires: an engine that puts it off with every datagram costs nothing. One
 * that comes and goes (a question before a renewal) finds the later record
 * still there. */
void sim_node_file(struct sim_worker *w, struct sim_node *n, uint64_t earliest)
{
    uint64_t tick = sim_node_due(n);
    uint32_t node = (uint32_t)(n - w->sim->nodes);

    if (tick >= SIM_NEVER)
        return;
    if (tick < earliest)
        tick = earliest;
    if (n->filed <= tick)
        return;
    if (sim_calendar_add(w->timers, &w->timer_chunks, tick, node,
                         sizeof(struct sim_record)) == NULL)
        return; /* out of memory: until something arrives */
    if (n->filed != SIM_NEVER)
        n->later = n->filed;
    n->filed = tick;
}

/* A record came up that may be one of the two that count. */
static void unfile(struct sim_worker *w, struct sim_node *n, uint64_t tick)
{
    if (n->filed == tick) {
        n->filed = n->later;
        n->later = SIM_NEVER;
    }
    w->stats.idle_ends += sim_node_due(n) > tick;
}

static void tick_node(struct sim_worker *w, struct sim_node *n)
{
    for (int p = 0; p < SIM_PLANES; p++) {
        if (n->due[p] > w->now)
            continue;
        n->vtable[p]->tick(n->engine[p], w->now * SIM_TICK);
        w->stats.ticks++;
        sim_node_read_due(n);
    }
}

/* Deadlines before the tick `end`. The next step at the earliest after each:
 * time must pass even if an engine is never content. */
static uint64_t tick_until(struct sim_worker *w, struct sim_node *n,
                           uint64_t earliest, uint64_t end)
{
    for (;;) {
        uint64_t due = sim_node_due(n);

        if (due < earliest)
            due = earliest;
        if (due >= end)
            return earliest;
        w->now = due;
        tick_node(w, n);
        earliest = due + 1;
    }
}

/* ---- Datagrams --------------------------------------------------------- */

static int named_by(struct bytes datagram)
{
    switch (plane_of(datagram)) {
    case PLANE_DHT:
        return SIM_PLANE_DHT;
    case PLANE_TUNNEL:
        return SIM_PLANE_TUNNEL;
    case PLANE_MAINLINE:
        return SIM_PLANE_MAINLINE;
    case PLANE_FOREIGN:
    case PLANE_EMPTY:
        break;
    }
    return SIM_PLANES;
}

/* Which of its engines gets it, as in the daemon; SIM_PLANES: none. A node
 * that has only one lets that see everything. */
static int engine_for(const struct sim_node *n, struct bytes datagram)
{
    int only = SIM_PLANES, count = 0, plane;

    for (int p = 0; p < SIM_PLANES; p++) {
        if (n->engine[p] == NULL)
            continue;
        only = p;
        count++;
    }
    if (count == 1)
        return only;
    plane = named_by(datagram);
    return plane != SIM_PLANES && n->engine[plane] != NULL ? plane : SIM_PLANES;
}

/* One delivery, of which the bytes at the end stand for all. */
static uint64_t digest(const struct sim_arrival *g)
{
    uint64_t tail = 0, h;
    size_t n = g->len < sizeof(tail) ? g->len : sizeof(tail);

    memcpy(&tail, g->data + g->len - n, n);
    h = sim_mix(g->head.tick ^ ((uint64_t)g->from_node << 40) ^ g->len);
    h = sim_mix(h ^ ((uint64_t)g->head.node << 32) ^ g->count);
    return sim_mix(h ^ tail);
}

/* Under AddressSanitizer as a piece of its own, so that an engine that reads
 * past a datagram is caught. */
static void hand_over(struct sim_node *n, int plane,
                      const struct sim_arrival *g, uint64_t now)
{
    const struct sim_engine *vtable = n->vtable[plane];
    uint8_t *copy = COPY_EACH ? malloc(g->len) : NULL;

    if (copy != NULL)
        memcpy(copy, g->data, g->len);
    vtable->receive(n->engine[plane], &g->from,
                    bytes_of(copy != NULL ? copy : g->data, g->len), now);
    free(copy);
}

/* Whether the receiver, and what it is behind, lets it in. */
static enum sim_fate admit(const struct sim *s, const struct sim_arrival *g)
{
    const struct sim_site *site = &s->sites[g->head.node];

    if (!site->runs)
        return SIM_UNREACHABLE;
    if (site->hidden && !nat_in(s->nats[g->head.node], &g->from, g->to.port,
                                g->head.tick * SIM_TICK))
        return SIM_FILTERED;
    return SIM_DELIVERED;
}

static void come_back(struct sim_node *n, const struct sim_arrival *g,
                      uint64_t now)
{
    for (int p = 0; p < SIM_PLANES; p++)
        if (n->engine[p] != NULL && n->vtable[p]->unreachable != NULL)
            n->vtable[p]->unreachable(n->engine[p], &g->to, now);
    sim_node_read_due(n);
}

static void arrive(struct sim_worker *w, struct sim_node *n,
                   const struct sim_arrival *g)
{
    struct bytes datagram = bytes_of(g->data, g->len);
    enum sim_fate fate = admit(w->sim, g);
    int plane;

    w->now = g->head.tick;
    w->ended++;
    if (g->refusal) {
        come_back(n, g, w->now * SIM_TICK);
        return;
    }
    sim_see(w, fate, g->from_node, g->head.node, &g->from, &g->to, datagram);
    if (fate == SIM_UNREACHABLE)
        sim_refuse(w, g, w->now * SIM_TICK);
    if (fate != SIM_DELIVERED)
        return;
    w->stats.delivered_bytes += g->len;
    w->stats.digest += digest(g);
    plane = engine_for(n, datagram);
    if (plane == SIM_PLANES)
        return;
    hand_over(n, plane, g, w->now * SIM_TICK);
    sim_node_read_due(n);
}

/* ---- What has to be done ------------------------------------------------ */

static uint64_t day_begin(const struct sim_worker *w)
{
    return w->timers->today << w->timers->shift;
}

static uint64_t due_tick(const struct sim_worker *w, const struct sim_due *d)
{
    return day_begin(w) + ((d->key & UINT32_MAX) >> 1);
}

static uint32_t due_node(const struct sim_due *d)
{
    return (uint32_t)(d->key >> 32);
}

static bool reserve(struct sim_dues *d, size_t count)
{
    size_t cap = d->cap == 0 ? 256 : d->cap;
    struct sim_due *v;

    if (count <= d->cap)
        return true;
    while (cap < count)
        cap *= 2;
    v = realloc(d->v, cap * sizeof(*v));
    if (v == NULL)
        return false;
    d->v = v;
    d->cap = cap;
    return true;
}

/* Room in all three; what finds none is lost. */
static bool reserve_all(struct sim_worker *w, size_t count)
{
    return reserve(&w->due, count) && reserve(&w->spare, count) &&
           reserve(&w->rest, count);
}

static void collect(struct sim_worker *w, const struct sim_chunks *chunks,
                    bool timers)
{
    struct sim_reader reader = {chunks->first, 0};
    uint64_t begin = day_begin(w);
    struct sim_record *r;

    while ((r = sim_reader_next(&reader)) != NULL) {
        uint64_t at = (r->tick - begin) << 1 | timers;

        if (!reserve_all(w, w->rest.count + 1))
            continue;
        w->rest.v[w->rest.count++] =
            (struct sim_due){(uint64_t)r->node << 32 | at,
                             timers ? NULL : (struct sim_arrival *)(void *)r};
    }
}

/* The first tick is asked for by the tap's windows only. */
uint64_t sim_worker_gather(struct sim_worker *w)
{
    struct sim_chunks timers = sim_calendar_take(w->timers);
    uint64_t first = SIM_NEVER;

    collect(w, &timers, true);
    sim_pool_put(&w->timer_chunks, &timers);
    for (uint32_t i = 0; i < w->sim->worker_count; i++) {
        struct sim_chunks datagrams =
            sim_calendar_take(w->sim->workers[i].to[w->index]);

        collect(w, &datagrams, false);
        sim_chunks_move(&w->read[i], &datagrams);
    }
    if (w->sim->tap.see != NULL)
        for (size_t i = 0; i < w->rest.count; i++)
            first = time_min(first, due_tick(w, &w->rest.v[i]));
    return first;
}

/* Moves to `due` what lies before `end`. */
static void select_due(struct sim_worker *w, uint64_t end)
{
    size_t kept = 0;

    w->due.count = 0;
    for (size_t i = 0; i < w->rest.count; i++) {
        struct sim_due d = w->rest.v[i];

        if (due_tick(w, &d) < end)
            w->due.v[w->due.count++] = d;
        else
            w->rest.v[kept++] = d;
    }
    w->rest.count = kept;
}

/* ---- In which order ------------------------------------------------------ */

/* Equal only for two deadlines of one node, and for both copies of a datagram
 * that came at once. */
static inline bool comes_before(const struct sim_due *a,
                                const struct sim_due *b)
{
    const struct sim_arrival *x = a->arrival, *y = b->arrival;

    if (a->key != b->key || x == NULL || y == NULL)
        return a->key < b->key;
    if (x->from_node != y->from_node)
        return x->from_node < y->from_node;
    return x->count != y->count ? x->count < y->count : x->refusal < y->refusal;
}

static void merge(const struct sim_due *a, size_t na, const struct sim_due *b,
                  size_t nb, struct sim_due *out)
{
    while (na > 0 && nb > 0) {
        if (comes_before(b, a)) {
            *out++ = *b++;
            nb--;
        } else {
            *out++ = *a++;
            na--;
        }
    }
    memcpy(out, na > 0 ? a : b, (na + nb) * sizeof(*out));
}

static void insertion_sort(struct sim_due *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct sim_due d = v[i];
        size_t at = i;

        for (; at > 0 && comes_before(&d, &v[at - 1]); at--)
            v[at] = v[at - 1];
        v[at] = d;
    }
}

/* Merges runs of doubling length from one array to the other and back. */
static void sort_due(struct sim_dues *d, struct sim_dues *spare)
{
    const size_t run = 16;
    size_t n = d->count;

    for (size_t at = 0; at < n; at += run)
        insertion_sort(d->v + at, n - at < run ? n - at : run);
    for (size_t len = run; len < n; len *= 2) {
        struct sim_dues other = *spare;

        for (size_t at = 0; at < n; at += 2 * len) {
            size_t left = n - at < len ? n - at : len;
            size_t right = n - at - left < len ? n - at - left : len;

            merge(d->v + at, left, d->v + at + left, right, other.v + at);
        }
        *spare = *d;
        *d = other;
        d->count = n;
    }
}

/* ---- Node by node -------------------------------------------------------- */

static void prefetch_engine(const struct sim_node *n, unsigned stage)
{
    for (int p = 0; p < SIM_PLANES; p++)
        if (n->engine[p] != NULL && n->vtable[p]->prefetch != NULL)
            n->vtable[p]->prefetch(n->engine[p], stage);
}

static void prefetch_node(const struct sim_worker *w, const struct sim_due *d)
{
    const char *n = (const char *)sim_node_of(w->sim, due_node(d));

    __builtin_prefetch(n);
    __builtin_prefetch(n + 64);
    if (d->arrival == NULL)
        return;
    __builtin_prefetch(d->arrival);
    __builtin_prefetch((const char *)d->arrival + 64);
}

/* Not for a deadline that has moved on. */
static void prefetch_engine_for(const struct sim_worker *w,
                                const struct sim_due *d, unsigned stage)
{
    const struct sim_node *n = sim_node_of(w->sim, due_node(d));

    if (d->arrival != NULL || sim_node_due(n) <= due_tick(w, d))
        prefetch_engine(n, stage);
}

static const size_t ahead_engine[] = {AHEAD_ENGINE};
#define STAGES (sizeof(ahead_engine) / sizeof(ahead_engine[0]))

/* What the first events are going to touch. */
static void look_ahead_first(const struct sim_worker *w)
{
    size_t count = w->due.count;

    for (size_t i = 0; i < AHEAD_NODE && i < count; i++)
        prefetch_node(w, &w->due.v[i]);
    for (unsigned stage = 0; stage < STAGES; stage++)
        for (size_t i = 0; i < ahead_engine[stage] && i < count; i++)
            prefetch_engine_for(w, &w->due.v[i], stage);
}

/* What the events some places ahead of `i` are going to touch. */
static void look_ahead(const struct sim_worker *w, size_t i)
{
    size_t count = w->due.count;

    if (i + AHEAD_NODE < count)
        prefetch_node(w, &w->due.v[i + AHEAD_NODE]);
    for (unsigned stage = 0; stage < STAGES; stage++)
        if (i + ahead_engine[stage] < count)
            prefetch_engine_for(w, &w->due.v[i + ahead_engine[stage]], stage);
}

/* All that one node does in the window; returns the place of the next one. */
static size_t work_node(struct sim_worker *w, size_t i, uint64_t end)
{
    uint32_t node = due_node(&w->due.v[i]);
    struct sim_node *n = sim_node_of(w->sim, node);
    uint64_t earliest = due_tick(w, &w->due.v[i]);

    w->node = node;
    w->room = w->sim->config.max_datagrams > w->sim->in_flight
                  ? w->sim->config.max_datagrams - w->sim->in_flight
                  : 0;
    for (; i < w->due.count && due_node(&w->due.v[i]) == node; i++) {
        uint64_t tick = due_tick(w, &w->due.v[i]);

        look_ahead(w, i);
        if (w->due.v[i].arrival == NULL) {
            unfile(w, n, tick);
            continue;
        }
        earliest = tick_until(w, n, earliest, tick);
        arrive(w, n, w->due.v[i].arrival);
        if (earliest < tick)
            earliest = tick;
    }
    earliest = tick_until(w, n, earliest, end);
    sim_node_file(w, n, earliest);
    return i;
}

void sim_worker_work(struct sim_worker *w, uint64_t end)
{
    size_t i = 0;

    w->end = end;
    select_due(w, end);
    sort_due(&w->due, &w->spare);
    sim_worker_here = w;
    look_ahead_first(w);
    while (i < w->due.count)
        i = work_node(w, i, end);
    sim_worker_here = NULL;
    w->node = SIM_NODE_NONE;
}
