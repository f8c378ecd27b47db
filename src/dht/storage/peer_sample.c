/* SPDX-License-Identifier: MIT
 *
 * Random choices from the peer store, without a list of what was chosen: a
 * stride through all that there is, see struct stride. And how many there are,
 * as BEP 33 tells it.
 */
#include "dht/storage/peer_swarm.h"

#include "dht/types/bloom.h"

static unsigned common_divisor(unsigned a, unsigned b)
{
    while (b != 0) {
        unsigned rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* A walk over 0..count-1 that meets each once: a random start, and steps of a
 * random length that has no divisor in common with `count`. */
struct stride {
    unsigned count, at, step;
};

static struct stride stride_of(const struct random_source *random,
                               unsigned count)
{
    struct stride walk = {.count = count};

    walk.at = random_below(random, count);
    walk.step = 1 + random_below(random, count);
    while (common_divisor(walk.step, count) != 1)
        walk.step++;
    walk.step %= count;
    return walk;
}

static unsigned stride_next(struct stride *walk)
{
    unsigned at = walk->at;

    walk->at = (unsigned)(((uint64_t)at + walk->step) % walk->count);
    return at;
}

size_t peer_store_sample(struct peer_store *s, const struct id *hash,
                         enum family family, bool no_seeds,
                         const struct random_source *random,
                         struct endpoint *out, size_t max, uint64_t now)
{
    struct peer_clock clock = peer_clock_of(s, now);
    const struct peer_records *r;
    const struct peer_swarm *w;
    struct stride walk;
    size_t n = 0;

    peer_store_advance(s, now);
    w = peer_store_find(s, hash);
    if (w == NULL || w->of[family].count == 0)
        return 0;
    r = &w->of[family];
    walk = stride_of(random, r->count);
    for (unsigned i = 0; i < r->count && n < max; i++) {
        const uint8_t *record = record_at(r, family, stride_next(&walk));
        size_t len = record_len(family) - sizeof(uint16_t);

        if (!record_is_expired(record, family, clock) &&
            !(no_seeds && record_is_seed(record, family)) &&
            endpoint_read_compact(bytes_of(record, len), &out[n]) == OK)
            n++;
    }
    return n;
}

bool peer_store_scrape(struct peer_store *s, const struct id *hash,
                       uint8_t seeds[DHT_BLOOM_BYTES],
                       uint8_t others[DHT_BLOOM_BYTES], uint64_t now)
{
    struct peer_clock clock = peer_clock_of(s, now);
    const struct peer_swarm *w;
    bool any = false;

    peer_store_advance(s, now);
    w = peer_store_find(s, hash);
    for (unsigned f = 0; w != NULL && f < FAMILIES; f++) {
        for (unsigned i = 0; i < w->of[f].count; i++) {
            const uint8_t *record = record_at(&w->of[f], f, i);
            struct endpoint ep = record_source(record, f);

            if (record_is_expired(record, f, clock))
                continue;
            bloom_insert(record_is_seed(record, f) ? seeds : others, &ep);
            any = true;
        }
    }
    return any;
}

static bool has_peers(const struct peer_swarm *w, struct peer_clock clock)
{
    for (unsigned f = 0; f < FAMILIES; f++) {
        for (unsigned i = 0; i < w->of[f].count; i++) {
            if (!record_is_expired(record_at(&w->of[f], f, i), f, clock))
                return true;
        }
    }
    return false;
}

size_t peer_store_sample_hashes(struct peer_store *s,
                                const struct random_source *random,
                                uint8_t *out, size_t max, uint64_t now)
{
    struct peer_clock clock = peer_clock_of(s, now);
    struct stride walk;
    size_t n = 0;

    peer_store_advance(s, now);
    if (s->hashes == 0)
        return 0;
    walk = stride_of(random, s->chain_count);
    for (unsigned i = 0; i < s->chain_count && n < max; i++) {
        const struct peer_swarm *w = s->chains[stride_next(&walk)];

        for (; w != NULL && n < max; w = w->next) {
            if (has_peers(w, clock))
                memcpy(out + ID_BYTES * n++, w->hash.b, ID_BYTES);
        }
    }
    return n;
}
