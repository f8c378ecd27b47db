/* SPDX-License-Identifier: MIT */
#include "base/setting/setting.h"

#include "base/timestamp.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct values {
    uint64_t wait;
    double loss;
    unsigned nodes;
};

#define AT(member)                             \
    .offset = offsetof(struct values, member), \
    .size = sizeof(((struct values *)0)->member)

static const struct setting_key keys[] = {
    {"net", "wait", &setting_duration, AT(wait), .min = TIME_S,
     .max = TIME_HOUR, .meaning = "How long."},
    {"net", "loss", &setting_share, AT(loss), .meaning = "How much is lost."},
    {"net", "nodes", &setting_count, AT(nodes), .min = 1, .max = 10,
     .meaning = "How many."},
};

static void test_setting_set(void **state)
{
    struct values v = {0};
    struct text why;

    (void)state;
    text_init(&why, 1000);
    assert_int_equal(setting_set(&keys[0], "90s", &v, false, &why), OK);
    assert_int_equal(setting_set(&keys[1], "2.5%", &v, false, &why), OK);
    assert_int_equal(setting_set(&keys[2], "7", &v, false, &why), OK);
    assert_int_equal(v.wait, 90 * TIME_S);
    assert_true(v.loss > 0.02499 && v.loss < 0.02501);
    assert_int_equal(v.nodes, 7);
    assert_int_equal(why.len, 0);
    assert_int_equal(setting_set(&keys[2], "11", &v, false, &why), ERR_SYNTAX);
    assert_string_equal(text_get(&why), "nodes is '11' but must be a whole "
                                        "number from 1 to 10");
    assert_int_equal(v.nodes, 7);
    text_deinit(&why);
}

static void test_setting_share_limits(void **state)
{
    static const struct {
        const char *text;
        bool right;
        double share;
    } rows[] = {
        {"0", true, 0},      {"0%", true, 0},
        {"1", true, 1},      {"100%", true, 1},
        {"0.5", true, 0.5},  {"50%", true, 0.5},
        {".25", true, 0.25}, {"12.5%", true, 0.125},
        {"1.01", false, 0},  {"101%", false, 0},
        {"-1", false, 0},    {"", false, 0},
        {"%", false, 0},     {".", false, 0},
        {"1e-3", false, 0},  {"nan", false, 0},
        {"0.5.5", false, 0}, {"5 %", false, 0},
        {"1,5%", false, 0},  {"0.000000000000000000000000000000001", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double share = -1;

        assert_int_equal(setting_read_share(rows[i].text, &share),
                         rows[i].right);
        assert_true(share == (rows[i].right ? rows[i].share : -1));
    }
}

static void test_setting_print_default(void **state)
{
    const struct values v = {.loss = 0.05};
    struct text out;

    (void)state;
    text_init(&out, 1000);
    setting_print_default(&keys[1], &v, "#", &out);
    assert_string_equal(text_get(&out),
                        "# How much is lost.\n"
                        "# Must be a share from 0% to 100%, like 5% or 0.05.\n"
                        "#loss = 5%\n");
    text_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_setting_set),
        cmocka_unit_test(test_setting_share_limits),
        cmocka_unit_test(test_setting_print_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
