/* SPDX-License-Identifier: MIT
 *
 * Token buckets: one alone as a value, and a limiter that has one for every
 * source (an IPv4 address or an IPv6 /64) and one over all.
 *
 * A bucket is one number, the time at which it will be full again (the
 * "theoretical arrival time" of the generic cell rate algorithm, ITU-T I.371).
 * A source whose bucket is full again is the same as one never seen, so
 * forgetting it loses nothing.
 */
#ifndef WARREN_BASE_LIMITER_H
#define WARREN_BASE_LIMITER_H

#include "base/endpoint.h"
#include "base/random_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct token_rate {
    uint64_t interval; /* ns for one token */
    uint64_t depth;    /* ns for all of them but one */
};

struct token_bucket {
    uint64_t full_at; /* 0 for a fresh one */
};

/* `per_second` and `burst` are at least 1. */
struct token_rate token_rate_of(unsigned per_second, unsigned burst);

/* A token is there. */
bool token_bucket_has(const struct token_bucket *b,
                      const struct token_rate *rate, uint64_t now);
/* Takes one; false, and nothing taken, when there is none. */
bool token_bucket_take(struct token_bucket *b, const struct token_rate *rate,
                       uint64_t now);

struct limiter_config {
    unsigned rate, burst;               /* over all, a second */
    unsigned source_rate, source_burst; /* of one source */
    unsigned max_sources;               /* at least 1 */
};

struct limiter_slot;

struct limiter {
    struct token_rate all_rate, source_rate;
    struct token_bucket all;
    unsigned max_sources;
    unsigned groups; /* of slots; 0 until the first source */
    unsigned ways;   /* slots in a group */
    uint8_t key[16]; /* of the hash, so that nobody aims at a group */
    struct limiter_slot *slots;
};

void limiter_init(struct limiter *l, const struct limiter_config *config,
                  const struct random_source *random);
void limiter_deinit(struct limiter *l);

/* New rates and cap; what the sources have used up is forgotten. */
void limiter_configure(struct limiter *l, const struct limiter_config *config);

/* Takes a token of the source and one of all. False, and nothing taken from
 * all, when either has none. At the cap the source in its group that is
 * nearest to a full bucket is forgotten. Out of memory, as at the cap. */
bool limiter_allow(struct limiter *l, const struct endpoint *source,
                   uint64_t now);

/* Sources whose bucket is not full; at most max_sources. Walks all slots. */
unsigned limiter_sources(const struct limiter *l, uint64_t now);
size_t limiter_memory(const struct limiter *l);

#endif
