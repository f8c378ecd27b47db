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
    char text[1001] = {0};

    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    /* With the first large cell links ask whether such pass, and not again
     * for a minute. */
    memset(text, 'x', sizeof(text) - 1);
    net_send_data(net, c, text);
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].data_in, 1);
    net->node[0].data_in = 0;
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

static struct circuit_end *end_at(struct net *net, unsigned node, bool forward,
                                  unsigned which)
{
    struct transit *relay = transits_at(net->node[node].engine.transits, which);

    return forward ? &relay->next : &relay->prev;
}

/* The relay sends an onion that it has seen, in a new cell, on a circuit that
 * it has: 0 is the one that it was seen on. */
static void send_over(struct net *net, const struct net_packet *p,
                      unsigned which)
{
    struct links *links = net->node[kept.from].engine.shared.links;
    struct circuit_end *end =
        end_at(net, kept.from, kept.to > kept.from, which);
    uint8_t d[CELL_MAX];

    memcpy(d, p->bytes, p->len);
    unmask(end->link, d, p->len);
    link_send_relay(links, end->link, end->remote, d, p->len, net->now);
}

static void send_again(struct net *net, const struct net_packet *p)
{
    bool (*tap)(struct net *, struct net_packet *) = net->tap;

    net->tap = NULL;
    send_over(net, p, 0);
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

/* On another circuit through the same hops. */
static void test_layers_swapped_between_circuits(void **state)
{
    (void)state;
    for (size_t w = 0; w < COUNT_OF(ways); w++) {
        struct net *net = net_new(77);
        struct circuit *c = start(net, ways[w][0], ways[w][1]), *other;

        other = net_build(net, (unsigned[]){1, 2, 3, 0});
        net_run(net, TIME_S);
        assert_int_equal(other->state, CIRCUIT_READY);
        kept.count = 0;
        kept.hold = true;
        net_send_data(net, c, "mine");
        net_run(net, TIME_S);
        assert_true(kept.count > 0);
        net->tap = NULL;
        send_over(net, &kept.packet[0], 1);
        net_run(net, TIME_S);
        assert_int_equal(net->node[0].data_in, 0);
        send_over(net, &kept.packet[0], 0);
        net_run(net, TIME_S);
        assert_int_equal(net->node[0].data_in, 1);
        net_free(net);
    }
}

/* What a relay gets from `kept.from`, in the clear. */
static void seen_at(struct net *net, uint8_t *body)
{
    struct net_packet p = kept.packet[0];

    assert_int_equal(kept.count, 1);
    assert_int_equal(p.len, CELL_SMALL);
    unmask(end_at(net, kept.from, kept.to > kept.from, 0)->link, p.bytes,
           p.len);
    memcpy(body, p.bytes + CELL_BODY_OFFSET, CELL_SMALL_BODY);
}

/* The bytes behind the layers would carry a mark from one relay to another
 * past the honest one between them; so would what is left of its own layer. */
static void test_layers_marks_are_wiped(void **state)
{
    static const struct {
        unsigned from, to;
        size_t wiped; /* bytes at the end that the relay at 2 fills anew */
    } rows[] = {{1, 3, 2 * ONION_LAYER_BYTES}, {3, 1, ONION_LAYER_BYTES}};
    uint8_t before[CELL_SMALL_BODY], after[CELL_SMALL_BODY];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net *net = net_new(78);
        struct circuit *c = start(net, rows[i].from, 2);
        const struct link *mask;
        uint8_t *padding;

        kept.hold = true;
        net_send_data(net, c, "marked");
        net_run(net, TIME_S);
        padding = kept.packet[0].bytes + CELL_SMALL - ONION_LAYER_BYTES;
        mask = end_at(net, rows[i].from, rows[i].from == 1, 0)->link;
        unmask(mask, kept.packet[0].bytes, CELL_SMALL);
        memset(padding, 0xaa, ONION_LAYER_BYTES);
        unmask(mask, kept.packet[0].bytes, CELL_SMALL);
        seen_at(net, before);
        net->tap = NULL;
        send_over(net, &kept.packet[0], 0);
        net->tap = keep;
        kept.count = 0;
        kept.from = 2;
        kept.to = rows[i].to;
        net_run(net, TIME_S);
        seen_at(net, after);
        for (size_t at = CELL_SMALL_BODY - rows[i].wiped; at < CELL_SMALL_BODY;
             at += 8)
            assert_memory_not_equal(before + at, after + at, 8);
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

/* The next cell from the client to its first hop, which does not arrive. */
enum cell_kind { SMALL, LARGE, CREATE };

/* What the relay says of cells of sessions that it does not know. */
static uint64_t hints_of(const struct router *relay)
{
    return links_stats(relay->shared.links)->unknown_out;
}

static struct net_packet next_cell(struct net *net, struct circuit *c,
                                   enum cell_kind kind)
{
    char text[1001] = "small";

    if (kind == LARGE)
        memset(text, 'x', sizeof(text) - 1);
    kept.hold = true;
    kept.count = 0;
    if (kind == CREATE)
        net_build(net, (unsigned[]){1, 0});
    else
        net_send_data(net, c, text);
    net_run(net, 10 * TIME_MS);
    assert_int_equal(kept.count, 1);
    assert_int_equal(kept.packet[0].len,
                     kind == LARGE ? CELL_LARGE : CELL_SMALL);
    return kept.packet[0];
}

/* On the wire: no bit of a cell can be changed, its header included. */
static void test_layers_every_bit_of_a_datagram_flipped(void **state)
{
    struct net *net = net_new(75);
    struct circuit *c = start(net, 0, 1);
    struct router *relay = &net->node[1].engine;

    (void)state;
    for (enum cell_kind kind = SMALL; kind <= CREATE; kind++) {
        const struct net_packet whole = next_cell(net, c, kind);
        uint64_t sent = net->sent - hints_of(relay);
        struct net_packet p;

        for (size_t bit = 0; bit < 8 * whole.len; bit++) {
            p = whole;
            p.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(
                router_receive(relay, &p.from, p.bytes, p.len, net->now), OK);
        }
        assert_int_equal(net->sent, sent + hints_of(relay));
        assert_int_equal(transits_count(relay->transits), 1);
        p = whole;
        assert_int_equal(
            router_receive(relay, &p.from, p.bytes, p.len, net->now), OK);
        net_run(net, TIME_S);
        /* Its counter is an old one now. */
        p = whole;
        assert_int_equal(
            router_receive(relay, &p.from, p.bytes, p.len, net->now),
            ERR_UNEXPECTED);
    }
    assert_int_equal(net->node[0].data_in, 2);
    assert_int_equal(net->node[0].ready, 2);
    net_free(net);
}

static void test_layers_cells_of_other_sizes_or_unknown_index(void **state)
{
    struct net *net = net_new(76);
    struct circuit *c = start(net, 0, 1);
    struct router *relay = &net->node[1].engine;
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
            router_receive(relay, &p.from, copy, len, net->now), OK);
        free(copy);
    }
    for (int i = 0; i < 2000; i++) {
        p = kept.packet[0];
        test_random_fill(&net->random, p.bytes + 3, 4);
        assert_int_equal(
            router_receive(relay, &p.from, p.bytes, p.len, net->now),
            ERR_NOT_FOUND);
    }
    /* A circuit that there is not, on a link that there is. */
    net->tap = NULL;
    for (unsigned i = 0; i < 100; i++) {
        static const enum cell_type types[] = {CELL_RELAY, CELL_CREATED,
                                               CELL_DESTROY, CELL_REKEYED,
                                               (enum cell_type)0x77};
        struct links *links = net->node[0].engine.shared.links;

        link_send(links, c->end.link, types[i % COUNT_OF(types)],
                  (uint32_t)test_random_next(&net->random), bytes_of(NULL, 0),
                  net->now);
        sent++;
    }
    net_run(net, 2 * NET_DELAY);
    assert_int_equal(net->sent, sent + hints_of(relay));
    assert_int_equal(relay->dropped[ERR_NOT_FOUND], 2000 + 80);
    assert_int_equal(c->state, CIRCUIT_READY);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_replayed_by_a_relay),
        cmocka_unit_test(test_layers_every_bit_flipped_by_a_relay),
        cmocka_unit_test(test_layers_swapped_delayed_dropped_doubled),
        cmocka_unit_test(test_layers_swapped_between_circuits),
        cmocka_unit_test(test_layers_marks_are_wiped),
        cmocka_unit_test(test_layers_cell_held_back_for_too_long),
        cmocka_unit_test(test_layers_every_bit_of_a_datagram_flipped),
        cmocka_unit_test(test_layers_cells_of_other_sizes_or_unknown_index),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
