/* SPDX-License-Identifier: MIT */
#include "dht_data.h"

#include "dht/dht.h"
#include "dht/table/size_estimate.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The k nearest of `count` ids, by insertion. */
static size_t nearest(const struct id *target, const struct id *ids,
                      size_t count, struct id out[DHT_K])
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        size_t at = found < DHT_K ? found++ : DHT_K - 1;

        if (at == DHT_K - 1 && found == DHT_K && i >= DHT_K &&
            id_compare_distance(target, &ids[i], &out[at]) > 0)
            continue;
        for (; at > 0 && id_compare_distance(target, &ids[i], &out[at - 1]) < 0;
             at--)
            out[at] = out[at - 1];
        out[at] = ids[i];
    }
    return found;
}

static void test_size_estimate_is_unknown_at_first(void **state)
{
    struct size_estimate e;
    struct id target = {{0}};

    (void)state;
    size_estimate_init(&e);
    assert_true(size_estimate_get(&e) == 0);
    size_estimate_add(&e, &target, NULL, 0);
    assert_true(size_estimate_get(&e) == 0);
}

static void test_size_estimate_of_networks(void **state)
{
    static const size_t sizes[] = {8, 50, 500, 10000};
    static struct id ids[10000];
    struct test_random r = test_seed(3);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct size_estimate e;
        double got, size = (double)sizes[i];

        for (size_t j = 0; j < sizes[i]; j++)
            ids[j] = test_random_id(&r);
        size_estimate_init(&e);
        for (int n = 0; n < 200; n++) {
            struct id target = test_random_id(&r), closest[DHT_K];
            size_t count = nearest(&target, ids, sizes[i], closest);

            size_estimate_add(&e, &target, closest, count);
        }
        got = size_estimate_get(&e);
        print_message("%zu nodes: %.0f\n", sizes[i], got);
        assert_true(got > 0.7 * size && got < 1.4 * size);
    }
}

static void test_size_estimate_of_tiny_networks_is_exact(void **state)
{
    struct test_random r = test_seed(4);
    struct id ids[DHT_K];

    (void)state;
    for (size_t size = 1; size < DHT_K; size++) {
        struct id target = test_random_id(&r);
        struct size_estimate e;
        double got;

        for (size_t j = 0; j < size; j++)
            ids[j] = test_random_id(&r);
        size_estimate_init(&e);
        size_estimate_add(&e, &target, ids, size);
        got = size_estimate_get(&e);
        assert_true(got > (double)size - 0.01 && got < (double)size + 0.01);
    }
}

static void test_size_estimate_survives_absurd_answers(void **state)
{
    struct id target = {{0}}, same[DHT_K] = {{{0}}};
    struct size_estimate e;

    (void)state;
    size_estimate_init(&e);
    size_estimate_add(&e, &target, same, DHT_K); /* all at distance 0 */
    assert_true(size_estimate_get(&e) == 0);
    memset(same, 0xff, sizeof(same));
    size_estimate_add(&e, &target, same, DHT_K);
    assert_true(size_estimate_get(&e) >= 1);
}

/* A network that grows is followed. */
static void test_size_estimate_follows_change(void **state)
{
    static struct id ids[4000];
    struct test_random r = test_seed(6);
    struct size_estimate e;
    double got;

    (void)state;
    for (size_t j = 0; j < COUNT_OF(ids); j++)
        ids[j] = test_random_id(&r);
    size_estimate_init(&e);
    for (int n = 0; n < 300; n++) {
        struct id target = test_random_id(&r), closest[DHT_K];
        size_t size = n < 150 ? 100 : COUNT_OF(ids);

        size_estimate_add(&e, &target, closest,
                          nearest(&target, ids, size, closest));
    }
    got = size_estimate_get(&e);
    assert_true(got > 2500 && got < 6000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_estimate_is_unknown_at_first),
        cmocka_unit_test(test_size_estimate_of_networks),
        cmocka_unit_test(test_size_estimate_of_tiny_networks_is_exact),
        cmocka_unit_test(test_size_estimate_survives_absurd_answers),
        cmocka_unit_test(test_size_estimate_follows_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
