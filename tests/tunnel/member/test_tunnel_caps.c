/* SPDX-License-Identifier: MIT
 *
 * The caps of a node's configuration, each hit at a whole node: they reach
 * what they are caps of.
 */
#include "tunnel_world.h"

#include "tunnel/member/member_internal.h"

#include <sodium.h>

static void restart(struct world *w, unsigned number,
                    const struct member_config *c)
{
    member_free(w->member[number].tunnel, w->now);
    resident_start(&w->member[number], c);
}

/* The client anew, with all relays to ask. */
static void restart_client(struct world *w, const struct member_config *c)
{
    restart(w, 0, c);
    for (unsigned i = 1; i < MEMBERS; i++)
        member_ask(w->member[0].tunnel, &w->member[i].ep, w->now);
}

static struct member_status status_of(const struct world *w, unsigned number)
{
    struct member_status st;

    member_status(w->member[number].tunnel, w->now, WALL, &st);
    return st;
}

static void test_tunnel_caps_known_relays(void **state)
{
    struct member_config c = config_of(0);
    struct world *w = world_new(21);

    (void)state;
    c.max_known_relays = 3;
    restart_client(w, &c);
    member_build(w->member[0].tunnel, 1, w->now);
    run(w, TIME_MIN);
    assert_int_equal(status_of(w, 0).known, 3);
    world_free(w);
}

static void test_tunnel_caps_links(void **state)
{
    struct member_config c = config_of(0);
    struct world *w = world_new(22);

    (void)state;
    c.max_links = 2;
    restart_client(w, &c);
    member_build(w->member[0].tunnel, 3, w->now);
    for (int i = 0; i < 60; i++) {
        run(w, TIME_S);
        assert_true(status_of(w, 0).links <= 2);
    }
    world_free(w);
}

/* Of all lengths together: no more than the pools may have, and as many again
 * that take the place of others. */
static void test_tunnel_caps_circuits(void **state)
{
    struct member_config c = config_of(0);
    struct world *w = world_new(23);
    struct link_target hop = {.ep = w->member[1].ep};
    struct member_config first = config_of(1);
    const struct router *e;
    struct circuit *circuit;

    (void)state;
    c.min_circuits = c.max_circuits = 2;
    restart_client(w, &c);
    memcpy(hop.identity, first.identity, sizeof(hop.identity));
    noise_public_key(first.handshake_secret, hop.handshake_key);
    e = member_router(w->member[0].tunnel);
    for (unsigned i = 0; i < 4 * ONION_HOPS_MAX; i++)
        assert_int_equal(circuit_new(e->circuits, &hop, 1, w->now, &circuit),
                         OK);
    assert_int_equal(circuit_new(e->circuits, &hop, 1, w->now, &circuit),
                     ERR_FULL);
    run(w, TIME_S);
    assert_int_equal(status_of(w, 0).circuits, 4 * ONION_HOPS_MAX);
    world_free(w);
}

static void test_tunnel_caps_speedtests(void **state)
{
    struct member_config c = config_of(EXIT);
    struct world *w = world_new(24);
    struct resident *client = &w->member[0];
    uint32_t id;

    (void)state;
    c.speedtest_rate = 20;
    restart(w, EXIT, &c);
    member_build(client->tunnel, 1, w->now);
    run(w, 10 * TIME_S);
    assert_true(member_active(client->tunnel, 1, &id, 1) > 0);
    assert_int_equal(member_speedtest(client->tunnel, id, 2 * TIME_S, w->now),
                     OK);
    run(w, 10 * TIME_S);
    assert_true(client->done);
    /* Without a cap it is hundreds. */
    assert_in_range(client->report.answered, 1, 40);
    assert_true(client->report.sent > client->report.answered);
    world_free(w);
}

/* Beginnings of long datagrams, over several circuits, and never their end. */
static void test_tunnel_caps_pieces(void **state)
{
    static const uint8_t bytes[PIECE_BYTES];
    struct member_config c = config_of(EXIT);
    struct world *w = world_new(25);
    struct resident *client = &w->member[0];
    const struct router *e = member_router(client->tunnel);
    size_t most = 0;

    (void)state;
    c.max_piece_memory = 65536;
    restart(w, EXIT, &c);
    for (unsigned hops = 1; hops <= 3; hops++)
        member_build(client->tunnel, hops, w->now);
    run(w, 10 * TIME_S);
    for (unsigned i = 0; i < 400; i++) {
        struct circuit *circuit =
            circuits_at(e->circuits, i % circuits_count(e->circuits));
        struct circuit_message m = {.type = CIRCUIT_PIECE,
                                    .piece_id = (uint16_t)(i / 7),
                                    .piece_index = (uint8_t)(i % 7),
                                    .piece_count = 8,
                                    .payload = bytes_of(bytes, PIECE_BYTES)};
        const struct member *x = w->member[EXIT].tunnel;

        circuit_send(e->circuits, circuit, circuit->length, &m, w->now);
        run(w, TIME_MS);
        assert_true(x->budget.used <= 65536);
        most = x->budget.used > most ? x->budget.used : most;
    }
    assert_true(most > 40000);
    run(w, TIME_MIN);
    assert_int_equal(w->member[EXIT].tunnel->budget.used, 0);
    world_free(w);
}

/* What an exit gives away, to all circuits and to each: of two that take what
 * they get, each has half of the one, or all of its own. */
static void test_tunnel_caps_bandwidth(void **state)
{
    (void)state;
    for (int each = 0; each < 2; each++) {
        struct world *w = world_new(26);
        struct resident *client = &w->member[0];
        uint32_t ids[2];

        for (unsigned i = 1; i < MEMBERS; i++) {
            struct member_config c = config_of(i);

            c.queue.bandwidth_burst = c.queue.circuit_burst = 8192;
            if (each)
                c.queue.circuit_bandwidth = 100000;
            else
                c.queue.bandwidth = 100000;
            restart(w, i, &c);
        }
        member_build(client->tunnel, 1, w->now);
        run(w, 10 * TIME_S);
        assert_int_equal(member_active(client->tunnel, 1, ids, 2), 2);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(
                member_speedtest(client->tunnel, ids[i], 10 * TIME_S, w->now),
                OK);
        run(w, 20 * TIME_S);
        assert_true(client->done);
        if (each)
            assert_in_range(client->report.down, 60000, 105000);
        else
            assert_in_range(client->report.down, 30000, 60000);
        world_free(w);
    }
}

static void test_tunnel_caps_of_nothing_are_refused(void **state)
{
    struct member_env env = {.ctx = NULL};
    struct member *t = NULL;
    struct member_config c;

    (void)state;
#define REFUSED(member, value) \
    c = config_of(0);          \
    c.member = value;          \
    assert_int_equal(member_new(&c, &env, NULL, TIME_S, WALL, &t), ERR_RANGE)

    REFUSED(min_circuits, 0);
    REFUSED(min_circuits, c.max_circuits + 1);
    REFUSED(max_links, 0);
    REFUSED(max_half_open, 0);
    REFUSED(handshake_rate, 0);
    REFUSED(handshake_source_rate, 0);
    REFUSED(create_rate, 0);
    REFUSED(create_source_rate, 0);
    REFUSED(max_sources, 0);
    REFUSED(max_known_relays, 0);
    REFUSED(speedtest_rate, 0);
    assert_null(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel_caps_known_relays),
        cmocka_unit_test(test_tunnel_caps_links),
        cmocka_unit_test(test_tunnel_caps_circuits),
        cmocka_unit_test(test_tunnel_caps_speedtests),
        cmocka_unit_test(test_tunnel_caps_pieces),
        cmocka_unit_test(test_tunnel_caps_bandwidth),
        cmocka_unit_test(test_tunnel_caps_of_nothing_are_refused),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
