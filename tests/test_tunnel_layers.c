/* SPDX-License-Identifier: MIT
 *
 * What a hostile relay, or somebody on the wire, does to the cells that pass:
 * flips bits, repeats, holds back, swaps and drops them. A relay sees the
 * onion in the clear, and may send it again in new cells.
 */
#include "tunnel_net.h"

#include <sodium.h>

#define KEPT_MAX 1200

/* Keeps the cells from one node to the next. */
static struct kept {
    unsigned from, to;
    bool hold; /* they do not arrive */
    size_t count;
    struct net_packet packet[KEPT_MAX];
} kept;

static bool keep(struct net *net, struct net_packet *p)
{
    if (p->bytes[1] != CELL_KIND ||
        !endpoint_equal(&p->from, &net->node[kept.from].ep) ||
        !endpoint_equal(&p->to, &net->node[kept.to].ep))
        return true;
    if (kept.count < KEPT_MAX)
        kept.packet[kept.count++] = *p;
    return !kept.hold;
}

static struct circuit *start(struct net *net, unsigned from, unsigned to)
{
    struct circuit *c = net_build(net, (unsigned[]){1, 2, 3, 0});

    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    kept.from = from;
    kept.to = to;
    kept.count = 0;
    kept.hold = false;
    net->tap = keep;
    return c;
}

/* The onion as the relay had it in hand, before it was masked for the link. */
static void unmask(const struct link *link, uint8_t *datagram, size_t len)
{
    uint32_t session;
    uint64_t counter;

    assert_int_equal(cell_peek(bytes_of(datagram, len), &session, &counter),
                     OK);
    cell_mask(&link->session->out, counter, datagram, len);
}

/* The relay sends an onion that it has seen, in a new cell. */
static void send_again(struct net *net, const struct net_packet *p)
{
    struct engine *e = &net->node[kept.from].engine;
    struct relay *relay = relays_at(e->relays, 0);
    struct circuit_end *end = kept.to > kept.from ? &relay->next : &relay->prev;
    uint8_t d[CELL_MAX];
    bool (*tap)(struct net *, struct net_packet *) = net->tap;

    memcpy(d, p->bytes, p->len);
    unmask(end->link, d, p->len);
    net->tap = NULL;
    link_send_relay(e->core.links, end->link, end->remote, d, p->len, net->now);
    net_run(net, 50 * TIME_MS);
    net->tap = tap;
}

/* Both ways: towards the exit, and from it. */
static const unsigned ways[][2] = {{1, 2}, {2, 3}, {3, 2}, {2, 1}};

static void test_layers_replayed_by_a_relay(void **state)
{
    (void)state;
    for (size_t w = 0; w < COUNT_OF(ways); w++) {
        struct net *net = net_new(71);
        struct circuit *c = start(net, ways[w][0], ways[w][1]);

        for (int i = 0; i < 5; i++)
            net_send_data(net, c, "once");
        net_run(net, TIME_S);
        assert_int_equal(net->node[0].data_in, 5);
        assert_in_range(kept.count, 5, 10);
        for (size_t i = 0; i < kept.count; i++)
            send_again(net, &kept.packet[i]);
        assert_int_equal(net->node[0].data_in, 5);
        assert_int_equal(c->state, CIRCUIT_READY);
        net_free(net);
    }
}

static void test_layers_every_bit_flipped_by_a_relay(void **state)
{
    (void)state;
    for (size_t w = 0; w < COUNT_OF(ways); w++) {
        struct net *net = net_new(72);
        struct circuit *c = start(net, ways[w][0], ways[w][1]);
        unsigned to = ways[w][1];
        bool back = to < ways[w][0];
        /* Behind the layer that is checked first lies random padding. */
        unsigned depth = back ? ways[w][0] : to;
        size_t bits = 8 * (CELL_SMALL_BODY - ONION_LAYER_BYTES * (depth - 1));

        kept.hold = true;
        net_send_data(net, c, "whole");
        net_run(net, TIME_S);
        assert_true(kept.count > 0);
        for (size_t bit = 0; bit < bits; bit++) {
            uint8_t *p = &kept.packet[0].bytes[CELL_BODY_OFFSET + bit / 8];

            *p ^= (uint8_t)(1 << bit % 8);
            send_again(net, &kept.packet[0]);
            *p ^= (uint8_t)(1 << bit % 8);
        }
        assert_int_equal(net->node[0].data_in, 0);
        assert_int_equal(c->state, CIRCUIT_READY);
        send_again(net, &kept.packet[0]);
        net_run(net, TIME_S);
        assert_int_equal(net->node[0].data_in, 1);
        net_free(net);
    }
}

/* Held back and sent in the reverse order, each third one dropped, each
 * second one twice: what arrives, arrives once. */
static void test_layers_swapped_delayed_dropped_doubled(void **state)
{
    (void)state;
    for (size_t w = 0; w < COUNT_OF(ways); w++) {
        struct net *net = net_new(73);
        struct circuit *c = start(net, ways[w][0], ways[w][1]);
        unsigned want = 0;
        size_t n;

        kept.hold = true;
        for (int i = 0; i < 30; i++)
            net_send_data(net, c, "one of many");
        net_run(net, 100 * TIME_MS);
        n = kept.count;
        assert_int_equal(n, 30);
        kept.hold = false;
        for (size_t i = n; i-- > 0;) {
            if (i % 3 == 0)
                continue;
            want++;
            send_again(net, &kept.packet[i]);
            if (i % 2 == 0)
                send_again(net, &kept.packet[i]);
        }
        net_run(net, TIME_S);
        assert_int_equal(net->node[0].data_in, want);
        net_free(net);
    }
}

/* Older than the window: too late. */
static void test_layers_cell_held_back_for_too_long(void **state)
{
    struct net *net = net_new(74);
    struct circuit *c = start(net, 1, 2);
    static struct net_packet late;

    (void)state;
    kept.hold = true;
    net_send_data(net, c, "late");
    net_run(net, 100 * TIME_MS);
    late = kept.packet[0];
    net->tap = NULL;
    for (int i = 0; i < REPLAY_WINDOW + 64; i++) {
        net_send_data(net, c, "x");
        net_run(net, TIME_MS);
    }
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].data_in, REPLAY_WINDOW + 64);
    send_again(net, &late);
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].data_in, REPLAY_WINDOW + 64);
    net_free(net);
}

/* On the wire: no bit of a RELAY cell can be changed, its header included. */
static void test_layers_every_bit_of_a_datagram_flipped(void **state)
{
    struct net *net = net_new(75);
    struct circuit *c = start(net, 0, 1);
    struct engine *relay = &net->node[1].engine;
    struct net_packet p;
    uint64_t sent;

    (void)state;
    kept.hold = true;
    net_send_data(net, c, "whole");
    net_run(net, 10 * TIME_MS);
    assert_int_equal(kept.count, 1);
    sent = net->sent;
    for (size_t bit = 0; bit < 8 * (size_t)CELL_SMALL; bit++) {
        p = kept.packet[0];
        p.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(
            engine_receive(relay, &p.from, p.bytes, p.len, net->now), OK);
    }
    assert_int_equal(net->sent, sent);
    p = kept.packet[0];
    assert_int_equal(engine_receive(relay, &p.from, p.bytes, p.len, net->now),
                     OK);
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].data_in, 1);
    /* Its counter is an old one now. */
    p = kept.packet[0];
    assert_int_equal(engine_receive(relay, &p.from, p.bytes, p.len, net->now),
                     ERR_UNEXPECTED);
    net_free(net);
}

static void test_layers_cells_of_other_sizes_or_unknown_index(void **state)
{
    struct net *net = net_new(76);
    struct circuit *c = start(net, 0, 1);
    struct engine *relay = &net->node[1].engine;
    struct net_packet p;
    uint64_t sent;

    (void)state;
    kept.hold = true;
    net_send_data(net, c, "x");
    net_run(net, 10 * TIME_MS);
    sent = net->sent;
    for (size_t len = 0; len <= CELL_MAX; len++) {
        uint8_t *copy;

        p = kept.packet[0];
        if (len == CELL_SMALL)
            continue;
        copy = test_exact_copy(bytes_of(p.bytes, len));
        assert_int_not_equal(
            engine_receive(relay, &p.from, copy, len, net->now), OK);
        free(copy);
    }
    for (int i = 0; i < 2000; i++) {
        p = kept.packet[0];
        test_random_fill(&net->random, p.bytes + 3, 4);
        assert_int_equal(
            engine_receive(relay, &p.from, p.bytes, p.len, net->now),
            ERR_NOT_FOUND);
    }
    assert_int_equal(net->sent, sent);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_replayed_by_a_relay),
        cmocka_unit_test(test_layers_every_bit_flipped_by_a_relay),
        cmocka_unit_test(test_layers_swapped_delayed_dropped_doubled),
        cmocka_unit_test(test_layers_cell_held_back_for_too_long),
        cmocka_unit_test(test_layers_every_bit_of_a_datagram_flipped),
        cmocka_unit_test(test_layers_cells_of_other_sizes_or_unknown_index),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
