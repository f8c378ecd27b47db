/* SPDX-License-Identifier: MIT */
#include "node/dns/dns_message.h"

#include "stream/stream_request.h"
#include "testing.h"
#include "tunnel/exit/name_cache.h"

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
    assert_false(q.edns.there);
    assert_int_equal(q.edns.room, DNS_PLAIN_MAX);
    /* What is more than it counts is not looked at. */
    assert_int_equal(READ(QUESTION("\1a", "\1") "\0\0\x29\x10\0", &q), OK);
    assert_string_equal(q.name, "a");
    assert_false(q.edns.there);
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

/* ---- EDNS --------------------------------------------------------------- */

#define HEAD(answers, authorities, additional) \
    "\x12\x34\x01\x10\0\1\0" answers "\0" authorities "\0" additional
#define ASKED          "\1A\0\0\1\0\1"
#define OPT(room, ttl) "\0\0\x29" room ttl "\0\0"

static void test_dns_message_edns(void **state)
{
    struct dns_question q;

    (void)state;
    assert_int_equal(
        READ(HEAD("\0", "\0", "\1") ASKED OPT("\x04\xd0", "\0\0\x80\0"), &q),
        OK);
    assert_true(q.edns.there && q.edns.proofs && q.unchecked);
    assert_int_equal(q.edns.version, 0);
    assert_int_equal(q.edns.room, 1232);
    assert_int_equal(
        READ(HEAD("\0", "\0", "\1") ASKED OPT("\x02\x58", "\0\0\0\0"), &q), OK);
    assert_int_equal(q.edns.room, 600);
    assert_false(q.edns.proofs);
    /* Less than all can take, and more than we say. */
    assert_int_equal(
        READ(HEAD("\0", "\0", "\1") ASKED OPT("\0\x20", "\0\0\0\0"), &q), OK);
    assert_int_equal(q.edns.room, 512);
    assert_int_equal(
        READ(HEAD("\0", "\0", "\1") ASKED OPT("\xff\xff", "\0\7\0\0"), &q), OK);
    assert_int_equal(q.edns.room, DNS_DATAGRAM_MAX);
    assert_int_equal(q.edns.version, 7);
    /* Behind other records, with options. */
    assert_int_equal(READ(HEAD("\1", "\1", "\2") ASKED
                          "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4"
                          "\1b\xc0\x0c\0\x29\0\1\0\0\0\0\0\0"
                          "\1b\0\0\1\0\1\0\0\0\0\0\0"
                          "\0\0\x29\4\0\0\0\0\0\0\5\0\xa\0\1x",
                          &q),
                     OK);
    assert_true(q.edns.there);
    assert_int_equal(q.edns.room, 1024);
}

static void test_dns_message_edns_mistakes(void **state)
{
    static const char whole[] = HEAD("\0", "\0", "\1") ASKED
        "\0\0\x29\4\0\0\0\0\0\0\2xx";
    struct dns_question q;

    (void)state;
    assert_int_equal(READ(whole, &q), OK);
    for (size_t len = sizeof(whole) - 14; len < sizeof(whole) - 1; len++) {
        assert_int_equal(
            dns_question_read(bytes_of((const uint8_t *)whole, len), &q),
            ERR_SYNTAX);
        assert_false(q.edns.there);
    }
    /* Two of them, and one that is not of the root. */
    assert_int_equal(READ(HEAD("\0", "\0", "\2") ASKED OPT("\4\0", "\0\0\0\0")
                              OPT("\4\0", "\0\0\0\0"),
                          &q),
                     ERR_SYNTAX);
    assert_false(q.edns.there);
    assert_int_equal(
        READ(HEAD("\0", "\0", "\1") ASKED "\1a" OPT("\4\0", "\0\0\0\0"), &q),
        ERR_SYNTAX);
    assert_int_equal(
        READ(HEAD("\0", "\0", "\1") ASKED "\x80" OPT("\4\0", "\0\0\0\0"), &q),
        ERR_SYNTAX);
}

static void test_dns_message_edns_is_answered(void **state)
{
    static const char edns[] = OPT("\4\xd0", "\0\0\x80\0"),
                      bad[] = OPT("\4\xd0", "\1\0\0\0");
    struct endpoint addr = {.addr = {1, 2, 3, 4}};
    struct dns_reply r = {.addrs = &addr, .count = 1};
    uint8_t out[DNS_DATAGRAM_MAX];
    struct dns_question q;

    (void)state;
    assert_int_equal(
        READ(HEAD("\0", "\0", "\1") ASKED OPT("\4\0", "\0\0\x80\0"), &q), OK);
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 7 + 16 + 11);
    assert_memory_equal(out, "\x12\x34\x81\x90\0\1\0\1\0\0\0\1" ASKED, 19);
    assert_memory_equal(out + 35, edns, 11);
    r.code = DNS_RCODE_BAD_VERSION;
    q.edns.proofs = false;
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 7 + 11);
    assert_int_equal(out[3] & 15, 0);
    assert_memory_equal(out + 19, bad, 11);
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
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 7 + 33);
    assert_int_equal(out[7], 0);
    r.code = DNS_RCODE_FAILED;
    q.type = DNS_TYPE_A;
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 7);
    assert_int_equal(out[3], 0x82);
}

static void test_dns_message_says_how_long_there_is_nothing(void **state)
{
    static const char soa[] = "\0\0\6\0\1\0\0\0\x0a\0\x16"
                              "\0\0\0\0\0\1\0\0\x0e\x10\0\0\2\x58"
                              "\0\1\x51\x80\0\0\0\x0a";
    struct dns_reply r = {.code = DNS_RCODE_NO_NAME, .ttl = 10};
    uint8_t out[DNS_DATAGRAM_MAX];
    struct dns_question q;

    (void)state;
    assert_int_equal(READ(QUESTION("\1a", "\1"), &q), OK);
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 7 + 33);
    assert_memory_equal(out, "\x12\x34\x81\x83\0\1\0\0\0\1\0\0", 12);
    assert_memory_equal(out + 19, soa, 33);
    r.code = DNS_RCODE_OK;
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 7 + 33);
    assert_int_equal(out[3], 0x80);
    assert_memory_equal(out + 19, soa, 33);
}

/* What an exit of ours says has room behind the longest question, and with EDNS
 * what any may say: so nothing is ever cut off. */
static void test_dns_message_has_its_size(void **state)
{
    struct endpoint addrs[64] = {{.addr = {0}}};
    struct dns_reply r = {.addrs = addrs, .count = 64};
    uint8_t out[DNS_DATAGRAM_MAX];
    struct dns_question q;

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        addrs[i].family = FAMILY_IPV6;
    assert_int_equal(read_long(255, &q), OK);
    q.type = DNS_TYPE_AAAA;
    assert_int_equal(dns_reply_write(&q, &r, out), 12 + 259 + 8 * 28);
    assert_int_equal(out[7], NAME_ADDRS_MAX);
    assert_int_equal(out[2] & 2, 0);
    q.edns = (struct dns_edns){.there = true, .room = DNS_PLAIN_MAX};
    assert_true(dns_reply_write(&q, &r, out) <= DNS_PLAIN_MAX);
    assert_int_equal(out[7], NAME_ADDRS_MAX);
    q.edns.room = DNS_DATAGRAM_MAX;
    assert_true(dns_reply_write(&q, &r, out) <= DNS_DATAGRAM_MAX);
    assert_true(out[7] >= STREAM_ADDRESSES_MAX);
    assert_int_equal(out[2] & 2, 0);
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
        cmocka_unit_test(test_dns_message_edns),
        cmocka_unit_test(test_dns_message_edns_mistakes),
        cmocka_unit_test(test_dns_message_edns_is_answered),
        cmocka_unit_test(test_dns_message_longest_name),
        cmocka_unit_test(test_dns_message_says_how_long_there_is_nothing),
        cmocka_unit_test(test_dns_message_addresses),
        cmocka_unit_test(test_dns_message_has_its_size),
        cmocka_unit_test(test_dns_message_names),
        cmocka_unit_test(test_dns_message_reverse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
