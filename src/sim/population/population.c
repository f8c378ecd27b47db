/* SPDX-License-Identifier: MIT
 *
 * Members: made, found, counted. Who comes and goes when is in life.c.
 */
#include "sim/population/kind.h"
#include "sim/population/population_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define POPULATION_STREAM UINT64_C(0x706f70756c617465) /* apart from nodes' */

/* ---- Life -------------------------------------------------------------- */

static enum error fill(struct population *p, struct text *why)
{
    const struct scenario *sc = p->scenario;
    uint32_t seats;
    enum error err = seating_init(&p->seating, sc, why);

    if (err != OK)
        return err;
    seats = p->seating.seats;
    p->taken_by = malloc(seats * sizeof(*p->taken_by));
    p->candidates = malloc(seats * sizeof(*p->candidates));
    if (p->taken_by == NULL || p->candidates == NULL)
        return ERR_NO_MEMORY;
    memset(p->taken_by, 0xff, seats * sizeof(*p->taken_by)); /* NOBODY */
    if (sc->nodes.trace[0] == '\0')
        return OK;
    return trace_load(&p->trace, sc->nodes.trace,
                      p->seating.regular - p->seating.bootstraps, why);
}

enum error population_new(const struct scenario *scenario, struct sim *sim,
                          struct population **out, struct text *why)
{
    struct population *p = calloc(1, sizeof(*p));
    enum error err;

    if (p == NULL)
        return ERR_NO_MEMORY;
    p->scenario = scenario;
    p->sim = sim;
    p->called_at = p->next_arrival = TIME_NEVER;
    sim_rng_init(&p->rng, scenario->run.seed, POPULATION_STREAM);
    err = fill(p, why);
    if (err != OK) {
        population_free(p);
        return err;
    }
    *out = p;
    return OK;
}

void population_free(struct population *p)
{
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->count; i++)
        free(member_at(p, i)->stored);
    for (size_t i = 0; i < p->block_cap; i++)
        free(p->blocks[i]);
    free(p->blocks);
    free(p->of_node);
    free(p->taken_by);
    free(p->candidates);
    agenda_deinit(&p->agenda);
    trace_deinit(&p->trace);
    free(p);
}

void population_listen(struct population *p,
                       const struct population_listener *l)
{
    assert(p->listener_count < POPULATION_LISTENERS_MAX && p->count == 0);
    p->listeners[p->listener_count++] = *l;
}

/* ---- Members ----------------------------------------------------------- */

static enum error reserve_block(struct population *p)
{
    size_t block = p->count / MEMBER_BLOCK;

    if (block == p->block_cap) {
        size_t cap = p->block_cap == 0 ? 16 : 2 * p->block_cap;
        struct inhabitant **blocks =
            realloc(p->blocks, cap * sizeof(struct inhabitant *));

        if (blocks == NULL)
            return ERR_NO_MEMORY;
        memset(blocks + block, 0, (cap - block) * sizeof(struct inhabitant *));
        p->blocks = blocks;
        p->block_cap = cap;
    }
    if (p->blocks[block] == NULL)
        p->blocks[block] = malloc(MEMBER_BLOCK * sizeof(struct inhabitant));
    return p->blocks[block] == NULL ? ERR_NO_MEMORY : OK;
}

static enum error reserve_node(struct population *p, uint32_t node)
{
    size_t cap = p->node_cap == 0 ? 1024 : p->node_cap;
    uint32_t *of_node;

    while (cap <= node)
        cap *= 2;
    if (cap == p->node_cap)
        return OK;
    of_node = realloc(p->of_node, cap * sizeof(*of_node));
    if (of_node == NULL)
        return ERR_NO_MEMORY;
    memset(of_node + p->node_cap, 0xff,
           (cap - p->node_cap) * sizeof(*of_node)); /* NOBODY */
    p->of_node = of_node;
    p->node_cap = cap;
    return OK;
}

/* False: nobody wants it at a certain place. */
static bool is_placed(const struct population *p, const struct inhabitant *m,
                      unsigned again, struct endpoint *out)
{
    for (size_t i = 0; i < p->listener_count; i++) {
        const struct population_listener *l = &p->listeners[i];

        if (m->m.role == POPULATION_PLAIN && l->place_hostile != NULL)
            return l->place_hostile(l->ctx, again, out);
    }
    return false;
}

/* At an address of the adversary's own that nobody has yet. */
static enum error add_hostile(struct population *p, struct inhabitant *m)
{
    enum error err = ERR_IN_USE;

    for (unsigned again = 0; err == ERR_IN_USE; again++) {
        struct sim_place place = {.family = {false}};
        struct endpoint ep;

        if (!is_placed(p, m, again, &ep))
            ep = kind_hostile_address(p->scenario, p->hostile++);
        place.family[ep.family] = true;
        place.at[ep.family] = &ep;
        if (ep.port < SIM_PORT)
            return ERR_FULL;
        err = sim_node_add(p->sim, &place, &m->m.node);
    }
    return err;
}

/* A network that is full has the addresses of those who have left: the one
 * before it in the seat had what it is behind, too. */
static enum error take_over(struct population *p, struct inhabitant *m)
{
    const struct inhabitant *before;

    if (p->taken_by[m->seat] == NOBODY)
        return ERR_FULL;
    before = member_at(p, p->taken_by[m->seat]);
    m->m.node = before->m.node;
    m->m.nat = before->m.nat;
    return OK;
}

static enum error add_node(struct population *p, struct inhabitant *m,
                           const struct kind *kind)
{
    struct sim_place place = {.nat = kind->nat};
    enum error err;

    if (m->m.hostile && p->scenario->adversary.networks.count > 0)
        return add_hostile(p, m);
    memcpy(place.family, kind->family, sizeof(place.family));
    err = sim_node_add(p->sim, &place, &m->m.node);
    return err == ERR_FULL ? take_over(p, m) : err;
}

static struct population_member
describe(uint32_t index, const struct seat *seat, const struct kind *kind)
{
    return (struct population_member){.index = index,
                                      .role = seat->role,
                                      .bootstrap = seat->bootstrap,
                                      .hostile = seat->hostile,
                                      .read_only = kind->read_only,
                                      .nat = kind->nat,
                                      .variant = kind->variant,
                                      .both = kind->both,
                                      .old = kind->old,
                                      .clock_error = kind->clock_error};
}

enum error population_make(struct population *p, uint32_t number,
                           struct inhabitant **out)
{
    struct seat seat = seating_at(&p->seating, number);
    struct kind kind = kind_draw(p->scenario, &seat, p->count);
    struct inhabitant *m;
    enum error err = reserve_block(p);

    if (err != OK)
        return err;
    m = member_at(p, p->count);
    *m = (struct inhabitant){.m = describe(p->count, &seat, &kind),
                             .seat = number,
                             .candidate = NOBODY};
    err = add_node(p, m, &kind);
    if (err == OK)
        err = reserve_node(p, m->m.node);
    if (err != OK)
        return err;
    p->of_node[m->m.node] = p->count++;
    p->taken_by[number] = m->m.index;
    *out = m;
    return OK;
}

void population_count_in(struct population *p, struct inhabitant *m)
{
    p->present++;
    if (m->m.hostile || m->m.bootstrap)
        return;
    m->candidate = p->candidate_count;
    p->candidates[p->candidate_count++] = m->m.index;
}

void population_count_out(struct population *p, struct inhabitant *m)
{
    uint32_t last;

    p->present--;
    if (m->candidate == NOBODY)
        return;
    last = p->candidates[--p->candidate_count];
    p->candidates[m->candidate] = last;
    member_at(p, last)->candidate = m->candidate;
    m->candidate = NOBODY;
}

/* ---- Who looks at them ------------------------------------------------- */

enum error population_error(const struct population *p)
{
    return p->error;
}

uint32_t population_count(const struct population *p)
{
    return p->count;
}

struct population_member *population_at(struct population *p, uint32_t index)
{
    assert(index < p->count);
    return &member_at(p, index)->m;
}

struct population_member *population_of_node(struct population *p,
                                             uint32_t node)
{
    if (node >= p->node_cap || p->of_node[node] == NOBODY)
        return NULL;
    return population_at(p, p->of_node[node]);
}

uint32_t population_present(const struct population *p)
{
    return p->present;
}

struct population_member *population_any(struct population *p,
                                         struct sim_rng *r)
{
    if (p->candidate_count == 0)
        return NULL;
    return population_at(p,
                         p->candidates[sim_rng_below(r, p->candidate_count)]);
}
