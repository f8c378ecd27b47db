/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "tunnel/record/period.h"
#include "tunnel/record/service_descriptor.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOUR     UINT64_C(3600)
#define MINUTE   UINT64_C(60)
#define DAY      20000u
#define MIDNIGHT (DAY * UINT64_C(86400)) /* when DAY begins */

static void test_period_of_a_time(void **state)
{
    (void)state;
    assert_int_equal(period_of(0), 0);
    assert_int_equal(period_of(86399), 0);
    assert_int_equal(period_of(86400), 1);
    assert_int_equal(period_of(MIDNIGHT - 1), DAY - 1);
    assert_int_equal(period_of(MIDNIGHT), DAY);
    assert_int_equal(period_begins(DAY), MIDNIGHT);
    assert_int_equal(period_of(period_begins(UINT32_MAX)), UINT32_MAX);
    assert_int_equal(period_of(UINT64_MAX), UINT32_MAX);
}

typedef void of_time(uint64_t wall, struct periods *out);

static void published_early(uint64_t wall, struct periods *out)
{
    period_published(wall, PERIOD_AROUND, out);
}

static void published_late(uint64_t wall, struct periods *out)
{
    period_published(wall, PERIOD_LEAD_MIN, out);
}

static void test_period_table(void **state)
{
    static const struct {
        of_time *of;
        int64_t since; /* from midnight */
        uint8_t count;
        int first, second; /* from DAY */
        int64_t change;
    } cases[] = {
        {published_early, 0, 2, 0, -1, 3 * HOUR},
        {published_early, 3 * HOUR - 1, 2, 0, -1, 3 * HOUR},
        {published_early, 3 * HOUR, 1, 0, 0, 21 * HOUR},
        {published_early, 21 * HOUR - 1, 1, 0, 0, 21 * HOUR},
        {published_early, 21 * HOUR, 2, 0, 1, 24 * HOUR},
        {published_early, 24 * HOUR - 1, 2, 0, 1, 24 * HOUR},
        {published_early, 24 * HOUR, 2, 1, 0, 27 * HOUR},
        {published_late, 22 * HOUR - 1, 1, 0, 0, 22 * HOUR},
        {published_late, 22 * HOUR, 2, 0, 1, 24 * HOUR},
        {period_asked, 0, 2, 0, -1, 3 * HOUR},
        {period_asked, 3 * HOUR, 1, 0, 0, 21 * HOUR},
        {period_asked, 21 * HOUR, 2, 0, 1, 24 * HOUR},
        {period_asked_then, 0, 1, 1, 0, 3 * HOUR},
        {period_asked_then, 12 * HOUR, 2, -1, 1, 21 * HOUR},
        {period_asked_then, 21 * HOUR, 1, -1, 0, 24 * HOUR},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct periods got;

        cases[i].of(MIDNIGHT + (uint64_t)cases[i].since, &got);
        assert_int_equal(got.count, cases[i].count);
        assert_int_equal(got.at[0], (int)DAY + cases[i].first);
        if (got.count > 1)
            assert_int_equal(got.at[1], (int)DAY + cases[i].second);
        assert_int_equal(got.change_at, MIDNIGHT + (uint64_t)cases[i].change);
    }
}

/* A change happens at change_at and not before, and always lies ahead. */
static void test_period_changes_when_said(void **state)
{
    static of_time *const all[] = {published_early, published_late,
                                   period_asked, period_asked_then};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct periods now, last;

        all[i](MIDNIGHT - 86400, &last);
        for (uint64_t t = MIDNIGHT - 86400; t < MIDNIGHT + 86400; t++) {
            all[i](t, &now);
            assert_true(now.change_at > t);
            if (now.change_at != last.change_at)
                assert_int_equal(t, last.change_at);
            else
                assert_memory_equal(now.at, last.at, now.count);
            last = now;
        }
    }
}

static void test_period_first_and_last(void **state)
{
    uint64_t last = period_begins(UINT32_MAX);
    struct periods got;

    (void)state;
    period_published(0, PERIOD_AROUND, &got);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.at[0], 0);
    period_asked_then(0, &got);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.at[0], 1);
    period_asked(last + 23 * HOUR, &got);
    assert_int_equal(got.count, 1);
    period_asked_then(last + 23 * HOUR, &got);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.at[0], UINT32_MAX - 1);
    period_asked(UINT64_MAX, &got);
    assert_int_equal(got.at[0], UINT32_MAX);
}

static bool has(const struct periods *p, uint32_t period)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->at[i] == period)
            return true;
    return false;
}

static bool meet(const struct periods *a, const struct periods *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (has(b, a->at[i]))
            return true;
    return false;
}

/* Each clock an hour off, in every direction: at every minute of a day the
 * client asks at once for something that the service publishes, and takes what
 * it finds, from just published to published an hour ago. */
static void test_period_clocks_an_hour_off(void **state)
{
    static const int64_t off[] = {-3600, 0, 3600};

    (void)state;
    for (uint64_t t = MIDNIGHT - 43200; t < MIDNIGHT + 43200; t += MINUTE) {
        for (size_t i = 0; i < 9; i++) {
            uint64_t service = t + (uint64_t)off[i % 3];
            uint64_t client = t + (uint64_t)off[i / 3];
            struct service_descriptor d = {.lifetime = SERVICE_LIFETIME};
            struct periods published, asked;

            published_late(service, &published);
            period_asked(client, &asked);
            assert_true(meet(&published, &asked));
            d.issued = (uint32_t)service;
            assert_int_equal(service_descriptor_check_time(&d, client), OK);
            d.issued -= 3600;
            assert_int_equal(service_descriptor_check_time(&d, client), OK);
        }
    }
}

/* Further off than that: with the second question a day nearly is bridged, and
 * then the time of what is found says what is wrong. */
static void test_period_clocks_far_off(void **state)
{
    (void)state;
    for (uint64_t t = MIDNIGHT - 43200; t < MIDNIGHT + 43200; t += MINUTE) {
        for (int hours = -21; hours <= 21; hours++) {
            uint64_t client = t + (uint64_t)(hours * (int64_t)HOUR);
            struct service_descriptor d = {.lifetime = SERVICE_LIFETIME,
                                           .issued = (uint32_t)t};
            struct periods published, asked, then;
            enum error e = service_descriptor_check_time(&d, client);

            published_late(t, &published);
            period_asked(client, &asked);
            period_asked_then(client, &then);
            assert_true(meet(&published, &asked) || meet(&published, &then));
            assert_int_equal(e, hours < -2  ? ERR_FUTURE
                                : hours > 5 ? ERR_EXPIRED
                                            : OK);
        }
    }
}

static uint32_t next_random;
static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    assert_int_equal(len, sizeof(next_random));
    memcpy(buf, &next_random, len);
}

static void test_period_draws_a_lead(void **state)
{
    struct random_source random = {.fill = fill};

    (void)state;
    assert_int_equal(period_draw_lead(&random), PERIOD_LEAD_MIN);
    next_random = UINT32_MAX;
    assert_int_equal(period_draw_lead(&random), PERIOD_AROUND);
    next_random = UINT32_MAX / 2;
    assert_in_range(period_draw_lead(&random), 8990, 9010);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_period_of_a_time),
        cmocka_unit_test(test_period_table),
        cmocka_unit_test(test_period_changes_when_said),
        cmocka_unit_test(test_period_first_and_last),
        cmocka_unit_test(test_period_clocks_an_hour_off),
        cmocka_unit_test(test_period_clocks_far_off),
        cmocka_unit_test(test_period_draws_a_lead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
