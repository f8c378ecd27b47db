/* SPDX-License-Identifier: MIT */
#include "sim/measure/histogram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_LOG 5 /* 32 buckets for each power of two */
#define STEPS     (1u << STEPS_LOG)

void histogram_deinit(struct histogram *h)
{
    free(h->counts);
    *h = (struct histogram){0};
}

void histogram_clear(struct histogram *h)
{
    if (h->counts != NULL && h->first <= h->last)
        memset(h->counts + h->first, 0,
               (h->last - h->first + 1) * sizeof(h->counts[0]));
    h->first = HISTOGRAM_BUCKETS;
    h->last = 0;
}

/* By how many bits the values of a bucket are cut. */
static unsigned bucket_shift(size_t bucket)
{
    return bucket < 2 * STEPS ? 0 : (unsigned)(bucket / STEPS - 1);
}

size_t histogram_bucket(uint64_t value)
{
    unsigned shift;

    if (value < 2 * STEPS)
        return (size_t)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - STEPS_LOG;
    return (size_t)(value >> shift) + (size_t)shift * STEPS;
}

uint64_t histogram_least(size_t bucket)
{
    unsigned shift = bucket_shift(bucket);

    assert(bucket < HISTOGRAM_BUCKETS);
    return (uint64_t)(bucket - (size_t)shift * STEPS) << shift;
}

uint64_t histogram_most(size_t bucket)
{
    return histogram_least(bucket) +
           ((UINT64_C(1) << bucket_shift(bucket)) - 1);
}

bool histogram_add(struct histogram *h, size_t bucket, uint64_t count)
{
    uint64_t *c;

    assert(bucket < HISTOGRAM_BUCKETS);
    if (count == 0)
        return true;
    if (h->counts == NULL) {
        h->counts = calloc(HISTOGRAM_BUCKETS, sizeof(h->counts[0]));
        if (h->counts == NULL)
            return false;
        h->first = HISTOGRAM_BUCKETS;
        h->last = 0;
    }
    c = &h->counts[bucket];
    *c = *c > UINT64_MAX - count ? UINT64_MAX : *c + count;
    h->first = bucket < h->first ? bucket : h->first;
    h->last = bucket > h->last ? bucket : h->last;
    return true;
}

size_t histogram_next(const struct histogram *h, size_t bucket)
{
    if (h->counts == NULL)
        return HISTOGRAM_BUCKETS;
    if (bucket < h->first)
        bucket = h->first;
    while (bucket <= h->last && h->counts[bucket] == 0)
        bucket++;
    return bucket <= h->last ? bucket : HISTOGRAM_BUCKETS;
}

uint64_t histogram_count(const struct histogram *h, size_t bucket)
{
    return h->counts == NULL ? 0 : h->counts[bucket];
}

size_t histogram_rank(const struct histogram *h, uint64_t *rank)
{
    size_t b = histogram_next(h, 0);

    while (b<HISTOGRAM_BUCKETS && * rank> h->counts[b]) {
        *rank -= h->counts[b];
        b = histogram_next(h, b + 1);
    }
    return b;
}
