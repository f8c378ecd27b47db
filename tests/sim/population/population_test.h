/* SPDX-License-Identifier: MIT
 *
 * A population in a network of its own, as tests use it.
 */
#ifndef WARREN_TESTS_POPULATION_TEST_H
#define WARREN_TESTS_POPULATION_TEST_H

#include "sim/dht_node.h"
#include "sim/population/population.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct crowd {
    struct scenario scenario;
    struct sim *sim;
    struct population *population;
    struct path *path;
    uint32_t max_nodes; /* of the network; 0: as it likes */
    struct text why;
    struct population_listener listener;
    uint64_t begun;
};

/* Static, so that a test that fails leaves it to be freed by the next one. */
static struct crowd crowd;

static inline void crowd_end(struct crowd *c)
{
    sim_free(c->sim);
    population_free(c->population);
    path_free(c->path);
    text_deinit(&c->why);
    *c = (struct crowd){0};
}

static inline int crowd_cleanup(void **state)
{
    (void)state;
    crowd_end(&crowd);
    return 0;
}

/* `count` nodes at once, which stay. The scenario may be changed. */
static inline void crowd_init(struct crowd *c, unsigned count)
{
    crowd_end(c);
    text_init(&c->why, 1000);
    c->scenario.run.seed = 7;
    c->scenario.run.threads = 1;
    c->scenario.nodes.count = count;
    c->scenario.nodes.offline.kind = SPREAD_FIXED;
    for (int i = 0; i < 2; i++)
        dht_config_init(&c->scenario.engines[i].dht);
}

static inline enum error crowd_make(struct crowd *c)
{
    struct sim_config config;

    sim_config_init(&config);
    config.addressing = SIM_ADDRESS_GLOBAL;
    if (c->max_nodes != 0)
        config.max_nodes = c->max_nodes;
    assert_int_equal(population_network(&c->scenario, config.start, &config,
                                        &c->path, &c->why),
                     OK);
    assert_int_equal(sim_new(&config, &c->sim), OK);
    return population_new(&c->scenario, c->sim, &c->population, &c->why);
}

static inline void crowd_begin(struct crowd *c)
{
    assert_int_equal(crowd_make(c), OK);
    population_listen(c->population, &c->listener);
    c->begun = sim_now(c->sim);
    assert_int_equal(population_begin(c->population), OK);
}

static inline void crowd_run(struct crowd *c, uint64_t duration)
{
    sim_run_for(c->sim, duration);
    assert_int_equal(population_error(c->population), OK);
}

static inline struct population_member *crowd_at(struct crowd *c, uint32_t i)
{
    return population_at(c->population, i);
}

#endif
