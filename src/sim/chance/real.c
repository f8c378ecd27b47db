/* SPDX-License-Identifier: MIT
 *
 * The argument is brought near 1 (log) or 0 (exp) by powers of 2, which is
 * exact, and a series does the rest. Normal quantiles are algorithm AS 241,
 * PPND16 (Wichura, Applied Statistics 37, 1988): a quotient of polynomials for
 * the middle and two for the tails.
 */
#include "sim/chance/real.h"

#include <assert.h>
#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* More precision in between (x87) would round twice. */
_Static_assert(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 1,
               "double is evaluated as double");

/* ln 2 in two parts; the first has 32 trailing zeros, so that its multiples
 * by an exponent are exact. */
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW  1.90821492927058770002e-10
#define SQRT2    1.41421356237309504880

#define EXPONENT_BITS 52
#define EXPONENT_BIAS 1023

static double power_of_2(int e)
{
    uint64_t bits = (uint64_t)(e + EXPONENT_BIAS) << EXPONENT_BITS;
    double x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* x = result * 2^*e with 1 <= result < 2. */
static double split(double x, int *e)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    *e = (int)(bits >> EXPONENT_BITS) - EXPONENT_BIAS;
    return x / power_of_2(*e);
}

/* log m = 2 artanh s with s = (m - 1) / (m + 1), at most 0.172 here. */
double real_log(double x)
{
    int e;
    double m, s, s2, sum = 0;

    assert(x >= DBL_MIN && x <= DBL_MAX);
    if (x >= 0.5 && x < 1) { /* no exponent: near 1 nothing cancels out */
        m = x;
        e = 0;
    } else {
        m = split(x, &e);
    }
    if (m > SQRT2) {
        m /= 2;
        e++;
    } else if (m < SQRT2 / 2) {
        m *= 2;
        e--;
    }
    s = (m - 1) / (m + 1);
    s2 = s * s;
    for (int n = 25; n >= 1; n -= 2)
        sum = sum * s2 + 1.0 / n;
    return e * LN2_HIGH + (e * LN2_LOW + 2 * s * sum);
}

/* exp x = 2^k exp r, |r| <= ln 2 / 2. */
double real_exp(double x)
{
    double shifted = x / (LN2_HIGH + LN2_LOW) + 0.5, r, sum = 1;
    int k;

    if (shifted < 2 - EXPONENT_BIAS)
        return 0;
    if (!(shifted < EXPONENT_BIAS + 1))
        return DBL_MAX;
    k = (int)shifted;
    if (k > shifted)
        k--; /* the cast rounds towards 0 */
    r = (x - k * LN2_HIGH) - k * LN2_LOW;
    for (int n = 14; n >= 1; n--)
        sum = 1 + sum * r / n;
    return sum * 2 * power_of_2(k - 1);
}

double real_pow(double x, double y)
{
    return real_exp(y * real_log(x));
}

/* ---- Normal quantiles --------------------------------------------------- */

#define TERMS 8

struct quotient {
    double above[TERMS], below[TERMS]; /* coefficients, from that of x^0 */
};

static const struct quotient middle = {
    {3.3871328727963666080e0, 1.3314166789178437745e+2,
     1.9715909503065514427e+3, 1.3731693765509461125e+4,
     4.5921953931549871457e+4, 6.7265770927008700853e+4,
     3.3430575583588128105e+4, 2.5090809287301226727e+3},
    {1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2,
     5.3941960214247511077e+3, 2.1213794301586595867e+4,
     3.9307895800092710610e+4, 2.8729085735721942674e+4,
     5.2264952788528545610e+3},
};

static const struct quotient tail = {
    {1.42343711074968357734e0, 4.63033784615654529590e0,
     5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1,
     2.27238449892691845833e-2, 7.74545014278341407640e-4},
    {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0,
     6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4,
     1.05075007164441684324e-9},
};

static const struct quotient far_tail = {
    {6.65790464350110377720e0, 5.46378491116411436990e0,
     1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3,
     2.71155556874348757815e-5, 2.01033439929228813265e-7},
    {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1,
     1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7,
     2.04426310338993978564e-15},
};

static double evaluate(const struct quotient *q, double x)
{
    double above = 0, below = 0;

    for (size_t i = TERMS; i-- > 0;) {
        above = above * x + q->above[i];
        below = below * x + q->below[i];
    }
    return above / below;
}

double real_normal_quantile(double p)
{
    double q = p - 0.5, r, z;

    assert(p > 0 && p < 1);
    if (q >= -0.425 && q <= 0.425)
        return q * evaluate(&middle, 0.180625 - q * q);
    r = real_pow(-real_log(q < 0 ? p : 1 - p), 0.5);
    z = r <= 5 ? evaluate(&tail, r - 1.6) : evaluate(&far_tail, r - 5);
    return q < 0 ? -z : z;
}
