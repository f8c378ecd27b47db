/* SPDX-License-Identifier: MIT */
#include "sim/part/dht/id_index.h"

#include <stdlib.h>

#define BITS_MAX   16
#define PER_BUCKET 8 /* about so many are expected in each */

enum error id_index_init(struct id_index *x, size_t expected)
{
    struct id_index made = {0};

    while (made.bits < BITS_MAX && expected >> made.bits > PER_BUCKET)
        made.bits++;
    made.buckets = calloc((size_t)1 << made.bits, sizeof(*made.buckets));
    if (made.buckets == NULL)
        return ERR_NO_MEMORY;
    *x = made;
    return OK;
}

void id_index_deinit(struct id_index *x)
{
    for (size_t i = 0; x->buckets != NULL && i < (size_t)1 << x->bits; i++)
        free(x->buckets[i].entries);
    free(x->buckets);
    *x = (struct id_index){0};
}

static uint32_t place_of(const struct id_index *x, const struct id *id)
{
    return ((uint32_t)id->b[0] << 8 | id->b[1]) >> (BITS_MAX - x->bits);
}

enum error id_index_add(struct id_index *x, const struct id *id, uint32_t who)
{
    struct id_bucket *b = &x->buckets[place_of(x, id)];

    if (b->count == b->cap) {
        uint32_t cap = b->cap == 0 ? 8 : 2 * b->cap;
        struct id_entry *more = realloc(b->entries, cap * sizeof(*more));

        if (more == NULL)
            return ERR_NO_MEMORY;
        b->entries = more;
        b->cap = cap;
    }
    b->entries[b->count++] = (struct id_entry){*id, who};
    x->count++;
    return OK;
}

void id_index_remove(struct id_index *x, const struct id *id, uint32_t who)
{
    struct id_bucket *b = &x->buckets[place_of(x, id)];

    for (uint32_t i = 0; i < b->count; i++) {
        if (b->entries[i].who == who && id_equal(&b->entries[i].id, id)) {
            b->entries[i] = b->entries[--b->count];
            x->count--;
            return;
        }
    }
}

size_t id_entry_sort_in(const struct id *target, const struct id_entry *e,
                        size_t k, struct id_entry *out, size_t n)
{
    size_t i = n;

    while (i > 0 && id_compare_distance(target, &e->id, &out[i - 1].id) < 0) {
        if (i < k)
            out[i] = out[i - 1];
        i--;
    }
    if (i < k)
        out[i] = *e;
    return n < k ? n + 1 : k;
}

size_t id_index_nearest(const struct id_index *x, const struct id *target,
                        size_t k, struct id_entry *out)
{
    uint32_t at = place_of(x, target);
    size_t n = 0, seen = 0;

    for (uint32_t i = 0; i >> x->bits == 0 && n < k && seen < x->count; i++) {
        const struct id_bucket *b = &x->buckets[at ^ i];

        seen += b->count;
        for (uint32_t j = 0; j < b->count; j++)
            n = id_entry_sort_in(target, &b->entries[j], k, out, n);
    }
    return n;
}
