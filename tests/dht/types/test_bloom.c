/* SPDX-License-Identifier: MIT */
#include "dht_data.h"

#include "dht/types/bloom.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* BEP 33's. */
static void test_bloom_vector(void **state)
{
    static const char *const hex =
        "f6c3f5eaa07ffd91bde89f777f26fb2bff37bdb8fb2bbaa2fd3ddde7bacfff75"
        "ee7ccbaefe5eedb1fbfaff67f6abff5e43ddbca3fd9b9ffdf4ffd3e9dff12d1b"
        "df59db53dbe9fa5b7ff3b8fdfcde1afb8bedd7be2f3ee71ebbbfe93bcdeefe14"
        "8246c2bc5dbff7e7efdcf24fd8dc7adffd8fffdfddfff7a4bbeedf5cb95ce81f"
        "c7fcff1ff4ffffdfe5f7fdcbb7fd79b3fa1fc77bfe07fff905b7b7ffc7fefeff"
        "e0b8370bb0cd3f5b7f2bd93feb4386cfdd6f7fd5bfaf2e9ebffffeecd67adbf7"
        "c67f17efd5d75eba6ffeba7fff47a91eb1bfbb53e8abfb5762abe8ff237279bf"
        "efbfeef5ffc5febfdfe5adffadfee1fb737ffffbfd9f6aeffeee76b6fd8f72ef";
    uint8_t bloom[DHT_BLOOM_BYTES] = {0}, joined[DHT_BLOOM_BYTES] = {0};
    uint8_t expected[DHT_BLOOM_BYTES];
    double estimate;

    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        struct endpoint ep = test_ep4(192, 0, 2, (uint8_t)i, (uint16_t)i);

        bloom_insert(bloom, &ep);
    }
    for (unsigned i = 0; i < 1000; i++) {
        struct endpoint ep = test_ep("[2001:db8::]:1");

        ep.addr[14] = (uint8_t)(i >> 8);
        ep.addr[15] = (uint8_t)i;
        bloom_insert(i % 2 == 0 ? bloom : joined, &ep);
    }
    bloom_join(bloom, joined);
    assert_int_equal(test_unhex(hex, expected, sizeof(expected)),
                     DHT_BLOOM_BYTES);
    assert_memory_equal(bloom, expected, sizeof(expected));
    estimate = bloom_estimate(bloom);
    assert_true(estimate > 1224.9307 && estimate < 1224.9309);
}

static void test_bloom_has(void **state)
{
    uint8_t bloom[DHT_BLOOM_BYTES] = {0};
    struct endpoint ep = test_ep("192.168.1.1:1"), other = ep;

    (void)state;
    assert_false(bloom_has(bloom, &ep));
    bloom_insert(bloom, &ep);
    assert_true(bloom_has(bloom, &ep));
    other.port++;
    assert_true(bloom_has(bloom, &other));
    other.addr[3]++;
    assert_false(bloom_has(bloom, &other));
}

/* Nothing in it, and more than it can hold. */
static void test_bloom_estimate_at_its_ends(void **state)
{
    uint8_t bloom[DHT_BLOOM_BYTES];
    double estimate;

    (void)state;
    memset(bloom, 0, sizeof(bloom));
    assert_true(bloom_estimate(bloom) == 0);
    bloom[0] = 3;
    estimate = bloom_estimate(bloom);
    assert_true(estimate > 0.9 && estimate < 1.1);
    memset(bloom, 0xff, sizeof(bloom));
    estimate = bloom_estimate(bloom);
    assert_true(estimate > BLOOM_ADDRESSES_MAX && estimate < 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bloom_vector),
        cmocka_unit_test(test_bloom_has),
        cmocka_unit_test(test_bloom_estimate_at_its_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
