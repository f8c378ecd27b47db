/* SPDX-License-Identifier: MIT
 *
 * The addresses that a walk knows: found by address, counted by source, capped.
 * They are never forgotten, so that nobody is asked twice.
 */
#ifndef WARREN_DHT_CRAWL_CRAWL_BOOK_H
#define WARREN_DHT_CRAWL_CRAWL_BOOK_H

#include "base/table/shares.h"
#include "dht/crawl/crawl.h"

#include <stdint.h>

struct crawl_book {
    struct crawl_node *nodes;
    uint32_t count, cap, max;
    uint32_t *slots; /* open addressing: an index and 1; 0: free */
    uint32_t slot_count;
    unsigned max_per_host;
    uint8_t key[SOURCE_KEY_BYTES]; /* of the hash: nobody aims at a slot */
    struct shares shares;
    uint64_t refused_sources[SOURCE_LEVELS], refused_full;
};

void crawl_book_init(struct crawl_book *b, const struct crawl_config *config);
void crawl_book_deinit(struct crawl_book *b);

/* CRAWL_NOBODY: not known. */
uint32_t crawl_book_find(const struct crawl_book *b, const struct endpoint *ep);
/* One that is not known; CRAWL_NOBODY: above a cap, which is counted, or out of
 * memory, which counts as the overall cap. */
uint32_t crawl_book_add(struct crawl_book *b, const struct endpoint *ep);

size_t crawl_book_memory(const struct crawl_book *b);

#endif
