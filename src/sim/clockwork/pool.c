/* SPDX-License-Identifier: MIT
 *
 * Slabs of many chunks are taken from malloc and kept until the end.
 */
#include "sim/clockwork/pool.h"

#include <assert.h>
#include <stdlib.h>

#define CHUNKS_A_SLAB 32

void sim_pool_init(struct sim_pool *p, size_t chunk)
{
    assert(chunk >= 64 && chunk <= 65536);
    *p = (struct sim_pool){.chunk = chunk};
}

void sim_pool_deinit(struct sim_pool *p)
{
    while (p->slabs != NULL) {
        struct sim_chunk *slab = p->slabs;

        p->slabs = slab->next;
        free(slab);
    }
    sim_pool_init(p, p->chunk);
}

/* The first chunk of a slab is its head, so that the others stay aligned. */
static void refill(struct sim_pool *p)
{
    size_t bytes = p->chunk * CHUNKS_A_SLAB;
    struct sim_chunk *slab = aligned_alloc(64, bytes);

    if (slab == NULL)
        return;
    slab->next = p->slabs;
    p->slabs = slab;
    p->memory += bytes;
    for (size_t i = CHUNKS_A_SLAB - 1; i > 0; i--) {
        struct sim_chunk *c = (void *)((char *)slab + i * p->chunk);

        c->next = p->free;
        p->free = c;
    }
}

struct sim_chunk *sim_pool_get(struct sim_pool *p)
{
    struct sim_chunk *c;

    if (p->free == NULL)
        refill(p);
    c = p->free;
    if (c == NULL)
        return NULL;
    p->free = c->next;
    c->next = NULL;
    c->used = 0;
    return c;
}
