/* SPDX-License-Identifier: MIT
 *
 * What in a network is not by chance: ids that lie closer together than random
 * ones would, and how many nodes are in one prefix of addresses.
 *
 * A group of n ids begins with the same b bits. Of N random ids, those in one
 * of the 2^b parts of the id space are as many as a Poisson distribution of
 * mean N / 2^b says; `chance` is how many parts with n or more are to be
 * expected in the whole network: 2^b * P(X >= n). Small networks have one group
 * of two with a chance below 0.001 in a thousand walks; a group far below was
 * made, or its nodes share an address from which their ids follow (BEP 42):
 * `hosts` tells.
 */
#ifndef WARREN_DHT_CRAWL_CRAWL_CLUSTER_H
#define WARREN_DHT_CRAWL_CRAWL_CLUSTER_H

#include "dht/crawl/crawl.h"

#include <stddef.h>
#include <stdint.h>

#define CRAWL_CHANCE 0.001 /* above it, groups are not worth a word */

struct crawl_cluster {
    struct id prefix; /* the bits that all have; then zeros */
    int bits;
    uint32_t nodes;
    uint32_t hosts;  /* addresses without ports */
    double expected; /* nodes, by chance, in one such part of the id space */
    double chance;   /* log10 of what is said above */
};

/* Groups of nodes that have answered, with a chance below CRAWL_CHANCE, the
 * least likely first; of groups in each other the least likely. `*out` is the
 * caller's to free. ERR_NO_MEMORY. */
enum error crawl_clusters(const struct crawl *c, enum family f,
                          struct crawl_cluster **out, size_t *count);

struct crawl_network {
    struct endpoint prefix;
    uint8_t bits;
    uint32_t nodes;
};

/* How many that have answered are in each prefix of so many bits, those with
 * most first. Likewise. */
enum error crawl_networks(const struct crawl *c, enum family f, uint8_t bits,
                          struct crawl_network **out, size_t *count);

/* log10(2^bits * P(X >= nodes)), X Poisson of mean total / 2^bits. */
double crawl_chance(uint32_t nodes, int bits, uint32_t total);

#endif
