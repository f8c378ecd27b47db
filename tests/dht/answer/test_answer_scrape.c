/* SPDX-License-Identifier: MIT
 *
 * What get_peers and announce_peer have of BEP 33, for those who ask.
 */
#include "answer_fixture.h"

#include "dht/types/bloom.h"

static void begin(struct fixture *f, enum dht_dialect dialect)
{
    init(f);
    f->h.config.dialect = dialect;
    f->h.config.source_rate = f->h.config.source_burst = 100000;
    f->h.config.family[FAMILY_IPV6] = true;
    harness_start(&f->h);
}

static struct endpoint peer(unsigned n)
{
    return test_ep4(127, 20, (uint8_t)(n >> 8), (uint8_t)n, 4000);
}

static void announce(struct fixture *f, unsigned n, bool seed)
{
    struct endpoint from = peer(n);
    uint8_t token[DHT_TOKEN_BYTES];
    struct dht_message m;
    struct sent *s;

    harness_query(&m, DHT_GET_PEERS, &f->id, &f->target);
    s = harness_ask(&f->h, &from, &m);
    assert_int_equal(s->m.token.len, DHT_TOKEN_BYTES);
    memcpy(token, s->m.token.p, sizeof(token));
    m.method = DHT_ANNOUNCE_PEER;
    m.token = bytes_of(token, sizeof(token));
    m.implied_port = true;
    m.seed = seed;
    m.has |= DHT_HAS_TOKEN;
    assert_response(f, harness_ask(&f->h, &from, &m));
    harness_drop(&f->h);
}

/* As long as scrapes of ours are, where that counts. */
static void query(struct fixture *f, struct dht_message *m)
{
    harness_query(m, DHT_GET_PEERS, &f->id, &f->target);
    if (f->h.config.dialect == DHT_DIALECT_WARREN)
        harness_pad(m);
}

static bool has_filters(const struct sent *s)
{
    const uint32_t both = DHT_HAS_SEED_BLOOM | DHT_HAS_PEER_BLOOM;

    assert_true((s->m.has & both) == both || (s->m.has & both) == 0);
    return (s->m.has & both) == both;
}

static void test_answer_scrape(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < 2; dialect++) {
        uint8_t expected[2][DHT_BLOOM_BYTES] = {{0}};
        struct dht_message m;
        struct fixture f;
        struct sent *s;

        begin(&f, (enum dht_dialect)dialect);
        query(&f, &m);
        m.scrape = true;
        s = harness_ask(&f.h, &f.ep, &m);
        assert_response(&f, s);
        assert_false(has_filters(s)); /* nobody has announced it */
        for (unsigned i = 0; i < 30; i++) {
            struct endpoint ep = peer(i);

            announce(&f, i, i % 3 == 0);
            bloom_insert(expected[i % 3 == 0], &ep);
        }
        s = harness_ask(&f.h, &f.ep, &m);
        assert_response(&f, s);
        assert_true(has_filters(s));
        assert_memory_equal(s->m.seed_bloom, expected[1], DHT_BLOOM_BYTES);
        assert_memory_equal(s->m.peer_bloom, expected[0], DHT_BLOOM_BYTES);
        assert_true(s->m.has & DHT_HAS_TOKEN);
        assert_int_equal(s->m.value_count, 30);
        m.scrape = false;
        assert_false(has_filters(harness_ask(&f.h, &f.ep, &m)));
        harness_end(&f.h);
    }
}

static void test_answer_without_seeds(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < 2; dialect++) {
        struct dht_message m;
        struct fixture f;
        struct sent *s;

        begin(&f, (enum dht_dialect)dialect);
        for (unsigned i = 0; i < 12; i++)
            announce(&f, i, i % 3 != 0);
        query(&f, &m);
        assert_int_equal(harness_ask(&f.h, &f.ep, &m)->m.value_count, 12);
        m.no_seed = true;
        s = harness_ask(&f.h, &f.ep, &m);
        assert_response(&f, s);
        assert_int_equal(s->m.value_count, 4);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(s->m.values[i].addr[3] % 3, 0);
        /* It has all of it by now. */
        announce(&f, 0, true);
        assert_int_equal(harness_ask(&f.h, &f.ep, &m)->m.value_count, 3);
        harness_end(&f.h);
    }
}

/* Filters go first, where room is short: before peers and the farthest nodes,
 * and not at all in an answer that could not hold them. */
static void test_answer_scrape_where_room_is_short(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < 2; dialect++) {
        struct dht_message m;
        struct fixture f;
        struct sent *s;

        begin(&f, (enum dht_dialect)dialect);
        befriend(&f, 12, FAMILY_IPV4);
        befriend(&f, 12, FAMILY_IPV6);
        for (unsigned i = 0; i < 600; i++)
            announce(&f, i, i % 2 == 0);
        query(&f, &m);
        m.scrape = true;
        m.want[FAMILY_IPV4] = m.want[FAMILY_IPV6] = true;
        m.has |= DHT_HAS_WANT;
        s = harness_ask(&f.h, &f.ep, &m);
        assert_response(&f, s);
        assert_true(has_filters(s));
        assert_in_range(s->len, 1000, DHT_MESSAGE_MAX);
        assert_in_range(s->m.value_count, 4, 30);
        assert_int_equal(s->m.nodes.len, DHT_K * COMPACT_NODE4);
        assert_true(bloom_estimate(s->m.seed_bloom) > 250);
        assert_true(bloom_estimate(s->m.peer_bloom) > 250);
        /* A short query has a short answer in warren's DHT. */
        harness_query(&m, DHT_GET_PEERS, &f.id, &f.target);
        m.scrape = true;
        s = harness_ask(&f.h, &f.ep, &m);
        assert_response(&f, s);
        assert_int_equal(has_filters(s), dialect == DHT_DIALECT_MAINLINE);
        assert_in_range(s->m.nodes.len, 4 * COMPACT_NODE4,
                        DHT_K * COMPACT_NODE4);
        assert_true(s->m.value_count >= 4);
        harness_end(&f.h);
    }
}

/* Their making is bounded, whoever asks. */
static void test_answer_scrape_has_a_rate(void **state)
{
    struct dht_message m;
    struct fixture f;
    unsigned filters = 0;

    (void)state;
    begin(&f, DHT_DIALECT_MAINLINE);
    announce(&f, 1, true);
    query(&f, &m);
    m.scrape = true;
    for (unsigned i = 0; i < 2000; i++) {
        struct endpoint from = peer(i);
        struct sent *s = harness_ask(&f.h, &from, &m);

        assert_response(&f, s);
        assert_int_equal(s->m.value_count, 1);
        filters += has_filters(s);
        harness_drop(&f.h);
    }
    assert_in_range(filters, 100, 500);
    f.h.now += TIME_S;
    assert_true(has_filters(harness_ask(&f.h, &f.ep, &m)));
    harness_end(&f.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_scrape),
        cmocka_unit_test(test_answer_without_seeds),
        cmocka_unit_test(test_answer_scrape_where_room_is_short),
        cmocka_unit_test(test_answer_scrape_has_a_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
