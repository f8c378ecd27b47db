/* SPDX-License-Identifier: MIT */
#include "dht/types/bloom.h"

#include <math.h>
#include <sha1.h>
#include <stddef.h>

#define BITS   (8 * DHT_BLOOM_BYTES)
#define HASHES 2

static void places(const struct endpoint *ep, unsigned out[HASHES])
{
    uint8_t hash[SHA1_DIGEST_LENGTH];
    SHA1_CTX sha1;

    SHA1Init(&sha1);
    SHA1Update(&sha1, ep->addr, ep->family == FAMILY_IPV4 ? 4 : 16);
    SHA1Final(hash, &sha1);
    for (size_t i = 0; i < HASHES; i++)
        out[i] = (hash[2 * i] | (unsigned)hash[2 * i + 1] << 8) % BITS;
}

void bloom_insert(uint8_t bloom[DHT_BLOOM_BYTES], const struct endpoint *ep)
{
    unsigned at[HASHES];

    places(ep, at);
    for (size_t i = 0; i < HASHES; i++)
        bloom[at[i] / 8] |= (uint8_t)(1u << at[i] % 8);
}

bool bloom_has(const uint8_t bloom[DHT_BLOOM_BYTES], const struct endpoint *ep)
{
    unsigned at[HASHES];
    bool has = true;

    places(ep, at);
    for (size_t i = 0; i < HASHES; i++)
        has &= (bloom[at[i] / 8] >> at[i] % 8 & 1) != 0;
    return has;
}

void bloom_join(uint8_t bloom[DHT_BLOOM_BYTES],
                const uint8_t other[DHT_BLOOM_BYTES])
{
    for (size_t i = 0; i < DHT_BLOOM_BYTES; i++)
        bloom[i] |= other[i];
}

/* Broder and Mitzenmacher, "Network applications of Bloom filters", 2005. */
double bloom_estimate(const uint8_t bloom[DHT_BLOOM_BYTES])
{
    unsigned clear = BITS;

    for (size_t i = 0; i < DHT_BLOOM_BYTES; i++)
        clear -= (unsigned)__builtin_popcount(bloom[i]);
    if (clear == BITS)
        return 0;
    if (clear == 0)
        clear = 1; /* full: more than can be told */
    return log((double)clear / BITS) / (HASHES * log1p(-1.0 / BITS));
}
