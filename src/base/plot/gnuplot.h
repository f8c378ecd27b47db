/* SPDX-License-Identifier: MIT
 *
 * Pictures by gnuplot, which runs as a program of its own. The script of a
 * picture stays beside it, whole with its data: whoever wants another picture
 * changes that and runs gnuplot on it in its directory.
 *
 * A script is text of ours; words of others get into it by gnuplot_add_string
 * alone. The same script gives the same bytes (with one version of gnuplot and
 * of its fonts): there is no date in it.
 */
#ifndef WARREN_BASE_PLOT_GNUPLOT_H
#define WARREN_BASE_PLOT_GNUPLOT_H

#include "base/error.h"
#include "base/text.h"

#include <stddef.h>

#define GNUPLOT_SCRIPT_MAX (16u << 20)
#define GNUPLOT_COLOURS    8

/* How all pictures look: fonts, size in pixels, a grid, borders; `title` and in
 * grey below it `about` at the top, both where they are cut off when they are
 * too long. The output is NAME.png. Plots follow. */
void gnuplot_begin(struct text *script, const char *name, unsigned width,
                   unsigned height, const char *title, const char *about);

/* A string of a script, with its quotes: nothing in it is looked into, control
 * characters are left out. */
void gnuplot_add_string(struct text *script, const char *words);

/* Colours that also who sees few can tell apart: for things of different kinds
 * (Okabe and Ito, "Color Universal Design", 2008), black first; and for
 * `count` things in an order, dark to light (viridis). "#rrggbb". */
const char *gnuplot_colour(size_t i);
const char *gnuplot_colour_in_order(size_t i, size_t count);

/* ERR_NOT_FOUND: gnuplot is not installed; `why` says so, and what to install.
 * For who is about to work for an hour before there is something to draw. */
enum error gnuplot_check(struct text *why);

/* Writes the script to DIR/NAME.gp and has gnuplot draw DIR/NAME.png. `why`
 * says what is wrong: ERR_NOT_FOUND, gnuplot is not installed; ERR_IO;
 * ERR_NO_MEMORY, the script is cut. */
enum error gnuplot_draw(const struct text *script, const char *dir,
                        const char *name, struct text *why);

#endif
