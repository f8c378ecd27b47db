/* SPDX-License-Identifier: MIT
 *
 * What workers have: calendars, one for each that they send to, and arrays.
 */
#include "sim/network.h"

#include "sim/clockwork/pages.h"

#include <stdlib.h>
#include <string.h>

#define TIMER_CHUNK    512
#define DATAGRAM_CHUNK 16384
#define SHIFT_MAX      20

/* Fewer things to do than that are not worth the waking of other threads. */
#define DUES_TO_SHARE 16

/* A day is no longer than the shortest latency, so that no datagram arrives on
 * the day on which it was sent. */
static unsigned shift_for(const struct sim *s)
{
    unsigned shift = 63 - (unsigned)__builtin_clzll(s->shortest);

    return shift < SHIFT_MAX ? shift : SHIFT_MAX;
}

static struct sim_calendar *calendar_new(const struct sim *s)
{
    struct sim_calendar *c = sim_pages_new(sizeof(*c));

    if (c != NULL)
        sim_calendar_init(c, shift_for(s), s->now);
    return c;
}

static enum error worker_init(struct sim *s, uint32_t index)
{
    struct sim_worker *w = &s->workers[index];

    w->sim = s;
    w->index = index;
    w->node = SIM_NODE_NONE;
    w->now = s->now;
    sim_pool_init(&w->timer_chunks, TIMER_CHUNK);
    sim_pool_init(&w->datagram_chunks, DATAGRAM_CHUNK);
    w->timers = calendar_new(s);
    w->to = calloc(s->worker_count, sizeof(struct sim_calendar *));
    w->read = calloc(s->worker_count, sizeof(*w->read));
    if (w->timers == NULL || w->to == NULL || w->read == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < s->worker_count; i++) {
        w->to[i] = calendar_new(s);
        if (w->to[i] == NULL)
            return ERR_NO_MEMORY;
    }
    return OK;
}

static void work(void *ctx, uint32_t index)
{
    struct sim *s = ctx;

    sim_worker_gather(&s->workers[index]);
    sim_worker_work(&s->workers[index], s->window_end);
}

/* Whoever works a worker's nodes off, the same comes of it. */
void sim_workers_work(struct sim *s, uint64_t end)
{
    s->inside = true;
    s->window_end = end;
    if (s->crew != NULL && s->window_dues >= DUES_TO_SHARE)
        sim_crew_work(s->crew);
    else
        for (uint32_t i = 0; i < s->worker_count; i++)
            work(s, i);
    s->inside = false;
    s->in_flight = 0;
    s->window_dues = 0;
    for (uint32_t i = 0; i < s->worker_count; i++) {
        s->in_flight += s->workers[i].stats.in_flight - s->workers[i].ended;
        s->window_dues += s->workers[i].due.count;
    }
}

enum error sim_workers_new(struct sim *s)
{
    size_t bytes = s->config.threads * sizeof(struct sim_worker);

    s->workers = aligned_alloc(_Alignof(struct sim_worker), bytes);
    if (s->workers == NULL)
        return ERR_NO_MEMORY;
    memset(s->workers, 0, bytes);
    s->worker_count = s->config.threads;
    for (uint32_t i = 0; i < s->worker_count; i++)
        if (worker_init(s, i) != OK)
            return ERR_NO_MEMORY;
    return s->worker_count == 1
               ? OK
               : sim_crew_new(s->worker_count, work, s, &s->crew);
}

static void worker_deinit(struct sim_worker *w)
{
    for (uint32_t i = 0; w->to != NULL && i < w->sim->worker_count; i++)
        sim_pages_free(w->to[i], sizeof(*w->to[i]));
    free(w->to);
    free(w->read);
    sim_pages_free(w->timers, sizeof(*w->timers));
    free(w->rest.v);
    free(w->due.v);
    free(w->spare.v);
    sim_pool_deinit(&w->timer_chunks);
    sim_pool_deinit(&w->datagram_chunks);
}

void sim_workers_free(struct sim *s)
{
    sim_crew_free(s->crew);
    for (uint32_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].sim != NULL)
            worker_deinit(&s->workers[i]);
    free(s->workers);
}

void sim_workers_set_now(struct sim *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++)
        s->workers[i].now = s->now;
}

/* ---- Days of another length ---------------------------------------------- */

static void add_copy(struct sim_calendar *c, struct sim_pool *p,
                     const struct sim_record *r)
{
    void *copy = sim_calendar_add(c, p, r->tick, r->node, r->size);

    if (copy != NULL)
        memcpy(copy, r, r->size);
}

static void refit(struct sim *s, struct sim_calendar *c, struct sim_pool *p)
{
    struct sim_chunks all = sim_calendar_take_all(c);
    struct sim_reader reader = {all.first, 0};
    const struct sim_record *r;

    sim_calendar_init(c, shift_for(s), s->now);
    while ((r = sim_reader_next(&reader)) != NULL)
        add_copy(c, p, r);
    sim_pool_put(p, &all);
}

/* What was collected already goes back. */
static void put_back(struct sim_worker *w, uint64_t begin)
{
    struct sim *s = w->sim;

    for (size_t i = 0; i < w->rest.count; i++) {
        const struct sim_arrival *g = w->rest.v[i].arrival;
        struct sim_record timer = {
            .tick = begin + ((w->rest.v[i].key & UINT32_MAX) >> 1),
            .node = (uint32_t)(w->rest.v[i].key >> 32),
            .size = sizeof(timer)};

        if (g == NULL) {
            add_copy(w->timers, &w->timer_chunks, &timer);
        } else {
            struct sim_worker *from = sim_worker_of(s, g->from_node);

            add_copy(from->to[w->index], &from->datagram_chunks, &g->head);
        }
    }
    w->rest.count = 0;
}

void sim_workers_refit(struct sim *s)
{
    const struct sim_calendar *any = s->workers[0].timers;
    uint64_t begin = any->today << any->shift;

    if (any->shift == shift_for(s))
        return;
    for (uint32_t i = 0; i < s->worker_count; i++) {
        struct sim_worker *w = &s->workers[i];

        refit(s, w->timers, &w->timer_chunks);
        for (uint32_t j = 0; j < s->worker_count; j++)
            refit(s, w->to[j], &w->datagram_chunks);
    }
    for (uint32_t i = 0; i < s->worker_count; i++) {
        struct sim_worker *w = &s->workers[i];

        put_back(w, begin);
        for (uint32_t j = 0; j < s->worker_count; j++)
            sim_pool_put(&s->workers[j].datagram_chunks, &w->read[j]);
    }
}

/* ---- Numbers ------------------------------------------------------------- */

static void add_stats(struct sim_stats *out, const struct sim_worker *w)
{
    for (int f = 0; f < SIM_FATES; f++)
        out->fate[f] += w->stats.fate[f];
    out->offered += w->stats.offered;
    out->offered_bytes += w->stats.offered_bytes;
    out->delivered_bytes += w->stats.delivered_bytes;
    out->ticks += w->stats.ticks;
    out->idle_ends += w->stats.idle_ends;
    out->in_flight += w->stats.in_flight - w->ended;
    out->digest += w->stats.digest;
    out->memory +=
        w->timer_chunks.memory + w->datagram_chunks.memory + sizeof(*w) +
        (w->sim->worker_count + 1) * sizeof(struct sim_calendar) +
        (w->rest.cap + w->due.cap + w->spare.cap) * sizeof(struct sim_due);
}

void sim_stats(const struct sim *s, struct sim_stats *out)
{
    *out = (struct sim_stats){
        .memory = sizeof(*s) + s->call_cap * sizeof(*s->calls) +
                  s->node_count *
                      (sizeof(struct sim_node) + sizeof(struct sim_site))};
    for (uint32_t i = 0; i < s->worker_count; i++)
        add_stats(out, &s->workers[i]);
    if (s->addresses.slots != NULL)
        out->memory += (s->addresses.mask + 1) * sizeof(*s->addresses.slots);
}
