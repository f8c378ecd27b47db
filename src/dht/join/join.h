/* SPDX-License-Identifier: MIT
 *
 * Joining. A family that knows nobody asks the stored nodes, then the
 * bootstrap addresses too, with back-off, by a lookup of its own id. The first
 * rounds of that lookup come close together, because nodes that join at the
 * same time can only find each other after they have become known; then one
 * fills each far bucket that has room. From then on the table is kept by
 * single queries (maintain.h).
 */
#ifndef WARREN_DHT_JOIN_JOIN_H
#define WARREN_DHT_JOIN_JOIN_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOIN_BOOTSTRAPS 32
#define JOIN_STORED     32
/* Own lookups that follow each other soon after a family has joined. */
#define JOIN_EARLY_ROUNDS 5

struct lookup;
struct maintain;

/* The joining of one family; see join.c for its states. */
struct join {
    uint64_t at; /* next attempt or own lookup */
    bool joined; /* somebody answered and is in the table */
    enum family family;
    struct maintain *m;
    unsigned failed;    /* attempts in a row that reached nobody; one that
                           runs is counted until it has reached somebody */
    unsigned rounds;    /* own lookups since it joined */
    unsigned live;      /* contacts at the end of the round before */
    int fill;           /* far bucket to be filled next; -1: none is left */
    uint64_t doubt_at;  /* when our address was last in doubt; 0: never */
    struct lookup *own; /* of our own id, that runs; or NULL */
    struct lookup *far; /* into a far bucket, that runs; or NULL */
};

struct stored_node {
    struct id id;
    struct endpoint ep;
};

/* Whom to begin with. */
struct ways_in {
    size_t bootstrap_count, stored_count;
    struct endpoint *bootstraps; /* at most JOIN_BOOTSTRAPS */
    struct stored_node *stored;  /* JOIN_STORED, until joined */
};

void join_init(struct maintain *m);
void join_tick(struct maintain *m);

/* ERR_ADDRESS, ERR_FULL, ERR_NO_MEMORY. */
enum error join_bootstrap_add(struct maintain *m, const struct endpoint *ep,
                              uint64_t now);
void join_bootstrap_clear(struct maintain *m);
void join_node_add(struct maintain *m, const struct id *id,
                   const struct endpoint *ep, uint64_t now);

/* See dht_network_changed. */
void join_network_changed(struct maintain *m, const bool usable[FAMILIES],
                          const bool moved[FAMILIES]);

/* For lookup_client.seed: whom a lookup of a family that has not joined
 * begins with. The bootstrap nodes are left in peace until `patience` attempts
 * to join have failed, if there is anybody else. */
bool join_seed(const struct maintain *m, struct lookup *l, enum family f,
               unsigned patience);

/* From the watch of the contacts. join_gained: true when it joined by that. */
bool join_gained(struct join *j);
void join_lost(struct join *j);
void join_new_id(struct join *j);
/* Votes contradict each other: many are asked, now and then. */
void join_doubt(struct join *j);
bool join_believes_anybody(const struct join *j);

#endif
