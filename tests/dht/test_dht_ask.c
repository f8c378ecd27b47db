/* SPDX-License-Identifier: MIT
 *
 * One find_node to one address: what it asks, what it tells, how it ends, and
 * that it takes no more than its share of the queries.
 */
#include "dht_harness.h"
#include "fail_alloc.h"

struct heard {
    unsigned answers, done;
    struct dht_answer answer;
    uint8_t version[DHT_VERSION_MAX];
    uint8_t nodes[DHT_NODES_MAX * COMPACT_NODE4];
    struct dht_result result;
};

static void on_answer(void *ctx, const struct dht_answer *answer)
{
    struct heard *heard = ctx;

    assert_int_equal(heard->done, 0);
    heard->answers++;
    heard->answer = *answer;
    memcpy(heard->version, answer->version.p, answer->version.len);
    memcpy(heard->nodes, answer->nodes[FAMILY_IPV4].p,
           answer->nodes[FAMILY_IPV4].len);
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct heard *heard = ctx;

    heard->done++;
    heard->result = *result;
}

struct fixture {
    struct harness h;
    struct endpoint ep;
    struct id id, target;
    struct heard heard;
    struct dht_handler handler;
};

static void start(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    harness_init(&f->h);
    f->ep = test_ep4(127, 0, 0, 9, 4000);
    f->id = test_id("aabb");
    f->target = test_id("1234");
    f->handler = (struct dht_handler){.ctx = &f->heard, .done = on_done};
}

static enum error ask(struct fixture *f, dht_request *out)
{
    return dht_ask(f->h.d, &f->ep, &f->target, on_answer, &f->handler, f->h.now,
                   out);
}

static void test_dht_ask_tells_whom_it_names(void **state)
{
    uint8_t nodes[2 * COMPACT_NODE4];
    struct fixture f;
    struct dht_message m;
    struct sent *s;

    (void)state;
    start(&f);
    harness_start(&f.h);
    for (size_t i = 0; i < sizeof(nodes); i++)
        nodes[i] = (uint8_t)(i + 1);
    assert_int_equal(ask(&f, NULL), OK);
    s = harness_next(&f.h);
    assert_non_null(s);
    assert_int_equal(s->m.method, DHT_FIND_NODE);
    assert_true(id_equal(&s->m.target, &f.target));
    assert_true(endpoint_equal(&s->to, &f.ep));
    f.h.now += 30 * TIME_MS;
    harness_answer(&m, s, &f.id);
    m.version = TEST_BYTES("LT01");
    m.nodes = bytes_of(nodes, sizeof(nodes));
    m.has |= DHT_HAS_NODES;
    assert_int_equal(harness_give(&f.h, &f.ep, &m), OK);
    assert_int_equal(f.heard.answers, 1);
    assert_int_equal(f.heard.done, 1);
    assert_int_equal(f.heard.result.error, OK);
    assert_true(f.heard.result.duration == 30 * TIME_MS);
    assert_true(f.heard.answer.rtt == 30 * TIME_MS);
    assert_true(id_equal(&f.heard.answer.id, &f.id));
    assert_int_equal(f.heard.answer.version.len, 4);
    assert_memory_equal(f.heard.version, "LT01", 4);
    assert_int_equal(f.heard.answer.nodes[FAMILY_IPV4].len, sizeof(nodes));
    assert_int_equal(f.heard.answer.nodes[FAMILY_IPV6].len, 0);
    assert_memory_equal(f.heard.nodes, nodes, sizeof(nodes));
    /* Whom it names is not asked, whatever time passes before upkeep. */
    assert_int_equal(harness_waiting(&f.h), 0);
    harness_end(&f.h);
}

static void test_dht_ask_wants_both_families(void **state)
{
    struct fixture f;
    struct sent *s;

    (void)state;
    start(&f);
    f.h.config.family[FAMILY_IPV6] = true;
    harness_start(&f.h);
    assert_int_equal(ask(&f, NULL), OK);
    s = harness_next(&f.h);
    assert_non_null(s);
    assert_true(s->m.want[FAMILY_IPV4] && s->m.want[FAMILY_IPV6]);
    harness_end(&f.h);
}

static void test_dht_ask_silence_and_errors(void **state)
{
    struct fixture f;
    struct dht_message m;
    struct sent *s;

    (void)state;
    start(&f);
    harness_start(&f.h);
    assert_int_equal(ask(&f, NULL), OK);
    harness_run(&f.h, f.h.now + f.h.config.query_timeout - TIME_MS);
    assert_int_equal(f.heard.done, 0);
    harness_run(&f.h, f.h.now + TIME_MS);
    assert_int_equal(f.heard.done, 1);
    assert_int_equal(f.heard.result.error, ERR_TIMEOUT);
    harness_forget(&f.h);
    assert_int_equal(ask(&f, NULL), OK);
    s = harness_next(&f.h);
    assert_non_null(s);
    dht_message_init(&m, DHT_ERROR);
    m.transaction = s->m.transaction;
    m.error_code = DHT_ERROR_SERVER;
    assert_int_equal(harness_give(&f.h, &f.ep, &m), OK);
    assert_int_equal(f.heard.done, 2);
    assert_int_equal(f.heard.result.error, ERR_REMOTE);
    assert_int_equal(ask(&f, NULL), OK);
    dht_send_failed(f.h.d, &f.ep, ERR_UNREACHABLE, f.h.now);
    assert_int_equal(f.heard.done, 3);
    assert_int_equal(f.heard.result.error, ERR_UNREACHABLE);
    assert_int_equal(f.heard.answers, 0);
    harness_end(&f.h);
}

/* A quarter of max_pending; a lookup finds room beside them. */
static void test_dht_ask_leaves_room(void **state)
{
    struct fixture f;
    dht_request first;

    (void)state;
    start(&f);
    f.h.config.max_pending = 16;
    harness_start(&f.h);
    assert_int_equal(ask(&f, &first), OK);
    for (int i = 1; i < 4; i++)
        assert_int_equal(ask(&f, NULL), OK);
    assert_int_equal(ask(&f, NULL), ERR_FULL);
    assert_int_equal(dht_ping(f.h.d, &f.ep, NULL, f.h.now, NULL), OK);
    dht_cancel(f.h.d, first);
    assert_int_equal(ask(&f, NULL), OK);
    assert_int_equal(f.heard.done, 0);
    f.ep.port = 0;
    assert_int_equal(ask(&f, NULL), ERR_ADDRESS);
    harness_end(&f.h);
}

/* Cancelled in its own callback, it is not heard of again. */
static void cancel_it(void *ctx, const struct dht_answer *answer)
{
    struct fixture *f = ctx;

    (void)answer;
    f->heard.answers++;
    dht_cancel(f->h.d, 1);
}

static void count_done(void *ctx, const struct dht_result *result)
{
    struct fixture *f = ctx;

    (void)result;
    f->heard.done++;
}

static void test_dht_ask_cancelled_by_its_answer(void **state)
{
    struct dht_handler handler;
    struct fixture f;
    struct dht_message m;
    dht_request request;

    (void)state;
    start(&f);
    harness_start(&f.h);
    handler = (struct dht_handler){.ctx = &f, .done = count_done};
    assert_int_equal(dht_ask(f.h.d, &f.ep, &f.target, cancel_it, &handler,
                             f.h.now, &request),
                     OK);
    assert_int_equal(request, 1);
    harness_answer(&m, harness_next(&f.h), &f.id);
    assert_int_equal(harness_give(&f.h, &f.ep, &m), OK);
    harness_run(&f.h, f.h.now + 30 * TIME_S);
    assert_int_equal(f.heard.answers, 1);
    assert_int_equal(f.heard.done, 0);
    harness_end(&f.h);
}

/* The request, the room for its end, the slot of its query: then it is sent,
 * for which the harness allocates. */
static void test_dht_ask_without_memory(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 3; n++) {
        struct fixture f;
        enum error err;

        start(&f);
        harness_start(&f.h);
        fail_alloc_at(n);
        err = ask(&f, NULL);
        assert_true(fail_alloc_end());
        assert_true(err == ERR_NO_MEMORY || err == ERR_FULL);
        harness_run(&f.h, f.h.now + TIME_MIN);
        assert_int_equal(f.heard.done, 0);
        assert_int_equal(ask(&f, NULL), OK);
        harness_end(&f.h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_ask_tells_whom_it_names),
        cmocka_unit_test(test_dht_ask_wants_both_families),
        cmocka_unit_test(test_dht_ask_silence_and_errors),
        cmocka_unit_test(test_dht_ask_leaves_room),
        cmocka_unit_test(test_dht_ask_cancelled_by_its_answer),
        cmocka_unit_test(test_dht_ask_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
