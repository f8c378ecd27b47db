/* SPDX-License-Identifier: MIT
 *
 * What the files of the directory share; nobody else includes it.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DIRECTORY_INTERNAL_H
#define WARREN_TUNNEL_DIRECTORY_DIRECTORY_INTERNAL_H

#include "base/limiter.h"
#include "tunnel/directory/directory.h"

#define LOOKUPS_MAX  4   /* well-known keys looked up at a time */
#define LOOKUP_PEERS 8   /* endpoints taken from one of them, at random */
#define RECENT_MAX   128 /* endpoints asked lately */
#define SAMPLE_TEXT  CELL_TEXT_MAX
/* A cookie is a number that is never used again, times COOKIE_SLOTS, plus the
 * slot; the slot after those of the lookups is the fetch. */
#define COOKIE_FETCH LOOKUPS_MAX
#define COOKIE_SLOTS 8

struct ask {
    struct endpoint ep;
    uint8_t nonce[LINK_ASK_NONCE];
    uint64_t deadline; /* 0: a free slot */
    unsigned tries;
};

struct neighbour {
    struct link *link;
    struct endpoint ep;
    uint64_t ask_at;        /* when to ask for a sample */
    uint64_t waiting_until; /* 0: no SAMPLE is due from it */
};

struct lookup {
    bool busy;
    uint64_t request; /* 0 while the provider has not given it yet */
    uint64_t cookie;
    unsigned seen, count;
    struct endpoint peers[LOOKUP_PEERS];
};

struct sampler {
    struct lookup slots[LOOKUPS_MAX];
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

struct own {
    bool present;   /* directory_set_self gave one */
    bool dirty;     /* it has changed: sign anew */
    bool announced; /* in the DHT */
    bool to_put;    /* the item is not in the DHT yet */
    struct descriptor d;
    uint64_t rotated;  /* wall seconds */
    uint64_t renew_at; /* monotonic */
    uint64_t retry_at; /* monotonic: publishing failed */
    size_t len;        /* of the text; 0: none */
    uint8_t text[DESCRIPTOR_MAX];
};

struct directory {
    struct directory_config config;
    struct directory_env env;
    struct known known;
    struct own own;
    struct ask *asks;             /* max_asks */
    struct endpoint *candidates;  /* max_candidates, a ring */
    struct neighbour *neighbours; /* max_neighbours */
    unsigned ask_count;
    unsigned candidate_first, candidate_count;
    unsigned neighbour_count;
    struct {
        struct endpoint ep;
        uint64_t at; /* 0: none */
    } recent[RECENT_MAX];
    unsigned recent_next;
    struct token_rate ask_rate;
    struct token_bucket ask_bucket;
    struct limiter tells;
    struct sampler sampler;
    struct fetch fetch;
    uint64_t refresh_at;
    uint64_t deadline;
    /* As of the last tick: */
    unsigned usable, exits;
    bool wanting; /* fewer than wanted, or they do not do */

    bool needed;      /* circuits cannot be built with those that are known */
    bool news;        /* a relay that was wanted came since the last tick */
    uint64_t news_at; /* the last one did, or began to be wanted */
    struct directory_stats stats;
};

/* ---- directory.c ------------------------------------------------------- */

/* The next tick is at `at` or earlier. */
void directory_wake(struct directory *d, uint64_t at);
void directory_drop(struct directory *d, struct known_relay *relay);
/* Those that are too old. */
void directory_forget_measures(struct directory *d, uint64_t wall);

/* A descriptor that `from` told or named: checks it and takes it up. With
 * `itself` it must be that of `from`. */
enum error directory_learn(struct directory *d, struct bytes text,
                           const struct endpoint *from, bool itself,
                           uint64_t wall);
/* A duration between 3/4 and 5/4 of `duration`. */
uint64_t directory_jitter(const struct directory *d, uint64_t duration);
/* How long to wait between two attempts to find relays: the time that none was
 * found for divided by `parts`, but between `fast` and `slow`; `slow` while
 * none are wanted. So what is not there is looked for ever less. */
uint64_t directory_patience(const struct directory *d, unsigned parts,
                            uint64_t fast, uint64_t slow, uint64_t now);

/* ---- directory_ask.c --------------------------------------------------- */

/* A known relay's, or one of the last that were asked. */
bool ask_is_familiar(const struct directory *d, const struct endpoint *ep);
void ask_tick(struct directory *d, uint64_t wall, uint64_t now);
/* Asks relays whose descriptors run out for new ones, prunes dead ones. */
void refresh_tick(struct directory *d, uint64_t wall, uint64_t now);

/* ---- directory_dht.c --------------------------------------------------- */

void sampler_init(struct directory *d, uint64_t now);
/* A fresh need of relays: from the beginning, at once. */
void sampler_restart(struct directory *d, uint64_t now);
/* One was found: there may be more. */
void sampler_news(struct directory *d, uint64_t now);
void sampler_tick(struct directory *d, uint64_t now);
void fetch_start(struct directory *d, const uint8_t identity[32]);
void fetch_tick(struct directory *d, uint64_t wall);
void dht_cancel_all(struct directory *d);

/* ---- directory_self.c -------------------------------------------------- */

void self_tick(struct directory *d, uint64_t wall, uint64_t now);

/* ---- directory_sample.c ------------------------------------------------ */

void sample_restart(struct directory *d, uint64_t now);
void sample_tick(struct directory *d, uint64_t now);

#endif
