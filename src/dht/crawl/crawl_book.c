/* SPDX-License-Identifier: MIT */
#include "dht/crawl/crawl_book.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_NODES 256 /* a power of two, as all sizes of `slots` */

/* How many times a host's cap is that of each level. */
static const unsigned factors[SOURCE_LEVELS] = {
    [SOURCE_HOST] = 1,
    [SOURCE_LINE] = 1,
    [SOURCE_SITE] = 8,
    [SOURCE_NETWORK] = 256,
};

void crawl_book_init(struct crawl_book *b, const struct crawl_config *config)
{
    *b = (struct crawl_book){.max = config->max_nodes,
                             .max_per_host = config->max_per_host};
    config->random.fill(config->random.ctx, b->key, sizeof(b->key));
    shares_init(&b->shares, &config->random);
}

void crawl_book_deinit(struct crawl_book *b)
{
    shares_deinit(&b->shares);
    free(b->nodes);
    free(b->slots);
}

size_t crawl_book_memory(const struct crawl_book *b)
{
    return b->cap * sizeof(*b->nodes) + b->slot_count * sizeof(*b->slots) +
           shares_memory(&b->shares);
}

/* ---- Finding ------------------------------------------------------------- */

static uint32_t hash(const struct crawl_book *b, const struct endpoint *ep)
{
    uint8_t in[ENDPOINT_COMPACT_MAX], out[crypto_shorthash_BYTES];
    uint32_t value;

    crypto_shorthash(out, in, endpoint_write_compact(ep, in), b->key);
    memcpy(&value, out, sizeof(value));
    return value;
}

/* The slot that has it, or the free one where it would be. */
static uint32_t slot_of(const struct crawl_book *b, const struct endpoint *ep)
{
    uint32_t at = hash(b, ep) & (b->slot_count - 1);

    while (b->slots[at] != 0 &&
           !endpoint_equal(&b->nodes[b->slots[at] - 1].ep, ep))
        at = (at + 1) & (b->slot_count - 1);
    return at;
}

uint32_t crawl_book_find(const struct crawl_book *b, const struct endpoint *ep)
{
    uint32_t found;

    if (b->slot_count == 0)
        return CRAWL_NOBODY;
    found = b->slots[slot_of(b, ep)];
    return found == 0 ? CRAWL_NOBODY : found - 1;
}

/* ---- Adding -------------------------------------------------------------- */

/* Twice as many slots as there are places for nodes. */
static enum error grow(struct crawl_book *b)
{
    uint32_t cap = b->cap == 0 ? FIRST_NODES : 2 * b->cap;
    struct crawl_node *nodes = realloc(b->nodes, cap * sizeof(*nodes));
    uint32_t *slots;

    if (nodes == NULL)
        return ERR_NO_MEMORY;
    b->nodes = nodes;
    slots = calloc(2 * (size_t)cap, sizeof(*slots));
    if (slots == NULL)
        return ERR_NO_MEMORY;
    free(b->slots);
    b->slots = slots;
    b->slot_count = 2 * cap;
    b->cap = cap;
    for (uint32_t i = 0; i < b->count; i++)
        b->slots[slot_of(b, &b->nodes[i].ep)] = i + 1;
    return OK;
}

/* The level at which its source has as many as it may, or SOURCE_LEVELS. */
static int full_level(const struct crawl_book *b, const struct endpoint *ep)
{
    int level = 0;

    while (level < SOURCE_LEVELS &&
           (!source_counts(ep, (enum source_level)level) ||
            shares_count(&b->shares, ep, (enum source_level)level) <
                b->max_per_host * factors[level]))
        level++;
    return level;
}

uint32_t crawl_book_add(struct crawl_book *b, const struct endpoint *ep)
{
    int level = full_level(b, ep);

    if (level < SOURCE_LEVELS) {
        b->refused_sources[level]++;
        return CRAWL_NOBODY;
    }
    if (b->count >= b->max || (b->count == b->cap && grow(b) != OK) ||
        shares_add(&b->shares, ep) != OK) {
        b->refused_full++;
        return CRAWL_NOBODY;
    }
    b->nodes[b->count] = (struct crawl_node){.ep = *ep,
                                             .first_namer = CRAWL_NOBODY,
                                             .last_namer = CRAWL_NOBODY,
                                             .next = CRAWL_NOBODY};
    b->slots[slot_of(b, ep)] = b->count + 1;
    return b->count++;
}
