/* SPDX-License-Identifier: MIT
 *
 * Our own functions against those of the C library, which may differ by less
 * than matters, and against bits, which may not differ at all.
 */
#include "sim/chance/real.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TOLERANCE 1e-12

static void assert_near(double x, double ours, double truth)
{
    double off = fabs(ours - truth);

    if (!(off <= TOLERANCE * fabs(truth)))
        fail_msg("at %.17g: %.17g, not %.17g", x, ours, truth);
}

static void test_real_log_is_the_logarithm(void **state)
{
    (void)state;
    for (double x = 1e-300; x < 1e300; x *= 1.0937)
        assert_near(x, real_log(x), log(x));
    for (double x = 0.4; x < 2.2; x += 0.0013)
        assert_near(x, real_log(x), log(x));
    for (double d = 1e-15; d < 0.1; d *= 1.7) {
        assert_near(1 + d, real_log(1 + d), log(1 + d));
        assert_near(1 - d, real_log(1 - d), log(1 - d));
    }
    assert_true(real_log(1) == 0);
}

static void test_real_exp_is_the_exponential(void **state)
{
    (void)state;
    for (double x = -700; x < 709; x += 0.0917)
        assert_near(x, real_exp(x), exp(x));
    for (double x = 1e-18; x < 1; x *= 1.9) {
        assert_near(x, real_exp(x), exp(x));
        assert_near(-x, real_exp(-x), exp(-x));
    }
    assert_true(real_exp(0) == 1);
    assert_true(real_exp(-1e9) == 0);
    assert_true(real_exp(1e9) > 1e308);
    assert_true(real_exp(709.7) > 1e308);
    assert_true(real_exp(-707) > 0);
}

static void test_real_pow_is_the_power(void **state)
{
    (void)state;
    for (double x = 1e-12; x < 1e12; x *= 1.31)
        for (double y = -4; y < 4; y += 0.17)
            assert_near(x, real_pow(x, y), pow(x, y));
}

/* erfc is good at both ends, so each half is checked from its own. */
static void test_real_normal_quantile_inverts_the_distribution(void **state)
{
    (void)state;
    for (double p = 1e-300; p < 0.5; p *= 1.27) {
        double z = real_normal_quantile(p);

        if (fabs(0.5 * erfc(-z / sqrt(2)) / p - 1) > 1e-12 * (1 + z * z))
            fail_msg("quantile %.17g is %.17g", p, z);
        if (p > 1e-10)
            assert_true(fabs(real_normal_quantile(1 - p) + z) < 1e-5);
    }
    for (double p = 0.01; p < 0.99; p += 0.00371)
        assert_near(p, 0.5 * erfc(-real_normal_quantile(p) / sqrt(2)), p);
    assert_true(real_normal_quantile(0.5) == 0);
}

static uint64_t bits_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

/* What this machine says must be what every machine says. */
static void test_real_functions_are_the_same_to_the_bit(void **state)
{
    uint64_t sum = 0;

    (void)state;
    for (int i = 1; i < 1000; i++) {
        double x = i / 1000.0;

        sum = sum * 31 + bits_of(real_log(x));
        sum = sum * 31 + bits_of(real_exp(7 * x));
        sum = sum * 31 + bits_of(real_pow(5 * x, -x));
        sum = sum * 31 + bits_of(real_normal_quantile(x));
    }
    assert_int_equal(sum, UINT64_C(0x1ed503b005bfcec7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_log_is_the_logarithm),
        cmocka_unit_test(test_real_exp_is_the_exponential),
        cmocka_unit_test(test_real_pow_is_the_power),
        cmocka_unit_test(test_real_normal_quantile_inverts_the_distribution),
        cmocka_unit_test(test_real_functions_are_the_same_to_the_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
