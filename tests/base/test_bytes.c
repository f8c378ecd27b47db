/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_bytes_numbers_are_big_endian(void **state)
{
    static const uint8_t expected[] = {0x01, 0x23, 0x45, 0x67,
                                       0x89, 0xab, 0xcd, 0xef};
    uint64_t number = UINT64_C(0x0123456789abcdef);

    (void)state;
    for (size_t len = 1; len <= 8; len++) {
        uint8_t b[9];
        uint64_t low = number & (UINT64_MAX >> (64 - 8 * len));

        memset(b, 0x5a, sizeof(b));
        bytes_put_number(b, len, number);
        assert_memory_equal(b, expected + 8 - len, len);
        assert_int_equal(b[len], 0x5a);
        assert_true(bytes_get_number(b, len) == low);
    }
    assert_true(bytes_get_number(expected, 0) == 0);
}

static void test_bytes_equal_with_nothing_in_them(void **state)
{
    (void)state;
    assert_true(bytes_equal(bytes_of(NULL, 0), bytes_of("", 0)));
    assert_false(bytes_equal(bytes_of(NULL, 0), bytes_of_text("x")));
    assert_true(bytes_is_text(bytes_of("abc", 2), "ab"));
    assert_false(bytes_is_text(bytes_of("abc", 2), "abc"));
}

static void test_bytes_copy_every_length(void **state)
{
    (void)state;
    bytes_copy(NULL, bytes_of(NULL, 0));
    for (size_t len = 0; len <= 100; len++) {
        uint8_t *from = malloc(len), to[102]; /* nothing is read beyond */

        for (size_t i = 0; i < len; i++)
            from[i] = (uint8_t)(i + 1);
        memset(to, 0x5a, sizeof(to));
        bytes_copy(to + 1, bytes_of(from, len));
        assert_memory_equal(to + 1, from, len);
        assert_int_equal(to[0], 0x5a);
        assert_int_equal(to[len + 1], 0x5a);
        free(from);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_numbers_are_big_endian),
        cmocka_unit_test(test_bytes_equal_with_nothing_in_them),
        cmocka_unit_test(test_bytes_copy_every_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
