/* SPDX-License-Identifier: MIT */
#include "tunnel/channel/end_message.h"

#include "channel/end_message_check.h"
#include "testing.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint8_t b[END_PAYLOAD_MAX + 1]; /* any bytes */

/* The smallest and the largest of each type, and the bytes that they take. */
static const struct {
    struct end_message m;
    size_t len;
} examples[] = {
    {{.type = END_HELLO}, 3},
    {{.type = END_HELLO, .nonce = UINT64_MAX}, 11},
    {{.type = END_DATA}, 5},
    {{.type = END_DATA, .port = UINT16_MAX, .payload = {b, END_PAYLOAD_CELL}},
     1240},
    {{.type = END_DATA, .port = UINT16_MAX, .payload = {b, END_PAYLOAD_MAX}},
     END_DATA_MAX},
    {{.type = END_PIECE, .piece = {.bytes = {b, 1}}}, 8},
    {{.type = END_PIECE,
      .piece =
          {UINT16_MAX, PIECE_COUNT_MAX - 1, PIECE_COUNT_MAX, {b, PIECE_BYTES}}},
     1226},
    {{.type = END_PING, .nonce = 127}, 3},
    {{.type = END_PONG, .nonce = 128}, 4},
    {{.type = END_MOVE, .cookie = b, .noise1 = {b, MEETING_NOISE1_BYTES}},
     END_MOVE_MAX},
    {{.type = END_MOVED, .cookie = b}, 21},
    {{.type = END_MOVED, .cookie = b, .reason = REASON_FULL}, 21},
    {{.type = END_CLOSE, .reason = REASON_SHUTDOWN}, 3},
    {{.type = END_PACKET_IN, .payload = {b, 1}}, 5},
    {{.type = END_PACKET_IN, .payload = {b, END_PACKET_MAX}}, 1237},
    {{.type = END_PACKET_BACK, .payload = {b, 1}}, 5},
    {{.type = END_PACKET_BACK, .payload = {b, END_PACKET_MAX}}, 1237},
};

static size_t write(const struct end_message *m, uint8_t *out, size_t cap)
{
    size_t len = 0;

    assert_int_equal(end_message_write(m, out, cap, &len), OK);
    return len;
}

static enum error read_exact(struct bytes text, struct end_message *out)
{
    uint8_t *copy = test_exact_copy(text);
    enum error e = end_message_read(bytes_of(copy, text.len), out);

    free(copy);
    return e;
}

static void test_end_message_reads_what_it_writes(void **state)
{
    static uint8_t text[END_DATA_MAX + 8];
    struct end_message m;

    (void)state;
    for (size_t i = 0; i < sizeof(b); i++)
        b[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        size_t len = write(&examples[i].m, text, sizeof(text));

        assert_int_equal(len, examples[i].len);
        assert_int_equal(end_message_read(bytes_of(text, len), &m), OK);
        assert_true(end_message_equal(&m, &examples[i].m));
        memset(text + len, 0, 8);
        assert_int_equal(end_message_read(bytes_of(text, len + 8), &m), OK);
        text[len + 7] = 1;
        assert_int_equal(end_message_read(bytes_of(text, len + 8), &m),
                         ERR_TRAILING);
    }
}

static void test_end_message_refuses_what_is_cut(void **state)
{
    static uint8_t text[END_DATA_MAX];
    struct end_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        size_t len = write(&examples[i].m, text, sizeof(text)), got;

        for (size_t cut = 0; cut < len; cut += 1 + cut / 50) {
            assert_int_not_equal(read_exact(bytes_of(text, cut), &m), OK);
            assert_int_equal(end_message_write(&examples[i].m, text, cut, &got),
                             ERR_NO_SPACE);
        }
    }
}

static void test_end_message_fits_the_cell(void **state)
{
    (void)state;
    assert_int_equal(onion_end_text_len(CELL_LARGE_BODY), 1240);
    assert_int_equal(onion_end_text_len(CELL_SMALL_BODY), 216);
    assert_int_equal(END_PAYLOAD_CELL + END_DATA_OVERHEAD, 1240);
    assert_int_equal(END_MOVE_MAX, 471);
}

/* By hand, as docs/protocol-services.md has them. */
static void test_end_message_bytes(void **state)
{
    static const struct {
        struct end_message m;
        const char *hex;
    } cases[] = {
        {{.type = END_HELLO, .nonce = 5}, "92 01 05"},
        {{.type = END_DATA, .port = 53, .payload = {(const uint8_t *)"hi", 2}},
         "93 02 35 c4 02 68 69"},
        {{.type = END_PIECE, .piece = {258, 1, 2, {(const uint8_t *)"x", 1}}},
         "95 03 cd 01 02 01 02 c4 01 78"},
        {{.type = END_PING, .nonce = 1}, "92 04 01"},
        {{.type = END_PONG, .nonce = 1}, "92 05 01"},
        {{.type = END_MOVED,
          .cookie = (const uint8_t *)"0123456789abcdef",
          .reason = REASON_FULL},
         "93 07 c4 10 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 06"},
        {{.type = END_CLOSE, .reason = REASON_REQUESTED}, "92 08 01"},
        {{.type = END_PACKET_IN, .payload = {(const uint8_t *)"q", 1}},
         "92 40 c4 01 71"},
        {{.type = END_PACKET_BACK, .payload = {(const uint8_t *)"q", 1}},
         "92 41 c4 01 71"},
    };
    uint8_t text[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t len = write(&cases[i].m, text, sizeof(text));

        assert_true(bytes_equal(bytes_of(text, len), test_hex(cases[i].hex)));
    }
}

static void test_end_message_refuses(void **state)
{
    static const struct {
        const char *hex;
        enum error e;
    } cases[] = {
        {"", ERR_MISSING},
        {"00", ERR_WRONG_TYPE},
        {"90", ERR_MISSING},
        {"91 01", ERR_MISSING},
        {"92 00 01", ERR_UNKNOWN_KIND},
        {"92 09 01", ERR_UNKNOWN_KIND},
        {"92 42 01", ERR_UNKNOWN_KIND},
        {"92 40 01", ERR_WRONG_TYPE},
        {"92 40 c4 00", ERR_WRONG_LENGTH},
        {"92 cd 01 01 01", ERR_RANGE},
        {"92 ff 01", ERR_RANGE},
        {"92 04 ff", ERR_RANGE},
        {"93 02 ce 00 01 00 00 c4 00", ERR_RANGE},
        {"95 03 01 00 02 c4 00", ERR_WRONG_LENGTH},
        {"95 03 01 cd 01 00 02 c4 01 00", ERR_RANGE},
        {"93 07 c4 0f 303132333435363738396162636465 00", ERR_WRONG_LENGTH},
        {"98 01 01 01 01 01 01 01 01", ERR_TOO_LARGE},
    };
    struct end_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(read_exact(test_hex(cases[i].hex), &m), cases[i].e);
}

static void test_end_message_reads_unknown_reasons(void **state)
{
    struct end_message m;

    (void)state;
    assert_int_equal(read_exact(test_hex("92 08 cd 01 00"), &m), OK);
    assert_int_equal(m.reason, REASON_UNKNOWN);
    assert_int_equal(read_exact(test_hex("93 08 01 05"), &m), OK);
    assert_int_equal(m.reason, REASON_REQUESTED);
}

static void test_end_message_survives_any_input(void **state)
{
    struct test_random r = test_seed(7);
    uint8_t text[600];
    struct end_message m;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        size_t k = test_random_below(&r, COUNT_OF(examples)), len;

        if (examples[k].len > sizeof(text))
            continue;
        len = write(&examples[k].m, text, sizeof(text));
        for (unsigned n = test_random_below(&r, 4); n > 0; n--)
            text[test_random_below(&r, (uint32_t)len)] =
                (uint8_t)test_random_next(&r);
        if (read_exact(bytes_of(text, test_random_below(&r, (uint32_t)len + 1)),
                       &m) == OK)
            assert_true((m.type >= END_HELLO && m.type <= END_CLOSE) ||
                        m.type == END_PACKET_IN || m.type == END_PACKET_BACK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_message_reads_what_it_writes),
        cmocka_unit_test(test_end_message_refuses_what_is_cut),
        cmocka_unit_test(test_end_message_fits_the_cell),
        cmocka_unit_test(test_end_message_bytes),
        cmocka_unit_test(test_end_message_refuses),
        cmocka_unit_test(test_end_message_reads_unknown_reasons),
        cmocka_unit_test(test_end_message_survives_any_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
