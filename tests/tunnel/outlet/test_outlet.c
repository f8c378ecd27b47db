/* SPDX-License-Identifier: MIT
 *
 * What streams may ask of an exit, and what they get.
 */
#include "outlet_world.h"

static struct world *start(void)
{
    struct world *w = world_new();

    world_start(w);
    return w;
}

/* ---- Connects ----------------------------------------------------------- */

static void test_outlet_connects_and_echoes(void **state)
{
    struct world *w = start();
    struct flow *f = flow_connect(w, 0, "8.8.8.8:80");

    (void)state;
    world_run(w, 100 * TIME_MS);
    flow_assert(f, OUTLET_OK);
    assert_int_equal(f->answer.address[0].port, 80);
    assert_int_equal(world_stats(w).sockets, 1);
    assert_int_equal(world_stats(w).connected, 1);
    flow_write(f, 3000000);
    world_run(w, 2 * TIME_S);
    assert_int_equal(f->in, 3000000);
    assert_false(f->fin);
    stream_finish(f->st, w->now);
    world_run(w, 200 * TIME_MS);
    assert_true(f->fin);
    assert_null(f->st);
    assert_int_equal(w->open, 0);
    assert_int_equal(world_stats(w).streams, 0);
    assert_int_equal(world_stats(w).sockets, 0);
    world_free(w);
}

/* Bytes and the end come with the request, or in pieces, or before the answer:
 * what the destination gets is the same. */
static void test_outlet_takes_data_before_it_is_connected(void **state)
{
    for (unsigned way = 0; way < 5; way++) {
        struct world *w = start();
        struct flow *f;

        (void)state;
        w->lose = way == 4 ? 2 : 0; /* they come again as one */
        f = flow_connect(w, 0, "8.8.8.8:80");
        if (way == 1)
            world_run(w, 12 * TIME_MS); /* the request is there, alone */
        if (way < 3)
            flow_write(f, 5000);
        stream_finish(f->st, w->now);
        if (way == 2)
            w->tcp[0].due = w->now + TIME_S;
        world_run(w, TIME_S);
        flow_assert(f, OUTLET_OK);
        assert_int_equal(f->in, way < 3 ? 5000 : 0);
        assert_true(f->fin);
        assert_null(f->st);
        assert_int_equal(w->open, 0);
        world_free(w);
    }
}

/* One who writes a byte at a time. */
static void test_outlet_collects_a_request(void **state)
{
    struct world *w = start();
    struct stream_request q = {.kind = STREAM_CONNECT,
                               .ep = test_ep("8.8.8.8:80")};
    uint8_t text[STREAM_MESSAGE_MAX];
    size_t len = stream_request_write(&q, text);
    struct flow *f = flow_open(w, 0);

    (void)state;
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(w->tcps, 0);
        assert_int_equal(stream_write(f->st, bytes_of(text + i, 1), w->now), 1);
        world_run(w, 30 * TIME_MS);
    }
    assert_int_equal(w->tcps, 1);
    flow_write(f, 100);
    world_run(w, 100 * TIME_MS);
    flow_assert(f, OUTLET_OK);
    assert_int_equal(f->in, 100);
    world_free(w);
}

static void test_outlet_half_closes(void **state)
{
    struct world *w = start();
    struct flow *f = flow_connect(w, 0, "8.8.8.8:85");

    (void)state;
    world_run(w, 100 * TIME_MS);
    flow_assert(f, OUTLET_OK);
    assert_memory_equal(f->head, "hello", 5);
    assert_true(f->fin);
    /* The other half is still open. */
    assert_non_null(f->st);
    f->to_write = 0;
    assert_int_equal(stream_write(f->st, TEST_BYTES("more"), w->now), 4);
    world_run(w, 100 * TIME_MS);
    assert_int_equal(w->tcp[0].in, 4);
    assert_int_equal(w->open, 1);
    stream_finish(f->st, w->now);
    world_run(w, 100 * TIME_MS);
    assert_null(f->st);
    assert_int_equal(w->open, 0);
    world_free(w);
}

static void test_outlet_resets_go_through(void **state)
{
    struct world *w = start();
    struct flow *f = flow_connect(w, 0, "8.8.8.8:84");
    struct flow *g = flow_connect(w, 0, "8.8.8.8:80");

    (void)state;
    flow_write(f, 10);
    world_run(w, 100 * TIME_MS);
    assert_true(f->reset);
    assert_int_equal(f->code, REASON_LINK_LOST);
    assert_null(f->st);
    flow_assert(g, OUTLET_OK);
    stream_reset(g->st, 7, w->now);
    world_run(w, 100 * TIME_MS);
    assert_int_equal(w->open, 0);
    assert_int_equal(world_stats(w).streams, 0);
    world_free(w);
}

static void test_outlet_says_why_not(void **state)
{
    static const struct {
        const char *to;
        enum reason why;
    } cases[] = {
        {"8.8.8.8:81", REASON_REFUSED},  {"10.0.0.1:80", REASON_POLICY},
        {"127.0.0.1:80", REASON_POLICY}, {"8.8.8.8:25", REASON_POLICY},
        {"5.5.5.5:80", REASON_POLICY}, /* its own */
    };
    struct endpoint own = test_ep("5.5.5.5:7881");
    struct world *w = world_new();
    struct flow *f;

    (void)state;
    test_policy_add(&w->policy, "reject *:25");
    assert_int_equal(policy_set_own(&w->policy, &own, 1), OK);
    world_start(w);
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        w->lose = i % 2 == 1 ? 2 : 0;
        f = flow_connect(w, 0, cases[i].to);
        if (i % 2 == 1) /* it comes with the request */
            flow_write(f, 100);
        world_run(w, TIME_S);
        flow_assert(f, cases[i].why);
        assert_true(f->fin);
        /* Our end is left: what is written is dropped. */
        flow_write(f, 50000);
        stream_finish(f->st, w->now);
        world_run(w, 200 * TIME_MS);
        assert_null(f->st);
        assert_int_equal(world_stats(w).stream.streams, 0);
    }
    assert_int_equal(w->tcps, 1);
    assert_int_equal(world_stats(w).refused[REASON_POLICY], 4);
    w->connect_error = ERR_UNREACHABLE;
    f = flow_connect(w, 0, "8.8.8.8:80");
    world_run(w, 100 * TIME_MS);
    flow_assert(f, REASON_UNREACHABLE);
    w->connect_error = ERR_IO;
    f = flow_connect(w, 0, "8.8.8.8:80");
    world_run(w, 100 * TIME_MS);
    flow_assert(f, REASON_IO);
    assert_int_equal(world_stats(w).sockets, 0);
    world_free(w);
}

/* Within one call, so that it leaves as one. */
static void ask_and_write(struct flow *f)
{
    flow_write(flow_connect(f->w, 0, "10.0.0.1:80"), 100);
}

/* What came with a request that is refused is dropped, and keeps nothing. */
static void test_outlet_drops_what_is_refused(void **state)
{
    struct world *w = start();
    struct flow *f = flow_connect(w, 0, "8.8.8.8:80"), *g;

    (void)state;
    f->then = ask_and_write;
    world_run(w, 200 * TIME_MS);
    assert_int_equal(w->flows, 2);
    g = &w->flow[1];
    flow_assert(g, REASON_POLICY);
    stream_finish(g->st, w->now);
    world_run(w, 200 * TIME_MS);
    assert_null(g->st);
    assert_int_equal(world_stats(w).stream.streams, 1);
    world_free(w);
}

static void test_outlet_connects_that_never_answer_end(void **state)
{
    struct world *w = start();
    struct flow *f = flow_connect(w, 0, "8.8.8.8:82");

    (void)state;
    world_run(w, w->config.connect_timeout - TIME_S);
    assert_false(f->answered);
    assert_int_equal(world_stats(w).connecting, 1);
    world_run(w, 3 * TIME_S);
    flow_assert(f, REASON_TIMEOUT);
    assert_int_equal(w->open, 0);
    assert_int_equal(w->tcp[0].closed_with, REASON_TIMEOUT);
    assert_int_equal(world_stats(w).connecting, 0);
    world_free(w);
}

static void test_outlet_client_gives_up(void **state)
{
    struct world *w = start();
    struct flow *f = flow_connect(w, 0, "8.8.8.8:82");
    struct flow *g = flow_connect_name(w, 0, "slow.example", 80);

    (void)state;
    world_run(w, 100 * TIME_MS);
    assert_int_equal(w->open, 1);
    assert_int_equal(w->asked, 1);
    stream_reset(f->st, 0, w->now);
    stream_reset(g->st, 0, w->now);
    world_run(w, 100 * TIME_MS);
    assert_int_equal(w->open, 0);
    assert_int_equal(w->cancelled, 1);
    assert_int_equal(world_stats(w).streams, 0);
    /* And the whole connection. */
    flow_connect(w, 0, "8.8.8.8:82");
    flow_connect_name(w, 0, "slow.example", 80);
    flow_connect(w, 0, "8.8.8.8:80");
    flow_reverse(w, 0, "8.8.8.8");
    world_run(w, 100 * TIME_MS);
    assert_int_equal(world_stats(w).streams, 4);
    stream_conn_close(w->circuit[0].conn, 0, w->now);
    world_run(w, 100 * TIME_MS);
    assert_int_equal(world_stats(w).streams, 0);
    assert_int_equal(w->open, 0);
    assert_int_equal(w->cancelled, 3);
    world_free(w);
}

/* ---- Names -------------------------------------------------------------- */

static void test_outlet_connects_to_names(void **state)
{
    struct world *w = start();
    struct flow *f = flow_connect_name(w, 0, "echo.example", 80);
    struct flow *two = flow_connect_name(w, 0, "two.example", 80);
    struct flow *inside = flow_connect_name(w, 0, "inside.example", 80);
    struct flow *none = flow_connect_name(w, 0, "none.example", 80);
    struct flow *onion = flow_connect_name(w, 0, "a.onion", 80);
    struct flow *address = flow_connect_name(w, 0, "8.8.8.8", 80);
    struct flow *junk = flow_connect_name(w, 0, "127.1", 80);
    struct flow *mixed = flow_connect_name(w, 0, "mixed.example", 81);

    (void)state;
    flow_write(f, 77);
    world_run(w, 100 * TIME_MS);
    flow_assert(f, OUTLET_OK);
    assert_int_equal(f->in, 77);
    assert_int_equal(f->answer.address[0].addr[3], 8);
    flow_assert(two, OUTLET_OK);
    flow_assert(inside, REASON_POLICY);
    flow_assert(none, REASON_RESOLVE);
    flow_assert(onion, REASON_RESOLVE);
    flow_assert(address, OUTLET_OK);
    flow_assert(junk, REASON_PROTOCOL);
    flow_assert(mixed, REASON_REFUSED); /* which says more than the policy */
    assert_int_equal(w->tcps, 4);
    assert_int_equal(w->asked, 5);
    world_free(w);
}

static void test_outlet_tries_some_addresses(void **state)
{
    struct world *w = start();
    struct flow *f = flow_connect_name(w, 0, "many.example", 81);

    (void)state;
    world_run(w, 200 * TIME_MS);
    flow_assert(f, REASON_REFUSED);
    assert_int_equal(w->tcps, OUTLET_TRIES);
    assert_int_equal(w->tcp[2].to.addr[3], 3);
    world_free(w);
}

static void test_outlet_resolves(void **state)
{
    struct world *w = start();
    struct flow *f = flow_resolve(w, 0, "two.example");
    struct flow *none = flow_resolve(w, 0, "none.example");
    struct flow *slow = flow_resolve(w, 0, "slow.example");

    (void)state;
    stream_finish(f->st, w->now);
    world_run(w, 100 * TIME_MS);
    flow_assert(f, OUTLET_OK);
    assert_int_equal(f->answer.address_count, 3);
    assert_int_equal(f->answer.address[1].addr[3], 8);
    assert_int_equal(f->answer.address[1].port, 0);
    assert_int_equal(f->answer.ttl, 300);
    assert_true(f->fin);
    assert_null(f->st);
    flow_assert(none, REASON_RESOLVE);
    assert_int_equal(w->tcps, 0);
    world_run(w, 11 * TIME_S);
    flow_assert(slow, REASON_TIMEOUT);
    world_free(w);
}

static void test_outlet_reverses(void **state)
{
    struct world *w = start();
    struct flow *slow = flow_reverse(w, 0, "8.8.8.8"), *late;
    struct flow *at_once = flow_reverse(w, 0, "8.8.8.9");
    struct flow *none = flow_reverse(w, 0, "8.8.8.7");
    struct flow *inside = flow_reverse(w, 0, "10.0.0.9");

    (void)state;
    world_run(w, 100 * TIME_MS);
    flow_assert(at_once, OUTLET_OK);
    assert_string_equal(at_once->name, "nine.example");
    assert_int_equal(at_once->answer.ttl, 300);
    flow_assert(none, REASON_NO_NAME);
    flow_assert(inside, REASON_POLICY);
    assert_false(slow->answered);
    late = flow_reverse(w, 0, "8.8.8.8");
    world_run(w, 100 * TIME_MS);
    assert_int_equal(w->asked, 3); /* those who ask alike wait together */
    dns_answer_name(w, w->reversing, "Dns.Example.");
    dns_answer_name(w, w->reversing, "dns.example");
    world_run(w, 100 * TIME_MS);
    assert_string_equal(late->name, "dns.example");
    assert_string_equal(slow->name, "dns.example");
    assert_int_equal(world_stats(w).reversals, 5);
    slow = flow_reverse(w, 0, "8.8.8.6");
    world_run(w, 16 * TIME_S);
    flow_assert(slow, REASON_TIMEOUT);
    assert_int_equal(w->cancelled, 1);
    world_free(w);
    w = world_new();
    w->no_reverse = true;
    world_start(w);
    slow = flow_reverse(w, 0, "8.8.8.8");
    world_run(w, 100 * TIME_MS);
    flow_assert(slow, REASON_NO_EXIT);
    world_free(w);
}

static void test_outlet_refuses_what_is_no_request(void **state)
{
    static const struct stream_request port = {.kind = STREAM_PORT, .port = 7};
    struct world *w = start();
    struct flow *f = flow_open(w, 0), *cut = flow_open(w, 0);
    struct flow *service = flow_ask(w, 0, &port), *silent = flow_open(w, 0);
    struct flow *late = flow_open(w, 0);

    (void)state;
    stream_write(f->st, TEST_BYTES("\0\x04GET "), w->now);
    stream_write(cut->st, TEST_BYTES("\0\x09x"), w->now);
    stream_finish(cut->st, w->now);
    stream_finish(silent->st, w->now);
    stream_write(late->st, TEST_BYTES("\0"), w->now);
    world_run(w, 100 * TIME_MS);
    flow_assert(f, REASON_PROTOCOL);
    flow_assert(cut, REASON_PROTOCOL);
    flow_assert(silent, REASON_PROTOCOL);
    flow_assert(service, REASON_NO_EXIT);
    assert_false(late->answered);
    world_run(w, 17 * TIME_S);
    flow_assert(late, REASON_TIMEOUT);
    assert_int_equal(world_stats(w).streams, 0);
    world_free(w);
}

/* ---- Circuits come and go ----------------------------------------------- */

static void move(struct world *w, unsigned from, unsigned to)
{
    assert_int_equal(stream_move(w->circuit[from].conn, to + 1, w->now), OK);
    w->circuit[to].conn = w->circuit[from].conn;
    w->circuit[from].conn = NULL;
}

static void test_outlet_streams_outlive_circuits(void **state)
{
    struct world *w = start();
    struct flow *f = flow_connect(w, 0, "8.8.8.8:80");

    (void)state;
    w->lossy = true;
    flow_write(f, 8000000);
    for (unsigned i = 0; i < 5; i++) {
        world_run(w, 300 * TIME_MS);
        world_cut(w, i);
        assert_int_equal(world_stats(w).streams, 1);
        world_run(w, 100 * TIME_MS);
        world_circuit(w, i + 1, i % 2 == 0 ? "7.7.7.7:1" : "9.9.9.9:1");
        move(w, i, i + 1);
    }
    stream_finish(f->st, w->now);
    world_run(w, TIME_MIN);
    flow_assert(f, OUTLET_OK);
    assert_int_equal(f->in, 8000000);
    assert_true(f->fin);
    assert_int_equal(w->open, 0);
    assert_int_equal(world_stats(w).streams, 0);
    assert_int_equal(world_stats(w).circuits, 1);
    world_free(w);
}

/* While a name is looked up, or a connect is under way, or the request is on
 * its way. */
static void test_outlet_requests_outlive_circuits(void **state)
{
    for (uint64_t turn = 0; turn < 40; turn++) {
        uint64_t after = turn / 2 * 3;
        struct world *w = start();
        struct flow *f, *g;

        (void)state;
        if (turn % 2 == 0) { /* else within the handshake */
            flow_connect(w, 0, "8.8.8.8:80");
            world_run(w, 100 * TIME_MS);
        }
        f = flow_connect_name(w, 0, "echo.example", 80);
        g = flow_resolve(w, 0, "two.example");
        flow_write(f, 10000);
        stream_finish(f->st, w->now);
        world_run(w, after * TIME_MS);
        if (after % 2 == 0) {
            world_cut(w, 0);
            world_run(w, 50 * TIME_MS);
        }
        world_circuit(w, 1, "7.7.7.7:1");
        move(w, 0, 1);
        world_run(w, 2 * TIME_S);
        if (after % 2 == 1) {
            assert_int_equal(world_stats(w).circuits, 2);
            world_cut(w, 0);
            world_run(w, 50 * TIME_MS);
        }
        /* A connect that ended while nobody was there may be told so. */
        if (f->answer.reason != REASON_LINK_LOST) {
            flow_assert(f, OUTLET_OK);
            assert_int_equal(f->in, 10000);
        }
        flow_assert(g, OUTLET_OK);
        world_free(w);
    }
}

static void test_outlet_forgets_who_does_not_come_back(void **state)
{
    struct world *w = start();

    (void)state;
    flow_connect(w, 0, "8.8.8.8:80");
    flow_connect(w, 0, "8.8.8.8:82");
    flow_connect_name(w, 0, "slow.example", 80);
    flow_reverse(w, 0, "8.8.8.8");
    world_run(w, 100 * TIME_MS);
    assert_int_equal(world_stats(w).streams, 4);
    world_cut(w, 0);
    assert_int_equal(world_stats(w).streams, 4);
    assert_int_equal(w->cancelled, 2);
    world_leap(w, w->config.stream.rest_time + 5 * TIME_S);
    assert_int_equal(world_stats(w).streams, 0);
    assert_int_equal(w->open, 0);
    assert_int_equal(outlet_next_deadline(w->o), TIME_NEVER);
    world_free(w);
}

/* At any moment of anything. */
static void test_outlet_ends_in_the_middle(void **state)
{
    for (uint64_t after = 0; after < 90; after += 7) {
        struct world *w = start();

        (void)state;
        flow_write(flow_connect(w, 0, "8.8.8.8:80"), 100000);
        flow_write(flow_connect(w, 0, "8.8.8.8:83"), 100000);
        flow_connect(w, 0, "8.8.8.8:82");
        flow_connect_name(w, 0, "echo.example", 80);
        flow_connect_name(w, 0, "slow.example", 80);
        flow_reverse(w, 0, "8.8.8.8");
        flow_open(w, 0);
        world_run(w, after * TIME_MS);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outlet_connects_and_echoes),
        cmocka_unit_test(test_outlet_takes_data_before_it_is_connected),
        cmocka_unit_test(test_outlet_collects_a_request),
        cmocka_unit_test(test_outlet_half_closes),
        cmocka_unit_test(test_outlet_resets_go_through),
        cmocka_unit_test(test_outlet_says_why_not),
        cmocka_unit_test(test_outlet_drops_what_is_refused),
        cmocka_unit_test(test_outlet_connects_that_never_answer_end),
        cmocka_unit_test(test_outlet_client_gives_up),
        cmocka_unit_test(test_outlet_connects_to_names),
        cmocka_unit_test(test_outlet_tries_some_addresses),
        cmocka_unit_test(test_outlet_resolves),
        cmocka_unit_test(test_outlet_reverses),
        cmocka_unit_test(test_outlet_refuses_what_is_no_request),
        cmocka_unit_test(test_outlet_streams_outlive_circuits),
        cmocka_unit_test(test_outlet_requests_outlive_circuits),
        cmocka_unit_test(test_outlet_forgets_who_does_not_come_back),
        cmocka_unit_test(test_outlet_ends_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
