/* SPDX-License-Identifier: MIT
 *
 * Tables for pandas, R and gnuplot (RFC 4180, but for lines that end in a
 * newline alone): a line of names, then a row a line. Every row begins with the
 * values of the swept keys and the seed, so that tables can be joined and
 * those of several experiments put below each other.
 */
#include "sim/report/figure.h"
#include "sim/report/report.h"
#include "sim/report/swept.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ROW_MAX   65536
#define PATH_MAX_ 4096

struct sheet {
    const struct report *report;
    FILE *file;
    struct text row, word;
    bool truncated;
};

static void next_row(struct sheet *s)
{
    text_add(&s->row, "\n");
    fwrite(text_get(&s->row), 1, s->row.len, s->file);
    s->truncated |= s->row.truncated;
    text_clear(&s->row);
}

/* Quoted where commas, quotes or newlines would be taken for its end. */
static void add_words(struct text *row, const char *words)
{
    if (strpbrk(words, ",\"\r\n") == NULL) {
        text_add(row, words);
        return;
    }
    text_add(row, "\"");
    for (; *words != '\0'; words++) {
        if (*words == '"')
            text_add(row, "\"");
        text_add_bytes(row, bytes_of(words, 1));
    }
    text_add(row, "\"");
}

/* The columns that all tables begin with. */
static void add_key_names(struct sheet *s)
{
    for (size_t i = 0; i < s->report->sweeps; i++) {
        add_words(&s->row, s->report->sweep[i]);
        text_add(&s->row, ",");
    }
    text_add(&s->row, "seed");
}

static void add_keys(struct sheet *s, const struct report_run *run)
{
    for (size_t i = 0; i < s->report->sweeps; i++) {
        text_clear(&s->word);
        swept_print(s->report, run, i, &s->word);
        add_words(&s->row, text_get(&s->word));
        text_add(&s->row, ",");
    }
    text_addf(&s->row, "%" PRIu64, run->seed);
}

static void head(struct sheet *s, const char *names)
{
    add_key_names(s);
    text_addf(&s->row, ",%s", names);
    next_row(s);
}

/* ---- Numbers over time and in total -------------------------------------- */

/* A column for each figure of each measure that any run has; `m` NULL: their
 * names. */
static void add_figures(struct sheet *s, const struct measures *m,
                        size_t sample)
{
    struct figure f;

    for (int what = 0; what < MEASURES; what++) {
        if (!report_uses(s->report, (enum measure)what))
            continue;
        for (size_t i = 0; figure_of_files((enum measure)what, i, &f); i++) {
            text_add(&s->row, ",");
            if (m == NULL)
                figure_name(&f, &s->row);
            else
                figure_print(m, &f, sample, &s->row);
        }
    }
}

static void add_time(struct sheet *s, uint64_t time)
{
    text_add(&s->row, ",");
    figure_print_value(M_LOOKUP_TIME, time, &s->row); /* as seconds */
}

static void write_samples(struct sheet *s)
{
    add_key_names(s);
    text_add(&s->row, ",time");
    add_figures(s, NULL, 0);
    next_row(s);
    for (size_t i = 0; i < s->report->run_count; i++) {
        const struct report_run *run = &s->report->runs[i];

        for (size_t n = 0; n < measures_samples(run->measures); n++) {
            add_keys(s, run);
            add_time(s, measures_time(run->measures, n));
            add_figures(s, run->measures, n);
            next_row(s);
        }
    }
}

static void write_totals(struct sheet *s)
{
    add_key_names(s);
    text_add(&s->row, ",complete,time");
    add_figures(s, NULL, 0);
    next_row(s);
    for (size_t i = 0; i < s->report->run_count; i++) {
        const struct report_run *run = &s->report->runs[i];
        size_t samples = measures_samples(run->measures);

        add_keys(s, run);
        text_addf(&s->row, ",%d", run->complete ? 1 : 0);
        add_time(s,
                 samples == 0 ? 0 : measures_time(run->measures, samples - 1));
        add_figures(s, run->measures, MEASURE_TOTAL);
        next_row(s);
    }
}

/* ---- Distributions, curves, reasons -------------------------------------- */

static void add_row_start(struct sheet *s, const struct report_run *run,
                          enum measure what)
{
    add_keys(s, run);
    text_addf(&s->row, ",%s,", measure_rows[what].name);
}

static void values_of(struct sheet *s, const struct report_run *run,
                      enum measure what)
{
    struct measure_summary sum;
    uint64_t value, count, so_far = 0;

    measure_summarize(run->measures, what, MEASURE_TOTAL, &sum);
    for (size_t i = 0; measure_bucket(run->measures, what, i, &value, &count);
         i++) {
        so_far += count;
        add_row_start(s, run, what);
        figure_print_value(what, value, &s->row);
        text_addf(&s->row, ",%" PRIu64 ",", count);
        figure_print_share(so_far, sum.count, &s->row);
        next_row(s);
    }
}

static void curve_of(struct sheet *s, const struct report_run *run,
                     enum measure what)
{
    uint64_t hits, of;

    for (uint64_t at = 0; at < MEASURE_CURVE_MAX; at++) {
        measure_at(run->measures, what, at, &hits, &of);
        if (of == 0)
            continue;
        add_row_start(s, run, what);
        text_addf(&s->row, "%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",", at, hits,
                  of);
        figure_print_share(hits, of, &s->row);
        next_row(s);
    }
}

static void reasons_of(struct sheet *s, const struct report_run *run,
                       enum measure what)
{
    uint64_t hits, count;

    for (unsigned reason = 0; reason < MEASURE_REASONS_MAX; reason++) {
        measure_at(run->measures, what, reason, &hits, &count);
        if (count == 0)
            continue;
        add_row_start(s, run, what);
        text_addf(&s->row, "%s,%" PRIu64, measure_reason_name(reason), count);
        next_row(s);
    }
}

static void write_each(struct sheet *s, enum measure_kind kind,
                       void (*write)(struct sheet *s,
                                     const struct report_run *run,
                                     enum measure what))
{
    for (size_t i = 0; i < s->report->run_count; i++) {
        const struct report_run *run = &s->report->runs[i];

        for (int what = 0; what < MEASURES; what++) {
            if (measure_rows[what].kind == kind &&
                measure_is_used(run->measures, (enum measure)what))
                write(s, run, (enum measure)what);
        }
    }
}

static void write_values(struct sheet *s)
{
    head(s, "measure,value,count,share");
    write_each(s, MEASURE_VALUES, values_of);
}

static void write_curves(struct sheet *s)
{
    head(s, "measure,minute,hits,of,share");
    write_each(s, MEASURE_CURVE, curve_of);
}

static void write_reasons(struct sheet *s)
{
    head(s, "measure,reason,count");
    write_each(s, MEASURE_REASONS, reasons_of);
}

/* ---- Steps of lookups ---------------------------------------------------- */

static const char *outcome_name(enum trace_outcome outcome)
{
    static const char *const names[] = {[TRACE_ANSWERED] = "answered",
                                        [TRACE_VALUES] = "values",
                                        [TRACE_TIMEOUT] = "timeout",
                                        [TRACE_DISTRUSTED] = "distrusted"};

    return names[outcome];
}

static void write_lookups(struct sheet *s)
{
    const struct trace_log *log = s->report->traces;
    char target[ID_TEXT_SIZE], asker[ID_TEXT_SIZE], asked[ID_TEXT_SIZE];

    head(s, "lookup,target,asker,asked,bits,hop,time,took,outcome,hostile");
    for (size_t i = 0; log != NULL && i < log->count; i++) {
        const struct trace_step *t = &log->steps[i];

        add_keys(s, &s->report->runs[0]);
        text_addf(&s->row, ",%" PRIu32 ",%s,%s,%s,%d,%u", t->lookup,
                  id_print(&t->target, target), id_print(&t->asker, asker),
                  id_print(&t->asked, asked),
                  id_common_bits(&t->target, &t->asked), t->hop);
        add_time(s, t->asked_at);
        add_time(s, t->took);
        text_addf(&s->row, ",%s,%d", outcome_name(t->outcome),
                  t->hostile ? 1 : 0);
        next_row(s);
    }
}

/* ---- Files --------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*write)(struct sheet *s);
} tables[] = {
    {"samples.csv", write_samples}, {"totals.csv", write_totals},
    {"values.csv", write_values},   {"curves.csv", write_curves},
    {"reasons.csv", write_reasons}, {"lookups.csv", write_lookups},
};

static enum error fail(struct text *why, const char *path)
{
    text_addf(why, "%s: %s", path, strerror(errno));
    return ERR_IO;
}

enum error report_make_dir(const char *dir, struct text *why)
{
    struct stat st;

    if (mkdir(dir, 0777) == 0)
        return OK;
    if (errno == EEXIST && stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
        return OK;
    return fail(why, dir);
}

static enum error write_table(const struct report *r, size_t i, const char *dir,
                              struct text *why)
{
    struct sheet s = {.report = r};
    char path[PATH_MAX_], fresh[PATH_MAX_ + 8];
    bool failed;

    if (snprintf(path, sizeof(path), "%s/%s", dir, tables[i].name) >=
        (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return fail(why, dir);
    }
    /* A run that is killed while it writes leaves the table as it was. */
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    s.file = fopen(fresh, "we");
    if (s.file == NULL)
        return fail(why, path);
    text_init(&s.row, ROW_MAX);
    text_init(&s.word, ROW_MAX);
    tables[i].write(&s);
    text_deinit(&s.row);
    text_deinit(&s.word);
    failed = ferror(s.file) != 0;
    failed |= fclose(s.file) != 0;
    if (failed || rename(fresh, path) != 0)
        return fail(why, path);
    if (s.truncated)
        text_addf(why, "%s: a row is too long, or memory is out", path);
    return s.truncated ? ERR_NO_MEMORY : OK;
}

enum error report_csv(const struct report *r, const char *dir, struct text *why)
{
    enum error e = report_make_dir(dir, why);

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && e == OK; i++)
        e = write_table(r, i, dir, why);
    return e;
}
