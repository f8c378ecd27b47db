/* SPDX-License-Identifier: MIT */
#include "stream/stream_heap.h"

#include <stdlib.h>

void heap_deinit(struct heap *h)
{
    free(h->entries);
    *h = (struct heap){.entries = NULL};
}

static void put(struct heap *h, size_t place, struct heap_entry *e)
{
    h->entries[place] = e;
    e->place = place;
}

static void rise(struct heap *h, struct heap_entry *e)
{
    size_t place = e->place;

    while (place > 0 && h->entries[(place - 1) / 2]->at > e->at) {
        put(h, place, h->entries[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(h, place, e);
}

static void sink(struct heap *h, struct heap_entry *e)
{
    size_t place = e->place;

    for (;;) {
        size_t child = 2 * place + 1;

        if (child + 1 < h->count &&
            h->entries[child + 1]->at < h->entries[child]->at)
            child++;
        if (child >= h->count || h->entries[child]->at >= e->at)
            break;
        put(h, place, h->entries[child]);
        place = child;
    }
    put(h, place, e);
}

enum error heap_add(struct heap *h, struct heap_entry *e)
{
    if (h->count == h->cap) {
        size_t cap = h->cap == 0 ? 8 : 2 * h->cap;
        struct heap_entry **entries =
            realloc(h->entries, cap * sizeof(struct heap_entry *));

        if (entries == NULL)
            return ERR_NO_MEMORY;
        h->entries = entries;
        h->cap = cap;
    }
    e->at = TIME_NEVER;
    put(h, h->count++, e);
    return OK;
}

void heap_remove(struct heap *h, struct heap_entry *e)
{
    struct heap_entry *last = h->entries[--h->count];

    if (last == e)
        return;
    put(h, e->place, last);
    heap_set(h, last, last->at);
}

void heap_set(struct heap *h, struct heap_entry *e, uint64_t at)
{
    e->at = at;
    rise(h, e);
    sink(h, e);
}

struct heap_entry *heap_first(const struct heap *h)
{
    return h->count == 0 ? NULL : h->entries[0];
}
