/* SPDX-License-Identifier: MIT
 *
 * How many peers each source has stored: an open hash table of one word a
 * source, 20 bits of a keyed hash and 12 bits of a count. Two sources whose
 * bits and places agree, one pair in a million, share a count. A count that
 * falls to 0 leaves a mark for its chain; the table is built anew from the
 * peers when it fills up.
 */
#include "dht/storage/peer_swarm.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_BITS 12
#define COUNT_MASK ((1u << COUNT_BITS) - 1)
#define FIRST_CAP  16

static_assert(PEER_STORE_SOURCE_MAX <= COUNT_MASK, "counts fit");

struct source {
    uint32_t place; /* to be scaled to the table */
    uint32_t tag;   /* in its place in the word; never 0 */
};

static struct source source_of(const struct peer_store *s, enum family family,
                               const uint8_t *addr)
{
    uint8_t input[9] = {0}, hash[crypto_shorthash_BYTES];
    struct source source;

    memcpy(input, addr, source_len(family));
    input[8] = (uint8_t)family;
    crypto_shorthash(hash, input, sizeof(input), s->key);
    memcpy(&source.place, hash, sizeof(source.place));
    memcpy(&source.tag, hash + 4, sizeof(source.tag));
    source.tag &= ~COUNT_MASK;
    if (source.tag == 0)
        source.tag = 1u << COUNT_BITS;
    return source;
}

/* The word of `source`, or the unused one where it would go. */
static uint32_t *find(uint32_t *words, unsigned cap, struct source source)
{
    unsigned i = (unsigned)((uint64_t)source.place * cap >> 32);

    while (words[i] != 0 && (words[i] & ~COUNT_MASK) != source.tag)
        i = i + 1 == cap ? 0 : i + 1;
    return &words[i];
}

unsigned peer_sources_count(const struct peer_store *s, enum family family,
                            const uint8_t *addr)
{
    if (s->source_cap == 0)
        return 0;
    return *find(s->sources, s->source_cap, source_of(s, family, addr)) &
           COUNT_MASK;
}

static void count_one(struct peer_store *s, uint32_t *words, unsigned cap,
                      enum family family, const uint8_t *addr)
{
    struct source source = source_of(s, family, addr);
    uint32_t *word = find(words, cap, source);

    if (*word == 0) {
        *word = source.tag;
        s->source_used++;
    }
    if ((*word & COUNT_MASK) < COUNT_MASK) /* two may have become one */
        ++*word;
}

static void count_all(struct peer_store *s, uint32_t *words, unsigned cap)
{
    s->source_used = 0;
    for (unsigned chain = 0; chain < s->chain_count; chain++) {
        for (const struct peer_swarm *w = s->chains[chain]; w != NULL;
             w = w->next) {
            for (unsigned f = 0; f < FAMILIES; f++) {
                for (unsigned i = 0; i < w->of[f].count; i++)
                    count_one(s, words, cap, f, record_at(&w->of[f], f, i));
            }
        }
    }
}

/* Sources in use, whose counts are not 0. */
static unsigned in_use(const struct peer_store *s)
{
    unsigned used = 0;

    for (unsigned i = 0; i < s->source_cap; i++)
        used += (s->sources[i] & COUNT_MASK) != 0;
    return used;
}

/* A table that the sources fill to half. */
static enum error rebuild(struct peer_store *s)
{
    unsigned cap = 2 * (in_use(s) + 1);
    uint32_t *words;

    if (cap < FIRST_CAP)
        cap = FIRST_CAP;
    words = calloc(cap, sizeof(*words));
    if (words == NULL)
        return ERR_NO_MEMORY;
    count_all(s, words, cap);
    free(s->sources);
    s->memory += cap * sizeof(*words);
    s->memory -= s->source_cap * sizeof(*words);
    s->sources = words;
    s->source_cap = cap;
    return OK;
}

enum error peer_sources_add(struct peer_store *s, enum family family,
                            const uint8_t *addr)
{
    /* Full to four fifths: half to four fifths is used, on average. */
    if (5 * (s->source_used + 1) > 4 * s->source_cap) {
        enum error e = rebuild(s);

        if (e != OK)
            return e;
    }
    count_one(s, s->sources, s->source_cap, family, addr);
    return OK;
}

void peer_sources_remove(struct peer_store *s, enum family family,
                         const uint8_t *addr)
{
    uint32_t *word =
        find(s->sources, s->source_cap, source_of(s, family, addr));

    if ((*word & COUNT_MASK) > 0)
        --*word;
}

void peer_sources_trim(struct peer_store *s)
{
    if (s->source_cap > FIRST_CAP && s->source_cap / 8 > s->peers)
        rebuild(s);
}
