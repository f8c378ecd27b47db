/* SPDX-License-Identifier: MIT
 *
 * The pool over real circuits: each of its settings acts.
 */
#include "tunnel/circuit/pool.h"

#include "tunnel_net.h"

#include <sodium.h>

static struct world {
    struct net *net;
    struct pool pool;
    unsigned asked; /* for a path */
    bool no_path;
    unsigned most; /* circuits of one hop at a time */
    unsigned gaps; /* steps without any, since there was one */
} w;

static enum error path(void *ctx, unsigned hops, struct link_target *out)
{
    (void)ctx;
    w.asked++;
    if (w.no_path)
        return ERR_NO_NODES;
    for (unsigned i = 0; i < hops; i++)
        out[i] = net_target(&w.net->node[i + 1]);
    return OK;
}

static void circuit_closed(struct net_node *n, struct circuit *c)
{
    pool_circuit_closed(&w.pool, c, n->why, n->net->now);
}

static void circuit_ready(struct net_node *n, struct circuit *c)
{
    pool_circuit_ready(&w.pool, c, n->net->now);
}

static struct pool_config config(void)
{
    return (struct pool_config){.min_circuits = 2,
                                .max_circuits = 4,
                                .max_time = TIME_HOUR,
                                .max_time_inactive = TIME_HOUR,
                                .max_traffic = UINT64_MAX};
}

static void start(uint64_t seed, const struct pool_config *c)
{
    struct pool_env env = {.path = path};

    w = (struct world){.net = net_new(seed)};
    env.random =
        (struct random_source){.ctx = &w.net->node[0], .fill = net_random};
    w.net->node[0].on_ready = circuit_ready;
    w.net->node[0].on_closed = circuit_closed;
    pool_init(&w.pool, c, &env, w.net->node[0].engine.circuits);
}

static unsigned count(void)
{
    return circuits_count(w.net->node[0].engine.circuits);
}

/* The circuits that data can be sent over. */
static unsigned active(unsigned hops, struct circuit **out, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count(); i++) {
        struct circuit *c = circuits_at(w.pool.circuits, i);

        if (!pool_is_active(&w.pool, c, hops))
            continue;
        if (n < max)
            out[n] = c;
        n++;
    }
    return n;
}

static void run(uint64_t duration)
{
    uint64_t until = w.net->now + duration;

    while (w.net->now < until) {
        pool_tick(&w.pool, w.net->now);
        w.gaps += active(0, NULL, 0) == 0;
        net_run(w.net, 50 * TIME_MS);
        w.most = count() > w.most ? count() : w.most;
        w.gaps += active(0, NULL, 0) == 0;
    }
}

static uint64_t all_ended(const struct circuit_stats *stats)
{
    uint64_t sum = 0;

    for (int r = 0; r < REASON_END_; r++)
        sum += stats->ended[r];
    return sum;
}

static void test_pool_keeps_the_minimum_of_each_length(void **state)
{
    struct pool_config c = config();
    struct circuit *all[8];

    (void)state;
    start(61, &c);
    assert_int_equal(pool_build(&w.pool, 0, w.net->now), ERR_RANGE);
    assert_int_equal(pool_build(&w.pool, ONION_HOPS_MAX + 1, w.net->now),
                     ERR_RANGE);
    assert_true(pool_ready(&w.pool) == 0);
    assert_int_equal(pool_build(&w.pool, 1, w.net->now), OK);
    assert_int_equal(pool_build(&w.pool, 3, w.net->now), OK);
    run(2 * TIME_S);
    assert_int_equal(active(1, all, 8), 2);
    assert_int_equal(all[0]->length, 1);
    assert_int_equal(active(3, all, 1), 2);
    assert_int_equal(all[0]->length, 3);
    assert_int_equal(active(2, all, 8), 0);
    assert_int_equal(active(0, all, 8), 4);
    assert_true(pool_ready(&w.pool) == 1);
    run(TIME_MIN);
    assert_int_equal(count(), 4);
    /* One that breaks is replaced. */
    circuit_close(w.net->node[0].engine.circuits, all[0], REASON_REQUESTED,
                  w.net->now);
    assert_true(pool_ready(&w.pool) < 1);
    run(2 * TIME_S);
    assert_true(pool_ready(&w.pool) == 1);
    net_free(w.net);
}

static void test_pool_stop_builds_no_more(void **state)
{
    struct pool_config c = config();

    (void)state;
    start(62, &c);
    c.max_time = TIME_MIN;
    w.pool.config = c;
    pool_build(&w.pool, 1, w.net->now);
    run(2 * TIME_S);
    assert_int_equal(pool_stop(&w.pool, 9), ERR_RANGE);
    assert_int_equal(pool_stop(&w.pool, 1), OK);
    assert_true(pool_ready(&w.pool) == 0);
    run(2 * TIME_MIN);
    assert_int_equal(count(), 0);
    assert_int_equal(w.asked, 2);
    net_free(w.net);
}

/* A successor is there before the old one goes, within the maximum. */
static void test_pool_max_time_and_max_circuits(void **state)
{
    static const unsigned max[] = {1, 2, 4};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(max); i++) {
        struct pool_config c = config();
        const struct circuit_stats *stats;

        c.min_circuits = 1;
        c.max_circuits = max[i];
        c.max_time = TIME_MIN;
        start(63, &c);
        stats = circuits_stats(w.net->node[0].engine.circuits);
        pool_build(&w.pool, 1, w.net->now);
        run(TIME_S);
        w.gaps = 0;
        run(10 * TIME_MIN);
        assert_in_range(stats->ended[REASON_AGE], 9, 12);
        assert_int_equal(stats->ended[REASON_AGE], all_ended(stats));
        assert_true(w.most <= max[i]);
        if (max[i] > 1)
            assert_int_equal(w.gaps, 0);
        net_free(w.net);
    }
}

static void test_pool_max_time_inactive(void **state)
{
    struct pool_config c = config();
    const struct circuit_stats *stats;
    struct circuit *used;

    (void)state;
    c.max_time_inactive = 20 * TIME_S;
    start(64, &c);
    stats = circuits_stats(w.net->node[0].engine.circuits);
    pool_build(&w.pool, 1, w.net->now);
    run(TIME_S);
    assert_int_equal(active(1, &used, 1), 2);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(net_send_data(w.net, used, "x"), OK);
        run(5 * TIME_S);
        assert_int_equal(used->state, CIRCUIT_READY);
    }
    assert_in_range(stats->ended[REASON_IDLE], 3, 6);
    assert_int_equal(stats->ended[REASON_IDLE], all_ended(stats));
    assert_int_equal(w.net->node[0].data_in, 20);
    net_free(w.net);
}

/* Circuits that nobody uses go when their successors are there. */
static void test_pool_idle_circuits_hand_over(void **state)
{
    struct pool_config c = config();
    const struct circuit_stats *stats;

    (void)state;
    c.max_time_inactive = TIME_MIN;
    start(68, &c);
    stats = circuits_stats(w.net->node[0].engine.circuits);
    pool_build(&w.pool, 2, w.net->now);
    run(TIME_S);
    w.gaps = 0;
    run(10 * TIME_MIN);
    assert_in_range(stats->ended[REASON_IDLE], 18, 24);
    assert_int_equal(stats->ended[REASON_IDLE], all_ended(stats));
    assert_int_equal(w.gaps, 0);
    net_free(w.net);
}

static void test_pool_says_since_when_it_is_empty(void **state)
{
    struct pool_config c = config();
    uint64_t begun;

    (void)state;
    start(69, &c);
    assert_true(pool_empty_since(&w.pool, 1) == TIME_NEVER);
    w.no_path = true;
    begun = w.net->now;
    pool_build(&w.pool, 1, w.net->now);
    run(10 * TIME_S);
    pool_build(&w.pool, 1, w.net->now); /* again is not anew */
    assert_true(pool_empty_since(&w.pool, 1) == begun);
    assert_true(pool_empty_since(&w.pool, 2) == TIME_NEVER);
    w.no_path = false;
    pool_hurry(&w.pool, 1, w.net->now);
    run(2 * TIME_S);
    assert_true(pool_empty_since(&w.pool, 1) == TIME_NEVER);
    /* Both break, one after the other. */
    w.no_path = true;
    circuit_close(w.pool.circuits, circuits_at(w.pool.circuits, 0),
                  REASON_REQUESTED, w.net->now);
    run(TIME_S);
    assert_true(pool_empty_since(&w.pool, 1) == TIME_NEVER);
    begun = w.net->now;
    circuit_close(w.pool.circuits, circuits_at(w.pool.circuits, 0),
                  REASON_REQUESTED, w.net->now);
    run(TIME_S);
    assert_true(pool_empty_since(&w.pool, 1) == begun);
    /* Who stops and begins again has circuits that are still there. */
    w.no_path = false;
    run(TIME_MIN);
    pool_stop(&w.pool, 1);
    assert_true(pool_empty_since(&w.pool, 1) == TIME_NEVER);
    pool_build(&w.pool, 1, w.net->now);
    assert_true(pool_empty_since(&w.pool, 1) == TIME_NEVER);
    net_free(w.net);
}

static void test_pool_hurries_when_there_may_be_a_path(void **state)
{
    struct pool_config c = config();

    (void)state;
    start(70, &c);
    w.no_path = true;
    pool_build(&w.pool, 1, w.net->now);
    run(2 * TIME_MIN);
    w.no_path = false;
    pool_hurry(&w.pool, 1, w.net->now);
    run(200 * TIME_MS);
    assert_int_equal(count(), 0); /* a moment for others to come */
    run(200 * TIME_MS);
    assert_true(pool_ready(&w.pool) == 1);
    net_free(w.net);
}

static void test_pool_max_traffic(void **state)
{
    struct pool_config c = config();
    const struct circuit_stats *stats;
    struct circuit *one;
    unsigned sent = 0;

    (void)state;
    c.max_traffic = 100 * CELL_SMALL;
    start(65, &c);
    stats = circuits_stats(w.net->node[0].engine.circuits);
    pool_build(&w.pool, 2, w.net->now);
    run(TIME_S);
    w.gaps = 0;
    for (; sent < 1000; sent++) {
        assert_true(active(2, &one, 1) > 0);
        assert_int_equal(net_send_data(w.net, one, "x"), OK);
        run(200 * TIME_MS);
    }
    /* Two cells each, one there and one back. */
    assert_in_range(stats->ended[REASON_TRAFFIC], 2 * sent / 100 - 4,
                    2 * sent / 85);
    assert_int_equal(w.net->node[0].data_in, sent);
    assert_int_equal(w.gaps, 0);
    net_free(w.net);
}

/* With nothing to take its place, a circuit ends at the limit itself. */
static void test_pool_max_traffic_without_a_successor(void **state)
{
    struct pool_config c = config();
    struct circuit *one;
    unsigned sent = 0;

    (void)state;
    c.min_circuits = 1;
    c.max_traffic = 100 * CELL_SMALL;
    start(68, &c);
    pool_build(&w.pool, 1, w.net->now);
    run(TIME_S);
    w.no_path = true;
    for (; active(1, &one, 1) > 0 && sent < 1000; sent++) {
        assert_int_equal(net_send_data(w.net, one, "x"), OK);
        run(TIME_S);
    }
    assert_in_range(sent, 48, 50);
    assert_int_equal(w.net->node[0].why, REASON_TRAFFIC);
    net_free(w.net);
}

/* With more than the minimum it is above 1. */
static void test_pool_ready_counts_all(void **state)
{
    struct pool_config c = config();

    (void)state;
    c.min_circuits = 3;
    start(69, &c);
    pool_build(&w.pool, 1, w.net->now);
    run(2 * TIME_S);
    assert_true(pool_ready(&w.pool) == 1);
    w.pool.config.min_circuits = 2;
    run(2 * TIME_S);
    assert_true(pool_ready(&w.pool) == 1.5);
    w.pool.config.min_circuits = 4;
    assert_true(pool_ready(&w.pool) == 0.75);
    run(2 * TIME_S);
    assert_true(pool_ready(&w.pool) == 1);
    net_free(w.net);
}

static void test_pool_backs_off(void **state)
{
    struct pool_config c = config();

    (void)state;
    /* Without relays. */
    start(66, &c);
    w.no_path = true;
    pool_build(&w.pool, 1, w.net->now);
    run(5 * TIME_MIN);
    assert_in_range(w.asked, 8, 24);
    w.no_path = false;
    run(40 * TIME_S);
    assert_true(pool_ready(&w.pool) == 1);
    net_free(w.net);
    /* With one that never answers. */
    start(67, &c);
    w.net->node[1].dead = true;
    pool_build(&w.pool, 1, w.net->now);
    run(5 * TIME_MIN);
    assert_in_range(w.asked, 8, 48);
    w.net->node[1].dead = false;
    run(TIME_MIN);
    assert_true(pool_ready(&w.pool) == 1);
    /* What succeeds ends it: the next failure waits as short as the first. */
    w.no_path = true;
    while (circuits_count(w.pool.circuits) > 0)
        circuit_close(w.pool.circuits, circuits_at(w.pool.circuits, 0),
                      REASON_TIMEOUT, w.net->now);
    w.asked = 0;
    run(5 * TIME_S);
    assert_in_range(w.asked, 3, 8);
    net_free(w.net);
}

/* A circuit for a service is none of the pool's: it does not count, nor is it
 * given out, nor does it retire. */
static void test_pool_leaves_services_alone(void **state)
{
    struct pool_config c = config();
    struct link_target hop;
    struct circuit *all[8], *mine;

    (void)state;
    c.max_time_inactive = c.max_time = 5 * TIME_S;
    start(75, &c);
    hop = net_target(&w.net->node[1]);
    for (unsigned i = 0; i < c.max_circuits; i++) {
        assert_int_equal(
            circuit_new(w.pool.circuits, &hop, 1, w.net->now, &mine), OK);
        mine->use = CIRCUIT_FOR_SERVICE;
    }
    run(TIME_S);
    assert_int_equal(mine->state, CIRCUIT_READY);
    assert_int_equal(active(0, all, 8), 0);
    assert_int_equal(pool_build(&w.pool, 1, w.net->now), OK);
    assert_true(pool_empty_since(&w.pool, 1) == w.net->now);
    run(TIME_S);
    assert_int_equal(active(1, all, 8), c.min_circuits);
    run(30 * TIME_S);
    assert_false(mine->retiring);
    assert_ptr_equal(circuit_find(w.pool.circuits, mine->id), mine);
    pool_stop(&w.pool, 1);
    run(30 * TIME_S);
    assert_int_equal(count(), c.max_circuits);
    net_free(w.net);
}

/* At the cap one that takes another's place is made all the same. */
static void test_pool_room_for_successors(void **state)
{
    struct pool_config c = config();
    struct link_target hop;
    struct circuit *made;

    (void)state;
    start(76, &c);
    hop = net_target(&w.net->node[1]);
    for (unsigned i = 0; i < c.max_circuits; i++)
        assert_int_equal(pool_add(&w.pool, &hop, 1, false, w.net->now, &made),
                         OK);
    assert_int_equal(pool_add(&w.pool, &hop, 1, false, w.net->now, &made),
                     ERR_FULL);
    for (unsigned i = 0; i < c.max_circuits; i++)
        assert_int_equal(pool_add(&w.pool, &hop, 1, true, w.net->now, &made),
                         OK);
    assert_int_equal(pool_add(&w.pool, &hop, 1, true, w.net->now, &made),
                     ERR_FULL);
    net_free(w.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_keeps_the_minimum_of_each_length),
        cmocka_unit_test(test_pool_stop_builds_no_more),
        cmocka_unit_test(test_pool_max_time_and_max_circuits),
        cmocka_unit_test(test_pool_max_time_inactive),
        cmocka_unit_test(test_pool_idle_circuits_hand_over),
        cmocka_unit_test(test_pool_says_since_when_it_is_empty),
        cmocka_unit_test(test_pool_hurries_when_there_may_be_a_path),
        cmocka_unit_test(test_pool_max_traffic),
        cmocka_unit_test(test_pool_max_traffic_without_a_successor),
        cmocka_unit_test(test_pool_ready_counts_all),
        cmocka_unit_test(test_pool_backs_off),
        cmocka_unit_test(test_pool_leaves_services_alone),
        cmocka_unit_test(test_pool_room_for_successors),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
