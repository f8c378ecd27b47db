/* SPDX-License-Identifier: MIT
 *
 * What lies between nodes, as far as it follows from who they are: how long a
 * datagram takes, how much a node can send, who is cut off from whom. Nodes
 * are numbers; the same seed and number give the same every time. Nothing
 * changes once it is made, so that threads may share it.
 *
 * Latency, one way, is
 *   - of a spread: drawn once for each pair of nodes, the same in both
 *     directions, from 4,096 quantiles of the spread (of a fixed one there is
 *     one). What is below a 32nd of the median is that: nodes run ahead of each
 *     other by the least latency of all, and a spread that begins at 0 would
 *     stop them; or
 *   - of regions: what the matrix says from one's region to the other's;
 * and to either a jitter is added, drawn for each datagram, of 0 to a
 * sixteenth of it, but for a fixed spread, which stays fixed. At most 4 s.
 *
 * Partitions: while one lasts, a share of the nodes reaches each other and
 * nobody else. Which nodes is drawn for each partition and node.
 */
#ifndef WARREN_SIM_PATH_PATH_H
#define WARREN_SIM_PATH_PATH_H

#include "base/error.h"
#include "base/text.h"
#include "sim/chance/spread.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_PARTITIONS_MAX 16

struct path_partition {
    uint64_t from, to; /* ns of the network's time; `to` is not in it */
    double share;
};

struct path_config {
    uint64_t seed;
    struct spread latency; /* ns; SPREAD_FOREVER: the path knows of none */
    const char *regions;   /* files of regions.h; NULL or "": no regions */
    const char *places;
    struct spread uplink; /* bytes a second; SPREAD_FOREVER: no limit */
    size_t partition_count;
    struct path_partition partitions[PATH_PARTITIONS_MAX];
};

struct path;

/* `config` is copied. ERR_NO_MEMORY; ERR_IO, ERR_TOO_LARGE, ERR_SYNTAX of a
 * file: `why` says which and what. */
enum error path_new(const struct path_config *config, struct path **out,
                    struct text *why);
void path_free(struct path *p);

/* Whether path_delay says how long datagrams take. */
bool path_has_latency(const struct path *p);
/* No datagram takes less, ns. Only where it has latencies. */
uint32_t path_least(const struct path *p);

/* The region of a node, to be kept for path_delay; 0 where there are none. */
uint16_t path_region(const struct path *p, uint32_t node);

/* One end of a path. */
struct path_end {
    uint32_t node;
    uint16_t region;
};
/* From a to b, ns; `draw` is 64 random bits of the datagram. */
uint32_t path_delay(const struct path *p, struct path_end a, struct path_end b,
                    uint64_t draw);

/* Bytes a second that a node can send; 0: no limit. */
uint32_t path_uplink(const struct path *p, uint32_t node);

/* Whether a partition is between two nodes. */
bool path_cuts(const struct path *p, uint32_t a, uint32_t b, uint64_t now);

#endif
