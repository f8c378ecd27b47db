/* SPDX-License-Identifier: MIT
 *
 * Layer-2 guards, and the third hops of a service: few relays, drawn once and
 * kept for a time that is drawn too. Somebody who can make a service build
 * circuits (the client picks the rendezvous point) would else have one of his
 * relays next to the guard within seconds (tor's vanguards specification,
 * proposals 292 and 333; the third sets are ours).
 *
 *     layer 2     4 for the node, the longer of two draws from 1 to 22 days
 *     third hops  8 for each service, the longer of two draws from 1 to 48 h
 *
 * In small networks of n relays: max(3, n / 5) and max(3, n / 3), so that some
 * are left for a target that is a member of both. Members are drawn by
 * capacity, a network (an IPv4 /16, an IPv6 /32) as one relay, and no two of
 * one network or family while others suffice. Among the members each circuit
 * takes one with equal chance: neither what was measured since nor doubts
 * count, for whoever names targets could raise those. They may share a /16 or a
 * family with targets that others choose: a refusal would tell who they are.
 *
 * A set has an order. The first of it, as many as it should have, are used; the
 * others only when no path leads through those, and they are drawn then, up to
 * VANGUARD_MAX in all. So whoever cuts some off gains little, and those that
 * work again are used again.
 *
 * What is drawn before the view of the network is complete (directory_survey.c)
 * is provisional, as guards are: it is not stored, and drawn anew then, once.
 *
 * A set is stored by whoever holds it: `changed` says when.
 */
#ifndef WARREN_TUNNEL_STEM_VANGUARD_H
#define WARREN_TUNNEL_STEM_VANGUARD_H

#include "base/random_source.h"
#include "tunnel/directory/directory.h"

#include <stdbool.h>
#include <stdint.h>

#define VANGUARD_LAYER2      4
#define VANGUARD_THIRD       8
#define VANGUARD_MAX         12
#define VANGUARD_LEAST       3 /* that a few relays die leaves one of them */
#define VANGUARD_LAYER2_LIFE (22 * 24 * 3600) /* wall seconds, at most */
#define VANGUARD_LAYER2_MIN  (24 * 3600)
#define VANGUARD_LAYER2_LOST (24 * 3600) /* not reached, while others were */
#define VANGUARD_THIRD_LIFE  (48 * 3600)
#define VANGUARD_THIRD_MIN   3600
#define VANGUARD_THIRD_LOST  (4 * 3600)
#define VANGUARD_RETIRE_ONE  TIME_HOUR /* for its age: a clock may jump */

struct vanguard {
    uint8_t identity[32];
    uint64_t since, until; /* wall seconds */
    bool provisional;
};

/* All zeros but `third` is an empty one. */
struct vanguard_set {
    struct vanguard list[VANGUARD_MAX]; /* in order of use */
    unsigned count;
    bool third;          /* else layer 2 */
    bool changed;        /* since the holder stored it, and to be stored */
    uint64_t retired_at; /* monotonic: the last one for its age; 0 never */
};

struct vanguards {
    struct vanguard_set layer2;
};

/* One of an earlier life, in the order of storing; after directory_add_stored
 * of all. One that does not fit, or whose time is up, is left out. */
void vanguard_set_restore(struct vanguard_set *set, const struct vanguard *v,
                          uint64_t wall);

/* Drops whom time or the directory has taken, and draws new ones up to the
 * size that the network allows. Before each choice. */
void vanguard_set_update(struct vanguard_set *set, const struct directory *d,
                         const struct random_source *random, uint64_t wall,
                         uint64_t now);
/* No path leads through them though there are paths: one more. False when there
 * is none to be had. */
bool vanguard_set_widen(struct vanguard_set *set, const struct directory *d,
                        const struct random_source *random, uint64_t wall,
                        uint64_t now);

/* How many are used first: the size that a network of so many relays allows,
 * or fewer while there are not so many. */
unsigned vanguard_set_size(const struct vanguard_set *set,
                           const struct directory *d, uint64_t wall);

#endif
