/* SPDX-License-Identifier: MIT
 *
 * What runs of a scenario found, for people (a summary; pictures are in
 * sim/plot) and programs (JSON, CSV). Runs that differ in their seed alone are
 * repetitions of one point: their mean is given with the interval in which it
 * lies at 95 % (Student's t).
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
#define REPORT_SHORT_HASH 12 /* digits of it that are shown to people */

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
    const char *dht;             /* as scenario_dht, of all runs; or NULL */
    char hash[REPORT_HASH_SIZE]; /* of all settings but seed and threads */
    unsigned sweeps;
    const char *sweep[REPORT_SWEEPS_MAX]; /* "network.loss" */
    /* UNIT_BYTES: "10m" is 10 megabytes; else it is 10 minutes. */
    enum measure_unit sweep_unit[REPORT_SWEEPS_MAX];
    size_t run_count;
    const struct report_run *runs;  /* points in order, repetitions together */
    const struct trace_log *traces; /* of the first run; may be empty */
};

/* For people, within 80 columns. */
void report_summary(const struct report *r, struct text *out);
/* One object; report_json.c says which. */
void report_json(const struct report *r, struct text *out);
/* Makes a directory that may be there already. ERR_IO: `why` says so. */
enum error report_make_dir(const char *dir, struct text *why);

/* Into a directory, which is made, six tables with a line of names first. Each
 * row begins with the swept keys (numbers: shares from 0 to 1, seconds, bytes;
 * else words) and `seed`. Times are seconds; what does not exist is empty.
 *
 *     samples.csv  a row a sample: time (its end), and columns by measure
 *     totals.csv   a row a run: complete (0: ended early), time, and the same
 *     values.csv   distributions: measure, value (the largest of a bucket),
 *                  count, share (of all that are at most that)
 *     curves.csv   measure, minute, hits, of, share
 *     reasons.csv  measure, reason, count
 *     lookups.csv  steps of lookups of the first run: lookup, target, asker,
 *                  asked, bits (that target and asked have in common), hop,
 *                  time, took, outcome (answered, values, timeout, distrusted),
 *                  hostile (1: whom it asked)
 *
 * The columns of a measure NAME that any run has (measure_table.c):
 *
 *     a count, reasons   NAME
 *     a level            NAME (in total: the mean of the samples)
 *     a share            NAME, NAME_hits, NAME_of
 *     values             NAME_count, _mean, _least, _median, _p90, _p99, _most
 *
 * ERR_IO: `why` says what with which file. */
enum error report_csv(const struct report *r, const char *dir,
                      struct text *why);
#endif
