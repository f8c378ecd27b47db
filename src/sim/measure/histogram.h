/* SPDX-License-Identifier: MIT
 *
 * A distribution of integers in buckets of a log-linear scale: below 64 each
 * value has its own, above that each power of two has 32, so that no bucket is
 * wider than a thirty-second of its values (as HdrHistogram by Gil Tene does
 * it). The counts are exact.
 */
#ifndef WARREN_SIM_MEASURE_HISTOGRAM_H
#define WARREN_SIM_MEASURE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 1920 /* up to UINT64_MAX */

/* Zeroed, it is empty and has no memory. */
struct histogram {
    uint64_t *counts;   /* HISTOGRAM_BUCKETS, owned; NULL: none yet */
    size_t first, last; /* of those that are not 0 */
};

void histogram_deinit(struct histogram *h);
/* Keeps its memory. */
void histogram_clear(struct histogram *h);

size_t histogram_bucket(uint64_t value);
uint64_t histogram_least(size_t bucket); /* the smallest value in it */
uint64_t histogram_most(size_t bucket);  /* the largest */

/* Counts so many more in a bucket, saturating. False: no memory. */
bool histogram_add(struct histogram *h, size_t bucket, uint64_t count);

/* The bucket of the value with that rank, from 1, which becomes the rank among
 * the bucket's own; HISTOGRAM_BUCKETS: there are not so many. */
size_t histogram_rank(const struct histogram *h, uint64_t *rank);

/* The next bucket from `bucket` on that is not empty; HISTOGRAM_BUCKETS: none.
 */
size_t histogram_next(const struct histogram *h, size_t bucket);
uint64_t histogram_count(const struct histogram *h, size_t bucket);

#endif
