/* SPDX-License-Identifier: MIT
 *
 * A library that takes every point on the curve for good, as one without the
 * correction of CVE-2025-69277 does for some: our own check is enough. These
 * definitions go before those of the library.
 */
#include "record_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

int crypto_core_ed25519_is_valid_point(const unsigned char *p)
{
    (void)p;
    return 1;
}

/* Double and add, without a look at the point. */
int crypto_scalarmult_ed25519_noclamp(unsigned char *q, const unsigned char *n,
                                      const unsigned char *p)
{
    uint8_t sum[32] = {1};

    for (int bit = 255; bit >= 0; bit--) {
        if (crypto_core_ed25519_add(sum, sum, sum) != 0)
            return -1;
        if (n[bit / 8] >> bit % 8 & 1 &&
            crypto_core_ed25519_add(sum, sum, p) != 0)
            return -1;
    }
    memcpy(q, sum, 32);
    return 0;
}

static void test_blind_torsion_is_refused_by_ourselves(void **state)
{
    (void)state;
    for (uint8_t byte = 1; byte <= 3; byte++) {
        struct service_name name = fixture_name(byte);

        assert_int_equal(blind_check_key(name.key), OK);
        for (size_t i = 0; i < COUNT_OF(torsion_points); i++) {
            struct bytes torsion = test_hex(torsion_points[i]);
            uint8_t sum[32];

            assert_int_equal(crypto_core_ed25519_add(sum, name.key, torsion.p),
                             0);
            assert_int_equal(blind_check_key(sum), ERR_RANGE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blind_torsion_is_refused_by_ourselves),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
