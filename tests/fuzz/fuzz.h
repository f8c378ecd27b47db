/* SPDX-License-Identifier: MIT
 *
 * What a fuzz harness, tests/fuzz/fuzz_<target>.c, has to define. libFuzzer
 * or replay.c calls it; it returns 0 and aborts on what must not happen. It
 * keeps no state from one call to the next.
 */

#ifndef WARREN_TESTS_FUZZ_H
#define WARREN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input that is taken byte by byte. */
struct input {
    const uint8_t *p;
    size_t left;
};

/* 0 at the end. */
static inline uint8_t input_take(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

#endif
