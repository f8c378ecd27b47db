/* SPDX-License-Identifier: MIT */
#include "tunnel/traffic/claims.h"

#include <stdlib.h>

#define FIRST_ROOM 8

void claims_init(struct claims *cs)
{
    *cs = (struct claims){0};
}

void claims_deinit(struct claims *cs)
{
    free(cs->list);
    claims_init(cs);
}

struct claim *claims_find(const struct claims *cs, uint32_t circuit)
{
    for (unsigned i = 0; i < cs->count; i++)
        if (cs->list[i].circuit == circuit)
            return &cs->list[i];
    return NULL;
}

bool claims_allow(const struct claims *cs, uint32_t circuit, uint64_t isolation)
{
    const struct claim *c = claims_find(cs, circuit);

    return c == NULL || c->isolation == isolation;
}

static bool grow(struct claims *cs)
{
    unsigned room = cs->room == 0 ? FIRST_ROOM : 2 * cs->room;
    struct claim *list;

    if (cs->count < cs->room)
        return true;
    list = realloc(cs->list, room * sizeof(*list));
    if (list == NULL)
        return false;
    cs->list = list;
    cs->room = room;
    return true;
}

struct claim *claims_take(struct claims *cs, uint32_t circuit, unsigned hops,
                          uint64_t isolation, uint64_t now)
{
    struct claim *c = claims_find(cs, circuit);

    if (c == NULL) {
        if (!grow(cs))
            return NULL;
        c = &cs->list[cs->count++];
        *c = (struct claim){
            .circuit = circuit, .hops = hops, .isolation = isolation};
    }
    c->used_at = now;
    return c;
}

void claims_drop(struct claims *cs, uint32_t circuit)
{
    struct claim *c = claims_find(cs, circuit);

    if (c != NULL)
        *c = cs->list[--cs->count];
}

uint32_t claims_spare(const struct claims *cs, unsigned hops,
                      uint64_t isolation,
                      bool (*in_use)(const void *arg, uint32_t circuit),
                      const void *arg, uint64_t now)
{
    const struct claim *oldest = NULL;

    for (unsigned i = 0; i < cs->count; i++) {
        const struct claim *c = &cs->list[i];

        if (c->hops != hops || c->isolation == isolation || c->users > 0 ||
            time_since(c->used_at, now) < CLAIM_RESTS ||
            (in_use != NULL && in_use(arg, c->circuit)))
            continue;
        if (oldest == NULL || c->used_at < oldest->used_at)
            oldest = c;
    }
    return oldest == NULL ? 0 : oldest->circuit;
}
