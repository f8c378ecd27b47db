/* SPDX-License-Identifier: MIT
 *
 * How busy this thread is: the part of the time in which it has run, or would
 * have if another had not had the processor. It is what limits over all follow
 * (base/limiter.h).
 */
#ifndef WARREN_NODE_OS_LOAD_H
#define WARREN_NODE_OS_LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct load {
    int fd;           /* of what the kernel tells; -1: processor time alone */
    uint64_t at;      /* monotonic, of the last look */
    uint64_t busy;    /* ns until then */
    unsigned average; /* of LIMITER_LOAD_MAX */
};

/* By the thread that will look. */
void load_init(struct load *l, uint64_t now);
void load_deinit(struct load *l);

/* To be called while there is work; cheap. True when a tenth of a second has
 * gone by since the last true, and `average` is new. */
bool load_look(struct load *l, uint64_t now);

#endif
