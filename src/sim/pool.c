/* SPDX-License-Identifier: MIT
 *
 * A list of unused pieces for each class of sizes. An empty one is filled from
 * a new chunk; chunks are freed with the pool.
 */
#include "sim/pool.h"

#include <assert.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define EACH_BY_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EACH_BY_MALLOC 1
#endif
#endif
#ifndef EACH_BY_MALLOC
#define EACH_BY_MALLOC 0
#endif

#define CHUNK_BYTES (64 * 1024)

struct sim_pool_chunk {
    struct sim_pool_chunk *next;
    _Alignas(SIM_POOL_STEP) unsigned char pieces[];
};

void sim_pool_init(struct sim_pool *p)
{
    *p = (struct sim_pool){0};
}

void sim_pool_deinit(struct sim_pool *p)
{
    while (p->chunks != NULL) {
        struct sim_pool_chunk *c = p->chunks;

        p->chunks = c->next;
        free(c);
    }
    sim_pool_init(p);
}

static void push(struct sim_pool *p, size_t class, void *piece)
{
    *(void **)piece = p->free[class];
    p->free[class] = piece;
}

/* Leaves the list empty when memory is out. */
static void refill(struct sim_pool *p, size_t class)
{
    size_t step = class * SIM_POOL_STEP;
    struct sim_pool_chunk *c = aligned_alloc(SIM_POOL_STEP, CHUNK_BYTES);
    size_t room = CHUNK_BYTES - sizeof(*c);

    if (c == NULL)
        return;
    c->next = p->chunks;
    p->chunks = c;
    p->memory += CHUNK_BYTES;
    for (size_t at = 0; at + step <= room; at += step)
        push(p, class, c->pieces + at);
}

void *sim_pool_get(struct sim_pool *p, size_t size)
{
    size_t class = (size + SIM_POOL_STEP - 1) / SIM_POOL_STEP;
    void *piece;

    assert(size > 0 && class < SIM_POOL_CLASSES);
    if (EACH_BY_MALLOC)
        return malloc(size);
    if (p->free[class] == NULL)
        refill(p, class);
    piece = p->free[class];
    if (piece != NULL)
        p->free[class] = *(void **)piece;
    return piece;
}

void sim_pool_put(struct sim_pool *p, void *piece, size_t size)
{
    if (EACH_BY_MALLOC)
        free(piece);
    else
        push(p, (size + SIM_POOL_STEP - 1) / SIM_POOL_STEP, piece);
}
