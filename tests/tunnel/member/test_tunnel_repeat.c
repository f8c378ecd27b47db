/* SPDX-License-Identifier: MIT
 *
 * What is lost while a circuit is built is said again, and what is said again
 * makes nothing new.
 */
#include "tunnel_net.h"

#include <sodium.h>

static const unsigned path4[] = {1, 2, 3, 4};

static struct transits *relays_of(struct net *net, unsigned node)
{
    return net->node[node].engine.transits;
}

static const struct circuit_stats *client_stats(struct net *net)
{
    return circuits_stats(net->node[0].engine.circuits);
}

static bool is_cell(const struct net_packet *p)
{
    return p->bytes[1] == CELL_KIND;
}

/* By the second byte of the address, which is the number of the node. */
static bool goes(const struct net_packet *p, unsigned from, unsigned to)
{
    return p->from.addr[1] == from && p->to.addr[1] == to;
}

/* ---- Losing ------------------------------------------------------------- */

struct loss {
    unsigned first, count, seen;
};

static bool lose(struct net *net, struct net_packet *p)
{
    struct loss *l = net->tap_ctx;
    unsigned i = l->seen++;

    (void)p;
    return i < l->first || i >= l->first + l->count;
}

/* One circuit of four hops; false when fewer datagrams than `first` built it.
 */
static bool build_with_loss(unsigned first, unsigned count)
{
    struct loss loss = {.first = first, .count = count};
    struct net *net = net_new(60);
    struct net_node *client = &net->node[0];
    struct circuit *c;

    net->tap = lose;
    net->tap_ctx = &loss;
    c = net_build(net, path4);
    for (int i = 0; i < 50 && client->ready == 0; i++)
        net_run(net, 100 * TIME_MS);
    assert_int_equal(client->ready, 1);
    assert_int_equal(client->closed, 0);
    assert_int_equal(client_stats(net)->hops_replaced, 0);
    assert_true(c->build_time < (1 + count) * TIME_S);
    net->tap = NULL;
    assert_int_equal(net_send_data(net, c, "hello"), OK);
    net_run(net, TIME_S);
    assert_int_equal(client->data_in, 1);
    for (unsigned i = 1; i <= 4; i++) {
        assert_int_equal(transits_stats(relays_of(net, i))->created, 1);
        assert_int_equal(transits_count(relays_of(net, i)), 1);
    }
    net_free(net);
    return loss.seen > first;
}

static void test_repeat_any_datagrams_lost(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 3; count++) {
        unsigned first = 0;

        while (build_with_loss(first, count))
            first++;
        assert_true(first > 4 * 5);
    }
}

/* ---- CREATE ------------------------------------------------------------- */

/* The client's second CREATE is kept; no CREATED comes before its third. */
struct held {
    unsigned creates;
    struct net_packet create;
};

static bool hold_back(struct net *net, struct net_packet *p)
{
    struct held *h = net->tap_ctx;

    if (!is_cell(p))
        return true;
    if (goes(p, 0, 1) && ++h->creates == 2) {
        h->create = *p;
        return false;
    }
    return !goes(p, 1, 0) || h->creates > 2;
}

static void test_repeat_create_that_comes_late_makes_nothing(void **state)
{
    struct net *net = net_new(61);
    struct held held = {0};
    struct circuit *c;

    (void)state;
    net->tap = hold_back;
    net->tap_ctx = &held;
    c = net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, 3 * TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    assert_int_equal(client_stats(net)->repeated, 2);
    assert_int_equal(router_receive(&net->node[1].engine, &held.create.from,
                                    held.create.bytes, held.create.len,
                                    net->now),
                     ERR_UNEXPECTED);
    assert_int_equal(net->count, 0);
    net_run(net, TIME_S);
    assert_int_equal(transits_stats(relays_of(net, 1))->created, 1);
    assert_int_equal(transits_stats(relays_of(net, 1))->repeated, 2);
    assert_int_equal(transits_count(relays_of(net, 1)), 1);
    assert_int_equal(net_send_data(net, c, "x"), OK);
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].data_in, 1);
    net_free(net);
}

/* It costs no handshake, so that it does not count as one. */
static void test_repeat_create_is_answered_at_the_limit(void **state)
{
    struct loss loss = {.first = 3, .count = 1}; /* CREATED */
    struct net *net = net_new(62);
    struct net_node *hop = &net->node[1];
    struct router_config config = net_config(hop);

    (void)state;
    config.transit.create_rate = config.transit.create_burst = 1;
    config.transit.max_relays_or_exits = 1;
    router_deinit(&hop->engine);
    net_start(hop, &config);
    net->tap = lose;
    net->tap_ctx = &loss;
    net_build(net, (unsigned[]){1, 0});
    net_run(net, 900 * TIME_MS);
    assert_int_equal(net->node[0].ready, 1);
    assert_int_equal(transits_stats(hop->engine.transits)->repeated, 1);
    assert_int_equal(transits_stats(hop->engine.transits)->created, 1);
    net_build(net, (unsigned[]){1, 0});
    net_run(net, 900 * TIME_MS);
    assert_int_equal(net->node[0].why, REASON_FULL);
    assert_int_equal(net->node[0].ready, 1);
    net_free(net);
}

/* An answer is kept until it is sure that it came, or nobody waits for it. */
static void test_repeat_memory_is_given_back(void **state)
{
    struct net *net = net_new(63);
    struct circuit *c = net_build(net, (unsigned[]){1, 2, 3, 0});

    (void)state;
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    assert_null(transits_at(relays_of(net, 1), 0)->step);
    assert_non_null(transits_at(relays_of(net, 2), 0)->step);
    assert_non_null(transits_at(relays_of(net, 3), 0)->step);
    assert_int_equal(net_send_data(net, c, "x"), OK);
    net_run(net, TIME_S);
    for (unsigned i = 1; i <= 3; i++)
        assert_null(transits_at(relays_of(net, i), 0)->step);
    net_build(net, (unsigned[]){4, 5, 0});
    net_run(net, 14 * TIME_S);
    assert_non_null(transits_at(relays_of(net, 4), 0)->step);
    assert_non_null(transits_at(relays_of(net, 5), 0)->step);
    net_run(net, 3 * TIME_S);
    assert_null(transits_at(relays_of(net, 4), 0)->step);
    assert_null(transits_at(relays_of(net, 5), 0)->step);
    net_free(net);
}

/* ---- EXTEND ------------------------------------------------------------- */

struct cells {
    unsigned forward, back; /* between hop 1 and hop 2, and hop 1 to client */
    bool mute;              /* hop 2's cells get lost */
};

static bool count_cells(struct net *net, struct net_packet *p)
{
    struct cells *n = net->tap_ctx;

    if (!is_cell(p))
        return true;
    n->forward += goes(p, 1, 2);
    n->back += goes(p, 1, 0);
    return !n->mute || !goes(p, 2, 1);
}

static void say_extend(struct net *net, struct circuit *c, uint8_t attempt,
                       const struct link_target *t)
{
    static const uint8_t noise1[HOP_NOISE1_BYTES] = {9};
    struct circuit_message m = {.type = CIRCUIT_EXTEND,
                                .attempt = attempt,
                                .identity = t->identity,
                                .handshake_key = t->handshake_key,
                                .ep = t->ep,
                                .noise = bytes_of(noise1, sizeof(noise1))};

    assert_int_equal(
        circuit_send(net->node[0].engine.circuits, c, 1, &m, net->now), OK);
    net_run(net, 30 * TIME_MS);
}

/* A hop that does not answer gets 8 CREATEs of one EXTEND at most, however
 * often the client says it. */
static void test_repeat_extend_sends_few_creates(void **state)
{
    struct cells cells = {.mute = true};
    struct net *net = net_new(64);
    struct circuit *c = net_build(net, (unsigned[]){1, 0});
    struct link_target t = net_target(&net->node[2]);

    (void)state;
    net_run(net, TIME_S);
    net->tap = count_cells;
    net->tap_ctx = &cells;
    for (int i = 0; i < 50; i++)
        say_extend(net, c, 1, &t);
    assert_int_equal(cells.forward, 8);
    assert_int_equal(transits_at(relays_of(net, 1), 0)->extends, 1);
    net_free(net);
}

static void test_repeat_extend_that_failed_says_so_again(void **state)
{
    struct cells cells = {0};
    struct net *net = net_new(65);
    struct circuit *c = net_build(net, (unsigned[]){1, 0});
    struct link_target t = net_target(&net->node[2]);

    (void)state;
    net_run(net, TIME_S);
    net->tap = count_cells;
    net->tap_ctx = &cells;
    t.ep.addr[0] = 127;
    for (unsigned i = 1; i <= 5; i++) {
        say_extend(net, c, 1, &t);
        assert_int_equal(cells.back, i);
    }
    assert_int_equal(transits_stats(relays_of(net, 1))->failed[REASON_ADDRESS],
                     1);
    assert_int_equal(links_count(net->node[1].engine.shared.links), 1);
    net_free(net);
}

/* Attempts overtake each other; an older one must not undo a newer one. */
static void test_repeat_extend_that_was_overtaken_changes_nothing(void **state)
{
    static const struct {
        uint8_t said, then;
    } rows[] = {
        {2, 2},   {1, 2},     {0, 2},     {130, 2}, {129, 129},
        {2, 129}, {255, 255}, {0, 255},   {3, 3},   {255, 3},
        {1, 3},   {131, 3},   {130, 130}, {3, 130}, {2, 2},
    };
    struct net *net = net_new(66);
    struct circuit *c = net_build(net, (unsigned[]){1, 0});
    struct link_target t = net_target(&net->node[2]);

    (void)state;
    net_run(net, TIME_S);
    t.ep.addr[0] = 127;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        say_extend(net, c, rows[i].said, &t);
        assert_int_equal(transits_at(relays_of(net, 1), 0)->attempt,
                         rows[i].then);
    }
    net_free(net);
}

/* ---- Slow networks ------------------------------------------------------ */

static bool slow_down(struct net *net, struct net_packet *p)
{
    p->at += *(uint64_t *)net->tap_ctx;
    return true;
}

/* A path that takes longer than was learned is learned anew; what was said
 * again for nothing has made nothing. */
static void test_repeat_network_becomes_slow(void **state)
{
    uint64_t more = 600 * TIME_MS;
    struct net *net = net_new(67);
    struct net_node *client = &net->node[0];
    unsigned failed;

    (void)state;
    for (int i = 0; i < 3; i++) {
        net_build(net, (unsigned[]){1, 0});
        net_run(net, TIME_S);
    }
    assert_int_equal(client->ready, 3);
    assert_int_equal(client_stats(net)->repeated, 0);
    net->tap = slow_down;
    net->tap_ctx = &more;
    for (int i = 0; i < 10; i++) {
        net_build(net, (unsigned[]){1, 0});
        net_run(net, 10 * TIME_S);
    }
    failed = client->closed;
    assert_in_range(failed, 1, 4);
    assert_int_equal(client->ready, 13 - failed);
    assert_int_equal(transits_count(relays_of(net, 1)), client->ready);
    net_free(net);
}

/* ---- A hop that was started again ---------------------------------------- */

static void start_again(struct net *net, unsigned node)
{
    struct net_node *n = &net->node[node];
    struct router_config c = net_config(n);

    router_deinit(&n->engine);
    net_start(n, &c);
}

/* The link to there, which is not known there any more, is no reason to think
 * that it is gone: what waits on it is said over another. */
static void test_repeat_over_a_new_link(void **state)
{
    (void)state;
    for (unsigned hop = 1; hop <= 2; hop++) {
        struct net *net = net_new(68);
        struct net_node *client = &net->node[0];
        struct circuit *c = net_build(net, (unsigned[]){1, 2, 0});

        net_run(net, TIME_S);
        assert_int_equal(client->ready, 1);
        circuit_close(client->engine.circuits, c, REASON_REQUESTED, net->now);
        net_run(net, TIME_S);
        start_again(net, hop);
        c = net_build(net, (unsigned[]){1, 2, 0});
        net_run(net, 20 * NET_DELAY);
        assert_int_equal(client->ready, 1);
        net_run(net, 80 * NET_DELAY);
        assert_int_equal(client->ready, 2);
        assert_int_equal(client->closed, 1); /* by us */
        assert_int_equal(client_stats(net)->hops_replaced, 0);
        assert_int_equal(transits_count(relays_of(net, 1)), 1);
        assert_int_equal(transits_count(relays_of(net, 2)), 1);
        net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeat_over_a_new_link),
        cmocka_unit_test(test_repeat_any_datagrams_lost),
        cmocka_unit_test(test_repeat_create_that_comes_late_makes_nothing),
        cmocka_unit_test(test_repeat_create_is_answered_at_the_limit),
        cmocka_unit_test(test_repeat_memory_is_given_back),
        cmocka_unit_test(test_repeat_extend_sends_few_creates),
        cmocka_unit_test(test_repeat_extend_that_failed_says_so_again),
        cmocka_unit_test(test_repeat_extend_that_was_overtaken_changes_nothing),
        cmocka_unit_test(test_repeat_network_becomes_slow),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
