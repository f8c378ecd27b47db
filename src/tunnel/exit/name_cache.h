/* SPDX-License-Identifier: MIT
 *
 * What names resolved to, for as long as their TTL says but at most
 * NAME_TTL_MAX; that a name has no address is kept for NAME_TTL_NONE. Capped:
 * the entry that was used least recently makes room.
 */
#ifndef WARREN_TUNNEL_EXIT_NAME_CACHE_H
#define WARREN_TUNNEL_EXIT_NAME_CACHE_H

#include "base/endpoint.h"
#include "base/random_source.h"
#include "base/table/keyed_table.h"
#include "base/timestamp.h"
#include "tunnel/exit/name.h"

#include <stddef.h>
#include <stdint.h>

#define NAME_ADDRS_MAX 8
#define NAME_TTL_MIN   (5 * TIME_S)
#define NAME_TTL_MAX   (5 * TIME_MIN)
#define NAME_TTL_NONE  (10 * TIME_S)

/* The addresses of a name; the ports are 0. */
struct name_addrs {
    uint8_t count;
    struct endpoint ep[NAME_ADDRS_MAX];
};

struct name_cache {
    struct keyed_table table;
    uint64_t sweep_at; /* never while it is empty */
};

/* `max` is at least 1. */
void name_cache_init(struct name_cache *c, unsigned max,
                     const struct random_source *random);
void name_cache_deinit(struct name_cache *c);

/* NULL when the name is not there or its time is over; else valid until the
 * next call that changes the cache. */
const struct name_addrs *name_cache_get(struct name_cache *c,
                                        const struct name *name, uint64_t now);

/* Out of memory the cache stays as it is. */
void name_cache_put(struct name_cache *c, const struct name *name,
                    const struct name_addrs *addrs, uint64_t ttl, uint64_t now);

/* Drops what is over. Call at c->sweep_at. */
void name_cache_tick(struct name_cache *c, uint64_t now);

#endif
