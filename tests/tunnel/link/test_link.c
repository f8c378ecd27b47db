/* SPDX-License-Identifier: MIT
 *
 * Links: coming up, staying up, going down.
 */
#include "link_world.h"

#include <sodium.h>

static void test_link_comes_up_on_both_sides(void **state)
{
    struct world *w = world_new();
    struct link *link = open_link(w), *again;
    struct link_target t = target_of(&w->b);

    (void)state;
    assert_false(link_send(w->a.links, link, CELL_CREATE, 5,
                           bytes_of_text("hi"), w->now));
    settle(w);
    assert_int_equal(w->a.ups, 1);
    assert_int_equal(links_count(w->b.links), 1);
    assert_true(link_send(w->a.links, link, CELL_CREATE, 5, bytes_of_text("hi"),
                          w->now));
    settle(w);
    assert_int_equal(w->b.cells, 1);
    assert_int_equal(w->b.head.type, CELL_CREATE);
    assert_int_equal(w->b.head.circuit, 5);
    assert_memory_equal(w->b.text, "hi\0\0", 4);
    assert_true(link_send(w->b.links, w->b.up_link, CELL_CREATED, 9,
                          bytes_of_text("ho"), w->now));
    settle(w);
    assert_memory_equal(w->a.text, "ho\0\0", 4);
    assert_int_equal(link_open(w->a.links, &t, w->now, &again), OK);
    assert_ptr_equal(link, again);
    world_free(w);
}

static void test_link_every_datagram_replayed_changes_nothing(void **state)
{
    struct world *w = world_new();
    struct packet *seen = calloc(QUEUE_MAX, sizeof(*seen));
    struct link *link = open_link(w);
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 8; i++) {
        while (w->count > 0) {
            seen[n] = w->queue[--w->count];
            deliver(node_at(w, &seen[n].to), &seen[n]);
            n++;
        }
        link_send(w->a.links, link, CELL_CREATE, 1, bytes_of_text("x"), w->now);
    }
    w->count = 0;
    assert_true(n > 8);
    w->a.cells = w->b.cells = w->a.ups = 0;
    for (size_t i = 0; i < n; i++) {
        enum error e = deliver(node_at(w, &seen[i].to), &seen[i]);

        if (seen[i].bytes[1] != LINK_INIT)
            assert_int_equal(e, ERR_UNEXPECTED);
    }
    assert_int_equal(w->a.cells + w->b.cells + w->a.ups, 0);
    /* The INIT only makes a half-open link, which nobody confirms. */
    assert_int_equal(links_count(w->b.links), 2);
    run(w, 10 * TIME_S, false);
    assert_int_equal(links_count(w->b.links), 1);
    free(seen);
    world_free(w);
}

static void test_link_lost_init_is_sent_again(void **state)
{
    struct world *w = world_new();

    (void)state;
    open_link(w);
    w->count = 0;
    run(w, 600 * TIME_MS, true);
    assert_int_equal(w->a.ups, 1);
    world_free(w);
}

static void test_link_nobody_answers(void **state)
{
    struct world *w = world_new();

    (void)state;
    open_link(w);
    run(w, 20 * TIME_S, false);
    assert_int_equal(w->a.unanswered, 1);
    assert_int_equal(w->a.downs, 1);
    assert_int_equal(w->a.why, REASON_UNREACHABLE);
    assert_int_equal(links_count(w->a.links), 0);
    assert_int_equal(links_next_deadline(w->a.links), TIME_NEVER);
    world_free(w);
}

static void test_link_wrong_key_or_identity_gets_nothing(void **state)
{
    struct world *w = world_new();
    struct link_target t = target_of(&w->b);
    struct link *link;

    (void)state;
    t.handshake_key[0] ^= 1;
    assert_int_equal(link_open(w->a.links, &t, w->now, &link), OK);
    assert_int_equal(deliver(&w->b, &w->queue[0]), ERR_SIGNATURE);
    t = target_of(&w->b);
    t.identity[0] ^= 1;
    assert_int_equal(link_open(w->a.links, &t, w->now, &link), OK);
    assert_int_equal(deliver(&w->b, &w->queue[1]), ERR_SIGNATURE);
    assert_int_equal(w->count, 2);
    assert_int_equal(links_count(w->b.links), 0);
    world_free(w);
}

static void test_link_key_rotation_takes_the_key_before(void **state)
{
    struct world *w = world_new();
    uint8_t fresh[32] = {77};

    (void)state;
    open_link(w);
    responder_rotate(&w->b.responder, fresh, TIME_NEVER);
    settle(w);
    assert_int_equal(w->a.ups, 1);
    world_free(w);
}

/* Over the free rate every INIT needs a cookie; with one the link opens. */
static void test_link_cookie_under_load(void **state)
{
    struct world *w = world_new();
    struct link_config c = config();

    (void)state;
    c.handshake_rate = c.handshake_burst = 1;
    node_start(&w->b, &c);
    open_link(w);
    settle(w);
    links_free(w->a.links);
    w->a.links = NULL;
    c = config();
    node_start(&w->a, &c);
    w->a.ups = 0;
    open_link(w);
    settle(w);
    assert_int_equal(links_stats(w->b.links)->retries_out, 1);
    assert_int_equal(w->a.ups, 1);
    world_free(w);
}

/* Whoever has a cookie has one address: it gets its rate and no more. */
static void test_link_cookie_is_worth_a_rate(void **state)
{
    struct world *w = world_new();
    struct link_config c = config();
    struct packet p = {0};

    (void)state;
    c.handshake_rate = c.handshake_burst = 1;
    node_start(&w->b, &c);
    open_link(w);
    deliver(&w->b, &w->queue[0]);
    w->count = 0;
    run(w, 600 * TIME_MS, false);
    links_free(w->a.links);
    w->a.links = NULL;
    c = config();
    node_start(&w->a, &c);
    open_link(w);
    assert_int_equal(deliver(&w->b, &w->queue[0]), ERR_RATE_LIMITED);
    assert_int_equal(deliver(&w->a, &w->queue[1]), OK);
    p = w->queue[2];
    for (unsigned i = 0; i < 100; i++) {
        enum error e = deliver(&w->b, &p);

        assert_int_equal(e,
                         i < c.handshake_source_burst ? OK : ERR_RATE_LIMITED);
    }
    assert_int_equal(links_stats(w->b.links)->retries_out, 1);
    p.from.addr[3] ^= 1;
    assert_int_equal(deliver(&w->b, &p), ERR_RATE_LIMITED);
    assert_int_equal(links_stats(w->b.links)->retries_out, 2);
    world_free(w);
}

/* From made-up addresses: no memory beyond the cap, no amplification, and an
 * honest neighbour still comes in. */
static void test_link_init_flood(void **state)
{
    struct world *w = world_new();
    struct link_config c = config();
    uint64_t in = 0, out = 0;
    struct packet p;

    (void)state;
    c.handshake_rate = c.handshake_burst = 5;
    node_start(&w->b, &c);
    open_link(w);
    p = w->queue[0];
    w->count = 0;
    for (unsigned i = 0; i < 2000; i++) {
        p.from.addr[2] = (uint8_t)(i >> 8);
        p.from.addr[3] = (uint8_t)i;
        deliver(&w->b, &p);
        in += p.len;
        while (w->count > 0)
            out += w->queue[--w->count].len;
        assert_true(links_count(w->b.links) <= c.max_half_open);
    }
    assert_true(out < in);
    assert_int_equal(links_stats(w->b.links)->accepts_out, 5);
    assert_int_equal(links_stats(w->b.links)->retries_out, 1995);
    assert_int_equal(links_stats(w->b.links)->half_open_evicted, 1);
    run(w, 2 * TIME_S, true);
    assert_int_equal(w->a.ups, 1);
    run(w, 6 * TIME_S, true);
    assert_int_equal(links_count(w->b.links), 1);
    world_free(w);
}

static void test_link_another_version_is_refused_with_a_reason(void **state)
{
    struct world *w = world_new();
    struct link_message m = {.kind = LINK_REFUSE, .version = 2};
    struct packet p;

    (void)state;
    open_link(w);
    assert_int_equal(w->queue[0].bytes[2], TUNNEL_VERSION);
    w->queue[0].bytes[2] = 9;
    assert_int_equal(deliver(&w->b, &w->queue[0]), ERR_UNSUPPORTED);
    assert_int_equal(w->count, 2);
    /* Its index is real; only the version in it is ours. */
    assert_int_equal(deliver(&w->a, &w->queue[1]), ERR_UNEXPECTED);
    p = w->queue[1];
    {
        struct link_message got;

        link_message_read(bytes_of(p.bytes, p.len), &got);
        m.receiver = got.receiver;
    }
    p.len = link_message_write(&m, p.bytes);
    assert_int_equal(deliver(&w->a, &p), OK);
    assert_int_equal(w->a.why, REASON_VERSION);
    world_free(w);
}

static void test_link_rekeys_and_goes_on(void **state)
{
    struct world *w = world_new();
    struct link *link = open_link(w);
    struct packet old;

    (void)state;
    settle(w);
    link_hold(link);
    link_send(w->a.links, link, CELL_CREATE, 3, bytes_of_text("a"), w->now);
    old = w->queue[0];
    settle(w);
    link_hold(w->b.up_link);
    for (int i = 0; i < 40; i++) {
        run(w, TIME_MIN, true);
        w->b.cells = 0;
        assert_true(link_send(w->a.links, link, CELL_CREATE, 3,
                              bytes_of_text("b"), w->now));
        settle(w);
        assert_int_equal(w->b.cells, 1);
        w->a.cells = 0;
        link_send(w->b.links, w->b.up_link, CELL_CREATED, 3, bytes_of_text("c"),
                  w->now);
        settle(w);
        assert_int_equal(w->a.cells, 1);
    }
    assert_true(links_stats(w->a.links)->rekeys >= 3);
    assert_int_equal(w->a.downs + w->b.downs, 0);
    /* A cell of keys that are gone finds no session. */
    assert_int_equal(deliver(&w->b, &old), ERR_NOT_FOUND);
    world_free(w);
}

static void test_link_dead_peer_is_noticed(void **state)
{
    struct world *w = world_new();
    struct link *link = open_link(w);

    (void)state;
    settle(w);
    link_hold(link);
    link_send(w->a.links, link, CELL_CREATE, 3, bytes_of_text("a"), w->now);
    w->count = 0;
    run(w, 10 * TIME_S, false);
    assert_int_equal(w->a.downs, 1);
    assert_int_equal(w->a.why, REASON_TIMEOUT);
    world_free(w);
}

static void test_link_idle_but_used_stays(void **state)
{
    struct world *w = world_new();
    struct link *link = open_link(w);
    uint64_t before;

    (void)state;
    settle(w);
    link_hold(link);
    link_send(w->a.links, link, CELL_CREATE, 3, bytes_of_text("a"), w->now);
    settle(w);
    link_hold(w->b.up_link);
    before = links_stats(w->a.links)->cells_out;
    run(w, 5 * TIME_MIN, true);
    assert_int_equal(w->a.downs + w->b.downs, 0);
    assert_int_equal(links_count(w->a.links), 1);
    /* PINGs and PONGs every 15 to 25 s. */
    assert_true(links_stats(w->a.links)->cells_out - before < 40);
    world_free(w);
}

/* Circuits use a link. What neighbours have to say to each other does not keep
 * it open, or a node that looks for relays would close none. */
static void test_link_unused_closes_on_both_sides(void **state)
{
    struct world *w = world_new();
    struct link *link = open_link(w);

    (void)state;
    settle(w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(links_count(w->a.links), 1);
        link_send(w->a.links, link, CELL_SAMPLE_ASK, 0, bytes_of(NULL, 0),
                  w->now);
        settle(w);
        link_send(w->b.links, w->b.up_link, CELL_SAMPLE, 0, bytes_of(NULL, 0),
                  w->now);
        run(w, 4 * TIME_S, true);
    }
    run(w, 4 * TIME_S, true);
    assert_int_equal(links_count(w->a.links), 0);
    assert_int_equal(links_count(w->b.links), 0);
    assert_int_equal(w->a.why, REASON_IDLE);
    world_free(w);
}

/* Where circuits went, the next may go: the link is kept, so that the time that
 * an EXTEND takes does not show where some go now. */
static void test_link_is_kept_after_its_last_circuit(void **state)
{
    struct world *w = world_new();
    struct link *link = open_link(w);
    uint64_t before;

    (void)state;
    settle(w);
    link_hold(link);
    link_hold(w->b.up_link);
    run(w, 10 * TIME_S, true);
    link_release(link, w->now);
    link_release(w->b.up_link, w->now);
    before =
        links_stats(w->a.links)->cells_out + links_stats(w->b.links)->cells_out;
    run(w, 5 * TIME_MIN - TIME_S, true);
    assert_int_equal(links_count(w->a.links), 1);
    assert_int_equal(links_count(w->b.links), 1);
    /* A PING from who has opened it and a PONG, at half of it and the end. */
    assert_in_range(links_stats(w->a.links)->cells_out +
                        links_stats(w->b.links)->cells_out - before,
                    2, 4);
    run(w, 2 * TIME_S, true);
    assert_int_equal(links_count(w->a.links), 0);
    assert_int_equal(links_count(w->b.links), 0);
    assert_int_equal(w->a.why, REASON_IDLE);
    world_free(w);
}

/* Nor does it outlive a peer that is gone. */
static void test_link_kept_notices_a_dead_peer(void **state)
{
    struct world *w = world_new();
    struct link *link = open_link(w);

    (void)state;
    settle(w);
    link_hold(link);
    link_release(link, w->now);
    run(w, 160 * TIME_S, false);
    assert_int_equal(links_count(w->a.links), 0);
    assert_int_equal(w->a.why, REASON_TIMEOUT);
    world_free(w);
}

static void test_link_follows_a_peer_that_moves(void **state)
{
    struct world *w = world_new();
    struct link *link = open_link(w);
    struct packet p;

    (void)state;
    settle(w);
    w->a.ep.port = 999;
    link_send(w->a.links, link, CELL_CREATE, 3, bytes_of_text("a"), w->now);
    p = w->queue[0];
    w->count = 0;
    /* A forger who only knows the address moves nothing. */
    p.bytes[CELL_BODY_OFFSET] ^= 1;
    assert_int_equal(deliver(&w->b, &p), ERR_SIGNATURE);
    assert_int_equal(w->count, 0);
    p.bytes[CELL_BODY_OFFSET] ^= 1;
    assert_int_equal(deliver(&w->b, &p), OK);
    assert_int_equal(w->b.up_link->peer.ep.port, 7881);
    settle(w);
    assert_int_equal(w->b.up_link->peer.ep.port, 999);
    /* An answer that takes longer than the pause between questions counts. */
    w->a.ep.port = 1000;
    link_send(w->a.links, link, CELL_CREATE, 3, bytes_of_text("a"), w->now);
    deliver(&w->b, &w->queue[--w->count]);
    p = w->queue[--w->count];
    w->now += 2 * TIME_S;
    link_send(w->a.links, link, CELL_CREATE, 3, bytes_of_text("a"), w->now);
    deliver(&w->b, &w->queue[--w->count]);
    w->count = 0;
    assert_int_equal(deliver(&w->a, &p), OK);
    settle(w);
    assert_int_equal(w->b.up_link->peer.ep.port, 1000);
    world_free(w);
}

/* The sender of a cell may write any source address: what it gets is one
 * small cell a second, and nothing else goes there. */
static void test_link_goes_nowhere_for_a_source_address_alone(void **state)
{
    static const uint8_t nonces[][8] = {{0}, {1}, {[7] = 1}};
    struct world *w = world_new();
    struct link *link = open_link(w);
    unsigned asked = 0;

    (void)state;
    settle(w);
    for (unsigned i = 0; i < 500; i++) {
        struct packet p;

        link_send(w->a.links, link, i % 2 ? CELL_CREATE : CELL_PONG, 3,
                  bytes_of(nonces[i % 3], 8), w->now);
        p = w->queue[--w->count];
        p.from.addr[3] = (uint8_t)(100 + i % 100);
        assert_int_equal(deliver(&w->b, &p), OK);
        while (w->count > 0) {
            struct packet *out = &w->queue[--w->count];

            assert_int_equal(out->to.addr[3], p.from.addr[3]);
            assert_true(out->len <= p.len);
            asked++;
        }
        assert_true(endpoint_equal(&w->b.up_link->peer.ep, &w->a.ep));
        w->now += 10 * TIME_MS;
    }
    assert_in_range(asked, 4, 5);
    link_send(w->b.links, w->b.up_link, CELL_CREATED, 3, bytes_of_text("b"),
              w->now);
    assert_true(endpoint_equal(&w->queue[0].to, &w->a.ep));
    world_free(w);
}

/* Not even a question goes to an address that is not for everybody, but what
 * comes from there counts. */
static void test_link_does_not_move_everywhere(void **state)
{
    struct world *w = world_new();
    struct link *link = open_link(w);
    struct endpoint home = w->a.ep;

    (void)state;
    settle(w);
    w->a.ep.addr[0] = 10;
    link_send(w->a.links, link, CELL_CREATE, 3, bytes_of_text("a"), w->now);
    settle(w);
    assert_int_equal(w->b.cells, 1);
    assert_true(endpoint_equal(&w->b.up_link->peer.ep, &home));
    w->a.ep = home;
    w->a.ep.addr[0] = 11;
    link_send(w->a.links, link, CELL_CREATE, 3, bytes_of_text("a"), w->now);
    settle(w);
    assert_true(endpoint_equal(&w->b.up_link->peer.ep, &w->a.ep));
    world_free(w);
}

static void test_link_table_has_a_cap(void **state)
{
    struct world *w = world_new();
    struct link_target t = target_of(&w->b);
    struct link *link;

    (void)state;
    for (uint8_t i = 0; i < 8; i++) {
        t.identity[1] = (uint8_t)(100 + i);
        assert_int_equal(link_open(w->a.links, &t, w->now, &link), OK);
    }
    t.identity[1] = 200;
    assert_int_equal(link_open(w->a.links, &t, w->now, &link), ERR_FULL);
    t.ep.port = 0;
    t.identity[1] = 201;
    assert_int_equal(link_open(w->b.links, &t, w->now, &link), ERR_ADDRESS);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_comes_up_on_both_sides),
        cmocka_unit_test(test_link_every_datagram_replayed_changes_nothing),
        cmocka_unit_test(test_link_lost_init_is_sent_again),
        cmocka_unit_test(test_link_nobody_answers),
        cmocka_unit_test(test_link_wrong_key_or_identity_gets_nothing),
        cmocka_unit_test(test_link_key_rotation_takes_the_key_before),
        cmocka_unit_test(test_link_cookie_under_load),
        cmocka_unit_test(test_link_cookie_is_worth_a_rate),
        cmocka_unit_test(test_link_init_flood),
        cmocka_unit_test(test_link_another_version_is_refused_with_a_reason),
        cmocka_unit_test(test_link_rekeys_and_goes_on),
        cmocka_unit_test(test_link_dead_peer_is_noticed),
        cmocka_unit_test(test_link_idle_but_used_stays),
        cmocka_unit_test(test_link_unused_closes_on_both_sides),
        cmocka_unit_test(test_link_is_kept_after_its_last_circuit),
        cmocka_unit_test(test_link_kept_notices_a_dead_peer),
        cmocka_unit_test(test_link_follows_a_peer_that_moves),
        cmocka_unit_test(test_link_goes_nowhere_for_a_source_address_alone),
        cmocka_unit_test(test_link_does_not_move_everywhere),
        cmocka_unit_test(test_link_table_has_a_cap),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
