/* SPDX-License-Identifier: MIT
 *
 * The solver against a work that the test makes: a task is solved when its
 * nonce has moved on by its effort.
 */
#include "node/service/solver.h"

#include "base/timestamp.h"
#include "node/os/clock.h"
#include "testing.h"

#include <event2/event.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define FOR_EVER UINT32_MAX

static struct event_base *base;
static struct solver *solver;
static atomic_uint tries;
static struct {
    unsigned count, found;
    uint64_t ids[64];
    uint8_t last_digest;
    bool again;
} told;

/* Takes a millisecond. Efforts count down over all calls for the task, by what
 * they have in the first byte of `e`. */
static enum error attempt(const struct work_task *task, uint64_t *nonce,
                          unsigned many, struct work_proof *out)
{
    static const struct timespec ms = {.tv_nsec = 1000000};

    *nonce += many;
    atomic_fetch_add(&tries, 1);
    nanosleep(&ms, NULL);
    if (task->effort == FOR_EVER)
        return ERR_NOT_FOUND;
    if (task->effort == 0)
        return ERR_NO_MEMORY;
    *out = (struct work_proof){.nonce = *nonce, .digest = {task->e[0]}};
    return OK;
}

static void on_solved(void *arg, uint64_t id, bool found,
                      const struct work_proof *proof)
{
    (void)arg;
    told.ids[told.count++ % COUNT_OF(told.ids)] = id;
    told.found += found;
    if (found)
        told.last_digest = proof->digest[0];
    if (told.again) {
        struct work_task task = {.effort = 1};

        told.again = false;
        assert_int_equal(solver_add(solver, id + 100, &task, TIME_S), OK);
    }
}

static int setup(void **state)
{
    (void)state;
    told.count = told.found = 0;
    told.again = false;
    atomic_store(&tries, 0);
    base = event_base_new();
    return sodium_init() < 0 ||
           solver_new(base, attempt, on_solved, NULL, &solver) != OK;
}

static int teardown(void **state)
{
    (void)state;
    solver_free(solver);
    event_base_free(base);
    return 0;
}

static enum error add(uint64_t id, uint32_t effort, uint64_t budget)
{
    struct work_task task = {.effort = effort, .e = {(uint8_t)id}};

    return solver_add(solver, id, &task, budget);
}

static void wait_for(unsigned count)
{
    uint64_t until = clock_now() + 20 * TIME_S;

    while (told.count < count && clock_now() < until) {
        struct timeval tv = {.tv_usec = 10000};

        event_base_loopexit(base, &tv);
        event_base_dispatch(base);
    }
    assert_int_equal(told.count, count);
}

static void test_solver_tells_each_once_in_order(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 20; id++)
        assert_int_equal(add(id, 1, TIME_S), OK);
    assert_int_equal(told.count, 0); /* never from within */
    wait_for(20);
    for (uint64_t id = 1; id <= 20; id++)
        assert_true(told.ids[id - 1] == id);
    assert_int_equal(told.found, 20);
    assert_int_equal(told.last_digest, 20);
    assert_int_equal(solver_tasks(solver), 0);
}

static void test_solver_keeps_to_the_budget(void **state)
{
    uint64_t began = clock_now();

    (void)state;
    assert_int_equal(add(1, FOR_EVER, 50 * TIME_MS), OK);
    assert_int_equal(add(2, 1, TIME_S), OK);
    assert_int_equal(add(3, 0, TIME_MIN), OK); /* an error ends it, too */
    assert_int_equal(add(4, 1, 0), OK);        /* no time: not tried */
    wait_for(4);
    assert_int_equal(told.found, 1);
    assert_true(clock_now() - began >= 50 * TIME_MS);
    assert_true(atomic_load(&tries) >= 2);
}

static void test_solver_cap_refuses_and_goes_on(void **state)
{
    unsigned taken = 0;

    (void)state;
    for (uint64_t id = 0; id < SOLVER_TASKS + 8; id++)
        taken += add(id, FOR_EVER, 3 * TIME_MS) == OK;
    assert_int_equal(taken, SOLVER_TASKS);
    assert_int_equal(add(99, 1, TIME_S), ERR_FULL);
    wait_for(taken);
    assert_int_equal(add(99, 1, TIME_S), OK);
    wait_for(taken + 1);
    assert_int_equal(told.found, 1);
}

static void test_solver_takes_new_tasks_when_it_tells(void **state)
{
    (void)state;
    told.again = true;
    assert_int_equal(add(1, 1, TIME_S), OK);
    wait_for(2);
    assert_true(told.ids[1] == 101);
}

/* Freed by teardown while it works, and with tasks that wait. */
static void test_solver_ends_at_once(void **state)
{
    uint64_t began;

    (void)state;
    assert_int_equal(add(1, FOR_EVER, 60 * TIME_S), OK);
    assert_int_equal(add(2, 1, TIME_S), OK);
    while (atomic_load(&tries) == 0)
        continue;
    began = clock_now();
    solver_free(solver);
    solver = NULL;
    assert_true(clock_now() - began < 5 * TIME_S);
    assert_int_equal(told.count, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_solver_tells_each_once_in_order),
        TEST(test_solver_keeps_to_the_budget),
        TEST(test_solver_cap_refuses_and_goes_on),
        TEST(test_solver_takes_new_tasks_when_it_tells),
        TEST(test_solver_ends_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
