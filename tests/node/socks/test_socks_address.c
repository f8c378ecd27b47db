/* SPDX-License-Identifier: MIT */
#include "node/socks/socks_address.h"

#include "socks_example.h"
#include "testing.h"

static const struct {
    struct bytes bytes;
    const char *to;
} examples[] = {
    {BYTES("\x01\xc0\x00\x02\x01\x00\x50"), "192.0.2.1:80"},
    {BYTES("\x01\0\0\0\0\0\0"), "0.0.0.0:0"},
    {BYTES("\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xff\xff"),
     "[2001:db8::1]:65535"},
    {BYTES("\x03\x01"
           "a\x00\x01"),
     "a:1"},
    {BYTES("\x03\x0b"
           "Example.org\x01\xbb"),
     "Example.org:443"},
    {BYTES("\x03\x05"
           "127.1\x01\xbb"),
     "127.1:443"}, /* the exit refuses it */
};

static void test_socks_address_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct bytes in = examples[i].bytes;
        uint8_t out[SOCKS_ADDRESS_MAX];
        struct socks_address a;

        assert_int_equal(socks_address_length(in), in.len);
        assert_int_equal(socks_address_read(in, &a), OK);
        check_to(&a, examples[i].to);
        assert_int_equal(socks_address_write(&a, out), in.len);
        assert_memory_equal(out, in.p, in.len);
    }
}

/* What is not whole has more to come, by as many bytes as are known of. */
static void test_socks_address_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct bytes in = examples[i].bytes;

        for (size_t len = 0; len < in.len; len++) {
            size_t told = socks_address_length(bytes_of(in.p, len));

            assert_in_range(told, len + 1, in.len);
        }
    }
    for (unsigned type = 0; type < 256; type++) {
        uint8_t byte = (uint8_t)type;
        bool known = type == 1 || type == 3 || type == 4;

        assert_int_equal(socks_address_length(bytes_of(&byte, 1)) != 0, known);
    }
}

static void test_socks_address_longest_name(void **state)
{
    uint8_t in[SOCKS_ADDRESS_MAX] = {3, 255}, out[SOCKS_ADDRESS_MAX];
    struct socks_address a;

    (void)state;
    memset(in + 2, 'a', 255);
    assert_int_equal(socks_address_length(bytes_of(in, sizeof(in))),
                     sizeof(in));
    assert_int_equal(socks_address_read(bytes_of(in, sizeof(in)), &a), OK);
    assert_int_equal(a.name_len, 255);
    assert_int_equal(strlen(a.name), 255);
    assert_int_equal(socks_address_write(&a, out), sizeof(out));
    assert_memory_equal(in, out, sizeof(in));
    assert_int_equal(
        socks_address_set(&a, bytes_of(in + 1, SOCKS_NAME_MAX + 1), 1),
        ERR_SYNTAX);
}

/* Each byte that a name may not have, wherever it stands. */
static void test_socks_address_bytes_of_names(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool good = byte > ' ' && byte != 0x7f && byte != ':' && byte != '[' &&
                    byte != ']';

        for (size_t at = 0; at < 3; at++) {
            uint8_t name[3] = {'x', 'y', 'z'};
            struct socks_address a = {.name_len = 77};

            name[at] = (uint8_t)byte;
            assert_int_equal(socks_address_set(&a, bytes_of(name, 3), 1),
                             good ? OK : ERR_SYNTAX);
            assert_int_equal(a.name_len, good ? 3 : 77);
        }
    }
}

static void test_socks_address_written_as_name(void **state)
{
    static const struct {
        const char *host, *to;
    } all[] = {
        {"192.0.2.1", "192.0.2.1:80"},
        {"::1", "[::1]:80"},
        {"[2001:db8::1]", "[2001:db8::1]:80"},
        {"::ffff:192.0.2.1", "192.0.2.1:80"},
        {"1.2.3.4.", "1.2.3.4.:80"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct socks_address a;

        assert_int_equal(socks_address_set(&a, bytes_of_text(all[i].host), 80),
                         OK);
        check_to(&a, all[i].to);
        if (a.name_len == 0)
            assert_int_equal(a.name[0], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socks_address_both_ways),
        cmocka_unit_test(test_socks_address_length),
        cmocka_unit_test(test_socks_address_longest_name),
        cmocka_unit_test(test_socks_address_bytes_of_names),
        cmocka_unit_test(test_socks_address_written_as_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
