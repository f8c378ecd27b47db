/* SPDX-License-Identifier: MIT */
#include "tunnel/circuit/circuit_message.h"

#include "circuit_message_check.h"
#include "testing.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint8_t key1[32] = {1}, key2[32] = {2};
static const uint8_t noise[HOP_NOISE1_BYTES] = {3};
static const uint8_t text[CIRCUIT_PACKET_MAX] = "text";

#define V4                               \
    {                                    \
        .addr = {8, 8, 4, 4}, .port = 53 \
    }
#define V6                                                   \
    {                                                        \
        .family = FAMILY_IPV6, .addr = {0x20, 1, 0xd, 0xb8}, \
        .port = UINT16_MAX                                   \
    }

static const struct circuit_message examples[] = {
    {.type = CIRCUIT_EXTEND,
     .attempt = 1,
     .identity = key1,
     .handshake_key = key2,
     .ep = V4,
     .noise = {noise, HOP_NOISE1_BYTES}},
    {.type = CIRCUIT_EXTEND,
     .attempt = UINT8_MAX,
     .identity = key1,
     .handshake_key = key2,
     .ep = V6,
     .noise = {noise, HOP_NOISE1_BYTES}},
    {.type = CIRCUIT_EXTENDED, .attempt = 9, .noise = {noise, NOISE_OVERHEAD}},
    {.type = CIRCUIT_FAILED, .attempt = 0, .reason = REASON_POLICY},
    {.type = CIRCUIT_FAILED, .attempt = 200, .reason = REASON_FULL},
    {.type = CIRCUIT_DATA, .ep = V4, .payload = {text, 0}},
    {.type = CIRCUIT_DATA, .ep = V6, .payload = {text, 1200}},
    {.type = CIRCUIT_DATA,
     .name = {text, CIRCUIT_NAME_MAX},
     .port = UINT16_MAX,
     .payload = {text, 900}},
    {.type = CIRCUIT_PIECE,
     .piece_id = UINT16_MAX,
     .piece_index = 7,
     .piece_count = 8,
     .payload = {text, 1000}},
    {.type = CIRCUIT_PING, .nonce = UINT64_MAX},
    {.type = CIRCUIT_PONG, .nonce = 0},
    {.type = CIRCUIT_DESTROY, .reason = REASON_REQUESTED},
    {.type = CIRCUIT_TEST, .nonce = 1, .payload = {text, 1000}},
    {.type = CIRCUIT_TESTED, .nonce = 1, .payload = {text, 0}},
    {.type = CIRCUIT_PACKET_IN, .payload = {text, 1}},
    {.type = CIRCUIT_PACKET_IN, .payload = {text, CIRCUIT_PACKET_MAX}},
    {.type = CIRCUIT_PACKET_BACK, .payload = {text, CIRCUIT_PACKET_MAX}},
};

/* Each fits a cell over four hops, the longest datagram too. */
static void test_circuit_message_round_trips(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        uint8_t buf[CELL_MAX] = {0};
        size_t cap = onion_message_len(CELL_LARGE_BODY), len = 0;
        struct circuit_message m;

        assert_int_equal(circuit_message_write(&examples[i], buf, cap, &len),
                         OK);
        assert_int_equal(circuit_message_read(bytes_of(buf, cap), &m), OK);
        assert_true(circuit_message_equal(&examples[i], &m));
        assert_int_equal(circuit_message_read(bytes_of(buf, len), &m), OK);
        /* One byte less room. */
        assert_int_equal(
            circuit_message_write(&examples[i], buf, len - 1, &len),
            ERR_NO_SPACE);
    }
}

static void test_circuit_message_truncated_or_trailing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        uint8_t buf[CELL_MAX] = {0}, *copy;
        struct circuit_message m = {.nonce = 77};
        size_t len;

        assert_int_equal(
            circuit_message_write(&examples[i], buf, sizeof(buf), &len), OK);
        for (size_t n = 0; n < len; n++) {
            copy = test_exact_copy(bytes_of(buf, n));
            assert_int_not_equal(circuit_message_read(bytes_of(copy, n), &m),
                                 OK);
            free(copy);
        }
        assert_int_equal(m.nonce, 77);
        buf[len + 9] = 1;
        assert_int_equal(circuit_message_read(bytes_of(buf, len + 10), &m),
                         ERR_TRAILING);
        assert_int_equal(circuit_message_read(bytes_of(buf, len + 9), &m), OK);
    }
}

static void test_circuit_message_that_is_none(void **state)
{
    static const char *bad[] = {
        "",
        "90", /* no type */
        "91 00",
        "92 0b 00",
        "92 ff 00", /* unknown types */
        "92 10 00",
        "92 40 00", /* reserved */
        "91 06",
        "92 06 a1 61", /* no nonce, a text for a nonce */
        "92 06 ff",    /* negative */
        "81 06 00",
        "06",                               /* a map, a number */
        "93 04 c4 05 08 08 08 08 00 c4 00", /* endpoint of 5 bytes */
        "93 04 c4 07 08 08 08 08 00 35 00 c4 00",
        "93 04 91 a1 61 c4 00",                /* a name without a port */
        "93 04 92 a0 01 c4 00",                /* an empty name */
        "93 04 92 a1 61 ce 00 01 00 00 c4 00", /* port 65536 */
        "93 03 cd 01 00 00",                   /* attempt 256 */
        "93 02 01 c4 01 00",                   /* noise of one byte */
        "95 05 ce 00 01 00 00 00 01 c4 01 61", /* id 65536 */
        "95 05 01 00 01 c4 00",                /* an empty piece */
        "93 04 91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 c0 c0",
    };
    struct circuit_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct bytes b = test_hex(bad[i]);
        uint8_t *copy = test_exact_copy(b);

        if (circuit_message_read(bytes_of(copy, b.len), &m) == OK)
            fail_msg("taken: %s", bad[i]);
        free(copy);
    }
}

static void test_circuit_message_unknown_reason(void **state)
{
    struct circuit_message m;

    (void)state;
    assert_int_equal(
        circuit_message_read(test_hex("92 08 cf ffffffffffffffff"), &m), OK);
    assert_int_equal(m.reason, REASON_UNKNOWN);
    assert_int_equal(circuit_message_read(test_hex("93 03 01 7f"), &m), OK);
    assert_int_equal(m.reason, REASON_UNKNOWN);
}

static void test_circuit_message_of_services(void **state)
{
    static const struct {
        uint8_t text[3];
        size_t len;
        bool want;
    } rows[] = {
        {{0x92, 16, 1}, 3, true},     {{0x92, 63, 1}, 3, true},
        {{0x91, 16}, 2, true},        {{0x9f, 40, 1}, 3, true},
        {{0x92, 15, 1}, 3, false},    {{0x92, 64, 1}, 3, false},
        {{0x90, 16, 1}, 3, false},    {{0xa2, 16, 1}, 3, false},
        {{0x92, 0xcc, 16}, 3, false}, /* its number in two bytes */
        {{0x92}, 1, false},           {{0}, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bytes m = bytes_of(rows[i].text, rows[i].len);
        struct circuit_message out;

        assert_int_equal(circuit_message_is_service(m), rows[i].want);
        assert_int_not_equal(circuit_message_read(m, &out), OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_circuit_message_of_services),
        cmocka_unit_test(test_circuit_message_round_trips),
        cmocka_unit_test(test_circuit_message_truncated_or_trailing),
        cmocka_unit_test(test_circuit_message_that_is_none),
        cmocka_unit_test(test_circuit_message_unknown_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
