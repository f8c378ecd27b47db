/* SPDX-License-Identifier: MIT
 *
 * A short array, searched from the front; the one found last is tried first,
 * since datagrams to one destination come together.
 */
#include "tunnel/exit/exit_destination.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_CAP 2

void exit_destinations_deinit(struct exit_destinations *d)
{
    free(d->list);
    *d = (struct exit_destinations){0};
}

struct exit_destination *exit_destinations_find(struct exit_destinations *d,
                                                const struct endpoint *ep)
{
    if (d->last < d->count && endpoint_equal(&d->list[d->last].ep, ep))
        return &d->list[d->last];
    for (uint16_t i = 0; i < d->count; i++) {
        if (endpoint_equal(&d->list[i].ep, ep)) {
            d->last = i;
            return &d->list[i];
        }
    }
    return NULL;
}

static uint64_t used_at(const struct exit_destination *it)
{
    return it->sent_at > it->answered_at ? it->sent_at : it->answered_at;
}

static struct exit_destination *find_victim(struct exit_destinations *d,
                                            uint64_t idle_since, uint64_t now)
{
    struct exit_destination *victim = NULL;

    for (uint16_t i = 0; i < d->count; i++) {
        struct exit_destination *it = &d->list[i];

        if (it->silent.full_at <= now && used_at(it) <= idle_since &&
            (victim == NULL || used_at(it) < used_at(victim)))
            victim = it;
    }
    return victim;
}

static bool grow(struct exit_destinations *d, unsigned max)
{
    unsigned cap = d->cap == 0 ? FIRST_CAP : 2u * d->cap;
    struct exit_destination *list;

    if (cap > max)
        cap = max;
    list = realloc(d->list, cap * sizeof(*list));
    if (list == NULL)
        return false;
    d->list = list;
    d->cap = (uint16_t)cap;
    return true;
}

struct exit_destination *
exit_destinations_add(struct exit_destinations *d, const struct endpoint *ep,
                      unsigned max, uint64_t idle_since, uint64_t now)
{
    struct exit_destination *it;

    assert(max > 0 && max <= UINT16_MAX);
    if (d->count == max)
        it = find_victim(d, idle_since, now);
    else if (d->count < d->cap || grow(d, max))
        it = &d->list[d->count++];
    else
        it = NULL;
    if (it != NULL)
        *it = (struct exit_destination){.ep = *ep};
    return it;
}

void exit_destinations_remove(struct exit_destinations *d,
                              struct exit_destination *it)
{
    assert(d->count > 0);
    *it = d->list[--d->count];
}

bool exit_destination_answers(const struct exit_destination *it,
                              uint64_t answer_counts, uint64_t now)
{
    return it->has_answered && time_since(it->answered_at, now) < answer_counts;
}
