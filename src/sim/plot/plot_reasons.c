/* SPDX-License-Identifier: MIT
 *
 * Counts by reason: bars beside each other for each point.
 */
#include "sim/plot/plot.h"

#include <inttypes.h>

#define NAMES_BESIDE 7 /* of reasons, without one on another */

static bool any_has(const struct plot *p, enum measure what, unsigned reason)
{
    uint64_t hits, count;
    bool has = false;

    for (size_t i = 0; i < p->count; i++) {
        measure_at(p->points[i].pooled, what, reason, &hits, &count);
        has |= count > 0;
    }
    return has;
}

/* A row a reason: its name, then the mean of each point's runs. */
static size_t add_data(struct plot *p, enum measure what)
{
    uint64_t hits, count;
    size_t rows = 0;

    text_add(&p->script, "$data << EOD\n");
    for (unsigned reason = 0; reason < MEASURE_REASONS_MAX; reason++) {
        if (!any_has(p, what, reason))
            continue;
        rows++;
        text_addf(&p->script, "%s", measure_reason_name(reason));
        for (size_t i = 0; i < p->count; i++) {
            const struct plot_point *point = &p->points[i];

            measure_at(point->pooled, what, reason, &hits, &count);
            text_addf(&p->script, " %.6g",
                      (double)count / (double)(point->end - point->first));
        }
        text_add(&p->script, "\n");
    }
    text_add(&p->script, "EOD\n");
    return rows;
}

void plot_reasons(struct plot *p, enum measure what)
{
    const char *sep = "plot ";
    size_t rows;
    char title[128], note[80];

    plot_begin(p, "reasons", measure_rows[what].name, plot_title(what, title),
               plot_note(p, false, note));
    plot_axis(p, 'y', measure_rows[what].title, "a run");
    rows = add_data(p, what);
    if (rows == 0)
        return;
    if (rows > NAMES_BESIDE)
        text_add(&p->script, "set xtics rotate by -35\n"
                             "set bmargin screen 0.17\n");
    text_add(&p->script, "set style data histograms\n"
                         "set style histogram clustered gap 1\n"
                         "set style fill solid 0.9 noborder\n"
                         "set yrange [0:*]\nset xtics scale 0\n"
                         "set grid noxtics\n");
    for (size_t i = 0; i < p->count; i++) {
        text_addf(&p->script, "%s$data using %zu:xtic(1)", sep, i + 2);
        plot_curve_style(p, i, false);
        sep = ", \\\n ";
    }
    text_add(&p->script, "\n");
    plot_end(p);
}
