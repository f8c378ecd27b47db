/* SPDX-License-Identifier: MIT
 *
 * The daemon's keys in a scenario: [dht] and [tunnel] for all nodes, [variant
 * dht] and [variant tunnel] for a share of them.
 */
#ifndef WARREN_CLI_SIM_SIM_ENGINES_H
#define WARREN_CLI_SIM_SIM_ENGINES_H

#include "base/error.h"
#include "base/text.h"
#include "node/config/config.h"
#include "sim/scenario/scenario.h"

struct sim_engines {
    struct config base[2];
    struct scenario_daemon daemon; /* whose bases they are */
};

/* With the daemon's defaults. ERR_NO_MEMORY. */
enum error sim_engines_init(struct sim_engines *e);

/* After scenario_load: what was set for the engines goes into `s`. ERR_SYNTAX:
 * values that do not go together, a line each in `errors`. */
enum error sim_engines_finish(const struct sim_engines *e, struct scenario *s,
                              struct text *errors);

#endif
