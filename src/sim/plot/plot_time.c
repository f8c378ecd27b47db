/* SPDX-License-Identifier: MIT
 *
 * What changes with time: over the samples of a run, and by the age of what is
 * looked for. With repetitions curves are their means, in the band of the 95 %
 * interval where points are few.
 */
#include "sim/plot/plot.h"

#include <stdio.h>
#include <string.h>

#define POINTS_MAX   120 /* of a curve over time */
#define BINS_MAX     48  /* of one by age */
#define POINTS_LEAST 12
#define EVENTS_LEAST 200 /* of a share in a point, if more points than that */

/* The axes' limits grow with what is drawn. */
struct range {
    double x_most, least, most;
    size_t longest; /* points of the longest curve */
};

/* What a figure is over the samples from `from` to before `to`, of one run. */
static bool of_run(const struct measures *m, const struct figure *f,
                   size_t from, size_t to, double *out)
{
    uint64_t count = 0, hits = 0;
    double sum = 0;

    for (size_t i = from; i < to && i < measures_samples(m); i++) {
        struct measure_summary s;

        measure_summarize(m, f->what, i, &s);
        count += s.count;
        hits += s.hits;
        sum += measure_shown(f->what, s.sum);
    }
    if (count == 0)
        return false;
    *out = (f->kind == FIGURE_SHARE ? (double)hits : sum) / (double)count;
    return true;
}

static struct interval of_samples(const struct plot *p,
                                  const struct plot_point *point,
                                  const struct figure *f, size_t from,
                                  size_t to)
{
    double values[REPORT_REPETITIONS_MAX];
    size_t count = 0;

    for (size_t i = point->first;
         i < point->end && count < REPORT_REPETITIONS_MAX; i++) {
        if (of_run(p->report->runs[i].measures, f, from, to, &values[count]))
            count++;
    }
    return interval_of(values, count);
}

static void add_row(struct plot *p, double x, const struct interval *in,
                    double factor, struct range *range)
{
    double mean = in->mean * factor, half = in->half * factor;

    text_addf(&p->script, "%.6g %.6g %.6g %.6g\n", x, mean, mean - half,
              mean + half);
    range->x_most = x > range->x_most ? x : range->x_most;
    if (mean - half < range->least)
        range->least = mean - half;
    /* A band that is wide at few points does not make all else small. */
    half = half < mean / 2 ? half : mean / 2;
    if (mean + half > range->most)
        range->most = mean + half;
}

static void begin_data(struct plot *p, size_t curve)
{
    text_addf(&p->script, "$c%zu << EOD\n", curve);
}

static void end_data(struct plot *p, size_t rows, struct range *range)
{
    if (rows == 0) /* gnuplot stumbles over a block of nothing */
        text_add(&p->script, "NaN NaN NaN NaN\n");
    text_add(&p->script, "EOD\n");
    range->longest = rows > range->longest ? rows : range->longest;
}

static void plot_curves(struct plot *p)
{
    const char *sep = "plot ";

    for (size_t i = 0; i < p->count && plot_has_bands(p); i++) {
        text_addf(&p->script, "%s$c%zu using 1:3:4 with filledcurves", sep, i);
        plot_band_style(p, i);
        sep = ", \\\n ";
    }
    for (size_t i = 0; i < p->count; i++) {
        text_addf(&p->script, "%s$c%zu using 1:2 with lines", sep, i);
        plot_curve_style(p, i, false);
        sep = ", \\\n ";
    }
    text_add(&p->script, "\n");
}

/* ---- Samples ------------------------------------------------------------- */

static struct scale time_axis(const struct plot *p)
{
    uint64_t end = 0;

    for (size_t i = 0; i < p->report->run_count; i++) {
        const struct measures *m = p->report->runs[i].measures;
        size_t n = measures_samples(m);
        uint64_t t = n == 0 ? 0 : measures_time(m, n - 1);

        end = t > end ? t : end;
    }
    if (end <= 600 * UINT64_C(1000000000))
        return (struct scale){1, "s"};
    if (end <= 7200 * UINT64_C(1000000000))
        return (struct scale){1.0 / 60, "min"};
    return (struct scale){1.0 / 3600, "h"};
}

static size_t most_samples(const struct plot *p)
{
    size_t most = 0;

    for (size_t c = 0; c < p->count; c++) {
        size_t n = measures_samples(p->points[c].pooled);

        most = n > most ? n : most;
    }
    return most;
}

/* How many samples, or ages, are one point of a curve: so many that chance does
 * not hide what a share does, while enough points stay. */
static size_t together_of(const struct plot *p, enum measure what, size_t count,
                          size_t points_max)
{
    bool share = measure_rows[what].kind != MEASURE_LEVEL;
    uint64_t events = UINT64_MAX;
    struct measure_summary s;
    size_t together = 1;

    for (size_t c = 0; c < p->count; c++) {
        measure_summarize(p->points[c].pooled, what, MEASURE_TOTAL, &s);
        if (s.count > 0 && s.count < events)
            events = s.count;
    }
    while (count / together > points_max ||
           (share && count / (together + 1) >= POINTS_LEAST &&
            events / (count / together) < EVENTS_LEAST))
        together++;
    return together;
}

static void add_samples(struct plot *p, size_t curve, const struct figure *f,
                        size_t together, struct scale x, struct scale y,
                        struct range *range)
{
    const struct plot_point *point = &p->points[curve];
    const struct measures *m = point->pooled;
    size_t rows = 0, samples = measures_samples(m), end;

    begin_data(p, curve);
    for (size_t i = 0; i < samples; i = end) {
        struct interval in;
        double time;

        end = i + 2 * together <= samples ? i + together : samples;
        in = of_samples(p, point, f, i, end);
        time = measure_shown(M_LOOKUP_TIME, measures_time(m, end - 1));
        if (in.count > 0) {
            add_row(p, time * x.factor, &in, y.factor, range);
            rows++;
        }
    }
    end_data(p, rows, range);
}

static double largest_total(const struct plot *p, const struct figure *f)
{
    double largest = 0;

    for (size_t c = 0; c < p->count; c++) {
        double mean =
            report_interval(p->report, p->points[c].first, p->points[c].end, f)
                .mean;

        largest = mean > largest ? mean : largest;
    }
    return largest;
}

void plot_over_time(struct plot *p, enum measure what)
{
    enum measure_kind kind = measure_rows[what].kind;
    struct figure f = {.what = what,
                       .kind = kind == MEASURE_SHARE ? FIGURE_SHARE
                                                     : FIGURE_MEAN};
    struct scale x = time_axis(p), y = scale_of(&f, largest_total(p, &f));
    size_t together = together_of(p, what, most_samples(p), POINTS_MAX);
    struct range range = {.least = 1e300};
    char title[128], note[80], all[120];

    snprintf(all, sizeof(all), "%s", plot_note(p, true, note));
    if (together > 1)
        snprintf(all, sizeof(all), "%s; %zu samples a point", note, together);
    plot_begin(p, "time", measure_rows[what].name, plot_title(what, title),
               all);
    plot_axis(p, 'x', "time since the warm-up", x.unit);
    plot_axis(p, 'y', measure_rows[what].title, y.unit);
    for (size_t i = 0; i < p->count; i++)
        add_samples(p, i, &f, together, x, y, &range);
    if (range.longest < 2)
        return;
    text_addf(&p->script, "set xrange [0:%.6g]\n", range.x_most);
    if (f.kind == FIGURE_SHARE)
        plot_share_axis(p, range.least / 100, range.most / 100);
    else
        text_addf(&p->script, "set yrange [0:%.6g]\n",
                  range.most > 0 ? 1.1 * range.most : 1);
    plot_curves(p);
    plot_end(p);
}

/* ---- Ages ---------------------------------------------------------------- */

/* Places at which any point has something, ascending. */
struct ages {
    size_t count, together; /* so many of them are one point of a curve */
    uint64_t at[MEASURE_CURVE_MAX];
    double unit; /* minutes on the axis */
};

static void find_ages(const struct plot *p, enum measure what, struct ages *a)
{
    uint64_t hits, of, any;

    *a = (struct ages){.unit = 1};
    for (uint64_t at = 0; at < MEASURE_CURVE_MAX; at++) {
        any = 0;
        for (size_t c = 0; c < p->count; c++) {
            measure_at(p->points[c].pooled, what, at, &hits, &of);
            any |= of;
        }
        if (any > 0)
            a->at[a->count++] = at;
    }
    if (a->count == 0)
        return;
    a->together = together_of(p, what, a->count, BINS_MAX);
    a->unit = a->at[a->count - 1] > 180 ? 60 : 1;
}

/* What a run has from the age `from` to `to`. */
static struct tally_of_ages {
    uint64_t hits, of;
    double minutes; /* of all that it has */
} tally_ages(const struct measures *m, enum measure what, uint64_t from,
             uint64_t to)
{
    struct tally_of_ages t = {0};
    uint64_t hits, of;

    for (uint64_t at = from; at <= to; at++) {
        measure_at(m, what, at, &hits, &of);
        t.hits += hits;
        t.of += of;
        t.minutes += (double)at * (double)of;
    }
    return t;
}

/* The share at some ages, over the runs of a point; *minute: their middle. */
static struct interval of_ages(const struct plot *p,
                               const struct plot_point *point,
                               enum measure what, uint64_t from, uint64_t to,
                               double *minute)
{
    double values[REPORT_REPETITIONS_MAX];
    struct tally_of_ages t;
    size_t count = 0;

    for (size_t i = point->first;
         i < point->end && count < REPORT_REPETITIONS_MAX; i++) {
        t = tally_ages(p->report->runs[i].measures, what, from, to);
        if (t.of > 0)
            values[count++] = (double)t.hits / (double)t.of;
    }
    t = tally_ages(point->pooled, what, from, to);
    *minute = t.of > 0 ? t.minutes / (double)t.of : 0;
    return interval_of(values, count);
}

static void add_ages(struct plot *p, size_t block,
                     const struct plot_point *point, enum measure what,
                     const struct ages *a, struct range *range)
{
    size_t rows = 0;

    begin_data(p, block);
    for (size_t i = 0, end; i < a->count; i = end) {
        struct interval in;
        double minute;

        /* What is left at the end goes with the last one. */
        end = i + 2 * a->together <= a->count ? i + a->together : a->count;
        in = of_ages(p, point, what, a->at[i], a->at[end - 1], &minute);
        if (in.count > 0) {
            add_row(p, minute / a->unit, &in, 100, range);
            rows++;
        }
    }
    end_data(p, rows, range);
}

static void set_age_axes(struct plot *p, const char *title, double unit,
                         const struct range *range)
{
    plot_axis(p, 'x', "age", unit > 1 ? "h" : "min");
    plot_axis(p, 'y', title, "%");
    text_addf(&p->script, "set xrange [0:%.6g]\n", range->x_most);
    plot_share_axis(p, range->least / 100, range->most / 100);
}

void plot_over_age(struct plot *p, enum measure what)
{
    struct range range = {.least = 1e300};
    char title[128], note[80];
    struct ages a;

    find_ages(p, what, &a);
    plot_begin(p, "age", measure_rows[what].name, plot_title(what, title),
               plot_note(p, true, note));
    for (size_t i = 0; i < p->count; i++)
        add_ages(p, i, &p->points[i], what, &a, &range);
    if (range.longest < 2)
        return;
    set_age_axes(p, measure_rows[what].title, a.unit, &range);
    plot_curves(p);
    plot_end(p);
}

/* ---- What an adversary comes to know ------------------------------------- */

static const struct {
    enum measure what;
    const char *name;
} known[] = {{M_THIRD_KNOWN, "third hop of a service"},
             {M_SECOND_KNOWN, "second hop of a service"},
             {M_GUARD_HOSTILE, "guard of a client"}};

#define KNOWN (sizeof(known) / sizeof(known[0]))

void plot_known(struct plot *p)
{
    struct range range = {.least = 1e300};
    const char *sep = "plot ";
    struct ages a[KNOWN];
    size_t drawn = 0;
    double unit = 1;
    char note[80];

    for (size_t i = 0; i < KNOWN; i++) {
        find_ages(p, known[i].what, &a[i]);
        drawn += a[i].count > 1;
        unit = a[i].unit > unit ? a[i].unit : unit;
    }
    if (p->count != 1 || drawn < 2)
        return;
    plot_begin(p, "age", "known", "What the adversary comes to know",
               plot_note(p, false, note));
    plot_legend(p, "", strlen(known[1].name));
    for (size_t i = 0; i < KNOWN; i++) {
        a[i].unit = unit;
        add_ages(p, i, &p->points[0], known[i].what, &a[i], &range);
    }
    set_age_axes(p, "clients or services of which it knows that", unit, &range);
    for (size_t i = 0; i < KNOWN; i++) {
        if (a[i].count < 2)
            continue;
        text_addf(&p->script,
                  "%s$c%zu using 1:2 with lines linecolor '%s' linewidth 2 "
                  "title '%s'",
                  sep, i, gnuplot_colour(i), known[i].name);
        sep = ", \\\n ";
    }
    text_add(&p->script, "\n");
    plot_end(p);
}
