/* SPDX-License-Identifier: MIT
 *
 * What one `warren sim` is to do: a scenario, what the command line has on top
 * of it, a grid of runs, which of them, and what to make of the results.
 */
#ifndef WARREN_CLI_SIM_SIM_PLAN_H
#define WARREN_CLI_SIM_SIM_PLAN_H

#include "cli/ask/arguments.h"
#include "cli/sim/sim_engines.h"
#include "sim/scenario/sweep.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_OVERRIDES_MAX 64

extern const struct cli_option sim_options[];

struct sim_plan {
    const char *file; /* NULL: the defaults and the command line alone */
    struct scenario_override override[SIM_OVERRIDES_MAX];
    unsigned overrides;
    char shown[SIM_OVERRIDES_MAX][SWEEP_VALUE_SIZE]; /* "5%" of --loss 5 */
    struct sweep sweep;
    uint64_t part, parts;          /* from 1; of how many; 1 of 1 is all */
    const char *csv, *plot, *save; /* NULL: not asked for */
};

/* Reads flags; false after a sentence. To be freed by the caller. */
struct sim_plan *sim_plan_new(struct cli *cli);

/* The scenario of one run of the sweep, with the engines' settings. Each
 * mistake is a line in `errors`. Errors of scenario_load. */
enum error sim_plan_scenario(const struct sim_plan *p, uint64_t run,
                             struct scenario *out, struct text *errors);

/* Whether the values of a swept key are bytes: "10m" is then no time. */
bool sim_plan_is_bytes(const char *name);

/* The hash of all that the results of the sweep depend on but for seeds.
 * Errors of scenario_hash. */
enum error sim_plan_hash(const struct sim_plan *p, char out[SCENARIO_HASH_SIZE],
                         struct text *why);

#endif
