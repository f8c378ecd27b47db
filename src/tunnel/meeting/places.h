/* SPDX-License-Identifier: MIT
 *
 * Things that the room keeps for circuits of others, up to a cap: points,
 * topics, cookies. When there are as many as may be, and for a line that has
 * three quarters of them, a new one takes the place of one of whoever holds
 * most (base/table/shares.h); where nobody holds more than the newcomer, there
 * is none. In a testing network all are of one source, and nobody is counted.
 */
#ifndef WARREN_TUNNEL_MEETING_PLACES_H
#define WARREN_TUNNEL_MEETING_PLACES_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/random_source.h"
#include "base/table/shares.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In each thing. */
struct place {
    struct endpoint source;
    uint64_t used_at;
    size_t at;    /* in the array */
    bool is_kept; /* it makes way for nobody */
};

struct places {
    struct place **all;
    size_t count, cap;
    unsigned max;
    bool testing_network;
    struct shares shares;
};

void places_init(struct places *p, unsigned max, bool testing_network,
                 const struct random_source *random);
/* The things are the caller's. */
void places_deinit(struct places *p);

/* Whether one from `source` has a place. `*out` is the one that has to go
 * before, or NULL. */
bool places_find(struct places *p, const struct endpoint *source, uint64_t now,
                 struct place **out);
/* places_find said yes. ERR_NO_MEMORY. */
enum error places_add(struct places *p, struct place *place,
                      const struct endpoint *source, uint64_t now);
void places_remove(struct places *p, struct place *place);
/* It is another's now. ERR_NO_MEMORY, and it is the old one's. */
enum error places_move(struct places *p, struct place *place,
                       const struct endpoint *source);
size_t places_memory(const struct places *p);

#endif
