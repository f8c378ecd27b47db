/* SPDX-License-Identifier: MIT
 *
 * The directory as its own files see it; nobody else includes it. It is put
 * together from five parts, each with a header of its own: what it asks relays,
 * what it looks for in the DHT, what it says of itself, who reached it where,
 * and what it exchanges with neighbours. All of them end in directory_learn.
 * What they have found is looked at by directory_survey.c (is it all?) and
 * directory_view.c (for others).
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DIRECTORY_INTERNAL_H
#define WARREN_TUNNEL_DIRECTORY_DIRECTORY_INTERNAL_H

#include "base/limiter.h"
#include "tunnel/directory/directory.h"
#include "tunnel/directory/directory_ask.h"
#include "tunnel/directory/directory_dht.h"
#include "tunnel/directory/directory_reach.h"
#include "tunnel/directory/directory_sample.h"
#include "tunnel/directory/directory_self.h"
#include "tunnel/link/cookie.h"

#define RECENT_MAX 256 /* endpoints asked lately */

/* When the view is complete: what for, see directory_survey.c. */
#define SURVEY_MIN      (2 * TIME_MIN)
#define SURVEY_QUIET    TIME_MIN
#define SURVEY_MAX      (30 * TIME_MIN)
#define SURVEY_LOOKUPS  4
#define SURVEY_NETWORKS 4

struct survey {
    uint64_t began;         /* monotonic; 0: nobody has answered yet */
    unsigned lookups;       /* that ended well */
    unsigned quiet_lookups; /* since the last relay that was new */
    bool complete;
};

struct directory {
    struct directory_config config;
    struct directory_env env;
    struct known known;
    struct own own;
    struct reach reach;
    struct ask *asks;             /* max_asks */
    struct endpoint *candidates;  /* max_candidates, a ring */
    struct neighbour *neighbours; /* max_neighbours */
    unsigned ask_count;
    unsigned asks_for_others; /* of these */
    unsigned candidate_first, candidate_count;
    unsigned neighbour_count;
    struct {
        struct endpoint ep;
        uint64_t at; /* 0: none */
    } recent[RECENT_MAX];
    unsigned recent_next;
    struct token_rate ask_rate;
    struct token_bucket ask_bucket;
    struct limiter tells;   /* to strangers */
    struct limiter proven;  /* TELLs to those who had a cookie */
    struct limiter samples; /* to neighbours */
    struct cookie_jar jar;
    struct key_search key_search;
    struct fetch fetch;
    struct survey survey;
    uint64_t refresh_at;
    uint64_t gone_at;      /* the last relay that was gone; 0: never */
    uint64_t doubts_until; /* relays are gone: all are asked */
    uint64_t deadline;
    /* As of the last tick: */
    unsigned usable, exits;
    bool wanting; /* fewer than wanted, or they do not do */

    bool needed;      /* circuits cannot be built with those that are known */
    bool news;        /* a relay that was wanted came since the last tick */
    uint64_t news_at; /* the last one did, or began to be wanted */
    struct clock_hint clock;
    struct directory_twin twin;
    struct directory_stats stats;
};

/* ---- directory_survey.c ------------------------------------------------ */

/* A lookup in the DHT ended well. */
void survey_looked(struct directory *d);
void survey_tick(struct directory *d, uint64_t now);

/* ---- directory.c ------------------------------------------------------- */

/* The next tick is at `at` or earlier. */
void directory_wake(struct directory *d, uint64_t at);
void directory_drop(struct directory *d, struct known_relay *relay);
/* It is left alone for a while, the longer the more often. */
void directory_put_aside(struct directory *d, struct known_relay *relay,
                         uint64_t now);
/* Those that are too old. */
void directory_forget_measures(struct directory *d, uint64_t wall);

/* A descriptor that `from` told or named: checks it and takes it up. With
 * `itself` it must be that of `from`. */
enum error directory_learn(struct directory *d, struct bytes text,
                           const struct endpoint *from, bool itself,
                           uint64_t wall);
/* Whether it says that its relay is at this IP. */
bool directory_lists(const struct descriptor *desc, const struct endpoint *ep);
/* A duration between 3/4 and 5/4 of `duration`. */
uint64_t directory_jitter(const struct directory *d, uint64_t duration);
/* How long to wait between two attempts to find relays: the time that none was
 * found for divided by `parts`, but between `fast` and `slow`; `slow` while
 * none are wanted. So what is not there is looked for ever less. */
uint64_t directory_patience(const struct directory *d, unsigned parts,
                            uint64_t fast, uint64_t slow, uint64_t now);

#endif
