/* SPDX-License-Identifier: MIT
 *
 * The simulator's random numbers: xoshiro256++ (Blackman and Vigna, 2019),
 * seeded through splitmix64. Fast and the same on every machine for one seed
 * and stream. NOT cryptographic: what it yields can be predicted, which is
 * what a run that can be repeated needs and a real node must never have.
 */
#ifndef WARREN_SIM_CHANCE_RNG_H
#define WARREN_SIM_CHANCE_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_rng {
    uint64_t s[4];
};

/* Streams of one seed are unrelated: one for the network, one a node. */
void sim_rng_init(struct sim_rng *r, uint64_t seed, uint64_t stream);

void sim_rng_fill(struct sim_rng *r, void *buf, size_t len);

static inline uint64_t sim_rng_rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static inline uint64_t sim_rng_next(struct sim_rng *r)
{
    uint64_t *s = r->s;
    uint64_t out = sim_rng_rotate(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = sim_rng_rotate(s[3], 45);
    return out;
}

/* 0 <= result < n, and 0 for n = 0. The bias is below n / 2^32. */
static inline uint32_t sim_rng_below(struct sim_rng *r, uint32_t n)
{
    return (uint32_t)(((sim_rng_next(r) >> 32) * n) >> 32);
}

/* A probability as a threshold for sim_rng_chance. */
static inline uint64_t sim_rng_threshold(double probability)
{
    if (probability <= 0)
        return 0;
    if (probability >= 1)
        return UINT64_C(1) << 53;
    return (uint64_t)(probability * (double)(UINT64_C(1) << 53));
}

/* True with the probability of the threshold. Takes no number for "never". */
static inline bool sim_rng_chance(struct sim_rng *r, uint64_t threshold)
{
    return threshold != 0 && sim_rng_next(r) >> 11 < threshold;
}

/* ---- In eight bytes ------------------------------------------------------ */

/* splitmix64 (Steele, Lea and Flood, 2014) alone: for a stream a node, and one
 * a datagram, of which there are too many for the above. */
struct sim_draw {
    uint64_t s;
};

static inline uint64_t sim_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The stream of (seed, who, which); the same for the same three. */
static inline struct sim_draw sim_draw_of(uint64_t seed, uint32_t who,
                                          uint64_t which)
{
    uint64_t mixed = sim_mix(seed + UINT64_C(0x9e3779b97f4a7c15) * (who + 1));

    return (struct sim_draw){
        sim_mix(mixed + UINT64_C(0xd1b54a32d192ed03) * (which + 1))};
}

static inline uint64_t sim_draw_next(struct sim_draw *d)
{
    return sim_mix(d->s += UINT64_C(0x9e3779b97f4a7c15));
}

/* As sim_rng_below. */
static inline uint32_t sim_draw_below(struct sim_draw *d, uint32_t n)
{
    return (uint32_t)(((sim_draw_next(d) >> 32) * n) >> 32);
}

/* As sim_rng_chance. */
static inline bool sim_draw_chance(struct sim_draw *d, uint64_t threshold)
{
    return threshold != 0 && sim_draw_next(d) >> 11 < threshold;
}

void sim_draw_fill(struct sim_draw *d, void *buf, size_t len);

#endif
