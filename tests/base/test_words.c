/* SPDX-License-Identifier: MIT */
#include "base/words.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_words_distance_counts_slips(void **state)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},       {"a", "", 1},
        {"", "abc", 3},    {"same", "same", 0},
        {"dth", "dht", 1}, {"listen", "lisen", 1},
        {"log", "lag", 1}, {"kitten", "sitting", 3},
        {"ab", "ba", 1},
    };
    char longer[65];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(words_distance(cases[i].a, cases[i].b),
                         cases[i].distance);
        assert_int_equal(words_distance(cases[i].b, cases[i].a),
                         cases[i].distance);
    }
    memset(longer, 'x', 64);
    longer[64] = '\0';
    assert_int_equal(words_distance(longer, longer), 64);
    assert_int_equal(words_distance(longer + 1, longer + 1), 0);
}

static void test_words_hidden_hosts(void **state)
{
    (void)state;
    assert_true(words_is_hidden_host("x.warren"));
    assert_true(words_is_hidden_host("x.Warren."));
    assert_true(words_is_hidden_host(".warren"));
    assert_false(words_is_hidden_host("warren"));
    assert_false(words_is_hidden_host("warren.org"));
    assert_false(words_is_hidden_host("xwarren"));
    assert_false(words_is_hidden_host(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_distance_counts_slips),
        cmocka_unit_test(test_words_hidden_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
