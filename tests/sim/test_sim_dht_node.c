/* SPDX-License-Identifier: MIT
 *
 * What a simulated DHT node tells of itself: its ids, what its upkeep costs,
 * and what of it a liar takes away.
 */
#include "sim_dht_test.h"

#include <string.h>

static void start(struct world *w, enum sim_addressing addressing, uint32_t n)
{
    world_init(w);
    w->config.addressing = addressing;
    world_start(w);
    world_grow(w, n, 100 * TIME_MS);
}

/* BEP 42 gives ids anew once the address is known. */
static void test_sim_dht_node_ids(void **state)
{
    struct world *w = &world;
    unsigned changes = 0;

    (void)state;
    start(w, SIM_ADDRESS_GLOBAL, 20);
    sim_run_for(w->sim, 5 * TIME_MIN);
    for (uint32_t i = 0; i < w->net.count; i++) {
        const struct sim_dht *n = sim_dht_of(w->sim, w->net.members[i]);
        struct dht_status st;

        sim_dht_status(w->sim, w->net.members[i], &st);
        assert_memory_equal(n->id, st.id, sizeof(st.id));
        changes += n->id_changes;
    }
    assert_at_least(changes, 10);
    world_end(w);
}

/* With nothing but upkeep all that is sent is counted; a request is not, nor
 * are the answers to it. */
static void test_sim_dht_node_upkeep(void **state)
{
    struct world *w = &world;
    struct sim_upkeep asker = {0}, other = {0};
    uint64_t before, sent[2];
    struct sim_request r;
    struct id key;

    (void)state;
    start(w, SIM_ADDRESS_PRIVATE, 8);
    sim_dht_of(w->sim, 0)->upkeep = &asker;
    sim_dht_of(w->sim, 1)->upkeep = &other;
    sent[0] = sim_node_sent(w->sim, 0);
    sent[1] = sim_node_sent(w->sim, 1);
    sim_run_for(w->sim, TIME_HOUR);
    assert_at_least(asker.datagrams, 10);
    assert_int_equal(asker.datagrams, sim_node_sent(w->sim, 0) - sent[0]);
    assert_int_equal(other.datagrams, sim_node_sent(w->sim, 1) - sent[1]);
    assert_at_least(asker.bytes, 40 * asker.datagrams);

    world_random_id(w, &key);
    memset(&asker, 0, sizeof(asker));
    memset(&other, 0, sizeof(other));
    before = sim_node_sent(w->sim, 0) + sim_node_sent(w->sim, 1);
    assert_int_equal(sim_dht_get_peers(w->sim, 0, &key, &r), OK);
    assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN));
    assert_int_equal(r.result.answered, 7);
    assert_int_equal(sim_node_sent(w->sim, 0) + sim_node_sent(w->sim, 1) -
                         before,
                     asker.datagrams + other.datagrams + r.result.asked + 1);
    world_end(w);
}

static unsigned taken;

static bool take_all(struct sim_dht *n, const struct endpoint *from,
                     struct bytes datagram)
{
    (void)n;
    (void)from;
    (void)datagram;
    taken++;
    return true;
}

static void test_sim_dht_node_takes(void **state)
{
    struct world *w = &world;
    struct sim_request r;
    struct id key;

    (void)state;
    start(w, SIM_ADDRESS_PRIVATE, 8);
    for (uint32_t i = 1; i < 8; i++)
        sim_dht_of(w->sim, i)->takes = take_all;
    world_random_id(w, &key);
    assert_int_equal(sim_dht_get_peers(w->sim, 0, &key, &r), OK);
    assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN));
    assert_int_equal(r.result.answered, 0);
    assert_at_least(taken, 7);
    world_end(w);
}

static void count_step(void *arg, const struct dht_step *step)
{
    (void)step;
    ++*(unsigned *)arg;
}

static void test_sim_dht_node_request_steps(void **state)
{
    struct world *w = &world;
    struct sim_request r;
    unsigned steps = 0;

    (void)state;
    start(w, SIM_ADDRESS_PRIVATE, 12);
    world_announce(w, 3, FAMILY_IPV4);
    assert_int_equal(sim_dht_get_peers(w->sim, 0, &w->keys[0], &r), OK);
    r.on_step = count_step;
    r.on_step_arg = &steps;
    assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN));
    assert_int_equal(steps, r.steps);
    assert_in_range(r.first, r.began, r.began + r.result.duration);

    world_random_id(w, &w->keys[0]);
    assert_int_equal(sim_dht_get_peers(w->sim, 0, &w->keys[0], &r), OK);
    assert_true(sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN));
    assert_true(r.first == TIME_NEVER);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_dht_node_ids),
        cmocka_unit_test(test_sim_dht_node_upkeep),
        cmocka_unit_test(test_sim_dht_node_takes),
        cmocka_unit_test(test_sim_dht_node_request_steps),
    };

    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
