/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "tunnel/record/service_key.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

static void test_service_key_depends_on_all(void **state)
{
    uint8_t secret[32] = {1}, salt[POINT_SALT] = {2}, relay[32] = {3};
    uint8_t *parts[] = {secret, salt, relay};
    struct point_keys first, again, other;

    (void)state;
    service_key_point(secret, salt, relay, &first);
    service_key_point(secret, salt, relay, &again);
    assert_memory_equal(&first, &again, sizeof(first));
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i][15] ^= 1;
        service_key_point(secret, salt, relay, &other);
        assert_memory_not_equal(first.auth_key, other.auth_key, 32);
        assert_memory_not_equal(first.auth_id, other.auth_id, AUTH_ID_BYTES);
        assert_memory_not_equal(first.service_key, other.service_key, 32);
        parts[i][15] ^= 1;
    }
}

static void test_service_key_halves_belong_together(void **state)
{
    uint8_t secret[32] = {1}, salt[POINT_SALT] = {2}, relay[32] = {3};
    uint8_t signature[64], key[32], id[AUTH_ID_BYTES];
    struct point_keys keys;

    (void)state;
    service_key_point(secret, salt, relay, &keys);
    crypto_sign_detached(signature, NULL, relay, 32, keys.auth_secret);
    assert_int_equal(
        crypto_sign_verify_detached(signature, relay, 32, keys.auth_key), 0);
    noise_public_key(keys.service_secret, key);
    assert_memory_equal(key, keys.service_key, 32);
    service_key_auth_id(keys.auth_key, id);
    assert_memory_equal(id, keys.auth_id, AUTH_ID_BYTES);
    assert_memory_not_equal(keys.auth_secret, keys.service_secret, 32);
}

static void test_service_key_of_member_and_seed(void **state)
{
    uint8_t seed[32] = {1}, secret[32], m[32], key[32], want[32];

    (void)state;
    service_key_secret(seed, secret);
    assert_memory_not_equal(secret, seed, 32);
    service_key_member(secret, m, key);
    noise_public_key(m, want);
    assert_memory_equal(key, want, 32);
    assert_memory_not_equal(m, secret, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service_key_depends_on_all),
        cmocka_unit_test(test_service_key_halves_belong_together),
        cmocka_unit_test(test_service_key_of_member_and_seed),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
