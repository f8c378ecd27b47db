/* SPDX-License-Identifier: MIT
 *
 * One object:
 *
 *     {"title", "dht" (null: warren's own alone, or it is swept), "hash",
 *      "sweeps": [KEY...],
 *      "measures": {NAME: {"kind", "unit", "title", "meaning"}},
 *      "runs": [{"values": {KEY: VALUE}, "seed", "complete", "time",
 *                "total": {NAME: MEASURED},
 *                "samples": [{"time", NAME: MEASURED}]}],
 *      "points": [{"values": {KEY: VALUE}, "runs",
 *                  "intervals": {FIGURE: {"mean", "low", "high"}}}]}
 *
 * MEASURED is a number (of a level the mean of its samples); of a share
 * {"share", "hits", "of"}, of values {"count", "mean", "least", "median",
 * "p90", "p99", "most"}, of a curve [{"minute", "hits", "of"}], of reasons
 * {REASON: COUNT}; curves and reasons are in totals only. FIGURE is a column
 * of totals.csv, its interval one of 95 %, only where there are repetitions.
 * What does not exist (the mean of no values) is null; times are seconds, and
 * the values of swept keys numbers as in CSV files, or words.
 */
#include "sim/report/figure.h"
#include "sim/report/report.h"
#include "sim/report/swept.h"

#include <inttypes.h>

static const char *const kinds[] = {
    [MEASURE_COUNT] = "count", [MEASURE_LEVEL] = "level",
    [MEASURE_SHARE] = "share", [MEASURE_VALUES] = "values",
    [MEASURE_CURVE] = "curve", [MEASURE_REASONS] = "reasons"};

static void add_word(struct text *out, const char *word)
{
    text_add_json(out, bytes_of_text(word));
}

static void add_name(struct text *out, const char *name)
{
    add_word(out, name);
    text_add(out, ": ");
}

/* A comma before all but the first. */
static void add_comma(struct text *out, bool *first)
{
    if (!*first)
        text_add(out, ", ");
    *first = false;
}

static void add_seconds(struct text *out, uint64_t time)
{
    figure_print_value(M_LOOKUP_TIME, time, out);
}

static void add_figure(struct text *out, const struct measures *m,
                       const struct figure *f, size_t sample)
{
    size_t len = out->len;

    figure_print(m, f, sample, out);
    if (out->len == len)
        text_add(out, "null");
}

static void add_curve(struct text *out, const struct measures *m,
                      enum measure what)
{
    bool first = true;
    uint64_t hits, of;

    text_add(out, "[");
    for (uint64_t at = 0; at < MEASURE_CURVE_MAX; at++) {
        measure_at(m, what, at, &hits, &of);
        if (of == 0)
            continue;
        add_comma(out, &first);
        text_addf(out,
                  "{\"minute\": %" PRIu64 ", \"hits\": %" PRIu64
                  ", \"of\": %" PRIu64 "}",
                  at, hits, of);
    }
    text_add(out, "]");
}

static void add_reasons(struct text *out, const struct measures *m,
                        enum measure what)
{
    bool first = true;
    uint64_t hits, count;

    text_add(out, "{");
    for (unsigned reason = 0; reason < MEASURE_REASONS_MAX; reason++) {
        measure_at(m, what, reason, &hits, &count);
        if (count == 0)
            continue;
        add_comma(out, &first);
        add_name(out, measure_reason_name(reason));
        text_addf(out, "%" PRIu64, count);
    }
    text_add(out, "}");
}

static const char *member_name(const struct figure *f)
{
    static const char *const names[] = {
        [FIGURE_COUNT] = "count", [FIGURE_HITS] = "hits",
        [FIGURE_SHARE] = "share", [FIGURE_MEAN] = "mean",
        [FIGURE_LEAST] = "least", [FIGURE_MEDIAN] = "median",
        [FIGURE_P90] = "p90",     [FIGURE_P99] = "p99",
        [FIGURE_MOST] = "most",   [FIGURE_AT] = "at"};

    if (f->kind == FIGURE_COUNT && measure_rows[f->what].kind == MEASURE_SHARE)
        return "of";
    return names[f->kind];
}

static void add_measured(struct text *out, const struct measures *m,
                         enum measure what, size_t sample)
{
    enum measure_kind kind = measure_rows[what].kind;
    struct figure f;
    bool first = true;

    if (kind == MEASURE_CURVE) {
        add_curve(out, m, what);
    } else if (kind == MEASURE_REASONS) {
        add_reasons(out, m, what);
    } else if (kind == MEASURE_COUNT || kind == MEASURE_LEVEL) {
        figure_of_files(what, 0, &f);
        add_figure(out, m, &f, sample);
    } else {
        text_add(out, "{");
        for (size_t i = 0; figure_of_files(what, i, &f); i++) {
            add_comma(out, &first);
            add_name(out, member_name(&f));
            add_figure(out, m, &f, sample);
        }
        text_add(out, "}");
    }
}

static bool is_sampled(enum measure what)
{
    return measure_rows[what].kind != MEASURE_CURVE &&
           measure_rows[what].kind != MEASURE_REASONS;
}

static void add_all_measured(struct text *out, const struct measures *m,
                             size_t sample, bool first)
{
    for (int i = 0; i < MEASURES; i++) {
        enum measure what = (enum measure)i;

        if (!measure_is_used(m, what) ||
            (sample != MEASURE_TOTAL && !is_sampled(what)))
            continue;
        add_comma(out, &first);
        add_name(out, measure_rows[what].name);
        add_measured(out, m, what, sample);
    }
}

static void add_values(struct text *out, const struct report *r,
                       const struct report_run *run)
{
    bool first = true;
    double number;

    text_add(out, "{\"values\": {");
    for (size_t i = 0; i < r->sweeps; i++) {
        add_comma(out, &first);
        add_name(out, r->sweep[i]);
        if (swept_number(run->value[i], r->sweep_unit[i], &number))
            figure_print_number(number, out);
        else
            add_word(out, run->value[i]);
    }
    text_add(out, "}, ");
}

static void add_run(struct text *out, const struct report *r,
                    const struct report_run *run)
{
    const struct measures *m = run->measures;
    size_t samples = measures_samples(m);
    bool first = true;

    add_values(out, r, run);
    text_addf(out,
              "\"seed\": %" PRIu64 ", \"complete\": %s, \"time\": ", run->seed,
              run->complete ? "true" : "false");
    add_seconds(out, samples == 0 ? 0 : measures_time(m, samples - 1));
    text_add(out, ",\n \"total\": {");
    add_all_measured(out, m, MEASURE_TOTAL, true);
    text_add(out, "},\n \"samples\": [");
    for (size_t i = 0; i < samples; i++) {
        add_comma(out, &first);
        text_add(out, "\n  {\"time\": ");
        add_seconds(out, measures_time(m, i));
        add_all_measured(out, m, i, false);
        text_add(out, "}");
    }
    text_add(out, "]}");
}

static void add_interval(struct text *out, const struct interval *in)
{
    text_add(out, "{\"mean\": ");
    figure_print_number(in->mean, out);
    text_add(out, ", \"low\": ");
    figure_print_number(in->mean - in->half, out);
    text_add(out, ", \"high\": ");
    figure_print_number(in->mean + in->half, out);
    text_add(out, "}");
}

static void add_point(struct text *out, const struct report *r, size_t begin,
                      size_t end)
{
    struct text name;
    struct figure f;
    bool first = true;

    text_init(&name, 128);
    add_values(out, r, &r->runs[begin]);
    text_addf(out, "\"runs\": %zu, \"intervals\": {", end - begin);
    for (int what = 0; what < MEASURES; what++) {
        for (size_t i = 0; figure_of_files((enum measure)what, i, &f); i++) {
            struct interval in = report_interval(r, begin, end, &f);

            if (in.count < 2)
                continue;
            text_clear(&name);
            figure_name(&f, &name);
            add_comma(out, &first);
            add_name(out, text_get(&name));
            add_interval(out, &in);
        }
    }
    text_add(out, "}}");
    text_deinit(&name);
}

static void add_rows(struct text *out, const struct report *r)
{
    bool first = true;

    for (int i = 0; i < MEASURES; i++) {
        const struct measure_row *row = &measure_rows[i];

        if (!report_uses(r, (enum measure)i))
            continue;
        add_comma(out, &first);
        text_add(out, "\n ");
        add_name(out, row->name);
        text_addf(out, "{\"kind\": \"%s\", \"unit\": \"%s\", \"title\": ",
                  kinds[row->kind], measure_unit_name((enum measure)i));
        add_word(out, row->title);
        text_add(out, ", \"meaning\": ");
        add_word(out, row->meaning);
        text_add(out, "}");
    }
}

static void add_points(struct text *out, const struct report *r)
{
    bool first = true;
    size_t end;

    for (size_t i = 0; i < r->run_count; i = end) {
        end = report_point_end(r, i);
        add_comma(out, &first);
        text_add(out, "\n");
        add_point(out, r, i, end);
    }
}

void report_json(const struct report *r, struct text *out)
{
    bool first = true;

    text_add(out, "{\"title\": ");
    add_word(out, r->title);
    text_add(out, ", \"dht\": ");
    if (r->dht == NULL)
        text_add(out, "null");
    else
        add_word(out, r->dht);
    text_add(out, ", \"hash\": ");
    add_word(out, r->hash);
    text_add(out, ", \"sweeps\": [");
    for (size_t i = 0; i < r->sweeps; i++) {
        add_comma(out, &first);
        add_word(out, r->sweep[i]);
    }
    text_add(out, "],\n\"measures\": {");
    add_rows(out, r);
    text_add(out, "},\n\"runs\": [");
    first = true;
    for (size_t i = 0; i < r->run_count; i++) {
        add_comma(out, &first);
        text_add(out, "\n");
        add_run(out, r, &r->runs[i]);
    }
    text_add(out, "],\n\"points\": [");
    add_points(out, r);
    text_add(out, "]}\n");
}
