/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "dht/types/dht_version.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect(const char *bytes, size_t len, const char *text)
{
    char out[DHT_VERSION_TEXT];

    assert_string_equal(dht_version_print(bytes_of(bytes, len), out), text);
}

static void test_version_print(void **state)
{
    (void)state;
    expect("", 0, "");
    expect("LT\x02\x08", 4, "LT 2.0.8");
    expect("WR\x0a\xff", 4, "WR 10.15.15");
    expect("LT\x00\x10", 4, "LT\\x00\\x10"); /* 0.16, not 0.1.0 */
    expect("LT", 2, "LT");
    expect("UT\xb0 ", 4, "UT\\xb0\\x20");
    expect("a\",\\b", 5, "a\\x22\\x2c\\x5cb");
    expect("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9,
           "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff");
}

/* What we say of ourselves reads as what this build is. */
static void test_version_own(void **state)
{
    uint8_t own[DHT_VERSION_BYTES];
    char out[DHT_VERSION_TEXT];

    (void)state;
    dht_version_own(own);
    dht_version_print(bytes_of(own, sizeof(own)), out);
    assert_memory_equal(out, "WR ", 3);
    assert_string_equal(out + 3, WARREN_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_print),
        cmocka_unit_test(test_version_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
