/* SPDX-License-Identifier: MIT
 *
 * One announcement or item of our own, between publish.c, which has the list
 * of them, and publish_round.c, which runs their rounds. A publication is
 *
 *     resting   -- until `at`; never, when it was beaten
 *     searching -- the first half of a round: `search` runs
 *     storing   -- the second: `round` has the nodes that are asked to store
 */
#ifndef WARREN_DHT_PUBLISH_PUBLICATION_H
#define WARREN_DHT_PUBLISH_PUBLICATION_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "dht/types/dht_item.h"
#include "dht/types/dht_request.h"
#include "dht/world/callbacks.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stdint.h>

struct lookup;
struct publications;

/* A node that is asked to store. */
struct storing {
    struct endpoint ep;
    struct id id;
    uint32_t rtt; /* us; 0 unknown */
    uint8_t token[DHT_TOKEN_MAX];
    uint8_t token_len;
    uint8_t sent;   /* queries to it, at most 2 */
    uint8_t flying; /* those that have not ended */
    bool pending;   /* it counts for the round's end */
};

struct round {
    struct dht_result result; /* of the search; then of the round */
    enum error refused;       /* why a node did not store */
    uint8_t count, pending;
    struct storing stores[FAMILIES * DHT_K];
};

/* The nodes of one family that took it in the last round. */
struct holders {
    uint8_t count;
    uint32_t names[DHT_K]; /* the first bytes of their ids */
    struct id farthest;
};

struct publication {
    struct publication *next;
    struct publications *all;
    bool dead;         /* withdrawn; waits for the sweep */
    bool beaten;       /* a newer item than ours is out there: not renewed */
    int64_t beaten_by; /* its seq */
    bool differs; /* the item that is out there has another seq than `cas` */
    bool is_item;
    bool once; /* one round for somebody else: none of our publications */
    struct id target;
    uint16_t port; /* of a peer */
    bool implied_port;
    bool seed;    /* of a peer: it has all of it, BEP 33 */
    bool has_cas; /* for the first round only */
    int64_t cas;
    struct dht_item item; /* views below */
    struct value *value;  /* owned; NULL for a peer */
    uint8_t salt[DHT_SALT_MAX];
    struct lookup *search;
    struct round *round;  /* owned */
    struct caller caller; /* of the first round; no request once it is over */
    unsigned stored;      /* nodes that took it in the last round */
    unsigned failed;      /* rounds in a row that nobody accepted */
    unsigned unsettled;   /* rounds in a row after which it was not sure that
                             others find it */
    bool hurried;         /* another round is to follow the one that runs */
    bool seen;            /* the search that runs has found it */
    bool missing;         /* the last search did not, though it was stored */
    uint64_t checked_at;  /* the last search for what was stored; or never */
    uint64_t ended_at;    /* the last round */
    struct holders on[FAMILIES];
    uint64_t started_at; /* when the round that runs began */
    uint64_t since;      /* when it was announced or put */
    uint64_t at;         /* next round; TIME_NEVER while one runs, or beaten */
};

/* ---- publish.c --------------------------------------------------------- */

/* All others of the same kind and target. */
void publication_remove_others(const struct publication *p);
/* Takes it off the list; whoever waits for its first round hears `why`. */
void publication_take_off(struct publication *p, enum error why);

/* ---- publish_round.c --------------------------------------------------- */

/* ERR_NO_MEMORY. */
enum error publication_start_round(struct publication *p);
/* Silently. */
void publication_stop_round(struct publication *p);

/* Whether this node, of this family, should have it and has not: it is nearer
 * than some that have, or these are few. */
bool publication_lacks(const struct publication *p, enum family f,
                       const struct id *id);

static inline bool publication_is_busy(const struct publication *p)
{
    return p->search != NULL || p->round != NULL;
}

#endif
