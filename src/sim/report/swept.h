/* SPDX-License-Identifier: MIT
 *
 * The values of swept keys as numbers: "5%" is 0.05, "10m" 600 seconds or, of
 * a key of bytes, 10485760. Others, "exponential 1h" say, stay words.
 */
#ifndef WARREN_SIM_REPORT_SWEPT_H
#define WARREN_SIM_REPORT_SWEPT_H

#include "base/text.h"
#include "sim/report/report.h"

/* False: it is no number. */
bool swept_number(const char *value, enum measure_unit unit, double *out);

/* Of a run's value: the number, or where it is none the words. */
void swept_print(const struct report *r, const struct report_run *run,
                 size_t key, struct text *out);

#endif
