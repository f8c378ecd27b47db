/* SPDX-License-Identifier: MIT */
#include "node/dns/dns_message.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define QUESTION(name, type) \
    "\x12\x34\x01\x00\0\1\0\0\0\0\0\0" name "\0\0" type "\0\1"
#define READ(text, q) \
    dns_question_read(bytes_of((const uint8_t *)(text), sizeof(text) - 1), q)

static void test_dns_message_question(void **state)
{
    struct dns_question q;

    (void)state;
    assert_int_equal(READ(QUESTION("\3WwW\7example\3org", "\x1c"), &q), OK);
    assert_int_equal(q.id, 0x1234);
    assert_true(q.recursion);
    assert_int_equal(q.opcode, 0);
    assert_int_equal(q.type, DNS_TYPE_AAAA);
    assert_int_equal(q.class, DNS_CLASS_IN);
    assert_string_equal(q.name, "www.example.org");
    assert_int_equal(q.wire_len, 21);
    /* What follows is not looked at. */
    assert_int_equal(READ(QUESTION("\1a", "\1") "\0\0\x29\x10\0", &q), OK);
    assert_string_equal(q.name, "a");
    /* The root, and a name that no host has. */
    assert_int_equal(READ(QUESTION("", "\1"), &q), OK);
    assert_string_equal(q.name, "");
    assert_int_equal(READ(QUESTION("\3a.b", "\1"), &q), OK);
    assert_string_equal(q.name, "");
}

static void test_dns_message_mistakes(void **state)
{
    static const char whole[] = QUESTION("\3www\7example", "\1");
    struct dns_question q;

    (void)state;
    for (size_t len = 0; len < sizeof(whole) - 1; len++)
        assert_int_equal(
            dns_question_read(bytes_of((const uint8_t *)whole, len), &q),
            len < 12 ? ERR_MISSING : ERR_SYNTAX);
    assert_int_equal(READ("\0\1\x80\0\0\1\0\0\0\0\0\0\0\0\1\0\1", &q),
                     ERR_UNKNOWN_KIND); /* a reply */
    assert_int_equal(READ("\0\1\0\0\0\2\0\0\0\0\0\0\0\0\1\0\1", &q),
                     ERR_SYNTAX); /* two questions */
    assert_int_equal(READ(QUESTION("\xc0\x0c", "\1"), &q), ERR_SYNTAX);
    assert_int_equal(q.id, 0x1234);
    assert_int_equal(q.wire_len, 0);
}

/* A name of `len` bytes on the wire. */
static enum error read_long(size_t len, struct dns_question *q)
{
    uint8_t in[12 + 300 + 5] = {0, 1, 0, 0, 0, 1};
    size_t at = 12, left = len - 1;

    while (left > 0) {
        size_t label = left > 64 ? 63 : left - 1;

        in[at++] = (uint8_t)label;
        memset(in + at, 'a', label);
        at += label;
        left -= label + 1;
    }
    memcpy(in + at, "\0\0\1\0\1", 5);
    return dns_question_read(bytes_of(in, at + 5), q);
}

static void test_dns_message_longest_name(void **state)
{
    struct dns_question q;

    (void)state;
    assert_int_equal(read_long(255, &q), OK);
    assert_int_equal(strlen(q.name), 253);
    assert_int_equal(q.wire_len, DNS_WIRE_MAX);
    assert_int_equal(read_long(256, &q), ERR_SYNTAX);
}

static void test_dns_message_addresses(void **state)
{
    static const uint8_t expected[] = "\x12\x34\x81\x80\0\1\0\2\0\0\0\0"
                                      "\1a\0\0\1\0\1"
                                      "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"
                                      "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\5\6\7\x8";
    const struct endpoint addrs[] = {
        {.addr = {1, 2, 3, 4}, .family = FAMILY_IPV4},
        {.addr = {0x20, 1}, .family = FAMILY_IPV6},
        {.addr = {5, 6, 7, 8}, .family = FAMILY_IPV4}};
    struct dns_reply r = {.ttl = 60, .addrs = addrs, .count = 3};
    uint8_t out[DNS_DATAGRAM_MAX];
    struct dns_question q;

    (void)state;
    assert_int_equal(READ(QUESTION("\1a", "\1"), &q), OK);
    assert_int_equal(dns_reply_write(&q, &r, out), sizeof(expected) - 1);
    assert_memory_equal(out, expected, sizeof(expected) - 1);
    q.type = DNS_TYPE_AAAA;
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 7 + 28);
    q.type = DNS_TYPE_HTTPS;
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 7);
    assert_int_equal(out[7], 0);
    r.code = DNS_RCODE_NO_NAME;
    q.type = DNS_TYPE_A;
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 7);
    assert_int_equal(out[3], 0x83);
}

/* As many as there is room for, behind the longest question. */
static void test_dns_message_has_its_size(void **state)
{
    struct endpoint addrs[32] = {{.addr = {0}}};
    struct dns_reply r = {.addrs = addrs, .count = 32};
    uint8_t out[DNS_DATAGRAM_MAX];
    struct dns_question q;

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        addrs[i].family = FAMILY_IPV6;
    assert_int_equal(read_long(255, &q), OK);
    q.type = DNS_TYPE_AAAA;
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 259 + 8 * 28);
    assert_int_equal(out[7], 8);
}

static void test_dns_message_names(void **state)
{
    struct dns_reply r = {.ttl = 1, .name = bytes_of_text("host.example")};
    uint8_t out[DNS_DATAGRAM_MAX];
    struct dns_question q;
    char label[66];

    (void)state;
    assert_int_equal(READ(QUESTION("\1a", "\x0c"), &q), OK);
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 7 + 12 + 14);
    assert_memory_equal(out + 12 + 7 + 10, "\0\x0e\4host\7example\0", 16);
    assert_true(dns_name_is_sound(bytes_of_text("a_b-c.D9")));
    assert_false(dns_name_is_sound(bytes_of_text("")));
    assert_false(dns_name_is_sound(bytes_of_text(".a")));
    assert_false(dns_name_is_sound(bytes_of_text("a.")));
    assert_false(dns_name_is_sound(bytes_of_text("a..b")));
    assert_false(dns_name_is_sound(bytes_of_text("a b")));
    memset(label, 'a', sizeof(label));
    label[64] = '\0';
    assert_false(dns_name_is_sound(bytes_of_text(label)));
    label[63] = '\0';
    assert_true(dns_name_is_sound(bytes_of_text(label)));
}

static void test_dns_message_reverse(void **state)
{
    static const char *const none[] = {
        "",
        "in-addr.arpa",
        ".in-addr.arpa",
        "3.2.1.in-addr.arpa",
        "5.4.3.2.1.in-addr.arpa",
        "256.3.2.1.in-addr.arpa",
        "04.3.2.1.in-addr.arpa",
        "4.3.2..in-addr.arpa",
        "4.3.2.1.example.org",
        "1.0.0.ip6.arpa",
        "g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
        "ip6.arpa"};
    struct endpoint ep, expected;

    (void)state;
    assert_true(dns_reverse_read("4.30.200.1.in-addr.arpa", &ep));
    assert_int_equal(endpoint_parse_addr("1.200.30.4", &expected), OK);
    assert_true(endpoint_same_addr(&ep, &expected));
    assert_true(dns_reverse_read("f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
                                 "0.0.8.b.d.0.1.0.0.2.ip6.arpa",
                                 &ep));
    assert_int_equal(endpoint_parse_addr("2001:db8::f", &expected), OK);
    assert_true(endpoint_same_addr(&ep, &expected));
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        if (dns_reverse_read(none[i], &ep))
            fail_msg("'%s' is an address", none[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dns_message_question),
        cmocka_unit_test(test_dns_message_mistakes),
        cmocka_unit_test(test_dns_message_longest_name),
        cmocka_unit_test(test_dns_message_addresses),
        cmocka_unit_test(test_dns_message_has_its_size),
        cmocka_unit_test(test_dns_message_names),
        cmocka_unit_test(test_dns_message_reverse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
