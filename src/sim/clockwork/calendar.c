/* SPDX-License-Identifier: MIT
 *
 * The ring has the days from today on, one turn of it. `far` has none that is
 * less than half a turn ahead: sim_calendar_go sees to that.
 */
#include "sim/clockwork/calendar.h"

#include <assert.h>
#include <string.h>

#define MASK (SIM_CALENDAR_DAYS - 1)

void sim_calendar_init(struct sim_calendar *c, unsigned shift, uint64_t now)
{
    memset(c->occupied, 0, sizeof(c->occupied));
    c->far = (struct sim_chunks){NULL, NULL};
    c->shift = shift;
    c->today = now >> shift;
    c->far_first = UINT64_MAX;
}

/* The list in which a record of that day is to wait. */
static struct sim_chunks *list_of(struct sim_calendar *c, uint64_t day)
{
    assert(day >= c->today);
    if (day - c->today >= SIM_CALENDAR_DAYS) {
        if (day < c->far_first)
            c->far_first = day;
        return &c->far;
    }
    c->occupied[(day & MASK) / 64] |= UINT64_C(1) << (day % 64);
    return &c->days[day & MASK];
}

void *sim_calendar_add(struct sim_calendar *c, struct sim_pool *p,
                       uint64_t tick, uint32_t node, size_t size)
{
    struct sim_chunks *list = list_of(c, tick >> c->shift);
    struct sim_chunk *chunk = list->last;
    struct sim_record *r;

    assert(size % 8 == 0 && size <= sim_pool_room(p));
    if (chunk == NULL || chunk->used + size > sim_pool_room(p)) {
        chunk = sim_pool_get(p);
        if (chunk == NULL)
            return NULL;
        sim_chunks_append(list, chunk);
    }
    r = (struct sim_record *)(void *)(chunk->data + chunk->used);
    chunk->used += (uint32_t)size;
    r->tick = tick;
    r->node = node;
    r->size = (uint32_t)size;
    return r;
}

/* The first day of the ring that is marked. */
static uint64_t next_in_ring(const struct sim_calendar *c)
{
    unsigned start = (unsigned)(c->today & MASK);
    uint64_t word = c->occupied[start / 64] >> (start % 64);

    if (word != 0)
        return c->today + (unsigned)__builtin_ctzll(word);
    /* Once around, and the days of the first word that lie behind it. */
    for (unsigned i = 1; i <= SIM_CALENDAR_DAYS / 64; i++) {
        unsigned at = (start / 64 + i) % (SIM_CALENDAR_DAYS / 64);

        word = c->occupied[at];
        if (word != 0) {
            unsigned day = at * 64 + (unsigned)__builtin_ctzll(word);

            return c->today + ((day - start) & MASK);
        }
    }
    return UINT64_MAX;
}

uint64_t sim_calendar_next(const struct sim_calendar *c)
{
    uint64_t day = next_in_ring(c);

    return day < c->far_first ? day : c->far_first;
}

/* What is near enough now goes into the ring, the rest back. */
static void look_through(struct sim_calendar *c, struct sim_pool *p)
{
    struct sim_chunks old = c->far;
    struct sim_reader reader = {old.first, 0};
    const struct sim_record *r;

    c->far = (struct sim_chunks){NULL, NULL};
    c->far_first = UINT64_MAX;
    while ((r = sim_reader_next(&reader)) != NULL) {
        void *copy = sim_calendar_add(c, p, r->tick, r->node, r->size);

        /* Out of memory here it is lost, as a datagram may be. */
        if (copy != NULL)
            memcpy(copy, r, r->size);
    }
    sim_pool_put(p, &old);
}

void sim_calendar_go(struct sim_calendar *c, struct sim_pool *p, uint64_t day)
{
    assert(day >= c->today);
    c->today = day;
    if (c->far_first < day + SIM_CALENDAR_DAYS / 2)
        look_through(c, p);
}

struct sim_chunks sim_calendar_take(struct sim_calendar *c)
{
    struct sim_chunks *day = &c->days[c->today & MASK];
    struct sim_chunks out = *day;

    *day = (struct sim_chunks){NULL, NULL};
    return out;
}

void sim_calendar_done(struct sim_calendar *c)
{
    assert(c->days[c->today & MASK].first == NULL);
    c->occupied[(c->today & MASK) / 64] &= ~(UINT64_C(1) << (c->today % 64));
}

struct sim_chunks sim_calendar_take_all(struct sim_calendar *c)
{
    struct sim_chunks out = c->far;

    for (int i = 0; i < SIM_CALENDAR_DAYS; i++) {
        if (c->days[i].first != NULL)
            sim_chunks_move(&out, &c->days[i]);
    }
    sim_calendar_init(c, c->shift, c->today << c->shift);
    return out;
}
