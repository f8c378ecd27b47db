/* SPDX-License-Identifier: MIT
 *
 * One run of a scenario: the simulated network, its population and the parts
 * that give them work, attack them and measure. A run goes on in steps, so
 * that whoever drives it can show progress and end it early with what there
 * is.
 */
#ifndef WARREN_SIM_EXPERIMENT_EXPERIMENT_H
#define WARREN_SIM_EXPERIMENT_EXPERIMENT_H

#include "base/error.h"
#include "sim/measure/measure.h"
#include "sim/part/part.h"
#include "sim/scenario/scenario.h"

#include <stdint.h>

struct experiment;

/* `scenario` is kept, not copied. ERR_NO_MEMORY; ERR_IO, ERR_SYNTAX of files
 * that the scenario names: `why` says which and what. */
enum error experiment_new(const struct scenario *scenario,
                          struct experiment **out, struct text *why);
void experiment_free(struct experiment *x);

/* Runs on for at most one sample or a second of virtual time. *done: the whole
 * duration is over. Errors of what grows: the measures so far stay. */
enum error experiment_step(struct experiment *x, bool *done);

/* Virtual time since the network began, and of how much in all (ns). */
uint64_t experiment_time(const struct experiment *x, uint64_t *all);
uint32_t experiment_present(const struct experiment *x);
uint64_t experiment_datagrams(const struct experiment *x);
/* What was measured so far. */
const struct measures *experiment_measures(const struct experiment *x);
/* Steps of lookups that [lookups] traced asked for. */
const struct trace_log *experiment_traces(const struct experiment *x);

/* Frees it but for its measures, which are the caller's now, and for the steps
 * of its lookups, which go to `traces` (NULL: they are freed too). */
struct measures *experiment_end(struct experiment *x, struct trace_log *traces);

#endif
