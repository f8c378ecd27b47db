/* SPDX-License-Identifier: MIT
 *
 * Floods, and what is left after them: nothing grows beyond its cap, honest
 * circuits are still built, and the memory is what it was.
 */
#include "tunnel_net.h"

#include "base/limiter.h"

#include <sodium.h>

static struct circuits *circuits_of(struct net *net, unsigned node)
{
    return net->node[node].engine.circuits;
}

/* One neighbour that creates circuits without end leaves room for others. */
static void test_flood_of_creates_from_one_address(void **state)
{
    struct net *net = net_new(31);
    struct net_node *flooder = &net->node[7];
    struct router_config config = net_config(flooder);

    (void)state;
    config.circuit.max_circuits = 100;
    router_deinit(&flooder->engine);
    net_start(flooder, &config);
    for (int i = 0; i < 100; i++)
        net_build_from(net, 7, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    assert_int_equal(flooder->ready, 12); /* three quarters of 16 */
    assert_int_equal(flooder->why, REASON_FULL);
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    net_free(net);
}

/* Nor does one that ends them at once keep the relay busy with handshakes. */
static void test_flood_of_creates_is_limited_by_rate(void **state)
{
    struct net *net = net_new(36);
    struct net_node *victim = &net->node[1];
    struct router_config config = net_config(victim);
    const struct transit_stats *stats = transits_stats(victim->engine.transits);

    (void)state;
    config.transit.create_source_rate = 5;
    config.transit.create_source_burst = 10;
    transits_configure(victim->engine.transits, &config.transit);
    for (int i = 0; i < 400; i++) {
        uint32_t id = net_build_from(net, 7, (unsigned[]){1, 0})->id;
        struct circuit *c;

        net_run(net, 10 * TIME_MS);
        c = circuit_find(circuits_of(net, 7), id);
        if (c != NULL)
            circuit_close(circuits_of(net, 7), c, REASON_REQUESTED, net->now);
    }
    assert_in_range(stats->created, 25, 10 + 5 * 4);
    assert_true(stats->refused > 300);
    for (int i = 0; i < 5; i++)
        net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 5);
    /* Nor do many together, each within its own rate. */
    config.transit.create_source_rate = config.transit.create_source_burst =
        100;
    config.transit.create_rate = config.transit.create_burst = 5;
    transits_configure(victim->engine.transits, &config.transit);
    net_run(net, TIME_S);
    for (unsigned i = 2; i < 7; i++) {
        net_build_from(net, i, (unsigned[]){1, 0});
        net_build_from(net, i, (unsigned[]){1, 0});
    }
    net_run(net, 10 * NET_DELAY);
    assert_int_equal(transits_count(victim->engine.transits), 10);
    net_free(net);
}

/* Strangers together may take all that there is for strangers: who has had
 * circuits before gets more of them, and extends them. */
static void test_flood_of_creates_leaves_the_known_theirs(void **state)
{
    struct net *net = net_new(43);
    struct net_node *victim = &net->node[1];
    struct router_config config = net_config(victim);
    struct circuit *c = net_build(net, (unsigned[]){1, 0});

    (void)state;
    net_run(net, TIME_S);
    circuit_close(circuits_of(net, 0), c, REASON_REQUESTED, net->now);
    config.transit.max_relays_or_exits = 1000;
    transits_configure(net->node[2].engine.transits, &config.transit);
    config.transit.create_rate = config.transit.create_burst = 10;
    transits_configure(victim->engine.transits, &config.transit);
    for (unsigned i = 0; i < 100; i++) {
        net_build_from(net, 3 + i % 5, (unsigned[]){1, 2, 0});
        net_run(net, 20 * TIME_MS);
        if (i % 20 == 19)
            net_build(net, (unsigned[]){1, 2, 0});
    }
    assert_true(transits_stats(victim->engine.transits)->refused > 50);
    net_run(net, 100 * TIME_MS);
    assert_int_equal(net->node[0].ready, 1 + 5);
    assert_int_equal(net->node[0].closed, 1);
    net_free(net);
}

/* What the load leaves: less while the process is busy, all when it is not. */
static void test_flood_of_creates_gives_way_to_load(void **state)
{
    struct net *net = net_new(44);
    struct net_node *victim = &net->node[1];
    struct router_config config = net_config(victim);
    static const unsigned loads[] = {LIMITER_LOAD_MAX, 0};
    unsigned created[2];

    (void)state;
    config.transit.max_relays_or_exits = 1000;
    config.transit.create_burst = 10;
    transits_configure(victim->engine.transits, &config.transit);
    for (unsigned k = 0; k < 2; k++) {
        created[k] = 0;
        for (unsigned i = 0; i < 20; i++)
            router_set_load(&victim->engine, loads[k]);
        net_run(net, 20 * TIME_S);
        for (unsigned i = 0; i < 200; i++) {
            uint64_t before = transits_stats(victim->engine.transits)->created;

            net_build_from(net, 3 + i % 5, (unsigned[]){1, 0});
            net_run(net, 12 * TIME_MS);
            created[k] += transits_stats(victim->engine.transits)->created >
                          before;
        }
    }
    assert_in_range(created[0], 2, 10);
    assert_in_range(created[1], 60, 80); /* as many as they have */
    net_free(net);
}

/* Whoever has many addresses can fill a relay. It stays within its cap, those
 * who have little get in, and it is free again when they have gone. */
static void test_flood_of_creates_from_many_addresses(void **state)
{
    struct net *net = net_new(37);
    struct net_node *victim = &net->node[1], *client = &net->node[0];

    (void)state;
    for (int round = 0; round < 20; round++) {
        for (unsigned i = 3; i < NET_NODES; i++)
            net_build_from(net, i, (unsigned[]){1, 0});
        net_run(net, 100 * TIME_MS);
        assert_true(transits_count(victim->engine.transits) <= 16);
        assert_true(victim->engine.shared.ends.count <= 16);
        assert_true(links_count(victim->engine.shared.links) <= 16);
    }
    assert_int_equal(transits_count(victim->engine.transits), 16);
    net_build(net, (unsigned[]){1, 0});
    net_run(net, 100 * TIME_MS);
    assert_int_equal(client->ready, 1);
    assert_int_equal(transits_count(victim->engine.transits), 16);
    for (unsigned i = 3; i < NET_NODES; i++)
        net_build_from(net, i, (unsigned[]){1, 0});
    net_run(net, 100 * TIME_MS);
    assert_int_equal(client->closed, 0);
    net_build(net, (unsigned[]){3, 4, 5, 0});
    net_run(net, TIME_S);
    assert_int_equal(client->ready, 2);
    for (unsigned i = 3; i < NET_NODES; i++)
        net->node[i].dead = true;
    net_run(net, 6 * TIME_MIN);
    assert_int_equal(transits_count(victim->engine.transits), 0);
    assert_int_equal(victim->engine.shared.ends.count, 0);
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    assert_int_equal(client->ready, 3);
    net_free(net);
}

/* Links of one address take all the places, but from nobody. */
static bool from_elsewhere(struct net *net, struct net_packet *p)
{
    struct net_node *flooder = &net->node[7];

    if (endpoint_equal(&p->from, &flooder->ep))
        p->from.port = *(uint16_t *)net->tap_ctx;
    return true;
}

static void test_flood_of_links_from_one_address(void **state)
{
    struct net *net = net_new(32);
    struct net_node *flooder = &net->node[7], *victim = &net->node[1];
    struct endpoint home = flooder->ep;
    uint16_t port = 1000;

    (void)state;
    net->tap = from_elsewhere;
    net->tap_ctx = &port;
    for (int i = 0; i < 200; i++) {
        struct router_config config = net_config(flooder);

        /* Forgets its links, keeps those of the victim. */
        router_deinit(&flooder->engine);
        net_start(flooder, &config);
        flooder->ep = home;
        flooder->ep.port = ++port;
        net_build_from(net, 7, (unsigned[]){1, 0});
        net_run(net, 100 * TIME_MS);
    }
    assert_in_range(links_count(victim->engine.shared.links), 40, 64);
    net->tap = NULL;
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    net_free(net);
}

/* Cells under the keys of a true link, but from any address: they must not
 * count as those of many neighbours. */
static bool from_anywhere(struct net *net, struct net_packet *p)
{
    struct net_node *flooder = &net->node[7];

    if (endpoint_same_addr(&p->from, &flooder->ep) &&
        p->bytes[1] == CELL_KIND) {
        test_random_fill(&net->random, p->from.addr, 4);
        p->from.addr[0] = 99;
    }
    return true;
}

static void test_flood_of_creates_from_made_up_addresses(void **state)
{
    struct net *net = net_new(35);
    struct net_node *flooder = &net->node[7], *victim = &net->node[1];
    struct endpoint home = flooder->ep;

    (void)state;
    net->tap = from_anywhere;
    for (int i = 0; i < 100; i++) {
        struct router_config config = net_config(flooder);

        /* Forgets its links, keeps those of the victim. */
        router_deinit(&flooder->engine);
        net_start(flooder, &config);
        flooder->ep = home;
        flooder->ep.port = (uint16_t)(1000 + i);
        for (int k = 0; k < 3; k++)
            net_build_from(net, 7, (unsigned[]){1, 0});
        net_run(net, 100 * TIME_MS);
        assert_true(links_count(victim->engine.shared.links) <= 64);
        assert_true(transits_count(victim->engine.transits) <= 12);
    }
    assert_int_equal(transits_count(victim->engine.transits), 12);
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    net_free(net);
}

/* A client that has its first hop extend to all the world. */
struct inits {
    unsigned to_nobody;
};

static bool count_inits(struct net *net, struct net_packet *p)
{
    struct inits *i = net->tap_ctx;

    if (p->to.addr[0] == 99)
        i->to_nobody++;
    return true;
}

static void extend_to_nobody(struct net *net, struct circuit *c, unsigned i)
{
    uint8_t noise1[HOP_NOISE1_BYTES] = {1};
    struct circuit_message m = {
        .type = CIRCUIT_EXTEND,
        .attempt = (uint8_t)i,
        .identity = net->node[5].identity,
        .handshake_key = net->node[5].identity,
        .ep = {.addr = {99, (uint8_t)i, (uint8_t)(i >> 8), 1}, .port = 1},
        .noise = bytes_of(noise1, sizeof(noise1))};

    circuit_send(circuits_of(net, 0), c, 1, &m, net->now);
}

static void test_flood_of_extends(void **state)
{
    struct net *net = net_new(33);
    struct inits seen = {0};
    struct circuit *c = net_build(net, (unsigned[]){1, 0});
    struct links *links = net->node[1].engine.shared.links;

    (void)state;
    net_run(net, TIME_S);
    net->tap = count_inits;
    net->tap_ctx = &seen;
    for (unsigned i = 0; i < 2000; i++) {
        extend_to_nobody(net, c, i);
        net_run(net, 10 * TIME_MS);
        assert_true(links_count(links) <= 32);
    }
    net_run(net, 10 * TIME_S);
    assert_in_range(seen.to_nobody, 1, 32);
    assert_int_equal(links_count(links), 1);
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 2);
    net_free(net);
}

/* Over as many circuits as it may have, a client makes us send no more. */
static void test_flood_of_extends_over_many_circuits(void **state)
{
    struct net *net = net_new(38);
    struct net_node *relay = &net->node[1];
    struct router_config config = net_config(relay);
    struct circuit *c[12];
    struct inits seen = {0};

    (void)state;
    config.transit.extend_source_rate = 1;
    config.transit.extend_source_burst = 20;
    transits_configure(relay->engine.transits, &config.transit);
    for (unsigned i = 0; i < COUNT_OF(c); i++)
        c[i] = net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, COUNT_OF(c));
    net->tap = count_inits;
    net->tap_ctx = &seen;
    for (unsigned i = 1; i <= 16 * COUNT_OF(c); i++)
        extend_to_nobody(net, c[i % COUNT_OF(c)], i);
    net_run(net, 2 * NET_DELAY);
    assert_int_equal(seen.to_nobody, 20);
    assert_int_equal(
        transits_stats(relay->engine.transits)->failed[REASON_RATE],
        16 * COUNT_OF(c) - 20);
    net_free(net);
}

/* Whom circuits of strangers would have us knock at: not more than once for
 * each EXTEND, however long he stays silent, and seldom at one door. */
struct doors {
    struct endpoint host;
    unsigned knocks, at_host;
    size_t bytes;
};

static bool count_knocks(struct net *net, struct net_packet *p)
{
    struct doors *d = net->tap_ctx;

    if (p->bytes[1] != LINK_INIT || !endpoint_equal(&p->from, &net->node[1].ep))
        return true;
    d->knocks++;
    d->bytes += p->len;
    d->at_host += endpoint_same_addr(&p->to, &d->host);
    return true;
}

#define KNOCKERS 40

/* An EXTEND to a made-up relay there, of one circuit after the other. */
static void extend_to(struct net *net, struct circuit **c, unsigned number,
                      const struct endpoint *ep)
{
    uint8_t noise1[HOP_NOISE1_BYTES] = {1};
    uint8_t identity[32] = {1, (uint8_t)number, (uint8_t)(number >> 8)};
    struct circuit_message m = {.type = CIRCUIT_EXTEND,
                                .attempt = (uint8_t)(number / KNOCKERS + 1),
                                .identity = identity,
                                .handshake_key = net->node[5].identity,
                                .ep = *ep,
                                .noise = bytes_of(noise1, sizeof(noise1))};

    circuit_send(circuits_of(net, 7), c[number % KNOCKERS], 1, &m, net->now);
    net_run(net, 25 * TIME_MS);
}

static void test_flood_of_extends_knocks_once(void **state)
{
    struct net *net = net_new(42);
    struct net_node *relay = &net->node[1], *flooder = &net->node[7];
    struct doors doors = {.host = net->node[4].ep};
    struct router_config config = net_config(relay);
    struct circuit *c[KNOCKERS];
    unsigned number = 0;

    (void)state;
    config.transit.max_relays_or_exits = 64;
    config.link.max_links = 512;
    router_deinit(&relay->engine);
    net_start(relay, &config);
    config = net_config(flooder);
    config.circuit.max_circuits = KNOCKERS;
    router_deinit(&flooder->engine);
    net_start(flooder, &config);
    for (unsigned i = 0; i < KNOCKERS; i++)
        c[i] = net_build_from(net, 7, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    net->tap = count_knocks;
    net->tap_ctx = &doors;
    /* Silent ones everywhere. */
    for (; number < 5 * KNOCKERS; number++) {
        struct endpoint ep = {.addr = {99, (uint8_t)number, 1, 1}, .port = 1};

        extend_to(net, c, number, &ep);
    }
    net_run(net, 10 * TIME_S);
    assert_in_range(doors.knocks, 4 * KNOCKERS, 5 * KNOCKERS);
    assert_true(doors.bytes < (size_t)5 * KNOCKERS * CELL_SMALL);
    /* All at one that is there, but not as any of these. */
    for (; number < 15 * KNOCKERS; number++) {
        struct endpoint ep = net->node[4].ep;

        ep.port = (uint16_t)(number + 1);
        extend_to(net, c, number, &ep);
        if (number == 10 * KNOCKERS)
            net_build(net, (unsigned[]){1, 4, 0});
    }
    /* Two a second for ten seconds. */
    assert_in_range(doors.at_host, 2, 25);
    assert_int_equal(net->node[0].ready, 1);
    net_free(net);
}

/* Links that are opened because of one neighbour are its own as much as those
 * that it opens: they make way for others, and for what those ask. */
static void test_flood_of_extends_leaves_links_to_others(void **state)
{
    struct net *net = net_new(41);
    struct net_node *victim = &net->node[1], *flooder = &net->node[7];
    struct router_config config = net_config(victim);
    struct link_target hops[2] = {net_target(victim), net_target(victim)};
    struct circuit *c;

    (void)state;
    config.link.max_links = 16;
    config.transit.max_relays_or_exits = 64;
    router_deinit(&victim->engine);
    net_start(victim, &config);
    config = net_config(flooder);
    config.circuit.max_circuits = 30;
    router_deinit(&flooder->engine);
    net_start(flooder, &config);
    memset(hops[1].identity, 1, 32);
    for (uint8_t i = 0; i < 30; i++) {
        hops[1].ep = (struct endpoint){.addr = {12, i, 0, 1}, .port = 7881};
        assert_int_equal(
            circuit_new(flooder->engine.circuits, hops, 2, net->now, &c), OK);
    }
    net_run(net, 200 * TIME_MS);
    assert_int_equal(links_count(victim->engine.shared.links), 16);
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    net_free(net);
}

/* A client that gives up a circuit before the hop's answer has come. */
static void test_flood_of_circuits_given_up_leaves_nothing(void **state)
{
    struct net *net = net_new(34);

    (void)state;
    net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    for (int i = 0; i < 10; i++) {
        struct circuit *c = net_build(net, (unsigned[]){1, 0});

        circuit_close(circuits_of(net, 0), c, REASON_REQUESTED, net->now);
    }
    net_run(net, TIME_S);
    assert_int_equal(transits_count(net->node[1].engine.transits), 1);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flood_of_creates_from_one_address),
        cmocka_unit_test(test_flood_of_creates_is_limited_by_rate),
        cmocka_unit_test(test_flood_of_creates_leaves_the_known_theirs),
        cmocka_unit_test(test_flood_of_creates_gives_way_to_load),
        cmocka_unit_test(test_flood_of_creates_from_many_addresses),
        cmocka_unit_test(test_flood_of_links_from_one_address),
        cmocka_unit_test(test_flood_of_creates_from_made_up_addresses),
        cmocka_unit_test(test_flood_of_extends),
        cmocka_unit_test(test_flood_of_extends_over_many_circuits),
        cmocka_unit_test(test_flood_of_extends_knocks_once),
        cmocka_unit_test(test_flood_of_extends_leaves_links_to_others),
        cmocka_unit_test(test_flood_of_circuits_given_up_leaves_nothing),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
