/* SPDX-License-Identifier: MIT
 *
 * Timers by their time: a binary heap, whose room is reserved when a timer is
 * added, so that it can be set at any time.
 */
#ifndef WARREN_STREAM_STREAM_HEAP_H
#define WARREN_STREAM_STREAM_HEAP_H

#include "base/error.h"
#include "base/timestamp.h"

#include <stddef.h>
#include <stdint.h>

struct heap_entry {
    uint64_t at;
    size_t place;
};

struct heap {
    struct heap_entry **entries;
    size_t count, cap;
};

void heap_deinit(struct heap *h);
/* At never. ERR_NO_MEMORY. */
enum error heap_add(struct heap *h, struct heap_entry *e);
void heap_remove(struct heap *h, struct heap_entry *e);
void heap_set(struct heap *h, struct heap_entry *e, uint64_t at);
/* The earliest, or NULL. */
struct heap_entry *heap_first(const struct heap *h);

#endif
