/* SPDX-License-Identifier: MIT
 *
 * Which pictures there are. A measure that nobody counted has none.
 */
#include "sim/plot/report_plot.h"
#include "sim/plot/plot.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOKUPS_MAX 4

/* ---- Points -------------------------------------------------------------- */

static bool pool(struct plot *p, struct plot_point *point, size_t first,
                 size_t end)
{
    *point = (struct plot_point){first, end, measures_new(0)};
    if (point->pooled == NULL)
        return false;
    for (size_t i = first; i < end; i++) {
        if (measures_add(point->pooled, p->report->runs[i].measures) != OK)
            return false;
    }
    return true;
}

/* Up to PLOT_CURVES_MAX, from the first to the last. */
static bool choose_points(struct plot *p)
{
    size_t points = report_points(p->report), n = 0, end;
    size_t shown = points < PLOT_CURVES_MAX ? points : PLOT_CURVES_MAX;

    for (size_t i = 0; i < p->report->run_count; i = end, n++) {
        end = report_point_end(p->report, i);
        if (p->count >= shown ||
            n != (shown == 1 ? 0 : p->count * (points - 1) / (shown - 1)))
            continue;
        p->count++;
        if (!pool(p, &p->points[p->count - 1], i, end))
            return false;
    }
    return true;
}

static void say_about(struct plot *p)
{
    const struct report *r = p->report;
    size_t end = report_point_end(r, 0);
    struct text about;

    text_init(&about, sizeof(p->about) - 1);
    text_addf(&about, "%.60s, seed%s %" PRIu64, r->title, text_plural(end),
              r->runs[0].seed);
    if (end > 1)
        text_addf(&about, " to %" PRIu64, r->runs[end - 1].seed);
    text_addf(&about, ", settings %.*s", REPORT_SHORT_HASH, r->hash);
    snprintf(p->about, sizeof(p->about), "%s", text_get(&about));
    text_deinit(&about);
}

/* ---- Pictures ------------------------------------------------------------ */

static void draw_measure(struct plot *p, enum measure what)
{
    switch (measure_rows[what].kind) {
    case MEASURE_VALUES:
        plot_cdf(p, what);
        break;
    case MEASURE_CURVE:
        plot_over_age(p, what);
        break;
    case MEASURE_REASONS:
        plot_reasons(p, what);
        break;
    case MEASURE_LEVEL:
    case MEASURE_SHARE:
        plot_over_time(p, what);
        break;
    case MEASURE_COUNT: /* the levels a node and second say more */
        break;
    }
    if (measure_rows[what].kind != MEASURE_CURVE &&
        measure_rows[what].kind != MEASURE_COUNT)
        plot_over_sweep(p, what);
}

enum error report_plot(const struct report *r, const char *dir,
                       struct text *why)
{
    struct plot p = {.report = r, .dir = dir, .why = why};

    if (r->run_count == 0)
        return OK;
    p.error = report_make_dir(dir, why);
    if (p.error == OK && !choose_points(&p))
        p.error = ERR_NO_MEMORY;
    if (p.error == OK)
        say_about(&p);
    text_init(&p.script, GNUPLOT_SCRIPT_MAX);
    for (int i = 0; i < MEASURES && p.error == OK; i++) {
        if (report_uses(r, (enum measure)i))
            draw_measure(&p, (enum measure)i);
    }
    if (p.error == OK)
        plot_known(&p);
    for (uint32_t i = 0; i < LOOKUPS_MAX && p.error == OK; i++)
        plot_lookup(&p, i);
    text_deinit(&p.script);
    for (size_t i = 0; i < p.count; i++)
        measures_free(p.points[i].pooled);
    return p.error;
}
