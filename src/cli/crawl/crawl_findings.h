/* SPDX-License-Identifier: MIT
 *
 * Private to this folder: what crawl_find has worked out.
 */
#ifndef WARREN_CLI_CRAWL_CRAWL_FINDINGS_H
#define WARREN_CLI_CRAWL_CRAWL_FINDINGS_H

#include "cli/crawl/crawl_show.h"
#include "dht/crawl/crawl_cluster.h"
#include "dht/crawl/crawl_report.h"

#define CRAWL_PREFIXES 3 /* /32, /24, /16, or /64, /48, /32 */

struct crawl_prefixes {
    uint8_t bits;
    struct crawl_network *networks; /* those with most nodes first */
    size_t count;
};

struct crawl_findings {
    const struct crawl_walk *walk;
    struct crawl_counts counts;
    bool has[FAMILIES]; /* the node speaks it */
    struct crawl_report report[FAMILIES];
    struct crawl_prefixes prefixes[FAMILIES][CRAWL_PREFIXES];
    struct crawl_cluster *clusters[FAMILIES];
    size_t cluster_count[FAMILIES];
};

/* "IPv4", "IPv6"; "ipv4", "ipv6" */
const char *crawl_family_title(enum family f);
const char *crawl_family_key(enum family f);
/* Addresses that are not named any more: above the caps. */
uint64_t crawl_findings_refused(const struct crawl_findings *f);

#endif
