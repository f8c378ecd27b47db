/* SPDX-License-Identifier: MIT
 *
 * What the pictures share: which points of a sweep they show, what their
 * curves are called, and how one is drawn.
 */
#ifndef WARREN_SIM_PLOT_PLOT_H
#define WARREN_SIM_PLOT_PLOT_H

#include "base/plot/gnuplot.h"
#include "base/text.h"
#include "sim/report/figure.h"
#include "sim/report/scale.h"

#define PLOT_CURVES_MAX 8
#define PLOT_NAME_MAX   36 /* characters of a curve's name */

/* A point of a sweep that is shown. */
struct plot_point {
    size_t first, end;       /* its runs */
    struct measures *pooled; /* of all of them; owned */
};

struct plot {
    const struct report *report;
    const char *dir;
    struct text *why;
    size_t count; /* points shown: evenly spread where there are more */
    struct plot_point points[PLOT_CURVES_MAX];
    char about[160];    /* below each title */
    struct text script; /* of the picture that is being made */
    char name[64];
    enum error error; /* the first one; then nothing more is drawn */
};

/* Begins a picture, "KIND_NAME.png"; with several points there is room for a
 * legend. `note` ends what stands below the title. */
void plot_begin(struct plot *p, const char *kind, const char *name,
                const char *title, const char *note);
/* A legend beside the plot, whose names have at most so many characters. */
void plot_legend(struct plot *p, const char *title, size_t longest);
/* That not all points are shown; and what bands are, where there are some. */
const char *plot_note(const struct plot *p, bool bands, char out[80]);
/* Draws it. */
void plot_end(struct plot *p);

/* "set xlabel 'time of a lookup (ms)'" and the like: axis 'x' or 'y'. */
void plot_axis(struct plot *p, char axis, const char *title, const char *unit);
/* A title of a row of the table, as it stands at the top of a picture. */
const char *plot_title(enum measure what, char out[128]);

/* The style of curve `i` of `count`: " linecolor ... title '0%'". Curves that
 * may lie on each other get narrower from the first on, so that one sees all.
 */
void plot_curve_style(struct plot *p, size_t i, bool narrower);
/* The band of its interval. */
void plot_band_style(struct plot *p, size_t i);
/* Whether points have repetitions, and are few enough for bands. */
bool plot_has_bands(const struct plot *p);

/* ---- Pictures; each draws nothing where there is nothing to draw. -------- */

/* Limits for the axis of shares between 0 and 1: to 100 % where they come near,
 * from 0 unless all are high. */
void plot_share_axis(struct plot *p, double least, double most);

void plot_cdf(struct plot *p, enum measure what);
void plot_over_time(struct plot *p, enum measure what);
void plot_over_age(struct plot *p, enum measure what);
/* Against the first swept key whose values are numbers, a curve for each
 * combination of the others. */
void plot_over_sweep(struct plot *p, enum measure what);
void plot_reasons(struct plot *p, enum measure what);
/* Guards, second and third hops in one, of a single point: age_known. */
void plot_known(struct plot *p);
void plot_lookup(struct plot *p, uint32_t lookup);

#endif
