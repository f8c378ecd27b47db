/* SPDX-License-Identifier: MIT
 *
 * Things found by an array index that a peer sends us: sessions by the index
 * in a cell's header, ends of circuits by the index in its sealed head.
 *
 * An index is a slot in its low bits and random bits above, so that the index
 * of a thing that is gone finds nothing. The slot's lowest bits can choose a
 * worker. The index 0 is never given.
 */
#ifndef WARREN_BASE_TABLE_SLOT_TABLE_H
#define WARREN_BASE_TABLE_SLOT_TABLE_H

#include "base/error.h"
#include "base/random_source.h"

#include <stddef.h>
#include <stdint.h>

#define SLOT_BITS 20
#define SLOTS_MAX ((size_t)1 << SLOT_BITS)

struct slot {
    void *thing; /* NULL: free */
    uint32_t index;
};

struct slot_table {
    struct slot *slots;
    size_t cap; /* of the array, which grows up to max */
    size_t count;
    size_t max;
    size_t next; /* where the search for a free slot begins */
    struct random_source random;
};

/* At most `max` things, which is at most SLOTS_MAX. */
void slot_table_init(struct slot_table *t, size_t max,
                     const struct random_source *random);
/* The things are the caller's. */
void slot_table_deinit(struct slot_table *t);

/* ERR_FULL, ERR_NO_MEMORY. */
enum error slot_table_add(struct slot_table *t, void *thing, uint32_t *index);
/* `index` was given by slot_table_add and not removed since. */
void slot_table_remove(struct slot_table *t, uint32_t index);
/* NULL when nothing has this index. */
void *slot_table_find(const struct slot_table *t, uint32_t index);

#endif
