/* SPDX-License-Identifier: MIT
 *
 * Attacks that last: what is left of them in the tables and in memory.
 */
#include "memory_in_use.h"
#include "tunnel_net.h"

#include <sodium.h>

struct totals {
    size_t links, relays, ends, circuits;
};

static struct totals count_all(struct net *net)
{
    struct totals t = {0};

    for (int i = 0; i < NET_NODES; i++) {
        const struct router *e = &net->node[i].engine;

        t.links += links_count(e->shared.links);
        t.relays += transits_count(e->transits);
        t.ends += e->shared.ends.count;
        t.circuits += circuits_count(e->circuits);
    }
    return t;
}

static void restart(struct net_node *n)
{
    struct router_config c = net_config(n);

    router_deinit(&n->engine);
    net_start(n, &c);
}

/* INITs recorded once, from made-up addresses, for a minute. */
static struct net_packet init;

static bool keep_init(struct net *net, struct net_packet *p)
{
    (void)net;
    if (p->bytes[1] == LINK_INIT && p->to.addr[1] == 1)
        init = *p;
    return true;
}

static void test_attack_inits_from_made_up_addresses(void **state)
{
    struct net *net = net_new(81);
    struct links *links = net->node[1].engine.shared.links;
    uint64_t before = 0, in = 0;

    (void)state;
    net->tap = keep_init;
    net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    net->tap = NULL;
    for (int i = 0; i < 6000; i++) {
        struct net_packet p = init;
        uint8_t answer = 0;

        test_random_fill(&net->random, p.from.addr, 4);
        p.from.addr[0] = 99;
        before = net->sent;
        router_receive(&net->node[1].engine, &p.from, p.bytes, p.len, net->now);
        answer = (uint8_t)(net->sent - before);
        assert_true(answer <= 1);
        if (answer == 1)
            assert_true(net->queue[net->count - 1]->len < p.len);
        in++;
        assert_true(links_count(links) <= 64);
        net_run(net, 10 * TIME_MS);
        if (i == 3000)
            net_build(net, (unsigned[]){2, 1, 3, 0});
    }
    assert_int_equal(net->node[0].ready, 2);
    assert_true(links_stats(links)->retries_out > in / 4);
    net_run(net, 10 * TIME_S);
    assert_true(links_count(links) <= 4);
    net_free(net);
}

/* Clients that open circuits of all lengths and are never heard of again. */
static void test_attack_clients_that_go_away(void **state)
{
    struct net *net = net_new(82);

    (void)state;
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 3; k++)
            net_build(net, (unsigned[]){1, 2, 3, 4});
        net_run(net, TIME_S);
        assert_true(count_all(net).relays > 0);
        restart(&net->node[0]);
        net_run(net, 2 * TIME_MIN);
        for (int n = 1; n <= 4; n++)
            assert_int_equal(transits_count(net->node[n].engine.transits), 0);
    }
    net_run(net, 5 * TIME_MIN); /* links are kept for a while */
    assert_int_equal(count_all(net).links, 0);
    assert_int_equal(count_all(net).ends, 0);
    net_free(net);
}

/* Relays restart while circuits are used: the client finds out, builds others,
 * and nothing is left over. */
static void test_attack_relays_restarted_under_load(void **state)
{
    struct net *net = net_new(83);
    struct net_node *client = &net->node[0];
    struct circuits *cs = client->engine.circuits;
    struct totals t;

    (void)state;
    client->spare = 5;
    for (int i = 0; i < 300; i++) {
        if (circuits_count(cs) < 4)
            net_build(net, (unsigned[]){1, 2, 3, 0});
        if (i % 20 == 19)
            restart(&net->node[1 + test_random_below(&net->random, 3)]);
        for (unsigned k = 0; k < circuits_count(cs); k++)
            net_send_data(net, circuits_at(cs, k), "load");
        net_run(net, 500 * TIME_MS);
    }
    assert_true(client->data_in > 300);
    while (circuits_count(cs) > 0)
        circuit_close(cs, circuits_at(cs, 0), REASON_REQUESTED, net->now);
    net_run(net, 7 * TIME_MIN);
    t = count_all(net);
    assert_int_equal(t.links + t.relays + t.ends + t.circuits, 0);
    net_free(net);
}

/* Rekeying goes on when datagrams are lost, doubled and overtaken: the link
 * is never without keys that both have. */
static bool rough(struct net *net, struct net_packet *p)
{
    uint32_t fate = test_random_below(&net->random, 100);
    struct net_packet *twin;

    if (fate < 10)
        return false;
    if (fate < 20 && net->count < NET_QUEUE - 2) {
        twin = malloc(sizeof(*twin));
        assert_non_null(twin);
        *twin = *p;
        net->queue[net->count++] = twin;
    } else if (fate < 30 && net->count > 0) {
        struct net_packet t = *net->queue[net->count - 1];
        uint64_t at = t.at;

        t.at = p->at;
        p->at = at;
        *net->queue[net->count - 1] = *p;
        *p = t;
    }
    return true;
}

static void test_attack_rekey_under_loss_and_reordering(void **state)
{
    struct net *net = net_new(84);
    struct net_node *client = &net->node[0];
    struct router_config config = net_config(&net->node[1]);
    struct circuit *c;

    (void)state;
    config.transit.max_time = config.transit.max_time_inactive = 10 * TIME_HOUR;
    restart(&net->node[1]);
    router_deinit(&net->node[1].engine);
    net_start(&net->node[1], &config);
    c = net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    assert_int_equal(c->state, CIRCUIT_READY);
    net->tap = rough;
    for (int i = 0; i < 2 * 3600; i++) {
        net_send_data(net, c, "x");
        net_run(net, TIME_S);
        assert_int_equal(client->closed, 0);
    }
    assert_true(links_stats(client->engine.shared.links)->rekeys >= 9);
    /* Four in five there, as many back, some twice on the wire. */
    assert_in_range(client->data_in, 5000, 7000);
    net_free(net);
}

/* One round of everything. */
static void attack(struct net *net)
{
    struct circuits *cs = net->node[7].engine.circuits;
    uint8_t d[CELL_MAX];
    size_t len;

    /* Garbage, and cells that are none, at everybody. */
    for (unsigned i = 0; i < 40; i++) {
        struct endpoint from = {.addr = {98, 0, 0, (uint8_t)i}, .port = 5};

        test_random_fill(&net->random, d, sizeof(d));
        len = test_random_below(&net->random, sizeof(d));
        if (i % 4 == 0) {
            memcpy(d, init.bytes, len = init.len);
        } else if (i % 4 == 1) {
            d[0] = 0x95;
            d[1] = CELL_KIND;
            len = CELL_SMALL;
        }
        router_receive(&net->node[1 + i % 3].engine, &from, d, len, net->now);
    }
    /* Circuits, closed or forgotten, some of them through nobody. */
    for (unsigned i = 0; i < 4; i++) {
        struct link_target hops[3] = {net_target(&net->node[1 + i % 3]),
                                      net_target(&net->node[1 + (i + 1) % 3]),
                                      net_target(&net->node[4])};
        struct circuit *c;

        if (i == 3)
            hops[1].ep.addr[0] = 99;
        circuit_new(cs, hops, 1 + i % 3, net->now, &c);
    }
    net_run(net, 200 * TIME_MS);
    if (circuits_count(cs) > 8)
        circuit_close(cs, circuits_at(cs, 3), REASON_REQUESTED, net->now);
    if (test_random_below(&net->random, 10) == 0)
        restart(&net->node[7]);
}

static void quiet_down(struct net *net)
{
    restart(&net->node[7]);
    net_run(net, 8 * TIME_MIN);
}

static void test_attack_of_an_hour_leaves_the_memory_as_it_was(void **state)
{
    struct net *net = net_new(85);
    struct totals t;
    size_t before, after;

    (void)state;
    net->tap = keep_init;
    /* A round of it first, so that tables have their size. */
    for (int i = 0; i < 200; i++)
        attack(net);
    quiet_down(net);
    before = memory_in_use();
    assert_true(before > sizeof(struct net));
    for (uint64_t end = net->now + TIME_HOUR; net->now < end;) {
        attack(net);
        net_run(net, TIME_S);
    }
    quiet_down(net);
    t = count_all(net);
    assert_int_equal(t.links + t.relays + t.ends + t.circuits, 0);
    after = memory_in_use();
    print_message("  %zu bytes before, %zu after\n", before, after);
    assert_in_range(after, 1, before + memory_jitter());
    /* And it works as it did. */
    net_build(net, (unsigned[]){1, 2, 3, 0});
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attack_inits_from_made_up_addresses),
        cmocka_unit_test(test_attack_clients_that_go_away),
        cmocka_unit_test(test_attack_relays_restarted_under_load),
        cmocka_unit_test(test_attack_rekey_under_loss_and_reordering),
        cmocka_unit_test(test_attack_of_an_hour_leaves_the_memory_as_it_was),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
