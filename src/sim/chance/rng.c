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

/* The same bytes on every machine: the lowest first. */
static size_t put_number(uint8_t *p, size_t room, uint64_t x)
{
    size_t n = room < sizeof(x) ? room : sizeof(x);

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    memcpy(p, &x, n);
    return n;
}

void sim_rng_fill(struct sim_rng *r, void *buf, size_t len)
{
    for (size_t at = 0; at < len;)
        at += put_number((uint8_t *)buf + at, len - at, sim_rng_next(r));
}

void sim_draw_fill(struct sim_draw *d, void *buf, size_t len)
{
    for (size_t at = 0; at < len;)
        at += put_number((uint8_t *)buf + at, len - at, sim_draw_next(d));
}
