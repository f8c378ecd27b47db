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

#endif
