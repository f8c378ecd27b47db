/* SPDX-License-Identifier: MIT
 *
 * Token buckets: one alone as a value, and a limiter that has one for every
 * source, at each level of it (base/source.h), and two over all.
 *
 * What a host may do a second, a line may do twice, a site four times and a
 * network sixteen times, as long as that is not more than half of all; so with
 * any number of addresses out of one network there is something left.
 *
 * The rate over all follows the load (limiter_load): it falls while the machine
 * is busy and is as configured while it is not. What is above it is for those
 * who are known, and they have a bucket of their own: who floods from made-up
 * addresses takes from strangers only.
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
#include "base/source.h"

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
    unsigned source_rate, source_burst; /* of one host */
    unsigned max_sources;               /* buckets; at least 1 */
};

#define LIMITER_LOAD_MAX 256 /* all of the time that there is */

struct limiter_slot;

struct limiter {
    struct limiter_slot *slots;
    unsigned groups; /* of slots; 0 until the first source */
    unsigned ways;   /* slots in a group */
    uint8_t key[SOURCE_KEY_BYTES];
    struct token_bucket all;    /* of strangers */
    struct token_rate all_rate; /* as the load allows */
    struct token_rate source_rate[SOURCE_LEVELS];
    struct token_bucket known;   /* of the known, as deep and as fast */
    struct token_rate full_rate; /* over all, as configured */
    unsigned max_sources;
};

void limiter_init(struct limiter *l, const struct limiter_config *config,
                  const struct random_source *random);
void limiter_deinit(struct limiter *l);

/* New rates and cap; what the sources have used up is forgotten. */
void limiter_configure(struct limiter *l, const struct limiter_config *config);

/* Takes a token of the source, at each level, and one of all. False when one
 * of them has none, and then nothing is taken from all. At the cap the source
 * in its group that is nearest to a full bucket is forgotten. Out of memory, as
 * at the cap. */
bool limiter_allow(struct limiter *l, const struct endpoint *source,
                   uint64_t now);

/* The same for a source that has shown that the address is its own, or that is
 * known from before: when strangers have taken all, it takes from what is kept
 * for the known. */
bool limiter_allow_known(struct limiter *l, const struct endpoint *source,
                         uint64_t now);

/* How busy the process was of late, of LIMITER_LOAD_MAX; to be called some ten
 * times a second. The rate over all falls by a quarter while it is above three
 * quarters, to a 64th at least, and rises again while it is below one half. */
void limiter_load(struct limiter *l, unsigned load);

/* Brings what a call is likely to look at into the cache. */
void limiter_prefetch(const struct limiter *l);

/* Hosts whose bucket is not full; at most max_sources. Walks all slots. */
unsigned limiter_sources(const struct limiter *l, uint64_t now);
size_t limiter_memory(const struct limiter *l);

#endif
