/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "tunnel/record/member_proof.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

struct member {
    uint8_t secret[32], key[32];
};

static struct member member_of(uint8_t byte)
{
    struct member m;

    memset(m.secret, byte, sizeof(m.secret));
    noise_public_key(m.secret, m.key);
    return m;
}

static void test_member_proof(void **state)
{
    struct member a = member_of(1), b = member_of(2), c = member_of(3);
    uint8_t e[32] = {4}, mac[MEMBER_MAC_BYTES];

    (void)state;
    assert_int_equal(member_prove(a.secret, a.key, b.key, e, mac), OK);
    assert_int_equal(member_check(b.secret, b.key, a.key, e, mac), OK);
    /* b passes it on to c, as a's; or returns it to a, as its own. */
    assert_int_equal(member_check(c.secret, c.key, a.key, e, mac),
                     ERR_SIGNATURE);
    assert_int_equal(member_check(a.secret, a.key, b.key, e, mac),
                     ERR_SIGNATURE);
    /* c says that it was c who proved. */
    assert_int_equal(member_check(b.secret, b.key, c.key, e, mac),
                     ERR_SIGNATURE);
    /* In another handshake; with a bit turned. */
    e[31] ^= 1;
    assert_int_equal(member_check(b.secret, b.key, a.key, e, mac),
                     ERR_SIGNATURE);
    e[31] ^= 1;
    for (unsigned bit = 0; bit < 8 * MEMBER_MAC_BYTES; bit++) {
        mac[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(member_check(b.secret, b.key, a.key, e, mac),
                         ERR_SIGNATURE);
        mac[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* c names a's key, of which it does not have the secret. */
static void test_member_proof_for_the_key_of_another(void **state)
{
    struct member a = member_of(1), b = member_of(2), c = member_of(3);
    uint8_t e[32] = {4}, mac[MEMBER_MAC_BYTES];

    (void)state;
    assert_int_equal(member_prove(c.secret, a.key, b.key, e, mac), OK);
    assert_int_equal(member_check(b.secret, b.key, a.key, e, mac),
                     ERR_SIGNATURE);
}

static void test_member_of_low_order(void **state)
{
    struct member a = member_of(1);
    uint8_t zero[32] = {0}, e[32] = {4}, mac[MEMBER_MAC_BYTES] = {0};

    (void)state;
    assert_int_equal(member_prove(a.secret, a.key, zero, e, mac), ERR_RANGE);
    assert_int_equal(member_check(a.secret, a.key, zero, e, mac), ERR_RANGE);
    zero[0] = 1;
    assert_int_equal(member_check(a.secret, a.key, zero, e, mac), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_member_proof),
        cmocka_unit_test(test_member_proof_for_the_key_of_another),
        cmocka_unit_test(test_member_of_low_order),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
