/* SPDX-License-Identifier: MIT */
#include "sim/scenario/sweep.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void add(struct sweep *s, const char *text)
{
    struct text why;

    text_init(&why, 512);
    assert_int_equal(sweep_add(s, text, &why), OK);
    assert_string_equal(text_get(&why), "");
    text_deinit(&why);
}

static void test_sweep_grid(void **state)
{
    static const char *const points[][2] = {{"0%", "10"}, {"0%", "20"},
                                            {"0%", "30"}, {"5%", "10"},
                                            {"5%", "20"}, {"5%", "30"}};
    struct sweep *s = malloc(sizeof(*s));

    (void)state;
    sweep_init(s);
    assert_int_equal(sweep_runs(s), 1);
    add(s, "network.loss=0%, 5%");
    add(s, "nodes.count=10,20,30");
    s->repeat = 4;
    assert_int_equal(sweep_points(s), 6);
    assert_int_equal(sweep_runs(s), 24);
    for (uint64_t run = 0; run < 24; run++) {
        const char *value[SWEEP_AXES_MAX];

        sweep_values(s, run, value);
        assert_string_equal(value[0], points[run / 4][0]);
        assert_string_equal(value[1], points[run / 4][1]);
        assert_int_equal(sweep_repetition(s, run), run % 4);
    }
    free(s);
}

static void test_sweep_mistakes(void **state)
{
    static const struct {
        const char *text;
        enum error error;
        const char *told;
    } rows[] = {
        {"network.loss", ERR_SYNTAX, "SECTION.KEY=A,B,C"},
        {"loss=1,2", ERR_SYNTAX, "SECTION.KEY=A,B,C"},
        {"=1", ERR_SYNTAX, "SECTION.KEY=A,B,C"},
        {"network.loss=", ERR_SYNTAX, "must have 1 to"},
        {"network.loss=1,,2", ERR_SYNTAX, "must have 1 to"},
        {"network.loss=1,", ERR_SYNTAX, "must have 1 to"},
        {"network.loss=1,2,1", ERR_SYNTAX, "the same value twice"},
        {"nodes.count=5", ERR_IN_USE, "swept twice"},
        {"run.seed=1,2", ERR_SYNTAX, "--repeat"},
    };
    struct sweep *s = malloc(sizeof(*s));
    struct text why;

    (void)state;
    sweep_init(s);
    add(s, "nodes.count=10,20");
    text_init(&why, 512);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        text_clear(&why);
        assert_int_equal(sweep_add(s, rows[i].text, &why), rows[i].error);
        assert_non_null(strstr(text_get(&why), rows[i].told));
        assert_int_equal(s->axes, 1);
    }
    text_deinit(&why);
    free(s);
}

/* As many as there is room for, and not one more. */
static void test_sweep_caps(void **state)
{
    struct sweep *s = malloc(sizeof(*s));
    struct text why, many;

    (void)state;
    sweep_init(s);
    text_init(&why, 512);
    text_init(&many, 4096);
    text_add(&many, "a.b=0");
    for (unsigned i = 1; i < SWEEP_VALUES_MAX; i++)
        text_addf(&many, ",%u", i);
    assert_int_equal(sweep_add(s, text_get(&many), &why), OK);
    assert_int_equal(s->axis[0].count, SWEEP_VALUES_MAX);
    memcpy(many.buf, "c", 1);
    text_add(&many, ",x");
    assert_int_equal(sweep_add(s, text_get(&many), &why), ERR_FULL);
    add(s, "a.c=1");
    add(s, "a.d=1");
    add(s, "a.e=1");
    assert_int_equal(sweep_add(s, "a.f=1", &why), ERR_FULL);
    text_deinit(&why);
    text_deinit(&many);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweep_grid),
        cmocka_unit_test(test_sweep_mistakes),
        cmocka_unit_test(test_sweep_caps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
