/* SPDX-License-Identifier: MIT
 *
 * Requests to the DHT that an experiment has under way, and whose they are.
 * What comes of one is looked at when its time is up; a request whose asker has
 * left meanwhile is dropped.
 */
#ifndef WARREN_SIM_PART_DHT_ERRAND_H
#define WARREN_SIM_PART_DHT_ERRAND_H

#include "sim/dht_node.h"
#include "sim/part/part.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum errand_for {
    ERRAND_LOOKUP,     /* what: the key; of no key, when there are none */
    ERRAND_ANNOUNCE,   /* what: the place of the announcement */
    ERRAND_PEER_PROBE, /* what: the key */
    ERRAND_PUT,        /* what: the item */
    ERRAND_GET,
    ERRAND_ITEM_PROBE
};

struct errand {
    struct errand *next;
    const struct laboratory *lab;
    struct sim_request r;
    uint32_t member, session; /* who asks */
    enum errand_for purpose;
    uint32_t what;
    int64_t seq; /* of items: of the newest when it began */
    struct id target;
    struct errand_trace *trace; /* trace.h; owned; NULL: none */
    bool seen; /* a hostile node was asked; while trace.h looks */
};

struct errands {
    const struct laboratory *lab;
    struct errand *first, **last; /* in the order of their beginning */
    struct errand *spare;
    size_t count;
};

void dht_errands_init(struct errands *all, const struct laboratory *lab);
void dht_errands_deinit(struct errands *all);

/* One that `m` is to begin with a->r; not under way yet. NULL: no memory. */
struct errand *errand_new(struct errands *all,
                          const struct population_member *m,
                          enum errand_for purpose, uint32_t what);
/* It has begun, or was refused: then it is gone. Returns `err`. */
enum error errand_begun(struct errands *all, struct errand *a, enum error err);

/* What of the error with which a node refused to begin one ends the run: that a
 * node does not want to is its own affair. */
static inline enum error errand_failure(enum error err)
{
    return err == ERR_NO_MEMORY ? err : OK;
}

/* Tells of each that has ended, and of each whose asker has left (`done` is
 * false), and lets it go. */
void errands_harvest(struct errands *all,
                     void (*ended)(void *ctx, struct errand *a, bool done),
                     void *ctx);

#endif
