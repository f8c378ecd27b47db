/* SPDX-License-Identifier: MIT
 *
 * Two circuits that are joined at the relay in which both end: what crosses,
 * what a relay or the other client can do to it, and what becomes of the other
 * when one ends.
 */
#include "fail_alloc.h"
#include "tunnel_net.h"

#include <sodium.h>

enum { CLIENT_A, MEET = 6, CLIENT_B };

/* A layer end to end, each way with a key of its own. */
struct end {
    struct circuit *c;
    struct onion_sender out;
    struct onion_receiver in;
    unsigned opened, again, forged;
    uint8_t body[CELL_LARGE_BODY]; /* the last one, as opened */
};

static struct pair {
    struct net *net;
    struct end a, b;
    struct transit *at_a, *at_b;
} w;

static void end_received(struct net_node *n, struct circuit *c, uint8_t *body,
                         size_t body_len)
{
    struct end *e = n == &w.net->node[CLIENT_A] ? &w.a : &w.b;
    enum error why;

    assert_ptr_equal(e->c, c);
    memcpy(e->body, body, body_len);
    why = onion_end_remove(&e->in, e->body, body_len);
    e->opened += why == OK;
    e->again += why == ERR_UNEXPECTED;
    e->forged += why == ERR_SIGNATURE;
}

/* From A through the first relays, or from B through others, to the one where
 * they meet. */
static struct circuit *build(unsigned from, unsigned depth)
{
    static const unsigned way[2][3] = {{1, 2, 3}, {5, 4, 2}};
    unsigned hops[ONION_HOPS_MAX + 1] = {0};
    struct circuit *c;

    memcpy(hops, way[from != CLIENT_A], (depth - 1) * sizeof(hops[0]));
    hops[depth - 1] = MEET;
    c = net_build_from(w.net, from, hops);
    assert_non_null(c);
    c->use = CIRCUIT_FOR_SERVICE;
    net_run(w.net, TIME_S);
    assert_int_equal(c->state, CIRCUIT_READY);
    return c;
}

static struct transits *meet(void)
{
    return w.net->node[MEET].engine.transits;
}

static struct transit *newest(void)
{
    return transits_at(meet(), transits_count(meet()) - 1);
}

static void start(uint64_t seed, unsigned depth_a, unsigned depth_b)
{
    static const uint8_t to_a[32] = {1}, to_b[32] = {2};

    w = (struct pair){.net = net_new(seed)};
    w.net->node[CLIENT_A].on_end = w.net->node[CLIENT_B].on_end = end_received;
    w.a.c = build(CLIENT_A, depth_a);
    w.at_a = newest();
    w.b.c = build(CLIENT_B, depth_b);
    w.at_b = newest();
    onion_sender_init(&w.a.out, to_b);
    onion_receiver_init(&w.b.in, to_b);
    onion_sender_init(&w.b.out, to_a);
    onion_receiver_init(&w.a.in, to_a);
}

static void join(void)
{
    assert_int_equal(transit_join(meet(), w.at_a, w.at_b), OK);
    w.a.c->joined = w.b.c->joined = true;
}

/* An end cell of this size, full of `fill`. */
static void make(struct end *e, uint8_t *datagram, size_t len, uint8_t fill)
{
    uint8_t *body = datagram + CELL_BODY_OFFSET;

    memset(body, fill, len - CELL_BODY_OFFSET);
    onion_end_add(&e->out, body, len - CELL_BODY_OFFSET);
}

static enum error send_made(unsigned from, uint8_t *datagram, size_t len)
{
    return circuit_send_end(w.net->node[from].engine.circuits,
                            from == CLIENT_A ? w.a.c : w.b.c, datagram, len,
                            w.net->now);
}

static enum error send_end(unsigned from, size_t len, uint8_t fill)
{
    uint8_t datagram[CELL_MAX];

    make(from == CLIENT_A ? &w.a : &w.b, datagram, len, fill);
    return send_made(from, datagram, len);
}

/* The relay sends this text to A, and none of it is a message unless it ends
 * in zeros. */
static void relay_says(const uint8_t *text, size_t len)
{
    const struct router *e = &w.net->node[MEET].engine;
    uint8_t datagram[CELL_MAX] = {0}, *body = datagram + CELL_BODY_OFFSET;

    memcpy(body, text, onion_text_len(len - CELL_BODY_OFFSET, w.at_a->depth));
    onion_add(&w.at_a->out, body, len - CELL_BODY_OFFSET, w.at_a->depth);
    link_send_relay(e->shared.links, w.at_a->prev.link, w.at_a->prev.remote,
                    datagram, len, w.net->now);
    net_run(w.net, TIME_S);
}

static const struct transit_stats *stats(void)
{
    return transits_stats(meet());
}

/* ---- What crosses ------------------------------------------------------- */

static void expect_text(const struct end *e, size_t len, uint8_t fill)
{
    for (size_t i = 0; i < onion_end_text_len(len - CELL_BODY_OFFSET); i++)
        assert_int_equal(e->body[i], fill);
}

static void cross_both_ways(size_t len)
{
    uint64_t bytes[2] = {w.at_a->bytes, w.at_b->bytes};
    uint64_t up = w.a.c->bytes_up, down = w.a.c->bytes_down;
    unsigned opened[2] = {w.a.opened, w.b.opened};

    assert_int_equal(send_end(CLIENT_A, len, 'a'), OK);
    assert_int_equal(send_end(CLIENT_B, len, 'b'), OK);
    net_run(w.net, TIME_S);
    assert_int_equal(w.a.opened, opened[0] + 1);
    assert_int_equal(w.b.opened, opened[1] + 1);
    expect_text(&w.a, len, 'b');
    expect_text(&w.b, len, 'a');
    assert_int_equal(w.at_a->bytes, bytes[0] + 2 * len);
    assert_int_equal(w.at_b->bytes, bytes[1] + 2 * len);
    assert_int_equal(w.a.c->bytes_up, up + len);
    assert_int_equal(w.a.c->bytes_down, down + len);
    assert_true(w.a.c->used_at > w.net->now - TIME_S);
}

static void test_join_at_each_depth(void **state)
{
    (void)state;
    for (unsigned a = 1; a <= ONION_HOPS_MAX; a++) {
        for (unsigned b = 1; b <= ONION_HOPS_MAX; b++) {
            uint64_t bytes;

            start(10 * a + b, a, b);
            join();
            bytes = stats()->bytes;
            cross_both_ways(CELL_SMALL);
            cross_both_ways(CELL_LARGE);
            assert_int_equal(stats()->joined, 1);
            assert_int_equal(stats()->cells_joined, 4);
            assert_int_equal(stats()->bytes - bytes,
                             2 * (CELL_SMALL + CELL_LARGE));
            assert_int_equal(stats()->dropped_no_next, 0);
            assert_int_equal(w.a.forged + w.b.forged, 0);
            /* The relay is still spoken to. */
            circuit_ping(w.net->node[CLIENT_A].engine.circuits, w.a.c, a,
                         w.net->now);
            net_run(w.net, TIME_S);
            assert_int_equal(w.net->node[CLIENT_A].answered, 1);
            assert_int_equal(w.net->node[CLIENT_B].ends, 2);
            net_free(w.net);
        }
    }
}

/* What A puts behind its end layer does not come to B: the clients have no way
 * around their own layer, and the relay gives nothing of A's away. */
static void test_join_keeps_the_end_layer_only(void **state)
{
    uint8_t datagram[CELL_MAX] = {0}, *body = datagram + CELL_BODY_OFFSET;
    const size_t end = onion_end_len(CELL_SMALL_BODY);
    struct router *e;

    (void)state;
    start(51, 1, 1);
    join();
    e = &w.net->node[CLIENT_A].engine;
    make(&w.a, datagram, CELL_SMALL, 'a');
    memset(body + end, 'x', onion_text_len(CELL_SMALL_BODY, 1) - end);
    onion_add(&w.a.c->hop[0].out, body, CELL_SMALL_BODY, 1);
    link_send_relay(e->shared.links, w.a.c->end.link, w.a.c->end.remote,
                    datagram, CELL_SMALL, w.net->now);
    net_run(w.net, TIME_S);
    assert_int_equal(w.b.opened, 1);
    assert_false(onion_is_message(w.b.body, CELL_SMALL_BODY, 1));
    for (size_t i = end; i < onion_text_len(CELL_SMALL_BODY, 1) - 3; i++)
        assert_memory_not_equal(w.b.body + i, "xxx", 3);
    net_free(w.net);
}

/* One that only listens is no idle circuit. */
static void test_join_one_way(void **state)
{
    (void)state;
    start(56, 1, 1);
    join();
    for (unsigned i = 1; i <= 8; i++) {
        send_end(CLIENT_A, CELL_SMALL, 'a');
        net_run(w.net, TIME_MIN);
        assert_int_equal(w.b.opened, i);
    }
    net_free(w.net);
}

static void test_join_sends_when_joined_only(void **state)
{
    uint8_t datagram[CELL_MAX];

    (void)state;
    start(52, 2, 2);
    assert_int_equal(send_end(CLIENT_A, CELL_SMALL, 'a'), ERR_NOT_FOUND);
    w.a.c->joined = true;
    make(&w.a, datagram, CELL_SMALL, 'a');
    assert_int_equal(send_made(CLIENT_A, datagram, CELL_SMALL), OK);
    net_run(w.net, TIME_S);
    assert_int_equal(stats()->dropped_no_next, 1);
    /* B does not know yet, and drops what comes. */
    join();
    w.b.c->joined = false;
    assert_int_equal(send_end(CLIENT_A, CELL_SMALL, 'a'), OK);
    net_run(w.net, TIME_S);
    assert_int_equal(w.net->node[CLIENT_B].ends, 0);
    assert_int_equal(
        circuits_stats(w.net->node[CLIENT_B].engine.circuits)->dropped_layer,
        1);
    net_free(w.net);
}

/* Keeps what is sent to the relay where both meet. */
static struct net_packet kept[20];
static unsigned kept_count;

static bool keep_tap(struct net *net, struct net_packet *p)
{
    (void)net;
    if (p->to.addr[1] != MEET || kept_count == COUNT_OF(kept))
        return true;
    kept[kept_count++] = *p;
    return false;
}

static void test_join_allocates_nothing_for_a_cell(void **state)
{
    struct router *e;

    (void)state;
    start(53, 2, 3);
    join();
    cross_both_ways(CELL_LARGE); /* and what links ask is asked */
    e = &w.net->node[MEET].engine;
    kept_count = 0;
    w.net->tap = keep_tap;
    for (unsigned i = 0; i < COUNT_OF(kept); i++)
        send_end(i % 2 ? CLIENT_A : CLIENT_B,
                 i % 4 < 2 ? CELL_LARGE : CELL_SMALL, 'x');
    net_run(w.net, 3 * NET_DELAY);
    assert_int_equal(kept_count, COUNT_OF(kept));
    w.net->sink = true;
    for (unsigned i = 0; i < kept_count; i++) {
        fail_alloc_at(1);
        router_receive(e, &kept[i].from, kept[i].bytes, kept[i].len,
                       w.net->now);
        assert_false(fail_alloc_end());
    }
    assert_int_equal(stats()->cells_joined, 2 + kept_count);
    net_free(w.net);
}

/* A cell is charged to the circuit on which it leaves: when that one has no
 * bandwidth left it waits there, and the other way is free. */
static void test_join_waits_for_bandwidth(void **state)
{
    struct router_config c;

    (void)state;
    start(54, 1, 1);
    join();
    c = net_config(&w.net->node[MEET]);
    c.transit.queue = (struct transit_queue_config){.circuit_bandwidth = 14000,
                                                    .circuit_burst = 1,
                                                    .max_cells = 64,
                                                    .max_circuit_cells = 16};
    transits_configure(meet(), &c.transit);
    for (unsigned i = 0; i < 64; i++)
        send_end(CLIENT_A, CELL_LARGE, 'a');
    net_run(w.net, 2 * NET_DELAY);
    assert_int_equal(w.at_a->flow.turn.count, 0);
    assert_true(w.at_b->flow.turn.count >= 12);
    assert_true(transits_queue(meet())->stats.dropped > 30);
    assert_int_equal(send_end(CLIENT_B, CELL_LARGE, 'b'), OK);
    net_run(w.net, 3 * NET_DELAY);
    assert_int_equal(w.a.opened, 1);
    net_run(w.net, 3 * TIME_S);
    assert_int_equal(w.at_b->flow.turn.count, 0);
    assert_in_range(w.b.opened, 16, 20);
    net_free(w.net);
}

/* 5 % are lost and some overtake others, on every link, over eight of them:
 * none comes twice, and each that comes is whole. */
static bool lossy_tap(struct net *net, struct net_packet *p)
{
    struct net_packet *last;

    if (test_random_below(&net->random, 100) < 5)
        return false;
    if (test_random_below(&net->random, 10) == 0 && net->count > 1) {
        struct net_packet t = *p;

        last = net->queue[net->count - 1];
        t.at = last->at;
        last->at = p->at;
        *p = *last;
        *last = t;
        p->at = net->now + NET_DELAY;
    }
    return true;
}

static void test_join_under_loss_and_reordering(void **state)
{
    unsigned sent = 1000;

    (void)state;
    start(55, 4, 4);
    join();
    w.net->tap = lossy_tap;
    for (unsigned i = 0; i < sent; i++) {
        send_end(i % 2 ? CLIENT_A : CLIENT_B, i % 3 ? CELL_LARGE : CELL_SMALL,
                 'x');
        net_run(w.net, 10 * TIME_MS);
    }
    net_run(w.net, TIME_S);
    assert_in_range(w.a.opened + w.b.opened, sent * 55 / 100, sent * 75 / 100);
    assert_int_equal(w.a.again + w.b.again + w.a.forged + w.b.forged, 0);
    net_free(w.net);
}

/* ---- A relay that lies -------------------------------------------------- */

/* A's link to its first hop says by itself that it is there. */
static bool a_sends_tap(struct net *net, struct net_packet *p)
{
    if (endpoint_equal(&p->from, &net->node[CLIENT_A].ep))
        assert_true(endpoint_equal(&p->to, &net->node[1].ep));
    return true;
}

/* Whatever the relay makes of an end cell is dropped by its client's window
 * or tag, and the channel goes on. */
static void test_join_relay_changes_and_replays(void **state)
{
    uint8_t datagram[CELL_MAX], *body = datagram + CELL_BODY_OFFSET;
    uint8_t text[CELL_SMALL_BODY];
    const size_t end = onion_end_len(CELL_SMALL_BODY);

    (void)state;
    start(61, 2, 2);
    join();
    make(&w.b, datagram, CELL_SMALL, 'b');
    onion_mark_end(body, CELL_SMALL_BODY, 2,
                   &w.net->node[MEET].engine.shared.fill);
    for (size_t i = 0; i < end; i++) {
        memcpy(text, body, sizeof(text));
        text[i] ^= (uint8_t)(1 << i % 8);
        relay_says(text, CELL_SMALL);
    }
    assert_int_equal(w.a.forged + w.a.again, end);
    assert_int_equal(w.a.opened, 0);
    relay_says(body, CELL_SMALL);
    relay_says(body, CELL_SMALL);
    assert_int_equal(w.a.opened, 1);
    assert_int_equal(w.a.again,
                     w.net->node[CLIENT_A].ends - end - 1 + (end - w.a.forged));
    cross_both_ways(CELL_SMALL);
    /* Said as a message, it is no end cell, and no message either. */
    make(&w.b, datagram, CELL_SMALL, 'b');
    memset(body + end, 0, CELL_SMALL_BODY - end);
    relay_says(body, CELL_SMALL);
    assert_int_equal(w.a.opened, 2);
    assert_int_equal(
        circuits_stats(w.net->node[CLIENT_A].engine.circuits)->dropped_message,
        1);
    assert_int_equal(w.net->node[CLIENT_A].closed, 0);
    net_free(w.net);
}

/* A hop before the last one makes something up: it has no layer of those
 * behind it. */
static void test_join_other_hops_have_no_say(void **state)
{
    (void)state;
    start(63, 3, 2);
    join();
    for (unsigned i = 0; i < 8; i++) {
        struct net_node *n = &w.net->node[1 + i % 2];
        struct transit *hop = transits_at(n->engine.transits, 0);
        uint8_t datagram[CELL_MAX], *body = datagram + CELL_BODY_OFFSET;

        test_random_fill(&w.net->random, datagram, sizeof(datagram));
        if (i / 2 % 2)
            onion_add(&hop->out, body, CELL_SMALL_BODY, hop->depth);
        link_send_relay(n->engine.shared.links, hop->prev.link,
                        hop->prev.remote, datagram, CELL_SMALL, w.net->now);
        net_run(w.net, TIME_S);
    }
    assert_int_equal(w.net->node[CLIENT_A].ends, 0);
    assert_int_equal(
        circuits_stats(w.net->node[CLIENT_A].engine.circuits)->dropped_layer,
        8);
    net_free(w.net);
}

/* Each message of this plane in an end cell, from the relay and, inside of the
 * layer, from the other client: nobody but the end plane gets it, and nothing
 * is sent for it. */
static void test_join_planes_stay_apart(void **state)
{
    struct net_node *a;
    uint64_t sent;

    (void)state;
    start(62, 3, 2);
    join();
    a = &w.net->node[CLIENT_A];
    w.net->tap = a_sends_tap;
    sent = w.a.c->bytes_up;
    for (unsigned type = 0; type < 128; type++) {
        uint8_t datagram[CELL_MAX], *body = datagram + CELL_BODY_OFFSET;

        memset(body, 0, CELL_SMALL_BODY);
        body[0] = (uint8_t)(0x92 + type % 5);
        body[1] = (uint8_t)type;
        onion_mark_end(body, CELL_SMALL_BODY, 3,
                       &w.net->node[MEET].engine.shared.fill);
        relay_says(body, CELL_SMALL);
        assert_int_equal(a->ends, 2 * type + 1);
        memset(body, 0, CELL_SMALL_BODY);
        body[0] = (uint8_t)(0x92 + type % 5);
        body[1] = (uint8_t)type;
        onion_end_add(&w.b.out, body, CELL_SMALL_BODY);
        assert_int_equal(send_made(CLIENT_B, datagram, CELL_SMALL), OK);
        net_run(w.net, 10 * NET_DELAY);
        assert_int_equal(w.a.opened, type + 1);
    }
    assert_int_equal(w.a.forged + w.a.again, 128);
    assert_int_equal(
        a->texts + a->data_in + a->refused + a->answered + a->closed, 0);
    assert_int_equal(a->ready, 1);
    assert_int_equal(w.a.c->bytes_up, sent);
    net_free(w.net);
}

/* ---- What a joined circuit may not -------------------------------------- */

static void test_join_is_neither_extended_nor_carries_data(void **state)
{
    struct link_target target;

    (void)state;
    /* Also while a service only keeps something with it. */
    for (unsigned how = 0; how < 2; how++) {
        struct net_node *a;

        start(71, 2, 2);
        a = &w.net->node[CLIENT_A];
        if (how == 0)
            assert_int_equal(transit_join(meet(), w.at_a, w.at_b), OK);
        else
            w.at_a->meeting = (struct meeting_circuit *)(void *)&w;
        net_send_data(w.net, w.a.c, "no exit here");
        net_run(w.net, TIME_S);
        assert_int_equal(a->refused, 1);
        assert_int_equal(a->why, REASON_PROTOCOL);
        target = net_target(&w.net->node[3]);
        assert_int_equal(
            circuit_extend(a->engine.circuits, w.a.c, &target, w.net->now), OK);
        net_run(w.net, TIME_S);
        assert_int_equal(a->closed, 1);
        assert_int_equal(a->why, REASON_PROTOCOL);
        assert_int_equal(a->why_hop, 3);
        assert_int_equal(stats()->failed[REASON_PROTOCOL], 1);
        assert_int_equal(transits_count(w.net->node[3].engine.transits), 0);
        net_free(w.net);
    }
}

static void test_join_needs_two_ends(void **state)
{
    struct circuit *third;
    struct link_target target;

    (void)state;
    start(72, 2, 2);
    third = build(CLIENT_A, 2);
    assert_int_equal(transit_join(meet(), w.at_a, w.at_a), ERR_IN_USE);
    assert_int_equal(transit_join(meet(), w.at_a, w.at_b), OK);
    assert_int_equal(transit_join(meet(), w.at_b, w.at_a), ERR_IN_USE);
    assert_int_equal(transit_join(meet(), newest(), w.at_a), ERR_IN_USE);
    circuit_close(w.net->node[CLIENT_B].engine.circuits, w.b.c,
                  REASON_REQUESTED, w.net->now);
    net_run(w.net, TIME_S);
    /* Extended, and before: while the link to the next is opened. */
    target = net_target(&w.net->node[3]);
    assert_int_equal(circuit_extend(w.net->node[CLIENT_A].engine.circuits,
                                    third, &target, w.net->now),
                     OK);
    net_run(w.net, 2 * NET_DELAY);
    assert_false(newest()->extended);
    assert_int_equal(transit_join(meet(), newest(), w.at_a), ERR_IN_USE);
    net_run(w.net, TIME_S);
    assert_true(newest()->extended);
    assert_int_equal(transit_join(meet(), w.at_a, newest()), ERR_IN_USE);
    assert_int_equal(stats()->joined, 1);
    net_free(w.net);
}

/* ---- The end ------------------------------------------------------------ */

enum ending { BY_CLIENT, BY_RELAY, BY_AGE, BY_TRAFFIC, BY_LINK, ENDINGS };

static void end_b(enum ending how)
{
    struct router_config config = net_config(&w.net->node[MEET]);
    struct net_node *b = &w.net->node[CLIENT_B];

    switch (how) {
    case BY_CLIENT:
        circuit_close(b->engine.circuits, w.b.c, REASON_REQUESTED, w.net->now);
        break;
    case BY_RELAY:
        transit_close(meet(), w.at_b, REASON_FULL, w.net->now);
        break;
    case BY_AGE:
        w.at_a->created_at = w.net->now + TIME_MIN;
        config.transit.max_time = TIME_S;
        transits_configure(meet(), &config.transit);
        break;
    case BY_TRAFFIC:
        w.at_b->bytes = UINT64_MAX;
        break;
    case BY_LINK:
        w.net->node[5].dead = true;
        break;
    case ENDINGS:
        break;
    }
    net_run(w.net, how == BY_LINK ? 2 * TIME_MIN : 3 * TIME_S);
    config.transit.max_time = 10 * TIME_MIN;
    transits_configure(meet(), &config.transit);
}

static void test_join_ends_with_either(void **state)
{
    (void)state;
    for (enum ending how = 0; how < ENDINGS; how++) {
        struct net_node *a;

        start(80 + how, 2, 2);
        a = &w.net->node[CLIENT_A];
        join();
        cross_both_ways(CELL_SMALL);
        end_b(how);
        assert_int_equal(a->refused, 1);
        assert_int_equal(a->why, REASON_LINK_LOST);
        assert_int_equal(a->closed, 0);
        assert_null(w.at_a->joined);
        /* What is sent now goes nowhere; then it is joined again. */
        send_end(CLIENT_A, CELL_SMALL, 'a');
        net_run(w.net, TIME_S);
        assert_int_equal(stats()->dropped_no_next, 1);
        w.net->node[5].dead = false;
        w.b.c = build(CLIENT_B, 1);
        w.at_b = newest();
        join();
        cross_both_ways(CELL_LARGE);
        net_free(w.net);
    }
}

/* One after the other within a tick, while cells of the one wait. */
static void test_join_ends_together(void **state)
{
    struct router_config c;

    (void)state;
    start(91, 1, 1);
    join();
    c = net_config(&w.net->node[MEET]);
    c.transit.queue = (struct transit_queue_config){.circuit_bandwidth = 14000,
                                                    .circuit_burst = 1,
                                                    .max_cells = 64,
                                                    .max_circuit_cells = 16};
    c.transit.max_time = TIME_MIN;
    transits_configure(meet(), &c.transit);
    net_run(w.net, 55 * TIME_S);
    while (w.net->node[CLIENT_A].closed == 0) {
        send_end(CLIENT_A, CELL_LARGE, 'a');
        net_run(w.net, 10 * TIME_MS);
    }
    net_run(w.net, TIME_S);
    assert_int_equal(stats()->ended[REASON_AGE], 2);
    assert_int_equal(w.net->node[CLIENT_A].closed, 1);
    assert_int_equal(w.net->node[CLIENT_B].closed, 1);
    net_free(w.net);
}

/* Both came over one link, and it is lost. */
static void test_join_ends_with_a_link_of_both(void **state)
{
    (void)state;
    start(92, 2, 1);
    w.b.c = build(CLIENT_A, 2);
    w.at_b = newest();
    assert_ptr_equal(w.at_a->prev.link, w.at_b->prev.link);
    join();
    w.net->node[1].dead = true;
    net_run(w.net, 2 * TIME_MIN);
    assert_int_equal(stats()->ended[REASON_LINK_LOST], 2);
    assert_int_equal(transits_count(meet()), 1);
    net_free(w.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_at_each_depth),
        cmocka_unit_test(test_join_keeps_the_end_layer_only),
        cmocka_unit_test(test_join_one_way),
        cmocka_unit_test(test_join_sends_when_joined_only),
        cmocka_unit_test(test_join_allocates_nothing_for_a_cell),
        cmocka_unit_test(test_join_waits_for_bandwidth),
        cmocka_unit_test(test_join_under_loss_and_reordering),
        cmocka_unit_test(test_join_relay_changes_and_replays),
        cmocka_unit_test(test_join_other_hops_have_no_say),
        cmocka_unit_test(test_join_planes_stay_apart),
        cmocka_unit_test(test_join_is_neither_extended_nor_carries_data),
        cmocka_unit_test(test_join_needs_two_ends),
        cmocka_unit_test(test_join_ends_with_either),
        cmocka_unit_test(test_join_ends_together),
        cmocka_unit_test(test_join_ends_with_a_link_of_both),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
