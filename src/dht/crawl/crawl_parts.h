/* SPDX-License-Identifier: MIT
 *
 * A walk from the inside: private to this folder. crawl.c says whom to ask,
 * crawl_learn.c takes what comes of it.
 */
#ifndef WARREN_DHT_CRAWL_CRAWL_PARTS_H
#define WARREN_DHT_CRAWL_CRAWL_PARTS_H

#include "dht/crawl/crawl_book.h"
#include "dht/crawl/crawl_probe.h"

/* The id space in parts, by the first bits of an id: how much of each is known,
 * and how often it was asked for. */
#define CRAWL_PART_BITS 12
#define CRAWL_PARTS     (1 << CRAWL_PART_BITS)

struct crawl_part {
    uint32_t known, asked;
};

struct crawl {
    struct crawl_config config;
    struct crawl_book book;
    struct crawl_probes probes[FAMILIES];
    struct crawl_part parts[FAMILIES][CRAWL_PARTS];
    struct crawl_counts counts;
    uint64_t began_at;
    uint64_t interval; /* ns from one query to the next */
    uint64_t send_at;  /* of the next one, at the earliest */
    uint32_t cursor;   /* whoever is named from here on may be unasked */
    /* Those that were silent, the longest first; and when that was, ns. */
    uint32_t first_waiting, last_waiting;
    unsigned waiting;
    enum family turn; /* whose probes are next */
    bool sweeps;      /* the last question was for no probe's sake */
};

/* In the counts too. */
void crawl_set_state(struct crawl *c, uint32_t node, enum crawl_state state);

/* The part of the id space that `id` is in. */
struct crawl_part *crawl_part_of(struct crawl *c, enum family f,
                                 const struct id *id);

/* Those that wait are asked again in the order in which they were silent. */
void crawl_enqueue(struct crawl *c, uint32_t node);
/* One that waits does no more. */
void crawl_unqueue(struct crawl *c, uint32_t node);

#endif
