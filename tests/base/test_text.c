/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_text_empty_is_a_string(void **state)
{
    struct text t;

    (void)state;
    text_init(&t, 10);
    assert_string_equal(text_get(&t), "");
    text_clear(&t);
    text_add_bytes(&t, bytes_of(NULL, 0));
    text_addf(&t, "%s", "");
    assert_string_equal(text_get(&t), "");
    text_deinit(&t);
}

static void test_text_stops_at_its_limit(void **state)
{
    static const struct {
        size_t max;
        const char *expected;
        bool truncated;
    } cases[] = {
        {0, "", true},       {1, "a", true},        {5, "abcde", true},
        {6, "abcdef", true}, {7, "abcdef7", false}, {8, "abcdef7", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct text t;

        text_init(&t, cases[i].max);
        text_add(&t, "abc");
        text_addf(&t, "%s%d", "def", 7);
        assert_string_equal(text_get(&t), cases[i].expected);
        assert_int_equal(t.truncated, cases[i].truncated);
        text_clear(&t);
        assert_false(t.truncated);
        text_deinit(&t);
    }
}

static void test_text_grows_to_what_is_added(void **state)
{
    struct text t;

    (void)state;
    text_init(&t, 100000);
    for (int i = 0; i < 10000; i++)
        text_addf(&t, "%04d,", i);
    assert_int_equal(t.len, 50000);
    assert_int_equal(strlen(text_get(&t)), 50000);
    assert_memory_equal(text_get(&t) + 49990, "9998,9999,", 10);
    text_cut(&t, 10);
    assert_string_equal(text_get(&t), "0000,0001,");
    text_deinit(&t);
}

static const struct {
    const char *in, *json, *printable;
} escapes[] = {
    {"plain", "\"plain\"", "plain"},
    {"a\"b\\c", "\"a\\\"b\\\\c\"", "a\"b\\c"},
    {"a\nb\tc", "\"a\\nb\\u0009c\"", "a\\x0ab\\x09c"},
    {"\x1b[31m\x7f", "\"\\u001b[31m\\u007f\"", "\\x1b[31m\\x7f"},
    {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"", "gr\xc3\xbc\xc3\x9f"},
    {"\xe2\x82\xac", "\"\xe2\x82\xac\"", "\xe2\x82\xac"},
    {"\xf0\x9f\x90\x87", "\"\xf0\x9f\x90\x87\"", "\xf0\x9f\x90\x87"},
    {"\xc2\x9b", "\"\\u009b\"", "\\xc2\\x9b"}, /* a C1 control */
    {"\x80", "\"\xef\xbf\xbd\"", "\\x80"},     /* stray continuation */
    {"\xc3", "\"\xef\xbf\xbd\"", "\\xc3"},     /* cut short */
    {"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"", "\\xc0\\x80"}, /* overlong */
    {"\xe0\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"",
     "\\xe0\\x80\\x80"},
    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"",
     "\\xed\\xa0\\x80"}, /* surrogate */
    {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"",
     "\\xf4\\x90\\x80\\x80"}, /* above U+10FFFF */
};

static void test_text_escapes_what_others_wrote(void **state)
{
    struct text t;

    (void)state;
    text_init(&t, 1000);
    for (size_t i = 0; i < COUNT_OF(escapes); i++) {
        struct bytes in = bytes_of_text(escapes[i].in);
        uint8_t *exact = test_exact_copy(in);

        text_clear(&t);
        text_add_json(&t, bytes_of(exact, in.len));
        assert_string_equal(text_get(&t), escapes[i].json);
        text_clear(&t);
        text_add_printable(&t, bytes_of(exact, in.len));
        assert_string_equal(text_get(&t), escapes[i].printable);
        free(exact);
    }
    text_clear(&t);
    text_add_json(&t, TEST_BYTES("a\0b"));
    assert_string_equal(text_get(&t), "\"a\\u0000b\"");
    text_deinit(&t);
}

static void test_text_counts_in_words(void **state)
{
    static const struct {
        uint64_t count;
        const char *noun, *said;
    } rows[] = {
        {0, "node", "0 nodes"},
        {1, "node", "1 node"},
        {2, "node", "2 nodes"},
        {1, "query", "1 query"},
        {3, "query", "3 queries"},
        {2, "relay", "2 relays"},
        {2, "key", "2 keys"},
        {1, "hash", "1 hash"},
        {0, "hash", "0 hashes"},
        {UINT64_MAX, "hop", "18446744073709551615 hops"},
    };
    char out[TEXT_COUNT_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(text_count(rows[i].count, rows[i].noun, out),
                            rows[i].said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_empty_is_a_string),
        cmocka_unit_test(test_text_stops_at_its_limit),
        cmocka_unit_test(test_text_grows_to_what_is_added),
        cmocka_unit_test(test_text_escapes_what_others_wrote),
        cmocka_unit_test(test_text_counts_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
