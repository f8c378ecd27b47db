/* SPDX-License-Identifier: MIT */
#include "sim/report/figure.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const suffixes[] = {
    [FIGURE_COUNT] = "_count", [FIGURE_HITS] = "_hits",
    [FIGURE_SHARE] = "",       [FIGURE_MEAN] = "_mean",
    [FIGURE_LEAST] = "_least", [FIGURE_MEDIAN] = "_median",
    [FIGURE_P90] = "_p90",     [FIGURE_P99] = "_p99",
    [FIGURE_MOST] = "_most",   [FIGURE_AT] = "_at"};

static const enum figure_kind of_count[] = {FIGURE_COUNT},
                              of_level[] = {FIGURE_MEAN},
                              of_share[] = {FIGURE_SHARE, FIGURE_HITS,
                                            FIGURE_COUNT},
                              of_values[] = {FIGURE_COUNT, FIGURE_MEAN,
                                             FIGURE_LEAST, FIGURE_MEDIAN,
                                             FIGURE_P90,   FIGURE_P99,
                                             FIGURE_MOST};

#define FIGURES(list)                          \
    {                                          \
        list, sizeof(list) / sizeof((list)[0]) \
    }

static const struct {
    const enum figure_kind *kinds;
    size_t count;
} figures[] = {
    [MEASURE_COUNT] = FIGURES(of_count), [MEASURE_LEVEL] = FIGURES(of_level),
    [MEASURE_SHARE] = FIGURES(of_share), [MEASURE_VALUES] = FIGURES(of_values),
    [MEASURE_CURVE] = {NULL, 0},         [MEASURE_REASONS] = FIGURES(of_count)};

bool figure_of_files(enum measure what, size_t i, struct figure *out)
{
    enum measure_kind kind = measure_rows[what].kind;

    if (i >= figures[kind].count)
        return false;
    *out = (struct figure){.what = what, .kind = figures[kind].kinds[i]};
    return true;
}

void figure_name(const struct figure *f, struct text *out)
{
    enum measure_kind kind = measure_rows[f->what].kind;

    text_add(out, measure_rows[f->what].name);
    if (kind == MEASURE_SHARE && f->kind == FIGURE_COUNT)
        text_add(out, "_of");
    else if (kind == MEASURE_SHARE || kind == MEASURE_VALUES)
        text_add(out, suffixes[f->kind]);
}

/* ---- Numbers ------------------------------------------------------------- */

static unsigned decimals_of(enum measure what)
{
    switch (measure_rows[what].unit) {
    case UNIT_TIME:
        return 9;
    case UNIT_RATE:
    case UNIT_BYTE_RATE:
        return 6;
    case UNIT_MILLI:
        return 3;
    case UNIT_ONE:
    case UNIT_BYTES:
        break;
    }
    return 0;
}

void figure_print_value(enum measure what, uint64_t value, struct text *out)
{
    unsigned decimals = decimals_of(what);
    uint64_t per = 1, rest;

    for (unsigned i = 0; i < decimals; i++)
        per *= 10;
    text_addf(out, "%" PRIu64, value / per);
    rest = value % per;
    if (rest == 0)
        return;
    while (rest % 10 == 0) {
        rest /= 10;
        decimals--;
    }
    text_addf(out, ".%0*" PRIu64, (int)decimals, rest);
}

void figure_print_number(double number, struct text *out)
{
    text_addf(out, "%.9g", number);
}

void figure_print_share(uint64_t hits, uint64_t of, struct text *out)
{
    if (of > 0)
        figure_print_number((double)hits / (double)of, out);
}

static void summarize(const struct measures *m, const struct figure *f,
                      size_t sample, struct measure_summary *s)
{
    if (f->kind == FIGURE_AT) {
        *s = (struct measure_summary){0};
        measure_at(m, f->what, f->at, &s->hits, &s->count);
    } else {
        measure_summarize(m, f->what, sample, s);
    }
}

/* A value that stands in the summary as it was counted; NULL: a quotient or
 * a count. */
static const uint64_t *value_of(const struct measure_summary *s,
                                enum figure_kind kind)
{
    switch (kind) {
    case FIGURE_LEAST:
        return &s->least;
    case FIGURE_MEDIAN:
        return &s->median;
    case FIGURE_P90:
        return &s->p90;
    case FIGURE_P99:
        return &s->p99;
    case FIGURE_MOST:
        return &s->most;
    case FIGURE_MEAN: /* of one value, it is that */
        return s->count == 1 ? &s->sum : NULL;
    case FIGURE_COUNT:
    case FIGURE_HITS:
    case FIGURE_SHARE:
    case FIGURE_AT:
        break;
    }
    return NULL;
}

bool figure_value(const struct measures *m, const struct figure *f,
                  size_t sample, double *out)
{
    struct measure_summary s;
    const uint64_t *value;

    if (!measure_is_used(m, f->what))
        return false;
    summarize(m, f, sample, &s);
    if (f->kind == FIGURE_COUNT || f->kind == FIGURE_HITS) {
        *out = (double)(f->kind == FIGURE_COUNT ? s.count : s.hits);
        if (measure_rows[f->what].kind == MEASURE_COUNT)
            *out = measure_shown(f->what, s.count);
        return true;
    }
    if (s.count == 0)
        return false;
    value = value_of(&s, f->kind);
    if (value != NULL)
        *out = measure_shown(f->what, *value);
    else if (f->kind == FIGURE_MEAN)
        *out = measure_shown(f->what, s.sum) / (double)s.count;
    else
        *out = (double)s.hits / (double)s.count;
    return true;
}

void figure_print(const struct measures *m, const struct figure *f,
                  size_t sample, struct text *out)
{
    struct measure_summary s;
    const uint64_t *value;
    double number;

    if (!figure_value(m, f, sample, &number))
        return;
    summarize(m, f, sample, &s);
    value = value_of(&s, f->kind);
    if (f->kind == FIGURE_COUNT || f->kind == FIGURE_HITS)
        text_addf(out, "%" PRIu64, f->kind == FIGURE_COUNT ? s.count : s.hits);
    else if (value != NULL)
        figure_print_value(f->what, *value, out);
    else
        figure_print_number(number, out);
}

/* ---- Points -------------------------------------------------------------- */

static bool same_point(const struct report *r, size_t a, size_t b)
{
    for (size_t i = 0; i < r->sweeps; i++) {
        if (strcmp(r->runs[a].value[i], r->runs[b].value[i]) != 0)
            return false;
    }
    return true;
}

size_t report_point_end(const struct report *r, size_t first)
{
    size_t end = first + 1;

    assert(first < r->run_count && r->sweeps <= REPORT_SWEEPS_MAX);
    while (end < r->run_count && same_point(r, first, end))
        end++;
    return end;
}

size_t report_points(const struct report *r)
{
    size_t count = 0;

    for (size_t i = 0; i < r->run_count; i = report_point_end(r, i))
        count++;
    return count;
}

struct interval report_interval(const struct report *r, size_t first,
                                size_t end, const struct figure *f)
{
    double values[REPORT_REPETITIONS_MAX];
    size_t count = 0;

    for (size_t i = first; i < end && count < REPORT_REPETITIONS_MAX; i++) {
        if (figure_value(r->runs[i].measures, f, MEASURE_TOTAL, &values[count]))
            count++;
    }
    return interval_of(values, count);
}

double report_largest(const struct report *r, const struct figure *f)
{
    double most = 0;
    size_t end;

    for (size_t i = 0; i < r->run_count; i = end) {
        double mean;

        end = report_point_end(r, i);
        mean = report_interval(r, i, end, f).mean;
        most = mean > most ? mean : most;
    }
    return most;
}

bool report_uses(const struct report *r, enum measure what)
{
    for (size_t i = 0; i < r->run_count; i++) {
        if (measure_is_used(r->runs[i].measures, what))
            return true;
    }
    return false;
}
