/* SPDX-License-Identifier: MIT */
#include "node/socks/socks_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* As the numbers of RFC 1928 §6, which programs show to people. */
static void test_socks_code_of_reasons(void **state)
{
    (void)state;
    assert_int_equal(socks5_code_of(REASON_UNKNOWN), 1);
    assert_int_equal(socks5_code_of(REASON_POLICY), 2);
    assert_int_equal(socks5_code_of(REASON_NO_EXIT), 2);
    assert_int_equal(socks5_code_of(REASON_NO_RELAYS), 3);
    assert_int_equal(socks5_code_of(REASON_RESOLVE), 4);
    assert_int_equal(socks5_code_of(REASON_TIMEOUT), 6);
    assert_string_equal(http_status_of(REASON_POLICY), "403 Forbidden");
    assert_string_equal(http_status_of(REASON_RESOLVE), "502 Bad Gateway");
    assert_string_equal(http_status_of(REASON_NO_RELAYS),
                        "503 Service Unavailable");
    assert_string_equal(http_status_of(REASON_TIMEOUT), "504 Gateway Timeout");
}

/* A reason that is new needs a row; none is told as a success, nor as what a
 * client's request alone decides. */
static void test_socks_code_is_there(void **state)
{
    (void)state;
    for (int r = 0; r < REASON_END_; r++) {
        enum socks5_code code = socks5_code_of((enum reason)r);
        const char *status = http_status_of((enum reason)r);

        assert_in_range(code, SOCKS5_FAILED, SOCKS5_EXPIRED);
        assert_true(status[0] == '4' || status[0] == '5');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socks_code_of_reasons),
        cmocka_unit_test(test_socks_code_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
