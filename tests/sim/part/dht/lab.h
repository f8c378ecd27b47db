/* SPDX-License-Identifier: MIT
 *
 * A laboratory of a few hundred nodes for the tests of parts. Its population
 * and its measures stand in for the real ones: who comes and leaves is the
 * test's to say, and what was counted lies open.
 */
#ifndef WARREN_TESTS_SIM_PART_DHT_LAB_H
#define WARREN_TESTS_SIM_PART_DHT_LAB_H

#include "../../sim_test.h"
#include "sim/dht_node.h"
#include "sim/measure/trace_log.h"
#include "sim/part/part.h"

#include <string.h>

#define LAB_MEMBERS 2000
#define LAB_VALUES  20000

/* ---- Measures ------------------------------------------------------------ */

struct lab_measure {
    uint64_t count, level, hits, of, sum;
    uint64_t values[LAB_VALUES];
    size_t value_count;
    uint64_t curve_hits[MEASURE_CURVE_MAX], curve_of[MEASURE_CURVE_MAX];
};

struct measures {
    bool counts;
    struct lab_measure of[MEASURES];
};

void measure_count(struct measures *m, enum measure what, uint64_t n)
{
    m->of[what].count += m->counts ? n : 0;
}

void measure_level(struct measures *m, enum measure what, uint64_t level)
{
    m->of[what].level = level;
}

void measure_share(struct measures *m, enum measure what, uint64_t hits,
                   uint64_t of)
{
    assert_true(hits <= of);
    m->of[what].hits += m->counts ? hits : 0;
    m->of[what].of += m->counts ? of : 0;
}

void measure_value(struct measures *m, enum measure what, uint64_t value)
{
    struct lab_measure *l = &m->of[what];

    if (m->counts && l->value_count < LAB_VALUES) {
        l->values[l->value_count++] = value;
        l->sum += value;
    }
}

void measure_curve(struct measures *m, enum measure what, uint64_t at,
                   uint64_t hits, uint64_t of)
{
    at = at < MEASURE_CURVE_MAX ? at : MEASURE_CURVE_MAX - 1;
    m->of[what].curve_hits[at] += m->counts ? hits : 0;
    m->of[what].curve_of[at] += m->counts ? of : 0;
}

enum error trace_log_add(struct trace_log *log, const struct trace_step *step)
{
    if (log->count == log->cap) {
        size_t cap = log->cap == 0 ? 64 : 2 * log->cap;
        struct trace_step *more = realloc(log->steps, cap * sizeof(*more));

        assert_non_null(more);
        log->steps = more;
        log->cap = cap;
    }
    log->steps[log->count++] = *step;
    return OK;
}

/* ---- The population ------------------------------------------------------ */

struct population {
    struct sim *sim;
    struct population_listener listeners[8];
    unsigned listener_count;
    struct population_member members[LAB_MEMBERS];
    uint32_t count, present;
};

void population_listen(struct population *p,
                       const struct population_listener *l)
{
    assert_true(p->listener_count < 8);
    p->listeners[p->listener_count++] = *l;
}

uint32_t population_count(const struct population *p)
{
    return p->count;
}

uint32_t population_present(const struct population *p)
{
    return p->present;
}

struct population_member *population_at(struct population *p, uint32_t index)
{
    assert_true(index < p->count);
    return &p->members[index];
}

struct population_member *population_of_node(struct population *p,
                                             uint32_t node)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->members[i].node == node)
            return &p->members[i];
    return NULL;
}

static bool lab_is_any(const struct population_member *m)
{
    return m->present && !m->hostile && !m->bootstrap;
}

struct population_member *population_any(struct population *p,
                                         struct sim_rng *r)
{
    uint32_t some = 0, at;

    for (uint32_t i = 0; i < p->count; i++)
        some += lab_is_any(&p->members[i]);
    if (some == 0)
        return NULL;
    at = sim_rng_below(r, some);
    for (uint32_t i = 0;; i++)
        if (lab_is_any(&p->members[i]) && at-- == 0)
            return &p->members[i];
}

/* ---- The laboratory ------------------------------------------------------ */

struct lab {
    struct scenario scenario;
    struct sim_config config;
    struct population population;
    struct measures measures;
    struct trace_log traces;
    struct laboratory rooms;
    const struct part_kind *kind[3];
    void *part[3];
    unsigned parts;
};

/* Static, so that a test that fails leaves it to be freed later. */
static struct lab lab;

static inline void lab_end(struct lab *l)
{
    sim_free(l->rooms.sim);
    for (unsigned i = 0; i < l->parts; i++)
        if (l->part[i] != NULL)
            l->kind[i]->free(l->part[i]);
    free(l->traces.steps);
    l->rooms.sim = NULL;
    l->traces = (struct trace_log){0};
    l->parts = 0;
}

/* For the group's teardown. */
static inline int lab_cleanup(void **state)
{
    (void)state;
    lab_end(&lab);
    return 0;
}

/* The scenario may be changed before lab_start: five minutes of warm-up, and
 * nothing to do. */
static inline void lab_init(struct lab *l)
{
    lab_end(l);
    memset(l, 0, sizeof(*l));
    sim_config_init(&l->config);
    l->scenario.run.seed = test_seed();
    l->scenario.run.warmup = 5 * TIME_MIN;
    l->scenario.run.sample = TIME_MIN;
    l->scenario.nodes.count = 100;
    l->scenario.lookups.announcers = 1;
    l->scenario.lookups.renew = true;
    l->scenario.items.renew = true;
    dht_config_init(&l->scenario.engines[0].dht);
    dht_config_init(&l->scenario.engines[1].dht);
}

static inline void lab_start(struct lab *l)
{
    l->config.seed = l->scenario.run.seed;
    assert_int_equal(sim_new(&l->config, &l->rooms.sim), OK);
    l->population.sim = l->rooms.sim;
    l->rooms.scenario = &l->scenario;
    l->rooms.population = &l->population;
    l->rooms.measures = &l->measures;
    l->rooms.traces = &l->traces;
    l->rooms.begins = sim_now(l->rooms.sim) + l->scenario.run.warmup;
}

static inline void lab_add(struct lab *l, const struct part_kind *kind)
{
    l->kind[l->parts] = kind;
    assert_int_equal(kind->make(&l->rooms, &l->part[l->parts]), OK);
    l->parts++;
}

static inline void lab_tell(struct lab *l, struct population_member *m,
                            bool came)
{
    uint64_t now = sim_now(l->rooms.sim);

    for (unsigned i = 0; i < l->population.listener_count; i++) {
        const struct population_listener *of = &l->population.listeners[i];

        if (came && of->came != NULL)
            of->came(of->ctx, m, now);
        else if (!came && of->leaves != NULL)
            of->leaves(of->ctx, m, now);
    }
}

static inline void lab_start_engine(struct lab *l, struct population_member *m)
{
    struct sim *s = l->rooms.sim;
    struct dht_config c = l->scenario.engines[0].dht;

    c.read_only = m->read_only;
    for (unsigned i = 0; m->hostile && i < l->population.listener_count; i++) {
        const struct population_listener *of = &l->population.listeners[i];

        if (of->start_hostile != NULL) {
            assert_int_equal(of->start_hostile(of->ctx, m), OK);
            return;
        }
    }
    assert_int_equal(sim_dht_revive(s, m->node, &c), OK);
}

/* Comes, or comes back. */
static inline void lab_come(struct lab *l, struct population_member *m)
{
    lab_start_engine(l, m);
    for (uint32_t i = 0; i < m->index && l->population.members[i].bootstrap;
         i++)
        sim_dht_bootstrap(l->rooms.sim, m->node, l->population.members[i].node);
    m->present = true;
    m->came = sim_now(l->rooms.sim);
    m->session++;
    l->population.present++;
    lab_tell(l, m, true);
}

/* A member like `kind`, anywhere, or where the adversary wants to have it. */
static inline struct population_member *lab_join(struct lab *l,
                                                 struct population_member kind)
{
    struct population_member *m = &l->population.members[l->population.count];
    struct sim_place place = {.family = {true}};
    struct endpoint ep;

    for (unsigned i = 0; kind.hostile && i < l->population.listener_count &&
                         l->scenario.adversary.networks.count > 0;
         i++) {
        const struct population_listener *of = &l->population.listeners[i];

        if (of->place_hostile != NULL && of->place_hostile(of->ctx, 0, &ep))
            place.at[FAMILY_IPV4] = &ep;
    }

    assert_true(l->population.count < LAB_MEMBERS);
    *m = kind;
    m->index = l->population.count++;
    m->bootstrap = m->index == 0;
    assert_int_equal(sim_node_add(l->rooms.sim, &place, &m->node), OK);
    lab_come(l, m);
    return m;
}

static inline void lab_leave(struct lab *l, struct population_member *m)
{
    lab_tell(l, m, false);
    m->present = false;
    l->population.present--;
    sim_kill(l->rooms.sim, m->node);
}

/* Runs with the parts as an experiment does. */
static inline void lab_run(struct lab *l, uint64_t duration)
{
    uint64_t until = sim_now(l->rooms.sim) + duration;
    uint64_t sample = l->scenario.run.sample;

    while (sim_now(l->rooms.sim) < until) {
        uint64_t now = sim_now(l->rooms.sim) + PART_HARVEST;

        now -= now % PART_HARVEST;
        sim_run_until(l->rooms.sim, now);
        for (unsigned i = 0; i < l->parts; i++)
            if (l->part[i] != NULL)
                assert_int_equal(l->kind[i]->harvest(l->part[i], now), OK);
        for (unsigned i = 0; i < l->parts && l->measures.counts &&
                             (now - l->rooms.begins) % sample == 0;
             i++)
            if (l->part[i] != NULL && l->kind[i]->sample != NULL)
                l->kind[i]->sample(l->part[i], now);
        l->measures.counts = now >= l->rooms.begins;
    }
}

/* `n` plain members come within a minute. */
static inline void lab_grow(struct lab *l, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        lab_join(l, (struct population_member){.index = 0});
        sim_run_for(l->rooms.sim, TIME_MIN / n);
    }
}

#endif
