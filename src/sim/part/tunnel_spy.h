/* SPDX-License-Identifier: MIT
 *
 * What an adversary who observes comes to know of clients and services. It is
 * read from the circuits of its victims, once a second: who their hops are,
 * whom of them it runs.
 *
 *     S - first - second - third - whoever a circuit leads to
 *
 * The adversary is taken to recognize the circuits of a service wherever it
 * sees them, as it can connect to the service itself and send patterns (tor's
 * vanguards specification takes that too). A relay knows the hops beside it. So
 * in a circuit of the service the adversary knows
 *
 *     the second hop   when it is hostile, or the first or the third is, and
 *                      that first one has been told to go on
 *     the third hop    when it is hostile, or the second is, or whoever the
 *                      circuit leads to: an introduction point, a rendezvous
 *                      point that others have chosen, the last of a lookup
 *
 * once is for ever. A client's guard has been hostile when the first hop of a
 * circuit of more than one hop ever was, for data or for a service. Time runs
 * from when the victim came, or the adversary began.
 */
#ifndef WARREN_SIM_PART_TUNNEL_SPY_H
#define WARREN_SIM_PART_TUNNEL_SPY_H

#include "sim/part/part.h"

/* A client, a service or a member of a string, while it is there. */
struct spied {
    uint32_t node, member;
    bool client;
    uint64_t since;
    uint64_t minutes; /* counted so far */
    bool guard, second, third;
};

struct tunnel_spy {
    struct laboratory *lab;
    struct spied *list; /* owned */
    uint32_t count, cap;
};

/* A member with a role came. ERR_NO_MEMORY. */
enum error tunnel_spy_came(struct tunnel_spy *s,
                           const struct population_member *m, uint64_t now);
void tunnel_spy_left(struct tunnel_spy *s, uint32_t member);
void tunnel_spy_harvest(struct tunnel_spy *s, uint64_t now);
void tunnel_spy_deinit(struct tunnel_spy *s);

#endif
