/* SPDX-License-Identifier: MIT
 *
 * How many nodes the network has, from how dense they lie around the targets
 * of finished lookups. With N nodes at random places the i-th nearest lies, on
 * average, i/(N+1) of the id space away; the line through the k nearest is
 * fitted by least squares, and its slope smoothed over lookups (Kostoulas et
 * al., "Decentralized Schemes for Size Estimation in Large and Dynamic
 * Groups", 2005, for the principle).
 */
#ifndef WARREN_DHT_TABLE_SIZE_ESTIMATE_H
#define WARREN_DHT_TABLE_SIZE_ESTIMATE_H

#include "base/id.h"

#include <stddef.h>

struct size_estimate {
    double slope; /* of distance over rank, in parts of the id space */
    unsigned lookups;
};

void size_estimate_init(struct size_estimate *e);

/* The nearest nodes of a lookup that ran to its end, nearest first, at most
 * DHT_K. Fewer than DHT_K mean that there are no more. Targets should be
 * random: not made from ids of the network. */
void size_estimate_add(struct size_estimate *e, const struct id *target,
                       const struct id *closest, size_t count);

/* Nodes, ourselves not counted unless found; 0 while unknown. */
double size_estimate_get(const struct size_estimate *e);

#endif
