/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "base/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct endpoint addr(const char *text)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse_addr(text, &ep), OK);
    return ep;
}

static void test_endpoint_parses_and_prints(void **state)
{
    static const struct {
        const char *text;
        const char *printed; /* NULL: the same */
        enum family family;
        uint16_t port;
    } cases[] = {
        {"1.2.3.4:80", NULL, FAMILY_IPV4, 80},
        {"0.0.0.0:0", NULL, FAMILY_IPV4, 0},
        {"255.255.255.255:65535", NULL, FAMILY_IPV4, 65535},
        {"1.2.3.4:00080", "1.2.3.4:80", FAMILY_IPV4, 80},
        {"[2001:db8::1]:80", NULL, FAMILY_IPV6, 80},
        {"[::]:6881", NULL, FAMILY_IPV6, 6881},
        {"[::1]:1", NULL, FAMILY_IPV6, 1},
        {"[2001:DB8:0:0::A]:1", "[2001:db8::a]:1", FAMILY_IPV6, 1},
        {"[1111:2222:3333:4444:5555:6666:7777:8888]:65535", NULL, FAMILY_IPV6,
         65535},
        {"[1111:2222:3333:4444:5555:6666:255.255.255.255]:65535",
         "[1111:2222:3333:4444:5555:6666:ffff:ffff]:65535", FAMILY_IPV6, 65535},
        {"[::ffff:1.2.3.4]:80", "1.2.3.4:80", FAMILY_IPV4, 80},
        {"[::FFFF:102:304]:80", "1.2.3.4:80", FAMILY_IPV4, 80},
    };
    char text[ENDPOINT_TEXT_SIZE];
    struct endpoint ep;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *printed = cases[i].printed != NULL ? cases[i].printed
                                                       : cases[i].text;

        assert_int_equal(endpoint_parse(cases[i].text, &ep), OK);
        assert_int_equal(ep.family, cases[i].family);
        assert_int_equal(ep.port, cases[i].port);
        assert_ptr_equal(endpoint_print(&ep, text), text);
        assert_string_equal(text, printed);
    }
}

static void test_endpoint_refuses_other_text(void **state)
{
    static const char *const bad[] = {
        "",
        ":",
        ":80",
        "1.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:99999",
        "1.2.3.4:000080",
        "1.2.3.4:18446744073709551617",
        "1.2.3.4:-1",
        "1.2.3.4:+1",
        "1.2.3.4: 1",
        "1.2.3.4:1 ",
        "1.2.3.4:1x",
        "1.2.3.4:0x1",
        " 1.2.3.4:80",
        "1.2.3.4 :80",
        "1.2.3:80",
        "1.2.3.4.5:80",
        "1.2.3.256:80",
        "01.2.3.4:80",
        "localhost:80",
        "::1:80",
        "2001:db8::1:80",
        "[::1]",
        "[::1]80",
        "[::1]:",
        "[::1:80",
        "[]:80",
        "[",
        "[]",
        "[:]:1",
        "[1.2.3.4]:80",
        "[::1%lo]:80",
        "[:::1]:80",
        "[1:2:3:4:5:6:7]:80",
        "[1:2:3:4:5:6:7:8:9]:80",
        "[12345::]:80",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80",
        "[::1]]:80",
        "[[::1]]:80",
    };
    const struct endpoint before = {{9}, 9, FAMILY_IPV4};
    struct endpoint ep = before;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(endpoint_parse(bad[i], &ep), ERR_SYNTAX);
        assert_true(endpoint_equal(&ep, &before));
    }
}

static void test_endpoint_parses_addresses(void **state)
{
    static const struct {
        const char *text;
        const char *printed; /* NULL: refused */
    } cases[] = {
        {"1.2.3.4", "1.2.3.4"},
        {"::", "::"},
        {"[::1]", "::1"},
        {"2001:db8::5", "2001:db8::5"},
        {"::ffff:9.8.7.6", "9.8.7.6"},
        {"[1.2.3.4]", NULL},
        {"1.2.3.4:80", NULL},
        {"[::1]:80", NULL},
        {"[::1", NULL},
        {"::1]", NULL},
        {"", NULL},
        {"[]", NULL},
        {"[", NULL},
        {"name", NULL},
        {"1.2.3", NULL},
    };
    char text[ENDPOINT_TEXT_SIZE];
    struct endpoint ep;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum error err;

        ep = (struct endpoint){.port = 7};
        err = endpoint_parse_addr(cases[i].text, &ep);
        assert_int_equal(err, cases[i].printed != NULL ? OK : ERR_SYNTAX);
        assert_int_equal(ep.port, err == OK ? 0 : 7);
        if (err == OK)
            assert_string_equal(endpoint_print_addr(&ep, text),
                                cases[i].printed);
    }
}

static void test_endpoint_compact_form(void **state)
{
    struct endpoint v4 = addr("1.2.3.4");
    struct endpoint v6 = addr("2001:db8::ff");
    struct bytes want6 = test_hex("20010db8 00000000 00000000 000000ff 1ae1");
    uint8_t out[ENDPOINT_COMPACT_MAX];
    struct endpoint back;

    (void)state;
    v4.port = v6.port = 6881;
    assert_int_equal(endpoint_addr_len(&v4), 4);
    assert_int_equal(endpoint_addr_len(&v6), 16);
    assert_int_equal(endpoint_compact_len(&v4), 6);
    assert_int_equal(endpoint_compact_len(&v6), 18);
    assert_int_equal(endpoint_write_compact(&v4, out), 6);
    assert_memory_equal(out, "\x01\x02\x03\x04\x1a\xe1", 6);
    assert_int_equal(endpoint_read_compact(bytes_of(out, 6), &back), OK);
    assert_true(endpoint_equal(&back, &v4));
    assert_int_equal(endpoint_write_compact(&v6, out), 18);
    assert_memory_equal(out, want6.p, 18);
    assert_int_equal(endpoint_read_compact(want6, &back), OK);
    assert_true(endpoint_equal(&back, &v6));
}

static void test_endpoint_compact_lengths(void **state)
{
    uint8_t in[20] = {1};
    struct endpoint ep;

    (void)state;
    for (size_t len = 0; len <= sizeof(in); len++) {
        ep = (struct endpoint){.port = 7};
        assert_int_equal(endpoint_read_compact(bytes_of(in, len), &ep),
                         len == 6 || len == 18 ? OK : ERR_WRONG_LENGTH);
        assert_int_equal(ep.port, len == 6 || len == 18 ? 0 : 7);
    }
}

static void test_endpoint_compact_mapped_stays(void **state)
{
    struct bytes in = test_hex("00000000 00000000 0000ffff 01020304 0050");
    struct endpoint ep;

    (void)state;
    assert_int_equal(endpoint_read_compact(in, &ep), OK);
    assert_int_equal(ep.family, FAMILY_IPV6);
    assert_false(endpoint_is_usable(&ep));
    assert_false(endpoint_is_global(&ep));
}

static void test_endpoint_compares(void **state)
{
    struct endpoint a = addr("1.2.3.4");
    struct endpoint b = a;
    struct endpoint c = addr("102:304::");

    (void)state;
    assert_true(endpoint_equal(&a, &b));
    b.port = 1;
    assert_false(endpoint_equal(&a, &b));
    assert_true(endpoint_same_addr(&a, &b));
    assert_memory_equal(a.addr, c.addr, 16);
    assert_false(endpoint_same_addr(&a, &c));
    assert_false(endpoint_equal(&a, &c));
    b = addr("1.2.3.5");
    assert_false(endpoint_same_addr(&a, &b));
}

static void test_endpoint_same_prefix(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        int common; /* first bits that are the same */
    } cases[] = {
        {"1.2.3.4", "1.2.3.4", 32},
        {"1.2.3.4", "1.2.3.5", 31},
        {"1.2.3.4", "1.2.2.4", 23},
        {"1.2.3.0", "1.2.3.128", 24},
        {"1.2.3.4", "129.2.3.4", 0},
        {"::1", "::1", 128},
        {"::1", "::", 127},
        {"2001:db8::", "2001:db8:0:100::", 55},
        {"2001:db8::", "2001:db8:0:80::", 56},
        {"::", "8000::", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint a = addr(cases[i].a);
        struct endpoint b = addr(cases[i].b);

        for (int n = 0; n <= (int)endpoint_addr_len(&a) * 8; n++) {
            assert_int_equal(endpoint_same_prefix(&a, &b, n),
                             n <= cases[i].common);
            assert_int_equal(endpoint_same_prefix(&b, &a, n),
                             n <= cases[i].common);
        }
    }
}

static void test_endpoint_prefix_minds_family(void **state)
{
    struct endpoint v4 = addr("0.0.0.0");
    struct endpoint v6 = addr("::");

    (void)state;
    assert_false(endpoint_same_prefix(&v4, &v6, 0));
    assert_false(endpoint_same_prefix(&v6, &v4, 24));
}

static void test_endpoint_is_usable(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"1.2.3.4:1", true},
        {"1.2.3.4:65535", true},
        {"1.2.3.4:0", false},
        {"127.0.0.1:1", true},
        {"10.0.0.1:1", true},
        {"0.0.0.0:1", false},
        {"0.255.255.255:1", false},
        {"1.0.0.0:1", true},
        {"223.255.255.255:1", true},
        {"224.0.0.1:1", false},
        {"239.255.255.255:1", false},
        {"240.0.0.1:1", false},
        {"255.255.255.255:1", false},
        {"[::]:1", false},
        {"[::1]:1", true},
        {"[::1]:0", false},
        {"[fe80::1]:1", true},
        {"[2001:db8::1]:1", true},
        {"[feff::1]:1", true},
        {"[ff00::]:1", false},
        {"[ff02::1]:1", false},
        {"[::fffe:1.2.3.4]:1", true},
    };
    struct endpoint ep;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(endpoint_parse(cases[i].text, &ep), OK);
        assert_int_equal(endpoint_is_usable(&ep), cases[i].want);
    }
}

/* The ends of each block of the IANA special-purpose registries, and their
 * neighbours. */
static void test_endpoint_is_global(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"0.0.0.0", false},
        {"0.255.255.255", false},
        {"1.0.0.0", true},
        {"9.255.255.255", true},
        {"10.0.0.0", false},
        {"10.255.255.255", false},
        {"11.0.0.0", true},
        {"100.63.255.255", true},
        {"100.64.0.0", false},
        {"100.127.255.255", false},
        {"100.128.0.0", true},
        {"126.255.255.255", true},
        {"127.0.0.0", false},
        {"127.255.255.255", false},
        {"128.0.0.0", true},
        {"169.253.255.255", true},
        {"169.254.0.0", false},
        {"169.254.255.255", false},
        {"169.255.0.0", true},
        {"172.15.255.255", true},
        {"172.16.0.0", false},
        {"172.31.255.255", false},
        {"172.32.0.0", true},
        {"191.255.255.255", true},
        {"192.0.0.0", false},
        {"192.0.0.170", false},
        {"192.0.0.255", false},
        {"192.0.1.0", true},
        {"192.0.2.0", false},
        {"192.0.2.255", false},
        {"192.0.3.0", true},
        {"192.31.196.1", true}, /* AS112 */
        {"192.52.193.1", true}, /* AMT */
        {"192.88.98.255", true},
        {"192.88.99.0", false},
        {"192.88.99.255", false},
        {"192.88.100.0", true},
        {"192.167.255.255", true},
        {"192.168.0.0", false},
        {"192.168.255.255", false},
        {"192.169.0.0", true},
        {"192.175.48.1", true}, /* AS112 */
        {"198.17.255.255", true},
        {"198.18.0.0", false},
        {"198.19.255.255", false},
        {"198.20.0.0", true},
        {"198.51.99.255", true},
        {"198.51.100.0", false},
        {"198.51.100.255", false},
        {"198.51.101.0", true},
        {"203.0.112.255", true},
        {"203.0.113.0", false},
        {"203.0.113.255", false},
        {"203.0.114.0", true},
        {"223.255.255.255", true},
        {"224.0.0.0", false},
        {"239.255.255.255", false},
        {"240.0.0.0", false},
        {"255.255.255.255", false},

        {"::", false},
        {"::1", false},
        {"::2", false},
        {"::8.8.8.8", false},
        {"64:ff9b::8.8.8.8", false}, /* NAT64 */
        {"64:ff9b::10.0.0.1", false},
        {"64:ff9b:1::1", false},
        {"100::1", false}, /* discard */
        {"1fff:ffff::", false},
        {"2000::", true},
        {"2000:ffff:ffff::", true},
        {"2001::", false}, /* Teredo */
        {"2001:0:4136:e378:8000:63bf:3fff:fdd2", false},
        {"2001:2::1", false},  /* benchmarking */
        {"2001:10::1", false}, /* ORCHID */
        {"2001:20::1", false}, /* ORCHIDv2 */
        {"2001:1ff:ffff::", false},
        {"2001:200::", true},
        {"2001:db7:ffff::", true},
        {"2001:db8::", false},
        {"2001:db8:ffff:ffff::", false},
        {"2001:db9::", true},
        {"2001:ffff::", true},
        {"2002::", false}, /* 6to4 */
        {"2002:808:808::1", false},
        {"2002:ffff::", false},
        {"2003::", true},
        {"2606:4700::1111", true},
        {"3ffe:ffff::", true},
        {"3fff::", false}, /* documentation */
        {"3fff:fff:ffff::", false},
        {"3fff:1000::", true},
        {"3fff:ffff::", true},
        {"4000::", false},
        {"5f00::1", false}, /* SRv6 */
        {"fc00::1", false},
        {"fdff::1", false},
        {"fe80::1", false},
        {"fec0::1", false},
        {"ff02::1", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint ep = addr(cases[i].text);

        if (endpoint_is_global(&ep) != cases[i].want)
            fail_msg("%s", cases[i].text);
        ep.port = 80;
        assert_int_equal(endpoint_is_global(&ep), cases[i].want);
    }
}

static void test_endpoint_is_wildcard(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {{"0.0.0.0:0", true},    {"0.0.0.0:7881", true},
                 {"[::]:7881", true},    {"0.0.0.1:7881", false},
                 {"127.0.0.1:0", false}, {"[::1]:7881", false},
                 {"[1::]:0", false}};
    struct endpoint ep;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(endpoint_parse(cases[i].text, &ep), OK);
        assert_int_equal(endpoint_is_wildcard(&ep), cases[i].want);
    }
}

static void test_endpoint_is_loopback(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"127.0.0.1", true},
        {"127.255.255.255", true},
        {"126.255.255.255", false},
        {"128.0.0.0", false},
        {"::1", true},
        {"::", false},
        {"::2", false},
        {"1::1", false},
        {"7f00::", false},
        {"::ffff:127.0.0.1", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint ep = addr(cases[i].text);

        assert_int_equal(endpoint_is_loopback(&ep), cases[i].want);
    }
}

static void test_endpoint_round_trips(void **state)
{
    struct test_random rnd = test_seed(31);
    char text[ENDPOINT_TEXT_SIZE];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct endpoint ep = {.port = (uint16_t)test_random_next(&rnd)};
        struct endpoint back;
        uint8_t compact[ENDPOINT_COMPACT_MAX];
        size_t len;

        ep.family = (uint8_t)test_random_below(&rnd, FAMILIES);
        test_random_fill(&rnd, ep.addr, endpoint_addr_len(&ep));
        /* runs of zeros, which text shortens */
        memset(ep.addr, 0, test_random_below(&rnd, 4));
        assert_int_equal(endpoint_parse(endpoint_print(&ep, text), &back), OK);
        assert_true(endpoint_equal(&ep, &back));
        len = endpoint_write_compact(&ep, compact);
        assert_int_equal(endpoint_read_compact(bytes_of(compact, len), &back),
                         OK);
        assert_true(endpoint_equal(&ep, &back));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoint_parses_and_prints),
        cmocka_unit_test(test_endpoint_refuses_other_text),
        cmocka_unit_test(test_endpoint_parses_addresses),
        cmocka_unit_test(test_endpoint_compact_form),
        cmocka_unit_test(test_endpoint_compact_lengths),
        cmocka_unit_test(test_endpoint_compact_mapped_stays),
        cmocka_unit_test(test_endpoint_compares),
        cmocka_unit_test(test_endpoint_same_prefix),
        cmocka_unit_test(test_endpoint_prefix_minds_family),
        cmocka_unit_test(test_endpoint_is_usable),
        cmocka_unit_test(test_endpoint_is_global),
        cmocka_unit_test(test_endpoint_is_wildcard),
        cmocka_unit_test(test_endpoint_is_loopback),
        cmocka_unit_test(test_endpoint_round_trips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
