/* SPDX-License-Identifier: MIT
 *
 * What runs of a scenario found, for people (a summary, pictures) and programs
 * (JSON, CSV). Runs that differ in their seed alone are repetitions of one
 * point: their mean is given with the interval in which it lies at 95 %
 * (Student's t).
 */
#ifndef WARREN_SIM_REPORT_REPORT_H
#define WARREN_SIM_REPORT_REPORT_H

#include "base/error.h"
#include "base/text.h"
#include "sim/measure/measure.h"
#include "sim/measure/trace_log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define REPORT_SWEEPS_MAX 4
#define REPORT_HASH_SIZE  65 /* BLAKE2b-256 in hex, with its terminator */

/* One run. */
struct report_run {
    uint64_t number; /* among all runs of the sweep, from 0 */
    uint64_t seed;
    /* The values of the keys that were swept, as they were given. */
    const char *value[REPORT_SWEEPS_MAX];
    const struct measures *measures;
    bool complete; /* false: it was ended early */
};

struct report {
    const char *title;           /* the scenario's file, or "warren sim" */
    char hash[REPORT_HASH_SIZE]; /* of all settings but seed and threads */
    unsigned sweeps;
    const char *sweep[REPORT_SWEEPS_MAX]; /* "network.loss" */
    size_t run_count;
    const struct report_run *runs;  /* points in order, repetitions together */
    const struct trace_log *traces; /* of the first run; may be empty */
};

/* For people, within 80 columns. */
void report_summary(const struct report *r, struct text *out);
/* One object. */
void report_json(const struct report *r, struct text *out);
/* Into a directory, which is made: samples.csv, totals.csv, values.csv,
 * curves.csv, reasons.csv, lookups.csv. ERR_IO: `why` says what with which
 * file. */
enum error report_csv(const struct report *r, const char *dir,
                      struct text *why);
/* Pictures (PNG) of what there is to draw, by gnuplot from those files in
 * `dir`. ERR_NOT_FOUND: there is no gnuplot; ERR_IO. */
enum error report_plot(const struct report *r, const char *dir,
                       struct text *why);

#endif
