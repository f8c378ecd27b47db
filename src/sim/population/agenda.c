/* SPDX-License-Identifier: MIT */
#include "sim/population/agenda.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

void agenda_deinit(struct agenda *a)
{
    free(a->entries);
    *a = (struct agenda){0};
}

static bool before(const struct agenda_entry *a, const struct agenda_entry *b)
{
    return a->at != b->at ? a->at < b->at : a->seat < b->seat;
}

static enum error grow(struct agenda *a)
{
    size_t cap = a->cap == 0 ? 64 : 2 * a->cap;
    struct agenda_entry *entries = realloc(a->entries, cap * sizeof(*entries));

    if (entries == NULL)
        return ERR_NO_MEMORY;
    a->entries = entries;
    a->cap = cap;
    return OK;
}

enum error agenda_add(struct agenda *a, uint64_t at, uint32_t seat)
{
    struct agenda_entry e = {at, seat};
    size_t i = a->count;

    if (a->count == a->cap && grow(a) != OK)
        return ERR_NO_MEMORY;
    a->count++;
    while (i > 0 && before(&e, &a->entries[(i - 1) / 2])) {
        a->entries[i] = a->entries[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    a->entries[i] = e;
    return OK;
}

uint64_t agenda_next(const struct agenda *a)
{
    return a->count > 0 ? a->entries[0].at : TIME_NEVER;
}

struct agenda_entry agenda_take(struct agenda *a)
{
    struct agenda_entry first, last;
    size_t i = 0, child;

    assert(a->count > 0);
    first = a->entries[0];
    last = a->entries[--a->count];
    while ((child = 2 * i + 1) < a->count) {
        if (child + 1 < a->count &&
            before(&a->entries[child + 1], &a->entries[child]))
            child++;
        if (!before(&a->entries[child], &last))
            break;
        a->entries[i] = a->entries[child];
        i = child;
    }
    if (a->count > 0)
        a->entries[i] = last;
    return first;
}
