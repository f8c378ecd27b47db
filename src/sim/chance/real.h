/* SPDX-License-Identifier: MIT
 *
 * Logarithms, exponentials, powers and normal quantiles that are the same on
 * every machine: made of additions, multiplications and divisions alone, which
 * IEEE 754 rounds in one way, while C libraries differ in the last bit. The
 * floor is compiled with -ffp-contract=off, so that no compiler fuses two of
 * them into one. Within 1e-13 of the truth, relatively.
 */
#ifndef WARREN_SIM_CHANCE_REAL_H
#define WARREN_SIM_CHANCE_REAL_H

/* Natural logarithm; x must be positive and normal. */
double real_log(double x);
/* 0 for what is below the normal numbers, DBL_MAX for what is above. */
double real_exp(double x);
/* x must be positive and normal. */
double real_pow(double x, double y);

/* Below which number a standard normal variable is with probability p, which
 * lies between 0 and 1 and is neither. */
double real_normal_quantile(double p);

#endif
