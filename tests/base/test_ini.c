/* SPDX-License-Identifier: MIT */
#include "base/setting/ini.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_ini_takes_any_bytes(void **state)
{
    struct test_random random = test_seed(1);
    unsigned items = 0;
    struct ini_item item;
    struct ini ini;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        static const char alphabet[] = "[]=#; \t\r\n\0ab\xff";
        char buf[65];
        size_t len = test_random_below(&random, sizeof(buf) - 1);

        for (size_t i = 0; i < len; i++)
            buf[i] = alphabet[test_random_below(&random, sizeof(alphabet) - 1)];
        ini_init(&ini, buf, len);
        while (ini_next(&ini, &item))
            items++;
    }
    assert_true(items > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ini_takes_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
