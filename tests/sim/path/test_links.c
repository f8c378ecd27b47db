/* SPDX-License-Identifier: MIT
 *
 * What path and NAT say holds for datagrams of the simulated network: nodes
 * that write down what reaches them.
 */
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES 8

/* What a node has got. */
struct ear {
    unsigned heard;
    uint64_t at;
    struct endpoint from; /* of the last one */
};

static struct ear ears[NODES];
static struct sim_config config;
static struct path_config paths;
static struct path *path;
static struct sim *sim;
static struct text why;

static void ear_receive(void *engine, const struct endpoint *from,
                        struct bytes datagram, uint64_t now)
{
    struct ear *e = engine;

    (void)datagram;
    e->heard++;
    e->at = now;
    e->from = *from;
}

static void ear_tick(void *engine, uint64_t now)
{
    (void)engine;
    (void)now;
}

static uint64_t ear_deadline(void *engine)
{
    (void)engine;
    return TIME_NEVER;
}

static void ear_free(void *engine)
{
    (void)engine;
}

static const struct sim_engine ear_engine = {
    .receive = ear_receive,
    .tick = ear_tick,
    .next_deadline = ear_deadline,
    .free = ear_free,
};

static int teardown(void **state)
{
    (void)state;
    sim_free(sim);
    path_free(path);
    text_deinit(&why);
    sim = NULL;
    path = NULL;
    return 0;
}

static int setup(void **state)
{
    teardown(state);
    text_init(&why, 1000);
    memset(ears, 0, sizeof(ears));
    sim_config_init(&config);
    config.addressing = SIM_ADDRESS_GLOBAL;
    paths = (struct path_config){.seed = 5};
    return 0;
}

/* Node 0 is behind a NAT of this kind, the others are not. */
static void make(enum nat_kind nat)
{
    assert_int_equal(path_new(&paths, &path, &why), OK);
    config.path = path;
    assert_int_equal(sim_new(&config, &sim), OK);
    for (uint32_t i = 0; i < NODES; i++) {
        struct sim_place place = {.family = {true, true},
                                  .nat = i == 0 ? nat : NAT_NONE};
        uint32_t node;

        assert_int_equal(sim_node_add(sim, &place, &node), OK);
        sim_attach(sim, node, SIM_PLANE_DHT, &ear_engine, &ears[i]);
    }
}

/* Whether what `from` sends to `to` arrives within a second. */
static bool send_to(uint32_t from, const struct endpoint *to, uint32_t node)
{
    unsigned before = ears[node].heard;

    sim_send(sim, from, to, bytes_of("hello", 5));
    sim_run_for(sim, TIME_S);
    return ears[node].heard > before;
}

static bool send_node(uint32_t from, uint32_t to)
{
    struct endpoint ep;

    assert_true(sim_endpoint(sim, to, FAMILY_IPV4, &ep));
    return send_to(from, &ep, to);
}

static uint64_t fates(enum sim_fate fate)
{
    struct sim_stats stats;

    sim_stats(sim, &stats);
    return stats.fate[fate];
}

static void test_links_cone_lets_in_who_was_asked(void **state)
{
    struct endpoint outer;

    (void)state;
    make(NAT_CONE);
    assert_true(send_node(1, 2));
    assert_false(send_node(1, 0)); /* a stranger */
    assert_int_equal(fates(SIM_FILTERED), 1);
    assert_true(send_node(0, 1));
    outer = ears[1].from;
    assert_true(sim_endpoint(sim, 0, FAMILY_IPV4, &ears[3].from));
    assert_true(endpoint_equal(&outer, &ears[3].from)); /* the port is kept */
    assert_true(send_to(1, &outer, 0));
    assert_false(send_to(2, &outer, 0)); /* it has not been asked */
    sim_run_for(sim, NAT_IDLE);
    assert_false(send_to(1, &outer, 0)); /* that was too long ago */
    assert_true(send_node(0, 1));
    assert_true(send_to(1, &outer, 0));
}

static void test_links_symmetric_has_ports_for_each(void **state)
{
    struct endpoint first, second;

    (void)state;
    make(NAT_SYMMETRIC);
    assert_false(send_node(1, 0));
    assert_true(send_node(0, 1));
    assert_true(send_node(0, 2));
    first = ears[1].from;
    second = ears[2].from;
    assert_true(endpoint_same_addr(&first, &second));
    assert_int_not_equal(first.port, second.port);
    assert_int_not_equal(first.port, SIM_PORT);
    assert_true(send_to(1, &first, 0));
    assert_true(send_to(2, &second, 0));
    assert_false(send_to(1, &second, 0));
    assert_false(send_to(3, &first, 0));
    assert_false(send_node(1, 0)); /* the port that it would have itself */
    first.port = 5;
    assert_false(send_to(1, &first, 0));
    sim_run_for(sim, NAT_IDLE);
    assert_false(send_to(2, &second, 0));
}

static void test_links_port_of_nobody_stays_nobodys(void **state)
{
    struct endpoint ep;

    (void)state;
    make(NAT_CONE);
    assert_true(sim_endpoint(sim, 1, FAMILY_IPV4, &ep));
    ep.port++;
    assert_false(send_to(2, &ep, 1)); /* 1 is behind no NAT */
    assert_int_equal(fates(SIM_UNREACHABLE), 1);
}

static void test_links_ipv6_is_filtered_too(void **state)
{
    struct endpoint inside, outside;

    (void)state;
    make(NAT_SYMMETRIC);
    assert_true(sim_endpoint(sim, 0, FAMILY_IPV6, &inside));
    assert_true(sim_endpoint(sim, 1, FAMILY_IPV6, &outside));
    assert_false(send_to(1, &inside, 0));
    assert_true(send_to(0, &outside, 1));
    assert_true(endpoint_equal(&ears[1].from, &inside));
    assert_true(send_to(1, &inside, 0));
}

static void test_links_take_what_the_matrix_says(void **state)
{
    char matrix[] = "/tmp/warren_links_XXXXXX";
    static const char text[] = "from,eu,us\neu,8,45\nus,60,12\n";
    unsigned seen[3] = {0};
    int fd = mkstemp(matrix);

    (void)state;
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    paths.regions = matrix;
    make(NAT_NONE);
    unlink(matrix);
    for (uint32_t i = 0; i < NODES; i++) {
        for (uint32_t k = 0; k < NODES; k++) {
            uint64_t begin = sim_now(sim), took;
            uint64_t says = path_region(path, i) == 0
                                ? (path_region(path, k) == 0 ? 8 : 45)
                                : (path_region(path, k) == 0 ? 60 : 12);

            if (i == k)
                continue;
            assert_true(send_node(i, k));
            took = ears[k].at - begin;
            assert_in_range(took, says * TIME_MS,
                            says * TIME_MS + says * TIME_MS / 16 + SIM_TICK);
            seen[path_region(path, i)]++;
        }
    }
    assert_true(seen[0] > 0 && seen[1] > 0);
}

/* 1000 bytes a second: five bytes take five milliseconds to leave. */
static void test_links_have_the_uplinks_of_the_path(void **state)
{
    struct endpoint ep;
    uint64_t begin;

    (void)state;
    paths.latency = (struct spread){.kind = SPREAD_FIXED, .a = 10 * TIME_MS};
    paths.uplink = (struct spread){.kind = SPREAD_FIXED, .a = 1000};
    make(NAT_NONE);
    assert_true(sim_endpoint(sim, 1, FAMILY_IPV4, &ep));
    begin = sim_now(sim);
    for (int i = 0; i < 10; i++)
        sim_send(sim, 0, &ep, bytes_of("hello", 5));
    sim_run_for(sim, TIME_S);
    assert_int_equal(ears[1].heard, 10);
    assert_int_equal(ears[1].at - begin, 60 * TIME_MS);
}

static void test_links_are_cut_by_a_partition(void **state)
{
    unsigned cut = 0;

    (void)state;
    paths.partition_count = 1;
    paths.partitions[0] = (struct path_partition){
        config.start + 100 * TIME_S, config.start + 200 * TIME_S, 0.5};
    make(NAT_NONE);
    for (uint32_t i = 1; i < NODES; i++)
        assert_true(send_node(0, i));
    sim_run_until(sim, config.start + 100 * TIME_S);
    for (uint32_t i = 1; i < NODES; i++) {
        bool arrives = send_node(0, i);

        assert_int_equal(send_node(i, 0), arrives);
        cut += !arrives;
    }
    assert_in_range(cut, 1, NODES - 2);
    assert_int_equal(fates(SIM_CUT), 2 * cut);
    sim_run_until(sim, config.start + 200 * TIME_S);
    for (uint32_t i = 1; i < NODES; i++)
        assert_true(send_node(0, i));
}

/* An address that somebody has: the NAT made for it does not leak. */
static void test_links_node_that_is_not_added_leaves_nothing(void **state)
{
    struct sim_place place = {.family = {true}, .nat = NAT_CONE};
    struct endpoint ep;
    uint32_t node;

    (void)state;
    config.max_nodes = NODES + 1;
    make(NAT_CONE);
    assert_true(sim_endpoint(sim, 1, FAMILY_IPV4, &ep));
    place.at[FAMILY_IPV4] = &ep;
    for (int i = 0; i < 2; i++)
        assert_int_equal(sim_node_add(sim, &place, &node), ERR_IN_USE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_links_cone_lets_in_who_was_asked),
        TEST(test_links_symmetric_has_ports_for_each),
        TEST(test_links_port_of_nobody_stays_nobodys),
        TEST(test_links_ipv6_is_filtered_too),
        TEST(test_links_take_what_the_matrix_says),
        TEST(test_links_have_the_uplinks_of_the_path),
        TEST(test_links_are_cut_by_a_partition),
        TEST(test_links_node_that_is_not_added_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
