/* SPDX-License-Identifier: MIT
 *
 * How many peers each source has stored, at all its widths, in some 9 bytes a
 * peer at most.
 *
 * Hosts are counted exactly, in an open hash table of one word a host: 20 bits
 * of a keyed hash and 12 bits of a count. Two hosts whose bits and places
 * agree, one pair in a million, share a count. A count that falls to 0 leaves a
 * mark for its chain; all is built anew from the peers when the table fills up.
 *
 * Lines, sites and networks are estimated: each has a counter in either of two
 * rows, which it shares with others (the count-min sketch of Cormode and
 * Muthukrishnan, 2005). The lesser of the two, without what chance puts there,
 * twice the mean of all, says how much a source has when that is much; who has
 * little has no more than its host.
 */
#include "dht/storage/peer_swarm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_BITS 12
#define COUNT_MASK ((1u << COUNT_BITS) - 1)
#define FIRST_CAP  16
#define ROWS       2
#define FIRST_ROW  256 /* counters in a row */
#define ROW_PART   8   /* of the table of hosts */

static_assert(PEER_STORE_SOURCE_MAX <= COUNT_MASK, "counts fit");

/* ---- Hosts ------------------------------------------------------------- */

/* Its place, to be scaled to the table, and its tag, which is never 0. */
static uint32_t place_of(uint64_t hash)
{
    return (uint32_t)hash;
}

static uint32_t tag_of(uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32) & ~COUNT_MASK;

    return tag == 0 ? 1u << COUNT_BITS : tag;
}

static unsigned scaled(uint32_t place, unsigned cap)
{
    return (unsigned)((uint64_t)place * cap >> 32);
}

/* The word of a host, or the unused one where it would go. */
static uint32_t *find(const struct peer_counts *c, uint64_t hash)
{
    unsigned i = scaled(place_of(hash), c->cap);
    uint32_t tag = tag_of(hash);

    while (c->hosts[i] != 0 && (c->hosts[i] & ~COUNT_MASK) != tag)
        i = i + 1 == c->cap ? 0 : i + 1;
    return &c->hosts[i];
}

static void add_host(struct peer_counts *c, uint64_t hash)
{
    uint32_t *word = find(c, hash);

    if (*word == 0) {
        *word = tag_of(hash);
        c->used++;
    }
    if ((*word & COUNT_MASK) < COUNT_MASK) /* two may have become one */
        ++*word;
}

/* ---- Wider sources ----------------------------------------------------- */

static uint16_t *counter(const struct peer_counts *c, uint64_t hash,
                         unsigned row)
{
    uint32_t place = (uint32_t)(row == 0 ? hash : hash >> 32);

    return &c->wide[row * c->row + scaled(place, c->row)];
}

/* A counter that is full stays so until all is built anew. */
static void add_wide(struct peer_counts *c, const uint8_t *key,
                     const struct endpoint *ep, int more)
{
    for (int level = SOURCE_LINE; level < SOURCE_LEVELS; level++) {
        uint64_t hash;

        if (!source_counts(ep, level))
            continue;
        hash = source_hash(ep, level, key);
        for (unsigned row = 0; row < ROWS; row++) {
            uint16_t *n = counter(c, hash, row);

            if (*n < UINT16_MAX)
                *n = (uint16_t)(*n + more);
        }
        c->wide_total += (unsigned)more;
    }
}

static unsigned estimate(const struct peer_counts *c, uint64_t hash)
{
    unsigned chance = 2 * (c->wide_total / c->row);
    unsigned n = *counter(c, hash, 0), other = *counter(c, hash, 1);

    if (other < n)
        n = other;
    return n > chance ? n - chance : 0;
}

/* ---- Of the store ------------------------------------------------------ */

void peer_sources_count(const struct peer_store *s, const struct endpoint *ep,
                        unsigned counts[SOURCE_LEVELS])
{
    const struct peer_counts *c = &s->counts;

    memset(counts, 0, SOURCE_LEVELS * sizeof(*counts));
    if (c->cap == 0)
        return;
    counts[SOURCE_HOST] = *find(c, source_hash(ep, SOURCE_HOST, s->key)) &
                          COUNT_MASK;
    for (int level = SOURCE_LINE; level < SOURCE_LEVELS; level++) {
        unsigned n = 0;

        if (source_counts(ep, level))
            n = estimate(c, source_hash(ep, level, s->key));
        counts[level] = n > counts[level - 1] ? n : counts[level - 1];
    }
}

unsigned peer_sources_weight(const struct peer_store *s,
                             const struct endpoint *ep, unsigned more)
{
    unsigned counts[SOURCE_LEVELS], most = 0;

    peer_sources_count(s, ep, counts);
    for (int level = 0; level < SOURCE_LEVELS; level++) {
        unsigned weight = source_weight(level, counts[level] + more);

        if (weight > most)
            most = weight;
    }
    return most;
}

static void count_one(struct peer_counts *c, const uint8_t *key,
                      const struct endpoint *ep)
{
    add_host(c, source_hash(ep, SOURCE_HOST, key));
    add_wide(c, key, ep, 1);
}

static void count_swarm(struct peer_counts *c, const uint8_t *key,
                        const struct peer_swarm *w)
{
    for (unsigned f = 0; f < FAMILIES; f++) {
        for (unsigned i = 0; i < w->of[f].count; i++) {
            struct endpoint ep = record_source(record_at(&w->of[f], f, i), f);

            count_one(c, key, &ep);
        }
    }
}

/* Hosts in use, whose counts are not 0. */
static unsigned in_use(const struct peer_counts *c)
{
    unsigned used = 0;

    for (unsigned i = 0; i < c->cap; i++)
        used += (c->hosts[i] & COUNT_MASK) != 0;
    return used;
}

static enum error counts_init(struct peer_counts *c, unsigned cap)
{
    *c = (struct peer_counts){.cap = cap < FIRST_CAP ? FIRST_CAP : cap};
    c->row = c->cap / ROW_PART < FIRST_ROW ? FIRST_ROW : c->cap / ROW_PART;
    c->hosts = calloc(c->cap, sizeof(*c->hosts));
    c->wide = calloc((size_t)ROWS * c->row, sizeof(*c->wide));
    if (c->hosts != NULL && c->wide != NULL)
        return OK;
    free(c->hosts);
    free(c->wide);
    return ERR_NO_MEMORY;
}

static size_t counts_memory(const struct peer_counts *c)
{
    return c->cap * sizeof(*c->hosts) + ROWS * c->row * sizeof(*c->wide);
}

void peer_sources_clear(struct peer_store *s)
{
    s->memory -= counts_memory(&s->counts);
    free(s->counts.hosts);
    free(s->counts.wide);
    s->counts = (struct peer_counts){0};
}

/* A table that the hosts fill to half. */
static enum error rebuild(struct peer_store *s)
{
    struct peer_counts c;

    if (counts_init(&c, 2 * (in_use(&s->counts) + 1)) != OK)
        return ERR_NO_MEMORY;
    for (unsigned chain = 0; chain < s->chain_count; chain++) {
        for (const struct peer_swarm *w = s->chains[chain]; w != NULL;
             w = w->next)
            count_swarm(&c, s->key, w);
    }
    peer_sources_clear(s);
    s->counts = c;
    s->memory += counts_memory(&c);
    return OK;
}

enum error peer_sources_add(struct peer_store *s, const struct endpoint *ep)
{
    /* Full to four fifths: half to four fifths is used, on average. */
    if (5 * (s->counts.used + 1) > 4 * s->counts.cap) {
        enum error e = rebuild(s);

        if (e != OK)
            return e;
    }
    count_one(&s->counts, s->key, ep);
    return OK;
}

void peer_sources_remove(struct peer_store *s, const struct endpoint *ep)
{
    uint32_t *word = find(&s->counts, source_hash(ep, SOURCE_HOST, s->key));

    if ((*word & COUNT_MASK) > 0)
        --*word;
    add_wide(&s->counts, s->key, ep, -1);
}

void peer_sources_trim(struct peer_store *s)
{
    if (s->counts.cap > FIRST_CAP && s->counts.cap / 8 > s->peers)
        rebuild(s);
}
