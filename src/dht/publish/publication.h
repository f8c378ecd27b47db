/* SPDX-License-Identifier: MIT
 *
 * One announcement or item of our own, between publish.c, which runs its
 * rounds, and publish_request.c, which adds and withdraws it.
 */
#ifndef WARREN_DHT_PUBLISH_PUBLICATION_H
#define WARREN_DHT_PUBLISH_PUBLICATION_H

#include "dht/dht.h"

#include <stdbool.h>
#include <stdint.h>

struct lookup;

struct publication {
    struct publication *next;
    bool dead;    /* withdrawn; waits for the sweep */
    bool beaten;  /* a newer item than ours is out there: not renewed */
    bool differs; /* so is one that the condition does not hold for */
    bool is_item;
    struct id target;
    uint16_t port; /* of a peer */
    bool implied_port;
    bool has_cas; /* for the first round only */
    int64_t cas;
    struct dht_item item; /* views below */
    struct value *value;  /* owned; NULL for a peer */
    uint8_t salt[DHT_SALT_MAX];
    struct lookup *round; /* that runs, or NULL */
    dht_request request;  /* of the first round, 0 once it is over */
    struct dht_handler handler;
    unsigned failed; /* rounds in a row that nobody accepted */
    uint64_t at;     /* next round */
};

/* All others of the same kind and target. */
void publication_remove_others(struct dht *d, const struct publication *p);

#endif
