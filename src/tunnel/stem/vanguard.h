/* SPDX-License-Identifier: MIT
 *
 * Layer-2 guards, and the third hops of a service: few relays, drawn once and
 * kept for a time that is drawn too. Somebody who can make a service build
 * circuits (the client picks the rendezvous point) would else have one of his
 * relays next to the guard within seconds (tor's vanguards specification,
 * proposals 292 and 333; the third sets are ours).
 *
 *     layer 2     4 for the node, the longer of two draws from 1 to 22 days
 *     third hops  8 for each service, the longer of two draws from 1 to 48
 * hours
 *
 * In small networks of n relays: max(2, n / 5) and max(2, n / 3). Members are
 * drawn by capacity, as other hops are. They may share a /16 or a family with
 * targets that others choose: a refusal would tell who they are.
 *
 * A set is stored by whoever holds it: `changed` says when.
 */
#ifndef WARREN_TUNNEL_SERVICE_VANGUARD_H
#define WARREN_TUNNEL_SERVICE_VANGUARD_H

#include "base/random_source.h"
#include "tunnel/directory/directory.h"

#include <stdbool.h>
#include <stdint.h>

#define VANGUARD_LAYER2      4
#define VANGUARD_THIRD       8
#define VANGUARD_MAX         8
#define VANGUARD_LAYER2_LIFE (22 * 24 * 3600) /* wall seconds, at most */
#define VANGUARD_LAYER2_MIN  (24 * 3600)
#define VANGUARD_THIRD_LIFE  (48 * 3600)
#define VANGUARD_THIRD_MIN   3600

struct vanguard {
    uint8_t identity[32];
    uint64_t since, until; /* wall seconds */
};

struct vanguard_set {
    struct vanguard list[VANGUARD_MAX];
    unsigned count;
    bool third;   /* else layer 2 */
    bool changed; /* since the holder stored it */
};

struct vanguards {
    struct vanguard_set layer2;
};

/* Drops whom time or the directory has taken, and draws new ones up to the
 * size that the network allows. Not before the view is complete
 * (directory_survey.c) are they to be stored; they are drawn anew then. */
void vanguard_set_update(struct vanguard_set *set, const struct directory *d,
                         const struct random_source *random, uint64_t wall,
                         uint64_t now);

#endif
