/* SPDX-License-Identifier: MIT
 *
 * The runs of a plan, one after the other, with their progress on a terminal.
 * SIGINT and SIGTERM end them early: what there is then is reported.
 */
#ifndef WARREN_CLI_SIM_SIM_RUN_H
#define WARREN_CLI_SIM_SIM_RUN_H

#include "cli/sim/sim_plan.h"
#include "sim/report/report.h"

struct sim_results {
    struct report report;
    struct report_run *run;  /* owned, with its measures: report.runs */
    struct trace_log traces; /* of the first */
    char title[256];
    uint64_t runs; /* of the whole sweep */
};

/* Reads the scenario of each run, and says all mistakes; EXIT_DONE: none. */
enum exit_code sim_check(const struct sim_plan *p);

/* Does them, and writes CSV files as it goes when they are asked for. What it
 * cannot go on from is said; what was measured until then is in `out`, which
 * is to be freed in any case. */
enum exit_code sim_do(const struct sim_plan *p, struct sim_results *out);
void sim_results_deinit(struct sim_results *r);

#endif
