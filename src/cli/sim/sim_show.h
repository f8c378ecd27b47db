/* SPDX-License-Identifier: MIT
 *
 * What becomes of results: a summary or JSON on stdout, tables, pictures, a
 * file for `warren sim merge`.
 */
#ifndef WARREN_CLI_SIM_SIM_SHOW_H
#define WARREN_CLI_SIM_SIM_SHOW_H

#include "cli/ask/arguments.h"
#include "sim/report/report.h"

struct sim_outputs {
    bool json;
    const char *csv, *plot, *save; /* NULL: not asked for */
    uint64_t runs;                 /* of the whole sweep, for `save` */
};

/* Whether it can be written there, before hours of work; said if not. */
enum exit_code sim_show_check(const struct sim_outputs *o);

/* What cannot be written is said. */
enum exit_code sim_show(const struct report *r, const struct sim_outputs *o);

#endif
