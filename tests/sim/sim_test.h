/* SPDX-License-Identifier: MIT
 *
 * The seed of simulated tests: WARREN_SIM_SEED, else a fixed one, printed so
 * that the output of a failing test names it.
 */
#ifndef WARREN_TESTS_SIM_TEST_H
#define WARREN_TESTS_SIM_TEST_H

#include "sim/sim.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static inline uint64_t test_seed(void)
{
    const char *text = getenv("WARREN_SIM_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20240229;

    print_message("WARREN_SIM_SEED=%" PRIu64 "\n", seed);
    return seed;
}

#define assert_at_most(value, bound)  assert_in_range(value, 0, bound)
#define assert_at_least(value, bound) assert_in_range(value, bound, UINT32_MAX)

#endif
