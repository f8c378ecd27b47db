/* SPDX-License-Identifier: MIT
 *
 * The mean of repetitions and how well they tell it: Student's t interval, in
 * which the true mean lies in 95 of 100 such experiments if the repetitions
 * are independent and about normally distributed.
 */
#ifndef WARREN_SIM_REPORT_INTERVAL_H
#define WARREN_SIM_REPORT_INTERVAL_H

#include <stddef.h>

struct interval {
    size_t count;
    double mean; /* 0 of none */
    double half; /* the interval is mean - half to mean + half; 0 of one */
};

struct interval interval_of(const double *values, size_t count);

/* The quantile 0.975 of Student's distribution; at least 1 degree of freedom.
 * Above 30 that of the next smaller number in the table, so that an interval
 * is never too narrow. */
double interval_student(size_t freedom);

#endif
