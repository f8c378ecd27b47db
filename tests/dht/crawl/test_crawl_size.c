/* SPDX-License-Identifier: MIT
 *
 * Whether the intervals of the estimators have the truth in them as often as
 * they say, and what clusters of ids are found in random and in made ones.
 */
#include "dht_data.h"

#include "base/timestamp.h"
#include "dht/crawl/crawl_cluster.h"
#include "dht/crawl/crawl_size.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- Density ------------------------------------------------------------- */

static double uniform(struct test_random *r)
{
    return ((double)(test_random_next(r) >> 11) + 0.5) / 9007199254740992.0;
}

/* The distance to the 8th nearest of `n` at random: sums of exponential
 * gaps. */
static double eighth(struct test_random *r, double n)
{
    double sum = 0;

    for (int i = 0; i < 8; i++)
        sum -= log(uniform(r)) / n;
    return sum;
}

static void test_crawl_size_density_holds(void **state)
{
    struct test_random r = test_seed(11);
    unsigned inside = 0, tried = 400;
    double sum = 0;

    (void)state;
    for (unsigned t = 0; t < tried; t++) {
        struct crawl_size size;
        double d[64];

        for (size_t i = 0; i < COUNT_OF(d); i++)
            d[i] = eighth(&r, 5e6);
        crawl_density(d, COUNT_OF(d), 8, &size);
        assert_true(size.known);
        assert_true(size.low <= size.nodes && size.nodes <= size.high);
        inside += size.low <= 5e6 && 5e6 <= size.high;
        sum += size.nodes;
    }
    print_message("  inside %u of %u, mean %.3f of the truth\n", inside, tried,
                  sum / tried / 5e6);
    assert_true(inside * 100 >= 93 * tried);
    assert_true(fabs(sum / tried / 5e6 - 1) < 0.02);
}

/* A quarter of the targets is crowded by nodes that were made for it. */
static void test_crawl_size_density_crowded(void **state)
{
    struct test_random r = test_seed(12);
    struct crawl_size size;
    double d[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(d); i++)
        d[i] = i % 4 == 0 ? 1e-15 : eighth(&r, 1000);
    crawl_density(d, COUNT_OF(d), 8, &size);
    assert_true(size.known);
    assert_true(size.nodes < 1300);
}

static void test_crawl_size_density_of_few(void **state)
{
    struct crawl_size size;
    double d[5] = {0.1, 0.2, 0.3, 0.4, 0.5};

    (void)state;
    crawl_density(d, COUNT_OF(d), 8, &size);
    assert_false(size.known);
    crawl_density(d, 0, 8, &size);
    assert_false(size.known);
}

/* ---- Recapture ----------------------------------------------------------- */

static unsigned poisson(struct test_random *r, double mean)
{
    double limit = exp(-mean), p = uniform(r);
    unsigned n = 0;

    for (; p > limit; n++)
        p *= uniform(r);
    return n;
}

/* What a walk sees of 2000 nodes of which each is named by `often` others, and
 * one in ten by `seldom`. */
static void name_many(struct test_random *r, double often, double seldom,
                      struct crawl_size *size)
{
    uint64_t seen = 0, f1 = 0, f2 = 0;

    for (unsigned i = 0; i < 2000; i++) {
        unsigned n = poisson(r, i % 10 == 0 ? seldom : often);

        seen += n > 0;
        f1 += n == 1;
        f2 += n == 2;
    }
    crawl_recapture(seen, f1, f2, size);
}

static void test_crawl_size_recapture_holds(void **state)
{
    struct test_random r = test_seed(13);
    unsigned inside = 0, tried = 300;

    (void)state;
    for (unsigned t = 0; t < tried; t++) {
        struct crawl_size size;

        name_many(&r, 3, 3, &size);
        inside += size.low <= 2000 && 2000 <= size.high;
    }
    print_message("  inside %u of %u\n", inside, tried);
    assert_true(inside * 100 >= 92 * tried);
}

/* Where some are seldom named it is a bound from below, and better than what
 * was seen. */
static void test_crawl_size_recapture_unequal(void **state)
{
    struct test_random r = test_seed(14);
    double sum = 0, seen = 0;

    (void)state;
    for (unsigned t = 0; t < 300; t++) {
        struct crawl_size size;

        name_many(&r, 4, 1, &size);
        sum += size.nodes / 300;
        seen += size.samples / 300.0;
    }
    print_message("  %.0f seen, %.0f estimated of 2000\n", seen, sum);
    assert_true(sum < 2000);
    assert_true(2000 - sum < (2000 - seen) / 2);
}

static void test_crawl_size_recapture_edges(void **state)
{
    struct crawl_size size;

    (void)state;
    crawl_recapture(0, 0, 0, &size);
    assert_false(size.known);
    crawl_recapture(10, 0, 0, &size);
    assert_true(size.nodes == 10 && size.low == 10 && size.high > 10);
    crawl_recapture(10, 3, 0, &size);
    assert_true(size.nodes == 13 && size.low > 10 && size.high > 13);
}

/* ---- Clusters ------------------------------------------------------------ */

struct fixture {
    struct test_random random;
    struct crawl *c;
    unsigned count;
};

static void start(struct fixture *f, uint64_t seed)
{
    struct crawl_config config;

    *f = (struct fixture){.random = {seed}};
    crawl_config_init(&config);
    config.probes = 0;
    config.max_in_flight = UINT16_MAX;
    config.random = test_source(&f->random);
    assert_int_equal(crawl_new(&config, 0, &f->c), OK);
}

static void see(struct fixture *f, const struct id *id,
                const struct endpoint *ep)
{
    const struct dht_answer a = {.id = *id, .from = *ep, .rtt = TIME_MS};

    crawl_add(f->c, id, ep);
    crawl_asked(f->c, ep, 0);
    crawl_answered(f->c, ep, &a, 0);
    f->count++;
}

static void see_random(struct fixture *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct endpoint ep = test_ep4((uint8_t)(30 + f->count % 40),
                                      (uint8_t)(f->count / 40), 1, 1, 80);
        struct id id = test_random_id(&f->random);

        see(f, &id, &ep);
    }
}

static void test_crawl_clusters_not_by_chance(void **state)
{
    struct crawl_cluster *found;
    size_t count, all = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct fixture f;

        start(&f, seed * 977);
        see_random(&f, 500);
        assert_int_equal(crawl_clusters(f.c, FAMILY_IPV4, &found, &count), OK);
        all += count;
        free(found);
        crawl_free(f.c);
    }
    print_message("  %zu groups in 40 random networks\n", all);
    assert_in_range(all, 0, 2);
}

/* Six nodes in one /24 around a key, which share 24 to 28 bits with it; two
 * that differ in the last bits. */
static void test_crawl_clusters_made(void **state)
{
    struct crawl_cluster *found;
    struct fixture f;
    struct id key, twin;
    size_t count;

    (void)state;
    start(&f, 5);
    see_random(&f, 500);
    key = test_random_id(&f.random);
    for (unsigned i = 0; i < 6; i++) {
        struct endpoint ep = test_ep4(91, 2, 3, (uint8_t)(i / 2), 1000);
        struct id id = test_near_id(&f.random, &key, 24 + (int)(i % 5));

        ep.port = (uint16_t)(ep.port + i);
        see(&f, &id, &ep);
    }
    twin = test_random_id(&f.random);
    for (unsigned i = 0; i < 2; i++) {
        struct endpoint ep = test_ep4(92, 2, (uint8_t)i, 1, 1000);
        struct id id = test_near_id(&f.random, &twin, 60 + (int)i);

        see(&f, &id, &ep);
    }
    assert_int_equal(crawl_clusters(f.c, FAMILY_IPV4, &found, &count), OK);
    assert_int_equal(count, 2);
    assert_int_equal(found[0].nodes, 6);
    assert_int_equal(found[0].bits, 24);
    assert_int_equal(found[0].hosts, 3);
    assert_true(found[0].chance < -20);
    assert_int_equal(id_common_bits(&found[0].prefix, &key) >= 24, 1);
    assert_int_equal(found[1].nodes, 2);
    assert_int_equal(found[1].hosts, 2);
    free(found);
    assert_int_equal(crawl_clusters(f.c, FAMILY_IPV6, &found, &count), OK);
    assert_int_equal(count, 0);
    free(found);
    crawl_free(f.c);
}

/* Two of n: n^2 / 2 pairs, of which one in 2^bits agrees. */
static void test_crawl_clusters_chance(void **state)
{
    (void)state;
    assert_true(fabs(crawl_chance(2, 40, 1000) -
                     log10(1000.0 * 1000 / 2 / exp2(40))) < 0.01);
    /* All in one part. */
    assert_true(crawl_chance(500, 0, 500) <= 0);
    /* Less than is expected there. */
    assert_true(crawl_chance(10, 3, 1000) > 0);
}

static void test_crawl_networks_counted(void **state)
{
    struct crawl_network *found;
    struct fixture f;
    size_t count;

    (void)state;
    start(&f, 9);
    see_random(&f, 40);
    for (unsigned i = 0; i < 5; i++) {
        struct endpoint ep = test_ep4(91, 2, 3, (uint8_t)i, 1000);
        struct id id = test_random_id(&f.random);

        see(&f, &id, &ep);
        ep = test_ep4(91, 2, (uint8_t)(4 + i), 1, 1000);
        id = test_random_id(&f.random);
        see(&f, &id, &ep);
    }
    assert_int_equal(crawl_networks(f.c, FAMILY_IPV4, 24, &found, &count), OK);
    assert_int_equal(count, 40 + 1 + 5);
    assert_int_equal(found[0].nodes, 5);
    assert_int_equal(found[0].prefix.addr[2], 3);
    free(found);
    assert_int_equal(crawl_networks(f.c, FAMILY_IPV4, 16, &found, &count), OK);
    assert_int_equal(count, 40 + 1);
    assert_int_equal(found[0].nodes, 10);
    free(found);
    crawl_free(f.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crawl_size_density_holds),
        cmocka_unit_test(test_crawl_size_density_crowded),
        cmocka_unit_test(test_crawl_size_density_of_few),
        cmocka_unit_test(test_crawl_size_recapture_holds),
        cmocka_unit_test(test_crawl_size_recapture_unequal),
        cmocka_unit_test(test_crawl_size_recapture_edges),
        cmocka_unit_test(test_crawl_clusters_not_by_chance),
        cmocka_unit_test(test_crawl_clusters_made),
        cmocka_unit_test(test_crawl_clusters_chance),
        cmocka_unit_test(test_crawl_networks_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
