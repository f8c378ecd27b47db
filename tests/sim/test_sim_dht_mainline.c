/* SPDX-License-Identifier: MIT
 *
 * All that an engine does, in a network of 200 that speaks bencode: joining,
 * peers, seeds, scrapes, items, samples.
 */
#include "sim_dht_test.h"

#include <sodium.h>
#include <string.h>

#define NODES 200

static void start(struct world *w)
{
    world_init(w);
    w->config.addressing = SIM_ADDRESS_GLOBAL;
    w->config.dht = SIM_PLANE_MAINLINE;
    world_start(w);
    w->net.config.dialect = DHT_DIALECT_MAINLINE;
    w->net.keepers = 40;
    world_grow(w, NODES, 100 * TIME_MS);
    sim_run_for(w->sim, 5 * TIME_MIN);
}

static struct dht *engine(const struct world *w, uint32_t i)
{
    return sim_dht_of(w->sim, w->net.members[i])->dht;
}

/* What a request of member `i` told. */
struct told {
    unsigned done, peers;
    struct dht_result result;
    struct endpoint peer[256];
    unsigned samples;
    uint32_t num;
    bool known; /* the hash that is looked for is among them */
    struct id hash;
};

static void on_peer(void *ctx, const struct endpoint *peer,
                    const struct dht_step *by)
{
    struct told *t = ctx;

    (void)by;
    t->peer[t->peers++ % 256] = *peer;
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct told *t = ctx;

    t->done++;
    t->result = *result;
}

static void on_samples(void *ctx, const struct dht_samples *s)
{
    struct told *t = ctx;

    t->samples = (unsigned)(s->samples.len / DHT_HASH_BYTES);
    t->num = s->num;
    for (size_t i = 0; i < s->samples.len; i += DHT_HASH_BYTES)
        t->known |= memcmp(s->samples.p + i, t->hash.b, ID_BYTES) == 0;
}

static struct dht_handler handler_of(struct told *t)
{
    *t = (struct told){.hash = t->hash};
    return (struct dht_handler){.ctx = t, .peer = on_peer, .done = on_done};
}

static void wait_for(struct world *w, uint32_t i, const struct told *t)
{
    sim_wake(w->sim, w->net.members[i]);
    for (int s = 0; s < 120 && t->done == 0; s++)
        sim_run_for(w->sim, TIME_S);
    assert_int_equal(t->done, 1);
    assert_int_equal(t->result.error, OK);
}

/* ---- Everything ---------------------------------------------------------- */

/* None has sent what another could not read, or would not take. */
static void check_engines(const struct world *w)
{
    for (uint32_t i = 0; i < NODES; i++) {
        const struct dht_stats *s = dht_stats(engine(w, i));

        assert_int_not_equal(sim_dht_of(w->sim, w->net.members[i])->joined_at,
                             TIME_NEVER);
        for (int e = 0; e < ERR_END_; e++) {
            if (e != ERR_UNEXPECTED && s->dropped[e] > 0)
                fail_msg("node %u dropped %u: %s", i, (unsigned)s->dropped[e],
                         error_name((enum error)e));
        }
        assert_int_equal(s->errors_in, 0);
    }
}

static void test_sim_dht_mainline_peers(void **state)
{
    struct world *w = &world;
    struct sim_score score;

    (void)state;
    start(w);
    world_announce_many(w, 40);
    world_lookups(w, "in bencode", 200, 99, &score);
    /* log2(200) / 2 */
    assert_at_most(sim_score_median_hops(&score), 4);
    check_engines(w);
    world_end(w);
}

static bool is_seed(const struct world *w, const struct endpoint *peer,
                    unsigned seeds)
{
    for (uint32_t i = 0; i < seeds; i++) {
        struct endpoint ep;

        sim_endpoint(w->sim, w->net.members[i], FAMILY_IPV4, &ep);
        if (endpoint_same_addr(&ep, peer))
            return true;
    }
    return false;
}

/* Of 60 who announce 20 are seeds. */
static void test_sim_dht_mainline_scrape(void **state)
{
    static struct told t;
    struct world *w = &world;
    struct id hash;

    (void)state;
    start(w);
    world_random_id(w, &hash);
    for (uint32_t i = 0; i < 60; i++) {
        const struct dht_handler handler = handler_of(&t);

        assert_int_equal(
            (i < 20 ? dht_announce_seed : dht_announce)(
                engine(w, i), &hash, 0, true, &handler, sim_now(w->sim), NULL),
            OK);
        wait_for(w, i, &t);
        assert_at_least(t.result.stored, 6);
    }
    for (uint32_t i = 100; i < 110; i++) {
        struct dht_handler handler = handler_of(&t);

        assert_int_equal(
            dht_scrape(engine(w, i), &hash, &handler, sim_now(w->sim), NULL),
            OK);
        wait_for(w, i, &t);
        assert_at_least(t.result.scraped, 6);
        assert_in_range((unsigned)(t.result.seeds + 0.5), 19, 21);
        assert_in_range((unsigned)(t.result.downloaders + 0.5), 38, 42);

        handler = handler_of(&t);
        assert_int_equal(dht_get_downloaders(engine(w, i), &hash, &handler,
                                             sim_now(w->sim), NULL),
                         OK);
        wait_for(w, i, &t);
        assert_int_equal(t.peers, 40);
        for (unsigned n = 0; n < t.peers; n++)
            assert_false(is_seed(w, &t.peer[n], 20));
    }
    check_engines(w);
    world_end(w);
}

static void test_sim_dht_mainline_items(void **state)
{
    const uint8_t seed[32] = {3};
    struct world *w = &world;
    uint8_t key[32], secret[64];
    struct value value;

    (void)state;
    start(w);
    crypto_sign_seed_keypair(key, secret, seed);
    for (uint32_t i = 0; i < 10; i++) {
        struct dht_item item = {.value = &value, .seq = i};
        struct sim_request r;
        struct id target;

        assert_int_equal(value_from_bytes(bytes_of("value", 5), &value), OK);
        if (i > 0)
            dht_item_sign(&item, secret);
        dht_item_target(&item, &target);
        assert_int_equal(sim_dht_put(w->sim, w->net.members[i], &item, &r), OK);
        assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN));
        assert_at_least(r.result.stored, 6);
        assert_int_equal(sim_dht_get_item(w->sim, w->net.members[NODES - 1 - i],
                                          &target, &r),
                         OK);
        assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN));
        assert_at_least(r.items, 1);
        assert_int_equal(r.item_seq, i);
        assert_true(bytes_equal(value_bytes(&r.item), value_bytes(&value)));
        dht_unput(engine(w, i), &target);
    }
    check_engines(w);
    world_end(w);
}

/* Whoever holds an announcement tells of its hash. */
static void test_sim_dht_mainline_samples(void **state)
{
    static struct told t;
    struct world *w = &world;
    unsigned holders = 0;

    (void)state;
    start(w);
    world_announce(w, w->net.members[5], FAMILY_IPV4);
    t.hash = w->keys[0];
    for (uint32_t i = 0; i < NODES; i++) {
        const struct dht_handler handler = handler_of(&t);
        const uint32_t asker = (i + 1) % NODES;
        struct dht_status status;
        struct endpoint ep;

        sim_endpoint(w->sim, w->net.members[i], FAMILY_IPV4, &ep);
        assert_int_equal(dht_sample(engine(w, asker), &ep, &t.hash, on_samples,
                                    &handler, sim_now(w->sim), NULL),
                         OK);
        wait_for(w, asker, &t);
        dht_status(engine(w, i), sim_now(w->sim), &status);
        assert_int_equal(t.num, status.hashes);
        assert_int_equal(t.samples, status.hashes);
        assert_int_equal(t.known, status.hashes > 0);
        holders += t.known;
    }
    assert_in_range(holders, 6, DHT_K);
    check_engines(w);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_dht_mainline_peers),
        cmocka_unit_test(test_sim_dht_mainline_scrape),
        cmocka_unit_test(test_sim_dht_mainline_items),
        cmocka_unit_test(test_sim_dht_mainline_samples),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
