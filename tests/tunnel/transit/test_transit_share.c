/* SPDX-License-Identifier: MIT
 *
 * A relay whose table of circuits somebody fills, and the others, who get
 * theirs all the same.
 */
#include "tunnel_net.h"

#include <sodium.h>

#define MAX    256
#define VICTIM 1

static void restart(struct net *net, unsigned node, unsigned relays,
                    unsigned circuits)
{
    struct net_node *n = &net->node[node];
    struct router_config c = net_config(n);

    c.transit.max_relays_or_exits = relays;
    c.circuit.max_circuits = circuits;
    router_deinit(&n->engine);
    net_start(n, &c);
}

static struct net *net_with_attackers(uint64_t seed)
{
    struct net *net = net_new(seed);

    restart(net, VICTIM, MAX, 16);
    for (unsigned i = 5; i < NET_NODES; i++)
        restart(net, i, 1000, 1000);
    return net;
}

static unsigned victims(const struct net *net)
{
    return transits_count(net->node[VICTIM].engine.transits);
}

/* Ten a second, for as long as it takes to fill the relay and then some. */
static void attack(struct net *net, unsigned from, const unsigned *hops,
                   unsigned circuits)
{
    for (unsigned i = 0; i < circuits; i++) {
        net_build_from(net, from, hops);
        net_run(net, 100 * TIME_MS);
        assert_true(victims(net) <= MAX);
    }
}

/* While the attack goes on; `from` has not built anything before. How many of
 * ten tries to have a circuit come true. */
static unsigned served(struct net *net, unsigned from, const unsigned *hops,
                       unsigned attacker, const unsigned *attacked)
{
    struct net_node *n = &net->node[from];
    unsigned ready = n->ready;

    for (int i = 0; i < 10; i++) {
        struct circuit *c = net_build_from(net, from, hops);
        uint32_t id = c != NULL ? c->id : 0;

        for (int k = 0; k < 5; k++) {
            net_build_from(net, attacker, attacked);
            net_run(net, 100 * TIME_MS);
        }
        c = circuit_find(n->engine.circuits, id);
        if (c != NULL)
            circuit_close(n->engine.circuits, c, REASON_REQUESTED, net->now);
        assert_true(victims(net) <= MAX);
    }
    return n->ready - ready;
}

/* Two addresses have all the places, and want more. */
static void test_transit_share_of_two_addresses(void **state)
{
    struct net *net = net_with_attackers(51);
    static const unsigned to[] = {VICTIM, 0}, on[] = {VICTIM, 2, 0};

    (void)state;
    for (unsigned i = 0; i < MAX; i++) {
        attack(net, 7, to, 1);
        attack(net, 6, to, 1);
    }
    assert_int_equal(victims(net), MAX);
    assert_int_equal(served(net, 0, to, 7, to), 10);
    assert_int_equal(served(net, 3, on, 7, to), 10);
    net_free(net);
}

/* The attacker's circuits come through a relay that others use as well: those
 * who come directly are served, and those who come the same way, too. */
static void test_transit_share_of_those_behind_a_relay(void **state)
{
    struct net *net = net_with_attackers(52);
    static const unsigned through[] = {5, VICTIM, 0}, to[] = {VICTIM, 0};

    (void)state;
    attack(net, 7, through, 400);
    assert_true(victims(net) >= MAX - MAX / 4);
    assert_int_equal(served(net, 0, to, 7, through), 10);
    assert_in_range(served(net, 3, through, 7, through), 8, 10);
    net_free(net);
}

/* What is in use stays while there is something else. */
static void test_transit_share_in_use_stays(void **state)
{
    struct net *net = net_with_attackers(53);
    static const unsigned through[] = {5, VICTIM, 0};
    struct circuit *c[4];

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(c); i++)
        c[i] = net_build(net, through);
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, COUNT_OF(c));
    for (unsigned i = 0; i < 100; i++) {
        attack(net, 7, through, 10);
        for (unsigned k = 0; k < COUNT_OF(c); k++)
            assert_int_equal(net_send_data(net, c[k], "still there?"), OK);
    }
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].closed, 0);
    assert_int_equal(net->node[0].data_in, 100 * COUNT_OF(c));
    net_free(net);
}

/* Each of many addresses has one circuit and never uses it: a relay behind
 * which there are many clients gets more than one all the same. */
static void test_transit_share_of_those_who_use_nothing(void **state)
{
    struct net *net = net_new(55);
    static const unsigned to[] = {VICTIM, 0};
    struct net_node *crowd = &net->node[7];
    struct endpoint home = crowd->ep;

    (void)state;
    restart(net, VICTIM, 32, 16);
    for (uint8_t i = 0; i < 32; i++) {
        restart(net, 7, 16, 16);
        crowd->ep.addr[1] = (uint8_t)(100 + i);
        net_build_from(net, 7, to);
        net_run(net, 100 * TIME_MS);
    }
    crowd->ep = home;
    assert_int_equal(victims(net), 32);
    for (int i = 0; i < 7; i++)
        net_build(net, to);
    net_run(net, TIME_S);
    assert_in_range(net->node[0].ready, 0, 1);
    net_run(net, TIME_MIN);
    for (int i = 0; i < 7; i++)
        net_build(net, to);
    net_run(net, TIME_S);
    assert_in_range(net->node[0].ready, 7, 8);
    net_free(net);
}

/* A small network without attackers: two relays bring all that there is, and
 * fill the table to its last place. */
static void test_transit_share_of_few_honest_neighbours(void **state)
{
    struct net *net = net_with_attackers(54);
    static const unsigned one[] = {5, VICTIM, 0}, two[] = {6, VICTIM, 0};

    (void)state;
    restart(net, 3, 16, MAX);
    for (unsigned i = 0; i < MAX / 2; i++) {
        net_build_from(net, 3, one);
        net_build_from(net, 3, two);
        net_run(net, 50 * TIME_MS);
    }
    net_run(net, TIME_S);
    assert_int_equal(net->node[3].ready, MAX);
    assert_int_equal(victims(net), MAX);
    net_run(net, 4 * TIME_MIN);
    assert_int_equal(victims(net), MAX);
    assert_int_equal(net->node[3].closed, 0);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transit_share_of_two_addresses),
        cmocka_unit_test(test_transit_share_of_those_behind_a_relay),
        cmocka_unit_test(test_transit_share_in_use_stays),
        cmocka_unit_test(test_transit_share_of_those_who_use_nothing),
        cmocka_unit_test(test_transit_share_of_few_honest_neighbours),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
