/* SPDX-License-Identifier: MIT
 *
 * splitmix64 (Steele, Lea and Flood, 2014) turns a seed and the number of a
 * stream into the state of xoshiro256++.
 */
#include "sim/chance/rng.h"

#include <string.h>

void sim_rng_init(struct sim_rng *r, uint64_t seed, uint64_t stream)
{
    struct sim_draw state = {seed};
    struct sim_draw mixed = {sim_draw_next(&state) ^ stream};

    for (int i = 0; i < 4; i++)
        r->s[i] = sim_draw_next(&mixed);
}

void sim_rng_fill(struct sim_rng *r, void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len > 0) {
        uint64_t x = sim_rng_next(r);
        size_t n = len < sizeof(x) ? len : sizeof(x);

        memcpy(p, &x, n);
        p += n;
        len -= n;
    }
}

void sim_draw_fill(struct sim_draw *d, void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len > 0) {
        uint64_t x = sim_draw_next(d);
        size_t n = len < sizeof(x) ? len : sizeof(x);

        memcpy(p, &x, n);
        p += n;
        len -= n;
    }
}
