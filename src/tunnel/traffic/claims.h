/* SPDX-License-Identifier: MIT
 *
 * Whose circuits are: what one isolation key has used no other one uses. Those
 * who send datagrams and those who have streams share the claims.
 */
#ifndef WARREN_TUNNEL_TRAFFIC_CLAIMS_H
#define WARREN_TUNNEL_TRAFFIC_CLAIMS_H

#include "base/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

/* A claimed circuit that was not used for so long may make room. */
#define CLAIM_RESTS (10 * TIME_S)

struct claim {
    uint32_t circuit;
    unsigned hops;
    uint64_t isolation;
    uint64_t used_at;
    unsigned users; /* who would be cut if it ended */
};

struct claims {
    struct claim *list;
    unsigned count, room;
};

void claims_init(struct claims *cs);
void claims_deinit(struct claims *cs);

/* NULL: nobody has claimed it. Valid until the next call that claims or drops.
 */
struct claim *claims_find(const struct claims *cs, uint32_t circuit);
/* Nobody with another key has it. */
bool claims_allow(const struct claims *cs, uint32_t circuit,
                  uint64_t isolation);
/* It is the key's from here on, or was before. NULL: no memory. */
struct claim *claims_take(struct claims *cs, uint32_t circuit, unsigned hops,
                          uint64_t isolation, uint64_t now);
/* The circuit has ended. */
void claims_drop(struct claims *cs, uint32_t circuit);

/* Of circuits with so many hops of other keys, without users, the one that
 * rests longest, CLAIM_RESTS at least; 0: none. `in_use` may keep more. */
uint32_t claims_spare(const struct claims *cs, unsigned hops,
                      uint64_t isolation,
                      bool (*in_use)(const void *arg, uint32_t circuit),
                      const void *arg, uint64_t now);

#endif
