/* SPDX-License-Identifier: MIT
 *
 * Reading what has been counted.
 */
#include "sim/measure/measures_internal.h"
#include "tunnel/link/reason.h"

#include <assert.h>
#include <stdio.h>

bool measure_is_used(const struct measures *m, enum measure what)
{
    return m->ledgers[what].used;
}

size_t measures_samples(const struct measures *m)
{
    return m->sample_count;
}

uint64_t measures_time(const struct measures *m, size_t sample)
{
    assert(sample < m->sample_count);
    return m->times[sample];
}

/* ---- Quantiles ----------------------------------------------------------- */

/* ceil(percent / 100 * count), at least 1, without leaving 64 bits. */
static uint64_t rank_of(uint64_t count, unsigned percent)
{
    uint64_t rank = count / 100 * percent;

    rank += (count % 100 * percent + 99) / 100;
    return rank == 0 ? 1 : rank;
}

/* The bucket of that rank in a cell; HISTOGRAM_BUCKETS: none. */
static size_t cell_rank(const struct tally_cell *c, uint64_t rank)
{
    for (size_t i = 0; i < c->bucket_count; i++) {
        if (rank <= c->buckets[i].count)
            return c->buckets[i].bucket;
        rank -= c->buckets[i].count;
    }
    return HISTOGRAM_BUCKETS;
}

static uint64_t bound_of(size_t bucket, uint64_t most)
{
    if (bucket >= HISTOGRAM_BUCKETS)
        return most;
    return histogram_most(bucket) < most ? histogram_most(bucket) : most;
}

static uint64_t quantile(const struct ledger *l, const struct tally_cell *c,
                         const struct tally *t, unsigned percent)
{
    uint64_t rank = rank_of(t->count, percent);
    size_t bucket = c == NULL ? histogram_rank(&l->total_values, rank)
                              : cell_rank(c, rank);

    return bound_of(bucket, t->most);
}

void measure_summarize(const struct measures *m, enum measure what,
                       size_t sample, struct measure_summary *out)
{
    const struct ledger *l = &m->ledgers[what];
    const struct tally_cell *c = NULL;
    const struct tally *t = &l->total;

    *out = (struct measure_summary){0};
    if (sample != MEASURE_TOTAL) {
        if (sample >= l->cell_count)
            return;
        c = &l->cells[sample];
        t = &c->tally;
    }
    *out = (struct measure_summary){.count = t->count,
                                    .hits = t->hits,
                                    .sum = t->sum,
                                    .least = t->least,
                                    .most = t->most};
    if (measure_rows[what].kind != MEASURE_VALUES || t->count == 0)
        return;
    out->median = quantile(l, c, t, 50);
    out->p90 = quantile(l, c, t, 90);
    out->p99 = quantile(l, c, t, 99);
}

bool measure_bucket(const struct measures *m, enum measure what, size_t i,
                    uint64_t *value, uint64_t *count)
{
    const struct ledger *l = &m->ledgers[what];
    size_t b = histogram_next(&l->total_values, 0);

    for (; i > 0 && b < HISTOGRAM_BUCKETS; i--)
        b = histogram_next(&l->total_values, b + 1);
    if (b >= HISTOGRAM_BUCKETS)
        return false;
    *value = bound_of(b, l->total.most);
    *count = histogram_count(&l->total_values, b);
    return true;
}

void measure_at(const struct measures *m, enum measure what, uint64_t at,
                uint64_t *hits, uint64_t *count)
{
    const struct ledger *l = &m->ledgers[what];
    bool has = l->places != NULL && at < ledger_places(measure_rows[what].kind);

    *hits = has ? l->places[at].hits : 0;
    *count = has ? l->places[at].count : 0;
}

/* ---- Units --------------------------------------------------------------- */

double measure_shown(enum measure what, uint64_t value)
{
    static const double per[] = {
        [UNIT_ONE] = 1,    [UNIT_TIME] = 1e9,      [UNIT_BYTES] = 1,
        [UNIT_RATE] = 1e6, [UNIT_BYTE_RATE] = 1e6, [UNIT_MILLI] = 1e3};

    return (double)value / per[measure_rows[what].unit];
}

const char *measure_unit_name(enum measure what)
{
    static const char *const names[] = {[UNIT_ONE] = "",
                                        [UNIT_TIME] = "s",
                                        [UNIT_BYTES] = "bytes",
                                        [UNIT_RATE] = "/s",
                                        [UNIT_BYTE_RATE] = "bytes/s",
                                        [UNIT_MILLI] = ""};

    return names[measure_rows[what].unit];
}

const char *measure_reason_name(unsigned reason)
{
    return reason_name(reason < REASON_END_ ? (enum reason)reason
                                            : REASON_UNKNOWN);
}
