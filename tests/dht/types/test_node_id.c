/* SPDX-License-Identifier: MIT */
#include "dht_data.h"

#include "dht/types/node_id.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* BEP 42. */
static const struct vector {
    const char *addr;
    uint8_t r;
    const char *id;
} vectors[] = {
    {"124.31.75.21:1", 1, "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"},
    {"21.75.31.124:1", 86, "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"},
    {"65.23.51.170:1", 22, "a5d43220bc8f112a3d426c84764f8c2a1150e616"},
    {"84.124.73.14:1", 65, "1b0321dd1bb1fe518101ceef99462b947a01ff41"},
    {"43.213.53.83:1", 90, "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"},
};

static void test_node_id_accepts_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct endpoint ep = test_ep(vectors[i].addr);
        struct id id = test_id(vectors[i].id);

        assert_true(node_id_matches(&id, &ep));
    }
}

static void test_node_id_generates_published_vectors(void **state)
{
    struct test_random r = test_seed(42);
    struct random_source random = test_source(&r);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct endpoint ep = test_ep(vectors[i].addr);
        struct id want = test_id(vectors[i].id);
        struct id id;

        node_id_generate(&ep, vectors[i].r, &random, &id);
        assert_true(id_common_bits(&id, &want) >= 21);
        assert_int_equal(id.b[19], want.b[19]);
    }
}

/* Each of the first 21 bits and each of the 3 bits of r counts; no other. */
static void test_node_id_binds_24_bits(void **state)
{
    struct endpoint ep = test_ep(vectors[0].addr);
    struct id right = test_id(vectors[0].id);

    (void)state;
    for (int bit = 0; bit < ID_BITS; bit++) {
        struct id id = right;
        bool bound = bit < 21 || bit >= ID_BITS - 3;

        id_set_bit(&id, bit, !id_bit(&id, bit));
        assert_int_equal(node_id_matches(&id, &ep), !bound);
    }
}

static void test_node_id_of_ipv6_binds_64_bits(void **state)
{
    struct test_random r = test_seed(43);
    struct random_source random = test_source(&r);
    struct endpoint ep = test_ep("[2a01:4f8:1:2::1]:6881");
    struct endpoint neighbour = test_ep("[2a01:4f8:1:2:ffff::9]:1");
    struct endpoint other = test_ep("[2a01:4f8:1:3::1]:6881");
    struct id id;

    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        node_id_generate(&ep, (uint8_t)i, &random, &id);
        assert_true(node_id_matches(&id, &ep));
        assert_true(node_id_matches(&id, &neighbour));
        assert_false(node_id_matches(&id, &other));
    }
}

static void test_node_id_exempts_private_addresses(void **state)
{
    static const char *const exempt[] = {
        "10.1.2.3:1",    "172.16.0.1:1", "192.168.1.1:1",
        "169.254.1.1:1", "127.0.0.1:1",  "[::1]:1",
        "[fe80::1]:1",   "[fd00::1]:1",  "100.64.0.1:1",
    };
    struct id zero = {{0}};
    struct endpoint global = test_ep("124.31.75.21:1");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(exempt); i++) {
        struct endpoint ep = test_ep(exempt[i]);

        assert_true(node_id_matches(&zero, &ep));
    }
    assert_false(node_id_matches(&zero, &global));
}

/* RFC 3720, appendix B.4, and the check value of the CRC catalogue. */
static void test_crc32c_known_answers(void **state)
{
    uint8_t data[32];

    (void)state;
    assert_int_equal(crc32c(bytes_of_text("123456789")), 0xe3069283u);
    memset(data, 0, sizeof(data));
    assert_int_equal(crc32c(bytes_of(data, 32)), 0x8a9136aau);
    memset(data, 0xff, sizeof(data));
    assert_int_equal(crc32c(bytes_of(data, 32)), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++)
        data[i] = i;
    assert_int_equal(crc32c(bytes_of(data, 32)), 0x46dd794eu);
    assert_int_equal(crc32c(bytes_of(data, 0)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node_id_accepts_published_vectors),
        cmocka_unit_test(test_node_id_generates_published_vectors),
        cmocka_unit_test(test_node_id_binds_24_bits),
        cmocka_unit_test(test_node_id_of_ipv6_binds_64_bits),
        cmocka_unit_test(test_node_id_exempts_private_addresses),
        cmocka_unit_test(test_crc32c_known_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
