/* SPDX-License-Identifier: MIT */
#include "sim/chance/rng.h"
#include "sim/clockwork/calendar.h"
#include "sim_test.h"

#include <string.h>

#define RECORDS 2000

/* A record as the test remembers it, and what is in the calendar. */
struct item {
    struct sim_record head; /* first */
    uint64_t number;
};

struct model {
    struct sim_calendar calendar;
    struct sim_pool pool;
    struct sim_rng rng;
    struct item items[RECORDS]; /* number 0: none */
    uint64_t added, waiting;
};

static void add(struct model *m, uint64_t tick)
{
    struct item *free_one = m->items, *r;

    while (free_one->number != 0)
        free_one++;
    *free_one = (struct item){{tick, 7, sizeof(*r)}, ++m->added};
    r = sim_calendar_add(&m->calendar, &m->pool, tick, 7, sizeof(*r));
    assert_non_null(r);
    r->number = free_one->number;
    m->waiting++;
}

static uint64_t first_day(const struct model *m)
{
    uint64_t day = UINT64_MAX;

    for (int i = 0; i < RECORDS; i++)
        if (m->items[i].number != 0 &&
            m->items[i].head.tick >> m->calendar.shift < day)
            day = m->items[i].head.tick >> m->calendar.shift;
    return day;
}

static void forget(struct model *m, const struct item *r)
{
    for (int i = 0; i < RECORDS; i++) {
        if (m->items[i].number != r->number)
            continue;
        assert_int_equal(m->items[i].head.tick, r->head.tick);
        assert_int_equal(r->head.node, 7);
        m->items[i].number = 0;
        m->waiting--;
        return;
    }
    fail_msg("a record that nobody added, or that came twice");
}

/* Takes the records of a list, all of one day, in the order of adding as far
 * as they did not wait in the distance. */
static void take(struct model *m, struct sim_chunks chunks, uint64_t day)
{
    struct sim_reader reader = {chunks.first, 0};
    struct sim_record *r;

    while ((r = sim_reader_next(&reader)) != NULL) {
        if (day != UINT64_MAX)
            assert_int_equal(r->tick >> m->calendar.shift, day);
        forget(m, (struct item *)(void *)r);
    }
    sim_pool_put(&m->pool, &chunks);
}

/* The next day with something, which is the model's. */
static void live_a_day(struct model *m)
{
    uint64_t day = first_day(m);

    assert_int_equal(sim_calendar_next(&m->calendar), day);
    if (day == UINT64_MAX)
        return;
    sim_calendar_go(&m->calendar, &m->pool, day);
    take(m, sim_calendar_take(&m->calendar), day);
    sim_calendar_done(&m->calendar);
    assert_int_not_equal(first_day(m), day);
}

static uint64_t some_tick(struct model *m)
{
    uint64_t ahead = sim_rng_next(&m->rng) >> (24 + sim_rng_below(&m->rng, 40));

    return (m->calendar.today << m->calendar.shift) + ahead;
}

static void test_sim_calendar_against_model(void **state)
{
    static const unsigned shifts[] = {0, 6, 13};
    static struct model m;

    (void)state;
    for (size_t i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
        memset(&m, 0, sizeof(m));
        sim_rng_init(&m.rng, test_seed(), i);
        sim_pool_init(&m.pool, 256);
        sim_calendar_init(&m.calendar, shifts[i], 123456789);
        for (int round = 0; round < 6000; round++) {
            if (m.waiting < RECORDS && sim_rng_below(&m.rng, 5) < 3)
                add(&m, some_tick(&m));
            else
                live_a_day(&m);
        }
        take(&m, sim_calendar_take_all(&m.calendar), UINT64_MAX);
        assert_int_equal(m.waiting, 0);
        sim_pool_deinit(&m.pool);
    }
}

/* What was put back is used again. */
static void test_sim_calendar_memory_is_bounded(void **state)
{
    static struct model m;
    size_t memory = 0;

    (void)state;
    memset(&m, 0, sizeof(m));
    sim_pool_init(&m.pool, 256);
    sim_calendar_init(&m.calendar, 13, 0);
    for (int day = 0; day < 3 * SIM_CALENDAR_DAYS; day++) {
        for (int i = 0; i < 100; i++)
            add(&m, (uint64_t)(day + 1) << 13);
        live_a_day(&m);
        if (day == 0)
            memory = m.pool.memory;
    }
    assert_int_equal(m.pool.memory, memory);
    sim_pool_deinit(&m.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_calendar_against_model),
        cmocka_unit_test(test_sim_calendar_memory_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
