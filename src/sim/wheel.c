/* SPDX-License-Identifier: MIT
 *
 * An entry waits at the level of the highest digit (base 64) in which its tick
 * differs from now, in the slot of that digit. So every occupied slot of a
 * level lies ahead, the lowest occupied level holds what comes first, and a
 * slot is refilled only after it has been emptied: the order of adding holds on
 * the way down.
 */
#include "sim/wheel.h"

#include <assert.h>

void sim_wheel_init(struct sim_wheel *w, uint64_t now)
{
    w->now = now;
    w->count = 0;
    for (int i = 0; i < SIM_WHEEL_LEVELS; i++)
        w->occupied[i] = 0;
    for (int i = 0; i < SIM_WHEEL_LEVELS * SIM_WHEEL_SLOTS; i++)
        w->slots[i] = (struct sim_wheel_link){&w->slots[i], &w->slots[i]};
}

static unsigned digit(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * SIM_WHEEL_BITS)) & (SIM_WHEEL_SLOTS - 1);
}

/* Puts it where it waits, at the end of the slot. */
static void file(struct sim_wheel *w, struct sim_wheel_entry *e)
{
    uint64_t diff = e->tick ^ w->now;
    unsigned level =
        diff == 0 ? 0 : (63 - (unsigned)__builtin_clzll(diff)) / SIM_WHEEL_BITS;
    unsigned slot = digit(e->tick, level);
    struct sim_wheel_link *head = &w->slots[level * SIM_WHEEL_SLOTS + slot];

    e->link.next = head;
    e->link.prev = head->prev;
    head->prev->next = &e->link;
    head->prev = &e->link;
    w->occupied[level] |= UINT64_C(1) << slot;
}

void sim_wheel_add(struct sim_wheel *w, struct sim_wheel_entry *e,
                   uint64_t tick)
{
    assert(!sim_wheel_has(e) && tick < SIM_WHEEL_HORIZON);
    e->tick = tick < w->now ? w->now : tick;
    file(w, e);
    w->count++;
}

static void unlink_entry(struct sim_wheel *w, struct sim_wheel_entry *e)
{
    struct sim_wheel_link *next = e->link.next;
    struct sim_wheel_link *prev = e->link.prev;

    next->prev = prev;
    prev->next = next;
    if (next == prev) { /* only the head is left */
        ptrdiff_t at = next - w->slots;

        w->occupied[at / SIM_WHEEL_SLOTS] &=
            ~(UINT64_C(1) << (at % SIM_WHEEL_SLOTS));
    }
    e->link = (struct sim_wheel_link){NULL, NULL};
}

void sim_wheel_remove(struct sim_wheel *w, struct sim_wheel_entry *e)
{
    if (!sim_wheel_has(e))
        return;
    unlink_entry(w, e);
    w->count--;
}

/* Moves the entries of a slot whose time has begun to the levels below. */
static void cascade(struct sim_wheel *w, unsigned level, unsigned slot)
{
    struct sim_wheel_link *head = &w->slots[level * SIM_WHEEL_SLOTS + slot];
    struct sim_wheel_link *l = head->next;

    head->next = head->prev = head;
    w->occupied[level] &= ~(UINT64_C(1) << slot);
    while (l != head) {
        struct sim_wheel_link *next = l->next;

        __builtin_prefetch(next->next);
        file(w, (struct sim_wheel_entry *)(void *)l);
        l = next;
    }
}

/* The tick at which the slot begins, given that it lies ahead of now. */
static uint64_t slot_start(const struct sim_wheel *w, unsigned level,
                           unsigned slot)
{
    unsigned shift = level * SIM_WHEEL_BITS;
    uint64_t above = w->now >> shift >> SIM_WHEEL_BITS;

    return ((above << SIM_WHEEL_BITS) | slot) << shift;
}

struct sim_wheel_entry *sim_wheel_pop(struct sim_wheel *w, uint64_t limit)
{
    while (w->count > 0) {
        struct sim_wheel_entry *e;
        unsigned level = 0, slot;
        uint64_t start;

        while (w->occupied[level] == 0)
            level++;
        slot = (unsigned)__builtin_ctzll(w->occupied[level]);
        start = slot_start(w, level, slot);
        if (start > limit)
            break;
        w->now = start;
        if (level > 0) {
            cascade(w, level, slot);
            continue;
        }
        e = (struct sim_wheel_entry *)(void *)w->slots[slot].next;
        unlink_entry(w, e);
        w->count--;
        return e;
    }
    if (w->now < limit)
        w->now = limit;
    return NULL;
}
