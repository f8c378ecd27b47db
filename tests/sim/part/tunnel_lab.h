/* SPDX-License-Identifier: MIT
 *
 * The parts about tunnels among a few members that a test makes by hand: a
 * population and measures that stand in for the real ones, at the linker. Each
 * member's DHT engine is there before, and roles are given in this order:
 * relays, exits, clients, services, members of strings.
 */
#ifndef WARREN_TESTS_SIM_PART_TUNNEL_LAB_H
#define WARREN_TESTS_SIM_PART_TUNNEL_LAB_H

#include "../sim_dht_test.h"

#include "sim/part/part.h"
#include "sim/tunnel_node.h"

#include <sodium.h>
#include <string.h>

#define LAB_MEMBERS 64
#define LAB_PARTS   2

/* ---- Measures ------------------------------------------------------------ */

struct measures {
    uint64_t hits[MEASURES], of[MEASURES]; /* SHARE; VALUES: sum, count */
    uint64_t reasons[MEASURE_REASONS_MAX]; /* of circuits */
    uint64_t curve_hits[MEASURES][8], curve_of[MEASURES][8];
};

void measure_share(struct measures *m, enum measure what, uint64_t hits,
                   uint64_t of)
{
    assert_true(hits <= of);
    m->hits[what] += hits;
    m->of[what] += of;
}

void measure_value(struct measures *m, enum measure what, uint64_t value)
{
    m->hits[what] += value;
    m->of[what]++;
}

void measure_reason(struct measures *m, enum measure what, unsigned reason)
{
    assert_int_equal(what, M_CIRCUIT_FAILURES);
    assert_in_range(reason, 0, MEASURE_REASONS_MAX - 1);
    m->reasons[reason]++;
}

void measure_curve(struct measures *m, enum measure what, uint64_t at,
                   uint64_t hits, uint64_t of)
{
    at = at < 8 ? at : 7;
    m->curve_hits[what][at] += hits;
    m->curve_of[what][at] += of;
}

/* ---- The population ------------------------------------------------------ */

struct population {
    unsigned count, listeners;
    struct population_member members[LAB_MEMBERS];
    struct population_listener listener[POPULATION_LISTENERS_MAX];
};

void population_listen(struct population *p,
                       const struct population_listener *l)
{
    p->listener[p->listeners++] = *l;
}

struct population_member *population_of_node(struct population *p,
                                             uint32_t node)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->members[i].node == node)
            return &p->members[i];
    return NULL;
}

/* ---- The laboratory ------------------------------------------------------ */

struct lab {
    struct scenario scenario;
    struct laboratory room;
    struct population population;
    struct measures measures;
    struct world *w;
    void *parts[LAB_PARTS];
    unsigned hostile_relays, hostile_exits; /* the first of them */
};

static struct lab lab;

static const struct part_kind *const lab_kinds[LAB_PARTS] = {&tunnel_work,
                                                             &tunnel_enemy};

static inline void lab_init(struct lab *l)
{
    *l = (struct lab){.w = &world};
    world_init(l->w);
    l->w->config.addressing = SIM_ADDRESS_GLOBAL;
    l->scenario.run.seed = l->w->config.seed;
    for (unsigned i = 0; i < 2; i++) {
        dht_config_init(&l->scenario.engines[i].dht);
        member_config_init(&l->scenario.engines[i].tunnel);
        l->scenario.engines[i].tunnel.min_circuits = 2;
    }
    l->scenario.adversary.weight = 1;
    l->scenario.services.hops = 3;
}

static inline void lab_come(struct lab *l, struct population_member *m)
{
    uint64_t now = sim_now(l->w->sim);

    m->present = true;
    m->came = now;
    m->session++;
    for (unsigned i = 0; i < l->population.listeners; i++) {
        struct population_listener *li = &l->population.listener[i];

        if (li->start_tunnel != NULL)
            assert_int_equal(li->start_tunnel(li->ctx, m), OK);
    }
    for (unsigned i = 0; i < l->population.listeners; i++) {
        struct population_listener *li = &l->population.listener[i];

        if (li->came != NULL)
            li->came(li->ctx, m, now);
    }
}

static inline void lab_leave(struct lab *l, struct population_member *m)
{
    for (unsigned i = 0; i < l->population.listeners; i++) {
        struct population_listener *li = &l->population.listener[i];

        if (li->leaves != NULL)
            li->leaves(li->ctx, m, sim_now(l->w->sim));
    }
    sim_kill(l->w->sim, m->node);
    m->present = false;
}

/* As a new node at the same place. */
static inline void lab_come_back(struct lab *l, struct population_member *m)
{
    assert_int_equal(sim_dht_revive(l->w->sim, m->node, &l->w->net.config), OK);
    sim_dht_bootstrap(l->w->sim, m->node, l->w->net.members[0]);
    lab_come(l, m);
}

static inline unsigned lab_add(struct lab *l, enum population_role role,
                               unsigned count, unsigned hostile)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned at = l->population.count++;

        assert_in_range(at, 0, LAB_MEMBERS - 1);
        l->population.members[at] = (struct population_member){
            .index = at, .role = role, .hostile = i < hostile};
    }
    return count;
}

/* All come at once, when the DHT has grown. */
static inline void lab_start(struct lab *l)
{
    const struct scenario *s = &l->scenario;
    struct population *p = &l->population;

    world_start(l->w);
    lab_add(l, POPULATION_RELAY, s->tunnels.relays, l->hostile_relays);
    lab_add(l, POPULATION_EXIT, s->tunnels.exits, l->hostile_exits);
    lab_add(l, POPULATION_CLIENT, s->tunnels.clients, 0);
    lab_add(l, POPULATION_SERVICE, s->services.keys, 0);
    lab_add(l, POPULATION_ASSOCIATE, s->services.strings * s->services.members,
            0);
    world_grow(l->w, p->count, 200 * TIME_MS);
    sim_run_for(l->w->sim, TIME_MIN);
    l->room = (struct laboratory){.scenario = s,
                                  .sim = l->w->sim,
                                  .population = p,
                                  .measures = &l->measures,
                                  .begins = sim_now(l->w->sim)};
    for (unsigned i = 0; i < LAB_PARTS; i++)
        assert_int_equal(lab_kinds[i]->make(&l->room, &l->parts[i]), OK);
    for (unsigned i = 0; i < p->count; i++) {
        p->members[i].node = l->w->net.members[i];
        lab_come(l, &p->members[i]);
    }
}

/* Harvested each second, sampled at the end. */
static inline void lab_run(struct lab *l, unsigned seconds)
{
    for (unsigned s = 0; s < seconds; s++) {
        sim_run_for(l->w->sim, PART_HARVEST);
        for (unsigned i = 0; i < LAB_PARTS; i++)
            if (l->parts[i] != NULL)
                assert_int_equal(
                    lab_kinds[i]->harvest(l->parts[i], sim_now(l->w->sim)), OK);
    }
    for (unsigned i = 0; i < LAB_PARTS; i++)
        if (l->parts[i] != NULL && lab_kinds[i]->sample != NULL)
            lab_kinds[i]->sample(l->parts[i], sim_now(l->w->sim));
}

/* The network goes first, as in an experiment. */
static inline void lab_end(struct lab *l)
{
    if (l->w != NULL)
        world_end(l->w);
    for (unsigned i = 0; i < LAB_PARTS; i++)
        if (l->parts[i] != NULL)
            lab_kinds[i]->free(l->parts[i]);
    memset(l->parts, 0, sizeof(l->parts));
}

static inline int lab_cleanup(void **state)
{
    (void)state;
    lab_end(&lab);
    return 0;
}

static inline void lab_print(const struct lab *l, const char *what,
                             enum measure m)
{
    print_message("  %-22s %8" PRIu64 " of %" PRIu64 "\n", what,
                  l->measures.hits[m], l->measures.of[m]);
}

/* In thousandths of a second. */
static inline void lab_print_time(const struct lab *l, const char *what,
                                  enum measure m)
{
    uint64_t n = l->measures.of[m];

    print_message("  %-22s %8" PRIu64 " times %" PRIu64 " ms\n", what, n,
                  n == 0 ? 0 : l->measures.hits[m] / n / TIME_MS);
}

#define assert_all(l, m)                                              \
    do {                                                              \
        assert_at_least((l)->measures.of[m], 1);                      \
        assert_int_equal((l)->measures.hits[m], (l)->measures.of[m]); \
    } while (0)

#endif
