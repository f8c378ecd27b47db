/* SPDX-License-Identifier: MIT
 *
 * What has been counted, for the files of this room alone.
 */
#ifndef WARREN_SIM_MEASURE_MEASURES_INTERNAL_H
#define WARREN_SIM_MEASURE_MEASURES_INTERNAL_H

#include "sim/measure/histogram.h"
#include "sim/measure/measure.h"

/* Members that a kind of measure has no use for are 0. */
struct tally {
    uint64_t count, hits, sum;
    uint64_t least, most; /* while count is not 0 */
};

struct tally_bucket {
    size_t bucket;
    uint64_t count;
};

/* One measure in one sample that is over. */
struct tally_cell {
    struct tally tally;
    size_t bucket_count;
    struct tally_bucket *buckets; /* owned, ascending; of VALUES */
};

struct tally_place {
    uint64_t hits, count;
};

/* One measure. */
struct ledger {
    bool used;
    struct tally total, sample; /* all; since the last sample */
    struct histogram total_values, sample_values;
    struct tally_place *places; /* owned, of CURVE and REASONS; or NULL */
    size_t cell_count, cell_cap;
    struct tally_cell *cells; /* owned; those that are missing at the end are
                                 empty */
};

struct measures {
    bool counts;
    bool failed; /* something was not counted: no memory */
    uint64_t sample, began;
    size_t sample_count, sample_cap;
    uint64_t *times; /* owned; ns since `began` when each sample ended */
    struct ledger ledgers[MEASURES];
};

/* How many `places` a kind has. */
size_t ledger_places(enum measure_kind kind);
/* False: no memory. */
bool ledger_need_places(struct ledger *l, enum measure_kind kind);
/* Cells up to `sample`, empty ones. False: no memory. */
bool ledger_need_cell(struct ledger *l, size_t sample);
/* Adds to the total or to a cell. */
void tally_add(struct tally *t, const struct tally *more);
uint64_t tally_sum(uint64_t a, uint64_t b); /* saturating */
bool measures_need_time(struct measures *m, uint64_t time);

#endif
