/* SPDX-License-Identifier: MIT
 *
 * How much of a table each source has, and who makes way when it is full: of
 * who holds most, what has been of no use for longest. So a party can fill a
 * table that nobody else wants, and cannot keep anybody out of it.
 *
 * Entries are counted at every level of their source (base/source.h). Each
 * count weighs the more the narrower its source (source_weight): 10 entries of
 * one host weigh as much as 20 of a line, or 80 of a network. The heaviest of
 * its source's counts is an entry's weight.
 *
 * The table looks for who makes way at SHARES_LOOK of its entries in turn, from
 * where it ended last: what a newcomer costs does not depend on how full it is.
 */
#ifndef WARREN_BASE_TABLE_SHARES_H
#define WARREN_BASE_TABLE_SHARES_H

#include "base/error.h"
#include "base/random_source.h"
#include "base/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARES_LOOK 64

struct share;

struct shares {
    struct share *slots; /* open addressing; NULL until the first */
    size_t cap, used;
    size_t hand; /* where the next look begins */
    uint8_t key[SOURCE_KEY_BYTES];
};

void shares_init(struct shares *s, const struct random_source *random);
void shares_deinit(struct shares *s);

/* An entry came from `ep`. ERR_NO_MEMORY, and nothing is counted. */
enum error shares_add(struct shares *s, const struct endpoint *ep);
/* One that was added is gone. */
void shares_remove(struct shares *s, const struct endpoint *ep);

/* Entries of the source of this level that `ep` is in; one that does not count
 * (source_counts) has those of the level below. */
unsigned shares_count(const struct shares *s, const struct endpoint *ep,
                      enum source_level level);

/* The weight of an entry from `ep`, were there `more` (at each level) than are
 * counted. */
unsigned shares_weight(const struct shares *s, const struct endpoint *ep,
                       unsigned more);

/* An entry as the search sees it. */
struct holding {
    struct endpoint source; /* as it was added */
    uint64_t used_at;
    unsigned doubled; /* how often its weight is: it is of less use to us */
};

/* Tells the entry at `place`; false: there is none, or it must stay. */
typedef bool holding_fn(const void *table, size_t place, struct holding *out);

/* The place, below `places`, of the entry that makes way for one from
 * `newcomer`, or SIZE_MAX: of those that weigh at least half as much as the
 * one that weighs most, the one unused for longest. (Of the very heaviest
 * alone one in use would go, while somebody with one entry less has idle ones.)
 * Only one that weighs more than the newcomer's will has to go while it is in
 * use; one that was not used for `idle` ns need not weigh more than the
 * newcomer's do now. */
size_t shares_make_way(struct shares *s, const struct endpoint *newcomer,
                       size_t places, holding_fn *tell, const void *table,
                       uint64_t idle, uint64_t now);

/* In two steps, for a table that is asked more often who would have to go than
 * it changes. The heaviest of all, whoever comes, of several the one unused for
 * longest; and whether it makes way for this newcomer, whose `used_at` does not
 * matter. (Those half as heavy do not count here: they may be who holds little,
 * and then nobody would make way.) */
size_t shares_heaviest(struct shares *s, size_t places, holding_fn *tell,
                       const void *table);
bool shares_yields(const struct shares *s, const struct holding *entry,
                   const struct holding *newcomer, uint64_t idle, uint64_t now);

/* Bytes; none while nothing is counted. */
size_t shares_memory(const struct shares *s);

#endif
