/* SPDX-License-Identifier: MIT */
#include "blind_vectors.h"
#include "record_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct bytes message = {(const uint8_t *)"a value", 7};

static void assert_hex(const uint8_t *p, const char *hex)
{
    struct bytes want = test_hex(hex);

    assert_memory_equal(p, want.p, want.len);
}

static void assert_verifies(const uint8_t *signature, struct bytes m,
                            const uint8_t *key)
{
    assert_int_equal(crypto_sign_verify_detached(signature, m.p, m.len, key),
                     0);
}

static void test_blind_expands_as_tor_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(blind_vectors); i++) {
        const struct blind_vector *v = &blind_vectors[i];
        struct service_secret secret;
        uint8_t wide[64] = {0}, reduced[32];

        blind_expand(test_hex(v->seed).p, &secret);
        memcpy(wide, test_hex(v->scalar).p, 32);
        crypto_core_ed25519_scalar_reduce(reduced, wide);
        assert_memory_equal(secret.scalar, reduced, 32);
        assert_hex(secret.prefix, v->prefix);
        assert_hex(secret.key, v->key);
        assert_int_equal(blind_check_key(secret.key), OK);
    }
}

static void test_blind_keys_are_those_of_tor(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(blind_vectors); i++) {
        const struct blind_vector *v = &blind_vectors[i];
        struct bytes factor = test_hex(v->factor);
        struct service_secret secret;
        struct blinded_key key;
        uint8_t blinded[32], signature[64];

        blind_expand(test_hex(v->seed).p, &secret);
        blind_secret(&secret, factor.p, &key);
        assert_hex(key.scalar, v->blinded_scalar);
        assert_hex(key.key, v->blinded_key);
        assert_int_equal(blind_public(secret.key, factor.p, blinded), OK);
        assert_memory_equal(blinded, key.key, 32);
        assert_int_equal(blind_check_key(blinded), OK);
        assert_int_equal(blind_sign(&key, message, signature), OK);
        assert_verifies(signature, message, blinded);
        signature[i] ^= 1;
        assert_int_not_equal(crypto_sign_verify_detached(signature, message.p,
                                                         message.len, blinded),
                             0);
    }
}

/* Random seeds and factors, clamped or not: both ways lead to one key. */
static void test_blind_both_sides_agree(void **state)
{
    struct test_random random = test_seed(1);

    (void)state;
    for (int i = 0; i < 50; i++) {
        uint8_t seed[32], factor[32], blinded[32], signature[64], text[70];
        struct service_secret secret;
        struct blinded_key key;
        struct bytes m = bytes_of(text, test_random_below(&random, 70));

        test_random_fill(&random, seed, sizeof(seed));
        test_random_fill(&random, factor, sizeof(factor));
        test_random_fill(&random, text, sizeof(text));
        blind_expand(seed, &secret);
        blind_secret(&secret, factor, &key);
        assert_int_equal(blind_public(secret.key, factor, blinded), OK);
        assert_memory_equal(key.key, blinded, 32);
        assert_int_equal(blind_sign(&key, m, signature), OK);
        assert_verifies(signature, m, blinded);
    }
}

static void test_blind_factor_depends_on_all(void **state)
{
    struct service_name names[] = {fixture_name(1), fixture_name(1),
                                   fixture_name(1), fixture_name(2)};
    uint8_t factors[6][32];

    (void)state;
    names[1].has_access = true;
    names[2].has_access = true;
    names[2].access[31] = 1;
    for (size_t i = 0; i < 4; i++)
        blind_factor(NETWORK, &names[i], 20000, factors[i]);
    blind_factor(NETWORK, &names[0], 20001, factors[4]);
    blind_factor("tesu", &names[0], 20000, factors[5]);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(factors[i][0] & 7, 0);
        assert_int_equal(factors[i][31] & 0xc0, 0x40);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(factors[i], factors[j], 32);
    }
    /* What stands in `access` without has_access does not matter. */
    names[2].has_access = false;
    blind_factor(NETWORK, &names[2], 20000, factors[1]);
    assert_memory_equal(factors[1], factors[0], 32);
}

static void test_blind_credential_depends_on_all(void **state)
{
    struct service_name names[] = {fixture_name(1), fixture_name(1),
                                   fixture_name(2)};
    uint8_t made[4][32];

    (void)state;
    names[1].has_access = true;
    for (size_t i = 0; i < 3; i++)
        blind_credential(NETWORK, &names[i], made[i]);
    blind_credential("tesu", &names[0], made[3]);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(made[i], made[j], 32);
}

static struct blinded_key key_of_period(const struct service_secret *secret,
                                        uint32_t period, uint8_t factor[32])
{
    struct service_name name = {0};
    struct blinded_key key;

    memcpy(name.key, secret->key, sizeof(name.key));
    blind_factor(NETWORK, &name, period, factor);
    blind_secret(secret, factor, &key);
    return key;
}

/* k of a signature, as who verifies computes it. */
static void challenge(const uint8_t *signature, const uint8_t *key,
                      uint8_t k[32])
{
    crypto_hash_sha512_state state;
    uint8_t wide[64];

    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, signature, 32);
    crypto_hash_sha512_update(&state, key, 32);
    crypto_hash_sha512_update(&state, message.p, message.len);
    crypto_hash_sha512_final(&state, wide);
    crypto_core_ed25519_scalar_reduce(k, wide);
}

/* a = (S1 - S2) / (k1 h1 - k2 h2), when both have the same R: what everybody
 * can compute who knows the address. */
static void solve(uint8_t factors[2][32], uint8_t signatures[2][64],
                  const struct blinded_key keys[2], uint8_t a[32])
{
    uint8_t k[2][32], wide[64] = {0}, h[32];

    for (int i = 0; i < 2; i++) {
        challenge(signatures[i], keys[i].key, k[i]);
        memcpy(wide, factors[i], 32);
        crypto_core_ed25519_scalar_reduce(h, wide);
        crypto_core_ed25519_scalar_mul(k[i], k[i], h);
    }
    crypto_core_ed25519_scalar_sub(k[0], k[0], k[1]);
    assert_int_equal(crypto_core_ed25519_scalar_invert(k[1], k[0]), 0);
    crypto_core_ed25519_scalar_sub(a, signatures[0] + 32, signatures[1] + 32);
    crypto_core_ed25519_scalar_mul(a, a, k[1]);
}

static void test_blind_same_value_in_two_periods(void **state)
{
    struct service_secret secret = fixture_secret(3);
    uint8_t factors[2][32], signatures[2][64], a[32];
    struct blinded_key keys[2];

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        keys[i] = key_of_period(&secret, 20000 + i, factors[i]);
        assert_int_equal(blind_sign(&keys[i], message, signatures[i]), OK);
    }
    assert_memory_not_equal(signatures[0], signatures[1], 32);
    solve(factors, signatures, keys, a);
    assert_memory_not_equal(a, secret.scalar, 32);
    /* The same attack on a prefix that all periods share. */
    memcpy(keys[1].prefix, keys[0].prefix, 32);
    assert_int_equal(blind_sign(&keys[1], message, signatures[1]), OK);
    assert_memory_equal(signatures[0], signatures[1], 32);
    solve(factors, signatures, keys, a);
    assert_memory_equal(a, secret.scalar, 32);
}

static void test_blind_faulty_signature_stays_here(void **state)
{
    struct service_secret secret = fixture_secret(4);
    uint8_t factor[32], signature[64], before[64];
    struct blinded_key key = key_of_period(&secret, 20000, factor);

    (void)state;
    memset(signature, 0xee, sizeof(signature));
    memcpy(before, signature, sizeof(before));
    key.scalar[5] ^= 4;
    assert_int_equal(blind_sign(&key, message, signature), ERR_SIGNATURE);
    assert_memory_equal(signature, before, sizeof(before));
    key.scalar[5] ^= 4;
    assert_int_equal(blind_sign(&key, message, signature), OK);
}

static void test_blind_refuses_torsion(void **state)
{
    (void)state;
    for (uint8_t byte = 1; byte <= 8; byte++) {
        struct service_name name = fixture_name(byte);

        for (size_t i = 0; i < COUNT_OF(torsion_points); i++) {
            struct bytes torsion = test_hex(torsion_points[i]);
            uint8_t sum[32];

            assert_int_equal(blind_check_key(torsion.p), ERR_RANGE);
            assert_int_equal(crypto_core_ed25519_add(sum, name.key, torsion.p),
                             0);
            assert_int_equal(blind_check_key(sum), ERR_RANGE);
        }
    }
}

static void test_blind_refuses_what_is_no_key(void **state)
{
    uint8_t key[32] = {1}, blinded[32];
    struct test_random random = test_seed(2);
    unsigned good = 0;

    (void)state;
    assert_int_equal(blind_check_key(key), ERR_RANGE); /* neutral */
    assert_int_equal(blind_public(key, key, blinded), ERR_RANGE);
    for (unsigned i = 0; i < 38; i++) {
        fixture_not_canonical(i, key);
        assert_int_equal(blind_check_key(key), ERR_RANGE);
        assert_int_equal(blind_public(key, key, blinded), ERR_RANGE);
    }
    /* Of random bytes every second is a point, and of those every eighth
     * without torsion. */
    for (unsigned i = 0; i < 400; i++) {
        test_random_fill(&random, key, sizeof(key));
        good += blind_check_key(key) == OK;
    }
    assert_in_range(good, 5, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blind_expands_as_tor_does),
        cmocka_unit_test(test_blind_keys_are_those_of_tor),
        cmocka_unit_test(test_blind_both_sides_agree),
        cmocka_unit_test(test_blind_factor_depends_on_all),
        cmocka_unit_test(test_blind_credential_depends_on_all),
        cmocka_unit_test(test_blind_same_value_in_two_periods),
        cmocka_unit_test(test_blind_faulty_signature_stays_here),
        cmocka_unit_test(test_blind_refuses_torsion),
        cmocka_unit_test(test_blind_refuses_what_is_no_key),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
