/* SPDX-License-Identifier: MIT
 *
 * Who has which id, and whose are the nearest to a target: exact, for a million
 * ids that come and go. Ids lie in buckets by their first bits; the buckets are
 * looked at in the order of their distance, which is that of the XOR of those
 * bits (Maymounkov and Mazieres, "Kademlia", 2002).
 */
#ifndef WARREN_SIM_PART_DHT_ID_INDEX_H
#define WARREN_SIM_PART_DHT_ID_INDEX_H

#include "base/error.h"
#include "base/id.h"

#include <stddef.h>
#include <stdint.h>

struct id_entry {
    struct id id;
    uint32_t who;
};

struct id_bucket {
    struct id_entry *entries; /* owned */
    uint32_t count, cap;
};

struct id_index {
    unsigned bits; /* of an id that name its bucket; at most 16 */
    struct id_bucket *buckets;
    size_t count;
};

/* Fast for about `expected` ids, right for any number. ERR_NO_MEMORY. */
enum error id_index_init(struct id_index *x, size_t expected);
void id_index_deinit(struct id_index *x);

/* The same id may be there for several. ERR_NO_MEMORY. */
enum error id_index_add(struct id_index *x, const struct id *id, uint32_t who);
/* No effect when it is not there. */
void id_index_remove(struct id_index *x, const struct id *id, uint32_t who);

/* The `k` nearest to `target`, the nearest first, into `out`; how many there
 * are. */
size_t id_index_nearest(const struct id_index *x, const struct id *target,
                        size_t k, struct id_entry *out);

/* Sorts one in among the `n` nearest of at most `k`; how many there are now. */
size_t id_entry_sort_in(const struct id *target, const struct id_entry *e,
                        size_t k, struct id_entry *out, size_t n);

#endif
