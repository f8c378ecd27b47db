/* SPDX-License-Identifier: MIT
 *
 * A walk by way of a node: asks it by dht.ask, many at a time, tells the walk
 * what comes back, and writes it down first.
 */
#ifndef WARREN_CLI_CRAWL_CRAWL_WALK_H
#define WARREN_CLI_CRAWL_CRAWL_WALK_H

#include "cli/ask/talk.h"
#include "cli/crawl/crawl_record.h"
#include "dht/crawl/crawl.h"

#include <stdbool.h>
#include <stdint.h>

#define CRAWL_FLIGHT_MAX 100

struct crawl_walk {
    struct cli_talk talk;
    struct crawl_record record;
    struct crawl_config config; /* what the flags say, until it begins */
    struct crawl *c;
    uint64_t base; /* ns of the walk before this run */
    uint64_t began_at;
    bool over; /* everybody was asked */
    unsigned flying;
    struct {
        uint32_t msgid;
        struct endpoint to;
    } flight[CRAWL_FLIGHT_MAX];
};

/* Connects, learns what network it is, and begins, or goes on from the record
 * at `path` (NULL: crawl.state, or crawl-mainline.state, in the node's data
 * directory). What fails is said; then there is nothing to deinit. */
enum exit_code crawl_walk_init(struct crawl_walk *w, struct cli *cli,
                               const char *path, bool resume);
void crawl_walk_deinit(struct crawl_walk *w);

/* Until it is over, or SIGINT or SIGTERM comes; the second one ends the
 * process. Draws a line on a terminal. What fails is said. */
enum exit_code crawl_walk_run(struct crawl_walk *w);

/* ns of walking, in all runs. */
uint64_t crawl_walk_time(const struct crawl_walk *w);

#endif
