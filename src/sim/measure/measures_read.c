/* SPDX-License-Identifier: MIT
 *
 * Reads what measures_write writes, and nothing else: one blank between words,
 * numbers without needless zeros, everything in order. What is kept is
 * bounded by what was read: a cell needs a line, so many cells a list of so
 * many samples, and a measure's counts stand once in the input.
 */
#include "sim/measure/measures_internal.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLES_MAX 1000000
/* Empty cells before one that is there are of its sample's number; all of them
 * together are bounded, however the measures lie. */
#define CELLS_MAX 4000000

struct reader {
    struct bytes rest; /* of the input, after this line */
    struct bytes line; /* what is left of it */
    size_t number;
    size_t cells;
    const char *wrong; /* what is wrong with this line; NULL: nothing */
    bool no_memory;
    struct measures *m;
};

static bool fail(struct reader *r, const char *wrong)
{
    if (r->wrong == NULL)
        r->wrong = wrong;
    return false;
}

static bool no_memory(struct reader *r)
{
    r->no_memory = true;
    return false;
}

static bool next_line(struct reader *r)
{
    const uint8_t *end;

    r->number++;
    end = r->rest.len == 0 ? NULL : memchr(r->rest.p, '\n', r->rest.len);
    if (end == NULL)
        return fail(r, "the text ends too early");
    r->line = bytes_of(r->rest.p, (size_t)(end - r->rest.p));
    r->rest = bytes_of(end + 1, r->rest.len - r->line.len - 1);
    return true;
}

/* The word up to the next blank, which is taken too. */
static struct bytes next_word(struct reader *r)
{
    const uint8_t *end = r->line.len == 0 ? NULL
                                          : memchr(r->line.p, ' ', r->line.len);
    size_t len = end == NULL ? r->line.len : (size_t)(end - r->line.p);
    struct bytes word = bytes_of(r->line.p, len);

    len += end != NULL;
    if (end != NULL && len == r->line.len)
        fail(r, "a blank at its end");
    r->line = bytes_of(r->line.p + len, r->line.len - len);
    return word;
}

static bool starts_with(struct bytes line, const char *words)
{
    size_t len = strlen(words);

    return line.len >= len && memcmp(line.p, words, len) == 0;
}

static bool take(struct reader *r, const char *words)
{
    if (!starts_with(r->line, words))
        return false;
    r->line = bytes_of(r->line.p + strlen(words), r->line.len - strlen(words));
    return true;
}

static bool parse_number(struct bytes word, uint64_t *out)
{
    uint64_t n = 0;

    if (word.len == 0 || word.len > 20 || (word.len > 1 && word.p[0] == '0'))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        unsigned digit = word.p[i] - (unsigned)'0';

        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = 10 * n + digit;
    }
    *out = n;
    return true;
}

static bool next_number(struct reader *r, uint64_t *out)
{
    return parse_number(next_word(r), out) || fail(r, "not a whole number");
}

static bool next_number_below(struct reader *r, uint64_t end, size_t *out)
{
    uint64_t n;

    if (!next_number(r, &n))
        return false;
    if (n >= end)
        return fail(r, "a number that is too large");
    *out = (size_t)n;
    return true;
}

static bool at_end(struct reader *r)
{
    return r->wrong == NULL &&
           (r->line.len == 0 || fail(r, "more than belongs there"));
}

/* ---- Lines --------------------------------------------------------------- */

static bool read_samples(struct reader *r)
{
    size_t count;
    uint64_t time, last = 0;

    if (!next_line(r))
        return false;
    if (!take(r, "samples "))
        return fail(r, "\"samples\" belongs there");
    if (!next_number_below(r, SAMPLES_MAX + 1, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!next_number(r, &time))
            return false;
        if (time < last)
            return fail(r, "samples that are not in order");
        if (!measures_need_time(r->m, time))
            return no_memory(r);
        last = time;
    }
    return at_end(r);
}

static bool read_head(struct reader *r)
{
    if (!next_line(r))
        return false;
    if (!bytes_is_text(r->line, "warren measures 1"))
        return fail(r, starts_with(r->line, "warren measures ")
                           ? "measures of another version of warren"
                           : "no measures of warren");
    if (!next_line(r))
        return false;
    if (!take(r, "every "))
        return fail(r, "\"every\" belongs there");
    return next_number(r, &r->m->sample) && at_end(r) && read_samples(r);
}

/* What the numbers of such a measure can be. */
static bool tally_is_possible(const struct tally *t, enum measure_kind kind)
{
    bool values = kind == MEASURE_VALUES || kind == MEASURE_LEVEL;
    bool hits = kind == MEASURE_SHARE || kind == MEASURE_CURVE;

    if (!values && (t->sum | t->least | t->most) != 0)
        return false;
    if (t->hits > (hits ? t->count : 0))
        return false;
    if (t->count == 0)
        return (t->sum | t->least | t->most) == 0;
    return t->least <= t->most && t->sum >= t->most;
}

static bool read_tally(struct reader *r, enum measure_kind kind,
                       struct tally *t)
{
    if (!next_number(r, &t->count) || !next_number(r, &t->hits) ||
        !next_number(r, &t->sum) || !next_number(r, &t->least) ||
        !next_number(r, &t->most))
        return false;
    return tally_is_possible(t, kind) ||
           fail(r, "numbers that do not go together");
}

static bool read_bucket(struct reader *r, struct tally_bucket *out)
{
    struct bytes word = next_word(r);
    const uint8_t *colon = word.len == 0 ? NULL : memchr(word.p, ':', word.len);
    uint64_t bucket;

    if (colon == NULL)
        return fail(r, "not a bucket and its count");
    if (!parse_number(bytes_of(word.p, (size_t)(colon - word.p)), &bucket) ||
        bucket >= HISTOGRAM_BUCKETS ||
        !parse_number(
            bytes_of(colon + 1, word.len - (size_t)(colon - word.p) - 1),
            &out->count) ||
        out->count == 0)
        return fail(r, "not a bucket and its count");
    out->bucket = (size_t)bucket;
    return true;
}

/* Into an empty histogram: as many as the tally counts, between its least and
 * its most. */
static bool read_buckets(struct reader *r, const struct tally *t,
                         struct histogram *h)
{
    struct tally_bucket b = {0};
    uint64_t count = 0;

    while (r->wrong == NULL && r->line.len > 0) {
        if (!read_bucket(r, &b))
            return false;
        if (count > 0 && b.bucket <= h->last)
            return fail(r, "buckets that are not in order");
        if (b.count > UINT64_MAX - count)
            return fail(r, "counts that are too large");
        count += b.count;
        if (!histogram_add(h, b.bucket, b.count))
            return no_memory(r);
    }
    if (count != t->count)
        return fail(r, "buckets that are not all, or too many");
    if (count > 0 && (histogram_bucket(t->least) != h->first ||
                      histogram_bucket(t->most) != h->last))
        return fail(r, "values outside of their bounds");
    return r->wrong == NULL;
}

static bool read_total(struct reader *r, enum measure_kind kind,
                       struct ledger *l)
{
    if (!next_line(r))
        return false;
    if (!take(r, "total "))
        return fail(r, "\"total\" belongs there");
    if (!read_tally(r, kind, &l->total))
        return false;
    if (kind == MEASURE_VALUES)
        return read_buckets(r, &l->total, &l->total_values);
    return at_end(r);
}

/* `last`: the place of the line before and 1, 0 if there is none. */
static bool read_place(struct reader *r, enum measure_kind kind,
                       struct ledger *l, size_t *last)
{
    struct tally_place p;
    size_t at;

    if (!next_number_below(r, ledger_places(kind), &at) ||
        !next_number(r, &p.hits) || !next_number(r, &p.count) || !at_end(r))
        return false;
    if (p.count == 0 || p.hits > (kind == MEASURE_CURVE ? p.count : 0))
        return fail(r, "numbers that do not go together");
    if (at < *last)
        return fail(r, "places that are not in order");
    if (!ledger_need_places(l, kind))
        return no_memory(r);
    l->places[at] = p;
    *last = at + 1;
    return true;
}

static bool fill_cell(struct reader *r, struct tally_cell *c,
                      const struct histogram *h)
{
    size_t b = histogram_next(h, 0), count = 0;

    for (; b < HISTOGRAM_BUCKETS; b = histogram_next(h, b + 1))
        count++;
    c->buckets = malloc((count == 0 ? 1 : count) * sizeof(c->buckets[0]));
    if (c->buckets == NULL)
        return no_memory(r);
    b = histogram_next(h, 0);
    for (; b < HISTOGRAM_BUCKETS; b = histogram_next(h, b + 1))
        c->buckets[c->bucket_count++] =
            (struct tally_bucket){b, histogram_count(h, b)};
    return true;
}

static bool read_cell(struct reader *r, enum measure_kind kind,
                      struct ledger *l)
{
    struct histogram *h = &l->sample_values;
    size_t sample, had = l->cell_count;
    struct tally_cell *c;

    if (!next_number_below(r, r->m->sample_count, &sample))
        return false;
    if (sample < had)
        return fail(r, "samples that are not in order");
    r->cells += sample + 1 - had;
    if (r->cells > CELLS_MAX)
        return fail(r, "more samples than can be");
    if (!ledger_need_cell(l, sample))
        return no_memory(r);
    c = &l->cells[sample];
    if (!read_tally(r, kind, &c->tally))
        return false;
    if (c->tally.count == 0)
        return fail(r, "a sample of nothing");
    if (kind != MEASURE_VALUES)
        return at_end(r);
    histogram_clear(h);
    return read_buckets(r, &c->tally, h) && fill_cell(r, c, h);
}

/* The lines after "measure NAME", and the one that follows them. */
static bool read_ledger(struct reader *r, const struct measure_row *row,
                        struct ledger *l)
{
    size_t last = 0;

    l->used = true;
    if (!read_total(r, row->kind, l) || !next_line(r))
        return false;
    while (ledger_places(row->kind) > 0 && take(r, "at ")) {
        if (!read_place(r, row->kind, l, &last) || !next_line(r))
            return false;
    }
    while (take(r, "cell ")) {
        if (!read_cell(r, row->kind, l) || !next_line(r))
            return false;
    }
    return true;
}

static bool read_all(struct reader *r)
{
    size_t next = 0;

    if (!read_head(r) || !next_line(r))
        return false;
    while (take(r, "measure ")) {
        while (next < MEASURES &&
               !bytes_is_text(r->line, measure_rows[next].name))
            next++;
        if (next == MEASURES)
            return fail(r, "no measure, or not in its place");
        if (!read_ledger(r, &measure_rows[next], &r->m->ledgers[next]))
            return false;
        next++;
    }
    return bytes_is_text(r->line, "end") || fail(r, "not what belongs there");
}

enum error measures_read(struct bytes *in, struct measures **out,
                         struct text *why)
{
    struct reader r = {.rest = *in, .m = measures_new(0)};
    bool ok = r.m != NULL ? read_all(&r) : no_memory(&r);

    if (ok) {
        *in = r.rest;
        *out = r.m;
        return OK;
    }
    measures_free(r.m);
    if (r.no_memory)
        return ERR_NO_MEMORY;
    text_addf(why, "line %zu: %s", r.number, r.wrong);
    return ERR_SYNTAX;
}
