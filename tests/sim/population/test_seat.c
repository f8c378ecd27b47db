/* SPDX-License-Identifier: MIT
 *
 * Roles and the adversary's share of them.
 */
#include "sim/population/seat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct scenario scenario;
static struct seating seating;
static struct text why;

static int setup(void **state)
{
    (void)state;
    text_init(&why, 1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&why);
    return 0;
}

static void scene(void)
{
    text_clear(&why);
    scenario = (struct scenario){
        .nodes = {.count = 1000, .bootstraps = 10},
        .tunnels = {.relays = 200, .exits = 50, .clients = 300},
        .services = {.keys = 20, .strings = 3, .members = 5},
        .adversary = {.share = 0.1, .count = 40, .relays = 7}};
}

static void test_seat_roles_are_as_many_as_asked_for(void **state)
{
    unsigned count[POPULATION_ASSOCIATE + 1][2] = {{0}};
    unsigned early = 0;

    (void)state;
    scene();
    assert_int_equal(seating_init(&seating, &scenario, &why), OK);
    assert_int_equal(seating.seats, 1047);
    for (uint32_t i = 0; i < seating.seats; i++) {
        struct seat s = seating_at(&seating, i);

        assert_int_equal(s.bootstrap, i < 10);
        assert_int_equal(s.extra, i >= 1000);
        assert_true(!s.bootstrap || (!s.hostile && s.role == POPULATION_PLAIN));
        assert_true(!s.extra || s.hostile);
        if (!s.extra && !s.bootstrap)
            count[s.role][s.hostile]++;
        if (i >= 10 && i < 505)
            early += s.role == POPULATION_CLIENT;
    }
    assert_int_equal(count[POPULATION_RELAY][1], 20);
    assert_int_equal(count[POPULATION_RELAY][0], 180);
    assert_int_equal(count[POPULATION_EXIT][1], 5);
    assert_int_equal(count[POPULATION_EXIT][0], 45);
    assert_int_equal(count[POPULATION_CLIENT][1], 30);
    assert_int_equal(count[POPULATION_CLIENT][0], 270);
    assert_int_equal(count[POPULATION_SERVICE][0], 18);
    assert_int_equal(count[POPULATION_ASSOCIATE][0], 14);
    assert_int_equal(count[POPULATION_ASSOCIATE][1], 1);
    assert_int_equal(count[POPULATION_PLAIN][0] + count[POPULATION_PLAIN][1],
                     990 - 585);
    assert_in_range(early, 140, 160); /* who comes early is of no kind */
    assert_int_equal(seating_at(&seating, 1000).role, POPULATION_RELAY);
    assert_int_equal(seating_at(&seating, 1006).role, POPULATION_RELAY);
    assert_int_equal(seating_at(&seating, 1007).role, POPULATION_PLAIN);
}

static void test_seat_each_has_a_rank_of_its_own(void **state)
{
    (void)state;
    for (unsigned n = 2; n < 400; n++) {
        unsigned clients = 0;

        scene();
        scenario = (struct scenario){.nodes = {.count = n, .bootstraps = 1},
                                     .tunnels = {.clients = n / 2}};
        assert_int_equal(seating_init(&seating, &scenario, &why), OK);
        for (uint32_t i = 0; i < n; i++)
            clients += seating_at(&seating, i).role == POPULATION_CLIENT;
        assert_int_equal(clients, n / 2);
    }
}

static void test_seat_refuses_more_roles_than_nodes(void **state)
{
    (void)state;
    scene();
    scenario.nodes.count = 595; /* 585 roles and 10 bootstrap nodes */
    assert_int_equal(seating_init(&seating, &scenario, &why), OK);
    scenario.nodes.count = 594;
    assert_int_equal(seating_init(&seating, &scenario, &why), ERR_RANGE);
    assert_string_equal(text_get(&why),
                        "[tunnels] and [services] want 585 nodes, but beside "
                        "the bootstrap nodes there are 584");
    scene();
    scenario.nodes.count = SIM_NODES_MAX;
    assert_int_equal(seating_init(&seating, &scenario, &why), ERR_RANGE);
    assert_non_null(strstr(text_get(&why), "4194351 nodes are more than"));
}

/* Each seat once, and of any first so many the adversary has its part. */
static void check_arrivals(void)
{
    static bool has_come[2000];
    unsigned extra = seating.seats - seating.regular, came = 0;
    unsigned all = seating.seats - seating.bootstraps;

    memset(has_come, 0, sizeof(has_come));
    for (uint32_t n = 0; n < seating.seats; n++) {
        uint32_t seat = seating_arrival(&seating, n);
        unsigned others;

        assert_in_range(seat, 0, seating.seats - 1);
        assert_false(has_come[seat]);
        has_come[seat] = true;
        assert_int_equal(seat < seating.bootstraps, n < seating.bootstraps);
        came += seat >= seating.regular;
        if (n < seating.bootstraps)
            continue;
        others = n + 1 - seating.bootstraps;
        assert_int_equal(came, others * extra / all);
    }
    assert_int_equal(came, extra);
}

static void test_seat_adversary_arrives_among_others(void **state)
{
    static const unsigned extras[] = {0, 1, 2, 7, 100, 985, 990, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
        scene();
        scenario.adversary.count = extras[i];
        scenario.adversary.relays = 0;
        assert_int_equal(seating_init(&seating, &scenario, &why), OK);
        check_arrivals();
    }
}

static void test_seat_bootstraps_follow_the_count(void **state)
{
    static const struct {
        unsigned count, asked, are;
    } rows[] = {{2, 0, 1},        {500, 0, 1}, {501, 0, 2},
                {1000000, 0, 30}, {100, 7, 7}, {5, 7, 5}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        scenario = (struct scenario){
            .nodes = {.count = rows[i].count, .bootstraps = rows[i].asked}};
        assert_int_equal(scenario_bootstraps(&scenario), rows[i].are);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seat_roles_are_as_many_as_asked_for),
        cmocka_unit_test(test_seat_each_has_a_rank_of_its_own),
        cmocka_unit_test(test_seat_refuses_more_roles_than_nodes),
        cmocka_unit_test(test_seat_adversary_arrives_among_others),
        cmocka_unit_test(test_seat_bootstraps_follow_the_count),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
