/* SPDX-License-Identifier: MIT
 *
 * Counting. What is counted goes into the total and into the sample that is
 * under way, which becomes a row of cells when it ends; a cell keeps those
 * buckets of its values that are not empty. So everything can be added up with
 * another run's, exactly and in any order.
 */
#include "sim/measure/measures_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct measures *measures_new(uint64_t sample)
{
    struct measures *m = calloc(1, sizeof(*m));

    if (m != NULL)
        m->sample = sample;
    return m;
}

static void ledger_deinit(struct ledger *l)
{
    histogram_deinit(&l->total_values);
    histogram_deinit(&l->sample_values);
    free(l->places);
    for (size_t i = 0; i < l->cell_count; i++)
        free(l->cells[i].buckets);
    free(l->cells);
}

void measures_free(struct measures *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < MEASURES; i++)
        ledger_deinit(&m->ledgers[i]);
    free(m->times);
    free(m);
}

void measures_begin(struct measures *m, uint64_t now)
{
    m->counts = true;
    m->began = now;
}

/* ---- Memory -------------------------------------------------------------- */

size_t ledger_places(enum measure_kind kind)
{
    return kind == MEASURE_CURVE     ? MEASURE_CURVE_MAX
           : kind == MEASURE_REASONS ? MEASURE_REASONS_MAX
                                     : 0;
}

bool ledger_need_places(struct ledger *l, enum measure_kind kind)
{
    size_t count = ledger_places(kind);

    assert(count > 0);
    if (l->places == NULL)
        l->places = calloc(count, sizeof(l->places[0]));
    return l->places != NULL;
}

bool ledger_need_cell(struct ledger *l, size_t sample)
{
    if (sample >= l->cell_cap) {
        size_t cap = sample < 32 ? 64 : 2 * sample;
        struct tally_cell *cells = realloc(l->cells, cap * sizeof(l->cells[0]));

        if (cells == NULL)
            return false;
        l->cells = cells;
        l->cell_cap = cap;
    }
    while (l->cell_count <= sample)
        l->cells[l->cell_count++] = (struct tally_cell){0};
    return true;
}

bool measures_need_time(struct measures *m, uint64_t time)
{
    if (m->sample_count == m->sample_cap) {
        size_t cap = m->sample_cap == 0 ? 64 : 2 * m->sample_cap;
        uint64_t *times = realloc(m->times, cap * sizeof(m->times[0]));

        if (times == NULL)
            return false;
        m->times = times;
        m->sample_cap = cap;
    }
    m->times[m->sample_count++] = time;
    return true;
}

/* ---- Counting ------------------------------------------------------------ */

uint64_t tally_sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void tally_add(struct tally *t, const struct tally *more)
{
    if (more->count == 0)
        return;
    if (t->count == 0 || more->least < t->least)
        t->least = more->least;
    if (t->count == 0 || more->most > t->most)
        t->most = more->most;
    t->count = tally_sum(t->count, more->count);
    t->hits = tally_sum(t->hits, more->hits);
    t->sum = tally_sum(t->sum, more->sum);
}

/* NULL: it is not counted. */
static struct ledger *ledger_of(struct measures *m, enum measure what,
                                enum measure_kind kind)
{
    assert(what < MEASURES && measure_rows[what].kind == kind);
    if (!m->counts)
        return NULL;
    m->ledgers[what].used = true;
    return &m->ledgers[what];
}

static void ledger_add(struct ledger *l, struct tally more)
{
    tally_add(&l->total, &more);
    tally_add(&l->sample, &more);
}

void measure_count(struct measures *m, enum measure what, uint64_t n)
{
    struct ledger *l = ledger_of(m, what, MEASURE_COUNT);

    if (l != NULL)
        ledger_add(l, (struct tally){.count = n});
}

void measure_level(struct measures *m, enum measure what, uint64_t level)
{
    struct ledger *l = ledger_of(m, what, MEASURE_LEVEL);

    if (l != NULL)
        l->sample = (struct tally){
            .count = 1, .sum = level, .least = level, .most = level};
}

void measure_share(struct measures *m, enum measure what, uint64_t hits,
                   uint64_t of)
{
    struct ledger *l = ledger_of(m, what, MEASURE_SHARE);

    assert(hits <= of);
    if (l != NULL)
        ledger_add(l, (struct tally){.count = of, .hits = hits});
}

void measure_value(struct measures *m, enum measure what, uint64_t value)
{
    struct ledger *l = ledger_of(m, what, MEASURE_VALUES);
    size_t bucket = histogram_bucket(value);

    if (l == NULL)
        return;
    /* The total first: it has what any sample has. */
    if (!histogram_add(&l->total_values, bucket, 1) ||
        !histogram_add(&l->sample_values, bucket, 1)) {
        m->failed = true;
        return;
    }
    ledger_add(l, (struct tally){
                      .count = 1, .sum = value, .least = value, .most = value});
}

static void add_place(struct measures *m, enum measure what, uint64_t at,
                      struct tally_place more)
{
    enum measure_kind kind = measure_rows[what].kind;
    struct ledger *l = ledger_of(m, what, kind);
    size_t max = ledger_places(kind);
    struct tally_place *p;

    if (l == NULL)
        return;
    if (!ledger_need_places(l, kind)) {
        m->failed = true;
        return;
    }
    p = &l->places[at < max ? at : max - 1];
    p->hits = tally_sum(p->hits, more.hits);
    p->count = tally_sum(p->count, more.count);
    ledger_add(l, (struct tally){.count = more.count, .hits = more.hits});
}

void measure_curve(struct measures *m, enum measure what, uint64_t at,
                   uint64_t hits, uint64_t of)
{
    assert(measure_rows[what].kind == MEASURE_CURVE && hits <= of);
    add_place(m, what, at, (struct tally_place){hits, of});
}

void measure_reason(struct measures *m, enum measure what, unsigned reason)
{
    assert(measure_rows[what].kind == MEASURE_REASONS);
    add_place(m, what, reason, (struct tally_place){0, 1});
}

/* ---- Samples ------------------------------------------------------------- */

/* Adds values to what a cell has. */
static bool cell_add_values(struct tally_cell *c, const struct histogram *h)
{
    struct tally_bucket *all;
    size_t count = 0, i = 0, b = histogram_next(h, 0);

    for (; b < HISTOGRAM_BUCKETS; b = histogram_next(h, b + 1))
        count++;
    if (count == 0)
        return true;
    all = malloc((count + c->bucket_count) * sizeof(all[0]));
    if (all == NULL)
        return false;
    count = 0;
    b = histogram_next(h, 0);
    while (b < HISTOGRAM_BUCKETS || i < c->bucket_count) {
        size_t had = i < c->bucket_count ? c->buckets[i].bucket
                                         : HISTOGRAM_BUCKETS;
        struct tally_bucket *to = &all[count++];

        *to = (struct tally_bucket){.bucket = had < b ? had : b};
        if (had <= b)
            to->count = c->buckets[i++].count;
        if (b <= had) {
            to->count = tally_sum(to->count, histogram_count(h, b));
            b = histogram_next(h, b + 1);
        }
    }
    free(c->buckets);
    c->buckets = all;
    c->bucket_count = count;
    return true;
}

static bool end_sample(struct ledger *l, enum measure_kind kind, size_t sample)
{
    bool ok = true;

    if (l->sample.count == 0)
        return true;
    ok = ledger_need_cell(l, sample) &&
         cell_add_values(&l->cells[sample], &l->sample_values);
    if (ok)
        tally_add(&l->cells[sample].tally, &l->sample);
    if (kind == MEASURE_LEVEL)
        tally_add(&l->total, &l->sample);
    l->sample = (struct tally){0};
    histogram_clear(&l->sample_values);
    return ok;
}

enum error measures_sample(struct measures *m, uint64_t now)
{
    if (!m->counts)
        return OK;
    if (!measures_need_time(m, now - m->began))
        m->failed = true;
    for (size_t i = 0; i < MEASURES && !m->failed; i++) {
        if (!end_sample(&m->ledgers[i], measure_rows[i].kind,
                        m->sample_count - 1))
            m->failed = true;
    }
    return m->failed ? ERR_NO_MEMORY : OK;
}

/* ---- Adding up ----------------------------------------------------------- */

static bool add_histogram(struct histogram *h, const struct histogram *more)
{
    size_t b = histogram_next(more, 0);
    bool ok = true;

    for (; b < HISTOGRAM_BUCKETS && ok; b = histogram_next(more, b + 1))
        ok = histogram_add(h, b, histogram_count(more, b));
    return ok;
}

static bool add_cell(struct tally_cell *c, const struct tally_cell *more)
{
    struct histogram h = {0};
    bool ok = true;

    for (size_t i = 0; i < more->bucket_count && ok; i++)
        ok = histogram_add(&h, more->buckets[i].bucket, more->buckets[i].count);
    ok = ok && cell_add_values(c, &h);
    histogram_deinit(&h);
    if (ok)
        tally_add(&c->tally, &more->tally);
    return ok;
}

static bool add_ledger(struct ledger *l, const struct ledger *more,
                       enum measure_kind kind)
{
    bool ok = add_histogram(&l->total_values, &more->total_values);

    for (size_t i = 0; i < more->cell_count && ok; i++)
        ok = ledger_need_cell(l, i) && add_cell(&l->cells[i], &more->cells[i]);
    if (ok && more->places != NULL)
        ok = ledger_need_places(l, kind);
    for (size_t i = 0; ok && more->places != NULL && i < ledger_places(kind);
         i++) {
        struct tally_place *p = &l->places[i];

        p->hits = tally_sum(p->hits, more->places[i].hits);
        p->count = tally_sum(p->count, more->places[i].count);
    }
    if (ok)
        tally_add(&l->total, &more->total);
    l->used |= more->used;
    return ok;
}

enum error measures_add(struct measures *m, const struct measures *other)
{
    bool ok = true;

    for (size_t i = m->sample_count; i < other->sample_count && ok; i++)
        ok = measures_need_time(m, other->times[i]);
    for (size_t i = 0; i < MEASURES && ok; i++)
        ok = add_ledger(&m->ledgers[i], &other->ledgers[i],
                        measure_rows[i].kind);
    return ok ? OK : ERR_NO_MEMORY;
}
