/* SPDX-License-Identifier: MIT
 *
 * Where the circuits of an exit come from: the addresses of the neighbours
 * before it, an IPv4 address or an IPv6 /48 as one. What a source holds of a
 * table that all share is counted here: at the cap of such a table the source
 * with the most of it makes room, so that nobody is kept out by somebody else.
 */
#ifndef WARREN_TUNNEL_EXIT_EXIT_SOURCE_H
#define WARREN_TUNNEL_EXIT_EXIT_SOURCE_H

#include "base/endpoint.h"
#include "base/random_source.h"
#include "base/table/keyed_table.h"

#include <stddef.h>
#include <stdint.h>

#define EXIT_SOURCE_BITS_IPV6 48

struct exit_source {
    struct keyed_entry entry; /* must be first */
    uint64_t number;          /* never used twice; not 0 */
    unsigned circuits;
    unsigned waiting; /* datagrams that wait for the DNS */
    unsigned sockets;
    uint8_t key[1 + EXIT_SOURCE_BITS_IPV6 / 8]; /* family, address */
};

struct exit_sources {
    struct keyed_table table;
    uint64_t last_number;
};

void exit_sources_init(struct exit_sources *s,
                       const struct random_source *random);

/* The source of another circuit; NULL: memory is out. */
struct exit_source *exit_source_join(struct exit_sources *s,
                                     const struct endpoint *neighbour);
/* A circuit of it is gone; with its last one the source goes. */
void exit_source_leave(struct exit_sources *s, struct exit_source *source);

#endif
