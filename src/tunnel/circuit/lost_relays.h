/* SPDX-License-Identifier: MIT
 *
 * Relays that circuits for services have lost a moment ago: hops of our own
 * choice that are gone, or are said to be by the one before them. Who looks for
 * a way does without them for LOST_LIFE, where there is another way: a relay
 * that dies is on many ways at once, and all but the first to notice it lead
 * nowhere without saying so. It is a hint that any hop can give, so it is soon
 * forgotten, and nobody is struck off for it.
 */
#ifndef WARREN_TUNNEL_CIRCUIT_LOST_RELAYS_H
#define WARREN_TUNNEL_CIRCUIT_LOST_RELAYS_H

#include <stdbool.h>
#include <stdint.h>

#define LOST_MAX  8
#define LOST_LIFE (5 * UINT64_C(1000000000)) /* ns */

/* All 0: none. */
struct lost_relays {
    struct lost_relay {
        uint8_t identity[32];
        uint64_t until; /* 0: a free place */
    } list[LOST_MAX];
};

/* Lost just now. When there are LOST_MAX already it is left out. */
void lost_relays_note(struct lost_relays *l, const uint8_t identity[32],
                      uint64_t now);
/* It may be back. */
void lost_relays_forget(struct lost_relays *l, const uint8_t identity[32]);
bool lost_relays_has(const struct lost_relays *l, const uint8_t identity[32],
                     uint64_t now);
/* It is, and was not yet at `then`. */
bool lost_relays_since(const struct lost_relays *l, const uint8_t identity[32],
                       uint64_t then, uint64_t now);
/* Those that are lost at the moment, the last one first; returns how many. */
unsigned lost_relays_list(const struct lost_relays *l, uint64_t now,
                          uint8_t out[LOST_MAX][32]);

#endif
