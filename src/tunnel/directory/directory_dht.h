/* SPDX-License-Identifier: MIT
 *
 * Relays found through the DHT: the well-known keys are looked up in a random
 * order, ever less often while nothing new comes; and the descriptor of a
 * guard that has moved is fetched by its identity.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DIRECTORY_DHT_H
#define WARREN_TUNNEL_DIRECTORY_DIRECTORY_DHT_H

#include "base/endpoint.h"
#include "base/limiter.h"
#include "tunnel/directory/descriptor.h"
#include "tunnel/directory/directory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKUPS_MAX  4 /* well-known keys looked up at a time */
#define LOOKUP_PEERS 8 /* endpoints taken from one of them, at random */
/* A cookie is a number that is never used again, times COOKIE_SLOTS, plus the
 * slot; the slot after those of the lookups is the fetch. */
#define COOKIE_FETCH LOOKUPS_MAX
#define COOKIE_SLOTS 8

struct key_lookup {
    bool busy;
    uint64_t request; /* 0 while the provider has not given it yet */
    uint64_t cookie;
    unsigned seen, count;
    struct endpoint peers[LOOKUP_PEERS];
};

/* The search through the well-known keys. */
struct key_search {
    struct key_lookup slots[LOOKUPS_MAX];
    uint8_t order[DIRECTORY_KEYS]; /* the keys in a random order */
    unsigned next;                 /* in it */
    unsigned looked;               /* lookups since relays are wanted */
    uint64_t at;                   /* when the next lookup may start */
    bool failed;                   /* a lookup did: wait a little */
    unsigned failures;             /* in a row */
    unsigned familiar; /* endpoints named in a row that were known */
    struct token_bucket purse;
    uint64_t cookies;
};

/* The item of a guard that has moved. */
struct fetch {
    bool busy;
    uint64_t request, cookie;
    uint8_t identity[32];
    size_t len; /* 0: nothing came yet */
    uint8_t text[DESCRIPTOR_MAX];
};

void key_search_init(struct directory *d, uint64_t now);
/* A fresh need of relays: from the beginning, at once. */
void key_search_restart(struct directory *d, uint64_t now);
/* One was found: there may be more. */
void key_search_news(struct directory *d, uint64_t now);
void key_search_tick(struct directory *d, uint64_t now);
void fetch_start(struct directory *d, const uint8_t identity[32]);
void fetch_tick(struct directory *d, uint64_t wall);
void searches_cancel(struct directory *d);

#endif
