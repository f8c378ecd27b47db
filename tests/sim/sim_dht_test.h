/* SPDX-License-Identifier: MIT
 *
 * A simulated DHT network as tests use it: grown, with keys announced.
 */
#ifndef WARREN_TESTS_SIM_DHT_TEST_H
#define WARREN_TESTS_SIM_DHT_TEST_H

#include "dht/types/node_id.h"
#include "sim/dht_net.h"
#include "sim_test.h"

#define WORLD_KEYS_MAX 100

struct world {
    struct sim_config config;
    struct sim *sim;
    struct sim_dht_net net;
    uint32_t key_count;
    struct id keys[WORLD_KEYS_MAX];
    struct endpoint peers[WORLD_KEYS_MAX]; /* who announced them */
};

/* The one that a test uses: static, so that a test that fails leaves it to be
 * freed by the next one or at the end. */
static struct world world;

static inline void world_end(struct world *w)
{
    sim_free(w->sim);
    sim_dht_net_deinit(&w->net);
    w->sim = NULL;
}

/* For the group's teardown. */
static inline int world_cleanup(void **state)
{
    (void)state;
    world_end(&world);
    return 0;
}

/* `config` may be changed before world_start. */
static inline void world_init(struct world *w)
{
    world_end(w);
    *w = (struct world){.key_count = 0};
    sim_config_init(&w->config);
    w->config.seed = test_seed();
}

/* The network without members; its place and config may be changed. */
static inline void world_start(struct world *w)
{
    assert_int_equal(sim_new(&w->config, &w->sim), OK);
    sim_dht_net_init(&w->net, w->sim);
}

static inline void world_grow(struct world *w, uint32_t n, uint64_t interval)
{
    assert_int_equal(sim_dht_net_grow(&w->net, n, interval), OK);
}

static inline void world_random_id(struct world *w, struct id *out)
{
    sim_rng_fill(sim_rng(w->sim), out->b, ID_BYTES);
}

static inline void world_random_fill(void *ctx, void *buf, size_t len)
{
    sim_rng_fill(ctx, buf, len);
}

/* An id that BEP 42 allows at `ep`. */
static inline void world_allowed_id(struct world *w, const struct endpoint *ep,
                                    struct id *out)
{
    struct random_source random = {sim_rng(w->sim), world_random_fill};

    node_id_generate(ep, (uint8_t)sim_rng_next(sim_rng(w->sim)), &random, out);
}

/* One more key, announced by `node`, whose address of `family` will be looked
 * for. Returns how many nodes accepted it. */
static inline unsigned world_announce(struct world *w, uint32_t node,
                                      enum family family)
{
    uint32_t k = w->key_count++;
    uint16_t port = (uint16_t)(1000 + k);
    struct sim_request r;

    assert_true(k < WORLD_KEYS_MAX);
    world_random_id(w, &w->keys[k]);
    assert_true(sim_endpoint(w->sim, node, family, &w->peers[k]));
    w->peers[k].port = port;
    assert_int_equal(sim_dht_announce(w->sim, node, &w->keys[k], port, &r), OK);
    assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + 2 * TIME_MIN));
    return r.result.stored;
}

/* Keys announced by the members that stay, in turn. */
static inline void world_announce_many(struct world *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        world_announce(w,
                       w->net.members[i % (w->net.bootstraps + w->net.keepers)],
                       FAMILY_IPV4);
}

static inline void world_print(const char *what, const struct sim_score *score)
{
    print_message("  %s: %u of %u found, median hops %u, %.1f asked, "
                  "%.0f ms each\n",
                  what, score->found, score->tried,
                  sim_score_median_hops(score),
                  (double)score->asked / score->tried,
                  (double)score->duration / score->tried / TIME_MS);
}

/* Asserts that at least `percent` of `n` lookups of the world's keys find
 * who announced them. */
static inline void world_lookups(struct world *w, const char *what, unsigned n,
                                 unsigned percent, struct sim_score *score)
{
    *score = (struct sim_score){0};
    sim_dht_net_lookups(&w->net, w->keys, w->peers, w->key_count, n, score);
    world_print(what, score);
    assert_at_least(score->tried, n * 9 / 10);
    assert_at_least(score->found * 100, score->tried * percent);
}

#endif
