/* SPDX-License-Identifier: MIT
 *
 * Random samples of descriptors, exchanged with neighbours over their link.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DIRECTORY_SAMPLE_H
#define WARREN_TUNNEL_DIRECTORY_DIRECTORY_SAMPLE_H

#include "base/endpoint.h"
#include "tunnel/link/cell.h"

#include <stdint.h>

#define SAMPLE_TEXT CELL_TEXT_MAX

struct link;
struct directory;

struct neighbour {
    struct link *link;
    struct endpoint ep;
    uint64_t ask_at;        /* when to ask for a sample */
    uint64_t waiting_until; /* 0: no SAMPLE is due from it */
};

void sample_restart(struct directory *d, uint64_t now);
void sample_tick(struct directory *d, uint64_t now);

#endif
