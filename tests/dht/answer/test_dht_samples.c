/* SPDX-License-Identifier: MIT
 *
 * sample_infohashes (BEP 51): whoever asks is told the same until the interval
 * that was named is over.
 */
#include "answer_fixture.h"

static void begin(struct fixture *f, enum dht_dialect dialect)
{
    init(f);
    f->h.config.dialect = dialect;
    f->h.config.source_rate = f->h.config.source_burst = 100000;
    f->h.config.max_peers_per_source = 4000;
    f->h.config.peer_lifetime = TIME_MIN * 60 * 24;
    harness_start(&f->h);
}

/* `count` more hashes with a peer. */
static void store(struct fixture *f, unsigned count)
{
    struct dht_message m;

    for (unsigned i = 0; i < count; i++) {
        struct id hash = test_random_id(&f->random);
        uint8_t token[DHT_TOKEN_BYTES];
        struct sent *s;

        harness_query(&m, DHT_GET_PEERS, &f->id, &hash);
        s = harness_ask(&f->h, &f->ep, &m);
        memcpy(token, s->m.token.p, sizeof(token));
        m.method = DHT_ANNOUNCE_PEER;
        m.token = bytes_of(token, sizeof(token));
        m.port = 1;
        m.has |= DHT_HAS_TOKEN | DHT_HAS_PORT;
        assert_response(f, harness_ask(&f->h, &f->ep, &m));
        harness_drop(&f->h);
    }
}

static struct sent *sample(struct fixture *f)
{
    struct dht_message m;
    struct sent *s;

    harness_query(&m, DHT_SAMPLE_INFOHASHES, &f->id, &f->target);
    if (f->h.config.dialect == DHT_DIALECT_WARREN)
        harness_pad(&m);
    s = harness_ask(&f->h, &f->ep, &m);
    assert_response(f, s);
    assert_true(s->m.has & DHT_HAS_SAMPLES);
    assert_true(s->m.has & DHT_HAS_INTERVAL);
    assert_in_range(s->m.interval, 0, DHT_INTERVAL_MAX);
    return s;
}

/* How many of the hashes of `a` are in `b`. */
static size_t shared(struct bytes a, struct bytes b)
{
    size_t n = 0;

    for (size_t i = 0; i < a.len; i += ID_BYTES) {
        for (size_t j = 0; j < b.len; j += ID_BYTES)
            n += memcmp(a.p + i, b.p + j, ID_BYTES) == 0;
    }
    return n;
}

static void test_dht_samples_stay_for_the_interval(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < 2; dialect++) {
        uint8_t copy[DHT_SAMPLES_MAX * ID_BYTES];
        struct bytes first;
        struct fixture f;
        struct sent *s;
        uint32_t named;
        uint64_t until;

        begin(&f, (enum dht_dialect)dialect);
        store(&f, 2000);
        s = sample(&f);
        named = s->m.interval;
        assert_int_equal(named, dialect == DHT_DIALECT_WARREN ? 60 : 21600);
        assert_int_equal(s->m.num, 2000);
        until = f.h.now + named * TIME_S;
        memcpy(copy, s->m.samples.p, s->m.samples.len);
        first = bytes_of(copy, s->m.samples.len);
        /* As many as fit beside no nodes. */
        assert_in_range(first.len / ID_BYTES, 45, DHT_SAMPLES_MAX);
        /* Others ask, and the store changes. */
        for (int i = 0; i < 5; i++) {
            f.h.now += (until - f.h.now) / 3;
            f.ep.addr[3]++;
            store(&f, 20);
            s = sample(&f);
            assert_true(bytes_equal(s->m.samples, first));
            assert_int_equal(s->m.num, 2020 + 20 * i);
            /* What is left of it. */
            assert_in_range(f.h.now + s->m.interval * TIME_S, until - TIME_S,
                            until);
        }
        f.h.now = until;
        s = sample(&f);
        assert_int_equal(s->m.interval, named);
        assert_in_range(shared(first, s->m.samples), 0, 15);
        harness_end(&f.h);
    }
}

/* Where all there is fits, more may come sooner. */
static void test_dht_samples_of_a_small_store(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < 2; dialect++) {
        struct fixture f;
        struct sent *s;

        begin(&f, (enum dht_dialect)dialect);
        assert_int_equal(sample(&f)->m.samples.len, 0);
        store(&f, 7);
        s = sample(&f);
        assert_int_equal(s->m.samples.len, 0);
        assert_int_equal(s->m.num, 7);
        assert_in_range(s->m.interval, 1, 600);
        harness_run(&f.h, f.h.now + s->m.interval * TIME_S);
        assert_int_equal(sample(&f)->m.samples.len, 7 * ID_BYTES);
        harness_end(&f.h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_samples_stay_for_the_interval),
        cmocka_unit_test(test_dht_samples_of_a_small_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
