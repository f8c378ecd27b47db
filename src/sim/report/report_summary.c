/* SPDX-License-Identifier: MIT
 *
 * For people: one point as a list of what was measured, several as tables with
 * a row for each, as many columns beside each other as fit.
 */
#include "sim/report/figure.h"
#include "sim/report/report.h"
#include "sim/report/scale.h"
#include "sim/report/summary_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define AGES_MAX      5
#define TITLE_COLUMNS 38

static const struct {
    const char *name;
    enum measure first, last;
} groups[] = {
    {"Network", M_NODES, M_NODE_BYTES},
    {"DHT", M_LOOKUP_SUCCESS, M_ITEM_FINDABLE},
    {"Tunnels", M_CIRCUIT_BUILT, M_DATAGRAM_TIME},
    {"Services", M_SERVICE_CONNECTED, M_MEMBER_TIME},
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

/* ---- Head ---------------------------------------------------------------- */

static void add_seeds(const struct report *r, struct text *out)
{
    size_t count = r->run_count == 0 ? 0 : report_point_end(r, 0);

    if (count == 0)
        return;
    text_addf(out, ", seed%s %" PRIu64, text_plural(count), r->runs[0].seed);
    if (count == 2)
        text_addf(out, " and %" PRIu64, r->runs[1].seed);
    else if (count > 2)
        text_addf(out, " to %" PRIu64, r->runs[count - 1].seed);
}

static void add_head(const struct report *r, struct text *out)
{
    char runs[TEXT_COUNT_SIZE], points[TEXT_COUNT_SIZE];
    size_t early = 0, start = out->len;

    for (size_t i = 0; i < r->run_count; i++)
        early += !r->runs[i].complete;
    text_add_printable(out, bytes_of_text(r->title));
    if (out->len - start > SUMMARY_COLUMNS) {
        text_cut(out, start + SUMMARY_COLUMNS - 3);
        text_add(out, "...");
    }
    text_addf(out, "\n%s", text_count(r->run_count, "run", runs));
    if (report_points(r) > 1)
        text_addf(out, " of %s", text_count(report_points(r), "point", points));
    add_seeds(r, out);
    text_addf(out, ", settings %.*s\n", REPORT_SHORT_HASH, r->hash);
    if (r->dht != NULL) {
        text_add(out, "DHT: ");
        text_add_printable(out, bytes_of_text(r->dht));
        text_add(out, "\n");
    }
    if (early > 0)
        text_addf(out, "%s ended early: the figures are of what was done.\n",
                  text_count(early, "run", runs));
    if (r->run_count > report_points(r))
        text_add(out, "After +-: half of the 95 % interval of the mean of the "
                      "repetitions.\n");
}

/* ---- What is shown of a measure ------------------------------------------ */

/* Up to AGES_MAX places of a curve, from the first to the last that any run
 * has, evenly. */
static size_t ages_of(const struct report *r, enum measure what,
                      uint64_t ages[AGES_MAX])
{
    bool has[MEASURE_CURVE_MAX] = {false};
    uint64_t hits, of, known[MEASURE_CURVE_MAX];
    size_t count = 0, n;

    for (size_t i = 0; i < r->run_count; i++) {
        for (uint64_t at = 0; at < MEASURE_CURVE_MAX; at++) {
            measure_at(r->runs[i].measures, what, at, &hits, &of);
            has[at] |= of > 0;
        }
    }
    for (uint64_t at = 0; at < MEASURE_CURVE_MAX; at++) {
        if (has[at])
            known[count++] = at;
    }
    n = count < AGES_MAX ? count : AGES_MAX;
    for (size_t i = 0; i < n; i++)
        ages[i] = known[n == 1 ? 0 : i * (count - 1) / (n - 1)];
    return n;
}

/* Of small numbers the mean is first: their quantiles say little. */
static size_t values_of(enum measure what, struct figure out[AGES_MAX])
{
    static const enum figure_kind kinds[] = {FIGURE_MEAN, FIGURE_MEDIAN,
                                             FIGURE_P90, FIGURE_P99};
    size_t skipped = measure_rows[what].unit == UNIT_ONE ? 0 : 1, count = 0;

    for (size_t i = skipped; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        out[count++] = (struct figure){.what = what, .kind = kinds[i]};
    return count;
}

/* The figures of a measure in columns beside each other. */
static size_t shown_of(const struct report *r, enum measure what,
                       struct figure out[AGES_MAX])
{
    uint64_t ages[AGES_MAX];
    size_t count = 1;

    switch (measure_rows[what].kind) {
    case MEASURE_COUNT:
    case MEASURE_REASONS:
        out[0] = (struct figure){.what = what, .kind = FIGURE_COUNT};
        break;
    case MEASURE_LEVEL:
        out[0] = (struct figure){.what = what, .kind = FIGURE_MEAN};
        break;
    case MEASURE_SHARE:
        out[0] = (struct figure){.what = what, .kind = FIGURE_SHARE};
        break;
    case MEASURE_VALUES:
        return values_of(what, out);
    case MEASURE_CURVE:
        count = ages_of(r, what, ages);
        for (size_t i = 0; i < count; i++)
            out[i] =
                (struct figure){.what = what, .kind = FIGURE_AT, .at = ages[i]};
        break;
    }
    return count;
}

static void name_column(const struct figure *f, char *out, size_t size)
{
    out[0] = '\0';
    switch (f->kind) {
    case FIGURE_MEAN:
        if (measure_rows[f->what].kind == MEASURE_VALUES)
            snprintf(out, size, "mean");
        break;
    case FIGURE_MEDIAN:
        snprintf(out, size, "median");
        break;
    case FIGURE_P90:
        snprintf(out, size, "90th");
        break;
    case FIGURE_P99:
        snprintf(out, size, "99th");
        break;
    case FIGURE_AT:
        snprintf(out, size, "%" PRIu64 " min", f->at);
        break;
    case FIGURE_COUNT:
    case FIGURE_HITS:
    case FIGURE_SHARE:
    case FIGURE_LEAST:
    case FIGURE_MOST:
        break;
    }
}

/* ---- One point: a list --------------------------------------------------- */

/* The number that others are about the size of, for their unit; not 0 if any
 * of them is not. */
static double size_of_all(const struct report *r, const struct figure *f,
                          size_t count)
{
    double size = 0;

    for (size_t i = 0; i < count; i++) {
        double mean = report_interval(r, 0, r->run_count, &f[i]).mean;

        if (size <= 0)
            size = mean;
    }
    return size;
}

static void add_reasons(const struct report *r, enum measure what,
                        struct text *out)
{
    uint64_t counts[MEASURE_REASONS_MAX] = {0}, hits, count;

    for (size_t i = 0; i < r->run_count; i++) {
        for (unsigned n = 0; n < MEASURE_REASONS_MAX; n++) {
            measure_at(r->runs[i].measures, what, n, &hits, &count);
            counts[n] += count;
        }
    }
    for (;;) {
        unsigned most = 0;

        for (unsigned n = 1; n < MEASURE_REASONS_MAX; n++)
            most = counts[n] > counts[most] ? n : most;
        if (counts[most] == 0)
            return;
        text_addf(out, "    %-*s", TITLE_COLUMNS - 2,
                  measure_reason_name(most));
        scale_print((double)counts[most], out);
        text_add(out, r->run_count > 1 ? " in all runs\n" : "\n");
        counts[most] = 0;
    }
}

/* "of 1,234": events behind a share or a distribution, where it fits. */
static void add_events(const struct report *r, enum measure what, size_t line,
                       struct text *out)
{
    struct figure f = {.what = what, .kind = FIGURE_COUNT};
    struct interval in = report_interval(r, 0, r->run_count, &f);
    size_t len = out->len;

    if (measure_rows[what].kind != MEASURE_SHARE &&
        measure_rows[what].kind != MEASURE_VALUES)
        return;
    text_add(out, " of ");
    scale_print(floor(in.mean + 0.5), out);
    text_add(out, in.count > 1 ? " each" : "");
    if (out->len - line > SUMMARY_COLUMNS)
        text_cut(out, len);
}

/* Values beside each other, or the ages of a curve below each other. Only the
 * first of values has an interval. */
static void add_shown(const struct report *r, const struct figure *f, size_t i,
                      struct scale s, struct text *out)
{
    struct interval in = report_interval(r, 0, r->run_count, f);
    bool age = f->kind == FIGURE_AT;
    char name[32];

    if (i > 0 && age)
        text_addf(out, "\n%*s", TITLE_COLUMNS + 2, "");
    else if (i > 0)
        text_add(out, f->kind == FIGURE_MEDIAN ? " mean, " : " / ");
    if (i > 0 && !age)
        in.count = 1, in.half = 0;
    scale_print_interval(&in, s, out);
    name_column(f, name, sizeof(name));
    if (age)
        text_addf(out, " %s after %s", s.unit, name);
}

static void add_line(const struct report *r, enum measure what,
                     struct text *out)
{
    struct figure f[AGES_MAX];
    size_t count = shown_of(r, what, f), line = out->len;
    struct scale s = scale_of(&f[0], size_of_all(r, f, count));

    text_addf(out, "  %-*s", TITLE_COLUMNS, measure_rows[what].title);
    if (count == 0 || report_interval(r, 0, r->run_count, &f[0]).count == 0) {
        text_add(out, "none\n");
        return;
    }
    for (size_t i = 0; i < count; i++)
        add_shown(r, &f[i], i, s, out);
    if (f[0].kind != FIGURE_AT)
        text_addf(out, "%s%s", s.unit[0] != '\0' ? " " : "", s.unit);
    add_events(r, what, line, out);
    text_add(out, "\n");
    if (measure_rows[what].kind == MEASURE_REASONS)
        add_reasons(r, what, out);
}

static bool uses_values(const struct report *r)
{
    bool uses = false;

    for (int i = 0; i < MEASURES; i++)
        uses |= measure_rows[i].kind == MEASURE_VALUES &&
                report_uses(r, (enum measure)i);
    return uses;
}

static void add_list(const struct report *r, struct text *out)
{
    for (size_t g = 0; g < GROUPS; g++) {
        bool any = false;

        for (int i = (int)groups[g].first; i <= (int)groups[g].last; i++) {
            if (!report_uses(r, (enum measure)i))
                continue;
            if (!any)
                text_addf(out, "\n%s\n", groups[g].name);
            any = true;
            add_line(r, (enum measure)i, out);
        }
    }
    if (uses_values(r))
        text_add(out,
                 "\nDistributions: median / 90th / 99th percentile, after the "
                 "mean of counts.\n");
}

/* ---- Several: tables ----------------------------------------------------- */

static void add_measure_columns(const struct report *r, enum measure what,
                                struct summary_table *t, struct text *out)
{
    struct figure f[AGES_MAX];
    struct summary_column c[AGES_MAX];
    size_t count = shown_of(r, what, f);

    for (size_t i = 0; i < count; i++) {
        c[i] = (struct summary_column){.figure = f[i]};
        name_column(&f[i], c[i].name, sizeof(c[i].name));
    }
    if (count > 0)
        summary_table_add(t, measure_rows[what].title, c, count, out);
}

static void add_tables(const struct report *r, struct text *out)
{
    struct summary_table t;

    for (size_t g = 0; g < GROUPS; g++) {
        summary_table_begin(&t, r, groups[g].name);
        for (int i = (int)groups[g].first; i <= (int)groups[g].last; i++) {
            if (report_uses(r, (enum measure)i))
                add_measure_columns(r, (enum measure)i, &t, out);
        }
        summary_table_end(&t, out);
    }
}

void report_summary(const struct report *r, struct text *out)
{
    add_head(r, out);
    if (r->run_count == 0)
        return;
    if (report_points(r) == 1)
        add_list(r, out);
    else
        add_tables(r, out);
}
