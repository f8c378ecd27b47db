/* SPDX-License-Identifier: MIT
 *
 * Circuits for services: texts that are passed up as they are, one more hop
 * for a circuit that is ready, and an end when a hop fails.
 */
#include "tunnel_net.h"

#include <sodium.h>

static const unsigned path4[] = {1, 2, 3, 4, 0};

/* A service's circuit of this length, from node 0. */
static struct circuit *build(struct net *net, unsigned length)
{
    unsigned hops[ONION_HOPS_MAX + 1] = {0};
    struct circuit *c;

    memcpy(hops, path4, length * sizeof(hops[0]));
    c = net_build(net, hops);
    c->use = CIRCUIT_FOR_SERVICE;
    return c;
}

static struct transit *transit_at(struct net *net, unsigned node)
{
    struct transits *r = net->node[node].engine.transits;

    assert_int_equal(transits_count(r), 1);
    return transits_at(r, 0);
}

static enum error extend(struct net *net, struct circuit *c, unsigned node)
{
    struct link_target target = net_target(&net->node[node]);

    return circuit_extend(net->node[0].engine.circuits, c, &target, net->now);
}

/* ---- Texts -------------------------------------------------------------- */

static size_t seen_len;

static bool see_cells(struct net *net, struct net_packet *p)
{
    (void)net;
    seen_len = p->len;
    return true;
}

/* [type, 7] */
static struct bytes text_of(uint8_t type)
{
    static uint8_t text[3];

    text[0] = 0x92;
    text[1] = type;
    text[2] = 7;
    return bytes_of(text, sizeof(text));
}

static void test_circuit_service_texts_go_up(void **state)
{
    static const size_t sizes[] = {CELL_SMALL, CELL_LARGE};
    struct net *net = net_new(31);
    struct net_node *client = &net->node[0], *hop = &net->node[2];
    struct circuit *c = build(net, 2);

    (void)state;
    net_run(net, TIME_S);
    /* Links that have carried a large cell ask no more whether they can. */
    circuit_send_text(client->engine.circuits, c, 2, text_of(15), CELL_LARGE,
                      net->now);
    transit_answer_text(hop->engine.transits, transit_at(net, 2), text_of(15),
                        CELL_LARGE, net->now);
    net_run(net, TIME_S);
    net->tap = see_cells;
    for (uint8_t type = 16; type < 64; type++) {
        struct bytes text = text_of(type);
        size_t size = sizes[type % 2];

        assert_int_equal(circuit_send_text(client->engine.circuits, c, 2, text,
                                           size, net->now),
                         OK);
        net_run(net, 2 * NET_DELAY);
        assert_int_equal(seen_len, size);
        assert_memory_equal(hop->text, text.p, text.len);
        assert_int_equal(transit_answer_text(hop->engine.transits,
                                             transit_at(net, 2), text, size,
                                             net->now),
                         OK);
        net_run(net, 2 * NET_DELAY);
        assert_int_equal(seen_len, size);
        assert_memory_equal(client->text, text.p, text.len);
        assert_int_equal(client->text_hop, 2);
    }
    assert_int_equal(hop->asked, 48);
    assert_int_equal(client->texts, 48);
    net_free(net);
}

static void test_circuit_service_texts_that_do_not_fit(void **state)
{
    struct net *net = net_new(32);
    struct circuits *cs = net->node[0].engine.circuits;
    struct circuit *c = build(net, 2);
    uint8_t bytes[CELL_LARGE] = {0x92, 20};
    struct bytes small = bytes_of(bytes, onion_message_len(CELL_SMALL_BODY));
    struct bytes large = bytes_of(bytes, onion_message_len(CELL_LARGE_BODY));
    struct transits *r;

    (void)state;
    net_run(net, TIME_S);
    r = net->node[2].engine.transits;
    for (int i = 0; i < 2; i++, small.len++, large.len++) {
        enum error want = i == 0 ? OK : ERR_NO_SPACE;

        assert_int_equal(
            circuit_send_text(cs, c, 2, small, CELL_SMALL, net->now), want);
        assert_int_equal(
            circuit_send_text(cs, c, 2, large, CELL_LARGE, net->now), want);
        assert_int_equal(transit_answer_text(r, transit_at(net, 2), small,
                                             CELL_SMALL, net->now),
                         want);
        assert_int_equal(transit_answer_text(r, transit_at(net, 2), large,
                                             CELL_LARGE, net->now),
                         want);
    }
    assert_int_equal(
        circuit_send_text(cs, c, 3, text_of(16), CELL_SMALL, net->now),
        ERR_NOT_FOUND);
    assert_int_equal(
        circuit_send_text(cs, c, 0, text_of(16), CELL_SMALL, net->now),
        ERR_NOT_FOUND);
    net_run(net, TIME_S);
    assert_int_equal(net->node[2].asked, 2);
    assert_int_equal(net->node[0].texts, 2);
    net_free(net);
}

/* Who takes it not says so: the relay to its client, the client to nobody. */
static void test_circuit_service_texts_are_refused(void **state)
{
    struct net *net = net_new(33);
    struct net_node *client = &net->node[0], *hop = &net->node[2];
    struct circuit *c = build(net, 2);

    (void)state;
    net_run(net, TIME_S);
    hop->deny = REASON_FULL;
    client->deny = REASON_PROTOCOL;
    circuit_send_text(client->engine.circuits, c, 2, text_of(22), CELL_SMALL,
                      net->now);
    net_run(net, TIME_S);
    assert_int_equal(client->refused, 1);
    assert_int_equal(client->why, REASON_FULL);
    assert_int_equal(transits_stats(hop->engine.transits)->dropped_message, 0);
    transit_answer_text(hop->engine.transits, transit_at(net, 2), text_of(23),
                        CELL_SMALL, net->now);
    net_run(net, TIME_S);
    assert_int_equal(client->texts, 1);
    assert_int_equal(circuits_stats(client->engine.circuits)->dropped_message,
                     1);
    net_free(net);
}

/* Planes stay apart: no data on the one, no texts on the other. */
static void test_circuit_service_and_data_stay_apart(void **state)
{
    (void)state;
    for (enum circuit_use use = 0; use <= CIRCUIT_FOR_SERVICE; use++) {
        struct net *net = net_new(34);
        struct net_node *client = &net->node[0], *hop = &net->node[2];
        struct circuit *c = build(net, 2);

        c->use = use;
        net_run(net, TIME_S);
        net_send_data(net, c, "echo");
        transit_answer_text(hop->engine.transits, transit_at(net, 2),
                            text_of(20), CELL_SMALL, net->now);
        net_run(net, TIME_S);
        assert_int_equal(client->data_in, use == CIRCUIT_FOR_DATA);
        assert_int_equal(client->texts, use == CIRCUIT_FOR_SERVICE);
        assert_int_equal(
            circuits_stats(client->engine.circuits)->dropped_message, 1);
        net_free(net);
    }
}

/* ---- One more hop ------------------------------------------------------- */

static void test_circuit_extend_from_each_length(void **state)
{
    (void)state;
    for (unsigned length = 1; length < ONION_HOPS_MAX; length++) {
        struct net *net = net_new(40 + length);
        struct net_node *client = &net->node[0];
        struct circuit *c = build(net, length);

        assert_int_equal(extend(net, c, length + 1), ERR_NOT_FOUND);
        net_run(net, TIME_S);
        for (unsigned n = length + 1; n <= ONION_HOPS_MAX; n++) {
            uint64_t since = net->now;

            assert_int_equal(extend(net, c, n), OK);
            assert_int_equal(c->state, CIRCUIT_BUILDING);
            assert_int_equal(client->ready, n - length);
            assert_int_equal(extend(net, c, n), ERR_NOT_FOUND);
            /* Meanwhile the last hop is heard no further than before. */
            assert_int_equal(
                circuit_ping(client->engine.circuits, c, n - 1, since), OK);
            net_run(net, TIME_S);
            assert_int_equal(client->ready, n - length + 1);
            assert_int_equal(c->state, CIRCUIT_READY);
            assert_int_equal(c->length, n);
            assert_int_equal(c->built, n);
            assert_int_equal(c->chosen, length);
            assert_int_equal(transit_at(net, n)->depth, n);
            circuit_send_text(client->engine.circuits, c, n, text_of(16),
                              CELL_SMALL, net->now);
            net_run(net, TIME_S);
            assert_int_equal(net->node[n].asked, 1);
        }
        assert_int_equal(extend(net, c, 5), ERR_RANGE);
        c->joined = true;
        assert_int_equal(extend(net, c, 5), ERR_IN_USE);
        assert_int_equal(client->closed, 0);
        net_free(net);
    }
}

/* Loses a share of all cells. */
static bool lossy(struct net *net, struct net_packet *p)
{
    (void)p;
    return test_random_below(&net->random, 100) >= 20;
}

/* Half of the first try's cells are lost on average; said again, one in a few
 * comes through. */
static void test_circuit_extend_with_lost_cells(void **state)
{
    unsigned extended = 0;
    uint64_t repeated = 0;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct net *net = net_new(50 + i);
        struct net_node *client = &net->node[0];
        struct circuit *c = build(net, 3);

        net_run(net, TIME_S);
        assert_int_equal(client->ready, 1);
        net->tap = lossy;
        assert_int_equal(extend(net, c, 4), OK);
        net_run(net, 20 * TIME_S);
        extended += client->ready == 2;
        assert_int_equal(client->closed, client->ready != 2);
        repeated += circuits_stats(client->engine.circuits)->repeated;
        net_free(net);
    }
    assert_true(extended >= 12);
    assert_true(repeated >= 10);
}

/* The hop is not there, or is not who it should be, or nobody: told with its
 * number and the reason, and no other is tried. */
static void test_circuit_extend_fails(void **state)
{
    static const uint8_t no_key[32];

    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        struct net *net = net_new(71 + how);
        struct net_node *client = &net->node[0];
        struct circuit *c = build(net, 2);
        struct link_target target = net_target(&net->node[3]);

        net_run(net, TIME_S);
        client->spare = 5;
        if (how == 0)
            net->node[3].dead = true;
        else if (how == 1)
            target.handshake_key[3] ^= 1;
        else
            memcpy(target.handshake_key, no_key, 32);
        assert_int_equal(
            circuit_extend(client->engine.circuits, c, &target, net->now), OK);
        assert_int_equal(client->closed, 0); /* nobody is called back */
        net_run(net, TIME_MIN);
        assert_int_equal(client->closed, 1);
        assert_int_equal(client->ready, 1);
        assert_int_equal(client->why_hop, 3);
        assert_true(how != 2 || client->why == REASON_HANDSHAKE);
        for (unsigned i = 1; i <= 3; i++)
            assert_int_equal(transits_count(net->node[i].engine.transits), 0);
        net_free(net);
    }
}

/* A hop of a service's circuit is replaced by none. */
static void test_circuit_of_a_service_ends_when_a_hop_fails(void **state)
{
    struct net *net = net_new(81);
    struct net_node *client = &net->node[0];
    struct transits *last;

    (void)state;
    client->spare = 5;
    build(net, 3);
    net_run(net, TIME_S);
    last = net->node[3].engine.transits;
    transit_close(last, transit_at(net, 3), REASON_SHUTDOWN, net->now);
    net_run(net, TIME_S);
    assert_int_equal(client->closed, 1);
    assert_int_equal(client->why, REASON_SHUTDOWN);
    assert_int_equal(client->why_hop, 3);
    assert_int_equal(client->stood, 0);
    assert_int_equal(transits_count(net->node[2].engine.transits), 0);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_circuit_service_texts_go_up),
        cmocka_unit_test(test_circuit_service_texts_that_do_not_fit),
        cmocka_unit_test(test_circuit_service_texts_are_refused),
        cmocka_unit_test(test_circuit_service_and_data_stay_apart),
        cmocka_unit_test(test_circuit_extend_from_each_length),
        cmocka_unit_test(test_circuit_extend_with_lost_cells),
        cmocka_unit_test(test_circuit_extend_fails),
        cmocka_unit_test(test_circuit_of_a_service_ends_when_a_hop_fails),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
