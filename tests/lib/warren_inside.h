/* SPDX-License-Identifier: MIT
 *
 * Where a program is, so that a test sees a callback that comes out of a
 * function, or while another one runs.
 */
#ifndef WARREN_TESTS_WARREN_INSIDE_H
#define WARREN_TESTS_WARREN_INSIDE_H

#include "warren_nodes.h"

static const uint8_t hash[20] = {4, 7, 1};

/* Where the program is: in a function of the library, in a callback. */
static bool in_function, in_callback, in_free;

static inline void come_in(void)
{
    assert_false(in_function && !in_free);
    assert_false(in_callback);
    in_callback = true;
}

static inline void go_out(void)
{
    in_callback = false;
}

/* One call of a function that may not call back. */
#define CALL(call)           \
    do {                     \
        in_function = true;  \
        call;                \
        in_function = false; \
    } while (0)

static inline bool never(const struct node *n)
{
    (void)n;
    return false;
}

#endif
