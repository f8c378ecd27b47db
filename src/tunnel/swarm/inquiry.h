/* SPDX-License-Identifier: MIT
 *
 * Asking the introduction points of a topic, in one period, for the members
 * that have entries there.
 *
 *     lookup of D_0, D_1 by last hops (finder.h) -> points, with their keys
 *     point -> a stem, one more hop -> MEMBERS_ASK, MEMBERS.. -> entries opened
 *        ^                                               |
 *        '---- other points that it names, not asked yet-'
 *
 * Up to INQUIRY_ASKS points are asked at once, each through a circuit of its
 * own that ends with the answers: a point cannot tell that who asks now is who
 * asked before. A point has up to 8 of its entries, drawn at random, in each
 * answer; so it is asked on as often as the number of entries that it claims
 * makes worth, INQUIRY_MORE times at most. Then again, the later the less new
 * there was.
 *
 * Points known are bounded: INQUIRY_POINTS, of one origin a quarter of them,
 * and one of a network, except in a testing network. The origin of a point that
 * the DHT names is itself, that of any other the origin of who named it first.
 * Those are asked first of whose origin the fewest are being asked.
 *
 * Lookups begin with INQUIRY_FAST and take twice as long each time; they and
 * the points begin anew with inquiry_hurry.
 */
#ifndef WARREN_TUNNEL_SWARM_INQUIRY_H
#define WARREN_TUNNEL_SWARM_INQUIRY_H

#include "tunnel/record/entry.h"
#include "tunnel/stem/finder.h"
#include "tunnel/swarm/crowd.h"

#define INQUIRY_POINTS 64
#define INQUIRY_ASKS   8
#define INQUIRY_FOUND  32 /* points of one lookup */
#define INQUIRY_MORE   8  /* answers on one circuit */

#define INQUIRY_FAST      (1 * TIME_S)
#define INQUIRY_SLOW      (10 * TIME_MIN) /* of a point that has nothing new */
#define INQUIRY_LOOK_SLOW (15 * TIME_MIN) /* of lookups */
#define INQUIRY_HASTE     TIME_MIN        /* for so long all is fast */

struct inquiry;

struct inquiry_env {
    void *ctx;
    struct random_source random;
    struct circuits *circuits;
    struct finder *finder;
    struct stem_kit *kit;
    char network[DHT_NETWORK_MAX + 1];
    bool testing_network;
    const uint8_t *own_relay; /* identity of ours: not asked */
    /* The relay as our own directory has it; untouched when it has not. */
    void (*known_target)(void *ctx, const uint8_t identity[32],
                         struct relay_target *out);
    /* `t` as the relay `last` can extend a circuit to it; false: it cannot. */
    bool (*link_target)(void *ctx, const uint8_t last[32],
                        const struct relay_target *t, struct link_target *out);
    /* An entry that opened and is of our time. True: it was not known. */
    bool (*entry)(void *ctx, const uint8_t member[NOISE_KEY_BYTES],
                  const struct crowd_place *place, uint64_t now);
};

/* ERR_NO_MEMORY. */
enum error inquiry_new(const struct inquiry_env *env, const uint8_t root[32],
                       uint32_t period, uint64_t wall, uint64_t now,
                       struct inquiry **out);
void inquiry_free(struct inquiry *q, uint64_t now);

/* Peers were lost: fast again, but not within INQUIRY_HASTE of the last time.
 */
void inquiry_hurry(struct inquiry *q, uint64_t now);
/* There are peers enough: nothing is in a hurry. */
void inquiry_rest(struct inquiry *q, bool rest);

void inquiry_stems(struct inquiry *q, uint64_t now);
void inquiry_tick(struct inquiry *q, uint64_t wall, uint64_t now);
uint64_t inquiry_deadline(const struct inquiry *q);

struct inquiry_status {
    unsigned points;                 /* known */
    unsigned answered;               /* of those, at least once */
    unsigned entries;                /* that those claim to have */
    uint64_t lookups, asked, failed; /* since the beginning */
    uint64_t forged;                 /* entries that did not open */
    uint64_t stale;                  /* that are too old, or of the future */
    uint64_t refused;                /* points that there was no room for */
};
void inquiry_status(const struct inquiry *q, struct inquiry_status *out);

#endif
