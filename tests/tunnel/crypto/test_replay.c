/* SPDX-License-Identifier: MIT */
#include "tunnel/crypto/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static bool take(struct replay *r, uint64_t counter)
{
    if (!replay_is_fresh(r, counter))
        return false;
    replay_accept(r, counter);
    return true;
}

/* In order: what a window that starts at 1 says to each counter. */
static void test_replay_boundaries(void **state)
{
    static const struct {
        uint64_t counter;
        bool fresh;
    } rows[] = {
        {0, false},
        {1, true},
        {1, false},
        {9, true},
        {8, true},
        {7, true},
        {7, false},
        {REPLAY_WINDOW, true},
        {REPLAY_WINDOW - 1, true},
        {REPLAY_WINDOW - 1, false},
        {2, true},
        {2, false},
        {REPLAY_WINDOW + 16, true},
        {3, false},  /* too old now */
        {16, false}, /* one too old */
        {17, true},  /* the oldest that is remembered */
        {17, false},
        {REPLAY_WINDOW * 4, true},
        {REPLAY_WINDOW * 4 - (REPLAY_WINDOW - 1), true},
        {REPLAY_WINDOW * 4 - (REPLAY_WINDOW - 1), false},
        {REPLAY_WINDOW * 4 - REPLAY_WINDOW, false},
        {REPLAY_WINDOW * 4 - 1, true},
        {UINT64_MAX - 1, true},
        {UINT64_MAX - 1, false},
        {UINT64_MAX, true},
        {UINT64_MAX, false},
        {UINT64_MAX - 2, true},
        {0, false},
    };
    struct replay r;

    (void)state;
    replay_init(&r, 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (take(&r, rows[i].counter) != rows[i].fresh)
            fail_msg("row %zu", i);
    }
}

static void test_replay_start_refuses_what_lies_before(void **state)
{
    static const uint64_t starts[] = {1, 63, 64, 65, 1000, 1 << 20};
    struct replay r;

    (void)state;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        for (uint64_t back = 1; back <= starts[i] && back < 2000; back++) {
            replay_init(&r, starts[i]);
            assert_false(replay_is_fresh(&r, starts[i] - back));
        }
        replay_init(&r, starts[i]);
        assert_true(take(&r, starts[i] + 1));
        assert_true(take(&r, starts[i]));
        assert_false(take(&r, starts[i]));
    }
}

/* Against a model that remembers everything. */
static void test_replay_random_order(void **state)
{
    enum { SPAN = 8000 };
    static bool seen[SPAN];
    uint64_t top = 0, x = 88172645463325252u;
    struct replay r;

    (void)state;
    replay_init(&r, 1);
    seen[0] = true;
    for (int i = 0; i < 200000; i++) {
        uint64_t base = (uint64_t)i / 32, c;
        bool fresh;

        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        c = base + x % 1500;
        if (c >= SPAN)
            continue;
        fresh = !seen[c] && (c > top || top - c < REPLAY_WINDOW);
        assert_int_equal(take(&r, c), fresh);
        if (fresh)
            seen[c] = true;
        if (fresh && c > top)
            top = c;
    }
    assert_true(top > SPAN / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay_boundaries),
        cmocka_unit_test(test_replay_start_refuses_what_lies_before),
        cmocka_unit_test(test_replay_random_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
