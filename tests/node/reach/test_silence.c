/* SPDX-License-Identifier: MIT */
#include "node/reach/silence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TICK (5 * TIME_S)

/* Looks each second until `end`; returns how many were asked. */
static unsigned look(struct silence *s, uint64_t heard, uint64_t sent,
                     uint64_t *now, uint64_t end)
{
    unsigned asked = 0;

    for (; *now < end; *now += TIME_S)
        asked += silence_look(s, heard, sent + asked, false, *now);
    return asked;
}

static void test_silence_is_found_within_half_a_minute(void **state)
{
    struct silence s;
    uint64_t now = 1000 * TIME_S, last = now;

    (void)state;
    silence_init(&s, now);
    assert_int_equal(look(&s, 7, 3, &now, last + SILENCE_QUIET), 0);
    assert_false(s.silent);
    assert_true(look(&s, 7, 3, &now, last + 26 * TIME_S) >= 5);
    assert_true(s.silent);
    assert_true(time_since(s.since, now) >= 25 * TIME_S);
    /* It goes on asking, a little. */
    assert_in_range(look(&s, 7, 8, &now, last + 86 * TIME_S), 5, 7);
    assert_true(s.silent);
    silence_look(&s, 8, 20, false, now);
    assert_false(s.silent);
}

static void test_silence_one_answer_suffices(void **state)
{
    struct silence s;
    uint64_t now = 1000 * TIME_S, heard = 1;
    unsigned asked = 0;

    (void)state;
    silence_init(&s, now);
    for (unsigned i = 0; i < 600; i++, now += TIME_S) {
        unsigned n = silence_look(&s, heard, asked, false, now);

        assert_false(s.silent);
        asked += n;
        heard += n > 0;
    }
    /* What this costs of the budget of an idle node. */
    assert_in_range(asked, 30, 40);
}

static void test_silence_what_is_sent_anyway_counts(void **state)
{
    const uint64_t begun = 1000 * TIME_S, sent = 10;
    struct silence s;

    (void)state;
    silence_init(&s, begun);
    assert_int_equal(silence_look(&s, 1, sent, false, begun), 0);
    assert_int_equal(silence_look(&s, 1, sent + SILENCE_SENT, false,
                                  begun + SILENCE_SOON - 1),
                     0);
    assert_int_equal(silence_look(&s, 1, sent + SILENCE_SENT - 1, false,
                                  begun + SILENCE_SOON),
                     0);
    assert_int_equal(
        silence_look(&s, 1, sent + SILENCE_SENT, false, begun + SILENCE_SOON),
        SILENCE_SEVERAL);
    assert_false(s.silent);
    silence_look(&s, 1, sent + 9, false, begun + SILENCE_SOON + SILENCE_WAIT);
    assert_true(s.silent);
}

static void test_silence_alone(void **state)
{
    struct silence s;
    uint64_t now = 1000 * TIME_S;

    (void)state;
    silence_init(&s, now);
    for (unsigned i = 0; i < 100; i++, now += TICK)
        assert_int_equal(silence_look(&s, 0, 5 * i, true, now), 0);
    assert_false(s.silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence_is_found_within_half_a_minute),
        cmocka_unit_test(test_silence_one_answer_suffices),
        cmocka_unit_test(test_silence_what_is_sent_anyway_counts),
        cmocka_unit_test(test_silence_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
