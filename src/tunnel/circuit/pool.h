/* SPDX-License-Identifier: MIT
 *
 * Pools of data circuits: for each length that was asked for, between
 * min_circuits and max_circuits are kept. A circuit that is old, idle or used
 * up retires: its successor is built before it goes. Circuits for services are
 * left alone.
 */
#ifndef WARREN_TUNNEL_CIRCUIT_POOL_H
#define WARREN_TUNNEL_CIRCUIT_POOL_H

#include "tunnel/circuit/circuit.h"

#include <stdbool.h>
#include <stdint.h>

struct pool_config {
    unsigned min_circuits, max_circuits; /* per length; 1 <= min <= max */
    uint64_t max_time;                   /* ns of age */
    uint64_t max_time_inactive;          /* ns without data */
    uint64_t max_traffic;                /* bytes of cells, both ways */
};

struct pool_env {
    void *ctx;
    struct random_source random;
    /* A path of `hops` relays, the last of them an exit. OK, or
     * ERR_NO_NODES when too few are known. */
    enum error (*path)(void *ctx, unsigned hops, struct link_target *out);
};

struct pool {
    struct pool_config config;
    struct pool_env env;
    struct circuits *circuits;
    bool wanted[ONION_HOPS_MAX + 1]; /* by length: pool_build */
    unsigned holds[ONION_HOPS_MAX + 1];
    unsigned failures[ONION_HOPS_MAX + 1];
    uint64_t retry_at[ONION_HOPS_MAX + 1];
    uint64_t empty_since[ONION_HOPS_MAX + 1]; /* of those wanted */
    uint64_t deadline;
};

void pool_init(struct pool *p, const struct pool_config *config,
               const struct pool_env *env, struct circuits *circuits);

/* Starts or stops to keep circuits of this length; 1 to ONION_HOPS_MAX.
 * ERR_RANGE. Those that are there stay until they retire. */
enum error pool_build(struct pool *p, unsigned hops, uint64_t now);
enum error pool_stop(struct pool *p, unsigned hops);
/* They are kept as long as somebody holds them, too, whatever others say: each
 * hold is to be released once. ERR_RANGE. */
enum error pool_hold(struct pool *p, unsigned hops, uint64_t now);
void pool_release(struct pool *p, unsigned hops);
bool pool_keeps(const struct pool *p, unsigned hops);
/* One more circuit than are kept, through `path`, which retires as they do.
 * One that takes the `place` of another, which goes soon, finds room for as
 * many again: or at the cap nothing could go on. ERR_FULL (max_circuits),
 * errors of circuit_new. */
enum error pool_add(struct pool *p, const struct link_target *path,
                    unsigned hops, bool place, uint64_t now,
                    struct circuit **out);

/* Data can be sent over it now: it is of this length (0: of any), ready, and
 * does not retire; or all of its length retire, which is better than none. */
bool pool_is_active(const struct pool *p, const struct circuit *c,
                    unsigned hops);
/* Available circuits divided by min_circuits, over the lengths asked for. */
double pool_ready(const struct pool *p);

/* There may be a path of this length now: it is looked for soon. */
void pool_hurry(struct pool *p, unsigned hops, uint64_t now);

/* Since when none of this length is available; TIME_NEVER when one is, or
 * none is wanted. */
uint64_t pool_empty_since(const struct pool *p, unsigned hops);

/* What became of circuits, from circuit_env. */
void pool_circuit_ready(struct pool *p, struct circuit *c, uint64_t now);
void pool_circuit_closed(struct pool *p, const struct circuit *c,
                         enum reason why, uint64_t now);

void pool_tick(struct pool *p, uint64_t now);
uint64_t pool_next_deadline(const struct pool *p);

#endif
