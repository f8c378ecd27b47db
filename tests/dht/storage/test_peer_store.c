/* SPDX-License-Identifier: MIT */
#include "dht_data.h"
#include "fail_alloc.h"
#include "wide_sources.h"

#include "base/timestamp.h"
#include "dht/storage/peer_store.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define START    (100 * TIME_HOUR)
#define LIFETIME (30 * TIME_MIN)
#define MARGIN   (4 * TIME_S) /* above 1/500 of it */

struct fixture {
    struct test_random r;
    struct random_source random;
    struct peer_store s;
    uint64_t now;
};

static const struct peer_store_config roomy = {.max_hashes = 1000000,
                                               .max_peers = 1000000,
                                               .max_per_hash = 10000,
                                               .max_per_source = 1000,
                                               .lifetime = LIFETIME};

static void init(struct fixture *f, const struct peer_store_config *config)
{
    f->r = test_seed(11);
    f->random = test_source(&f->r);
    f->now = START;
    peer_store_init(&f->s, config, NULL, &f->random, f->now);
}

static struct endpoint nth_ep(unsigned n)
{
    return test_ep4(10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n,
                    6881);
}

static struct endpoint nth_ep6(unsigned n)
{
    struct endpoint ep = test_ep("[2a00::1]:6881");

    memcpy(ep.addr + 1, &n, 3); /* in a network of its own */
    return ep;
}

static struct id nth_hash(unsigned n)
{
    struct id id = {{0}};

    memcpy(id.b, &n, sizeof(n));
    return id;
}

static enum error put(struct fixture *f, unsigned hash, unsigned peer)
{
    struct id id = nth_hash(hash);
    struct endpoint ep = nth_ep(peer);

    return peer_store_put(&f->s, &id, &ep, false, f->now);
}

static bool can_store(struct fixture *f, unsigned hash, unsigned peer)
{
    struct id id = nth_hash(hash);
    struct endpoint ep = nth_ep(peer);

    ep.port = 1; /* does not matter */
    return peer_store_can_store(&f->s, &id, &ep, f->now);
}

static size_t sample(struct fixture *f, unsigned hash, struct endpoint *out,
                     size_t max)
{
    struct id id = nth_hash(hash);

    return peer_store_sample(&f->s, &id, FAMILY_IPV4, false, &f->random, out,
                             max, f->now);
}

static bool has(struct fixture *f, unsigned hash, unsigned peer)
{
    static struct endpoint out[20000];
    struct endpoint ep = nth_ep(peer);
    size_t n = sample(f, hash, out, COUNT_OF(out));

    for (size_t i = 0; i < n; i++) {
        if (endpoint_equal(&out[i], &ep))
            return true;
    }
    return false;
}

static void sweep_all(struct fixture *f)
{
    uint64_t end = f->now + LIFETIME;

    while (peer_store_next_deadline(&f->s) < end) {
        uint64_t before = peer_store_next_deadline(&f->s);

        f->now = before > f->now ? before : f->now;
        peer_store_expire(&f->s, f->now);
        assert_true(peer_store_next_deadline(&f->s) > before);
    }
}

static void test_peer_store_gives_what_was_put(void **state)
{
    struct endpoint v6 = nth_ep6(1), out[4];
    struct id id = nth_hash(1);
    struct fixture f;

    (void)state;
    init(&f, &roomy);
    assert_int_equal(sample(&f, 1, out, 4), 0);
    assert_int_equal(peer_store_next_deadline(&f.s), TIME_NEVER);
    assert_int_equal(put(&f, 1, 7), OK);
    assert_int_equal(put(&f, 1, 7), OK);
    assert_int_equal(put(&f, 2, 8), OK);
    assert_int_equal(peer_store_put(&f.s, &id, &v6, false, f.now), OK);
    assert_int_equal(f.s.peers, 3);
    assert_int_equal(f.s.hashes, 2);
    assert_int_equal(sample(&f, 1, out, 4), 1);
    assert_true(has(&f, 1, 7) && has(&f, 2, 8) && !has(&f, 2, 7));
    assert_int_equal(peer_store_sample(&f.s, &id, FAMILY_IPV6, false, &f.random,
                                       out, 4, f.now),
                     1);
    assert_true(endpoint_equal(&out[0], &v6));
    peer_store_deinit(&f.s);
}

static void test_peer_store_expires_after_lifetime(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, &roomy);
    put(&f, 1, 1);
    put(&f, 1, 2);
    f.now = START + 10 * TIME_MIN;
    put(&f, 1, 2);
    f.now = START + LIFETIME;
    assert_true(has(&f, 1, 1));
    f.now = START + LIFETIME + MARGIN;
    assert_false(has(&f, 1, 1));
    assert_true(has(&f, 1, 2));
    f.now = START + LIFETIME + 10 * TIME_MIN;
    assert_true(has(&f, 1, 2));
    f.now += MARGIN;
    assert_false(has(&f, 1, 2));
    assert_int_equal(
        peer_store_sample_hashes(&f.s, &f.random, (uint8_t[20]){0}, 1, f.now),
        0);
    sweep_all(&f);
    assert_int_equal(f.s.peers + f.s.hashes + f.s.memory, 0);
    assert_int_equal(peer_store_next_deadline(&f.s), TIME_NEVER);
    peer_store_deinit(&f.s);
}

/* Whatever the pause between two calls, the dead do not come back. */
static void test_peer_store_survives_long_pauses(void **state)
{
    struct fixture f;

    (void)state;
    for (uint64_t pause = LIFETIME; pause < 200 * LIFETIME;
         pause += LIFETIME / 4) {
        init(&f, &roomy);
        put(&f, 1, 1);
        f.now += pause + MARGIN;
        assert_false(has(&f, 1, 1));
        peer_store_deinit(&f.s);
    }
    /* Nobody calls expire, somebody puts now and then. */
    init(&f, &roomy);
    put(&f, 1, 1);
    for (unsigned i = 0; i < 2000; i++) {
        f.now += LIFETIME / 8;
        put(&f, 2, 2);
        if (i > 8)
            assert_false(has(&f, 1, 1));
        assert_true(has(&f, 2, 2));
    }
    peer_store_deinit(&f.s);
}

static void test_peer_store_keeps_to_max_per_hash(void **state)
{
    struct peer_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_per_hash = 10;
    init(&f, &c);
    for (unsigned i = 0; i < 1000; i++) {
        f.now += 10 * TIME_S;
        assert_true(can_store(&f, 1, i));
        assert_int_equal(put(&f, 1, i), OK);
        assert_in_range(f.s.peers, 1, 10);
        if (i < 10)
            continue;
        assert_false(has(&f, 1, i - 10)); /* the oldest goes */
        assert_true(has(&f, 1, i - 9));
    }
    assert_int_equal(f.s.evicted, 990);
    peer_store_deinit(&f.s);
}

static void test_peer_store_keeps_to_max_hashes(void **state)
{
    struct peer_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_hashes = 10;
    init(&f, &c);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(can_store(&f, i, i), i < 10);
        assert_int_equal(put(&f, i, i), i < 10 ? OK : ERR_FULL);
    }
    assert_int_equal(f.s.hashes, 10);
    assert_int_equal(put(&f, 9, 100), OK);
    peer_store_deinit(&f.s);
}

/* A full store makes room within the hash and nowhere else. */
static void test_peer_store_keeps_to_max_peers(void **state)
{
    struct peer_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_peers = 20;
    init(&f, &c);
    for (unsigned i = 0; i < 20; i++) {
        f.now += 2 * TIME_S;
        assert_int_equal(put(&f, i % 2, i), OK);
    }
    assert_false(can_store(&f, 2, 100));
    assert_int_equal(put(&f, 2, 100), ERR_FULL);
    assert_true(can_store(&f, 1, 100));
    assert_int_equal(put(&f, 1, 100), OK);
    assert_false(has(&f, 1, 1));
    assert_true(has(&f, 1, 3) && has(&f, 1, 100));
    for (unsigned i = 0; i < 20; i += 2)
        assert_true(has(&f, 0, i));
    assert_int_equal(f.s.peers, 20);
    assert_int_equal(f.s.evicted, 1);
    f.now += LIFETIME + MARGIN;
    sweep_all(&f);
    assert_int_equal(put(&f, 2, 100), OK);
    peer_store_deinit(&f.s);
}

/* Whose last peer made way for one of another hash is no hash any more: were
 * it to make way once more, nobody would go for who comes. */
static void test_peer_store_keeps_to_max_peers_over_many_hashes(void **state)
{
    struct peer_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_peers = c.max_hashes = 20;
    init(&f, &c);
    for (unsigned hash = 0; hash < 20; hash++)
        assert_int_equal(put(&f, hash, 0), OK);
    for (unsigned i = 1; i < 10; i++) {
        assert_int_equal(put(&f, 0, 2 * i), OK);
        assert_int_equal(put(&f, 100 + i, 2 * i + 1), OK);
        assert_true(has(&f, 0, 2 * i) && has(&f, 100 + i, 2 * i + 1));
        assert_in_range(f.s.peers, 1, 20);
        assert_in_range(f.s.hashes, 1, 20);
    }
    peer_store_deinit(&f.s);
}

static void test_peer_store_keeps_to_max_per_source(void **state)
{
    struct peer_store_config c = roomy;
    struct endpoint ep = nth_ep(1);
    struct id first = nth_hash(0);
    struct fixture f;

    (void)state;
    c.max_per_source = 5;
    init(&f, &c);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(can_store(&f, i, 1), i < 5);
        assert_int_equal(put(&f, i, 1), i < 5 ? OK : ERR_FULL);
        assert_int_equal(put(&f, i, 1000 + i), OK); /* others may */
    }
    assert_int_equal(put(&f, 0, 1), OK); /* renewed */
    ep.port++;
    assert_int_equal(peer_store_put(&f.s, &first, &ep, false, f.now), OK);
    assert_false(has(&f, 0, 1)); /* by its own other port */
    assert_true(has(&f, 0, 1000));
    f.now += LIFETIME + MARGIN;
    sweep_all(&f);
    assert_int_equal(put(&f, 7, 1), OK);
    peer_store_deinit(&f.s);
}

static void test_peer_store_takes_a_64_as_one_source(void **state)
{
    struct peer_store_config c = roomy;
    struct endpoint ep = nth_ep6(1), other = nth_ep6(2);
    struct fixture f;

    (void)state;
    c.max_per_source = 5;
    init(&f, &c);
    for (unsigned i = 0; i < 10; i++) {
        struct id id = nth_hash(i);

        ep.addr[15] = (uint8_t)i;
        assert_int_equal(peer_store_put(&f.s, &id, &ep, false, f.now),
                         i < 5 ? OK : ERR_FULL);
        assert_int_equal(peer_store_put(&f.s, &id, &other, false, f.now),
                         i < 5 ? OK : ERR_FULL);
    }
    peer_store_deinit(&f.s);
}

static enum error put_from(struct fixture *f, unsigned hash, const char *first,
                           unsigned byte, unsigned n)
{
    struct endpoint ep = test_nth_ep(first, byte, n);
    struct id id = nth_hash(hash);

    return peer_store_put(&f->s, &id, &ep, false, f->now);
}

static void test_peer_store_counts_wide_sources(void **state)
{
    struct peer_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_per_source = 5;
    for (unsigned i = 0; i < COUNT_OF(wide_sources); i++) {
        init(&f, &c);
        for (unsigned n = 0; n < 600; n++)
            put_from(&f, n, wide_sources[i].first, wide_sources[i].byte,
                     n % 40);
        assert_int_equal(f.s.peers, 5 * wide_sources[i].hosts);
        f.now += LIFETIME + MARGIN;
        sweep_all(&f);
        assert_int_equal(put_from(&f, 1, wide_sources[i].first, 3, 0), OK);
        peer_store_deinit(&f.s);
    }
}

/* Many small sources at once do not add up to a big one. */
static void test_peer_store_does_not_take_many_for_one(void **state)
{
    struct peer_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_per_source = 2;
    init(&f, &c);
    for (unsigned i = 0; i < 50000; i++) {
        struct endpoint ep = nth_ep6(i);
        struct id id = nth_hash(i % 1000);

        assert_int_equal(peer_store_put(&f.s, &id, &ep, false, f.now), OK);
    }
    peer_store_deinit(&f.s);
}

/* One party at sixty addresses, each in a network of its own, and each with
 * as much as it may have. */
static void attack(struct fixture *f, unsigned first_hash, unsigned hashes)
{
    for (unsigned n = 0; n < 60 * 20; n++) {
        f->now += TIME_MS;
        put_from(f, first_hash + n % hashes, "8.0.0.1:1", 1, n / 20);
    }
}

/* Who has one peer keeps it, who comes now gets in: whether the attacker fills
 * the hashes or the peers, in hashes of his own or in one of theirs. */
static void test_peer_store_the_biggest_holder_makes_way(void **state)
{
    static const struct {
        unsigned max_hashes, max_peers, first_hash, hashes;
    } cases[] = {
        {500, 10000, 1000, 1200},
        {10000, 500, 1000, 1200},
        {10000, 500, 1000, 30},
        {500, 500, 1000, 1200},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct peer_store_config c = roomy;
        struct fixture f;

        c.max_hashes = cases[i].max_hashes;
        c.max_peers = cases[i].max_peers;
        c.max_per_source = 20;
        init(&f, &c);
        for (unsigned n = 0; n < 20; n++)
            assert_int_equal(put(&f, n, n), OK);
        attack(&f, cases[i].first_hash, cases[i].hashes);
        assert_true(f.s.hashes == 500 || f.s.peers == 500);
        for (unsigned n = 20; n < 40; n++) {
            f.now += TIME_MS;
            assert_true(can_store(&f, n, n));
            assert_int_equal(put(&f, n, n), OK);
        }
        attack(&f, cases[i].first_hash, cases[i].hashes);
        for (unsigned n = 0; n < 40; n++)
            assert_true(has(&f, n, n));
        assert_true(f.s.hashes <= c.max_hashes && f.s.peers <= c.max_peers);
        peer_store_deinit(&f.s);
    }
}

/* Nor does he take a hash that others announce: when all its places are taken,
 * his own go first. */
static void test_peer_store_the_biggest_in_a_hash_makes_way(void **state)
{
    struct peer_store_config c = roomy;
    struct endpoint ep = test_ep("8.8.8.8:1");
    struct id id = nth_hash(1);
    struct fixture f;

    (void)state;
    c.max_per_hash = 50;
    init(&f, &c);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(put(&f, 1, i), OK);
    for (ep.port = 1; ep.port <= 200; ep.port++) {
        f.now += 2 * TIME_S;
        peer_store_put(&f.s, &id, &ep, false, f.now);
    }
    for (unsigned i = 20; i < 40; i++)
        assert_int_equal(put(&f, 1, i), OK);
    for (ep.port = 1; ep.port <= 200; ep.port++) {
        f.now += 2 * TIME_S;
        peer_store_put(&f.s, &id, &ep, false, f.now);
    }
    for (unsigned i = 0; i < 40; i++)
        assert_true(has(&f, 1, i));
    assert_int_equal(f.s.peers, 50);
    peer_store_deinit(&f.s);
}

/* A hash stays as long as somebody who has little announces it. */
static void test_peer_store_a_hash_weighs_what_its_lightest_does(void **state)
{
    struct peer_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_hashes = 10;
    init(&f, &c);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(put_from(&f, i, "8.8.8.8:1", 3, 0), OK);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(put(&f, i, i), OK);
    assert_int_equal(put(&f, 20, 20), OK);
    for (unsigned i = 0; i < 9; i++)
        assert_true(has(&f, i, i));
    assert_true(has(&f, 20, 20));
    assert_false(can_store(&f, 21, 21)); /* as light as all others */
    assert_int_equal(put(&f, 21, 21), ERR_FULL);
    f.now += LIFETIME / 2 + MARGIN; /* but they have not renewed */
    assert_true(can_store(&f, 21, 21));
    assert_int_equal(put(&f, 21, 21), OK);
    assert_int_equal(f.s.hashes, 10);
    peer_store_deinit(&f.s);
}

/* Of those who hold as much, what lies far from our id goes; and nobody gets
 * in for what is as far. */
static void test_peer_store_the_far_makes_way_for_the_near(void **state)
{
    static const struct id self;
    static const uint16_t buckets = 6 + 1 + STORE_NEAR_MARGIN;
    struct store_home home = {.self = {[FAMILY_IPV4] = &self},
                              .buckets = {[FAMILY_IPV4] = &buckets}};
    struct peer_store_config c = roomy;
    struct id id[11], far;
    struct fixture f;

    (void)state;
    c.max_hashes = 10;
    init(&f, &c);
    f.s.home = &home;
    far = test_near_id(&f.r, &self, 1);
    for (unsigned i = 0; i < COUNT_OF(id); i++) {
        struct endpoint ep = nth_ep(i);

        /* The first shares two bits with us, the others six. */
        id[i] = test_near_id(&f.r, &self, i == 0 ? 2 : 6);
        if (i == 10)
            assert_false(peer_store_can_store(&f.s, &far, &ep, f.now));
        assert_true(peer_store_can_store(&f.s, &id[i], &ep, f.now));
        assert_int_equal(peer_store_put(&f.s, &id[i], &ep, false, f.now), OK);
    }
    for (unsigned i = 0; i < COUNT_OF(id); i++) {
        struct endpoint out[1];

        assert_int_equal(peer_store_sample(&f.s, &id[i], FAMILY_IPV4, false,
                                           &f.random, out, 1, f.now),
                         i != 0);
    }
    peer_store_deinit(&f.s);
}

/* Each is chosen about as often, none twice in one answer. */
static void test_peer_store_samples_at_random(void **state)
{
    enum { PEERS = 60, TRIES = 3000, MAX = 20 };
    unsigned seen[PEERS] = {0};
    struct fixture f;

    (void)state;
    init(&f, &roomy);
    for (unsigned i = 0; i < PEERS; i++)
        put(&f, 1, i);
    for (unsigned t = 0; t < TRIES; t++) {
        struct endpoint out[MAX];
        uint64_t mask = 0;

        assert_int_equal(sample(&f, 1, out, MAX), MAX);
        for (unsigned i = 0; i < MAX; i++) {
            assert_false(mask >> out[i].addr[3] & 1);
            mask |= UINT64_C(1) << out[i].addr[3];
            seen[out[i].addr[3]]++;
        }
    }
    for (unsigned i = 0; i < PEERS; i++)
        assert_in_range(seen[i], TRIES * MAX / PEERS * 8 / 10,
                        TRIES * MAX / PEERS * 12 / 10);
    peer_store_deinit(&f.s);
}

static void test_peer_store_samples_hashes(void **state)
{
    enum { HASHES = 500, MAX = 50 };
    bool seen[HASHES] = {false};
    uint8_t out[MAX * ID_BYTES];
    unsigned met = 0;
    struct fixture f;

    (void)state;
    init(&f, &roomy);
    for (unsigned i = 0; i < HASHES; i++)
        put(&f, i, i);
    for (unsigned t = 0; t < 200; t++) {
        size_t n = peer_store_sample_hashes(&f.s, &f.random, out, MAX, f.now);

        assert_int_equal(n, MAX);
        for (size_t i = 0; i < n; i++) {
            unsigned hash;

            memcpy(&hash, out + ID_BYTES * i, sizeof(hash));
            assert_true(hash < HASHES);
            for (size_t j = 0; j < i; j++)
                assert_memory_not_equal(out + ID_BYTES * i, out + ID_BYTES * j,
                                        ID_BYTES);
            met += !seen[hash];
            seen[hash] = true;
        }
    }
    assert_int_equal(met, HASHES);
    peer_store_deinit(&f.s);
}

/* One call frees only so much. */
static void test_peer_store_expires_in_bounded_steps(void **state)
{
    struct fixture f;
    unsigned calls = 0;

    (void)state;
    init(&f, &roomy);
    for (unsigned i = 0; i < 20000; i++)
        put(&f, i, i);
    f.now += LIFETIME - TIME_S; /* not so long that all is known to be old */
    put(&f, 99999, 1);
    f.now += 2 * TIME_S + MARGIN;
    while (f.s.hashes > 1) {
        unsigned before = f.s.peers;

        f.now = peer_store_next_deadline(&f.s) > f.now
                    ? peer_store_next_deadline(&f.s)
                    : f.now;
        peer_store_expire(&f.s, f.now);
        assert_true(before - f.s.peers <= 1000);
        calls++;
    }
    assert_in_range(calls, 30, 1000);
    assert_true(has(&f, 99999, 1));
    sweep_all(&f);
    assert_true(f.s.memory < 20000);
    peer_store_deinit(&f.s);
}

/* ---- Against a model --------------------------------------------------- */

enum { HASHES = 12, PEERS = 40, PORTS = 2 };

struct model {
    uint64_t at[HASHES][PEERS][PORTS]; /* 0: not there */
};

static unsigned model_source(const struct model *m, unsigned peer)
{
    unsigned n = 0;

    for (unsigned h = 0; h < HASHES; h++) {
        for (unsigned p = 0; p < PORTS; p++)
            n += m->at[h][peer][p] != 0;
    }
    return n;
}

static unsigned model_hash(const struct model *m, unsigned h)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PEERS; i++) {
        for (unsigned p = 0; p < PORTS; p++)
            n += m->at[h][i][p] != 0;
    }
    return n;
}

/* The oldest of a hash that `peer` has, or NULL. */
static uint64_t *model_oldest(struct model *m, unsigned h, unsigned peer)
{
    uint64_t *oldest = NULL;

    for (unsigned p = 0; p < PORTS; p++) {
        uint64_t *at = &m->at[h][peer][p];

        if (*at != 0 && (oldest == NULL || *at < *oldest))
            oldest = at;
    }
    return oldest;
}

/* Of those in a hash who have most, but no less than `least`, the oldest. */
static uint64_t *model_heaviest(struct model *m, unsigned h, unsigned least)
{
    uint64_t *best = NULL;

    for (unsigned i = 0; i < PEERS; i++) {
        uint64_t *at = model_oldest(m, h, i);
        unsigned has = model_source(m, i);

        if (at == NULL || has < least ||
            (best != NULL && has == least && *at > *best))
            continue;
        best = at;
        least = has;
    }
    return best;
}

static enum error model_put(struct model *m, const struct peer_store_config *c,
                            unsigned h, unsigned peer, unsigned port,
                            uint64_t now)
{
    unsigned has = model_source(m, peer);
    uint64_t *out = NULL;

    if (m->at[h][peer][port] == 0 &&
        (has >= c->max_per_source || model_hash(m, h) >= c->max_per_hash)) {
        if (has < c->max_per_source)
            out = model_heaviest(m, h, has + 1);
        if (out == NULL)
            out = model_oldest(m, h, peer);
        if (out == NULL)
            return ERR_FULL;
        *out = 0;
    }
    m->at[h][peer][port] = now;
    return OK;
}

static void model_check(struct fixture *f, const struct model *m)
{
    for (unsigned h = 0; h < HASHES; h++) {
        struct endpoint out[PEERS * PORTS + 1];
        size_t n = sample(f, h, out, COUNT_OF(out));

        assert_int_equal(n, model_hash(m, h));
        for (size_t i = 0; i < n; i++)
            assert_true(m->at[h][out[i].addr[3]][out[i].port - 6881] != 0);
    }
}

/* All within one lifetime, so that the model needs no expiry; each put in a
 * step of its own, so that "oldest" has one answer. */
static void test_peer_store_agrees_with_a_model(void **state)
{
    static const struct peer_store_config config = {.max_hashes = HASHES,
                                                    .max_peers = 1000,
                                                    .max_per_hash = 25,
                                                    .max_per_source = 6,
                                                    .lifetime = 3000 * TIME_S};

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct model m = {{{{0}}}};
        struct fixture f;

        init(&f, &config);
        f.r.state += round;
        for (unsigned i = 0; i < 900; i++) {
            unsigned h = test_random_below(&f.r, HASHES);
            unsigned peer = test_random_below(&f.r, PEERS);
            unsigned port = test_random_below(&f.r, PORTS);
            struct id id = nth_hash(h);
            struct endpoint ep = nth_ep(peer);
            enum error want;
            bool can;

            f.now += 3 * TIME_S + TIME_MS;
            ep.port = (uint16_t)(ep.port + port);
            can = peer_store_can_store(&f.s, &id, &ep, f.now);
            want = model_put(&m, &config, h, peer, port, f.now);
            assert_int_equal(peer_store_put(&f.s, &id, &ep, false, f.now),
                             want);
            assert_true(can || want != OK);
            if (i % 10 == 0)
                model_check(&f, &m);
        }
        peer_store_deinit(&f.s);
    }
}

/* ---- Memory ------------------------------------------------------------ */

static void test_peer_store_takes_32_bytes_a_peer(void **state)
{
    static const struct {
        unsigned hashes, peers;
        bool v6;
    } cases[] = {
        {100, 10000, false},  {100, 10000, true},    {10, 10000, true},
        {1000, 100000, true}, {1000, 100000, false},
    };

    (void)state;
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        struct fixture f;
        double each;

        init(&f, &roomy);
        for (unsigned i = 0; i < cases[c].peers; i++) {
            struct id id = nth_hash(i % cases[c].hashes);
            struct endpoint ep = cases[c].v6 ? nth_ep6(i) : nth_ep(i);

            assert_int_equal(peer_store_put(&f.s, &id, &ep, false, f.now), OK);
        }
        each = (double)f.s.memory / cases[c].peers;
        print_message("%u %s peers of %u hashes: %.1f bytes each\n",
                      cases[c].peers, cases[c].v6 ? "IPv6" : "IPv4",
                      cases[c].hashes, each);
        assert_true(each <= 32);
        peer_store_deinit(&f.s);
        assert_int_equal(f.s.memory, 0);
    }
}

static void test_peer_store_survives_failing_allocations(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct fixture f;
        unsigned stored = 0;
        bool failed;

        init(&f, &roomy);
        fail_alloc_at(n);
        for (unsigned i = 0; i < 100; i++) {
            enum error e = put(&f, i % 40, i);

            assert_true(e == OK || e == ERR_NO_MEMORY);
            stored += e == OK;
        }
        failed = fail_alloc_end();
        assert_int_equal(f.s.peers, stored);
        assert_in_range(stored, 99, 100);
        for (unsigned i = 0; i < 40; i++)
            has(&f, i, i);
        f.now += LIFETIME - TIME_MIN;
        put(&f, 1, 1);
        f.now += 2 * TIME_MIN;
        sweep_all(&f);
        assert_int_equal(f.s.peers, 0);
        peer_store_deinit(&f.s);
        if (!failed)
            break;
        assert_true(n < 1000);
    }
}

static void test_peer_store_takes_new_limits(void **state)
{
    struct peer_store_config c = roomy;
    struct fixture f;

    (void)state;
    init(&f, &c);
    for (unsigned i = 0; i < 20; i++)
        put(&f, 1, i);
    c.max_per_hash = 10;
    peer_store_configure(&f.s, &c);
    put(&f, 1, 100);
    assert_int_equal(f.s.peers, 20);
    peer_store_deinit(&f.s);
}

/* From `first` to `second` when a peer is `age` old: it lives as long as the
 * second says, but for the coarseness of both. */
static void try_lifetimes(uint64_t first, uint64_t second, uint64_t age)
{
    struct peer_store_config c = roomy;
    uint64_t margin = first / 256 + second / 256 + 4;
    struct fixture f;

    c.lifetime = first;
    init(&f, &c);
    put(&f, 1, 1);
    f.now += age;
    assert_true(has(&f, 1, 1));
    c.lifetime = second;
    peer_store_configure(&f.s, &c);
    if (second > age) {
        f.now += second - age;
        peer_store_expire(&f.s, f.now);
        assert_true(has(&f, 1, 1));
    }
    f.now += margin;
    assert_false(has(&f, 1, 1));
    peer_store_deinit(&f.s);
}

static void test_peer_store_takes_any_new_lifetime(void **state)
{
    static const uint64_t lifetimes[] = {TIME_S, TIME_MIN, 30 * TIME_MIN,
                                         10 * TIME_HOUR, 168 * TIME_HOUR};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lifetimes); i++) {
        for (size_t j = 0; j < COUNT_OF(lifetimes); j++) {
            try_lifetimes(lifetimes[i], lifetimes[j], 0);
            try_lifetimes(lifetimes[i], lifetimes[j], lifetimes[i] / 2);
            try_lifetimes(lifetimes[i], lifetimes[j], lifetimes[i] - 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peer_store_gives_what_was_put),
        cmocka_unit_test(test_peer_store_expires_after_lifetime),
        cmocka_unit_test(test_peer_store_survives_long_pauses),
        cmocka_unit_test(test_peer_store_keeps_to_max_per_hash),
        cmocka_unit_test(test_peer_store_keeps_to_max_hashes),
        cmocka_unit_test(test_peer_store_keeps_to_max_peers),
        cmocka_unit_test(test_peer_store_keeps_to_max_peers_over_many_hashes),
        cmocka_unit_test(test_peer_store_keeps_to_max_per_source),
        cmocka_unit_test(test_peer_store_takes_a_64_as_one_source),
        cmocka_unit_test(test_peer_store_counts_wide_sources),
        cmocka_unit_test(test_peer_store_does_not_take_many_for_one),
        cmocka_unit_test(test_peer_store_the_biggest_holder_makes_way),
        cmocka_unit_test(test_peer_store_the_biggest_in_a_hash_makes_way),
        cmocka_unit_test(test_peer_store_a_hash_weighs_what_its_lightest_does),
        cmocka_unit_test(test_peer_store_the_far_makes_way_for_the_near),
        cmocka_unit_test(test_peer_store_samples_at_random),
        cmocka_unit_test(test_peer_store_samples_hashes),
        cmocka_unit_test(test_peer_store_expires_in_bounded_steps),
        cmocka_unit_test(test_peer_store_agrees_with_a_model),
        cmocka_unit_test(test_peer_store_takes_32_bytes_a_peer),
        cmocka_unit_test(test_peer_store_survives_failing_allocations),
        cmocka_unit_test(test_peer_store_takes_new_limits),
        cmocka_unit_test(test_peer_store_takes_any_new_lifetime),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
