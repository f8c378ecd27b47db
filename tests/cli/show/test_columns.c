/* SPDX-License-Identifier: MIT */
#include "cli/show/columns.h"
#include "cli/show/screen.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID   "e619ca7131127244d9a3cd50dc53dd991599068a"
#define IPV6 "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535"

static void set_width(const char *columns)
{
    setenv("COLUMNS", columns, 1);
}

/* What is printed of `c`; the caller frees it. */
static char *printed(struct columns *c)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    columns_print(c, to);
    fclose(to);
    columns_deinit(c);
    return text;
}

static void assert_table(struct columns *c, const char *expected)
{
    char *text = printed(c);

    assert_string_equal(text, expected);
    free(text);
}

static void fill(struct columns *c)
{
    columns_init(c, "#id|address|>rtt ms|+path");
    columns_add(c, "%s", ID);
    columns_add(c, "%s", "127.0.0.1:7881");
    columns_add(c, "%.1f", 1.5);
    columns_add(c, "%s", "aaaaaaaa bbbbbbbb cccccccc");
}

static void test_columns_as_wide_as_they_are(void **state)
{
    struct columns c;

    (void)state;
    set_width("120");
    fill(&c);
    assert_table(&c,
                 "id                                        address         "
                 "rtt ms  path\n" ID
                 "  127.0.0.1:7881     1.5  aaaaaaaa bbbbbbbb cccccccc\n");
}

static void test_columns_shorten_ids_first(void **state)
{
    struct columns c;

    (void)state;
    set_width("80");
    fill(&c);
    assert_table(&c, "id        address         rtt ms  path\n"
                     "e619ca71  127.0.0.1:7881     1.5  aaaaaaaa bbbbbbbb "
                     "cccccccc\n");
}

static void test_columns_fold_words_next(void **state)
{
    struct columns c;

    (void)state;
    set_width("52");
    fill(&c);
    assert_table(&c, "id        address         rtt ms  path\n"
                     "e619ca71  127.0.0.1:7881     1.5  aaaaaaaa bbbbbbbb\n"
                     "                                  cccccccc\n");
}

static void test_columns_go_below_last(void **state)
{
    struct columns c;

    (void)state;
    set_width("40");
    columns_init(&c, "#id|address|quality|>bucket");
    columns_add(&c, "%s", ID);
    columns_add(&c, "%s", IPV6);
    columns_add(&c, "%s", "good");
    columns_add(&c, "%d", 12);
    assert_table(&c, "id\n"
                     "    address\n"
                     "    quality  bucket\n"
                     "e619ca71\n"
                     "    " IPV6 "\n"
                     "    good         12\n");
}

static void assert_folded(size_t indent, const char *left, const char *s,
                          const char *expected)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    screen_fold(to, indent, left, s);
    fclose(to);
    assert_string_equal(text, expected);
    free(text);
}

static void test_screen_folds_between_words(void **state)
{
    (void)state;
    set_width("40");
    assert_folded(10, "label", "short", "label     short\n");
    assert_folded(10, "label", "", "label     \n");
    /* 30 characters fit, 31 do not; a word is never broken */
    assert_folded(10, "label", "012345678901234567890123456789",
                  "label     012345678901234567890123456789\n");
    assert_folded(10, "label", "0123456789 0123456789 01234567 89",
                  "label     0123456789 0123456789 01234567\n"
                  "          89\n");
    assert_folded(10, "label", "x 0123456789012345678901234567890 y",
                  "label     x\n"
                  "         0123456789012345678901234567890\n"
                  "          y\n");
    assert_folded(10, "label", "0123456789012345678901234567890 y",
                  "label    0123456789012345678901234567890\n"
                  "          y\n");
    assert_folded(10, "label", "012345678901234567890123456789012345 y",
                  "label\n"
                  "    012345678901234567890123456789012345\n"
                  "          y\n");
    /* characters, not bytes */
    assert_folded(10,
                  "l\xc3\xa4"
                  "bel",
                  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
                  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4 "
                  "0123456789 0123",
                  "l\xc3\xa4"
                  "bel     "
                  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
                  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4 "
                  "0123456789 0123\n");
    assert_folded(4, "too-wide-a-label", "x", "too-wide-a-label\n    x\n");
}

static void test_screen_width_has_limits(void **state)
{
    (void)state;
    set_width("1");
    assert_int_equal(screen_width(stdout), SCREEN_WIDTH_MIN);
    set_width("4000000000");
    assert_int_equal(screen_width(stdout), SCREEN_WIDTH_MAX);
    set_width("wide");
    FILE *file = tmpfile();
    assert_int_equal(screen_width(file), SCREEN_WIDTH);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_as_wide_as_they_are),
        cmocka_unit_test(test_columns_shorten_ids_first),
        cmocka_unit_test(test_columns_fold_words_next),
        cmocka_unit_test(test_columns_go_below_last),
        cmocka_unit_test(test_screen_folds_between_words),
        cmocka_unit_test(test_screen_width_has_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
