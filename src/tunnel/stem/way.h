/* SPDX-License-Identifier: MIT
 *
 * Which hops a stem gets: of the sets (vanguard.h), around relays that were
 * lost a moment ago (lost_relays.h). Whoever says that a member is gone does
 * not have one more drawn by that alone: it has to have failed (known.h); nor
 * does whoever names where a stem is to lead.
 */
#ifndef WARREN_TUNNEL_STEM_WAY_H
#define WARREN_TUNNEL_STEM_WAY_H

#include "tunnel/circuit/lost_relays.h"
#include "tunnel/path/path.h"
#include "tunnel/stem/vanguard.h"

/* Whose way, and what is known. */
struct way_env {
    unsigned hops;
    struct vanguard_set *third; /* NULL: a client's, whose last hop is free */
    struct vanguard_set *layer2;
    /* Many were built in a row, and none led anywhere: whoever failed is not
     * tried again while others can be had, or drawn. */
    bool vain;
    struct directory *directory;
    struct guards *guards;
    struct lost_relays *lost;
    struct random_source random;
    uint64_t wall;
};

/* What the last hop is to be. */
struct way_want {
    const uint8_t *target; /* NULL, or where it is extended to */
    const uint8_t (*avoid)[32];
    unsigned avoid_count;
    bool apart;
};

/* Sets are widened when they are in the way, and never because of what somebody
 * wants a stem for. Around the lost where that is possible. */
enum path_result way_find(const struct way_env *e, const struct way_want *want,
                          uint64_t now, struct path *path);
/* A path around all that were lost, through the sets; false also when nobody
 * was. Those who failed before may be back; where all ways lead through
 * somebody who was lost and nothing is wanted, so may all but the last of
 * those, who are forgotten then. In vain, sets are widened first, as above; for
 * a second word too, where one member of layer 2 alone tells of third hops. */
bool way_find_around(const struct way_env *e, const struct way_want *want,
                     uint64_t now, struct path *path);

#endif
