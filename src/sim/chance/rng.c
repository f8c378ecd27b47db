/* SPDX-License-Identifier: MIT
 *
 * splitmix64 (Steele, Lea and Flood, 2014) turns a seed and the number of a
 * stream into the state of xoshiro256++.
 */
#include "sim/chance/rng.h"

#include <string.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void sim_rng_init(struct sim_rng *r, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;
    uint64_t mixed = splitmix(&state) ^ stream;

    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&mixed);
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
