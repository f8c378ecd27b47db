/* SPDX-License-Identifier: MIT
 *
 * Scrapes, lookups without seeds and announcements of seeds (BEP 33), as we
 * ask for them.
 */
#include "dht_harness.h"

#include "dht/types/bloom.h"

#define PEERS 40
#define RTT   (20 * TIME_MS)

struct fixture {
    struct harness h;
    struct peers p;
    struct witness w;
    struct test_random random;
    struct id target;
    /* What who is asked for peers says; all the same. */
    void (*say)(struct fixture *f, struct dht_message *m);
    unsigned answered; /* get_peers */
    unsigned scrapes, no_seeds, seeds, announced;
    uint8_t filters[2][DHT_BLOOM_BYTES];
};

static struct fixture *start(enum dht_dialect dialect)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->random = test_seed(7);
    f->target = test_id("c0ffee");
    harness_init(&f->h);
    f->h.config.dialect = dialect;
    harness_start(&f->h);
    peers_make(&f->p, PEERS, &f->random);
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[0].ep, f->h.now), OK);
    peers_run(&f->p, &f->h, 20 * TIME_S, RTT);
    return f;
}

static void end(struct fixture *f)
{
    harness_end(&f->h);
    free(f);
}

static void respond(struct fixture *f, const struct sent *s)
{
    struct peer *peer = peers_at(&f->p, &s->to);
    uint8_t nodes[DHT_NODES_MAX * COMPACT_NODE4];
    struct dht_message m;

    if (s->m.kind != DHT_QUERY || s->m.method != DHT_GET_PEERS) {
        if (s->m.kind == DHT_QUERY && s->m.method == DHT_ANNOUNCE_PEER) {
            f->announced++;
            f->seeds += s->m.seed;
        }
        peers_answer(&f->p, &f->h, s);
        return;
    }
    f->scrapes += s->m.scrape;
    f->no_seeds += s->m.no_seed;
    f->answered++;
    harness_answer(&m, s, &peer->id);
    m.nodes = peers_nodes(&f->p, &s->m.target, DHT_K, nodes);
    m.token = TEST_BYTES("tokentok");
    m.has |= DHT_HAS_NODES | DHT_HAS_TOKEN;
    if (f->say != NULL)
        f->say(f, &m);
    harness_give(&f->h, &s->to, &m);
}

static void run(struct fixture *f)
{
    for (int i = 0; i < 100; i++) {
        size_t until = f->h.sent_count;

        while (f->h.taken < until)
            respond(f, f->h.sent[f->h.taken++]);
        harness_run(&f->h, f->h.now + RTT);
    }
}

static void scrape(struct fixture *f)
{
    struct dht_handler handler = witness_handler(&f->w);

    f->answered = 0;
    assert_int_equal(dht_scrape(f->h.d, &f->target, &handler, f->h.now, NULL),
                     OK);
    run(f);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, OK);
    assert_in_range(f->answered, DHT_K, PEERS);
    assert_int_equal(f->scrapes, f->answered);
}

static struct endpoint host(unsigned n)
{
    return test_ep4(127, 30, (uint8_t)(n >> 8), (uint8_t)n, 1);
}

static void assert_about(double value, double expected)
{
    if (value < expected * 0.9 || value > expected * 1.1)
        fail_msg("%f is not about %f", value, expected);
}

/* Each knows ten seeds and five others that nobody else does, and a hundred
 * others that all do. */
static void say_filters(struct fixture *f, struct dht_message *m)
{
    memset(f->filters, 0, sizeof(f->filters));
    for (unsigned i = 0; i < 115; i++) {
        struct endpoint ep = host(i < 15 ? 1000 + 15 * f->answered + i : i);

        bloom_insert(f->filters[i < 10], &ep);
    }
    m->seed_bloom = f->filters[1];
    m->peer_bloom = f->filters[0];
    m->has |= DHT_HAS_SEED_BLOOM | DHT_HAS_PEER_BLOOM;
}

static void test_dht_scrape_joins_filters(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < 2; dialect++) {
        struct fixture *f = start((enum dht_dialect)dialect);

        f->say = say_filters;
        scrape(f);
        /* Some answer after its end. */
        assert_in_range(f->w.result.scraped, DHT_K, f->answered);
        assert_about(f->w.result.seeds, 10 * f->w.result.scraped);
        assert_about(f->w.result.downloaders, 100 + 5 * f->w.result.scraped);
        end(f);
    }
}

static void say_lies(struct fixture *f, struct dht_message *m)
{
    say_filters(f, m);
    if (f->answered % 2 == 0)
        memset(f->filters, 0xff, sizeof(f->filters));
    if (f->answered % 4 == 1) /* half of it is nothing */
        m->has &= ~(uint32_t)DHT_HAS_SEED_BLOOM;
}

static void test_dht_scrape_leaves_out_full_filters(void **state)
{
    struct fixture *f = start(DHT_DIALECT_MAINLINE);

    (void)state;
    f->say = say_lies;
    scrape(f);
    assert_in_range(f->w.result.scraped, 1, f->answered / 2);
    assert_about(f->w.result.seeds, 10 * f->w.result.scraped);
    assert_about(f->w.result.downloaders, 100 + 5 * f->w.result.scraped);
    end(f);
}

/* Some give filters; others know nothing of BEP 33 and name peers: of these
 * two are seeds by the filters, and three are in none. */
static void say_peers(struct fixture *f, struct dht_message *m)
{
    if (f->answered % 2 == 0) {
        memset(f->filters, 0, sizeof(f->filters));
        for (unsigned i = 0; i < 2; i++) {
            struct endpoint ep = host(i);

            bloom_insert(f->filters[1], &ep);
        }
        m->seed_bloom = f->filters[1];
        m->peer_bloom = f->filters[0];
        m->has |= DHT_HAS_SEED_BLOOM | DHT_HAS_PEER_BLOOM;
        return;
    }
    for (unsigned i = 0; i < 5; i++)
        m->values[m->value_count++] = host(i);
    m->has |= DHT_HAS_VALUES;
}

static void test_dht_scrape_counts_peers_of_others(void **state)
{
    struct fixture *f = start(DHT_DIALECT_MAINLINE);

    (void)state;
    f->say = say_peers;
    scrape(f);
    assert_int_equal(f->w.peer_count, 5);
    assert_in_range(f->w.result.scraped, 1, f->answered - 1);
    assert_about(f->w.result.seeds, 2);
    assert_about(f->w.result.downloaders, 3);
    end(f);
}

static void test_dht_scrape_of_nothing(void **state)
{
    struct fixture *f = start(DHT_DIALECT_WARREN);

    (void)state;
    scrape(f);
    assert_int_equal(f->w.result.scraped, 0);
    assert_true(f->w.result.seeds == 0 && f->w.result.downloaders == 0);
    end(f);
}

/* What we store ourselves is part of it. */
static void test_dht_scrape_has_our_own(void **state)
{
    struct fixture *f = start(DHT_DIALECT_MAINLINE);
    uint8_t token[DHT_TOKEN_BYTES];

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct id id = test_random_id(&f->random);
        struct endpoint ep = host(i);
        struct dht_message m;

        harness_query(&m, DHT_GET_PEERS, &id, &f->target);
        memcpy(token, harness_ask(&f->h, &ep, &m)->m.token.p, sizeof(token));
        m.method = DHT_ANNOUNCE_PEER;
        m.token = bytes_of(token, sizeof(token));
        m.implied_port = true;
        m.seed = i < 4;
        m.has |= DHT_HAS_TOKEN;
        assert_int_equal(harness_ask(&f->h, &ep, &m)->m.kind, DHT_RESPONSE);
    }
    scrape(f);
    assert_int_equal(f->w.result.scraped, 1);
    assert_about(f->w.result.seeds, 4);
    assert_about(f->w.result.downloaders, 2);
    end(f);
}

static void test_dht_get_downloaders(void **state)
{
    struct fixture *f = start(DHT_DIALECT_MAINLINE);
    struct dht_handler handler = witness_handler(&f->w);

    (void)state;
    assert_int_equal(
        dht_get_downloaders(f->h.d, &f->target, &handler, f->h.now, NULL), OK);
    run(f);
    assert_int_equal(f->w.done, 1);
    assert_true(f->answered >= DHT_K);
    assert_int_equal(f->no_seeds, f->answered);
    assert_int_equal(f->scrapes, 0);
    end(f);
}

static void note_seed(void *ctx, const struct dht_publication_info *info)
{
    unsigned *seeds = ctx;

    *seeds += info->seed ? 1 : 10;
}

/* A seed says so; one that is announced anew as none does not. */
static void test_dht_announce_seed(void **state)
{
    struct fixture *f = start(DHT_DIALECT_MAINLINE);
    struct dht_handler handler = witness_handler(&f->w);
    unsigned seeds = 0;

    (void)state;
    assert_int_equal(dht_announce_seed(f->h.d, &f->target, 0, false, &handler,
                                       f->h.now, NULL),
                     ERR_RANGE);
    assert_int_equal(dht_announce_seed(f->h.d, &f->target, 4000, false,
                                       &handler, f->h.now, NULL),
                     OK);
    run(f);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.stored, DHT_K);
    assert_int_equal(f->seeds, f->announced);
    dht_publications(f->h.d, note_seed, &seeds);
    assert_int_equal(seeds, 1);

    f->seeds = f->announced = 0;
    assert_int_equal(
        dht_announce(f->h.d, &f->target, 4000, false, NULL, f->h.now, NULL),
        OK);
    run(f);
    assert_true(f->announced >= DHT_K);
    assert_int_equal(f->seeds, 0);
    dht_publications(f->h.d, note_seed, &seeds);
    assert_int_equal(seeds, 11);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_scrape_joins_filters),
        cmocka_unit_test(test_dht_scrape_leaves_out_full_filters),
        cmocka_unit_test(test_dht_scrape_counts_peers_of_others),
        cmocka_unit_test(test_dht_scrape_of_nothing),
        cmocka_unit_test(test_dht_scrape_has_our_own),
        cmocka_unit_test(test_dht_get_downloaders),
        cmocka_unit_test(test_dht_announce_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
