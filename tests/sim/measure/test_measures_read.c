/* SPDX-License-Identifier: MIT */
#include "fail_alloc.h"
#include "measures_data.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD     "warren measures 1\nevery 5\nsamples 2 5 10\n"
#define TEXT_MAX 10000000

static void test_measures_read_what_was_written(void **state)
{
    struct test_random r = test_seed(21);

    (void)state;
    for (size_t samples = 0; samples < 6; samples++) {
        struct measures *m = measures_new(TIME_MIN), *again;
        struct text text, back;
        struct bytes in;

        assert_non_null(m);
        text_init(&text, TEXT_MAX);
        text_init(&back, TEXT_MAX);
        count_samples(m, &r, samples, 50);
        if (samples % 2 == 1)
            count_something(m, &r); /* in the totals alone */
        measures_write(m, &text);
        text_add(&text, "more");
        in = bytes_of_text(text_get(&text));
        assert_int_equal(measures_read(&in, &again, &back), OK);
        assert_true(bytes_is_text(in, "more"));
        measures_write(again, &back);
        text_add(&back, "more");
        assert_string_equal(text_get(&text), text_get(&back));
        measures_free(m);
        measures_free(again);
        text_deinit(&text);
        text_deinit(&back);
    }
}

static const struct {
    const char *text;
    size_t line; /* which is refused; 0: none is */
} cases[] = {
    {HEAD "end\n", 0},
    {HEAD "measure lookup_hops\ntotal 1 0 3 3 3 3:1\n"
          "cell 1 1 0 3 3 3 3:1\nend\n",
     0},
    {HEAD "measure peer_findable\ntotal 2 1 0 0 0\nat 3 1 2\nend\n", 0},
    {"", 1},
    {"warren measures 2\n", 1},
    {"warren measures 1", 1},
    {"warren measures 1\nevery x\n", 2},
    {"warren measures 1\nevery 05\n", 2},
    {"warren measures 1\nevery 18446744073709551616\n", 2},
    {"warren measures 1\nevery 5 \n", 2},
    {"warren measures 1\nevery 5\nsamples 2 5\n", 3},
    {"warren measures 1\nevery 5\nsamples 2 5 4\n", 3},
    {"warren measures 1\nevery 5\nsamples 1 5 6\n", 3},
    {"warren measures 1\nevery 5\nsamples 1000001\n", 3},
    {HEAD "end", 4},
    {HEAD "measure nothing\n", 4},
    {HEAD "measure lookup_time\ntotal 0 0 0 0 0\n"
          "measure lookup_hops\n",
     6},
    {HEAD "measure lookup_hops\n\n", 5},
    {HEAD "measure lookup_hops\ntotal 1 1 3 3 3 3:1\n", 5},
    {HEAD "measure lookup_hops\ntotal 2 0 3 3 3 3:1\n", 5},
    {HEAD "measure lookup_hops\ntotal 1 0 3 3 3 4:1\n", 5},
    {HEAD "measure lookup_hops\ntotal 1 0 3 4 3 3:1\n", 5},
    {HEAD "measure lookup_hops\ntotal 2 0 6 3 3 3:1 3:1\n", 5},
    {HEAD "measure lookup_hops\ntotal 1 0 3 3 3 3:1  \n", 5},
    {HEAD "measure lookup_hops\ntotal 1 0 3 3 3 1920:1\n", 5},
    {HEAD "measure lookup_hops\ntotal 1 0 3 3 3 3:\n", 5},
    {HEAD "measure lookup_hops\ntotal 1 0 3 3 3 3\n", 5},
    {HEAD "measure lookup_hops\ntotal 1 0 3 3 3 3:1\n"
          "cell 2 1 0 3 3 3 3:1\n",
     6},
    {HEAD "measure lookup_hops\ntotal 1 0 3 3 3 3:1\n"
          "cell 1 0 0 0 0 0\n",
     6},
    {HEAD "measure lookup_hops\ntotal 1 0 3 3 3 3:1\n"
          "cell 1 1 0 3 3 3 3:1\ncell 1 1 0 3 3 3 3:1\n",
     7},
    {HEAD "measure lookup_hops\ntotal 0 0 0 0 0\nat 0 0 1\n", 6},
    {HEAD "measure peer_findable\ntotal 2 1 0 0 0\nat 3 3 2\n", 6},
    {HEAD "measure peer_findable\ntotal 2 1 0 0 0\nat 1440 1 2\n", 6},
    {HEAD "measure peer_findable\ntotal 2 1 0 0 0\nat 3 1 2\n"
          "at 3 1 2\n",
     7},
    {HEAD "measure circuit_failures\ntotal 1 0 0 0 0\nat 2 1 1\n", 6},
    {HEAD "measure datagrams\ntotal 1 0 1 1 1\n", 5},
    {HEAD "measure lookup_success\ntotal 1 2 0 0 0\n", 5},
};

static void test_measures_read_refuses_all_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes whole = bytes_of_text(cases[i].text), in = whole;
        struct measures *m = NULL;
        struct text why;
        char line[32];
        enum error e;

        text_init(&why, 200);
        e = measures_read(&in, &m, &why);
        if (cases[i].line == 0) {
            assert_int_equal(e, OK);
            assert_int_equal(in.len, 0);
        } else {
            snprintf(line, sizeof(line), "line %zu: ", cases[i].line);
            if (strncmp(text_get(&why), line, strlen(line)) != 0)
                fail_msg("case %zu: %s", i, text_get(&why));
            assert_int_equal(e, ERR_SYNTAX);
            assert_true(in.p == whole.p && m == NULL);
        }
        measures_free(m);
        text_deinit(&why);
    }
}

static void test_measures_read_out_of_memory(void **state)
{
    struct measures *m = measures_new(TIME_MIN);
    struct test_random r = {9};
    struct text text, why;

    (void)state;
    text_init(&text, TEXT_MAX);
    text_init(&why, 100);
    assert_non_null(m);
    count_samples(m, &r, 3, 5);
    measures_write(m, &text);
    measures_free(m);
    for (unsigned n = 1;; n++) {
        struct bytes in = bytes_of_text(text_get(&text));
        enum error e;

        m = NULL;
        fail_alloc_at(n);
        e = measures_read(&in, &m, &why);
        measures_free(m);
        if (!fail_alloc_end()) {
            assert_int_equal(e, OK);
            break;
        }
        assert_int_equal(e, ERR_NO_MEMORY);
    }
    text_deinit(&text);
    text_deinit(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measures_read_what_was_written),
        cmocka_unit_test(test_measures_read_refuses_all_else),
        cmocka_unit_test(test_measures_read_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
