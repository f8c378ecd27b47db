/* SPDX-License-Identifier: MIT
 *
 * A weighted choice among relays, and which relays do not go together.
 *
 * A relay weighs its capacity times the trust that is put in it. Its capacity
 * is what our speed tests found. One that was not tested yet counts as the
 * median of those that were, or as what it declares when that is less: to be
 * unknown is no merit and no fault. While none was tested, it is what they
 * declare within narrow bounds.
 */
#ifndef WARREN_TUNNEL_PATH_PATH_WEIGHT_H
#define WARREN_TUNNEL_PATH_PATH_WEIGHT_H

#include "base/random_source.h"
#include "tunnel/directory/known.h"

#include <stdbool.h>
#include <stdint.h>

/* No capacity counts for more than this many times the median of those to
 * choose from, and no measured one for less than this part of it. */
#define WEIGHT_RATIO 8

/* Bounds, kB/s. */
#define WEIGHT_MIN              16
#define WEIGHT_DECLARED_DEFAULT 256 /* for those that declare no limit */
#define WEIGHT_DECLARED_MAX     1024
#define WEIGHT_MEASURED_MAX     (1 << 20)

/* What is left of a weight: half of it for each failure that still counts, and
 * of that the square of what is not doubted. Of TRUST_WHOLE, and never 0. */
#define TRUST_WHOLE (DOUBT_WHOLE * DOUBT_WHOLE)
uint32_t relay_trust(const struct known_relay *relay, uint64_t now);

struct weighing {
    const struct known_relay **relays;
    uint32_t *trusts;
    uint32_t *sorted; /* room to find medians in */
    unsigned count, max;
};

/* Room for `max` relays; false when there is no memory. */
bool weighing_init(struct weighing *w, unsigned max);
void weighing_deinit(struct weighing *w);
void weighing_add(struct weighing *w, const struct known_relay *relay,
                  uint64_t now);
/* Each network is to weigh as one of its relays: all of them have that in equal
 * parts. In a testing network each relay is one. */
void weighing_by_network(struct weighing *w, bool testing_network);
/* NULL when there are none. */
const struct known_relay *weighing_choose(const struct weighing *w,
                                          const struct random_source *random);

/* Not together in one path: the same relay, one declared family, or, unless
 * in a testing network, addresses in one /16 (IPv4) or /32 (IPv6). */
bool path_conflict(const struct descriptor *a, const struct descriptor *b,
                   bool testing_network);

#endif
