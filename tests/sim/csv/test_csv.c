/* SPDX-License-Identifier: MIT */
#include "sim/csv/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fail_alloc.h"

#define FILE_NAME "table.csv"

static char buf[4096];
static struct text why;
static struct csv csv;

static int setup(void **state)
{
    (void)state;
    text_init(&why, 1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&why);
    return 0;
}

static void begin(const char *text)
{
    text_clear(&why);
    memcpy(buf, text, strlen(text) + 1);
    csv_init(&csv, FILE_NAME, buf, strlen(text), &why);
}

static void test_csv_rows_have_their_fields_and_lines(void **state)
{
    (void)state;
    begin("\xef\xbb\xbf# a comment\r\n\r\n a , b b,c\r\n,\n  # another\nlast");
    assert_true(csv_next(&csv));
    assert_int_equal(csv.line, 3);
    assert_int_equal(csv.count, 3);
    assert_string_equal(csv.fields[0], "a");
    assert_string_equal(csv.fields[1], "b b");
    assert_string_equal(csv.fields[2], "c");
    assert_true(csv_next(&csv));
    assert_int_equal(csv.count, 2);
    assert_string_equal(csv.fields[1], "");
    assert_true(csv_next(&csv));
    assert_int_equal(csv.line, 6);
    assert_int_equal(csv.count, 1);
    assert_string_equal(csv.fields[0], "last");
    assert_false(csv_next(&csv));
    assert_int_equal(csv.error, OK);
    begin("");
    assert_false(csv_next(&csv));
}

static void test_csv_numbers_are_exact_and_bounded(void **state)
{
    static const struct {
        const char *text;
        unsigned places;
        uint64_t max;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"0", 0, 10, true, 0},
        {"10", 0, 10, true, 10},
        {"11", 0, 10, false, 0},
        {"3", 0, 2, false, 0},
        {"9", 0, 0, false, 0},
        {"18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", 0, UINT64_MAX, false, 0},
        {"1.5", 3, 10000, true, 1500},
        {"1.", 3, 10000, false, 0},
        {".5", 3, 10000, true, 500},
        {".", 3, 10000, false, 0},
        {"1.2345", 3, 10000, false, 0},
        {"10", 3, 10000, true, 10000},
        {"10.001", 3, 10000, false, 0},
        {"1.5", 0, 10, false, 0},
        {"1.5.1", 3, 10000, false, 0},
        {"-1", 3, 10000, false, 0},
        {"+1", 0, 10, false, 0},
        {"1e3", 3, 100000, false, 0},
        {"x", 0, 10, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 99;

        begin(rows[i].text);
        assert_true(csv_next(&csv));
        assert_int_equal(
            csv_decimal(&csv, 0, "it", rows[i].places, rows[i].max, &value),
            rows[i].ok);
        assert_int_equal(value, rows[i].ok ? rows[i].value : 99);
    }
}

static void test_csv_errors_name_file_and_line(void **state)
{
    uint64_t value;

    (void)state;
    begin("1\n\n2x\n");
    assert_true(csv_next(&csv) && csv_next(&csv));
    assert_false(csv_number(&csv, 0, "the node", 7, &value));
    assert_int_equal(csv.error, ERR_SYNTAX);
    assert_string_equal(
        text_get(&why),
        "table.csv:3: the node is '2x' but must be a number from 0 to 7");
    assert_false(csv_next(&csv)); /* it sticks, and is told once */
    csv_fail(&csv, "something else");
    assert_null(strstr(text_get(&why), "else"));
    begin("1 \x01");
    csv.end[-1] = '\0';
    assert_false(csv_next(&csv));
    assert_string_equal(text_get(&why),
                        "table.csv:1: a NUL byte; tables are plain text");
    memset(buf, ',', CSV_FIELDS_MAX);
    text_clear(&why);
    csv_init(&csv, FILE_NAME, buf, CSV_FIELDS_MAX, &why);
    assert_false(csv_next(&csv));
    assert_string_equal(text_get(&why), "table.csv:1: more than 256 fields");
    csv_init(&csv, FILE_NAME, buf, CSV_FIELDS_MAX - 1, &why);
    memset(buf, ',', CSV_FIELDS_MAX);
    assert_true(csv_next(&csv));
    assert_int_equal(csv.count, CSV_FIELDS_MAX);
}

static void test_csv_load_reads_a_file(void **state)
{
    char *text;
    size_t len;

    (void)state;
    text_clear(&why);
    assert_int_equal(csv_load("CMakeLists.txt", &text, &len, &why), OK);
    assert_int_equal(strlen(text), len);
    assert_true(len > 1000);
    free(text);
    assert_int_equal(csv_load("/nowhere.csv", &text, &len, &why), ERR_IO);
    assert_string_equal(text_get(&why),
                        "/nowhere.csv: No such file or directory");
    text_clear(&why);
    assert_int_equal(csv_load("/", &text, &len, &why), ERR_IO);
    fail_alloc_at(1);
    assert_int_equal(csv_load("CMakeLists.txt", &text, &len, &why),
                     ERR_NO_MEMORY);
    fail_alloc_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_rows_have_their_fields_and_lines),
        cmocka_unit_test(test_csv_numbers_are_exact_and_bounded),
        cmocka_unit_test(test_csv_errors_name_file_and_line),
        cmocka_unit_test(test_csv_load_reads_a_file),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
