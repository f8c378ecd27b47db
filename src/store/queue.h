/* SPDX-License-Identifier: MIT
 *
 * Changes that wait to be written: at most one per kind of row and key, the
 * last one. Bounded by bytes; the node rows, which are only hints, make room
 * for the others. Changes are allocated through sqlite3_malloc, so that one
 * failing allocator in a test covers all of the store.
 */
#ifndef WARREN_STORE_QUEUE_H
#define WARREN_STORE_QUEUE_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/table/keyed_table.h"
#include "store/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_change {
    struct keyed_entry entry; /* must be first */
    enum store_kind kind;
    bool remove; /* then there is no row */
    bool fresh;  /* puts a key that the table has not */
    struct store_key key;
    _Alignas(uint64_t) uint8_t row[]; /* as store_tables[kind] says */
};

/* Of one kind. */
struct store_changes {
    struct keyed_table table;
    size_t fresh; /* changes with `fresh`: rows to come, for the cap */
};

struct store_queue {
    struct store_changes kinds[STORE_KINDS];
    size_t count;
    size_t bytes; /* in changes */
    size_t bytes_max;
    uint64_t dropped;
};

static inline struct store_change *store_change_of(struct keyed_entry *e)
{
    return (struct store_change *)(void *)e;
}

/* Of one kind, the oldest first; NULL at the end. */
static inline struct store_change *
store_queue_oldest(const struct store_queue *q, enum store_kind kind)
{
    return store_change_of(q->kinds[kind].table.oldest);
}

static inline struct store_change *
store_queue_next(const struct store_change *c)
{
    return store_change_of(c->entry.newer);
}

void store_queue_init(struct store_queue *q, size_t bytes_max);
void store_queue_deinit(struct store_queue *q);

/* The change that waits for this key, or NULL. */
struct store_change *store_queue_find(const struct store_queue *q,
                                      enum store_kind kind,
                                      const struct store_key *key);

/* Queues a copy of `row` (NULL: a removal) in place of what waits for the
 * key. ERR_FULL: counted in `dropped`. ERR_NO_MEMORY. On an error what waited
 * for the key still waits. */
enum error store_queue_add(struct store_queue *q, enum store_kind kind,
                           const struct store_key *key, const void *row,
                           bool fresh);

/* Forgets all changes, which have been written. */
void store_queue_clear(struct store_queue *q);

#endif
