/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_dns.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW  (1000 * TIME_S)
#define HEAD "\x12\x34\x01\x00\0\1\0\0\0\0\0\0"
#define MX   15
#define TXT  16

static struct exec_names names;
static struct exec_dns dns = {.names = &names, .own = "MyBox"};
/* EDNS of version 1. */
#define OPT_1 "\0\0\x29\x4\0\0\1\0\0\0\0"
static uint8_t reply[DNS_DATAGRAM_MAX];

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 7, len);
}

static int setup(void **state)
{
    const struct random_source random = {.fill = fill};

    (void)state;
    exec_names_init(&names, 3, &random);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    exec_names_deinit(&names);
    return 0;
}

/* Labels in the place of dots, and the head before them. */
static struct bytes question(const char *name, unsigned type, uint8_t *out)
{
    size_t at = sizeof(HEAD) - 1;

    memcpy(out, HEAD, at);
    while (*name != '\0') {
        size_t len = strcspn(name, ".");

        out[at] = (uint8_t)len;
        memcpy(out + at + 1, name, len);
        at += 1 + len;
        name += len + (name[len] == '.');
    }
    out[at++] = 0;
    bytes_put_number(out + at, 2, type);
    bytes_put_number(out + at + 2, 2, DNS_CLASS_IN);
    return bytes_of(out, at + 4);
}

static size_t ask(const char *name, unsigned type, bool ipv6)
{
    uint8_t in[DNS_DATAGRAM_MAX];

    dns.ipv6 = ipv6;
    return exec_dns_answer(&dns, question(name, type, in), NOW, reply);
}

static enum dns_rcode code(void)
{
    return (enum dns_rcode)(reply[3] & 15);
}

static uint64_t answers(void)
{
    return bytes_get_number(reply + 6, 2);
}

/* The address at the end of the reply. */
static void check_address(size_t len, const char *expected)
{
    struct endpoint wanted;

    assert_int_equal(code(), DNS_RCODE_OK);
    assert_int_equal(answers(), 1);
    assert_int_equal(endpoint_parse_addr(expected, &wanted), OK);
    assert_memory_equal(reply + len - endpoint_addr_len(&wanted), wanted.addr,
                        endpoint_addr_len(&wanted));
}

static void test_exec_dns_gives_addresses(void **state)
{
    (void)state;
    check_address(ask("www.Example.org", DNS_TYPE_A, true), "198.18.0.1");
    check_address(ask("www.example.org", DNS_TYPE_AAAA, true),
                  "fc77:6172:7265:6e::2");
    check_address(ask("router", DNS_TYPE_A, true), "198.18.0.2");
    check_address(ask("abcdef.warren", DNS_TYPE_A, true), "198.18.0.3");
    check_address(ask("localhost", DNS_TYPE_A, true), "127.0.0.1");
    check_address(ask("a.localhost", DNS_TYPE_AAAA, true), "::1");
    check_address(ask("mybox", DNS_TYPE_A, true), "127.0.0.1");
    assert_int_equal(names.count, 3);
    ask("one.too.many", DNS_TYPE_A, true);
    assert_int_equal(code(), DNS_RCODE_FAILED);
}

/* The name is there: its other addresses are looked for. */
static void test_exec_dns_has_no_other_records(void **state)
{
    static const unsigned types[] = {MX, TXT, DNS_TYPE_HTTPS, DNS_TYPE_SVCB,
                                     DNS_TYPE_AAAA};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        ask("www.example.org", types[i], false);
        assert_int_equal(code(), DNS_RCODE_OK);
        assert_int_equal(answers(), 0);
    }
    assert_int_equal(names.count, 0);
}

static void test_exec_dns_refuses_names(void **state)
{
    static const char *const none[] = {
        "a.onion",     "printer.local", "x.invalid",
        "10.0.0.1",    "127.1",         "0x7f000001",
        "a b.example", "warren",        "notlocalhost.local"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        ask(none[i], DNS_TYPE_A, true);
        assert_int_equal(code(), DNS_RCODE_NO_NAME);
    }
    assert_int_equal(names.count, 0);
}

static void test_exec_dns_gives_names(void **state)
{
    static const char *const none[] = {"2.0.18.198.in-addr.arpa",
                                       "8.8.8.8.in-addr.arpa"};
    size_t len;

    (void)state;
    ask("a.example", DNS_TYPE_A, true);
    len = ask("1.0.18.198.in-addr.arpa", DNS_TYPE_PTR, true);
    assert_int_equal(code(), DNS_RCODE_OK);
    assert_memory_equal(reply + len - 11, "\1a\7example", 11);
    len = ask("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.e.6.0.0.5.6.2.7.2.7.1.6.7.7.c.f"
              ".ip6.arpa",
              DNS_TYPE_PTR, true);
    assert_memory_equal(reply + len - 11, "\1a\7example", 11);
    len = ask("1.0.0.127.in-addr.arpa", DNS_TYPE_PTR, true);
    assert_memory_equal(reply + len - 11, "\11localhost", 11);
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        ask(none[i], DNS_TYPE_PTR, true);
        assert_int_equal(code(), DNS_RCODE_NO_NAME);
    }
    ask("a.example", DNS_TYPE_PTR, true); /* it is there, without one */
    assert_int_equal(code(), DNS_RCODE_OK);
}

/* It is there, or a cache would believe that nothing is below it. */
static void test_exec_dns_root(void **state)
{
    (void)state;
    ask("", DNS_TYPE_A, true);
    assert_int_equal(code(), DNS_RCODE_OK);
    assert_int_equal(answers(), 0);
}

static void test_exec_dns_senseless(void **state)
{
    uint8_t in[DNS_DATAGRAM_MAX];
    struct bytes q = question("a.example", DNS_TYPE_A, in);
    size_t len;

    (void)state;
    for (len = 0; len < q.len; len++) {
        size_t said = exec_dns_answer(&dns, bytes_of(in, len), NOW, reply);

        assert_int_equal(said == 0, len < sizeof(HEAD) - 1);
        if (said > 0)
            assert_int_equal(code(), DNS_RCODE_FORMAT);
    }
    memcpy(in + q.len, OPT_1, sizeof(OPT_1) - 1);
    in[11] = 1; /* additional */
    len = exec_dns_answer(&dns, bytes_of(in, q.len + sizeof(OPT_1) - 1), NOW,
                          reply);
    assert_int_equal(reply[len - 6], DNS_RCODE_BAD_VERSION >> 4);
    in[11] = 0;
    in[q.len - 1] = 3; /* CHAOS */
    exec_dns_answer(&dns, q, NOW, reply);
    assert_int_equal(code(), DNS_RCODE_NOT_IMPLEMENTED);
    in[2] |= 0x80; /* a reply */
    assert_int_equal(exec_dns_answer(&dns, q, NOW, reply), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exec_dns_gives_addresses, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_exec_dns_has_no_other_records,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_exec_dns_refuses_names, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_exec_dns_gives_names, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_exec_dns_root, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exec_dns_senseless, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
