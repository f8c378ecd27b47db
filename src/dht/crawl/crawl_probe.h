/* SPDX-License-Identifier: MIT
 *
 * The probes of a walk: random targets, and the nearest addresses to each that
 * are known and not silent. A probe is done when the DHT_K nearest have all
 * answered.
 */
#ifndef WARREN_DHT_CRAWL_CRAWL_PROBE_H
#define WARREN_DHT_CRAWL_CRAWL_PROBE_H

#include "dht/crawl/crawl_book.h"

#define CRAWL_NEAR 32 /* kept of each: the silent among them make way */

struct crawl_target {
    struct id id;
    uint32_t near[CRAWL_NEAR]; /* in the book; ascending distance */
    uint8_t count;
    bool cut;  /* some fell off the end, and would come back */
    bool done; /* its DHT_K nearest have answered */
};

/* Those of one family. */
struct crawl_probes {
    struct crawl_target *targets;
    unsigned count, done;
    unsigned turn; /* whose is next */
    enum family family;
};

/* ERR_NO_MEMORY. */
enum error crawl_probes_init(struct crawl_probes *p, enum family family,
                             unsigned count, const struct random_source *r);
void crawl_probes_deinit(struct crawl_probes *p);

/* An address with an id that was not known, or not with this id. */
void crawl_probes_offer(struct crawl_probes *p, const struct crawl_book *b,
                        uint32_t node);
/* It is silent, or goes by another id: to be taken out before that is
 * written down. */
void crawl_probes_drop(struct crawl_probes *p, const struct crawl_book *b,
                       uint32_t node);
/* It has answered. */
void crawl_probes_settle(struct crawl_probes *p, const struct crawl_book *b);

/* Who is to be asked for a probe's sake; CRAWL_NOBODY: nobody now. */
uint32_t crawl_probes_next(struct crawl_probes *p, const struct crawl_book *b,
                           struct id *target);

#endif
