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

/* The bucket of that rank, which becomes the one among the bucket's own
 * `count`; HISTOGRAM_BUCKETS: none. `c` NULL: in total. */
static size_t find_rank(const struct ledger *l, const struct tally_cell *c,
                        uint64_t *rank, uint64_t *count)
{
    size_t b;

    if (c == NULL) {
        b = histogram_rank(&l->total_values, rank);
        *count = b < HISTOGRAM_BUCKETS ? histogram_count(&l->total_values, b)
                                       : 0;
        return b;
    }
    for (size_t i = 0; i < c->bucket_count; i++) {
        *count = c->buckets[i].count;
        if (*rank <= *count)
            return c->buckets[i].bucket;
        *rank -= *count;
    }
    return HISTOGRAM_BUCKETS;
}

/* As if the values of a bucket lay evenly in it, the last one at its end. */
static uint64_t value_within(size_t bucket, uint64_t rank, uint64_t count)
{
    uint64_t least = histogram_least(bucket);
    uint64_t width = histogram_most(bucket) - least;

    for (; count > UINT32_MAX; count /= 2)
        rank /= 2;
    return least + width / count * rank + width % count * rank / count;
}

static uint64_t quantile(const struct ledger *l, const struct tally_cell *c,
                         const struct tally *t, unsigned percent)
{
    uint64_t rank = rank_of(t->count, percent), count, value;
    size_t bucket = find_rank(l, c, &rank, &count);

    if (bucket >= HISTOGRAM_BUCKETS)
        return t->most;
    value = value_within(bucket, rank, count);
    if (value < t->least)
        return t->least;
    return value < t->most ? value : t->most;
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
    *value = histogram_most(b);
    if (*value > l->total.most)
        *value = l->total.most;
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
