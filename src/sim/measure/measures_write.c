/* SPDX-License-Identifier: MIT
 *
 * Everything that was counted as text, a line for each thing; a number is
 * decimal, and words are a blank apart. What is not there was 0 or not used.
 *
 *     warren measures 1
 *     every NS                      between samples
 *     samples COUNT NS...           when each ended
 *     measure NAME                  in the order of the table, used ones
 *     total COUNT HITS SUM LEAST MOST [BUCKET:COUNT...]
 *     at PLACE HITS COUNT           of curves and reasons
 *     cell SAMPLE COUNT HITS SUM LEAST MOST [BUCKET:COUNT...]
 *     end
 */
#include "sim/measure/measures_internal.h"

#include <inttypes.h>

static void write_tally(const struct tally *t, struct text *out)
{
    text_addf(out, " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
              t->count, t->hits, t->sum, t->least, t->most);
}

static void write_bucket(size_t bucket, uint64_t count, struct text *out)
{
    text_addf(out, " %zu:%" PRIu64, bucket, count);
}

static void write_total(const struct ledger *l, struct text *out)
{
    const struct histogram *h = &l->total_values;
    size_t b = histogram_next(h, 0);

    text_add(out, "total");
    write_tally(&l->total, out);
    for (; b < HISTOGRAM_BUCKETS; b = histogram_next(h, b + 1))
        write_bucket(b, histogram_count(h, b), out);
    text_add(out, "\n");
}

static void write_cell(const struct tally_cell *c, size_t sample,
                       struct text *out)
{
    text_addf(out, "cell %zu", sample);
    write_tally(&c->tally, out);
    for (size_t i = 0; i < c->bucket_count; i++)
        write_bucket(c->buckets[i].bucket, c->buckets[i].count, out);
    text_add(out, "\n");
}

static void write_ledger(const struct ledger *l, const struct measure_row *row,
                         struct text *out)
{
    text_addf(out, "measure %s\n", row->name);
    write_total(l, out);
    for (size_t i = 0; l->places != NULL && i < ledger_places(row->kind); i++) {
        if (l->places[i].count > 0)
            text_addf(out, "at %zu %" PRIu64 " %" PRIu64 "\n", i,
                      l->places[i].hits, l->places[i].count);
    }
    for (size_t i = 0; i < l->cell_count; i++) {
        if (l->cells[i].tally.count > 0)
            write_cell(&l->cells[i], i, out);
    }
}

void measures_write(const struct measures *m, struct text *out)
{
    text_addf(out, "warren measures 1\nevery %" PRIu64 "\nsamples %zu",
              m->sample, m->sample_count);
    for (size_t i = 0; i < m->sample_count; i++)
        text_addf(out, " %" PRIu64, m->times[i]);
    text_add(out, "\n");
    for (size_t i = 0; i < MEASURES; i++) {
        if (m->ledgers[i].used)
            write_ledger(&m->ledgers[i], &measure_rows[i], out);
    }
    text_add(out, "end\n");
}
