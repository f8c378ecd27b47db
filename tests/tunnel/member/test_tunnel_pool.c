/* SPDX-License-Identifier: MIT
 *
 * The pool among relays: what it lacks, and how its circuits come and go.
 */
#include "tunnel_world.h"

static void test_tunnel_says_what_is_missing(void **state)
{
    struct world *w = world_new(5);
    struct resident *client = &w->member[0];
    struct member_config c = config_of(EXIT);
    struct member_status status;

    (void)state;
    c.become_exitnode = false;
    member_free(w->member[EXIT].tunnel, w->now);
    resident_start(&w->member[EXIT], &c);
    member_build(client->tunnel, 2, w->now);
    run(w, 10 * TIME_S);
    member_status(client->tunnel, w->now, WALL, &status);
    assert_int_equal(status.path, PATH_NO_EXITS);
    assert_int_equal(status.ready, 0);
    assert_true(status.known >= MEMBERS - 2);
    world_free(w);
}

/* Of each length its own: that one hop can be had says nothing of four. Those
 * that come later are used at once. */
static void test_tunnel_says_what_is_missing_of_each_length(void **state)
{
    struct world *w = world_new(14);
    struct resident *client = &w->member[0];
    struct member_config c = config_of(0);
    struct member_status status;

    (void)state;
    member_free(client->tunnel, w->now);
    resident_start(client, &c);
    member_ask(client->tunnel, &w->member[EXIT].ep, w->now);
    member_ask(client->tunnel, &w->member[1].ep, w->now);
    member_build(client->tunnel, 4, w->now);
    member_build(client->tunnel, 1, w->now);
    run(w, 2 * TIME_MIN);
    assert_int_equal(member_path_of(client->tunnel, 1), PATH_FOUND);
    assert_int_equal(member_path_of(client->tunnel, 4), PATH_NO_RELAYS);
    assert_true(member_empty_since(client->tunnel, 1) == TIME_NEVER);
    assert_true(member_empty_since(client->tunnel, 4) == TIME_S);
    member_status(client->tunnel, w->now, WALL, &status);
    assert_int_equal(status.path, PATH_NO_RELAYS);
    assert_true(status.ready > 0);
    for (unsigned i = 2; i < EXIT; i++)
        member_ask(client->tunnel, &w->member[i].ep, w->now);
    run(w, TIME_S);
    assert_true(member_active(client->tunnel, 4, NULL, 0) == 2);
    member_status(client->tunnel, w->now, WALL, &status);
    assert_int_equal(status.path, PATH_FOUND);
    assert_true(member_empty_since(client->tunnel, 4) == TIME_NEVER);
    world_free(w);
}

/* Each of the settings acts: the pool's circuits are replaced in time. */
static void test_tunnel_old_circuits_hand_over(void **state)
{
    struct world *w = world_new(6);
    struct resident *client = &w->member[0];
    struct member_config c = config_of(0);

    (void)state;
    member_free(client->tunnel, w->now);
    c.max_time = 30 * TIME_S;
    resident_start(client, &c);
    for (unsigned i = 1; i < MEMBERS; i++)
        member_ask(client->tunnel, &w->member[i].ep, w->now);
    member_build(client->tunnel, 2, w->now);
    run(w, 10 * TIME_S);
    for (int i = 0; i < 100; i++) {
        run(w, TIME_S);
        assert_true(member_active(client->tunnel, 2, NULL, 0) > 0);
    }
    assert_true(client->closed >= 4);
    assert_int_equal(client->why, REASON_AGE);
    world_free(w);
}

/* Failures of all relays that the client knows. */
static unsigned blamed(const struct world *w)
{
    const struct directory *d = member_directory(w->member[0].tunnel);
    unsigned sum = 0;

    for (unsigned i = 0; i < directory_count(d); i++)
        sum += directory_at(d, i)->record.failures;
    return sum;
}

/* Circuits that nobody uses end here before they end at their hops; and
 * relays with shorter limits keep to their own. */
static void test_tunnel_idle_circuits_are_nobodys_failure(void **state)
{
    (void)state;
    for (unsigned shorter = 0; shorter < 2; shorter++) {
        struct world *w = world_new(12 + shorter);
        struct resident *client = &w->member[0];
        const struct circuit_stats *stats;

        for (unsigned i = 1; shorter && i < MEMBERS; i++) {
            struct member_config c = config_of(i);

            c.max_time_inactive = TIME_MIN;
            member_reconfigure(w->member[i].tunnel, &c, w->now);
        }
        member_build(client->tunnel, 3, w->now);
        for (unsigned i = 0; i < 60; i++) {
            run(w, 20 * TIME_S);
            assert_int_equal(blamed(w), 0);
        }
        assert_true(client->closed >= 6);
        assert_int_equal(client->why, REASON_IDLE);
        stats = circuits_stats(member_router(client->tunnel)->circuits);
        assert_true(shorter || stats->hops_replaced == 0);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel_says_what_is_missing),
        cmocka_unit_test(test_tunnel_says_what_is_missing_of_each_length),
        cmocka_unit_test(test_tunnel_old_circuits_hand_over),
        cmocka_unit_test(test_tunnel_idle_circuits_are_nobodys_failure),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
