/* SPDX-License-Identifier: MIT
 *
 * That the kernel takes such packets is shown by
 * tests/exec/test_exec_traffic.py.
 */
#include "cli/exec/exec_packet.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint8_t out[EXEC_PACKET_MAX];

static struct endpoint at(const char *text)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse(text, &ep), OK);
    return ep;
}

/* As scapy writes it, but for the checksum of IPv4's header. */
static void test_exec_packet_ipv4(void **state)
{
    static const uint8_t expected[] = {
        0x45, 0,  0,   31, 0, 0, 0,    0,    64, 17, 0, 0, 192, 0,   2,  1,
        198,  51, 100, 7,  0, 7, 0x9c, 0x40, 0,  11, 0, 0, 'a', 'b', 'c'};
    struct endpoint from = at("192.0.2.1:7"), to = at("198.51.100.7:40000");

    (void)state;
    assert_int_equal(exec_packet_write(&from, &to, bytes_of_text("abc"), out),
                     sizeof(expected));
    bytes_put_number(out + 26, 2, 0); /* looked at below */
    assert_memory_equal(out, expected, sizeof(expected));
}

/* Over what RFC 768 and RFC 8200 say: the sum with the checksum is 0xffff. */
static void check_sum(const char *source, const char *destination, size_t len)
{
    struct endpoint from = at(source), to = at(destination);
    size_t head = from.family == FAMILY_IPV4 ? 20 : 40;
    size_t addrs = 2 * endpoint_addr_len(&from);
    uint8_t payload[64];
    uint64_t sum = 17 + 8 + len;

    memset(payload, 0xa5, sizeof(payload));
    assert_int_equal(exec_packet_write(&from, &to, bytes_of(payload, len), out),
                     head + 8 + len);
    out[head + 8 + len] = 0; /* an odd length is filled up */
    for (size_t i = head - addrs; i < head + 8 + len; i += 2)
        sum += bytes_get_number(out + i, 2);
    while (sum > UINT16_MAX)
        sum = (sum >> 16) + (sum & UINT16_MAX);
    assert_int_equal(sum, UINT16_MAX);
    assert_int_equal(bytes_get_number(out + head + 4, 2), 8 + len);
}

static void test_exec_packet_checksum(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 64; len++) {
        check_sum("192.0.2.1:53", "192.0.0.8:1024", len);
        check_sum("[2001:db8::1]:53", "[fc77:6172:7265:6e::1]:65535", len);
    }
}

/* A sum of 0 is sent as 0xffff: 0 says that there is none. */
static void test_exec_packet_zero_checksum(void **state)
{
    struct endpoint from = at("0.0.0.0:0"), to = at("0.0.0.0:0");
    uint8_t payload[2];

    (void)state;
    bytes_put_number(payload, 2, UINT16_MAX - (17 + 10 + 10));
    exec_packet_write(&from, &to, bytes_of(payload, 2), out);
    assert_int_equal(bytes_get_number(out + 26, 2), UINT16_MAX);
}

static void test_exec_packet_refuses(void **state)
{
    static uint8_t payload[EXEC_PACKET_MAX];
    struct endpoint v4 = at("192.0.2.1:1"), v6 = at("[::1]:1");

    (void)state;
    assert_int_equal(exec_packet_write(&v4, &v6, bytes_of(payload, 1), out), 0);
    assert_int_equal(
        exec_packet_write(&v4, &v4, bytes_of(payload, 65535 - 28), out), 65535);
    assert_int_equal(
        exec_packet_write(&v4, &v4, bytes_of(payload, 65535 - 27), out), 0);
    assert_int_equal(
        exec_packet_write(&v6, &v6, bytes_of(payload, 65535 - 47), out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exec_packet_ipv4),
        cmocka_unit_test(test_exec_packet_checksum),
        cmocka_unit_test(test_exec_packet_zero_checksum),
        cmocka_unit_test(test_exec_packet_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
