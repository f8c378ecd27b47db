/* SPDX-License-Identifier: MIT
 *
 * The index of ids against all ids looked at one by one.
 */
#include "sim/part/dht/id_index.h"

#include "../../sim_test.h"
#include "sim/chance/rng.h"

#include <string.h>

#define IDS 3000
#define K   8

static struct id_entry all[IDS];
static struct sim_rng rng;

static void draw(struct id *id)
{
    sim_rng_fill(&rng, id->b, ID_BYTES);
}

/* How many of the first `n` are nearer to `target` than `e`. */
static size_t nearer(size_t n, const struct id *target,
                     const struct id_entry *e)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += id_compare_distance(target, &all[i].id, &e->id) < 0;
    return count;
}

static void check(const struct id_index *x, size_t n)
{
    struct id_entry found[K];
    struct id target;
    size_t count;

    draw(&target);
    count = id_index_nearest(x, &target, K, found);
    assert_int_equal(count, n < K ? n : K);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(nearer(n, &target, &found[i]), i);
}

/* Indexes that expect too many or too few are right, too. */
static void nearest_of(size_t expected)
{
    struct id_index x;

    assert_int_equal(id_index_init(&x, expected), OK);
    for (uint32_t i = 0; i < IDS; i++) {
        draw(&all[i].id);
        all[i].who = i;
        assert_int_equal(id_index_add(&x, &all[i].id, i), OK);
        if (i < 20 || i % 500 == 0)
            check(&x, i + 1);
    }
    assert_int_equal(x.count, IDS);
    for (uint32_t i = IDS; i-- > 0;) {
        id_index_remove(&x, &all[i].id, i);
        if (i < 20 || i % 500 == 0)
            check(&x, i);
    }
    assert_int_equal(x.count, 0);
    id_index_deinit(&x);
}

static void test_id_index_nearest(void **state)
{
    (void)state;
    sim_rng_init(&rng, test_seed(), 0);
    nearest_of(IDS);
    nearest_of(1);
    nearest_of(1000000);
}

static void test_id_index_same_id(void **state)
{
    struct id_entry found[K];
    struct id_index x;
    struct id id = {{1, 2, 3}};

    (void)state;
    assert_int_equal(id_index_init(&x, 10), OK);
    assert_int_equal(id_index_add(&x, &id, 7), OK);
    assert_int_equal(id_index_add(&x, &id, 9), OK);
    id_index_remove(&x, &id, 8);
    assert_int_equal(x.count, 2);
    id_index_remove(&x, &id, 7);
    assert_int_equal(id_index_nearest(&x, &id, K, found), 1);
    assert_int_equal(found[0].who, 9);
    id_index_deinit(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_index_nearest),
        cmocka_unit_test(test_id_index_same_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
