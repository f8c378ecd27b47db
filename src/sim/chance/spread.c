/* SPDX-License-Identifier: MIT
 *
 * Every distribution is drawn by its quantile function at a number between 0
 * and 1, so that a draw always takes one number of the stream.
 */
#include "sim/chance/spread.h"

#include "sim/chance/real.h"

#include <assert.h>

#define LIMIT 18446744073709551616.0 /* 2^64 */

static uint64_t whole(double x)
{
    return x < LIMIT ? (uint64_t)x : UINT64_MAX;
}

static uint64_t at_least(uint64_t least, double x)
{
    uint64_t value = whole(x);

    return value > least ? value : least;
}

/* From a to b, both included. */
static uint64_t uniform(uint64_t a, uint64_t b, double p)
{
    uint64_t span = b > a ? b - a : 0;
    uint64_t part = whole(p * ((double)span + 1));

    return a + (part < span ? part : span);
}

uint64_t spread_quantile(const struct spread *s, double p)
{
    double scale = (double)s->a;

    assert(p > 0 && p < 1);
    switch (s->kind) {
    case SPREAD_FOREVER:
        break;
    case SPREAD_FIXED:
        return s->a;
    case SPREAD_UNIFORM:
        return uniform(s->a, s->b, p);
    case SPREAD_EXPONENTIAL:
        return whole(scale * -real_log(1 - p));
    case SPREAD_WEIBULL:
        return whole(scale * real_pow(-real_log(1 - p), 1 / s->shape));
    case SPREAD_PARETO:
        return at_least(s->a, scale * real_pow(1 - p, -1 / s->shape));
    case SPREAD_LOGNORMAL:
        return whole(scale * real_exp(s->shape * real_normal_quantile(p)));
    }
    return UINT64_MAX;
}

/* In the middle of one of 2^52 parts: neither 0 nor 1, and 1 - p is exact. */
static double between_0_and_1(struct sim_rng *r)
{
    return ((double)(sim_rng_next(r) >> 12) + 0.5) / 4503599627370496.0;
}

uint64_t spread_draw(const struct spread *s, struct sim_rng *r)
{
    if (s->kind == SPREAD_FOREVER)
        return UINT64_MAX;
    return s->kind == SPREAD_FIXED ? s->a
                                   : spread_quantile(s, between_0_and_1(r));
}

uint64_t spread_least(const struct spread *s)
{
    switch (s->kind) {
    case SPREAD_FOREVER:
        return UINT64_MAX;
    case SPREAD_FIXED:
    case SPREAD_UNIFORM:
    case SPREAD_PARETO:
        return s->a;
    case SPREAD_EXPONENTIAL:
    case SPREAD_WEIBULL:
    case SPREAD_LOGNORMAL:
        break;
    }
    return 0;
}
