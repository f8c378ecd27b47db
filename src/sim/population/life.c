/* SPDX-License-Identifier: MIT
 *
 * Who comes and goes: first arrivals, ends of sessions, comings back, and the
 * trace that may say all that instead. Each is due at a time; one call of
 * the network at the earliest of them works off what is due then.
 */
#include "sim/dht_node.h"
#include "sim/population/population_internal.h"

#include <assert.h>
#include <stdlib.h>

#define TOLD      8         /* bootstrap nodes that a member is told of */
#define CALL_MOST TIME_HOUR /* what is later is looked for again then */

/* ---- One member -------------------------------------------------------- */

static const struct scenario_engines *engines_of(const struct population *p,
                                                 const struct inhabitant *m)
{
    return &p->scenario->engines[m->m.variant];
}

static void tell_bootstraps(struct population *p, const struct inhabitant *m)
{
    uint32_t all = p->seating.bootstraps, first;

    if (m->m.bootstrap) { /* the others before it */
        for (uint32_t i = 0; i < m->seat && i < TOLD; i++)
            sim_dht_bootstrap(p->sim, m->m.node,
                              population_at(p, p->taken_by[i])->node);
        return;
    }
    first = sim_rng_below(&p->rng, all);
    for (uint32_t i = 0; i < all && i < TOLD; i++)
        sim_dht_bootstrap(
            p->sim, m->m.node,
            population_at(p, p->taken_by[(first + i) % all])->node);
}

static void take_habits(const struct population *p, const struct inhabitant *m)
{
    struct sim_dht *n = sim_dht_on(p->sim, m->m.node, DHT_DIALECT_MAINLINE);

    for (unsigned i = 0; n != NULL && m->m.old && i < SCENARIO_HABITS; i++)
        n->habits |= (unsigned)p->scenario->habits.has[i] << i;
}

/* Nothing of that one is stored. */
static enum error start_other(struct population *p, const struct inhabitant *m,
                              const struct dht_config *config)
{
    struct dht_config other = *config;

    if (!m->m.both)
        return OK;
    other.dialect = config->dialect == DHT_DIALECT_MAINLINE
                        ? DHT_DIALECT_WARREN
                        : DHT_DIALECT_MAINLINE;
    return sim_dht_revive(p->sim, m->m.node, &other);
}

static enum error start_dht(struct population *p, struct inhabitant *m)
{
    struct dht_config config = engines_of(p, m)->dht;
    enum error err;

    config.read_only |= m->m.read_only;
    config.dialect = p->scenario->nodes.dialect;
    err = start_other(p, m, &config);
    if (err != OK)
        return err;
    if (m->stored != NULL)
        stored_ids(m->stored, &config);
    err = sim_dht_revive(p->sim, m->m.node, &config);
    if (err != OK)
        return err;
    take_habits(p, m);
    if (m->stored != NULL)
        stored_restore(m->stored, p->sim, m->m.node);
    tell_bootstraps(p, m);
    return OK;
}

/* Whether a listener has started the adversary's engine instead of ours. */
static enum error start_hostile(struct population *p, struct inhabitant *m,
                                bool *started)
{
    *started = false;
    if (!m->m.hostile || m->m.role != POPULATION_PLAIN)
        return OK;
    for (size_t i = 0; i < p->listener_count && !*started; i++) {
        const struct population_listener *l = &p->listeners[i];

        *started = l->start_hostile != NULL;
        if (*started)
            return l->start_hostile(l->ctx, &m->m);
    }
    return OK;
}

static enum error start_tunnel(struct population *p, struct inhabitant *m)
{
    for (size_t i = 0; i < p->listener_count; i++) {
        const struct population_listener *l = &p->listeners[i];

        if (m->m.role != POPULATION_PLAIN && l->start_tunnel != NULL)
            return l->start_tunnel(l->ctx, &m->m);
    }
    return OK;
}

static enum error start(struct population *p, struct inhabitant *m)
{
    bool hostile;
    enum error err = start_hostile(p, m, &hostile);

    if (err == OK && !hostile)
        err = start_dht(p, m);
    if (err == OK)
        err = start_tunnel(p, m);
    return err;
}

enum error population_come(struct population *p, struct inhabitant *m,
                           uint64_t now)
{
    enum error err;

    m->m.came = now;
    m->m.session++;
    err = start(p, m);
    free(m->stored);
    m->stored = NULL;
    if (err != OK)
        return err;
    m->m.present = true;
    population_count_in(p, m);
    for (size_t i = 0; i < p->listener_count; i++)
        if (p->listeners[i].came != NULL)
            p->listeners[i].came(p->listeners[i].ctx, &m->m, now);
    return OK;
}

void population_leave(struct population *p, struct inhabitant *m, uint64_t now)
{
    for (size_t i = 0; i < p->listener_count; i++)
        if (p->listeners[i].leaves != NULL)
            p->listeners[i].leaves(p->listeners[i].ctx, &m->m, now);
    m->m.present = false;
    population_count_out(p, m);
    if (p->scenario->nodes.same_id) {
        m->stored = stored_save(p->sim, m->m.node, &p->rng);
        if (m->stored == NULL)
            p->error = ERR_NO_MEMORY;
    }
    sim_kill(p->sim, m->m.node);
}

/* ---- Seats ------------------------------------------------------------- */

static bool is_traced(const struct population *p)
{
    return p->trace.count > 0;
}

/* Whoever is in the seat stays for ever. */
static bool stays(const struct population *p, const struct inhabitant *m)
{
    return is_traced(p) || m->m.bootstrap || m->m.hostile;
}

/* After a time drawn from `spread` the seat turns. */
static enum error plan(struct population *p, uint32_t seat,
                       const struct spread *spread, uint64_t now)
{
    uint64_t after = spread_draw(spread, &p->rng);

    if (after >= TIME_NEVER - now)
        return OK;
    return agenda_add(&p->agenda, now + after, seat);
}

static enum error fill_seat(struct population *p, uint32_t seat, uint64_t now)
{
    struct inhabitant *m = NULL;
    enum error err = OK;

    if (p->taken_by[seat] != NOBODY && p->scenario->nodes.same_id)
        m = member_at(p, p->taken_by[seat]);
    else
        err = population_make(p, seat, &m);
    if (err == OK)
        err = population_come(p, m, now);
    if (err == OK && !stays(p, m))
        err = plan(p, seat, &p->scenario->nodes.session, now);
    return err;
}

static enum error empty_seat(struct population *p, uint32_t seat, uint64_t now)
{
    population_leave(p, member_at(p, p->taken_by[seat]), now);
    if (p->error != OK || is_traced(p))
        return p->error;
    return plan(p, seat, &p->scenario->nodes.offline, now);
}

static enum error turn_seat(struct population *p, uint32_t seat, uint64_t now)
{
    uint32_t member = p->taken_by[seat];

    if (member != NOBODY && member_at(p, member)->m.hostile)
        return OK; /* in a trace: it stays */
    if (member != NOBODY && member_at(p, member)->m.present)
        return empty_seat(p, seat, now);
    return fill_seat(p, seat, now);
}

/* ---- What is due ------------------------------------------------------- */

/* When the next one arrives, after one that arrived at `at`. */
static uint64_t arrival_after(struct population *p, uint64_t at)
{
    const struct scenario_nodes *n = &p->scenario->nodes;
    uint32_t arrivals = p->seating.seats - p->seating.bootstraps;
    struct spread gap = {.kind = SPREAD_EXPONENTIAL,
                         .a = n->arrival_time / arrivals};

    switch (n->arrival) {
    case ARRIVE_AT_ONCE:
        return at;
    case ARRIVE_EVENLY:
        return at + n->arrival_time / arrivals;
    case ARRIVE_BY_CHANCE:
        return at + spread_draw(&gap, &p->rng);
    }
    return at;
}

static void plan_arrival(struct population *p, uint64_t at)
{
    p->next_arrival = p->arrived < p->seating.seats ? arrival_after(p, at)
                                                    : TIME_NEVER;
}

static uint64_t next_of_trace(const struct population *p)
{
    if (p->traced == p->trace.count)
        return TIME_NEVER;
    return p->trace_base + p->trace.events[p->traced].at;
}

static uint64_t next_due(const struct population *p)
{
    return time_min(next_of_trace(p),
                    time_min(p->next_arrival, agenda_next(&p->agenda)));
}

/* The earliest of all; at the same time arrivals first, then the trace. */
static enum error do_next(struct population *p, uint64_t now)
{
    uint64_t due = next_due(p);

    if (p->next_arrival == due) {
        uint32_t seat = seating_arrival(&p->seating, p->arrived++);

        plan_arrival(p, due);
        return fill_seat(p, seat, now);
    }
    if (next_of_trace(p) == due)
        return turn_seat(
            p, p->seating.bootstraps + p->trace.events[p->traced++].node, now);
    return turn_seat(p, agenda_take(&p->agenda).seat, now);
}

static void call(void *ctx, uint64_t now);

static enum error call_at(struct population *p, uint64_t at)
{
    at = time_min(at, sim_now(p->sim) + CALL_MOST);
    at += (POPULATION_STEP - at % POPULATION_STEP) % POPULATION_STEP;
    if (p->called_at <= at)
        return OK;
    p->called_at = at;
    return sim_at(p->sim, at, call, p);
}

static enum error work_off(struct population *p, uint64_t now)
{
    while (p->error == OK && next_due(p) <= now)
        p->error = do_next(p, now);
    if (p->error == OK && next_due(p) != TIME_NEVER)
        p->error = call_at(p, next_due(p));
    return p->error;
}

static void call(void *ctx, uint64_t now)
{
    struct population *p = ctx;

    if (p->called_at <= now)
        p->called_at = TIME_NEVER;
    work_off(p, now);
}

enum error population_begin(struct population *p)
{
    uint64_t now = sim_now(p->sim);

    assert(p->count == 0);
    p->trace_base = now;
    while (p->error == OK && p->arrived < p->seating.bootstraps)
        p->error = fill_seat(p, p->arrived++, now);
    if (is_traced(p)) { /* but the adversary's own */
        for (p->arrived = p->seating.regular;
             p->error == OK && p->arrived < p->seating.seats; p->arrived++)
            p->error = fill_seat(p, p->arrived, now);
    } else {
        plan_arrival(p, now);
    }
    return work_off(p, now);
}
