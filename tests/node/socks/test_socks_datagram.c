/* SPDX-License-Identifier: MIT */
#include "node/socks/socks_datagram.h"

#include "socks_example.h"
#include "testing.h"

#include <stdlib.h>

static const struct {
    struct bytes bytes;
    const char *to, *data;
} examples[] = {
    {BYTES("\0\0\0\x01\xc0\x00\x02\x01\x00\x35"
           "data"),
     "192.0.2.1:53", "data"},
    {BYTES("\0\0\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x35"
           "d"),
     "[2001:db8::1]:53", "d"},
    {BYTES("\0\0\0\x03\x0b"
           "example.org\x00\x35"),
     "example.org:53", ""},
    {BYTES("\0\0\0\x03\x08"
           "a.warren\x00\x35"
           "\0x"),
     "a.warren:53", NULL},
};

static void test_socks_datagram_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct bytes in = examples[i].bytes, data;
        uint8_t out[64];
        struct socks_address a;

        assert_int_equal(socks_datagram_read(in, &a, &data), OK);
        check_to(&a, examples[i].to);
        assert_ptr_equal(data.p + data.len, in.p + in.len);
        if (examples[i].data != NULL)
            assert_true(bytes_is_text(data, examples[i].data));
        else
            assert_int_equal(data.len, 2);
        assert_int_equal(socks_datagram_write(&a, data, out, sizeof(out)),
                         in.len);
        assert_memory_equal(out, in.p, in.len);
    }
}

/* As much as fits, and no byte more. */
static void test_socks_datagram_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct bytes in = examples[i].bytes, data;
        struct socks_address a;

        assert_int_equal(socks_datagram_read(in, &a, &data), OK);
        for (size_t cap = 0; cap <= in.len; cap++) {
            uint8_t *out = malloc(cap == 0 ? 1 : cap);

            assert_non_null(out);
            assert_int_equal(socks_datagram_write(&a, data, out, cap),
                             cap < in.len ? 0 : in.len);
            free(out);
        }
    }
}

static void test_socks_datagram_longest_name(void **state)
{
    struct socks_address a = {.ep.port = 1, .name_len = 255};
    uint8_t out[SOCKS_DATAGRAM_HEAD_MAX];
    struct bytes data;

    (void)state;
    memset(a.name, 'a', 255);
    assert_int_equal(
        socks_datagram_write(&a, bytes_of(NULL, 0), out, sizeof(out)),
        sizeof(out));
    assert_int_equal(socks_datagram_read(bytes_of(out, sizeof(out)), &a, &data),
                     OK);
    assert_int_equal(a.name_len, 255);
    assert_int_equal(data.len, 0);
}

static void test_socks_datagram_dropped(void **state)
{
    static const struct {
        struct bytes bytes;
        enum error why;
    } all[] = {
        {BYTES("\x01\0\0\x01\xc0\x00\x02\x01\x00\x35"), ERR_RANGE},
        {BYTES("\0\x01\0\x01\xc0\x00\x02\x01\x00\x35"), ERR_RANGE},
        {BYTES("\0\0\x01\x01\xc0\x00\x02\x01\x00\x35"), ERR_UNSUPPORTED},
        {BYTES("\0\0\x81\x01\xc0\x00\x02\x01\x00\x35"), ERR_UNSUPPORTED},
        {BYTES("\0\0\0\x02\xc0\x00\x02\x01\x00\x35"), ERR_UNKNOWN_KIND},
        {BYTES("\0\0\0\x01\xc0\x00\x02\x01\x00\x00"), ERR_ADDRESS},
        {BYTES("\0\0\0\x03\x01"
               "a\x00\x00"),
         ERR_ADDRESS},
        {BYTES("\0\0\0\x03\x00\x00\x35"), ERR_SYNTAX},
        {BYTES("\0\0\0\x03\x02"
               "a\0\x00\x35"),
         ERR_SYNTAX},
        {BYTES("\0\0\0\x03\x02"
               "a\n\x00\x35"),
         ERR_SYNTAX},
    };
    const struct bytes data = BYTES("data");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct socks_address a = {.name_len = 77};
        struct bytes out = data;

        assert_int_equal(socks_datagram_read(all[i].bytes, &a, &out),
                         all[i].why);
        assert_int_equal(a.name_len, 77);
        assert_ptr_equal(out.p, data.p);
    }
}

static void test_socks_datagram_cut_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct bytes in = examples[i].bytes, data;
        struct socks_address a;
        size_t head;

        assert_int_equal(socks_datagram_read(in, &a, &data), OK);
        head = in.len - data.len;
        for (size_t len = 0; len <= in.len; len++) {
            uint8_t *cut = malloc(len == 0 ? 1 : len);

            assert_non_null(cut);
            memcpy(cut, in.p, len);
            assert_int_equal(socks_datagram_read(bytes_of(cut, len), &a, &data),
                             len < head ? ERR_MISSING : OK);
            free(cut);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socks_datagram_both_ways),
        cmocka_unit_test(test_socks_datagram_room),
        cmocka_unit_test(test_socks_datagram_longest_name),
        cmocka_unit_test(test_socks_datagram_dropped),
        cmocka_unit_test(test_socks_datagram_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
