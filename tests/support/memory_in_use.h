/* SPDX-License-Identifier: MIT
 *
 * What this process has allocated: of the C library's malloc or, when a
 * sanitizer has put its own in the place of that, of the sanitizer's.
 */
#ifndef WARREN_TESTS_MEMORY_IN_USE_H
#define WARREN_TESTS_MEMORY_IN_USE_H

#include <malloc.h>
#include <stddef.h>

extern size_t __sanitizer_get_current_allocated_bytes(void)
    __attribute__((weak));

static inline size_t memory_in_use(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks;
}

/* By how much two figures may differ when nothing was lost: tables that grew
 * by a step, and what the C library keeps for the next malloc as in use. */
static inline size_t memory_jitter(void)
{
    return __sanitizer_get_current_allocated_bytes != NULL ? 4096 : 32768;
}

#endif
