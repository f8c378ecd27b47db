/* SPDX-License-Identifier: MIT
 *
 * Relays and neighbours that lie: what they say about hops that are not
 * theirs, what they do to cells that pass them, and what comes of it.
 */
#include "fail_alloc.h"
#include "tunnel/crypto/prologue.h"
#include "tunnel/link/link_text.h"
#include "tunnel_net.h"

#include <sodium.h>

static struct transit *relay_at(struct net *net, unsigned node)
{
    assert_true(transits_count(net->node[node].engine.transits) > 0);
    return transits_at(net->node[node].engine.transits, 0);
}

/* Hop 2 puts a message where hop 1's layer would begin, in the hope that hop 1
 * passes it on as its own. */
static void test_hostile_hop_cannot_speak_for_the_one_before(void **state)
{
    struct net *net = net_new(21);
    struct net_node *client = &net->node[0];
    struct circuit_message m = {.type = CIRCUIT_TESTED, .nonce = 7};
    uint8_t d[CELL_MAX] = {0};
    struct transit *forger;
    size_t used;

    (void)state;
    net_build(net, (unsigned[]){1, 2, 3, 0});
    net_run(net, TIME_S);
    assert_int_equal(client->ready, 1);
    forger = relay_at(net, 2);
    assert_int_equal(
        circuit_message_write(&m, d + CELL_BODY_OFFSET, 300, &used), OK);
    link_send_relay(net->node[2].engine.shared.links, forger->prev.link,
                    forger->prev.remote, d, CELL_SMALL, net->now);
    net_run(net, TIME_S);
    assert_int_equal(client->answered, 0);
    net_free(net);
}

/* Who builds anew as soon as a circuit ends does not get the link that is
 * just going. */
static void build_again(struct net_node *n, struct circuit *c)
{
    (void)c;
    if (n->closed < 50)
        net_build(n->net, (unsigned[]){1, 0});
}

static void test_hostile_link_that_goes_is_not_used_again(void **state)
{
    struct net *net = net_new(23);
    struct net_node *client = &net->node[0], *relay = &net->node[1];

    (void)state;
    client->on_closed = build_again;
    net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    assert_int_equal(client->ready, 1);
    link_send(relay->engine.shared.links, relay_at(net, 1)->prev.link,
              CELL_CLOSE, 0, bytes_of(NULL, 0), net->now);
    net_run(net, TIME_S);
    assert_int_equal(client->closed, 1);
    assert_int_equal(client->ready, 2);
    client->on_closed = NULL;
    net_free(net);
}

/* What ends a circuit may be told to end it again, and others with it. */
static void close_all(struct net_node *n, struct circuit *c)
{
    struct circuits *cs = n->engine.circuits;

    assert_null(circuit_find(cs, c->id));
    circuit_close(cs, c, REASON_REQUESTED, n->net->now);
    while (circuits_count(cs) > 1) {
        struct circuit *other = circuits_at(cs, 0);

        if (other == c)
            other = circuits_at(cs, 1);
        n->on_closed = NULL;
        circuit_close(cs, other, REASON_REQUESTED, n->net->now);
    }
}

static void test_hostile_circuits_closed_in_their_own_callback(void **state)
{
    struct net *net = net_new(24);
    struct net_node *client = &net->node[0];

    (void)state;
    for (int i = 0; i < 5; i++)
        net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    assert_int_equal(client->ready, 5);
    client->on_closed = close_all;
    net->node[1].dead = true;
    net_run(net, TIME_MIN);
    assert_int_equal(client->closed, 5);
    assert_int_equal(circuits_count(client->engine.circuits), 0);
    net_free(net);
}

/* A hop may not make the client try one neighbour after the other until it
 * takes one that the hop likes. */
static void test_hostile_hop_cannot_choose_the_next_by_refusing(void **state)
{
    struct net *net = net_new(25);
    struct net_node *client = &net->node[0];
    struct circuit_message m = {.type = CIRCUIT_FAILED,
                                .reason = REASON_LINK_LOST};
    unsigned lies = 0;

    (void)state;
    client->spare = 3;
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    while (client->closed == 0 && lies < 100) {
        struct transit *relay = relay_at(net, 1);

        client->spare = client->spare == 3 ? 2 : 3;
        m.attempt = relay->attempt;
        assert_int_equal(
            transit_answer(net->node[1].engine.transits, relay, &m, net->now),
            OK);
        lies++;
        net_run(net, TIME_S);
    }
    assert_in_range(lies, 1, 10);
    assert_int_equal(client->why_hop, 2);
    net_free(net);
}

/* And with the next hop it loses its own place, unless it is the first. */
static void test_hostile_hop_that_refuses_goes_too(void **state)
{
    static const unsigned stay[] = {0, 1, 1, 2};

    (void)state;
    for (unsigned liar = 1; liar <= 3; liar++) {
        struct net *net = net_new(32);
        struct net_node *client = &net->node[0];
        struct circuit *c = net_build(net, (unsigned[]){1, 2, 3, 4});
        struct circuit_message m = {.type = CIRCUIT_FAILED,
                                    .reason = REASON_UNREACHABLE};

        client->spare = 5;
        net_run(net, TIME_S);
        m.attempt = relay_at(net, liar)->attempt;
        transit_answer(net->node[liar].engine.transits, relay_at(net, liar), &m,
                       net->now);
        net_run(net, TIME_S);
        assert_int_equal(client->stood, stay[liar]);
        assert_int_equal(client->ready, 2);
        assert_int_equal(client->closed, 0);
        for (unsigned i = 1; i <= 3; i++)
            assert_int_equal(net->node[i].relays_closed, i > stay[liar]);
        assert_memory_equal(c->hop[liar].target.identity, net->node[5].identity,
                            32);
        net_free(net);
    }
}

/* A first hop whose key is none, when there is a link to it already. */
static void test_hostile_first_hop_with_a_key_of_low_order(void **state)
{
    struct net *net = net_new(26);
    struct net_node *client = &net->node[0];
    struct link_target hops[2] = {net_target(&net->node[1]),
                                  net_target(&net->node[2])};
    struct circuit *c;

    (void)state;
    net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    memset(hops[1].handshake_key, 0, NOISE_KEY_BYTES);
    assert_int_equal(
        circuit_new(client->engine.circuits, hops, 2, net->now, &c), OK);
    net_run(net, TIME_S);
    assert_int_equal(client->closed, 1);
    assert_int_equal(client->why, REASON_HANDSHAKE);
    assert_int_equal(client->why_hop, 2);
    memset(hops[0].handshake_key, 0, NOISE_KEY_BYTES);
    assert_int_equal(
        circuit_new(client->engine.circuits, hops, 1, net->now, &c), ERR_RANGE);
    net_free(net);
}

/* Memory may run out at each step; a circuit that was given is still there
 * when circuit_new returns. */
static void test_hostile_building_without_memory(void **state)
{
    struct net *net = net_new(27);
    struct net_node *client = &net->node[0];
    struct link_target hop = net_target(&net->node[1]);

    (void)state;
    net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    /* The circuit, its handshake; the third is a datagram of this test. */
    for (unsigned n = 1; n <= 2; n++) {
        struct circuit *c = NULL;
        enum error e;

        fail_alloc_at(n);
        e = circuit_new(client->engine.circuits, &hop, 1, net->now, &c);
        assert_true(fail_alloc_end());
        if (e == OK)
            assert_ptr_equal(circuit_find(client->engine.circuits, c->id), c);
        net_run(net, TIME_S);
    }
    assert_int_equal(client->ready, 1);
    assert_int_equal(client->closed, 1);
    net_free(net);
}

/* What hops say that they have no business to say, and of old attempts. */
static void test_hostile_messages_that_change_nothing(void **state)
{
    static const struct circuit_message lies[] = {
        {.type = CIRCUIT_DESTROY, .reason = REASON_REQUESTED},
        {.type = CIRCUIT_PING, .nonce = 5},
        {.type = CIRCUIT_PONG, .nonce = 5},
        {.type = CIRCUIT_TEST, .nonce = 5},
        {.type = CIRCUIT_PACKET_IN, .payload = {(const uint8_t *)"x", 1}},
        {.type = CIRCUIT_PACKET_BACK, .payload = {(const uint8_t *)"x", 1}},
        {.type = CIRCUIT_FAILED, .attempt = 9, .reason = REASON_TIMEOUT},
        {.type = CIRCUIT_FAILED, .attempt = 0, .reason = REASON_TIMEOUT},
        {.type = CIRCUIT_DATA, .ep = {.addr = {8, 8, 8, 8}, .port = 1}},
    };
    struct net *net = net_new(29);
    struct net_node *client = &net->node[0];
    struct circuit *c = net_build(net, (unsigned[]){1, 2, 3, 0});

    (void)state;
    client->spare = 5;
    net_run(net, TIME_S);
    for (unsigned hop = 1; hop <= 2; hop++) {
        for (size_t i = 0; i < COUNT_OF(lies); i++) {
            transit_answer(net->node[hop].engine.transits, relay_at(net, hop),
                           &lies[i], net->now);
            net_run(net, 100 * TIME_MS);
            assert_int_equal(c->state, CIRCUIT_READY);
            assert_int_equal(c->built, 3);
        }
    }
    assert_int_equal(client->data_in + client->refused + client->answered, 0);
    assert_int_equal(circuits_stats(client->engine.circuits)->hops_replaced, 0);
    net_free(net);
}

/* A neighbour that is no part of a circuit knows its indices, and no more. */
static void test_hostile_stranger_uses_the_index_of_another(void **state)
{
    static const enum cell_type types[] = {CELL_RELAY, CELL_DESTROY,
                                           CELL_CREATED};
    struct net *net = net_new(30);
    struct net_node *client = &net->node[0], *stranger = &net->node[5];
    struct circuit *c = net_build(net, (unsigned[]){1, 2, 0});
    struct link_target target = net_target(&net->node[1]);
    static const uint8_t destroy[] = {0x91, 1};
    struct transit *relay;
    struct link *link;

    (void)state;
    assert_int_equal(
        link_open(stranger->engine.shared.links, &target, net->now, &link), OK);
    net_run(net, TIME_S);
    relay = relay_at(net, 1);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        link_send(stranger->engine.shared.links, link, types[i],
                  relay->prev.local, bytes_of(destroy, 2), net->now);
        link_send(stranger->engine.shared.links, link, types[i],
                  relay->next.local, bytes_of(destroy, 2), net->now);
        net_run(net, TIME_S);
    }
    assert_int_equal(c->state, CIRCUIT_READY);
    assert_int_equal(transits_count(net->node[2].engine.transits), 1);
    assert_int_equal(net_send_data(net, c, "still"), OK);
    net_run(net, TIME_S);
    assert_int_equal(client->data_in, 1);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_hop_cannot_speak_for_the_one_before),
        cmocka_unit_test(test_hostile_link_that_goes_is_not_used_again),
        cmocka_unit_test(test_hostile_circuits_closed_in_their_own_callback),
        cmocka_unit_test(test_hostile_hop_cannot_choose_the_next_by_refusing),
        cmocka_unit_test(test_hostile_hop_that_refuses_goes_too),
        cmocka_unit_test(test_hostile_first_hop_with_a_key_of_low_order),
        cmocka_unit_test(test_hostile_building_without_memory),
        cmocka_unit_test(test_hostile_messages_that_change_nothing),
        cmocka_unit_test(test_hostile_stranger_uses_the_index_of_another),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
