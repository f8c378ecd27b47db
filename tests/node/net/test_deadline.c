/* SPDX-License-Identifier: MIT
 *
 * The timer of an engine, under a kernel whose clocks the test turns. A
 * machine that sleeps is one whose CLOCK_BOOTTIME goes on while its
 * CLOCK_MONOTONIC stands still.
 */
#include "node/net/deadline.h"

#include "base/timestamp.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* The kernel's timer, if it was asked for one, as an event of our own. */
static struct {
    uint64_t monotonic, boottime;
    int fd;
    clockid_t clock;
    uint64_t at;
    unsigned calls;
} kernel;

static struct event_base *base;
static unsigned fired;

int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when,
                           struct itimerspec *old);

static uint64_t read_clock(clockid_t clock)
{
    return clock == CLOCK_BOOTTIME ? kernel.boottime : kernel.monotonic;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    out->tv_sec = (time_t)(read_clock(clock) / TIME_S);
    out->tv_nsec = (long)(read_clock(clock) % TIME_S);
    return 0;
}

int __wrap_timerfd_create(int clock, int flags)
{
    (void)flags;
    kernel.clock = clock;
    kernel.at = TIME_NEVER;
    kernel.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return kernel.fd;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when,
                           struct itimerspec *old)
{
    (void)old;
    assert_int_equal(fd, kernel.fd);
    kernel.at = (uint64_t)when->it_value.tv_sec * TIME_S +
                (uint64_t)when->it_value.tv_nsec;
    assert_int_not_equal(kernel.at, 0); /* would stop it */
    if ((flags & TFD_TIMER_ABSTIME) == 0)
        kernel.at += read_clock(kernel.clock);
    kernel.calls++;
    return 0;
}

/* Lets time go by, some of it asleep, and the loop do what is due. */
static void pass(uint64_t awake, uint64_t asleep)
{
    uint64_t one = 1;

    kernel.monotonic += awake;
    kernel.boottime += awake + asleep;
    if (kernel.at <= read_clock(kernel.clock)) {
        kernel.at = TIME_NEVER;
        assert_int_equal(write(kernel.fd, &one, sizeof(one)), sizeof(one));
    }
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void on_due(void *arg)
{
    (void)arg;
    fired++;
}

static int setup(void **state)
{
    static struct deadline d;

    kernel.monotonic = kernel.boottime = 100 * TIME_S;
    kernel.calls = fired = 0;
    kernel.at = TIME_NEVER;
    base = event_base_new();
    *state = &d;
    return deadline_init(&d, base, NULL, on_due) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    deadline_deinit(*state);
    event_base_free(base);
    return 0;
}

static void test_deadline_is_due_when_it_wakes_from_a_suspend(void **state)
{
    deadline_arm(*state, kernel.boottime + TIME_HOUR);
    pass(TIME_S, 0);
    assert_int_equal(fired, 0);
    /* Nothing but the engine's wish, said once more. */
    deadline_arm(*state, kernel.boottime + TIME_HOUR - TIME_S);
    pass(0, TIME_HOUR);
    assert_int_equal(fired, 1);
    pass(TIME_HOUR, 0);
    assert_int_equal(fired, 1);
}

static void test_deadline_moves_both_ways(void **state)
{
    uint64_t begun = kernel.boottime;

    deadline_arm(*state, begun + 10 * TIME_S);
    deadline_arm(*state, begun + 5 * TIME_S);
    pass(5 * TIME_S, 0);
    assert_int_equal(fired, 1);
    deadline_arm(*state, begun + 10 * TIME_S);
    deadline_arm(*state, begun + 20 * TIME_S);
    pass(14 * TIME_S, 0);
    assert_int_equal(fired, 1);
    pass(TIME_S, 0);
    assert_int_equal(fired, 2);
}

static void test_deadline_never_is_not_at_all(void **state)
{
    deadline_arm(*state, kernel.boottime + TIME_S);
    deadline_arm(*state, TIME_NEVER);
    pass(TIME_HOUR, 0);
    assert_int_equal(fired, 0);
    /* The loop has seen the timer, and then the wish changes. */
    deadline_arm(*state, kernel.boottime + TIME_S);
    pass(TIME_S, 0);
    assert_int_equal(fired, 1);
}

/* What has passed already is due once, after a pause for others. */
static void test_deadline_in_the_past(void **state)
{
    deadline_arm(*state, 0);
    pass(0, 0);
    assert_int_equal(fired, 1);
    deadline_arm(*state, 0);
    pass(0, 0);
    assert_int_equal(fired, 1);
    pass(TIME_MS, 0);
    assert_int_equal(fired, 2);
}

/* Traffic moves the deadlines of a busy node on and on. */
static void test_deadline_that_moves_on_asks_nothing_of_the_kernel(void **state)
{
    for (unsigned i = 0; i < 1000; i++)
        deadline_arm(*state, kernel.boottime + TIME_S + i);
    assert_int_equal(kernel.calls, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_deadline_is_due_when_it_wakes_from_a_suspend),
        TEST(test_deadline_moves_both_ways),
        TEST(test_deadline_never_is_not_at_all),
        TEST(test_deadline_in_the_past),
        TEST(test_deadline_that_moves_on_asks_nothing_of_the_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
