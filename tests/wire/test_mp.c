/* SPDX-License-Identifier: MIT */
#include "mp_testing.h"
#include "testing.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Every encoding of a number, at the ends of its range. */
static void test_mp_reads_unsigned(void **state)
{
    static const struct {
        const char *hex;
        uint64_t want;
    } cases[] = {
        {"00", 0},
        {"7f", 127},
        {"cc00", 0},
        {"cc80", 128},
        {"ccff", 255},
        {"cd0000", 0},
        {"cd0100", 256},
        {"cdffff", 65535},
        {"ce00000001", 1},
        {"ce00010000", 65536},
        {"ceffffffff", UINT32_MAX},
        {"cf0000000000000000", 0},
        {"cf0000000100000000", UINT64_C(1) << 32},
        {"cfffffffffffffffff", UINT64_MAX},
        {"d000", 0},
        {"d07f", 127},
        {"d17fff", 32767},
        {"d27fffffff", INT32_MAX},
        {"d37fffffffffffffff", INT64_MAX},
    };
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        must_parse(&p, test_hex(cases[i].hex));
        assert_int_equal(mp_peek(&p.r), MP_UINT);
        assert_int_equal(mp_read_uint(&p.r, UINT64_MAX), cases[i].want);
        assert_int_equal(p.r.err, OK);
        if (cases[i].want > 0) {
            must_parse(&p, test_hex(cases[i].hex));
            assert_int_equal(mp_read_uint(&p.r, cases[i].want - 1), 0);
            assert_int_equal(p.r.err, ERR_RANGE);
        }
    }
}

static void test_mp_reads_negative(void **state)
{
    static const struct {
        const char *hex;
        int64_t want;
    } cases[] = {
        {"ff", -1},
        {"e0", -32},
        {"d0ff", -1},
        {"d080", -128},
        {"d1ff7f", -129},
        {"d18000", -32768},
        {"d2ffff7fff", -32769},
        {"d280000000", INT32_MIN},
        {"d3ffffffff7fffffff", (int64_t)INT32_MIN - 1},
        {"d38000000000000000", INT64_MIN},
    };
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        must_parse(&p, test_hex(cases[i].hex));
        assert_int_equal(mp_peek(&p.r), MP_INT);
        assert_true(mp_read_int(&p.r) == cases[i].want);
        assert_int_equal(p.r.err, OK);
        must_parse(&p, test_hex(cases[i].hex));
        assert_int_equal(mp_read_uint(&p.r, UINT64_MAX), 0);
        assert_int_equal(p.r.err, ERR_RANGE);
    }
    must_parse(&p, test_hex("cf8000000000000000"));
    assert_int_equal(mp_read_int(&p.r), 0);
    assert_int_equal(p.r.err, ERR_RANGE);
}

static void test_mp_reads_doubles(void **state)
{
    static const struct {
        const char *hex;
        double want;
    } cases[] = {
        {"ca3f800000", 1.0},
        {"cabf000000", -0.5},
        {"cb3ff0000000000000", 1.0},
        {"cb7fefffffffffffff", DBL_MAX},
        {"07", 7.0},
        {"ff", -1.0},
        {"cfffffffffffffffff", 18446744073709551616.0},
    };
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        must_parse(&p, test_hex(cases[i].hex));
        assert_true(mp_read_double(&p.r) == cases[i].want);
        assert_int_equal(p.r.err, OK);
    }
    must_parse(&p, test_hex("c0"));
    assert_true(mp_read_double(&p.r) == 0);
    assert_int_equal(p.r.err, ERR_WRONG_TYPE);
}

static void test_mp_reads_nil_and_bool(void **state)
{
    struct parsed p;

    (void)state;
    must_parse(&p, test_hex("93 c0 c2 c3"));
    assert_int_equal(mp_read_array(&p.r, 3), 3);
    mp_read_nil(&p.r);
    assert_false(mp_read_bool(&p.r));
    assert_true(mp_read_bool(&p.r));
    assert_int_equal(p.r.err, OK);
    mp_read_nil(&p.r);
    assert_int_equal(p.r.err, ERR_MISSING);
}

static void fill_string(uint8_t *wire, size_t head, size_t len)
{
    for (size_t i = 0; i < len; i++)
        wire[head + i] = (uint8_t)i;
}

static void test_mp_reads_strings(void **state)
{
    static const struct {
        const char *head;
        size_t len;
        enum mp_type type;
    } cases[] = {
        {"a0", 0, MP_STR},         {"bf", 31, MP_STR},
        {"d900", 0, MP_STR},       {"d9ff", 255, MP_STR},
        {"da0000", 0, MP_STR},     {"da0100", 256, MP_STR},
        {"daffff", 65535, MP_STR}, {"db00010000", 65536, MP_STR},
        {"c400", 0, MP_BIN},       {"c4ff", 255, MP_BIN},
        {"c50100", 256, MP_BIN},   {"c5ffff", 65535, MP_BIN},
        {"c600000000", 0, MP_BIN}, {"c600010000", 65536, MP_BIN},
    };
    static uint8_t wire[65536 + 8];
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t head = test_unhex(cases[i].head, wire, sizeof(wire));
        size_t len = cases[i].len;
        struct bytes got;

        fill_string(wire, head, len);
        must_parse(&p, bytes_of(wire, head + len));
        assert_int_equal(mp_peek(&p.r), cases[i].type);
        got = mp_read_bytes(&p.r, len, len);
        assert_int_equal(p.r.err, OK);
        assert_true(bytes_equal(got, bytes_of(wire + head, len)));
        must_parse(&p, bytes_of(wire, head + len));
        mp_read_bytes(&p.r, len + 1, SIZE_MAX);
        assert_int_equal(p.r.err, ERR_WRONG_LENGTH);
        if (len > 0) {
            assert_int_equal(parse(&p, bytes_of(wire, head + len - 1)),
                             ERR_NOT_MSGPACK);
            must_parse(&p, bytes_of(wire, head + len));
            mp_read_bytes(&p.r, 0, len - 1);
            assert_int_equal(p.r.err, ERR_WRONG_LENGTH);
        }
    }
}

static void test_mp_reads_fixed(void **state)
{
    uint8_t out[4] = "....";
    struct parsed p;

    (void)state;
    must_parse(&p, test_hex("a3 616263"));
    mp_read_fixed(&p.r, out, 3);
    assert_memory_equal(out, "abc.", 4);
    must_parse(&p, test_hex("a3 646566"));
    mp_read_fixed(&p.r, out, 4);
    assert_int_equal(p.r.err, ERR_WRONG_LENGTH);
    assert_memory_equal(out, "abc.", 4);
}

static void test_mp_reads_containers(void **state)
{
    static const char *const arrays[] = {"92 01 02", "dc0002 01 02",
                                         "dd00000002 01 02"};
    static const char *const maps[] = {"81 01 02", "de0001 01 02",
                                       "df00000001 01 02"};
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        must_parse(&p, test_hex(arrays[i]));
        assert_int_equal(mp_read_array(&p.r, 2), 2);
        assert_int_equal(mp_read_uint(&p.r, 9), 1);
        assert_int_equal(mp_read_uint(&p.r, 9), 2);
        must_parse(&p, test_hex(arrays[i]));
        assert_int_equal(mp_read_array(&p.r, 1), 0);
        assert_int_equal(p.r.err, ERR_TOO_LARGE);

        must_parse(&p, test_hex(maps[i]));
        assert_int_equal(mp_read_map(&p.r, 1), 1);
        assert_int_equal(mp_read_uint(&p.r, 9), 1);
        assert_int_equal(mp_read_uint(&p.r, 9), 2);
        assert_int_equal(p.r.err, OK);
        must_parse(&p, test_hex(maps[i]));
        assert_int_equal(mp_read_map(&p.r, 0), 0);
        assert_int_equal(p.r.err, ERR_TOO_LARGE);
    }
}

static void test_mp_refuses_malformed(void **state)
{
    static const struct {
        const char *hex;
        enum error want;
    } cases[] = {
        {"", ERR_NOT_MSGPACK},
        {"c1", ERR_NOT_MSGPACK},
        {"91c1", ERR_NOT_MSGPACK},
        /* ext, timestamps among them, in all widths */
        {"c700ff", ERR_NOT_MSGPACK},
        {"c8000001", ERR_NOT_MSGPACK},
        {"c90000000001", ERR_NOT_MSGPACK},
        {"c9ffffffff00", ERR_NOT_MSGPACK},
        {"d40100", ERR_NOT_MSGPACK},
        {"d5010000", ERR_NOT_MSGPACK},
        {"d6ff00000000", ERR_NOT_MSGPACK},
        {"d7ff0000000000000000", ERR_NOT_MSGPACK},
        {"d80100000000000000000000000000000000", ERR_NOT_MSGPACK},
        /* after the object */
        {"c0c0", ERR_TRAILING},
        {"9000", ERR_TRAILING},
        {"8100c0c1", ERR_TRAILING},
        /* counts that no datagram can hold */
        {"dcffff", ERR_TOO_LARGE},
        {"ddffffffff", ERR_TOO_LARGE},
        {"dfffffffff", ERR_TOO_LARGE},
        {"df80000000", ERR_TOO_LARGE},
        {"deffff0000", ERR_TOO_LARGE},
        {"dbffffffff61", ERR_NOT_MSGPACK},
        {"c6ffffffff61", ERR_NOT_MSGPACK},
        {"c67fffffff", ERR_NOT_MSGPACK},
    };
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes in = test_hex(cases[i].hex);
        uint8_t *exact = test_exact_copy(in);

        assert_int_equal(parse(&p, bytes_of(exact, in.len)), cases[i].want);
        free(exact);
    }
    assert_int_equal(parse(&p, bytes_of(NULL, 0)), ERR_NOT_MSGPACK);
}

/* A stream: one object after the other, the last one not there yet. */
static void test_mp_parses_a_stream(void **state)
{
    struct bytes in = test_hex("92 01 a161 c0 80 93 01 02");
    static const size_t lengths[] = {4, 1, 1};
    struct parsed p;
    size_t used = 99;

    (void)state;
    p.tape = (struct mp_tape){.tokens = p.tokens, .cap = TOKENS};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        assert_int_equal(mp_parse_first(&p.tape, in, &used), OK);
        assert_int_equal(used, lengths[i]);
        in = bytes_of(in.p + used, in.len - used);
    }
    used = 99;
    assert_int_equal(mp_parse_first(&p.tape, in, &used), ERR_MISSING);
    assert_int_equal(used, 99);
    assert_int_equal(mp_parse_first(&p.tape, test_hex("92c1"), &used),
                     ERR_NOT_MSGPACK);
}

static void test_mp_bounds_depth(void **state)
{
    static const uint8_t opens[] = {0x91, 0x81};
    uint8_t wire[64];
    struct parsed p;

    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t depth = 1; depth <= MP_DEPTH_MAX + 1; depth++) {
            size_t n = 0;

            for (size_t i = 0; i < depth; i++) {
                wire[n++] = opens[kind];
                if (opens[kind] == 0x81)
                    wire[n++] = 0xc0;
            }
            wire[n++] = 0xc0;
            assert_int_equal(parse(&p, bytes_of(wire, n)),
                             depth <= MP_DEPTH_MAX ? OK : ERR_TOO_DEEP);
            /* an empty container is a level, too */
            wire[n - 1] = (uint8_t)(opens[kind] - 1);
            assert_int_equal(parse(&p, bytes_of(wire, n)),
                             depth < MP_DEPTH_MAX ? OK : ERR_TOO_DEEP);
        }
    }
}

static void test_mp_bounds_tape(void **state)
{
    /* one of each callback of the parser */
    static const uint8_t objects[] = {0x00, 0xff, 0xc0, 0xc2, 0xa0, 0x90, 0x80};
    uint8_t wire[TOKENS + 3] = {0xdc};
    struct parsed p;

    (void)state;
    for (unsigned count = TOKENS - 2; count <= TOKENS; count++) {
        wire[1] = (uint8_t)(count >> 8);
        wire[2] = (uint8_t)count;
        for (size_t i = 0; i < COUNT_OF(objects); i++) {
            memset(wire + 3, objects[i], TOKENS);
            assert_int_equal(parse(&p, bytes_of(wire, 3 + count)),
                             count < TOKENS ? OK : ERR_TOO_LARGE);
        }
    }
}

/* Containers that fit by themselves but not together. */
static void test_mp_bounds_tape_inside(void **state)
{
    static const char *const inner[] = {"ff",   "c0",     "c3",  "ca3f800000",
                                        "a161", "c40161", "9100"};
    struct mp_token tokens[3];
    struct mp_tape tape = {.tokens = tokens, .cap = 3};
    uint8_t wire[32] = {0x92, 0x91, 0x00};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(inner); i++) {
        size_t len = 3 + test_unhex(inner[i], wire + 3, sizeof(wire) - 3);

        assert_int_equal(mp_parse(&tape, bytes_of(wire, len)), ERR_TOO_LARGE);
    }
}

static void test_mp_first_failure_sticks(void **state)
{
    uint8_t out[2] = "..";
    struct parsed p;

    (void)state;
    must_parse(&p, test_hex("94 01 02 c3 a161"));
    mp_read_array(&p.r, 9);
    mp_read_uint(&p.r, 9);
    mp_read_nil(&p.r);
    assert_int_equal(p.r.err, ERR_WRONG_TYPE);
    assert_int_equal(mp_peek(&p.r), MP_NIL);
    mp_fail(&p.r, ERR_RANGE);
    assert_int_equal(mp_read_uint(&p.r, 9), 0);
    assert_int_equal(mp_read_int(&p.r), 0);
    assert_int_equal(mp_read_map(&p.r, 9), 0);
    assert_int_equal(mp_read_array(&p.r, 9), 0);
    assert_false(mp_read_bool(&p.r));
    assert_true(mp_read_double(&p.r) == 0);
    assert_int_equal(mp_read_bytes(&p.r, 0, 9).len, 0);
    mp_read_fixed(&p.r, out, 1);
    assert_memory_equal(out, "..", 2);
    mp_skip(&p.r);
    assert_int_equal(p.r.err, ERR_WRONG_TYPE);
}

static void test_mp_refuses_other_types(void **state)
{
    /* one of each type, by enum mp_type */
    static const char *const wire[] = {
        "c0", "c3", "01", "ff", "ca3f800000", "a161", "c40161", "90", "80"};
    enum { UINT = 1 << MP_UINT, INT = 1 << MP_INT };
    unsigned accepted[7] = {0};
    struct parsed p;

    (void)state;
    for (unsigned t = MP_NIL; t <= MP_MAP; t++) {
        struct bytes in = test_hex(wire[t]);
        unsigned bit = 1U << t;

#define ACCEPTS(slot, call) \
    must_parse(&p, in);     \
    call;                   \
    accepted[slot] |= p.r.err != ERR_WRONG_TYPE ? bit : 0
        ACCEPTS(0, mp_read_nil(&p.r));
        ACCEPTS(1, mp_read_bool(&p.r));
        ACCEPTS(2, mp_read_uint(&p.r, 9));
        ACCEPTS(3, mp_read_int(&p.r));
        ACCEPTS(4, mp_read_bytes(&p.r, 0, 9));
        ACCEPTS(5, mp_read_array(&p.r, 9));
        ACCEPTS(6, mp_read_map(&p.r, 9));
#undef ACCEPTS
    }
    assert_int_equal(accepted[0], 1 << MP_NIL);
    assert_int_equal(accepted[1], 1 << MP_BOOL);
    assert_int_equal(accepted[2], UINT | INT); /* -1 is ERR_RANGE */
    assert_int_equal(accepted[3], UINT | INT);
    assert_int_equal(accepted[4], 1 << MP_STR | 1 << MP_BIN);
    assert_int_equal(accepted[5], 1 << MP_ARRAY);
    assert_int_equal(accepted[6], 1 << MP_MAP);
}

static void test_mp_skips_whole_objects(void **state)
{
    struct parsed p;

    (void)state;
    must_parse(&p, test_hex("94 82 a161 92 01 02 a162 80 90 c0 2a"));
    assert_int_equal(mp_read_array(&p.r, 9), 4);
    mp_skip(&p.r);
    mp_skip(&p.r);
    mp_skip(&p.r);
    assert_int_equal(mp_read_uint(&p.r, 99), 42);
    assert_int_equal(p.r.err, OK);
    mp_skip(&p.r);
    assert_int_equal(p.r.err, ERR_MISSING);
}

static void test_mp_writes_shortest(void **state)
{
    static const struct {
        uint64_t value;
        const char *hex;
    } unsigneds[] = {
        {0, "00"},
        {127, "7f"},
        {128, "cc80"},
        {255, "ccff"},
        {256, "cd0100"},
        {65535, "cdffff"},
        {65536, "ce00010000"},
        {UINT32_MAX, "ceffffffff"},
        {UINT64_C(1) << 32, "cf0000000100000000"},
        {UINT64_MAX, "cfffffffffffffffff"},
    };
    static const struct {
        int64_t value;
        const char *hex;
    } ints[] = {
        {-1, "ff"},
        {-32, "e0"},
        {-33, "d0df"},
        {-128, "d080"},
        {-129, "d1ff7f"},
        {-32768, "d18000"},
        {-32769, "d2ffff7fff"},
        {INT32_MIN, "d280000000"},
        {(int64_t)INT32_MIN - 1, "d3ffffffff7fffffff"},
        {INT64_MIN, "d38000000000000000"},
        {0, "00"},
        {200, "ccc8"},
        {INT64_MAX, "cf7fffffffffffffff"},
    };
    uint8_t buf[16];
    struct mp_writer w;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(unsigneds); i++) {
        mp_writer_init(&w, buf, sizeof(buf));
        mp_write_uint(&w, unsigneds[i].value);
        assert_true(
            bytes_equal(mp_writer_bytes(&w), test_hex(unsigneds[i].hex)));
    }
    for (size_t i = 0; i < COUNT_OF(ints); i++) {
        mp_writer_init(&w, buf, sizeof(buf));
        mp_write_int(&w, ints[i].value);
        assert_true(bytes_equal(mp_writer_bytes(&w), test_hex(ints[i].hex)));
    }
}

static void test_mp_writes_the_rest(void **state)
{
    uint8_t buf[64];
    struct mp_writer w;

    (void)state;
    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_array(&w, 8);
    mp_write_nil(&w);
    mp_write_bool(&w, false);
    mp_write_bool(&w, true);
    mp_write_double(&w, 1.0);
    mp_write_text(&w, "ab");
    mp_write_bin(&w, TEST_BYTES("\0"));
    mp_write_map(&w, 1);
    mp_write_text_n(&w, bytes_of(NULL, 0));
    mp_write_bin(&w, bytes_of(NULL, 0));
    mp_write_raw(&w, TEST_BYTES("\x07"));
    assert_int_equal(w.err, OK);
    assert_true(
        bytes_equal(mp_writer_bytes(&w),
                    test_hex("98 c0 c2 c3 cb3ff0000000000000 a26162 c40100 "
                             "81 a0 c400 07")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mp_reads_unsigned),
        cmocka_unit_test(test_mp_reads_negative),
        cmocka_unit_test(test_mp_reads_doubles),
        cmocka_unit_test(test_mp_reads_nil_and_bool),
        cmocka_unit_test(test_mp_reads_strings),
        cmocka_unit_test(test_mp_reads_fixed),
        cmocka_unit_test(test_mp_reads_containers),
        cmocka_unit_test(test_mp_refuses_malformed),
        cmocka_unit_test(test_mp_parses_a_stream),
        cmocka_unit_test(test_mp_bounds_depth),
        cmocka_unit_test(test_mp_bounds_tape),
        cmocka_unit_test(test_mp_bounds_tape_inside),
        cmocka_unit_test(test_mp_first_failure_sticks),
        cmocka_unit_test(test_mp_refuses_other_types),
        cmocka_unit_test(test_mp_skips_whole_objects),
        cmocka_unit_test(test_mp_writes_shortest),
        cmocka_unit_test(test_mp_writes_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
