/* SPDX-License-Identifier: MIT
 *
 * An array of slots that doubles up to `max`. The search for an unused slot
 * begins at the last one given and goes around. Whoever still has the index of
 * what was in a slot before is kept out by the random bits.
 */
#include "base/table/slot_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_MASK (((uint32_t)1 << SLOT_BITS) - 1)

void slot_table_init(struct slot_table *t, size_t max,
                     const struct random_source *random)
{
    assert(max <= SLOTS_MAX);
    *t = (struct slot_table){.max = max, .random = *random};
}

void slot_table_deinit(struct slot_table *t)
{
    free(t->slots);
}

static enum error grow(struct slot_table *t)
{
    size_t cap = t->cap == 0 ? 16 : 2 * t->cap;
    struct slot *slots;

    if (cap > t->max)
        cap = t->max;
    slots = realloc(t->slots, cap * sizeof(struct slot));
    if (slots == NULL)
        return ERR_NO_MEMORY;
    memset(slots + t->cap, 0, (cap - t->cap) * sizeof(struct slot));
    t->next = t->cap;
    t->slots = slots;
    t->cap = cap;
    return OK;
}

enum error slot_table_add(struct slot_table *t, void *thing, uint32_t *index)
{
    uint32_t above;

    if (t->count == t->max)
        return ERR_FULL;
    if (t->count == t->cap && grow(t) != OK)
        return ERR_NO_MEMORY;
    while (t->slots[t->next].thing != NULL)
        t->next = (t->next + 1) % t->cap;
    do {
        above = random_u32(&t->random) & ~SLOT_MASK;
    } while (above == 0);
    t->slots[t->next] = (struct slot){thing, above | (uint32_t)t->next};
    *index = t->slots[t->next].index;
    t->count++;
    return OK;
}

void slot_table_remove(struct slot_table *t, uint32_t index)
{
    struct slot *s = &t->slots[index & SLOT_MASK];

    assert(s->index == index && s->thing != NULL);
    *s = (struct slot){0};
    t->count--;
}

void *slot_table_find(const struct slot_table *t, uint32_t index)
{
    size_t slot = index & SLOT_MASK;

    if (slot >= t->cap || t->slots[slot].index != index)
        return NULL;
    return t->slots[slot].thing;
}
