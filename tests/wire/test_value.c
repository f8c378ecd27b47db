/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "wire/item/value.h"
#include "wire/msgpack/mp_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect_bencode(const struct value *v, struct bytes want)
{
    uint8_t out[VALUE_BENCODED_MAX];
    size_t len = value_bencode(v, out);

    assert_int_equal(len, want.len);
    assert_memory_equal(out, want.p, want.len);
}

/* The value of the test vectors of BEP 44. */
static void test_value_bencodes_hello_world(void **state)
{
    struct bytes canonical = TEST_BYTES("\xc4\x0cHello World!");
    struct value v;

    (void)state;
    assert_int_equal(value_from_bytes(TEST_BYTES("Hello World!"), &v), OK);
    assert_true(bytes_equal(value_bytes(&v), canonical));
    expect_bencode(&v, TEST_BYTES("12:Hello World!"));
}

static void test_value_bencodes_each_type(void **state)
{
    static const struct {
        const char *hex;
        const char *bencode;
    } cases[] = {
        {"00", "i0e"},
        {"cd0005", "i5e"},
        {"ff", "i-1e"},
        {"d0f6", "i-10e"},
        {"d38000000000000000", "i-9223372036854775808e"},
        {"cfffffffffffffffff", "i18446744073709551615e"},
        {"a0", "0:"},
        {"c403616263", "3:abc"},
        {"a3616263", "3:abc"},
        {"90", "le"},
        {"80", "de"},
        {"93 01 a161 90", "li1e1:alee"},
        {"81 a161 01", "d1:ai1ee"},
        {"82 a161 82 a162 ff c40163 91 00 a2 6161 80",
         "d1:ad1:bi-1e1:cli0eee2:aadee"},
        {"82 a0 00 a100 00", "d0:i0e1:"}, /* a NUL in the key: see length */
    };
    struct value v;
    uint8_t out[VALUE_BENCODED_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(value_from_msgpack(test_hex(cases[i].hex), &v), OK);
        assert_true(value_bencode(&v, out) >= strlen(cases[i].bencode));
        assert_memory_equal(out, cases[i].bencode, strlen(cases[i].bencode));
    }
    assert_int_equal(value_bencode(&v, out), strlen("d0:i0e1:.i0ee"));
}

static void test_value_becomes_canonical(void **state)
{
    static const struct {
        const char *hex;
        const char *canonical;
    } cases[] = {
        {"cf0000000000000001", "01"},
        {"d3ffffffffffffffff", "ff"},
        {"d001", "01"},
        {"a161", "c40161"},
        {"db0000000161", "c40161"},
        {"c60000000161", "c40161"},
        {"dd0000000101", "9101"},
        {"df00000001 c40161 a162", "81 a161 c40162"},
    };
    struct value v;
    struct value again;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(value_from_msgpack(test_hex(cases[i].hex), &v), OK);
        assert_true(bytes_equal(value_bytes(&v), test_hex(cases[i].canonical)));
        assert_int_equal(value_from_msgpack(value_bytes(&v), &again), OK);
        assert_true(bytes_equal(value_bytes(&v), value_bytes(&again)));
    }
}

static void test_value_refuses(void **state)
{
    static const struct {
        const char *hex;
        enum error want;
    } cases[] = {
        {"", ERR_NOT_MSGPACK},
        {"c0", ERR_WRONG_TYPE},
        {"c2", ERR_WRONG_TYPE},
        {"c3", ERR_WRONG_TYPE},
        {"ca3f800000", ERR_WRONG_TYPE},
        {"91c0", ERR_WRONG_TYPE},
        {"81 a161 c3", ERR_WRONG_TYPE},
        {"81 01 02", ERR_WRONG_TYPE},
        {"81 90 02", ERR_WRONG_TYPE},
        {"0101", ERR_TRAILING},
        {"91", ERR_NOT_MSGPACK},
        {"c70100", ERR_NOT_MSGPACK},
        {"82 a162 01 a161 01", ERR_UNSORTED},
        {"82 a161 01 a161 01", ERR_UNSORTED},
        {"82 a161 01 c40161 01", ERR_UNSORTED},
        {"82 a26161 01 a161 01", ERR_UNSORTED},
        {"82 a161 01 a0 01", ERR_UNSORTED},
        {"82 a1ff 01 a17f 01", ERR_UNSORTED},
        {"91 82 a162 01 a161 01", ERR_UNSORTED},
    };
    struct value v = {.len = 77};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(value_from_msgpack(test_hex(cases[i].hex), &v),
                         cases[i].want);
        assert_int_equal(v.len, 77);
    }
}

static void test_value_sorts_bytewise(void **state)
{
    static const char *const good[] = {
        "82 a161 01 a162 01",
        "82 a161 01 a26100 01",
        "82 a0 01 a100 01",
        "82 a17f 01 a180 01",
        "83 a15a 00 a161 00 a3616161 00",
    };
    struct value v;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_int_equal(value_from_msgpack(test_hex(good[i]), &v), OK);
}

/* "996:" and 996 bytes are 1000. */
static void test_value_bounds_a_string(void **state)
{
    static uint8_t text[1100];
    uint8_t mp[1200];
    uint8_t out[VALUE_BENCODED_MAX];
    struct value v;

    (void)state;
    for (size_t len = 990; len <= 1100; len++) {
        enum error want = len <= 996 ? OK : ERR_TOO_LARGE;
        struct mp_writer w;

        assert_int_equal(value_from_bytes(bytes_of(text, len), &v), want);
        mp_writer_init(&w, mp, sizeof(mp));
        mp_write_bin(&w, bytes_of(text, len));
        assert_int_equal(value_from_msgpack(mp_writer_bytes(&w), &v), want);
        if (want == OK)
            assert_int_equal(value_bencode(&v, out), len + 4);
    }
}

/* A list of `count` strings of no bytes, and one string of `last`. */
static enum error list_of_nothings(uint32_t count, size_t last, struct value *v)
{
    static uint8_t text[1000];
    uint8_t mp[2048];
    struct mp_writer w;

    mp_writer_init(&w, mp, sizeof(mp));
    mp_write_array(&w, count + 1);
    for (uint32_t i = 0; i < count; i++)
        mp_write_bin(&w, bytes_of(NULL, 0));
    mp_write_bin(&w, bytes_of(text, last));
    assert_int_equal(w.err, OK);
    return value_from_msgpack(mp_writer_bytes(&w), v);
}

static void test_value_bounds_a_list(void **state)
{
    uint8_t out[VALUE_BENCODED_MAX];
    struct value v;

    (void)state;
    /* 2 for the list, 2 for each, and the digit: exactly 1000 */
    assert_int_equal(list_of_nothings(498, 0, &v), OK);
    assert_int_equal(value_bencode(&v, out), 1000);
    assert_int_equal(v.len, 1001); /* longer than its bencoding */
    assert_int_equal(list_of_nothings(498, 1, &v), ERR_TOO_LARGE);
    assert_int_equal(list_of_nothings(499, 0, &v), ERR_TOO_LARGE);
    assert_int_equal(list_of_nothings(900, 0, &v), ERR_TOO_LARGE);
    assert_int_equal(list_of_nothings(480, 33, &v), OK);
    assert_int_equal(value_bencode(&v, out), 998);
}

/* As many of one number as fit: each digit counts. */
static void test_value_bounds_numbers(void **state)
{
    static const struct {
        int64_t number;
        uint32_t fit; /* (1000 - 2) / bencoded length */
    } cases[] = {{0, 332},   {9, 332},    {10, 249},       {99, 249},
                 {100, 199}, {-1, 249},   {-9, 249},       {-10, 199},
                 {-99, 199}, {-100, 166}, {INT64_MIN, 45}, {INT64_MAX, 47}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (uint32_t extra = 0; extra < 2; extra++) {
            uint8_t mp[2048];
            struct value v;
            struct mp_writer w;

            mp_writer_init(&w, mp, sizeof(mp));
            mp_write_array(&w, cases[i].fit + extra);
            for (uint32_t n = 0; n < cases[i].fit + extra; n++)
                mp_write_int(&w, cases[i].number);
            assert_int_equal(value_from_msgpack(mp_writer_bytes(&w), &v),
                             extra == 0 ? OK : ERR_TOO_LARGE);
        }
    }
}

/* As many lists with a long head as 1000 bytes can hold. */
static void test_value_longest_msgpack(void **state)
{
    uint8_t mp[1200];
    uint8_t out[VALUE_BENCODED_MAX];
    struct mp_writer w;
    struct value v;

    (void)state;
    mp_writer_init(&w, mp, sizeof(mp));
    mp_write_array(&w, 29);
    for (int list = 0; list < 29; list++) {
        mp_write_array(&w, 16);
        for (int i = 0; i < 16; i++)
            mp_write_bin(&w, bytes_of(NULL, 0));
    }
    assert_int_equal(value_from_msgpack(mp_writer_bytes(&w), &v), OK);
    assert_int_equal(value_bencode(&v, out), 29 * 34 + 2);
    assert_int_equal(v.len, 29 * 35 + 3);
}

static void test_value_bounds_depth(void **state)
{
    uint8_t mp[MP_DEPTH_MAX + 1];
    struct value v;

    (void)state;
    memset(mp, 0x91, sizeof(mp));
    for (size_t depth = 1; depth <= MP_DEPTH_MAX; depth++) {
        mp[depth - 1] = 0x90;
        assert_int_equal(value_from_msgpack(bytes_of(mp, depth), &v),
                         depth <= VALUE_DEPTH_MAX ? OK : ERR_TOO_DEEP);
        mp[depth - 1] = 0x91;
    }
}

static void test_value_read_goes_on_after_it(void **state)
{
    struct mp_token tokens[16];
    struct mp_tape tape = {.tokens = tokens, .cap = 16};
    struct mp_reader r;
    struct value v;

    (void)state;
    assert_int_equal(mp_parse(&tape, test_hex("92 91 a161 07")), OK);
    mp_reader_init(&r, &tape);
    mp_read_array(&r, 2);
    value_read(&r, &v);
    assert_int_equal(mp_read_uint(&r, 9), 7);
    assert_int_equal(r.err, OK);
    expect_bencode(&v, TEST_BYTES("l1:ae"));
}

static void test_value_read_keeps_first_failure(void **state)
{
    struct mp_token tokens[16];
    struct mp_tape tape = {.tokens = tokens, .cap = 16};
    struct mp_reader r;
    struct value v;

    (void)state;
    assert_int_equal(mp_parse(&tape, test_hex("a161")), OK);
    mp_reader_init(&r, &tape);
    mp_fail(&r, ERR_RANGE);
    value_read(&r, &v);
    assert_int_equal(r.err, ERR_RANGE);
}

static void test_value_survives_noise(void **state)
{
    struct test_random rnd = test_seed(4);
    uint8_t noise[64];
    uint8_t out[VALUE_BENCODED_MAX];
    int good = 0;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        size_t len = 1 + test_random_below(&rnd, sizeof(noise) / 4);
        uint8_t *at = noise + sizeof(noise) - len;
        struct value v;

        test_random_fill(&rnd, at, len);
        /* mostly small numbers and small containers */
        for (size_t i = 0; i < len; i++)
            at[i] &= (i & 1) ? 0xa3 : 0xff;
        if (value_from_msgpack(bytes_of(at, len), &v) != OK)
            continue;
        good++;
        assert_true(value_bencode(&v, out) > 0);
    }
    assert_true(good > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_bencodes_hello_world),
        cmocka_unit_test(test_value_bencodes_each_type),
        cmocka_unit_test(test_value_becomes_canonical),
        cmocka_unit_test(test_value_refuses),
        cmocka_unit_test(test_value_sorts_bytewise),
        cmocka_unit_test(test_value_bounds_a_string),
        cmocka_unit_test(test_value_bounds_a_list),
        cmocka_unit_test(test_value_bounds_numbers),
        cmocka_unit_test(test_value_longest_msgpack),
        cmocka_unit_test(test_value_bounds_depth),
        cmocka_unit_test(test_value_read_goes_on_after_it),
        cmocka_unit_test(test_value_read_keeps_first_failure),
        cmocka_unit_test(test_value_survives_noise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
