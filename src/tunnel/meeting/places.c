/* SPDX-License-Identifier: MIT
 *
 * An array of places, and the shares of it.
 */
#include "tunnel/meeting/places.h"

#include "base/timestamp.h"

#include <stdlib.h>

/* What was of no use for so long need not weigh more than the newcomer. */
#define PLACE_IDLE (5 * TIME_MIN)

void places_init(struct places *p, unsigned max, bool testing_network,
                 const struct random_source *random)
{
    *p = (struct places){.max = max, .testing_network = testing_network};
    shares_init(&p->shares, random);
}

void places_deinit(struct places *p)
{
    shares_deinit(&p->shares);
    free(p->all);
}

static bool tell(const void *table, size_t at, struct holding *out)
{
    const struct places *p = table;
    const struct place *place = p->all[at];

    *out = (struct holding){.source = place->source, .used_at = place->used_at};
    return !place->is_kept;
}

static bool has_three_quarters(const struct places *p,
                               const struct endpoint *source)
{
    return !p->testing_network &&
           shares_count(&p->shares, source, SOURCE_LINE) >= p->max - p->max / 4;
}

bool places_find(struct places *p, const struct endpoint *source, uint64_t now,
                 struct place **out)
{
    size_t at;

    *out = NULL;
    if (p->count < p->max && !has_three_quarters(p, source))
        return true;
    at =
        shares_make_way(&p->shares, source, p->count, tell, p, PLACE_IDLE, now);
    if (at == SIZE_MAX)
        return false;
    *out = p->all[at];
    return true;
}

static enum error grow(struct places *p)
{
    size_t cap = p->cap == 0 ? 8 : 2 * p->cap;
    struct place **grown;

    if (p->count < p->cap)
        return OK;
    grown = realloc(p->all, cap * sizeof(struct place *));
    if (grown == NULL)
        return ERR_NO_MEMORY;
    p->all = grown;
    p->cap = cap;
    return OK;
}

enum error places_add(struct places *p, struct place *place,
                      const struct endpoint *source, uint64_t now)
{
    enum error e = grow(p);

    if (e == OK)
        e = shares_add(&p->shares, source);
    if (e != OK)
        return e;
    *place = (struct place){.source = *source, .used_at = now, .at = p->count};
    p->all[p->count++] = place;
    return OK;
}

void places_remove(struct places *p, struct place *place)
{
    shares_remove(&p->shares, &place->source);
    p->all[place->at] = p->all[--p->count];
    p->all[place->at]->at = place->at;
}

enum error places_move(struct places *p, struct place *place,
                       const struct endpoint *source)
{
    enum error e = shares_add(&p->shares, source);

    if (e != OK)
        return e;
    shares_remove(&p->shares, &place->source);
    place->source = *source;
    return OK;
}

size_t places_memory(const struct places *p)
{
    return p->cap * sizeof(struct place *) + shares_memory(&p->shares);
}
