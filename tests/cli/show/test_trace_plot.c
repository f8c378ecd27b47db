/* SPDX-License-Identifier: MIT */
#include "cli/show/trace_plot.h"
#include "testing.h"
#include "wire/msgpack/mp_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct step {
    double at, rtt; /* ms; rtt < 0: none */
    int bits;
    const char *outcome;
    unsigned values;
};

/* As a notification has it. */
static void add(struct trace_plot *p, const struct step *s)
{
    struct mp_token tokens[32];
    struct mp_tape tape = {.tokens = tokens, .cap = 32};
    uint8_t buf[256];
    struct mp_writer w;
    struct mp_reader r;

    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_map(&w, 5);
    mp_write_text(&w, "at");
    mp_write_double(&w, s->at);
    mp_write_text(&w, "rtt");
    if (s->rtt < 0)
        mp_write_nil(&w);
    else
        mp_write_double(&w, s->rtt);
    mp_write_text(&w, "bits");
    mp_write_int(&w, s->bits);
    mp_write_text(&w, "outcome");
    mp_write_text(&w, s->outcome);
    mp_write_text(&w, "values");
    mp_write_uint(&w, s->values);
    assert_int_equal(mp_parse(&tape, mp_writer_bytes(&w)), OK);
    mp_reader_init(&r, &tape);
    trace_plot_add(p, r);
}

static const struct step lookup[] = {
    {0, 10, 1, "answered", 0},  {0, 20, 2, "answered", 0},
    {0, -1, 3, "timeout", 0},   {10, 10, 4, "answered", 0},
    {20, 20, 6, "answered", 3}, {30, 10, 5, "distrusted", 0},
    {30, 5, 2, "error", 0},
};

static char *printed(const struct trace_plot *p, bool utf8)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    trace_plot_print(p, utf8, to);
    fclose(to);
    return text;
}

static char *drawn(const struct step *steps, size_t count, bool utf8)
{
    static struct trace_plot p;

    p.count = 0;
    for (size_t i = 0; i < count; i++)
        add(&p, &steps[i]);
    return printed(&p, utf8);
}

static void test_trace_plot_ascii(void **state)
{
    char *text;

    (void)state;
    setenv("COLUMNS", "55", 1);
    text = drawn(lookup, COUNT_OF(lookup), false);
    assert_string_equal(
        text, "bits shared with the target, distance; against time\n"
              "   1  2^159 |----------o\n"
              "   2  2^158 |--------------------o         -----e\n"
              "   3  2^157 |x\n"
              "   4  2^156 |          ----------o\n"
              "   5  2^155 |                              ----------!\n"
              "   6  2^154 |                    --------------------*\n"
              "            +----------+---------+---------+---------+\n"
              "             0         10        20        30       ms\n"
              "o 3 answered  * 1 found it  x 1 silent (when asked)\n"
              "e 1 error  ! 1 distrusted\n");
    free(text);
}

static size_t columns_of(const char *line, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)line[i] & 0xc0) != 0x80;
    return n;
}

static void assert_fits(const char *text, size_t columns)
{
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1)
        assert_in_range(columns_of(text, (size_t)(end - text)), 0, columns);
    assert_int_equal(*text, '\0');
}

/* Up to 160 bits, an hour, at both ends of all widths. */
static void test_trace_plot_fits(void **state)
{
    struct test_random r = test_seed(21);

    (void)state;
    for (unsigned t = 0; t < 300; t++) {
        struct step steps[40];
        size_t n = 2 + test_random_below(&r, 39);
        double end = t % 3 == 0 ? 0.3 : t % 3 == 1 ? 900 : 3.6e6;
        char columns[8];
        char *text;

        snprintf(columns, sizeof(columns), "%u", 40 + t % 80);
        setenv("COLUMNS", columns, 1);
        for (size_t i = 0; i < n && i < COUNT_OF(steps); i++)
            steps[i] = (struct step){
                .at = end * test_random_below(&r, 1000) / 1000,
                .rtt = (double)test_random_below(&r, 300) - 20,
                .bits = (int)test_random_below(&r, t % 2 == 0 ? 161 : 12),
                .outcome = i % 4 == 0 ? "timeout" : "answered"};
        text =
            drawn(steps, n < COUNT_OF(steps) ? n : COUNT_OF(steps), t % 2 == 0);
        assert_fits(text, 40 + t % 80);
        free(text);
    }
}

static void test_trace_plot_signs(void **state)
{
    char *text;

    (void)state;
    setenv("COLUMNS", "80", 1);
    text = drawn(lookup, COUNT_OF(lookup), true);
    assert_non_null(strstr(text, "\u25c6 1 found it"));
    assert_non_null(strstr(text, "\u00d7 1 silent"));
    assert_fits(text, 80);
    free(text);
    text = drawn(lookup, COUNT_OF(lookup), false);
    for (const char *c = text; *c != '\0'; c++)
        assert_true((unsigned char)*c < 0x80);
    free(text);
}

/* One step says it all itself; what no daemon says is drawn all the same. */
static void test_trace_plot_edges(void **state)
{
    static const struct step odd[] = {{-5, 0, 999, "answered", 0},
                                      {0, -1, -3, "timeout", 0}};
    static const struct step many = {1, 1, 1, "answered", 0};
    static struct trace_plot p;
    char *text;

    (void)state;
    text = drawn(lookup, 1, true);
    assert_string_equal(text, "");
    free(text);
    text = drawn(odd, COUNT_OF(odd), false);
    assert_non_null(strstr(text, "   0  2^160 |x\n"));
    assert_fits(text, 80);
    free(text);
    p.count = 0;
    for (int i = 0; i < TRACE_PLOT_MAX + 10; i++)
        add(&p, &many);
    assert_int_equal(p.count, TRACE_PLOT_MAX);
}

static void test_trace_plot_locale(void **state)
{
    (void)state;
    setenv("LC_ALL", "", 1);
    setenv("LC_CTYPE", "", 1);
    setenv("LANG", "de_DE.UTF-8", 1);
    assert_true(trace_plot_is_utf8());
    setenv("LC_ALL", "C", 1);
    assert_false(trace_plot_is_utf8());
    setenv("LC_ALL", "", 1);
    setenv("LC_CTYPE", "C.utf8", 1);
    assert_true(trace_plot_is_utf8());
    unsetenv("LC_ALL");
    unsetenv("LC_CTYPE");
    unsetenv("LANG");
    assert_false(trace_plot_is_utf8());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace_plot_ascii),
        cmocka_unit_test(test_trace_plot_fits),
        cmocka_unit_test(test_trace_plot_signs),
        cmocka_unit_test(test_trace_plot_edges),
        cmocka_unit_test(test_trace_plot_locale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
