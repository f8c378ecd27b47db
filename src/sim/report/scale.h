/* SPDX-License-Identifier: MIT
 *
 * Numbers for people: a unit that fits, three digits that count, and thousands
 * apart.
 */
#ifndef WARREN_SIM_REPORT_SCALE_H
#define WARREN_SIM_REPORT_SCALE_H

#include "base/text.h"
#include "sim/measure/measure.h"
#include "sim/report/figure.h"

struct scale {
    double factor;    /* from the shown unit (seconds, shares) to this one */
    const char *unit; /* "ms", "%"; "" */
};

/* What fits a figure of about that size. */
struct scale scale_of(const struct figure *f, double size);

/* "1.25", "98.7", "12,345"; a whole number without digits after the dot. */
void scale_print(double number, struct text *out);
/* "1.25", or of several "1.25 +-0.04", in the scale's unit. */
void scale_print_interval(const struct interval *in, struct scale s,
                          struct text *out);

#endif
