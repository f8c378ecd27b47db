/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "cli/show/json.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_json_values(void **state)
{
    static const struct {
        const char *mp;
        size_t len;
        const char *json;
    } rows[] = {
        {"\xc0", 1, "null"},
        {"\xc3", 1, "true"},
        {"\xc2", 1, "false"},
        {"\x07", 1, "7"},
        {"\xff", 1, "-1"},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, "18446744073709551615"},
        {"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, "-9223372036854775808"},
        {"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", 9, "1.5"},
        {"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", 9, "null"}, /* NaN */
        {"\xa3"
         "a\"b",
         4, "\"a\\\"b\""},
        {"\xc4\x02hi", 4, "\"hi\""},
        {"\xc4\x02\x00\xff", 4, "{\"hex\": \"00ff\"}"},
        {"\xc4\x03"
         "a\nb",
         5, "\"a\\nb\""},
        {"\x90", 1, "[]"},
        {"\x93\x01\x80\x91\xc0", 5, "[1, {}, [null]]"},
        {"\x82\xa1"
         "a\x01\xa1"
         "b\x02",
         7, "{\"a\": 1, \"b\": 2}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mp_token tokens[16];
        struct mp_tape tape = {.tokens = tokens, .cap = 16};
        struct mp_reader r;
        struct text out;

        assert_int_equal(mp_parse(&tape, bytes_of(rows[i].mp, rows[i].len)),
                         OK);
        mp_reader_init(&r, &tape);
        text_init(&out, 256);
        json_add(&out, &r);
        assert_string_equal(text_get(&out), rows[i].json);
        text_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_json_values)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
