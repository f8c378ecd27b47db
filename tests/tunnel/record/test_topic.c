/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "tunnel/record/topic.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#define NETWORK "test"

static void root_of(const char *string, uint8_t root[32])
{
    assert_int_equal(topic_root(NETWORK, bytes_of_text(string), root), OK);
}

static void test_topic_strings(void **state)
{
    uint8_t string[256], root[32], other[32];

    (void)state;
    memset(string, 'x', sizeof(string));
    assert_int_equal(topic_root(NETWORK, bytes_of(string, 0), root),
                     ERR_WRONG_LENGTH);
    assert_int_equal(topic_root(NETWORK, bytes_of(string, 256), root),
                     ERR_WRONG_LENGTH);
    assert_int_equal(topic_root(NETWORK, bytes_of(string, 255), root), OK);
    assert_int_equal(topic_root(NETWORK, bytes_of(string, 254), other), OK);
    assert_memory_not_equal(root, other, 32);
    /* The longest name of a network, too. */
    assert_int_equal(topic_root("nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
                                bytes_of(string, 255), other),
                     OK);
    assert_memory_not_equal(root, other, 32);
}

static void test_topic_secrets_differ(void **state)
{
    uint8_t roots[2][32], made[8][32];

    (void)state;
    root_of("a", roots[0]);
    root_of("b", roots[1]);
    for (size_t i = 0; i < 2; i++) {
        topic_of(roots[i], 20000, made[4 * i]);
        topic_entry_key(roots[i], 20000, made[4 * i + 1]);
        topic_credential(roots[i], made[4 * i + 2]);
        topic_of(roots[i], 20001, made[4 * i + 3]);
    }
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(made[i], made[j], 32);
}

static void test_topic_hashes_differ(void **state)
{
    static const uint8_t topic[TOPIC_BYTES] = {1}, other[TOPIC_BYTES] = {2};
    struct id ids[4];

    (void)state;
    topic_hash(NETWORK, topic, 0, &ids[0]);
    topic_hash(NETWORK, topic, 1, &ids[1]);
    topic_hash(NETWORK, other, 0, &ids[2]);
    topic_hash("tesu", topic, 0, &ids[3]);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(id_equal(&ids[i], &ids[j]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic_strings),
        cmocka_unit_test(test_topic_secrets_differ),
        cmocka_unit_test(test_topic_hashes_differ),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
