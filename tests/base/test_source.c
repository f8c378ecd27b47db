/* SPDX-License-Identifier: MIT */
#include "dht_data.h"

#include "base/source.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_source_is_as_wide_as_its_level(void **state)
{
    static const struct {
        const char *a, *b;
        bool same[SOURCE_LEVELS]; /* host, line, site, network */
    } cases[] = {
        {"[2a00:1:2:304::1]:1", "[2a00:1:2:304:ffff::2]:2", {1, 1, 1, 1}},
        {"[2a00:1:2:304::1]:1", "[2a00:1:2:3ff::1]:1", {0, 1, 1, 1}},
        {"[2a00:1:2:304::1]:1", "[2a00:1:2:404::1]:1", {0, 0, 1, 1}},
        {"[2a00:1:2:304::1]:1", "[2a00:1:3:304::1]:1", {0, 0, 0, 1}},
        {"[2a00:1:2:304::1]:1", "[2a00:2:2:304::1]:1", {0, 0, 0, 0}},
        {"8.1.2.3:1", "8.1.2.3:2", {1, 1, 1, 1}},
        {"8.1.2.3:1", "8.1.2.4:1", {0, 0, 1, 1}},
        {"8.1.2.3:1", "8.1.3.3:1", {0, 0, 0, 1}},
        {"8.1.2.3:1", "8.2.2.3:1", {0, 0, 0, 0}},
        /* The bytes of the one are those of the other. */
        {"42.0.0.1:1", "[2a00:1::]:1", {0, 0, 0, 0}},
        /* One's own network is no source. */
        {"10.1.2.3:1", "10.1.2.3:2", {1, 1, 1, 1}},
        {"10.1.2.3:1", "10.1.2.4:1", {0, 0, 0, 0}},
        {"[fd00:1:2:304::1]:1", "[fd00:1:2:305::1]:1", {0, 0, 0, 0}},
    };
    static const uint8_t key[SOURCE_KEY_BYTES] = {1};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint a = test_ep(cases[i].a), b = test_ep(cases[i].b);

        for (int level = 0; level < SOURCE_LEVELS; level++) {
            struct endpoint of_a = source_of(&a, level);
            struct endpoint of_b = source_of(&b, level);

            assert_int_equal(source_same(&a, &b, level), cases[i].same[level]);
            assert_int_equal(source_same(&b, &a, level), cases[i].same[level]);
            if (!source_counts(&a, level))
                continue;
            assert_int_equal(endpoint_equal(&of_a, &of_b),
                             cases[i].same[level]);
            assert_int_equal(source_hash(&a, level, key) ==
                                 source_hash(&b, level, key),
                             cases[i].same[level]);
        }
    }
}

static void test_source_counts_each_width_once(void **state)
{
    static const struct {
        const char *ep;
        bool counts[SOURCE_LEVELS];
    } cases[] = {
        {"8.1.2.3:1", {1, 0, 1, 1}}, /* a line has one address */
        {"[2a00:1::]:1", {1, 1, 1, 1}},    {"192.168.1.2:1", {1, 0, 0, 0}},
        {"127.0.0.1:1", {1, 0, 0, 0}},     {"[fd00::1]:1", {1, 0, 0, 0}},
        {"[2001:db8::1]:1", {1, 0, 0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint ep = test_ep(cases[i].ep);

        for (int level = 0; level < SOURCE_LEVELS; level++)
            assert_int_equal(source_counts(&ep, level), cases[i].counts[level]);
    }
}

static void test_source_allowance_grows_with_the_width(void **state)
{
    static const struct {
        unsigned host, all, allowed[SOURCE_LEVELS];
    } cases[] = {
        {20, 10000, {20, 40, 80, 320}},
        {100, 300, {100, 150, 150, 150}},
        {200, 300, {200, 200, 200, 200}},
        {1, 1, {1, 1, 1, 1}},
        {UINT32_MAX,
         UINT32_MAX,
         {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int level = 0; level < SOURCE_LEVELS; level++)
            assert_int_equal(
                source_allowance(level, cases[i].host, cases[i].all),
                cases[i].allowed[level]);
    }
    assert_true(source_weight(SOURCE_HOST, 5) ==
                source_weight(SOURCE_LINE, 10));
    assert_true(source_weight(SOURCE_SITE, 8) ==
                source_weight(SOURCE_NETWORK, 16));
}

static void test_source_hash_depends_on_level_and_key(void **state)
{
    struct endpoint ep = test_ep("[2a00::]:1"); /* all levels: one prefix */
    static const uint8_t keys[2][SOURCE_KEY_BYTES] = {{1}, {2}};

    (void)state;
    for (int level = 1; level < SOURCE_LEVELS; level++)
        assert_true(source_hash(&ep, level, keys[0]) !=
                    source_hash(&ep, level - 1, keys[0]));
    assert_true(source_hash(&ep, SOURCE_HOST, keys[0]) !=
                source_hash(&ep, SOURCE_HOST, keys[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source_is_as_wide_as_its_level),
        cmocka_unit_test(test_source_counts_each_width_once),
        cmocka_unit_test(test_source_allowance_grows_with_the_width),
        cmocka_unit_test(test_source_hash_depends_on_level_and_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
