/* SPDX-License-Identifier: MIT
 *
 * One end of a circuit's stretch over a link: the client's, or one of the two
 * that a relay has. It is what a circuit index in a cell's head finds. Every
 * end is on the list of its link, to hear when the link comes up or is lost.
 */
#ifndef WARREN_TUNNEL_CIRCUIT_CIRCUIT_END_H
#define WARREN_TUNNEL_CIRCUIT_CIRCUIT_END_H

#include "base/table/slot_table.h"
#include "tunnel/link/link.h"

#include <stdint.h>

enum end_role {
    END_CLIENT,       /* of struct circuit, towards its first hop */
    END_TRANSIT_PREV, /* of struct transit, towards the client */
    END_TRANSIT_NEXT  /* towards the next hop */
};

struct circuit_end {
    enum end_role role;
    uint32_t local;  /* our index; 0 while there is none */
    uint32_t remote; /* the neighbour's; 0 until it told */
    struct link *link;
    struct circuit_end *next; /* on the same link */
    struct circuit_end **prev;
};

/* Puts the end on a link and gives it an index. ERR_FULL, ERR_NO_MEMORY. */
enum error circuit_end_attach(struct circuit_end *end, struct slot_table *t,
                              struct link *link);
/* Takes it off again; nothing happens when it is on none. */
void circuit_end_detach(struct circuit_end *end, struct slot_table *t,
                        uint64_t now);

/* Tells the neighbour on `link` that the circuit with this index of its own
 * ends here. */
void circuit_destroy(struct links *links, struct link *link, uint32_t remote,
                     enum reason why, uint64_t now);
/* The same for what lies behind an end; nothing is sent while there is no
 * neighbour that has named an index. */
void circuit_end_destroy(const struct circuit_end *end, struct links *links,
                         enum reason why, uint64_t now);

/* The end that a cell from this link is for, or NULL: an index counts only on
 * the link that it was given for. */
struct circuit_end *circuit_end_find(const struct slot_table *t,
                                     const struct link *link, uint32_t index);

#endif
