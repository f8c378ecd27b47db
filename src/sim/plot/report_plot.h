/* SPDX-License-Identifier: MIT
 *
 * Pictures (PNG) of what runs found. The script of each, with its data, stays
 * beside it (base/plot/gnuplot.h).
 *
 *     cdf_NAME      distribution of values, a curve a point (at most 8)
 *     time_NAME     shares and levels over time
 *     age_NAME      curves by age
 *     reasons_NAME  bars by reason
 *     sweep_NAME    any against the first swept key whose values are numbers
 *     lookup_N      one lookup: the ring of ids, and distance against time
 */
#ifndef WARREN_SIM_PLOT_REPORT_PLOT_H
#define WARREN_SIM_PLOT_REPORT_PLOT_H

#include "base/error.h"
#include "base/text.h"
#include "sim/report/report.h"

/* Draws what there is to draw into a directory, which is made. `why` says what
 * is wrong: ERR_NOT_FOUND, there is no gnuplot; ERR_IO; ERR_NO_MEMORY. */
enum error report_plot(const struct report *r, const char *dir,
                       struct text *why);

#endif
