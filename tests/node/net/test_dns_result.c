/* SPDX-License-Identifier: MIT
 *
 * What evdns says of a question, told apart and put into words.
 */
#include "node/net/dns_result.h"

#include "base/timestamp.h"

#include <event2/dns.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_dns_servfail_is_told_from_silence(void **state)
{
    static const uint64_t limit = DNS_TIMEOUT_S * TIME_S;

    (void)state;
    assert_int_equal(dns_result_of(DNS_ERR_TIMEOUT, 0), DNS_ERR_SERVERFAILED);
    assert_int_equal(dns_result_of(DNS_ERR_TIMEOUT, limit - 1),
                     DNS_ERR_SERVERFAILED);
    assert_int_equal(dns_result_of(DNS_ERR_TIMEOUT, limit), DNS_ERR_TIMEOUT);
    assert_int_equal(dns_result_of(DNS_ERR_NOTEXIST, 0), DNS_ERR_NOTEXIST);
    assert_int_equal(dns_result_of(DNS_ERR_NONE, 0), DNS_ERR_NONE);
}

static void test_dns_every_result_has_words_of_its_own(void **state)
{
    static const int results[] = {DNS_ERR_NOTEXIST, DNS_ERR_NODATA,
                                  DNS_ERR_TIMEOUT,  DNS_ERR_SERVERFAILED,
                                  DNS_ERR_REFUSED,  DNS_ERR_FORMAT};
    const size_t count = sizeof(results) / sizeof(results[0]);

    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(dns_result_text(results[i]),
                                    dns_result_text(results[k]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dns_servfail_is_told_from_silence),
        cmocka_unit_test(test_dns_every_result_has_words_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
