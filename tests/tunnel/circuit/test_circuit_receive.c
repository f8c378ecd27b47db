/* SPDX-License-Identifier: MIT
 *
 * Whatever reaches a client through its circuits, forged or malformed, it
 * never makes it send a datagram outside of the circuit that it came by.
 */
#include "tunnel_net.h"

#include "circuit_lies.h"

#include <sodium.h>

struct outside {
    unsigned sent, to_others;
};

static bool outside_tap(struct net *net, struct net_packet *p)
{
    struct outside *o = net->tap_ctx;

    if (endpoint_same_addr(&p->from, &net->node[0].ep)) {
        o->sent++;
        o->to_others += !endpoint_equal(&p->to, &net->node[1].ep);
    }
    return true;
}

/* Hops of the circuit take turns in lying. It is built again when it ends. */
static void be_lied_to(struct net *net, enum circuit_use use)
{
    struct net_node *client = &net->node[0];
    struct outside o = {0};
    static struct lie lie;

    client->spare = 4;
    net->tap = outside_tap;
    net->tap_ctx = &o;
    for (unsigned i = 0; i < 6000; i++) {
        struct circuits *cs = client->engine.circuits;
        unsigned hop = 1 + test_random_below(&net->random, 3);
        struct transits *relays = net->node[hop].engine.transits;
        struct circuit *c;

        if (circuits_count(cs) == 0) {
            c = net_build(net, (unsigned[]){1, 2, 3, 0});
            c->use = use;
            c->joined = use == CIRCUIT_FOR_SERVICE;
        }
        c = circuits_at(cs, 0);
        if (i % 4 == 0)
            circuit_ping(cs, c, hop, net->now);
        if (transits_count(relays) > 0) {
            struct transit *relay =
                transits_at(relays, test_random_below(&net->random,
                                                      transits_count(relays)));

            lie_make(&lie, &net->random, relay, c->hop[hop - 1].ping_nonce);
            lie_send(&lie, &net->random, &net->node[hop].engine, relay,
                     net->now);
        }
        net_run(net, test_random_below(&net->random, 40) * TIME_MS);
    }
    assert_int_equal(o.to_others, 0);
    assert_true(o.sent > 1000);
}

/* Each handler has had its turn. */
static void test_circuit_receive_sends_nowhere_else(void **state)
{
    struct net *net = net_new(11);
    struct net_node *client = &net->node[0];
    const struct circuit_stats *stats = circuits_stats(client->engine.circuits);

    (void)state;
    be_lied_to(net, CIRCUIT_FOR_DATA);
    assert_true(client->ready > 10);
    assert_true(client->closed > 2);
    assert_true(client->data_in > 10);
    assert_true(client->refused > 10);
    assert_true(client->answered > 100);
    assert_true(stats->hops_replaced > 10);
    assert_true(stats->dropped_message > 1000);
    assert_true(stats->dropped_layer > 100);
    assert_int_equal(client->texts, 0);
    assert_int_equal(client->ends, 0);
    net_free(net);
}

/* Likewise, and what is for data has none. */
static void test_circuit_receive_of_a_service_sends_nowhere_else(void **state)
{
    struct net *net = net_new(12);
    struct net_node *client = &net->node[0];
    const struct circuit_stats *stats = circuits_stats(client->engine.circuits);

    (void)state;
    be_lied_to(net, CIRCUIT_FOR_SERVICE);
    assert_true(client->ready > 10);
    assert_true(client->closed > 10);
    assert_true(client->refused > 10);
    assert_true(client->answered > 100);
    assert_true(client->texts > 100);
    assert_true(client->ends > 20);
    assert_int_equal(client->data_in, 0);
    assert_int_equal(stats->hops_replaced, 0);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_circuit_receive_sends_nowhere_else),
        cmocka_unit_test(test_circuit_receive_of_a_service_sends_nowhere_else),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
