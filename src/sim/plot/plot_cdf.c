/* SPDX-License-Identifier: MIT
 *
 * Cumulative distributions, a curve a point: its repetitions are taken
 * together. The axis ends where 99.5 % of every curve lie, if the rest would
 * make it a half longer.
 */
#include "sim/measure/histogram.h"
#include "sim/plot/plot.h"

#include <inttypes.h>

#define SHOWN 995 /* of a thousand */

/* The value that so many of a thousand do not exceed. */
static double value_at(const struct measures *m, enum measure what,
                       uint64_t per_mille)
{
    struct measure_summary s;
    uint64_t value = 0, count, so_far = 0;

    measure_summarize(m, what, MEASURE_TOTAL, &s);
    for (size_t i = 0; measure_bucket(m, what, i, &value, &count); i++) {
        so_far += count;
        if (so_far >= (s.count / 1000 + 1) * per_mille ||
            so_far * 1000 >= s.count * per_mille)
            break;
    }
    return measure_shown(what, value);
}

static double longest(const struct plot *p, enum measure what,
                      uint64_t per_mille)
{
    double most = 0;

    for (size_t i = 0; i < p->count; i++) {
        double value = value_at(p->points[i].pooled, what, per_mille);

        most = value > most ? value : most;
    }
    return most;
}

/* Values that jump from one whole number to the next. */
static bool is_whole(enum measure what)
{
    return measure_rows[what].unit == UNIT_ONE;
}

static void add_row(struct plot *p, enum measure what, struct scale s,
                    uint64_t value, double share)
{
    text_addf(&p->script, "%.6g %.6g\n", measure_shown(what, value) * s.factor,
              100 * share);
}

static void add_data(struct plot *p, size_t curve, enum measure what,
                     struct scale s, double end)
{
    const struct measures *m = p->points[curve].pooled;
    struct measure_summary sum;
    uint64_t value, count, so_far = 0;

    measure_summarize(m, what, MEASURE_TOTAL, &sum);
    text_addf(&p->script, "$c%zu << EOD\n0 0\n", curve);
    for (size_t i = 0; measure_bucket(m, what, i, &value, &count); i++) {
        if (!is_whole(what)) /* it rises evenly from where the bucket begins */
            add_row(p, what, s, histogram_least(histogram_bucket(value)),
                    (double)so_far / (double)sum.count);
        so_far += count;
        add_row(p, what, s, value, (double)so_far / (double)sum.count);
    }
    text_addf(&p->script, "%.6g 100\nEOD\n", end);
}

static bool has_values(const struct plot *p, enum measure what)
{
    struct measure_summary s;
    bool has = false;

    for (size_t i = 0; i < p->count; i++) {
        measure_summarize(p->points[i].pooled, what, MEASURE_TOTAL, &s);
        has |= s.count > 1;
    }
    return has;
}

void plot_cdf(struct plot *p, enum measure what)
{
    struct figure f = {.what = what, .kind = FIGURE_MEDIAN};
    double all, most;
    const char *sep = "plot ";
    struct scale s;
    char title[128], note[80];

    if (!has_values(p, what))
        return;
    most = longest(p, what, SHOWN);
    all = longest(p, what, 1000);
    if (all < 1.5 * most)
        most = all;
    if (most <= 0 && !is_whole(what))
        return; /* an axis without a length */
    s = scale_of(&f, most);
    plot_begin(p, "cdf", measure_rows[what].name, plot_title(what, title),
               plot_note(p, false, note));
    plot_axis(p, 'x', measure_rows[what].title, s.unit);
    plot_axis(p, 'y', "share at or below", "%");
    most *= s.factor;
    /* Whole numbers jump: the last jump is not at the border. */
    most = is_whole(what) ? most + 0.5 : most * 1.03;
    if (is_whole(what) && most < 12)
        text_add(&p->script, "set xtics 1\n");
    text_addf(&p->script,
              "set xrange [0:%.6g]\nset yrange [0:101]\n"
              "set ytics 0,20,100\n",
              most);
    for (size_t i = 0; i < p->count; i++)
        add_data(p, i, what, s, 2 * most + all * s.factor);
    for (size_t i = 0; i < p->count; i++) {
        text_addf(&p->script, "%s$c%zu using 1:2 with %s", sep, i,
                  is_whole(what) ? "steps" : "lines");
        plot_curve_style(p, i, is_whole(what));
        sep = ", \\\n ";
    }
    text_add(&p->script, "\n");
    plot_end(p);
}
