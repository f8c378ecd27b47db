/* SPDX-License-Identifier: MIT
 *
 * What the files of the finder share. A request has one or two sides; each asks
 * one last hop after the other (finder_side.c), or the provider (finder_dht.c),
 * until it has an answer. What comes is kept with the side, and told in the
 * next tick (finder.c): so no handler runs inside a callback.
 *
 *     WAITING --a stem--> OPENING --ready--> ASKING --answers--> OVER
 *        ^_____________________silent, refused, closed, forged___/
 */
#ifndef WARREN_TUNNEL_STEM_FINDER_INTERNAL_H
#define WARREN_TUNNEL_STEM_FINDER_INTERNAL_H

#include "base/patience.h"
#include "tunnel/record/service_descriptor.h"
#include "tunnel/stem/finder.h"

#include <sys/queue.h>

#define SIDES           2
#define SIDE_CANDIDATES 32 /* endpoints of points */
#define SIDE_ASKS       4  /* for keys of those; as many as a relay takes */
#define SIDE_SILENT     (7 * TIME_S)    /* a relay's lookup takes 5 */
#define SIDE_LATE       (150 * TIME_MS) /* DONE may overtake what it ends */
#define SIDE_NO_PATH    (1 * TIME_S)

enum side_state { SIDE_WAITING, SIDE_OPENING, SIDE_ASKING, SIDE_OVER };

/* A key that is asked for by RELAY_ASK. */
struct side_ask {
    struct endpoint ep;
    uint32_t id;
    bool open;
};

struct side {
    struct request *request;
    unsigned number;    /* the replica that it begins with */
    unsigned questions; /* that were answered: of each replica one */
    enum side_state state;
    unsigned tries; /* circuits, or looks for one */
    struct circuit *c;
    uint64_t provided; /* request at the provider; 0: none */
    uint32_t id;       /* of the question under way */
    bool done;         /* it is answered to the end, */
    bool failed;       /* or could not be (of the provider) */
    bool said_no;      /* all was answered, nothing was good */
    bool asked, silent, refused;
    unsigned newer;          /* hops that said so */
    uint64_t say_at, end_at; /* of a circuit */
    struct asking asking;    /* what is said on it */

    bool has_item; /* not told yet; verified */
    unsigned item_replica;
    int64_t seq;
    uint8_t signature[64];
    uint8_t value[MEETING_VALUE_BYTES];

    struct endpoint candidates[SIDE_CANDIDATES]; /* in random order */
    unsigned candidate_count;
    struct side_ask asks[SIDE_ASKS];
    unsigned ask_count;
    unsigned told; /* points */
    unsigned stored;
};

enum request_kind { REQUEST_GET, REQUEST_PUT, REQUEST_POINTS };

struct request {
    TAILQ_ENTRY(request) link;
    struct finder *f;
    uint64_t id;
    enum request_kind kind;
    struct stem_kit *kit;
    struct finder_handler handler;
    uint8_t key[32]; /* or hashes[0], for what hops have seen */
    struct id hashes[2];
    uint64_t end_at, grace_at;
    bool found;
    int64_t best; /* seq that was told */
    struct side sides[SIDES];
    unsigned side_count;
    uint8_t used[SIDES * FINDER_CIRCUITS][32]; /* last hops */
    unsigned used_count;

    uint8_t salt[MEETING_SALT_MAX]; /* PUT: the item; the rest is in sides[0] */
    size_t salt_len;

    unsigned max; /* points */
    struct link_target points[FINDER_POINTS];
    unsigned point_count, points_told;
};

/* A last hop that saw a key of a service. */
struct seen {
    uint64_t kit;
    uint8_t key[32];
    uint8_t hop[32];
    bool put;    /* else by a get */
    bool asked;  /* else it is about to be */
    bool failed; /* another is taken next time */
    uint64_t at;
};

struct finder {
    struct finder_env env;
    TAILQ_HEAD(, request) requests;
    unsigned count;
    uint64_t next_id;
    bool ticked, hurry;
    uint64_t wall, wall_at;
    struct seen *seen; /* oldest use first; grows up to FINDER_HOPS */
    unsigned seen_count, seen_cap;
    struct finder_stats stats;
};

/* The provider is asked, and no hop. */
bool finder_is_provided(const struct finder *f);
uint64_t finder_wall(const struct finder *f, uint64_t now);

/* ---- finder_side.c ------------------------------------------------------ */

/* Does what is due. */
void side_step(struct side *side, uint64_t now);
/* Nothing is to be expected of it any more; its circuit is closed. */
void side_end(struct side *side, uint64_t now);
uint64_t side_deadline(const struct side *side);
/* The question is answered: the other replica is asked, or it is over. */
void side_answered(struct side *side, uint64_t now);

/* What came, from a circuit or the provider: kept if it is good. */
bool side_take_item(struct side *side, int64_t seq, const uint8_t signature[64],
                    struct bytes value);
void side_take_peer(struct side *side, const struct endpoint *peer);

/* ---- finder_points.c ---------------------------------------------------- */

/* Points that the directory knows, and those that are to be asked for. */
void points_from_directory(struct request *r);
/* Questions for keys, as many as are left; false when none is needed. */
bool points_ask(struct side *side);
/* A descriptor came; false when it is not what was asked for. */
bool points_told(struct side *side, const struct side_ask *ask,
                 struct bytes descriptor, uint64_t now);

/* ---- finder_hops.c ------------------------------------------------------ */

/* A circuit whose last hop may be asked; as stem_take_drawn. */
enum path_result hops_take(struct side *side, const struct route_ops *ops,
                           uint64_t now, struct circuit **out);
/* The last hop of the side's circuit is being asked; or it could not be
 * reached, or did not do what it was asked for. */
void hops_asked(const struct side *side);
void hops_failed(const struct side *side);

/* ---- finder_dht.c ------------------------------------------------------- */

void provided_ask(struct side *side);

#endif
