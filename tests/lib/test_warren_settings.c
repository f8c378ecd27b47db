/* SPDX-License-Identifier: MIT
 *
 * Each of the seven settings acts in a program that uses the library: an exit
 * and a client with circuits of one hop.
 */
#include "warren_nodes.h"

#define EXITS                          \
    {                                  \
        "exit.become_exitnode", "true" \
    }
#define NO_RELAY                          \
    {                                     \
        "tunnel.max_relays_or_exits", "0" \
    }

/* An exit and a client that keeps circuits of one hop, each with settings. */
static void start_both(const struct warren_setting *exit, size_t exits,
                       const struct warren_setting *client, size_t clients)
{
    start_with(EXIT, exit, exits, NULL);
    start_with(CLIENT, client, clients, NULL);
    assert_int_equal(warren_build_tunnels(nodes[CLIENT].w, 1), WARREN_OK);
}

static void stop_both(void)
{
    stop(CLIENT);
    stop(EXIT);
}

static unsigned active(const struct node *n)
{
    return warren_active_data_circuits(n->w, 1, NULL, 0);
}

static void test_warren_settings_min_circuits(void **state)
{
    static const char *const values[] = {"1", "2", "5"};
    const struct warren_setting exit[] = {EXITS};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        const struct warren_setting client[] = {
            NO_RELAY, {"tunnel.min_circuits", values[i]}};
        struct node *n = &nodes[CLIENT];

        start_both(exit, COUNT_OF(exit), client, COUNT_OF(client));
        assert_true(warren_tunnels_ready(n->w) == 0);
        wait_for("the pool is full", is_ready, n);
        assert_int_equal(active(n), atoi(values[i]));
        assert_true(warren_tunnels_ready(n->w) == 1);
        stop_both();
    }
}

static bool has_closed_three(const struct node *n)
{
    return n->closed >= 3;
}

/* A circuit that is too old goes; with room for two its successor is there
 * before. */
static void test_warren_settings_max_circuits_and_max_time(void **state)
{
    static const char *const values[] = {"1", "2"};
    const struct warren_setting exit[] = {EXITS};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        const struct warren_setting client[] = {
            NO_RELAY,
            {"tunnel.min_circuits", "1"},
            {"tunnel.max_circuits", values[i]},
            {"tunnel.max_time", "2s"}};
        struct node *n = &nodes[CLIENT];

        start_both(exit, COUNT_OF(exit), client, COUNT_OF(client));
        wait_for("three circuits grow old", has_closed_three, n);
        assert_string_equal(n->why, "age");
        assert_int_equal(n->closed_hop, 0);
        assert_int_equal(n->most_open, i + 1);
        stop_both();
    }
}

static bool has_refusal(const struct node *n)
{
    return n->closed > 0 && n->opened > 0;
}

static bool is_pair(const struct node *n)
{
    return n->open >= 2;
}

static void test_warren_settings_max_relays_or_exits(void **state)
{
    const struct warren_setting exit[] = {EXITS,
                                          {"tunnel.max_relays_or_exits", "1"}};
    const struct warren_setting client[] = {NO_RELAY};
    struct node *n = &nodes[CLIENT];

    (void)state;
    start_both(exit, COUNT_OF(exit), client, COUNT_OF(client));
    wait_for("one circuit, and no more", has_refusal, n);
    assert_string_equal(n->why, "full");
    assert_int_equal(n->closed_hop, 1);
    assert_false(run_until(is_pair, n, 1));
    assert_int_equal(active(n), 1);
    assert_true(warren_tunnels_ready(n->w) == 0.5);
    stop_both();
}

/* What a relay allows to circuits of others. */
static void test_warren_settings_of_the_relay(void **state)
{
    static const struct {
        const char *name, *value, *why;
    } rows[] = {{"tunnel.max_time", "1s", "age"},
                {"tunnel.max_time_inactive", "1s", "idle"}};
    const struct warren_setting client[] = {NO_RELAY};
    struct node *n = &nodes[CLIENT];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct warren_setting exit[] = {EXITS,
                                              {rows[i].name, rows[i].value}};

        start_both(exit, COUNT_OF(exit), client, COUNT_OF(client));
        wait_for("the exit ends a circuit", has_closed, n);
        assert_string_equal(n->why, rows[i].why);
        assert_int_equal(n->closed_hop, 1);
        stop_both();
    }
}

static void test_warren_settings_max_time_inactive(void **state)
{
    const struct warren_setting exit[] = {EXITS};
    const struct warren_setting client[] = {NO_RELAY,
                                            {"tunnel.min_circuits", "2"},
                                            {"tunnel.max_time_inactive", "2s"}};
    struct node *n = &nodes[CLIENT];
    struct event *echo = echo_new();
    uint32_t used;

    (void)state;
    start_both(exit, COUNT_OF(exit), client, COUNT_OF(client));
    wait_for("circuits", is_ready, n);
    assert_int_equal(warren_active_data_circuits(n->w, 1, &used, 1), 2);
    for (int i = 0; i < 8; i++) {
        n->answers = 0;
        assert_int_equal(warren_tunnel_data(n->w, used, ECHO, "data", "1", 1),
                         WARREN_OK);
        wait_for("an answer over the circuit in use", has_answer, n);
        run_until(has_closed_three, n, 1);
    }
    assert_in_range(n->closed, 2, 6);
    assert_string_equal(n->why, "idle");
    assert_true(place_of(n, used) < n->open);
    echo_free(echo);
    stop_both();
}

static void test_warren_settings_max_traffic(void **state)
{
    const struct warren_setting exit[] = {EXITS};
    const struct warren_setting client[] = {
        NO_RELAY, {"tunnel.min_circuits", "1"}, {"tunnel.max_traffic", "1m"}};
    struct node *n = &nodes[CLIENT];
    struct event *echo = echo_new();
    char text[1200] = {0};
    unsigned sent = 0;

    (void)state;
    start_both(exit, COUNT_OF(exit), client, COUNT_OF(client));
    wait_for("a circuit", is_ready, n);
    for (; sent < 100000 && n->closed == 0; sent++) {
        uint32_t used;

        if (warren_active_data_circuits(n->w, 1, &used, 1) > 0)
            warren_tunnel_data(n->w, used, ECHO, "data", text, sizeof(text));
        n->answers = 0;
        run_until(has_answer, n, 1);
    }
    assert_string_equal(n->why, "traffic");
    /* A megabyte of cells there and back, or nearly so when it could hand
     * over, and what follows until that is noticed. */
    assert_in_range(sent, 300, 99999);
    echo_free(echo);
    stop_both();
}

static void test_warren_settings_become_exitnode(void **state)
{
    const struct warren_setting off[] = {{"exit.become_exitnode", "false"}};
    const struct warren_setting on[] = {{"exit.become_exitnode", "true"}};
    const struct warren_setting client[] = {NO_RELAY};
    struct node *n = &nodes[CLIENT];
    char status[2048];

    (void)state;
    start_both(off, COUNT_OF(off), client, COUNT_OF(client));
    assert_false(run_until(is_ready, n, 3));
    assert_int_equal(n->opened, 0);
    warren_status(n->w, status, sizeof(status));
    assert_non_null(strstr(status, "no exit is known"));
    stop_both();
    start_both(on, COUNT_OF(on), client, COUNT_OF(client));
    wait_for("circuits through the exit", is_ready, n);
    stop_both();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_warren_settings_min_circuits, stop_all),
        cmocka_unit_test_teardown(
            test_warren_settings_max_circuits_and_max_time, stop_all),
        cmocka_unit_test_teardown(test_warren_settings_max_relays_or_exits,
                                  stop_all),
        cmocka_unit_test_teardown(test_warren_settings_of_the_relay, stop_all),
        cmocka_unit_test_teardown(test_warren_settings_max_time_inactive,
                                  stop_all),
        cmocka_unit_test_teardown(test_warren_settings_max_traffic, stop_all),
        cmocka_unit_test_teardown(test_warren_settings_become_exitnode,
                                  stop_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
