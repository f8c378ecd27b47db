/* SPDX-License-Identifier: MIT
 *
 * Distributions of times and sizes, drawn from a stream of random numbers. The
 * same numbers come out on every machine: logarithms and powers are made here
 * of additions, multiplications and divisions alone, which IEEE 754 rounds in
 * one way, and not by a C library.
 *
 *     forever               never ends (times of presence)
 *     fixed A
 *     uniform A B           from A to B
 *     exponential MEAN
 *     weibull SHAPE SCALE   SHAPE < 1: who has stayed long stays longer
 *     pareto SHAPE MIN
 *     lognormal MEDIAN SIGMA
 */
#ifndef WARREN_SIM_CHANCE_SPREAD_H
#define WARREN_SIM_CHANCE_SPREAD_H

#include "sim/chance/rng.h"

#include <stdint.h>

enum spread_kind {
    SPREAD_FOREVER, /* 0: what a zeroed struct is */
    SPREAD_FIXED,
    SPREAD_UNIFORM,
    SPREAD_EXPONENTIAL,
    SPREAD_WEIBULL,
    SPREAD_PARETO,
    SPREAD_LOGNORMAL
};

struct spread {
    enum spread_kind kind;
    uint64_t a, b; /* in the unit of what is drawn: A, B, MEAN, SCALE, MIN,
                      MEDIAN stand in `a` (of uniform: a and b) */
    double shape;  /* SHAPE, SIGMA */
};

/* Takes one number of the stream, of FOREVER and FIXED none. UINT64_MAX for
 * SPREAD_FOREVER, and for what would be more. */
uint64_t spread_draw(const struct spread *s, struct sim_rng *r);
/* What a draw is below of with probability p, which is neither 0 nor 1. */
uint64_t spread_quantile(const struct spread *s, double p);
/* No draw is smaller. */
uint64_t spread_least(const struct spread *s);

#endif
