/* SPDX-License-Identifier: MIT
 *
 * Answers of exits that lie about names.
 */
#include "node/socks/socks_answer.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct socks_request of(enum socks_protocol protocol,
                               enum socks_command command)
{
    return (struct socks_request){.protocol = protocol, .command = command};
}

static const char *const local[] = {
    "127.0.0.1", "10.0.0.1",        "192.168.1.1", "172.16.0.1", "169.254.1.1",
    "0.0.0.0",   "100.64.0.1",      "224.0.0.1",   "::1",        "fe80::1",
    "fd00::1",   "::ffff:10.0.0.1", "ff02::1",
};

static struct endpoint address(const char *text)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse_addr(text, &ep), OK);
    return ep;
}

/* One's own machine, and one's own network, are nobody's to name. */
static void test_socks_answer_local_ones_are_not_told(void **state)
{
    struct socks_request r = of(SOCKS_V5, SOCKS_RESOLVE);
    struct stream_answer a = {.address_count = 1};
    struct endpoint at;

    (void)state;
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        a.address[0] = address(local[i]);
        a.address_count = 1;
        print_message("%s\n", local[i]);
        assert_false(socks_answer_choose(&r, &a, false, &at));
        assert_true(socks_answer_choose(&r, &a, true, &at));
        a.address[1] = address("8.8.8.8");
        a.address_count = 2;
        assert_true(socks_answer_choose(&r, &a, false, &at));
        assert_true(endpoint_equal(&at, &a.address[1]));
    }
}

/* SOCKS4 has no words for IPv6: behind it there may be one of IPv4. */
static void test_socks_answer_other_family(void **state)
{
    struct socks_request r = of(SOCKS_V4A, SOCKS_RESOLVE);
    struct stream_answer a = {.address_count = 1};
    struct endpoint at;

    (void)state;
    a.address[0] = address("2606:4700::1");
    assert_false(socks_answer_choose(&r, &a, false, &at));
    a.address[1] = address("8.8.8.8");
    a.address_count = 2;
    assert_true(socks_answer_choose(&r, &a, false, &at));
    assert_int_equal(at.family, FAMILY_IPV4);
    r.protocol = SOCKS_V5;
    assert_true(socks_answer_choose(&r, &a, false, &at));
    assert_int_equal(at.family, FAMILY_IPV6);
}

/* Where a CONNECT came from is told as it is: nobody turns to it. */
static void test_socks_answer_of_connect(void **state)
{
    struct socks_request r = of(SOCKS_V5, SOCKS_CONNECT);
    struct stream_answer a = {.address_count = 1};
    struct endpoint at;

    (void)state;
    a.address[0] = address("10.0.0.1");
    assert_true(socks_answer_choose(&r, &a, false, &at));
    assert_true(endpoint_equal(&at, &a.address[0]));
    a.address_count = 0; /* of a service */
    assert_true(socks_answer_choose(&r, &a, false, &at));
}

static void test_socks_answer_names(void **state)
{
    static const struct {
        const char *name;
        bool told;
    } names[] = {
        {"example.org", true},
        {"xn--bcher-kva.example", true},
        {"_sip.example", true},
        {"", false},
        {"a b", false},
        {"a\nb", false},
        {"\x1b[2Jexample", false},
        {"b\xc3\xbc"
         "cher",
         false},
        {"a\x7f", false},
    };
    struct socks_request r = of(SOCKS_V5, SOCKS_REVERSE);
    struct stream_answer a = {.address_count = 0};
    struct endpoint at;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        a.name = bytes_of_text(names[i].name);
        assert_int_equal(socks_answer_choose(&r, &a, false, &at),
                         names[i].told);
    }
    a.name = bytes_of((const uint8_t *)"a\0b", 3);
    assert_false(socks_answer_choose(&r, &a, false, &at));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socks_answer_local_ones_are_not_told),
        cmocka_unit_test(test_socks_answer_other_family),
        cmocka_unit_test(test_socks_answer_of_connect),
        cmocka_unit_test(test_socks_answer_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
