/* SPDX-License-Identifier: MIT
 *
 * Things found by their key, and in the order of their use: what is behind a
 * cache, or a queue with one thing for each key. A thing begins with a struct
 * keyed_entry, is the caller's memory, and is in one table at a time.
 *
 *     chains by hash     for keyed_table_find: SipHash with a secret key, so
 *                        that nobody who chooses keys aims at a chain
 *     list by use        t->oldest, e->newer ...: for the caller, who decides
 *                        what makes room
 *
 * The chains grow with the number of things and go with the last of them: an
 * empty table has no memory.
 */
#ifndef WARREN_BASE_TABLE_KEYED_TABLE_H
#define WARREN_BASE_TABLE_KEYED_TABLE_H

#include "base/bytes.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define KEYED_TABLE_SECRET 16

struct keyed_entry {
    struct keyed_entry *chain; /* next of the same hash */
    struct keyed_entry *older, *newer;
};

/* The key of a thing, which never changes while it is in a table. */
typedef struct bytes keyed_key_fn(const struct keyed_entry *e);

struct keyed_table {
    keyed_key_fn *key_of;
    struct keyed_entry **chains; /* NULL when there are no things */
    size_t chain_count;          /* a power of two */
    size_t count, max;
    struct keyed_entry *oldest, *newest;
    uint8_t secret[KEYED_TABLE_SECRET];
};

/* At most `max` things. `secret` is random. */
void keyed_table_init(struct keyed_table *t, size_t max, keyed_key_fn *key_of,
                      const uint8_t secret[KEYED_TABLE_SECRET]);

/* The thing with this key, or NULL. */
struct keyed_entry *keyed_table_find(const struct keyed_table *t,
                                     struct bytes key);

/* Bytes that the chains take. */
size_t keyed_table_memory(const struct keyed_table *t);

/* Adds a thing as the newest. Of several with one key the one added last is
 * found, until the chains grow or one of them is used. ERR_FULL: make room
 * first. ERR_NO_MEMORY: possible for the first thing alone; later a table that
 * cannot grow works on, slower. */
enum error keyed_table_add(struct keyed_table *t, struct keyed_entry *e);

/* Takes one out; the memory stays the caller's. */
void keyed_table_remove(struct keyed_table *t, struct keyed_entry *e);

/* It was used: now it is the newest. */
void keyed_table_touch(struct keyed_table *t, struct keyed_entry *e);

#endif
