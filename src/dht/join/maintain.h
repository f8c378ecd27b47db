/* SPDX-License-Identifier: MIT
 *
 * Joining and staying joined. A family that knows nobody asks the stored
 * nodes, then the bootstrap addresses too, with back-off, by a lookup of its
 * own id. The first rounds of that lookup come close together, because nodes
 * that join at the same time can only find each other after they have become
 * known; then one fills each far bucket that has room. From then on the table
 * is kept by single queries: a ping where it asks for one, a find_node for an
 * idle bucket.
 *
 * All of this is paid from one purse per node: MAINTAIN_JOIN_CREDIT queries
 * when a family begins to join, and one query per MAINTAIN_INTERVAL, of which
 * MAINTAIN_BURST can be saved. In a quiet network each query is answered by
 * another such node, so that a node sends two messages per interval.
 */
#ifndef WARREN_DHT_JOIN_MAINTAIN_H
#define WARREN_DHT_JOIN_MAINTAIN_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "base/limiter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAINTAIN_INTERVAL    (20 * TIME_S)
#define MAINTAIN_BURST       8
#define MAINTAIN_JOIN_CREDIT 160
#define MAINTAIN_BOOTSTRAPS  32
#define MAINTAIN_STORED      32
/* Own lookups that follow each other soon after a family has joined. */
#define MAINTAIN_EARLY_ROUNDS 5
/* How late the upkeep of an idle table may come, so that one wake-up serves
 * several reasons. */
#define MAINTAIN_COALESCE TIME_S

struct dht;
struct lookup;

struct stored_node {
    struct id id;
    struct endpoint ep;
};

struct join {
    bool cut;        /* the machine has no way out in this family */
    bool joined;     /* somebody answered and is in the table */
    unsigned failed; /* attempts in a row that reached nobody */
    unsigned rounds; /* own lookups since it joined */
    unsigned live;   /* contacts at the end of the round before */
    int fill;        /* far bucket to be filled next; -1: none is left */
    uint64_t at;     /* next attempt or own lookup */
    uint64_t asked;  /* when our address was last in doubt; 0: never */
};

struct maintain {
    struct join join[FAMILIES];
    struct token_bucket purse;
    unsigned credit;
    uint64_t upkeep_at;
    uint64_t alive_at[FAMILIES]; /* next look for a contact to keep good */
    size_t bootstrap_count, stored_count;
    struct endpoint *bootstraps; /* MAINTAIN_BOOTSTRAPS, once there is one */
    struct stored_node *stored;  /* MAINTAIN_STORED, until joined */
};

void maintain_init(struct dht *d);
void maintain_deinit(struct dht *d);
void maintain_tick(struct dht *d);
uint64_t maintain_next_deadline(const struct dht *d);

/* The table of this family has a new contact, or somebody to ping. */
void maintain_contact(struct dht *d, enum family f);
void maintain_candidate(struct dht *d, enum family f);
/* A contact stayed silent: maybe the last one. */
void maintain_lost(struct dht *d, enum family f);
/* Our id of this family changed: its neighbourhood is another. */
void maintain_new_id(struct dht *d, enum family f);

/* Not counted on: cut, while the other family is not. */
bool maintain_leaves_out(const struct dht *d, enum family f);
/* Looks for our neighbours at once, as if the family had just joined. */
void maintain_again(struct dht *d, enum family f);
/* Votes contradict each other: many are asked, now and then. */
void maintain_doubt(struct dht *d, enum family f);

/* A query of a join or refresh was sent. */
void maintain_charge(struct dht *d);
/* One of maintain's own lookups is over. */
void maintain_lookup_ended(struct dht *d, const struct lookup *l);

/* The part of maintain_tick that joins: join.c. */
void join_tick(struct dht *d);

/* Gives a lookup of a family that knows nobody somebody to begin with. */
void maintain_seed(struct dht *d, struct lookup *l, enum family f);

#endif
