/* SPDX-License-Identifier: MIT
 *
 * Latencies of pairs, uplinks and partitions.
 */
#include "sim/path/path.h"

#include "base/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PAIRS 20000

static struct path_config config;
static struct path *path;
static struct text why;

static int teardown(void **state)
{
    (void)state;
    path_free(path);
    path = NULL;
    text_deinit(&why);
    return 0;
}

static int setup(void **state)
{
    teardown(state);
    text_init(&why, 1000);
    config = (struct path_config){.seed = 3};
    return 0;
}

static void make(void)
{
    assert_int_equal(path_new(&config, &path, &why), OK);
}

static uint32_t delay(uint32_t a, uint32_t b, uint64_t draw)
{
    return path_delay(path, (struct path_end){a, path_region(path, a)},
                      (struct path_end){b, path_region(path, b)}, draw);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void test_path_of_a_spread_is_the_pairs(void **state)
{
    static uint32_t all[PAIRS];

    (void)state;
    config.latency = (struct spread){
        .kind = SPREAD_LOGNORMAL, .a = 50 * TIME_MS, .shape = 0.5};
    make();
    assert_true(path_has_latency(path));
    for (uint32_t i = 0; i < PAIRS; i++) {
        uint32_t a = i * 7, b = i * 13 + 1;
        uint32_t most = delay(a, b, UINT64_MAX);

        all[i] = delay(a, b, 0);
        assert_int_equal(delay(b, a, 0), all[i]);
        assert_true(all[i] >= path_least(path));
        assert_true(most >= all[i] && most <= all[i] + all[i] / 16);
        assert_true(most > all[i] + all[i] / 17);
    }
    qsort(all, PAIRS, sizeof(all[0]), compare);
    for (double p = 0.1; p < 0.95; p += 0.1) {
        double is = all[(int)(p * PAIRS)];
        double should = (double)spread_quantile(&config.latency, p);

        assert_true(is > 0.97 * should && is < 1.03 * should);
    }
    assert_in_range(path_least(path), 7 * TIME_MS, 9 * TIME_MS);
}

static void test_path_fixed_is_fixed(void **state)
{
    (void)state;
    config.latency = (struct spread){.kind = SPREAD_FIXED, .a = 30 * TIME_MS};
    make();
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(delay(i, i * i, UINT64_MAX), 30 * TIME_MS);
    assert_int_equal(path_least(path), 30 * TIME_MS);
    path_free(path);
    config.latency.a = 0; /* time passes all the same */
    make();
    assert_int_equal(path_least(path), 1);
    path_free(path);
    config.latency.a = 100 * TIME_S;
    make();
    assert_int_equal(delay(1, 2, 0), 4 * TIME_S);
}

static void test_path_is_not_much_shorter_than_most(void **state)
{
    (void)state;
    config.latency =
        (struct spread){.kind = SPREAD_EXPONENTIAL, .a = 64 * TIME_MS};
    make();
    assert_in_range(path_least(path), 1386 * TIME_US, 1387 * TIME_US);
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(delay(i, i + 1, 0) >= path_least(path));
}

static void test_path_without_latency_has_none(void **state)
{
    (void)state;
    make();
    assert_false(path_has_latency(path));
    assert_int_equal(path_uplink(path, 5), 0);
    assert_int_equal(path_region(path, 5), 0);
    assert_false(path_cuts(path, 1, 2, TIME_HOUR));
}

static void write_file(char *name, const char *text)
{
    int fd = mkstemp(name);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_path_of_regions_is_what_the_matrix_says(void **state)
{
    char matrix[] = "/tmp/warren_matrix_XXXXXX";
    char places[] = "/tmp/warren_places_XXXXXX";

    (void)state;
    write_file(matrix, "from,eu,us\neu,8,45\nus,46,12\n");
    write_file(places, "node,region\n0,eu\n1,us\n");
    config.regions = matrix;
    config.places = places;
    make();
    assert_int_equal(delay(0, 2, 0), 8 * TIME_MS);
    assert_int_equal(delay(0, 1, 0), 45 * TIME_MS);
    assert_int_equal(delay(1, 0, 0), 46 * TIME_MS);
    assert_int_equal(delay(1, 3, 0), 12 * TIME_MS);
    assert_in_range(delay(0, 1, UINT64_MAX), 47 * TIME_MS, 48 * TIME_MS);
    assert_int_equal(path_least(path), 8 * TIME_MS);
    path_free(path);
    path = NULL;
    unlink(places);
    assert_int_equal(path_new(&config, &path, &why), ERR_IO);
    assert_non_null(strstr(text_get(&why), places));
    unlink(matrix);
    assert_int_equal(path_new(&config, &path, &why), ERR_IO);
}

static void test_path_uplinks_are_drawn_for_each(void **state)
{
    uint64_t sum = 0;

    (void)state;
    config.uplink =
        (struct spread){.kind = SPREAD_UNIFORM, .a = 10000, .b = 30000};
    make();
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t rate = path_uplink(path, i);

        assert_in_range(rate, 10000, 30000);
        assert_int_equal(path_uplink(path, i), rate);
        sum += rate;
    }
    assert_in_range(sum / 1000, 19000, 21000);
}

/* A third inside reaches itself, and so do the other two. */
static void test_path_partition_cuts_a_share_off(void **state)
{
    unsigned cut = 0, inside = 0;

    (void)state;
    config.partition_count = 2;
    config.partitions[0] = (struct path_partition){100, 200, 0.3};
    config.partitions[1] = (struct path_partition){300, 400, 0.3};
    make();
    for (uint32_t i = 1; i < 2000; i++) {
        bool first = path_cuts(path, 0, i, 100);

        assert_false(path_cuts(path, 0, i, 99));
        assert_int_equal(path_cuts(path, i, 0, 199), first);
        assert_false(path_cuts(path, 0, i, 200));
        cut += first;
        inside += first != path_cuts(path, 0, i, 300);
        for (uint32_t j = 1; j < i && j < 10; j++)
            assert_int_equal(path_cuts(path, i, j, 150),
                             first != path_cuts(path, 0, j, 150));
    }
    assert_true((cut > 540 && cut < 660) || (cut > 1340 && cut < 1460));
    assert_in_range(inside, 700, 1300); /* the two are not the same nodes */
}

static void test_path_hangs_on_the_seed(void **state)
{
    struct path *other;
    unsigned same = 0;

    (void)state;
    config.latency = (struct spread){
        .kind = SPREAD_UNIFORM, .a = TIME_MS, .b = 100 * TIME_MS};
    make();
    config.seed++;
    assert_int_equal(path_new(&config, &other, &why), OK);
    for (uint32_t i = 0; i < 1000; i++)
        same += delay(0, i, 0) == path_delay(other, (struct path_end){0, 0},
                                             (struct path_end){i, 0}, 0);
    assert_true(same < 5);
    path_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_path_of_a_spread_is_the_pairs,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_fixed_is_fixed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_path_is_not_much_shorter_than_most,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_without_latency_has_none,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_path_of_regions_is_what_the_matrix_says, setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_uplinks_are_drawn_for_each,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_partition_cuts_a_share_off,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_hangs_on_the_seed, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
