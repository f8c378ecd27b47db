/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.
 */
#ifndef WARREN_SIM_REPORT_REPORT_INTERNAL_H
#define WARREN_SIM_REPORT_REPORT_INTERNAL_H

#include "sim/report/report.h"

const char *report_outcome_name(enum trace_outcome outcome);

/* Makes a directory that may be there already. ERR_IO: `why` says so. */
enum error report_make_dir(const char *dir, struct text *why);

/* Adds "network.loss 5%, nodes.count 100", with `joint` between key and value;
 * nothing without sweeps. */
void report_point_name(const struct report *r, const struct report_run *run,
                       const char *joint, struct text *out);

/* A name of the hash that is short enough for people, 12 digits. */
#define REPORT_SHORT_HASH 12

#endif
