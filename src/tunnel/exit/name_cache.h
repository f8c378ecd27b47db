/* SPDX-License-Identifier: MIT
 *
 * What the DNS has said of names and addresses, for as long as their TTL says
 * but at most NAME_TTL_MAX; that there is nothing, or that it failed, is kept
 * for NAME_TTL_NONE.
 *
 * Each circuit has names of its own, which no other finds: how fast an answer
 * comes would tell what others have asked for. Capped: at NAME_HOLDER_MAX the
 * circuit's own oldest makes room, and so it does at the cap of all, if it has
 * one; else the name that was used least recently.
 */
#ifndef WARREN_TUNNEL_EXIT_NAME_CACHE_H
#define WARREN_TUNNEL_EXIT_NAME_CACHE_H

#include "base/endpoint.h"
#include "base/random_source.h"
#include "base/table/keyed_table.h"
#include "base/timestamp.h"
#include "tunnel/exit/name.h"
#include "tunnel/link/reason.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define NAME_ADDRS_MAX  8
#define NAME_HOLDER_MAX 32
#define NAME_TTL_MIN    (5 * TIME_S)
#define NAME_TTL_MAX    (5 * TIME_MIN)
#define NAME_TTL_NONE   (10 * TIME_S)

/* Of a name its addresses, whose ports are 0; of an address its name. */
struct name_answer {
    enum reason why; /* there is nothing of it; 0: there is */
    uint8_t count;
    struct endpoint ep[NAME_ADDRS_MAX];
    struct name host;
};

/* Whose names they are. */
struct name_holder {
    uint64_t number; /* no other's */
    unsigned count;
    TAILQ_HEAD(name_entries, name_entry) by_use; /* the oldest first */
};

struct name_cache {
    struct keyed_table table;
    uint64_t last_holder;
    uint64_t sweep_at; /* never while it is empty */
};

/* `max` is at least 1. */
void name_cache_init(struct name_cache *c, unsigned max,
                     const struct random_source *random);
/* All holders have left. */
void name_cache_deinit(struct name_cache *c);

void name_holder_join(struct name_cache *c, struct name_holder *h);
/* Forgets its names; it may join again. */
void name_holder_leave(struct name_cache *c, struct name_holder *h);

/* NULL when the name is not there or its time is over; else valid until the
 * next call that changes the cache. */
const struct name_answer *name_cache_get(struct name_cache *c,
                                         struct name_holder *h,
                                         const struct name *name, uint64_t now);

/* Out of memory the cache stays as it is. */
void name_cache_put(struct name_cache *c, struct name_holder *h,
                    const struct name *name, const struct name_answer *answer,
                    uint64_t ttl, uint64_t now);

/* Drops what is over. Call at c->sweep_at. */
void name_cache_tick(struct name_cache *c, uint64_t now);

#endif
