/* SPDX-License-Identifier: MIT
 *
 * What a swept key costs or buys: means of the repetitions against its values,
 * in the band of the 95 % interval. The axis is logarithmic only where its
 * values are so far apart that most of them would lie on each other.
 */
#include "sim/plot/plot.h"
#include "sim/report/swept.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TICS_MAX  12
#define FAR_APART 40

struct axis {
    size_t key; /* the swept key along x */
    bool numbers, logarithmic, percent;
    double least, most, factor;
    const char *unit;
};

/* The length of a word that all values begin with, with the blank behind it:
 * "exponential 10m" and "exponential 1h" are numbers among their kind. */
static size_t word_of(const struct report *r, size_t key)
{
    const char *first = r->runs[0].value[key];
    const char *blank = strchr(first, ' ');
    size_t len = blank == NULL ? 0 : (size_t)(blank - first) + 1;

    for (size_t i = 1; i < r->run_count; i++) {
        if (strncmp(first, r->runs[i].value[key], len) != 0)
            return 0;
    }
    return len;
}

static bool number_of(const struct report *r, size_t key, size_t run,
                      double *out)
{
    return swept_number(r->runs[run].value[key] + word_of(r, key),
                        r->sweep_unit[key], out);
}

static bool all_numbers(const struct report *r, size_t key)
{
    double number;

    for (size_t i = 0; i < r->run_count; i++) {
        if (!number_of(r, key, i, &number))
            return false;
    }
    return true;
}

static bool all_same(const struct report *r, size_t key)
{
    for (size_t i = 1; i < r->run_count; i++) {
        if (strcmp(r->runs[0].value[key], r->runs[i].value[key]) != 0)
            return false;
    }
    return true;
}

static bool ends_in(const char *value, const char *end)
{
    size_t len = strlen(value), end_len = strlen(end);

    return len >= end_len && strcmp(value + len - end_len, end) == 0;
}

static bool is_time(const char *value)
{
    return ends_in(value, "s") || ends_in(value, "m") || ends_in(value, "h") ||
           ends_in(value, "d");
}

static void choose_unit(const struct report *r, struct axis *a)
{
    const char *value = r->runs[r->run_count - 1].value[a->key];
    struct figure time = {.what = M_LOOKUP_TIME, .kind = FIGURE_MEDIAN};

    a->factor = 1;
    a->unit = "";
    if (ends_in(value, "%")) {
        a->factor = 100;
        a->unit = "%";
    } else if (r->sweep_unit[a->key] == UNIT_BYTES) {
        a->unit = "bytes";
    } else if (is_time(value)) {
        struct scale s = scale_of(&time, a->most);

        a->factor = s.factor;
        a->unit = s.unit;
    }
}

/* False: nothing is swept that could be an axis. */
static bool choose_axis(const struct report *r, struct axis *a)
{
    size_t key = 0;

    *a = (struct axis){.factor = 1, .unit = ""};
    while (key < r->sweeps && (all_same(r, key) || !all_numbers(r, key)))
        key++;
    if (key == r->sweeps)
        return false;
    a->key = key;
    for (size_t i = 0; i < r->run_count; i++) {
        double x = 0;

        number_of(r, key, i, &x);
        a->least = i == 0 || x < a->least ? x : a->least;
        a->most = i == 0 || x > a->most ? x : a->most;
    }
    a->logarithmic = a->least > 0 && a->most >= FAR_APART * a->least;
    choose_unit(r, a);
    return true;
}

static double place_of(const struct report *r, const struct axis *a, size_t run)
{
    double x = 0;

    number_of(r, a->key, run, &x);
    return x * a->factor;
}

/* ---- Curves -------------------------------------------------------------- */

/* Whether two runs differ in no key but that of the axis. */
static bool same_curve(const struct report *r, const struct axis *a, size_t i,
                       size_t j)
{
    for (size_t key = 0; key < r->sweeps; key++) {
        if (key != a->key &&
            strcmp(r->runs[i].value[key], r->runs[j].value[key]) != 0)
            return false;
    }
    return true;
}

/* The first runs of all curves, at most PLOT_CURVES_MAX. */
static size_t find_curves(const struct report *r, const struct axis *a,
                          size_t first[PLOT_CURVES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < r->run_count && count < PLOT_CURVES_MAX; i++) {
        bool known = false;

        for (size_t c = 0; c < count; c++)
            known |= same_curve(r, a, first[c], i);
        if (!known)
            first[count++] = i;
    }
    return count;
}

/* The keys that tell curves apart, or a run's values of them. */
static void curve_name(const struct report *r, const struct axis *a,
                       const struct report_run *run, struct text *out)
{
    text_init(out, PLOT_NAME_MAX);
    for (size_t key = 0; key < r->sweeps; key++) {
        if (key != a->key && !all_same(r, key))
            text_addf(out, "%s%s", out->len > 0 ? ", " : "",
                      run == NULL ? r->sweep[key] : run->value[key]);
    }
}

/* A block of x, mean, low, high in ascending order of x; the largest mean. */
static size_t add_data(struct plot *p, const struct axis *a, size_t block,
                       size_t curve, const struct figure *f, double factor)
{
    const struct report *r = p->report;
    size_t rows = 0, end;
    double last = -1;

    text_addf(&p->script, "$c%zu << EOD\n", block);
    for (;;) {
        double next = 1e300;
        struct interval in = {0};

        for (size_t i = 0; i < r->run_count; i = end) {
            double x = place_of(r, a, i);

            end = report_point_end(r, i);
            if (!same_curve(r, a, curve, i) || x <= last || x >= next)
                continue;
            next = x;
            in = report_interval(r, i, end, f);
        }
        if (next >= 1e300)
            break;
        last = next;
        if (in.count == 0)
            continue;
        rows++;
        text_addf(&p->script, "%.6g %.6g %.6g %.6g\n", next, in.mean * factor,
                  (in.mean - in.half) * factor, (in.mean + in.half) * factor);
    }
    if (rows == 0)
        text_add(&p->script, "NaN NaN NaN NaN\n");
    text_add(&p->script, "EOD\n");
    return rows;
}

/* ---- Axes ---------------------------------------------------------------- */

/* Values of the axis, ascending and each once; TICS_MAX + 1: too many. */
static size_t find_tics(const struct report *r, const struct axis *a,
                        double tics[TICS_MAX + 1])
{
    size_t count = 0;

    for (size_t i = 0; i < r->run_count && count <= TICS_MAX; i++) {
        double x = place_of(r, a, i);
        size_t at = 0;

        while (at < count && tics[at] < x)
            at++;
        if (at < count && tics[at] <= x)
            continue;
        memmove(&tics[at + 1], &tics[at], (count - at) * sizeof(tics[0]));
        tics[at] = x;
        count++;
    }
    return count;
}

/* Whether their labels do not touch: they are a sixteenth of the axis apart,
 * long ones an eighth. */
static bool are_apart(const struct axis *a, double x, double y)
{
    bool wide = y >= 100000;
    double ratio = a->most / a->least;

    if (!a->logarithmic)
        return y - x >= (a->most - a->least) * a->factor / (wide ? 8 : 16);
    ratio = sqrt(sqrt(sqrt(ratio)));
    return y >= x * (wide ? ratio : sqrt(ratio));
}

/* A tic at each value, where they are few; a label where it has room. */
static void set_tics(struct plot *p, const struct axis *a)
{
    double tics[TICS_MAX + 1], last = 0;
    size_t count = find_tics(p->report, a, tics);

    if (count > TICS_MAX)
        return;
    text_add(&p->script, "set xtics (");
    for (size_t i = 0; i < count; i++) {
        text_add(&p->script, i > 0 ? ",'" : "'");
        if (i == 0 || are_apart(a, last, tics[i])) {
            scale_print(tics[i], &p->script);
            last = tics[i];
        }
        text_addf(&p->script, "' %.9g", tics[i]);
    }
    text_add(&p->script, ")\n");
    if (a->logarithmic)
        text_add(&p->script, "unset mxtics\n");
}

static void set_x_axis(struct plot *p, const struct axis *a)
{
    double least = a->least * a->factor, most = a->most * a->factor;
    double room = (most - least) / 30;
    size_t word = word_of(p->report, a->key);
    char title[160];

    /* Without what is no number: "nodes.session: exponential". */
    snprintf(title, sizeof(title), "%s%s%.*s%s", p->report->sweep[a->key],
             word > 0 ? ": " : "", word > 0 ? (int)word - 1 : 0,
             p->report->runs[0].value[a->key],
             a->logarithmic ? ", logarithmic" : "");
    plot_axis(p, 'x', title, a->unit);
    if (a->logarithmic)
        text_addf(&p->script, "set logscale x\nset xrange [%.6g:%.6g]\n",
                  least / 1.15, most * 1.15);
    else
        text_addf(&p->script, "set xrange [%.6g:%.6g]\n", least - room,
                  most + room);
    set_tics(p, a);
}

/* From 0, but for shares that are all high; up to 100 % if they are near. */
static void set_y_axis(struct plot *p, const struct figure *f, struct scale s)
{
    double least = 1e300, most = 0;
    const struct report *r = p->report;
    size_t end;

    for (size_t i = 0; i < r->run_count; i = end) {
        struct interval in;

        end = report_point_end(r, i);
        in = report_interval(r, i, end, f);
        if (in.count == 0)
            continue;
        /* A band that is wide does not make all else small. */
        in.half = in.half < in.mean / 2 ? in.half : in.mean / 2;
        least = in.mean - in.half < least ? in.mean - in.half : least;
        most = in.mean + in.half > most ? in.mean + in.half : most;
    }
    if (f->kind == FIGURE_SHARE)
        plot_share_axis(p, least, most);
    else
        text_addf(&p->script, "set yrange [0:%.6g]\n",
                  most > 0 ? 1.1 * most * s.factor : 1);
}

static bool any_repeated(const struct report *r)
{
    return report_points(r) < r->run_count;
}

/* ---- Plots --------------------------------------------------------------- */

static void add_curve(struct plot *p, size_t block, const char *colour,
                      const char *name, bool band, const char **sep)
{
    if (band)
        text_addf(&p->script,
                  "%s$c%zu using 1:3:4 with filledcurves fillcolor '%s' "
                  "fillstyle transparent solid 0.18 notitle",
                  *sep, block, colour);
    *sep = band ? ", \\\n " : *sep;
    text_addf(&p->script,
              "%s$c%zu using 1:2 with linespoints linecolor '%s' linewidth 2 "
              "pointtype 7 pointsize 0.8 title ",
              *sep, block, colour);
    gnuplot_add_string(&p->script, name);
    *sep = ", \\\n ";
}

static void no_legend(struct plot *p)
{
    text_add(&p->script, "unset key\nset rmargin screen 0.97\n");
}

/* A curve of a sweep, and what it is called if it is not alone. */
struct line {
    struct figure figure;
    const char *name;
};

/* The last one is what is shown where only one can be. */
static size_t lines_of(enum measure what, struct line out[3])
{
    static const enum figure_kind kinds[] = {
        [MEASURE_COUNT] = FIGURE_COUNT, [MEASURE_LEVEL] = FIGURE_MEAN,
        [MEASURE_SHARE] = FIGURE_SHARE, [MEASURE_VALUES] = FIGURE_P99,
        [MEASURE_CURVE] = FIGURE_COUNT, [MEASURE_REASONS] = FIGURE_COUNT};
    enum measure_kind kind = measure_rows[what].kind;
    size_t count = 0;

    out[count++] =
        (struct line){{.what = what, .kind = kinds[kind]}, "99th percentile"};
    if (kind != MEASURE_VALUES)
        return count;
    /* Quantiles of small numbers lie on each other, and say little. */
    if (measure_rows[what].unit == UNIT_ONE) {
        out[count++] =
            (struct line){{.what = what, .kind = FIGURE_MEAN}, "mean"};
        return count;
    }
    out[count++] =
        (struct line){{.what = what, .kind = FIGURE_P90}, "90th percentile"};
    out[count++] =
        (struct line){{.what = what, .kind = FIGURE_MEDIAN}, "median"};
    return count;
}

/* Several lines of one measure. */
static void plot_lines(struct plot *p, const struct axis *a, size_t curve,
                       const struct line *lines, size_t count, struct scale s)
{
    const char *sep = "plot ";
    size_t rows = 0;

    if (count > 1)
        plot_legend(p, "", strlen(lines[0].name));
    else
        no_legend(p);
    for (size_t i = 0; i < count; i++)
        rows += add_data(p, a, i, curve, &lines[i].figure, s.factor);
    for (size_t i = 0; i < count; i++)
        add_curve(p, i, gnuplot_colour(count - 1 - i),
                  count == 1 ? "" : lines[i].name, any_repeated(p->report),
                  &sep);
    text_add(&p->script, "\n");
    if (rows > 1)
        plot_end(p);
}

static void plot_combinations(struct plot *p, const struct axis *a,
                              const size_t *first, size_t count,
                              const struct figure *f, struct scale s)
{
    const char *sep = "plot ";
    size_t rows = 0, longest = 0;
    struct text name;

    for (size_t i = 0; i < count; i++) {
        curve_name(p->report, a, &p->report->runs[first[i]], &name);
        longest = name.len > longest ? name.len : longest;
        text_deinit(&name);
    }
    curve_name(p->report, a, NULL, &name);
    plot_legend(p, text_get(&name), longest);
    text_deinit(&name);
    for (size_t i = 0; i < count; i++)
        rows += add_data(p, a, i, first[i], f, s.factor);
    for (size_t i = 0; i < count; i++) {
        curve_name(p->report, a, &p->report->runs[first[i]], &name);
        add_curve(p, i, gnuplot_colour_in_order(i, count), text_get(&name),
                  any_repeated(p->report), &sep);
        text_deinit(&name);
    }
    text_add(&p->script, "\n");
    if (rows > 1)
        plot_end(p);
}

void plot_over_sweep(struct plot *p, enum measure what)
{
    size_t first[PLOT_CURVES_MAX], curves, count;
    struct line lines[3];
    struct scale s;
    struct axis a;
    char title[128], note[100];
    bool alone;

    if (!choose_axis(p->report, &a) ||
        (what == M_NODES &&
         strcmp(p->report->sweep[a.key], "nodes.count") == 0))
        return;
    curves = find_curves(p->report, &a, first);
    count = lines_of(what, lines);
    alone = curves > 1 && count > 1;
    if (alone)
        lines[0] = lines[count - 1];
    s = scale_of(&lines[0].figure, report_largest(p->report, &lines[0].figure));
    snprintf(note, sizeof(note), "%s%s",
             any_repeated(p->report) ? "; bands: the mean's 95 % interval" : "",
             curves == PLOT_CURVES_MAX ? "; at most 8 curves are shown" : "");
    plot_begin(p, "sweep", measure_rows[what].name, plot_title(what, title),
               note);
    set_x_axis(p, &a);
    snprintf(title, sizeof(title), "%s%s%s", alone ? lines[0].name : "",
             alone ? " " : "", measure_rows[what].title);
    plot_axis(p, 'y', title, s.unit);
    set_y_axis(p, &lines[0].figure, s);
    if (curves == 1)
        plot_lines(p, &a, first[0], lines, count, s);
    else
        plot_combinations(p, &a, first, curves, &lines[0].figure, s);
}
