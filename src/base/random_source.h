/* SPDX-License-Identifier: MIT
 *
 * Where the parts of an engine get unpredictable bytes: given from outside,
 * so that a test or the simulator decides.
 */
#ifndef WARREN_BASE_RANDOM_SOURCE_H
#define WARREN_BASE_RANDOM_SOURCE_H

#include <stddef.h>
#include <stdint.h>

struct random_source {
    void *ctx;
    void (*fill)(void *ctx, void *buf, size_t len);
};

static inline uint32_t random_u32(const struct random_source *random)
{
    uint32_t value;

    random->fill(random->ctx, &value, sizeof(value));
    return value;
}

/* Below `bound`, which is not 0; the bias of 2^-32 * bound is of no concern
 * to those who call it. */
static inline uint32_t random_below(const struct random_source *random,
                                    uint32_t bound)
{
    return (uint32_t)(((uint64_t)random_u32(random) * bound) >> 32);
}

#endif
