/* SPDX-License-Identifier: MIT
 *
 * One number out of measures: a column of tables and files. Files have the
 * exact number, in seconds, bytes and shares from 0 to 1, with a dot and
 * without a unit.
 */
#ifndef WARREN_SIM_REPORT_FIGURE_H
#define WARREN_SIM_REPORT_FIGURE_H

#include "base/text.h"
#include "sim/measure/measure.h"
#include "sim/report/interval.h"
#include "sim/report/report.h"

enum figure_kind {
    FIGURE_COUNT,
    FIGURE_HITS,
    FIGURE_SHARE, /* hits of count */
    FIGURE_MEAN,
    FIGURE_LEAST,
    FIGURE_MEDIAN,
    FIGURE_P90,
    FIGURE_P99,
    FIGURE_MOST,
    FIGURE_AT /* the share of a curve at one place */
};

struct figure {
    enum measure what;
    enum figure_kind kind;
    uint64_t at; /* FIGURE_AT, in total only */
};

/* The figures of a measure that files have, in order: false past the last.
 * CURVE has none. */
bool figure_of_files(enum measure what, size_t i, struct figure *out);
/* "lookup_time_p90". */
void figure_name(const struct figure *f, struct text *out);

/* False: there is none, of no events. */
bool figure_value(const struct measures *m, const struct figure *f,
                  size_t sample, double *out);
/* Nothing, where there is none. */
void figure_print(const struct measures *m, const struct figure *f,
                  size_t sample, struct text *out);
/* As files have it: at most 9 digits. */
void figure_print_number(double number, struct text *out);
/* hits / of. */
void figure_print_share(uint64_t hits, uint64_t of, struct text *out);
/* A value in the unit that it is shown in, exact. */
void figure_print_value(enum measure what, uint64_t value, struct text *out);

/* ---- Points: runs that differ in their seed alone ------------------------ */

/* The first run of the next point; run_count past the last one. */
size_t report_point_end(const struct report *r, size_t first);
size_t report_points(const struct report *r);
/* Over those of the runs from `first` to before `end` that have it; of more
 * than REPORT_REPETITIONS_MAX, over so many. */
#define REPORT_REPETITIONS_MAX 1024
struct interval report_interval(const struct report *r, size_t first,
                                size_t end, const struct figure *f);
/* The largest mean of a point; 0 where none has it. */
double report_largest(const struct report *r, const struct figure *f);
/* Whether any run has counted it. */
bool report_uses(const struct report *r, enum measure what);

#endif
