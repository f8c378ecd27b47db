/* SPDX-License-Identifier: MIT
 *
 * Iterative lookups (Maymounkov and Mazieres, "Kademlia", 2002, section 2.3),
 * in each family that is on, and, as the shortest of them, single queries to
 * one address. A lookup knows candidates, whom to ask and whom to believe; what
 * it is for is its client's: a request, a publication, the join of a network.
 *
 *     running --> ended (nothing better is left: `ended`) --> freed
 *            \--> dropped (by its client, silently)       --> freed
 *
 * Freed is what has ended by lookups_sweep, when the call that runs leaves.
 */
#ifndef WARREN_DHT_LOOKUP_LOOKUP_H
#define WARREN_DHT_LOOKUP_LOOKUP_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "dht/lookup/lookup_side.h"
#include "dht/types/dht_item.h"
#include "dht/types/dht_request.h"
#include "wire/krpc/dht_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKUP_PEERS_MAX 512 /* different peers reported by one lookup */

struct contacts;
struct item_store;
struct lookup;
struct peer_store;
struct queries;
struct dht_world;

/* What an answer brought: one of these. */
struct lookup_find {
    const struct endpoint *peer;
    const struct dht_item *item; /* verified; each newer than the last */
    const struct dht_samples *samples;
};

/* What the client of a lookup does for it and hears of it. It may start other
 * lookups in each, and drop others, but not this one; views last for the
 * call. All but `seed` may be NULL. */
struct lookup_client {
    /* Adds (lookup_add) whom it knows in this family beside the contacts.
     * False when those will do. */
    bool (*seed)(void *ctx, struct lookup *l, enum family f);
    /* A query was sent. */
    void (*asked)(void *ctx);
    void (*found)(void *ctx, const struct lookup_find *what,
                  const struct dht_step *by);
    /* What became of a query. */
    void (*step)(void *ctx, const struct dht_step *step);
    /* Nothing is left that could change the result. The last call; `l` is
     * there until it returns, for lookup_closest_tokens. */
    void (*ended)(void *ctx, struct lookup *l, const struct dht_result *result);
};

/* What a scrape has found so far (BEP 33). */
struct lookup_scrape {
    unsigned nodes; /* that gave filters */
    uint8_t seeds[DHT_BLOOM_BYTES], others[DHT_BLOOM_BYTES];
};

/* All lookups of a node. */
struct lookups {
    struct lookup *first;
    bool starved; /* one found no room for its query */
    struct dht_world *w;
    struct contacts *contacts;
    struct queries *queries;
    struct peer_store *peers; /* what we store for others is found too */
    struct item_store *items;
};

struct lookup {
    struct lookup *next;
    struct lookups *all;
    const struct lookup_client *client;
    void *ctx;              /* the client's */
    enum dht_method method; /* of its queries */
    struct id target;
    struct bytes salt; /* of get; a view of salt_bytes */
    uint8_t salt_bytes[DHT_SALT_MAX];
    bool want_family[FAMILIES];
    bool single;        /* one query, to one address */
    bool keeps_tokens;  /* for the client, who stores at the nearest */
    bool random_target; /* so that the network's size can be told from it */
    bool dead;          /* ended or dropped; waits for the sweep */
    bool due;           /* looked at by the next tick, whatever happens */
    bool own_due;       /* our own store was not looked at yet */
    bool complete;      /* nothing better can be found */
    bool has_item;
    int64_t seq; /* highest found */
    uint64_t started_at, single_rtt;
    unsigned asked, answered, refused, unsent, hops, values;
    enum error why_unsent;        /* of the last one that did not leave */
    struct endpoint *peers;       /* found so far; owned */
    struct lookup_scrape *scrape; /* owned; NULL: it is none */
    bool no_seed;                 /* those who have all of it are not sought */
    struct lookup_side side[FAMILIES];
};

struct lookup_params {
    const struct lookup_client *client;
    void *ctx;
    enum dht_method method;
    const struct id *target;
    bool family[FAMILIES];
    struct bytes salt; /* of get; copied */
    bool keeps_tokens, random_target;
    bool scrape, no_seed; /* of get_peers, BEP 33 */
};

/* `all` has its pointers set. */
void lookups_deinit(struct lookups *all);
/* Everything that waits for a tick, or for room for a query. */
void lookups_tick(struct lookups *all);
void lookups_sweep(struct lookups *all);
uint64_t lookups_next_deadline(const struct lookups *all);
size_t lookups_memory(const struct lookups *all);

/* Starts a lookup from the contacts and whom its client knows. The client
 * hears nothing but `seed` and `asked` before the next tick or datagram.
 * ERR_NO_MEMORY. */
enum error lookup_start(struct lookups *all, const struct lookup_params *p,
                        struct lookup **out);
/* One query to `ep`. */
enum error lookup_start_single(struct lookups *all,
                               const struct lookup_params *p,
                               const struct endpoint *ep, struct lookup **out);

/* For `seed`: somebody to begin with; `id` NULL while it is not known. */
void lookup_add(struct lookup *l, enum family f, const struct id *id,
                const struct endpoint *ep);

/* Ends without a word. */
void lookup_drop(struct lookup *l);

/* Calls `visit` for the nearest that are believed and gave a token, at most
 * DHT_K a family. */
void lookup_closest_tokens(struct lookup *l,
                           void (*visit)(void *ctx, const struct candidate *c),
                           void *ctx);

#endif
