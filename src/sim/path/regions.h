/* SPDX-License-Identifier: MIT
 *
 * Regions of the world, how long a datagram takes from one to another, and who
 * is where. A matrix of one-way times in milliseconds, with at most six digits
 * behind the point, more than 0 and at most 4,000, from the region of the row
 * to that of the column:
 *
 *     from,eu,us,asia
 *     eu,8,45,110
 *     us,45.5,12,80
 *     asia,110,80,20
 *
 * The rows are in the order of the columns. Who is where, by shares: numbers of
 * at most a million with up to six digits behind the point, which need not add
 * up to anything; in a region that is not named is nobody:
 *
 *     region,share                (this line may be missing)
 *     eu,0.5
 *     us,0.3
 *
 * or node by node, all from 0 on in their order; when there are more nodes than
 * that, it begins anew:
 *
 *     node,region
 *     0,eu
 *     1,asia
 *
 * Without places, as many are in each region.
 */
#ifndef WARREN_SIM_PATH_REGIONS_H
#define WARREN_SIM_PATH_REGIONS_H

#include "base/error.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#define REGIONS_MAX      255
#define REGION_NAME_SIZE 32

/* Zeroed: none. */
struct regions {
    uint16_t count;
    uint32_t *delays; /* ns, count * count, row by row */
    char (*names)[REGION_NAME_SIZE];
    uint64_t *ends;     /* by region: where its part of all shares ends */
    uint16_t *of_nodes; /* instead of them; NULL: shares count */
    size_t node_count, node_cap;
};

void regions_deinit(struct regions *r);

/* ERR_IO, ERR_TOO_LARGE, ERR_SYNTAX, ERR_NO_MEMORY: `why` gets "FILE:LINE: what
 * is wrong", and there are no regions. */
enum error regions_load(struct regions *r, const char *file, struct text *why);
/* The same of the places; to be called once, after it. */
enum error regions_load_places(struct regions *r, const char *file,
                               struct text *why);

/* Both from memory, which is cut into pieces; text[len] must be a byte of it
 * too. */
enum error regions_parse(struct regions *r, const char *file, char *text,
                         size_t len, struct text *why);
enum error regions_parse_places(struct regions *r, const char *file, char *text,
                                size_t len, struct text *why);

/* Of a node, for which `number` was drawn. */
uint16_t regions_of_node(const struct regions *r, uint32_t node,
                         uint64_t number);
/* The least of all, ns. */
uint32_t regions_least(const struct regions *r);

static inline uint32_t regions_delay(const struct regions *r, uint16_t from,
                                     uint16_t to)
{
    return r->delays[(size_t)from * r->count + to];
}

#endif
