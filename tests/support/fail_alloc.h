/* SPDX-License-Identifier: MIT
 *
 * Makes the Nth allocation fail. Every test program is linked with malloc,
 * calloc and realloc wrapped (see fail_alloc.c), so a test asks only for the
 * failure:
 *
 *     for (unsigned n = 1;; n++) {
 *         fail_alloc_at(n);
 *         ... what allocates, and may now answer ERR_NO_MEMORY ...
 *         if (!fail_alloc_end())
 *             break;
 *     }
 *
 * Allocations inside shared libraries are not seen.
 */
#ifndef WARREN_TESTS_FAIL_ALLOC_H
#define WARREN_TESTS_FAIL_ALLOC_H

#include <stdbool.h>

/* The `n`th allocation from here fails, the later ones do not; 1 is the next
 * one. */
void fail_alloc_at(unsigned n);

/* Allocations succeed again. True when one has failed. */
bool fail_alloc_end(void);

#endif
