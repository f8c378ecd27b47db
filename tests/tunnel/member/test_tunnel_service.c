/* SPDX-License-Identifier: MIT
 *
 * Circuits for services beside those for data, in a whole member: they are
 * none of the pool's, nobody hears of them as of those, and what their hops do
 * is judged unless somebody else has named them.
 */
#include "tunnel_world.h"

#include "tunnel/member/member_internal.h"

static struct link_target target_of(const struct world *w, unsigned number)
{
    struct member_config c = config_of(number);
    struct link_target t = {.ep = w->member[number].ep};

    memcpy(t.identity, c.identity, sizeof(t.identity));
    noise_public_key(c.handshake_secret, t.handshake_key);
    return t;
}

static const struct route_ops nothing;

/* Through the relays 1 to `length`, and for a service. */
static struct circuit *build(struct world *w, unsigned length)
{
    struct link_target hops[ONION_HOPS_MAX];
    struct circuit *c = NULL;

    for (unsigned i = 0; i < length; i++)
        hops[i] = target_of(w, i + 1);
    assert_int_equal(route_new(w->member[0].tunnel->router.circuits, hops,
                               length, &nothing, NULL, w->now, &c),
                     OK);
    run(w, TIME_S);
    assert_int_equal(c->state, CIRCUIT_READY);
    return c;
}

static unsigned doubt_of(const struct world *w, unsigned number)
{
    struct member_config c = config_of(number);
    const struct known_relay *relay =
        directory_find(member_directory(w->member[0].tunnel), c.identity);

    assert_non_null(relay);
    return known_doubt(relay, w->now);
}

static void visit(void *ctx, const struct circuit *c)
{
    assert_int_equal(c->use, CIRCUIT_FOR_DATA);
    ++*(unsigned *)ctx;
}

static void test_service_circuits_are_none_of_the_pool(void **state)
{
    struct world *w = world_new(31);
    struct resident *client = &w->member[0];
    struct member *t = client->tunnel;
    struct member_status status;
    unsigned listed = 0;
    uint8_t exit[32];
    struct circuit *c;

    (void)state;
    run(w, 5 * TIME_S);
    c = build(w, 2);
    assert_int_equal(client->ready, 0);
    assert_int_equal(member_active(t, 0, NULL, 0), 0);
    assert_int_equal(member_close(t, c->id, w->now), ERR_NOT_FOUND);
    assert_int_equal(member_ping(t, c->id, w->now), ERR_NOT_FOUND);
    assert_int_equal(
        member_data(t, c->id, &w->member[1].ep, bytes_of_text("x"), w->now),
        ERR_NOT_FOUND);
    assert_false(member_exit_of(t, c->id, exit));
    member_circuits(t, visit, &listed);
    assert_int_equal(listed, 0);
    member_status(t, w->now, WALL, &status);
    assert_int_equal(status.circuits, 0);

    member_build(t, 2, w->now);
    run(w, 5 * TIME_S);
    assert_int_equal(member_active(t, 2, NULL, 0), t->config.min_circuits);
    member_circuits(t, visit, &listed);
    assert_int_equal(listed, t->config.min_circuits);
    assert_int_equal(client->closed, 0);
    world_free(w);
}

/* What a service keeps with a circuit is left alone, whatever comes: time,
 * PONGs, refusals, its end. */
static void test_service_circuits_keep_what_is_above(void **state)
{
    static const uint8_t text[] = {0x91, CIRCUIT_SERVICE_FIRST};
    struct world *w = world_new(32);
    struct resident *client = &w->member[0];
    struct circuits *cs = client->tunnel->router.circuits;
    struct circuit *c;
    void *above;
    uint64_t dropped;
    uint32_t id;

    (void)state;
    run(w, 5 * TIME_S);
    c = build(w, 2);
    above = c->above;
    member_build(client->tunnel, 1, w->now);
    run(w, TIME_S);
    assert_true(member_active(client->tunnel, 1, &id, 1) > 0);
    assert_int_equal(member_speedtest(client->tunnel, id, TIME_S, w->now), OK);
    circuit_ping(cs, c, 2, w->now);
    circuit_send_text(cs, c, 2, bytes_of(text, 2), CELL_SMALL, w->now);
    run(w, TIME_MIN);
    assert_true(client->done);
    assert_int_equal(client->pongs, 0);
    assert_int_equal(client->refused, 0);
    assert_ptr_equal(c->above, above);
    assert_true(c->hop[1].rtt > 0);
    /* A relay that serves nobody says so. */
    dropped = transits_stats(member_router(w->member[2].tunnel)->transits)
                  ->dropped_message;
    assert_int_equal(dropped, 1);
    circuit_close(cs, c, REASON_REQUESTED, w->now);
    run(w, TIME_S);
    assert_int_equal(client->closed, 0);
    world_free(w);
}

static void close_at(struct world *w, unsigned number)
{
    struct transits *r = w->member[number].tunnel->router.transits;

    assert_int_equal(transits_count(r), 1);
    transit_close(r, transits_at(r, 0), REASON_PROTOCOL, w->now);
    run(w, TIME_S);
}

/* Relays that we have chosen are doubted when they fail. */
static void test_service_circuits_judge_their_hops(void **state)
{
    struct world *w = world_new(33);
    struct resident *client = &w->member[0];
    uint32_t id;

    (void)state;
    run(w, 5 * TIME_S);
    id = build(w, 3)->id;
    close_at(w, 3);
    assert_null(circuit_find(client->tunnel->router.circuits, id));
    assert_int_equal(client->closed, 0);
    assert_true(doubt_of(w, 2) > 0);
    assert_true(doubt_of(w, 3) > 0);
    assert_int_equal(doubt_of(w, 1), 0);
    world_free(w);
}

/* A hop that somebody else has named is not, nor is the one before it: or who
 * names one that is not there could have us leave our own relays. */
static void test_service_circuits_judge_no_hop_of_others(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 2; how++) {
        struct world *w = world_new(34);
        struct resident *client = &w->member[0];
        struct link_target named = target_of(w, 3);
        struct circuits *cs = client->tunnel->router.circuits;
        struct circuit *c;
        uint32_t id;

        run(w, 5 * TIME_S);
        c = build(w, 2);
        id = c->id;
        if (how == 0)
            named.handshake_key[0] ^= 1;
        assert_int_equal(circuit_extend(cs, c, &named, w->now), OK);
        run(w, 30 * TIME_S);
        if (how == 1)
            close_at(w, 3);
        assert_null(circuit_find(cs, id));
        for (unsigned i = 1; i <= 3; i++)
            assert_int_equal(doubt_of(w, i), 0);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service_circuits_are_none_of_the_pool),
        cmocka_unit_test(test_service_circuits_keep_what_is_above),
        cmocka_unit_test(test_service_circuits_judge_their_hops),
        cmocka_unit_test(test_service_circuits_judge_no_hop_of_others),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
