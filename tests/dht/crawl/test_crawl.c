/* SPDX-License-Identifier: MIT
 *
 * A walk against a network in a table: manners, caps, tries, and going on from
 * a record. A network of engines is in tests/sim/test_sim_crawl.c.
 */
#include "dht_data.h"
#include "fail_alloc.h"

#include "base/timestamp.h"
#include "dht/crawl/crawl.h"
#include "dht/crawl/crawl_report.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    struct test_random random;
    struct crawl_config config;
    struct crawl *c;
    uint64_t now;
};

static void start(struct fixture *f)
{
    *f = (struct fixture){.random = {7}, .now = 100 * TIME_S};
    crawl_config_init(&f->config);
    f->config.random = test_source(&f->random);
}

static void make(struct fixture *f)
{
    assert_int_equal(crawl_new(&f->config, f->now, &f->c), OK);
}

static struct crawl_counts counts(const struct fixture *f)
{
    struct crawl_counts counts;

    crawl_counts(f->c, &counts);
    return counts;
}

static struct endpoint host(unsigned n)
{
    return test_ep4(80, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n,
                    6881);
}

static void know(struct fixture *f, const struct endpoint *ep)
{
    struct id id = test_random_id(&f->random);

    crawl_add(f->c, &id, ep);
}

/* Waits for the next question; false when none comes by itself. */
static bool next(struct fixture *f, struct crawl_question *q)
{
    while (!crawl_next(f->c, f->now, q)) {
        uint64_t at = crawl_next_at(f->c);

        if (at == TIME_NEVER)
            return false;
        assert_true(at > f->now);
        f->now = at;
    }
    return true;
}

static void answer_as(struct fixture *f, const struct endpoint *from,
                      const struct id *id, struct bytes nodes)
{
    const struct dht_answer a = {
        .id = *id, .from = *from, .rtt = 5 * TIME_MS, .nodes = {nodes}};

    crawl_answered(f->c, from, &a, f->now);
}

static void answer(struct fixture *f, const struct endpoint *from,
                   struct bytes nodes)
{
    struct id id = test_random_id(&f->random);

    answer_as(f, from, &id, nodes);
}

static size_t put_node(struct fixture *f, const struct endpoint *ep,
                       uint8_t *out)
{
    struct id id = test_random_id(&f->random);

    memcpy(out, id.b, ID_BYTES);
    return ID_BYTES + endpoint_write_compact(ep, out + ID_BYTES);
}

/* ---- Manners ------------------------------------------------------------- */

static void test_crawl_keeps_its_rate(void **state)
{
    struct crawl_question q;
    struct fixture f;
    uint64_t began;

    (void)state;
    start(&f);
    f.config.rate = 10;
    make(&f);
    began = f.now;
    for (unsigned i = 0; i < 200; i++) {
        struct endpoint ep = host(i * 300);

        know(&f, &ep);
    }
    for (unsigned i = 0; i < 100; i++)
        assert_true(next(&f, &q));
    assert_true(f.now - began >= 99 * TIME_S / 10);
    /* After a pause no more than a few are made up for. */
    f.now += TIME_HOUR;
    for (unsigned i = 0; i < 50; i++)
        answer(&f, &crawl_node_at(f.c, i)->ep, bytes_of(NULL, 0));
    for (unsigned i = 0; crawl_next(f.c, f.now, &q); i++)
        assert_in_range(i, 0, 5);
    crawl_free(f.c);
}

static void test_crawl_bounds_what_is_in_flight(void **state)
{
    struct crawl_question q;
    struct fixture f;

    (void)state;
    start(&f);
    f.config.max_in_flight = 3;
    make(&f);
    for (unsigned i = 0; i < 9; i++) {
        struct endpoint ep = host(i * 300);

        know(&f, &ep);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_true(next(&f, &q));
    assert_false(next(&f, &q));
    assert_false(crawl_is_over(f.c));
    answer(&f, &q.to, bytes_of(NULL, 0));
    assert_true(next(&f, &q));
    crawl_free(f.c);
}

static void test_crawl_asks_again_once(void **state)
{
    struct endpoint ep = host(1);
    struct crawl_question q;
    struct fixture f;
    uint64_t silent;

    (void)state;
    start(&f);
    make(&f);
    know(&f, &ep);
    assert_true(next(&f, &q));
    silent = f.now += 10 * TIME_S;
    crawl_failed(f.c, &ep, ERR_TIMEOUT, f.now);
    assert_false(crawl_is_over(f.c));
    assert_true(next(&f, &q));
    assert_true(f.now >= silent + f.config.retry_after - TIME_MS);
    crawl_failed(f.c, &ep, ERR_TIMEOUT, f.now);
    assert_true(crawl_is_over(f.c));
    assert_false(next(&f, &q));
    assert_int_equal(crawl_node_at(f.c, 0)->state, CRAWL_SILENT);
    assert_int_equal(counts(&f).queries, 2);
    /* Whoever names it again does not have it asked again. */
    know(&f, &ep);
    assert_true(crawl_is_over(f.c));
    /* What comes too late is of nobody who was asked. */
    answer(&f, &ep, bytes_of(NULL, 0));
    assert_int_equal(crawl_node_at(f.c, 0)->state, CRAWL_SILENT);
    crawl_free(f.c);
}

static void test_crawl_without_room_is_no_try(void **state)
{
    struct endpoint ep = host(1);
    struct crawl_question q;
    struct fixture f;

    (void)state;
    start(&f);
    f.config.tries = 1;
    make(&f);
    know(&f, &ep);
    for (int i = 0; i < 5; i++) {
        assert_true(next(&f, &q));
        crawl_failed(f.c, &ep, ERR_FULL, f.now);
        assert_false(crawl_next(f.c, f.now + TIME_S - 1, &q));
    }
    assert_int_equal(counts(&f).queries, 0);
    assert_true(next(&f, &q));
    crawl_failed(f.c, &ep, ERR_REMOTE, f.now);
    assert_int_equal(crawl_node_at(f.c, 0)->state, CRAWL_REFUSED);
    assert_true(crawl_is_over(f.c));
    crawl_free(f.c);
}

static void test_crawl_spends_what_it_may(void **state)
{
    struct crawl_question q;
    struct fixture f;

    (void)state;
    start(&f);
    f.config.max_queries = 2;
    make(&f);
    for (unsigned i = 0; i < 9; i++) {
        struct endpoint ep = host(i * 300);

        know(&f, &ep);
    }
    for (int i = 0; i < 2; i++) {
        assert_true(next(&f, &q));
        answer(&f, &q.to, bytes_of(NULL, 0));
    }
    assert_false(next(&f, &q));
    assert_true(crawl_is_over(f.c));
    crawl_free(f.c);
}

/* ---- Whom it believes ---------------------------------------------------- */

static void test_crawl_takes_names(void **state)
{
    struct endpoint ep = host(1), other = host(900);
    struct endpoint bad[] = {test_ep4(192, 168, 0, 1, 80),
                             test_ep4(0, 0, 0, 0, 80), host(2), host(3)};
    uint8_t nodes[DHT_NODES_MAX * COMPACT_NODE4];
    struct crawl_question q;
    struct fixture f;
    size_t len = 0;

    (void)state;
    start(&f);
    f.config.has_self[FAMILY_IPV4] = true;
    f.config.self[FAMILY_IPV4] = test_id("0102");
    bad[2].port = 0;
    make(&f);
    know(&f, &ep);
    assert_true(next(&f, &q));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        len += put_node(&f, &bad[i], nodes + len);
    /* The last one goes by our own id. */
    memcpy(nodes + len - COMPACT_NODE4, f.config.self[FAMILY_IPV4].b, ID_BYTES);
    len += put_node(&f, &other, nodes + len);
    answer(&f, &ep, bytes_of(nodes, len));
    assert_int_equal(crawl_node_count(f.c), 2);
    assert_true(endpoint_equal(&crawl_node_at(f.c, 1)->ep, &other));
    assert_int_equal(crawl_node_at(f.c, 1)->named_by, 1);
    assert_int_equal(crawl_node_at(f.c, 1)->first_namer, 0);
    assert_int_equal(crawl_node_at(f.c, 0)->names, 1);
    assert_int_equal(counts(&f).states[FAMILY_IPV4][CRAWL_NAMED], 1);
    crawl_free(f.c);
}

static void test_crawl_contradictions_name_nobody(void **state)
{
    (void)state;
    for (int mainline = 0; mainline < 2; mainline++) {
        struct endpoint ep = host(1), other = host(900);
        uint8_t nodes[2 * COMPACT_NODE4];
        struct crawl_question q;
        struct fixture f;
        size_t len;

        start(&f);
        f.config.mainline = mainline;
        make(&f);
        know(&f, &ep);
        assert_true(next(&f, &q));
        len = put_node(&f, &other, nodes);
        len += put_node(&f, &other, nodes + len);
        answer(&f, &ep, bytes_of(nodes, len));
        assert_int_equal(crawl_node_count(f.c), 1 + mainline);
        assert_int_equal(counts(&f).contradicting, 1);
        crawl_free(f.c);
    }
}

/* A host that answers at every port and names its next ones; a site; a
 * network; all of the Internet. */
static void names_of(struct fixture *f, unsigned n,
                     struct endpoint (*nth)(unsigned n))
{
    unsigned named = 0;
    struct crawl_question q;
    struct endpoint ep = nth(named++);

    know(f, &ep);
    while (named < n && next(f, &q)) {
        uint8_t nodes[DHT_K * COMPACT_NODE4];
        size_t len = 0;

        for (int i = 0; i < DHT_K; i++) {
            ep = nth(named++);
            len += put_node(f, &ep, nodes + len);
        }
        answer(f, &q.to, bytes_of(nodes, len));
    }
}

static struct endpoint nth_port(unsigned n)
{
    return test_ep4(80, 1, 1, 1, (uint16_t)(1000 + n));
}

static struct endpoint nth_of_site(unsigned n)
{
    return test_ep4(80, 1, 1, (uint8_t)n, (uint16_t)(1000 + n / 256));
}

static struct endpoint nth_of_network(unsigned n)
{
    return test_ep4(80, 1, (uint8_t)n, (uint8_t)(n / 256), 1000);
}

static void test_crawl_caps_of_sources(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    f.config.max_per_host = 4;
    f.config.rate = CRAWL_RATE_MAX;
    make(&f);
    names_of(&f, 1000, nth_port);
    assert_int_equal(crawl_node_count(f.c), 4);
    assert_true(counts(&f).refused_sources[SOURCE_HOST] > 20);
    names_of(&f, 1000, nth_of_site);
    assert_int_equal(crawl_node_count(f.c), 8 * 4);
    assert_true(counts(&f).refused_sources[SOURCE_SITE] > 20);
    names_of(&f, 5000, nth_of_network);
    assert_int_equal(crawl_node_count(f.c), 256 * 4);
    assert_true(counts(&f).refused_sources[SOURCE_NETWORK] > 20);
    crawl_free(f.c);
}

static struct endpoint nth_anywhere(unsigned n)
{
    return test_ep4((uint8_t)(20 + n % 60), (uint8_t)(n * 7), (uint8_t)(n / 60),
                    1, 80);
}

static void test_crawl_caps_all(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    f.config.max_nodes = 300;
    f.config.rate = CRAWL_RATE_MAX;
    make(&f);
    names_of(&f, 4000, nth_anywhere);
    assert_int_equal(crawl_node_count(f.c), 300);
    assert_true(counts(&f).refused_full > 1000);
    assert_true(crawl_memory(f.c) < 200 * 1024);
    crawl_free(f.c);
}

/* ---- From a record ------------------------------------------------------- */

static void test_crawl_goes_on_from_a_record(void **state)
{
    struct endpoint done = host(1), flying = host(900), fresh = host(1800);
    struct crawl_question q;
    struct fixture f;

    (void)state;
    start(&f);
    make(&f);
    know(&f, &done);
    know(&f, &flying);
    know(&f, &fresh);
    crawl_asked(f.c, &done, f.now);
    answer(&f, &done, bytes_of(NULL, 0));
    crawl_asked(f.c, &flying, f.now);
    crawl_interrupted(f.c, f.now);
    assert_int_equal(counts(&f).in_flight, 0);
    /* The one of which nothing was heard has had one of its tries. */
    assert_true(next(&f, &q));
    assert_true(endpoint_equal(&q.to, &fresh));
    assert_true(next(&f, &q));
    assert_true(endpoint_equal(&q.to, &flying));
    crawl_failed(f.c, &flying, ERR_TIMEOUT, f.now);
    assert_int_equal(crawl_node_at(f.c, 1)->state, CRAWL_SILENT);
    assert_false(next(&f, &q));
    assert_int_equal(counts(&f).queries, 4);
    crawl_free(f.c);
}

/* What is not remembered for want of memory counts as above the cap. */
static void test_crawl_without_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        struct crawl_counts told;
        struct fixture f;
        enum error err;

        start(&f);
        fail_alloc_at(n);
        err = crawl_new(&f.config, f.now, &f.c);
        for (unsigned i = 0; i < 300 && err == OK; i++) {
            struct endpoint ep = host(i * 300);

            know(&f, &ep);
        }
        failed = fail_alloc_end();
        if (err != OK) {
            assert_int_equal(err, ERR_NO_MEMORY);
            continue;
        }
        told = counts(&f);
        assert_int_equal(crawl_node_count(f.c) + told.refused_full, 300);
        assert_int_equal(told.states[FAMILY_IPV4][CRAWL_NAMED],
                         crawl_node_count(f.c));
        crawl_free(f.c);
    }
}

static void test_crawl_wrong_settings(void **state)
{
    struct fixture f;
    struct crawl *c;

    (void)state;
    start(&f);
    f.config.rate = 0;
    assert_int_equal(crawl_new(&f.config, f.now, &c), ERR_RANGE);
    f.config.rate = CRAWL_RATE_MAX + 1;
    assert_int_equal(crawl_new(&f.config, f.now, &c), ERR_RANGE);
    f.config.rate = 1;
    f.config.max_nodes = 0;
    assert_int_equal(crawl_new(&f.config, f.now, &c), ERR_RANGE);
    f.config.max_nodes = CRAWL_NODES_MAX + 1;
    assert_int_equal(crawl_new(&f.config, f.now, &c), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crawl_keeps_its_rate),
        cmocka_unit_test(test_crawl_bounds_what_is_in_flight),
        cmocka_unit_test(test_crawl_asks_again_once),
        cmocka_unit_test(test_crawl_without_room_is_no_try),
        cmocka_unit_test(test_crawl_spends_what_it_may),
        cmocka_unit_test(test_crawl_takes_names),
        cmocka_unit_test(test_crawl_contradictions_name_nobody),
        cmocka_unit_test(test_crawl_caps_of_sources),
        cmocka_unit_test(test_crawl_caps_all),
        cmocka_unit_test(test_crawl_goes_on_from_a_record),
        cmocka_unit_test(test_crawl_without_memory),
        cmocka_unit_test(test_crawl_wrong_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
