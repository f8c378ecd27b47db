/* SPDX-License-Identifier: MIT */
#include "base/limiter.h"
#include "node/os/clock.h"
#include "node/os/load.h"
#include "testing.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

/* Time of the tests is that of the machine: what is busy, is. */
static void pass(uint64_t duration, bool busy)
{
    uint64_t until = clock_now() + duration;
    struct timespec rest = {.tv_nsec = 5 * TIME_MS};

    while (clock_now() < until) {
        if (!busy)
            nanosleep(&rest, NULL);
    }
}

static unsigned load_of(struct load *l, bool busy)
{
    for (int looks = 0; looks < 6;) {
        pass(10 * TIME_MS, busy);
        looks += load_look(l, clock_now());
    }
    return l->average;
}

static void test_load_is_what_the_process_does(void **state)
{
    struct load l;
    unsigned busy;

    (void)state;
    load_init(&l, clock_now());
    assert_false(load_look(&l, clock_now()));
    busy = load_of(&l, true);
    assert_in_range(busy, LIMITER_LOAD_MAX * 3 / 4, LIMITER_LOAD_MAX);
    /* Waking up late on a machine that is full counts as being busy. */
    assert_true(load_of(&l, false) < busy);
    load_deinit(&l);
}

static void *in_thread(void *arg)
{
    struct load l;

    load_init(&l, clock_now());
    *(unsigned *)arg = load_of(&l, true);
    load_deinit(&l);
    return NULL;
}

/* A node of a program that has other threads: theirs are not counted, be it the
 * first one. */
static void test_load_is_what_the_thread_does(void **state)
{
    unsigned busy = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, in_thread, &busy), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_in_range(busy, LIMITER_LOAD_MAX * 3 / 4, LIMITER_LOAD_MAX);
}

/* A kernel that does not tell how long a thread has waited. */
static void test_load_without_schedstat(void **state)
{
    struct load l;

    (void)state;
    load_init(&l, clock_now());
    load_deinit(&l);
    load_look(&l, clock_now() + TIME_S); /* from one count to the other */
    assert_int_equal(l.fd, -1);
    assert_in_range(load_of(&l, false), 0, LIMITER_LOAD_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_is_what_the_process_does),
        cmocka_unit_test(test_load_is_what_the_thread_does),
        cmocka_unit_test(test_load_without_schedstat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
