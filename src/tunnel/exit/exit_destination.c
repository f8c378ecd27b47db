/* SPDX-License-Identifier: MIT */
#include "tunnel/exit/exit_destination.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_CAP 2

void destinations_deinit(struct destinations *d)
{
    free(d->list);
    *d = (struct destinations){0};
}

struct destination *destinations_find(struct destinations *d,
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

static uint64_t used_at(const struct destination *it)
{
    return it->sent_at > it->answered_at ? it->sent_at : it->answered_at;
}

static struct destination *find_victim(struct destinations *d,
                                       uint64_t idle_since, uint64_t now)
{
    struct destination *victim = NULL;

    for (uint16_t i = 0; i < d->count; i++) {
        struct destination *it = &d->list[i];

        if (it->silent.full_at <= now && used_at(it) <= idle_since &&
            (victim == NULL || used_at(it) < used_at(victim)))
            victim = it;
    }
    return victim;
}

static bool grow(struct destinations *d, unsigned max)
{
    unsigned cap = d->cap == 0 ? FIRST_CAP : 2u * d->cap;
    struct destination *list;

    if (cap > max)
        cap = max;
    list = realloc(d->list, cap * sizeof(*list));
    if (list == NULL)
        return false;
    d->list = list;
    d->cap = (uint16_t)cap;
    return true;
}

struct destination *destinations_add(struct destinations *d,
                                     const struct endpoint *ep, unsigned max,
                                     uint64_t idle_since, uint64_t now)
{
    struct destination *it;

    assert(max > 0 && max <= UINT16_MAX);
    if (d->count == max)
        it = find_victim(d, idle_since, now);
    else if (d->count < d->cap || grow(d, max))
        it = &d->list[d->count++];
    else
        it = NULL;
    if (it != NULL)
        *it = (struct destination){.ep = *ep};
    return it;
}

void destinations_remove(struct destinations *d, struct destination *it)
{
    assert(d->count > 0);
    *it = d->list[--d->count];
}

bool destination_may_send(struct destination *it, const struct token_rate *rate,
                          uint64_t answer_counts, uint64_t now)
{
    if (it->has_answered && time_since(it->answered_at, now) < answer_counts)
        return true;
    return token_bucket_take(&it->silent, rate, now);
}
