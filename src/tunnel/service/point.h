/* SPDX-License-Identifier: MIT
 *
 * Introduction points of ours: circuits kept to a few relays, which pass on to
 * us what is said to the auth id that we have there. Each point has keys of its
 * own (record/service_key.h), made from a salt that is stored; so a service
 * that is restarted is at its old points at once.
 *
 *     CHOSEN -> a stem, one more hop -> REACHING -> ESTABLISH -> UP
 *        ^                                 |                     |
 *        '---- tried again, 3 times -------'<-- circuit lost ----'
 *                  then another relay
 *
 * Before relays cut its circuit for age, another one is made over the same hops
 * and established under the same key: the relay then drops the first. A point
 * lives for 18 to 24 hours; its successor stands before it goes.
 */
#ifndef WARREN_TUNNEL_SERVICE_POINT_H
#define WARREN_TUNNEL_SERVICE_POINT_H

#include "tunnel/record/entry.h"
#include "tunnel/record/service_key.h"
#include "tunnel/service/service_internal.h"

#define POINT_LIFE (24 * 3600) /* wall seconds, less up to a quarter */

struct point_set;

struct point {
    struct service_point_row row;
    struct point_keys keys;
    struct relay_target target; /* of the descriptor: all its addresses */
    bool up;
    uint64_t up_at;           /* monotonic */
    uint64_t down_at;         /* since when it is not; 0: never was */
    struct circuit *c, *next; /* in use; being made ready to be */
    bool reached;             /* ESTABLISH can be said on c, or on next */
    unsigned tries;
    struct asking asked; /* ESTABLISH */
    uint64_t act_at;     /* what is next: repeat, try again, renew */
    bool waits;          /* for a stem, until then at most */
};

/* What the holder does with points. */
struct point_ops {
    /* Points came or went: what is published about them is wrong now. */
    void (*changed)(void *holder, uint64_t now);
    /* STRING: what the relay keeps for others; NULL: nothing. */
    void (*entry)(void *holder, const struct point *p,
                  uint8_t entry[ENTRY_BYTES]);
    /* Not this relay, if there are others; NULL: any. */
    bool (*avoids)(void *holder, const uint8_t relay[32]);
    const uint8_t *topic; /* with `entry` */
    uint32_t period;      /* likewise: what rows are of */
};

/* `secret` (32 bytes) is what keys are made from, and copied. `stored`: its
 * points are remembered and forgotten through services_env. ERR_NO_MEMORY. */
enum error points_new(struct service *service, const uint8_t secret[32],
                      unsigned wanted, bool stored, const struct point_ops *ops,
                      void *holder, struct point_set **out);
/* All are to be replaced by others, and stay until those are up. */
void points_expire(struct point_set *set, uint64_t now);
/* DESTROY is said. Rows stay where they are stored, unless `forget`. */
void points_free(struct point_set *set, bool forget, uint64_t now);
/* One of an earlier life. */
void points_restore(struct point_set *set, const struct service_point_row *row,
                    uint64_t now);
void points_want(struct point_set *set, unsigned wanted, uint64_t now);
unsigned points_up(const struct point_set *set);
/* The i-th, up or not; NULL behind the last. */
const struct point *points_at(const struct point_set *set, unsigned i);

/* Stems can be taken, or (why not) cannot be had. */
void points_stems(struct point_set *set, enum path_result why, uint64_t now);
/* All circuits are suspect. */
void points_suspect(struct point_set *set, uint64_t now);
/* Another circuit of the service has lost a hop of ours, which may be on those
 * of points as well: something is said on these in the next tick, but on none
 * of another service, or somebody learned that they are of one node. */
void points_lost_hop(struct point_set *set);
/* The way to some may be gone, and nobody has noticed: something is said on
 * each circuit, so that those along it find out. At most each CHECK_PAUSE. */
void points_check(struct point_set *set, uint64_t now);
void points_tick(struct point_set *set, uint64_t now);
uint64_t points_deadline(const struct point_set *set);

#endif
