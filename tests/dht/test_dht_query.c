/* SPDX-License-Identifier: MIT
 *
 * Which answers count, and what becomes of queries that get none.
 */
#include "dht_harness.h"

#include "dht/query/query.h"

struct fixture {
    struct harness h;
    struct witness w;
    struct endpoint ep;
    struct id id;
};

static void start(struct fixture *f)
{
    harness_init(&f->h);
    harness_start(&f->h);
    f->ep = test_ep("127.0.0.9:7000");
    f->id = test_id("99");
}

static struct sent *ping(struct fixture *f)
{
    struct dht_handler handler = witness_handler(&f->w);

    harness_forget(&f->h);
    assert_int_equal(dht_ping(f->h.d, &f->ep, &handler, f->h.now, NULL), OK);
    return harness_next(&f->h);
}

static unsigned nodes(struct fixture *f)
{
    struct dht_status status;

    dht_status(f->h.d, f->h.now, &status);
    return status.nodes[FAMILY_IPV4];
}

static void test_dht_query_answer(void **state)
{
    struct fixture f;
    struct dht_message m;
    struct sent *s;

    (void)state;
    start(&f);
    s = ping(&f);
    assert_int_equal(s->m.method, DHT_PING);
    assert_int_equal(s->m.transaction.len, QUERY_TRANSACTION_BYTES);
    assert_true(id_equal(&s->m.id, &f.h.config.id[FAMILY_IPV4]));
    f.h.now += 30 * TIME_MS;
    harness_answer(&m, s, &f.id);
    assert_int_equal(harness_give(&f.h, &f.ep, &m), OK);
    assert_int_equal(f.w.done, 1);
    assert_int_equal(f.w.result.error, OK);
    assert_true(f.w.result.duration == 30 * TIME_MS);
    assert_int_equal(f.w.result.closest_count, 1);
    assert_true(id_equal(&f.w.result.closest[0].id, &f.id));
    assert_true(endpoint_equal(&f.w.result.closest[0].ep, &f.ep));
    assert_int_equal(nodes(&f), 1);
    assert_int_equal(harness_events(&f.h, DHT_EVENT_NODE), 1);
    assert_int_equal(harness_events(&f.h, DHT_EVENT_JOINED), 1);
    /* A second one answers nothing. */
    assert_int_equal(harness_give(&f.h, &f.ep, &m), ERR_UNEXPECTED);
    assert_int_equal(f.w.done, 1);
    harness_end(&f.h);
}

static void refuse(struct fixture *f, const struct endpoint *from,
                   const struct dht_message *m)
{
    uint64_t dropped = dht_stats(f->h.d)->dropped[ERR_UNEXPECTED];

    assert_int_equal(harness_give(&f->h, from, m), ERR_UNEXPECTED);
    assert_int_equal(dht_stats(f->h.d)->dropped[ERR_UNEXPECTED], dropped + 1);
    assert_int_equal(f->w.done, 0);
    assert_int_equal(nodes(f), 0);
}

static void test_dht_query_unasked_answer(void **state)
{
    struct fixture f = {.w = {0}};
    struct dht_message m;

    (void)state;
    start(&f);
    dht_message_init(&m, DHT_RESPONSE);
    m.transaction = TEST_BYTES("\0\0abcdef");
    m.id = f.id;
    m.has |= DHT_HAS_ID;
    refuse(&f, &f.ep, &m);
    assert_int_equal(harness_waiting(&f.h), 0);
    harness_end(&f.h);
}

static void test_dht_query_wrong_address(void **state)
{
    struct endpoint others[] = {test_ep("127.0.0.9:7001"),
                                test_ep("127.0.0.8:7000")};
    struct fixture f;
    struct dht_message m;
    struct sent *s;

    (void)state;
    start(&f);
    s = ping(&f);
    harness_answer(&m, s, &f.id);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        refuse(&f, &others[i], &m);
    /* The right one still counts. */
    assert_int_equal(harness_give(&f.h, &f.ep, &m), OK);
    assert_int_equal(f.w.done, 1);
    harness_end(&f.h);
}

/* Each bit of the transaction matters, and its length. */
static void test_dht_query_wrong_transaction(void **state)
{
    uint8_t transaction[QUERY_TRANSACTION_BYTES + 1] = {0};
    struct fixture f;
    struct dht_message m;
    struct sent *s;

    (void)state;
    start(&f);
    s = ping(&f);
    harness_answer(&m, s, &f.id);
    memcpy(transaction, s->m.transaction.p, QUERY_TRANSACTION_BYTES);
    for (size_t bit = 0; bit < 8 * QUERY_TRANSACTION_BYTES; bit++) {
        transaction[bit / 8] ^= (uint8_t)(1u << bit % 8);
        m.transaction = bytes_of(transaction, QUERY_TRANSACTION_BYTES);
        refuse(&f, &f.ep, &m);
        transaction[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 1; len <= sizeof(transaction); len++) {
        m.transaction = bytes_of(transaction, len);
        if (len != QUERY_TRANSACTION_BYTES)
            refuse(&f, &f.ep, &m);
    }
    harness_end(&f.h);
}

static void test_dht_query_transactions_differ(void **state)
{
    struct fixture f;
    struct sent *first, *second;

    (void)state;
    start(&f);
    first = ping(&f);
    second = ping(&f);
    assert_false(bytes_equal(first->m.transaction, second->m.transaction));
    assert_memory_not_equal(first->m.transaction.p + 2,
                            second->m.transaction.p + 2, QUERY_SECRET_BYTES);
    harness_end(&f.h);
}

/* Somebody else answers at the address of a verified node: the lookup does
 * not count it, and the node stays who it was. */
static void test_dht_query_wrong_id(void **state)
{
    struct fixture f;
    struct id other = test_id("77");
    struct id target = test_id("55");
    struct dht_handler handler;
    struct dht_message m;
    struct sent *s;

    (void)state;
    start(&f);
    harness_befriend(&f.h, &f.ep, &f.id);
    handler = witness_handler(&f.w);
    assert_int_equal(dht_find_node(f.h.d, &target, &handler, f.h.now, NULL),
                     OK);
    s = harness_next(&f.h);
    assert_true(endpoint_equal(&s->to, &f.ep));
    harness_answer(&m, s, &other);
    assert_int_equal(harness_give(&f.h, &f.ep, &m), ERR_UNEXPECTED);
    assert_int_equal(f.w.done, 1);
    assert_int_equal(f.w.result.error, ERR_TIMEOUT);
    assert_int_equal(f.w.result.closest_count, 0);
    assert_int_equal(nodes(&f), 1);
    dht_message_init(&m, DHT_QUERY);
    harness_query(&m, DHT_FIND_NODE, &other, &f.id);
    s = harness_ask(&f.h, &f.ep, &m);
    assert_non_null(s);
    assert_int_equal(s->m.nodes.len, COMPACT_NODE4);
    assert_memory_equal(s->m.nodes.p, f.id.b, ID_BYTES);
    harness_end(&f.h);
}

static void test_dht_query_timeouts(void **state)
{
    struct fixture f;
    struct dht_message m;
    struct sent *s;

    (void)state;
    start(&f);
    s = ping(&f);
    assert_true(dht_next_deadline(f.h.d) <= f.h.now + QUERY_SHORT_MAX);
    harness_run(&f.h, f.h.now + f.h.config.query_timeout - 1);
    assert_int_equal(f.w.done, 0);
    /* Late, but in time. */
    harness_answer(&m, s, &f.id);
    assert_int_equal(harness_give(&f.h, &f.ep, &m), OK);
    assert_int_equal(f.w.result.error, OK);
    assert_int_equal(dht_stats(f.h.d)->late_answers, 1);
    assert_int_equal(dht_stats(f.h.d)->timeouts, 0);

    s = ping(&f);
    harness_run(&f.h, f.h.now + f.h.config.query_timeout);
    assert_int_equal(f.w.done, 1);
    assert_int_equal(f.w.result.error, ERR_TIMEOUT);
    assert_true(dht_stats(f.h.d)->timeouts > 0);
    harness_answer(&m, s, &f.id);
    assert_int_equal(harness_give(&f.h, &f.ep, &m), ERR_UNEXPECTED);
    harness_end(&f.h);
}

static void test_dht_query_error(void **state)
{
    struct fixture f;
    struct dht_message m;
    struct sent *s;

    (void)state;
    start(&f);
    s = ping(&f);
    dht_message_init(&m, DHT_ERROR);
    m.transaction = s->m.transaction;
    m.error_code = DHT_ERROR_SERVER;
    m.error_text = TEST_BYTES("no");
    assert_int_equal(harness_give(&f.h, &f.ep, &m), OK);
    assert_int_equal(f.w.done, 1);
    assert_int_equal(f.w.result.error, ERR_REMOTE);
    assert_int_equal(f.w.steps[0].outcome, DHT_STEP_ERROR);
    assert_int_equal(f.w.result.closest_count, 0);
    assert_int_equal(dht_stats(f.h.d)->errors_in, 1);
    assert_int_equal(nodes(&f), 0);
    harness_end(&f.h);
}

/* What did not leave this machine fails now, with the reason; what goes to
 * others waits on. */
static void test_dht_query_unsent(void **state)
{
    static const enum error whys[] = {ERR_UNREACHABLE, ERR_FORBIDDEN, ERR_IO};
    struct fixture f;
    struct dht_message m;

    (void)state;
    start(&f);
    for (size_t i = 0; i < COUNT_OF(whys); i++) {
        struct endpoint other = test_ep("127.0.0.8:7000");
        struct sent *s = ping(&f);

        dht_send_failed(f.h.d, &other, whys[i], f.h.now);
        assert_int_equal(f.w.done, 0);
        dht_send_failed(f.h.d, &f.ep, whys[i], f.h.now);
        assert_int_equal(f.w.done, 1);
        assert_int_equal(f.w.result.error, whys[i]);
        assert_int_equal(f.w.steps[0].outcome, DHT_STEP_UNSENT);
        assert_int_equal(dht_stats(f.h.d)->unsent, i + 1);
        harness_answer(&m, s, &f.id);
        assert_int_equal(harness_give(&f.h, &f.ep, &m), ERR_UNEXPECTED);
    }
    assert_int_equal(dht_stats(f.h.d)->timeouts, 0);
    harness_end(&f.h);
}

/* A lookup whose queries all stop here is over at once, and one of whose
 * queries some do goes on with the others. */
static void test_dht_query_unsent_of_a_lookup(void **state)
{
    struct id target = test_id("55"), other = test_id("77");
    struct endpoint there = test_ep("127.0.0.8:7000");
    struct dht_handler handler;
    struct dht_message m;
    struct fixture f;
    struct sent *s;

    (void)state;
    start(&f);
    harness_befriend(&f.h, &f.ep, &f.id);
    harness_befriend(&f.h, &there, &other);
    handler = witness_handler(&f.w);
    harness_forget(&f.h);
    assert_int_equal(dht_find_node(f.h.d, &target, &handler, f.h.now, NULL),
                     OK);
    dht_send_failed(f.h.d, &f.ep, ERR_UNREACHABLE, f.h.now);
    assert_int_equal(f.w.done, 0);
    for (s = harness_next(&f.h); s != NULL; s = harness_next(&f.h)) {
        harness_answer(&m, s, &other);
        if (endpoint_equal(&s->to, &there))
            harness_give(&f.h, &there, &m);
    }
    assert_int_equal(f.w.done, 1);
    assert_int_equal(f.w.result.error, OK);
    assert_int_equal(f.w.result.answered, 1);

    handler = witness_handler(&f.w);
    assert_int_equal(dht_find_node(f.h.d, &target, &handler, f.h.now, NULL),
                     OK);
    dht_send_failed(f.h.d, &f.ep, ERR_FORBIDDEN, f.h.now);
    dht_send_failed(f.h.d, &there, ERR_FORBIDDEN, f.h.now);
    dht_tick(f.h.d, f.h.now);
    assert_int_equal(f.w.done, 1);
    assert_int_equal(f.w.result.error, ERR_FORBIDDEN);
    harness_end(&f.h);
}

/* The short timeout follows the round trips, within its bounds. */
static void test_dht_query_learns_the_short_timeout(void **state)
{
    struct fixture f;
    struct dht_message m;
    uint64_t wait;

    (void)state;
    start(&f);
    for (int i = 0; i < 60; i++) {
        struct sent *s = ping(&f);

        f.h.now += (uint64_t)(i % 2 ? 90 : 110) * TIME_MS;
        harness_answer(&m, s, &f.id);
        assert_int_equal(harness_give(&f.h, &f.ep, &m), OK);
    }
    f.ep.port++;
    harness_run(&f.h, f.h.now + TIME_MIN);
    ping(&f);
    wait = dht_next_deadline(f.h.d) - f.h.now;
    assert_true(wait > 110 * TIME_MS && wait < 300 * TIME_MS);
    harness_end(&f.h);
}

static void test_dht_query_short_timeout_bounds(void **state)
{
    struct queries queries;

    (void)state;
    queries_init(&queries, NULL, NULL);
    assert_true(queries_short_timeout(&queries, 0) == QUERY_SHORT_INITIAL);
    assert_true(queries_short_timeout(&queries, 1) == QUERY_SHORT_MIN);
    assert_true(queries_short_timeout(&queries, 100000) == 300 * TIME_MS);
    assert_true(queries_short_timeout(&queries, UINT32_MAX) == QUERY_SHORT_MAX);
    queries.srtt = 1;
    assert_true(queries_short_timeout(&queries, 0) == QUERY_SHORT_MIN);
    queries.rttvar = 100 * TIME_S;
    assert_true(queries_short_timeout(&queries, 0) == QUERY_SHORT_MAX);
    queries_deinit(&queries);
}

/* At the cap, requests wait or are refused; nothing grows. */
static void test_dht_query_pending_cap(void **state)
{
    struct fixture f;
    struct dht_status status;

    (void)state;
    start(&f);
    f.h.config.max_pending = 5;
    assert_int_equal(dht_reconfigure(f.h.d, &f.h.config), OK);
    for (int i = 0; i < 20; i++) {
        f.ep.port++;
        assert_int_equal(dht_ping(f.h.d, &f.ep, NULL, f.h.now, NULL), OK);
    }
    dht_status(f.h.d, f.h.now, &status);
    assert_int_equal(status.pending, 5);
    assert_int_equal(harness_waiting(&f.h), 5);
    harness_run(&f.h, f.h.now + 5 * f.h.config.query_timeout);
    dht_status(f.h.d, f.h.now, &status);
    assert_int_equal(status.pending, 0);
    assert_int_equal(status.lookups, 0);
    assert_int_equal(f.h.sent_count, 20);
    harness_end(&f.h);
}

/* The clock of a host that slept jumps: what was in flight ends, and the
 * engine neither spins nor storms. */
static void test_dht_query_survives_a_jump(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    harness_befriend(&f.h, &f.ep, &f.id);
    ping(&f);
    f.h.now += 30 * 24 * TIME_HOUR;
    dht_tick(f.h.d, f.h.now);
    assert_int_equal(f.w.done, 1);
    assert_true(harness_waiting(&f.h) < 20);
    harness_run(&f.h, f.h.now + TIME_HOUR);
    assert_true(harness_waiting(&f.h) < 200);
    harness_end(&f.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_query_answer),
        cmocka_unit_test(test_dht_query_unasked_answer),
        cmocka_unit_test(test_dht_query_wrong_address),
        cmocka_unit_test(test_dht_query_wrong_transaction),
        cmocka_unit_test(test_dht_query_transactions_differ),
        cmocka_unit_test(test_dht_query_wrong_id),
        cmocka_unit_test(test_dht_query_timeouts),
        cmocka_unit_test(test_dht_query_error),
        cmocka_unit_test(test_dht_query_unsent),
        cmocka_unit_test(test_dht_query_unsent_of_a_lookup),
        cmocka_unit_test(test_dht_query_learns_the_short_timeout),
        cmocka_unit_test(test_dht_query_short_timeout_bounds),
        cmocka_unit_test(test_dht_query_pending_cap),
        cmocka_unit_test(test_dht_query_survives_a_jump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
