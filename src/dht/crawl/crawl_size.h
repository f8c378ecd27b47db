/* SPDX-License-Identifier: MIT
 *
 * How large a network is, from a part of it. Two estimators, of the nodes that
 * answer; each gives an interval that has the truth in it in 95 of 100 cases
 * where its assumptions hold.
 *
 * Density. Ids lie at random, so from a random target the distance to the k-th
 * nearest of N nodes, as a part of the id space, is as a Gamma distribution of
 * shape k and rate N, whose median is (k - 1/3) / N within a percent (Choi,
 * "On the medians of gamma distributions", 1994). So N is (k - 1/3) / median of
 * the distances around many targets. The median, since who crowds some of the
 * targets moves it little; its interval is that of order statistics (Conover,
 * "Practical nonparametric statistics", 1999, section 3.2), which assumes
 * nothing about the distribution. The same idea, by means, is the interval
 * density of Kostoulas et al., "Decentralized schemes for size estimation in
 * large and dynamic groups", 2005.
 *
 * Recapture. Of the nodes seen, f1 were named by one other node only, f2 by
 * two. What nobody has named is f1^2 / (2 f2) if all are named as easily, and
 * more than that if not: a bound from below (Chao, "Estimating the population
 * size for capture-recapture data with unequal catchability", 1987, with its
 * log-normal interval). Only for a walk that has asked everybody whom it heard
 * of.
 */
#ifndef WARREN_DHT_CRAWL_CRAWL_SIZE_H
#define WARREN_DHT_CRAWL_CRAWL_SIZE_H

#include "dht/crawl/crawl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crawl_size {
    bool known;
    double nodes, low, high;
    unsigned samples; /* targets, or nodes seen */
};

/* The distances to the `k`-th nearest, 0..1, which are sorted here; not known
 * from fewer than six. */
void crawl_density(double *distances, size_t count, unsigned k,
                   struct crawl_size *out);

void crawl_recapture(uint64_t seen, uint64_t f1, uint64_t f2,
                     struct crawl_size *out);

/* The density around the probes of a walk that are done, of the nodes that
 * have answered; of one site (base/source.h) one counts, but not in a testing
 * network. Looks at every node for every probe. */
void crawl_probe_density(const struct crawl *c, enum family f,
                         struct crawl_size *out);

#endif
