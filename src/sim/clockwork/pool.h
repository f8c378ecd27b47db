/* SPDX-License-Identifier: MIT
 *
 * Chunks, in which records of one window lie one after the other: taken, filled
 * at the end, read once from the beginning and put back as a whole.
 */
#ifndef WARREN_SIM_CLOCKWORK_POOL_H
#define WARREN_SIM_CLOCKWORK_POOL_H

#include <stddef.h>
#include <stdint.h>

struct sim_chunk {
    struct sim_chunk *next;
    uint32_t used; /* bytes of `data` */
    _Alignas(8) unsigned char data[];
};

/* Singly linked, with both ends; the last one's `next` is NULL. */
struct sim_chunks {
    struct sim_chunk *first, *last;
};

static inline void sim_chunks_append(struct sim_chunks *list,
                                     struct sim_chunk *c)
{
    if (list->last != NULL)
        list->last->next = c;
    else
        list->first = c;
    list->last = c;
}

/* Empties `more` into `list`. */
static inline void sim_chunks_move(struct sim_chunks *list,
                                   struct sim_chunks *more)
{
    if (more->first == NULL)
        return;
    if (list->last != NULL)
        list->last->next = more->first;
    else
        list->first = more->first;
    list->last = more->last;
    *more = (struct sim_chunks){NULL, NULL};
}

struct sim_pool {
    size_t chunk;            /* bytes, the head too */
    struct sim_chunk *free;  /* the one that was put back last comes first: it
                                may still be in the cache */
    struct sim_chunk *slabs; /* what chunks are cut from */
    size_t memory;           /* bytes in slabs */
};

/* `chunk` is a power of two, from 64 to 64 KB. */
void sim_pool_init(struct sim_pool *p, size_t chunk);
/* Frees every chunk, wherever it is. */
void sim_pool_deinit(struct sim_pool *p);

static inline size_t sim_pool_room(const struct sim_pool *p)
{
    return p->chunk - sizeof(struct sim_chunk);
}

/* Empty and alone; NULL when memory is out. */
struct sim_chunk *sim_pool_get(struct sim_pool *p);

/* Empties `list` into the pool: chunks of it, or of another one with chunks of
 * that size that lives as long. */
static inline void sim_pool_put(struct sim_pool *p, struct sim_chunks *list)
{
    if (list->first == NULL)
        return;
    list->last->next = p->free;
    p->free = list->first;
    *list = (struct sim_chunks){NULL, NULL};
}

#endif
