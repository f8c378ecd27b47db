/* SPDX-License-Identifier: MIT */
#include "sim/chance/rng.h"
#include "sim/wheel.h"
#include "sim_test.h"

#include <stdio.h>
#include <string.h>

#define ENTRIES 300

struct item {
    struct sim_wheel_entry entry; /* first */
    uint64_t order;               /* of adding; 0: not in the wheel */
};

struct model {
    struct sim_wheel wheel;
    struct sim_rng rng;
    struct item items[ENTRIES];
    uint64_t added;
};

/* The earliest, and of equals the one added first. */
static struct item *naive_next(struct model *m, uint64_t limit)
{
    struct item *best = NULL;

    for (int i = 0; i < ENTRIES; i++) {
        struct item *it = &m->items[i];

        if (it->order == 0 || it->entry.tick > limit)
            continue;
        if (best == NULL || it->entry.tick < best->entry.tick ||
            (it->entry.tick == best->entry.tick && it->order < best->order))
            best = it;
    }
    return best;
}

static uint64_t some_tick(struct model *m)
{
    unsigned shift = sim_rng_below(&m->rng, 46);
    uint64_t ahead = sim_rng_next(&m->rng) & ((UINT64_C(1) << shift) - 1);

    return m->wheel.now + ahead;
}

static void change(struct model *m)
{
    struct item *it = &m->items[sim_rng_below(&m->rng, ENTRIES)];

    if (it->order != 0) {
        sim_wheel_remove(&m->wheel, &it->entry);
        it->order = 0;
    } else {
        sim_wheel_add(&m->wheel, &it->entry, some_tick(m));
        it->order = ++m->added;
    }
}

static void take(struct model *m, uint64_t limit)
{
    struct item *expected = naive_next(m, limit);
    struct sim_wheel_entry *got = sim_wheel_pop(&m->wheel, limit);

    assert_ptr_equal(got, expected);
    if (expected != NULL) {
        assert_int_equal(m->wheel.now, expected->entry.tick);
        expected->order = 0;
    } else {
        assert_int_equal(m->wheel.now, limit);
    }
}

static void test_sim_wheel_against_model(void **state)
{
    static struct model m;

    (void)state;
    sim_rng_init(&m.rng, test_seed(), 0);
    sim_wheel_init(&m.wheel, 12345);
    for (int round = 0; round < 60000; round++) {
        if (sim_rng_below(&m.rng, 3) != 0)
            change(&m);
        else if (sim_rng_below(&m.rng, 4) != 0)
            take(&m, SIM_WHEEL_HORIZON > m.wheel.now + (1 << 20)
                         ? m.wheel.now + (1 << 20)
                         : m.wheel.now);
        else
            take(&m, some_tick(&m));
    }
}

static void test_sim_wheel_keeps_order_of_equals(void **state)
{
    struct sim_wheel w;
    struct sim_wheel_entry e[4] = {0};
    const uint64_t tick = 1 << 20;

    (void)state;
    sim_wheel_init(&w, 0);
    sim_wheel_add(&w, &e[0], tick); /* waits three levels up */
    sim_wheel_add(&w, &e[1], tick);
    assert_null(sim_wheel_pop(&w, tick - 10));
    sim_wheel_add(&w, &e[2], tick); /* waits lower */
    assert_null(sim_wheel_pop(&w, tick - 1));
    sim_wheel_add(&w, &e[3], tick);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(sim_wheel_pop(&w, tick), &e[i]);
}

static void test_sim_wheel_past_is_now(void **state)
{
    struct sim_wheel w;
    struct sim_wheel_entry e = {0};

    (void)state;
    sim_wheel_init(&w, 1000);
    sim_wheel_add(&w, &e, 3);
    assert_ptr_equal(sim_wheel_pop(&w, 1000), &e);
    assert_int_equal(w.now, 1000);
    assert_false(sim_wheel_has(&e));
    sim_wheel_remove(&w, &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_wheel_against_model),
        cmocka_unit_test(test_sim_wheel_keeps_order_of_equals),
        cmocka_unit_test(test_sim_wheel_past_is_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
