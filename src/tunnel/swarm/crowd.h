/* SPDX-License-Identifier: MIT
 *
 * The members of a string that were seen: who they are, at which introduction
 * points, and which of them is to be met next.
 *
 *     SEEN -> MEETING -> PEER          (crowd_next, crowd_came)
 *      ^         |         |
 *      '- failed, gone: later again, each time later
 *
 * Whoever knows the string can make up members without end, and introduction
 * points that name only those. So each is charged to an origin: the point that
 * named it, or rather the one through which that point became known. Of the
 * members to be met those of the origin that has the fewest peers, and the
 * fewest failures, come first; among those, who was named by two. No origin has
 * more than a quarter of the peers (CROWD_SHARE) that we went for, nor of the
 * places here; peers are never dropped for new ones. Nor have those origins
 * together, of which more failed than came, more than a quarter of attempts.
 *
 * Of two members the one with the smaller key opens the channel at once, the
 * other when nothing came of that within 5 to 10 s.
 */
#ifndef WARREN_TUNNEL_SWARM_CROWD_H
#define WARREN_TUNNEL_SWARM_CROWD_H

#include "base/error.h"
#include "base/random_source.h"
#include "base/timestamp.h"
#include "tunnel/record/entry.h"
#include "tunnel/record/relay_target.h"

#define CROWD_MAX     256
#define CROWD_PLACES  6 /* of one member: three points, in two periods */
#define CROWD_SHARE   4 /* an origin may have one of so many */
#define CROWD_MEETING 8 /* attempts at once */

/* Where an entry of a member was seen. */
struct crowd_place {
    struct relay_target point;
    uint8_t auth_id[AUTH_ID_BYTES];
    uint32_t period;
    uint32_t issued; /* wall seconds */
    uint64_t origin;
};

enum crowd_state { CROWD_SEEN, CROWD_MEETS, CROWD_PEER };

struct crowd_member {
    uint8_t key[NOISE_KEY_BYTES]; /* M */
    enum crowd_state state;
    uint8_t place_count;
    struct crowd_place places[CROWD_PLACES];
    uint64_t seen_at; /* last */
    uint64_t open_at; /* not before */
    uint64_t since;   /* PEER */
    unsigned failures;
    uint64_t charged; /* MEETS, PEER: the origin; 0: none */
};

struct crowd {
    struct random_source random;
    uint8_t own[NOISE_KEY_BYTES];
    struct crowd_member *members[CROWD_MAX];
    unsigned count;
    uint64_t refused; /* those that there was no room for, or no memory */
};

/* `own` is our key: its entries are not taken. */
void crowd_init(struct crowd *c, const uint8_t own[NOISE_KEY_BYTES],
                const struct random_source *random);
void crowd_deinit(struct crowd *c);

/* True when this member was not known, and is now. */
bool crowd_see(struct crowd *c, const uint8_t key[NOISE_KEY_BYTES],
               const struct crowd_place *place, uint64_t now);
struct crowd_member *crowd_find(const struct crowd *c,
                                const uint8_t key[NOISE_KEY_BYTES]);
/* Whose channel stays when both have opened one. */
bool crowd_opens(const struct crowd *c, const uint8_t key[NOISE_KEY_BYTES]);

/* The one to be met now, which MEETS then, when there is room for `room` more
 * of `max_peers`; NULL: none. */
struct crowd_member *crowd_next(struct crowd *c, unsigned max_peers,
                                unsigned room, uint64_t now);
/* When there may be one. */
uint64_t crowd_next_at(const struct crowd *c);

/* It could not even be begun. */
void crowd_put_back(struct crowd_member *m);
/* It is coming to us, or we to it: 5 to 10 s for that. */
void crowd_wait(const struct crowd *c, struct crowd_member *m, uint64_t now);
/* Nothing came of the meeting. */
void crowd_failed(struct crowd *c, struct crowd_member *m, uint64_t now);
/* There is a channel, whoever opened it; also one with a member never seen. */
void crowd_came(struct crowd *c, const uint8_t key[NOISE_KEY_BYTES],
                uint64_t now);
/* There is none any more. */
void crowd_left(struct crowd *c, const uint8_t key[NOISE_KEY_BYTES],
                uint64_t now);

/* Those not seen for ENTRY_AGE are forgotten. */
void crowd_tick(struct crowd *c, uint64_t now);

/* How many were seen at one point of this period, at two, and at all. */
struct crowd_counts {
    unsigned seen, once, twice;
};
void crowd_count(const struct crowd *c, uint32_t period,
                 struct crowd_counts *out);

#endif
