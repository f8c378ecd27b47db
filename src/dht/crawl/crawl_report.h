/* SPDX-License-Identifier: MIT
 *
 * A walk in numbers, for each family.
 */
#ifndef WARREN_DHT_CRAWL_CRAWL_REPORT_H
#define WARREN_DHT_CRAWL_CRAWL_REPORT_H

#include "dht/crawl/crawl.h"
#include "dht/crawl/crawl_size.h"

#define CRAWL_VERSIONS  12 /* with most nodes; the others are together */
#define CRAWL_QUANTILES 5

struct crawl_version {
    uint8_t text[DHT_VERSION_MAX]; /* as it was sent, `len` bytes */
    uint8_t len;                   /* 0: it says none */
    uint32_t nodes;
};

struct crawl_report {
    uint64_t states[CRAWL_STATES];
    uint64_t named;      /* addresses heard of, whatever became of them */
    uint32_t id_changed; /* answered with another id than they were named by */
    uint32_t id_at_odds; /* seen, with an id that BEP 42 does not allow there */
    /* Those of whom half of the names, and at least four, are known to nobody
     * else and silent; and how many these are. */
    uint32_t liars, lies;
    struct crawl_size density, recapture;
    struct crawl_size size;         /* the better of both */
    double rtt_ms[CRAWL_QUANTILES]; /* 5, 25, 50, 75, 95 % are faster */
    struct crawl_version versions[CRAWL_VERSIONS];
    unsigned version_count;
    uint32_t other_versions; /* nodes of those that are not listed */
};

/* ERR_NO_MEMORY. */
enum error crawl_report(const struct crawl *c, enum family f,
                        struct crawl_report *out);

#endif
