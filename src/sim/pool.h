/* SPDX-License-Identifier: MIT
 *
 * Memory for datagrams in flight, in classes 64 bytes apart, reused without
 * going through malloc. Under AddressSanitizer every piece is a malloc of its
 * own, so that an engine that reads past a datagram is caught.
 */
#ifndef WARREN_SIM_POOL_H
#define WARREN_SIM_POOL_H

#include <stddef.h>

#define SIM_POOL_STEP    64
#define SIM_POOL_CLASSES 33 /* pieces of up to 2,048 bytes */

struct sim_pool_chunk;

struct sim_pool {
    void *free[SIM_POOL_CLASSES]; /* singly linked through the pieces */
    struct sim_pool_chunk *chunks;
    size_t memory; /* bytes taken from malloc for chunks */
};

void sim_pool_init(struct sim_pool *p);
/* All pieces must have been put back. */
void sim_pool_deinit(struct sim_pool *p);

/* NULL when memory is out. `size` <= (SIM_POOL_CLASSES - 1) * SIM_POOL_STEP. */
void *sim_pool_get(struct sim_pool *p, size_t size);
/* `size` as it was given to sim_pool_get. */
void sim_pool_put(struct sim_pool *p, void *piece, size_t size);

#endif
