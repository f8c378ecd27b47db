/* SPDX-License-Identifier: MIT
 *
 * Two DHTs as one: what is published goes to both, what is asked for is asked
 * of both, and what comes first is handed on. Neither waits for the other, and
 * one that refuses or fails takes nothing from what the other does.
 */
#ifndef WARREN_PROVIDER_BOTH_PROVIDER_H
#define WARREN_PROVIDER_BOTH_PROVIDER_H

#include "provider/provider_call.h"

#include <stdint.h>

/* Peers of one request that are handed on, of each of the two: whoever makes
 * up thousands in one DHT takes no room from the other. */
#define BOTH_PEERS_MAX 512

struct both_provider {
    /* What the tunnel is given. An announcement or item is OK when one of the
     * two took it. A request ends when it has ended at both: OK when it did so
     * at one of them, else ERR_SEQ when one says so, else as at the first that
     * took it; what they count is added up. Each peer comes once, and of items
     * those with a newer seq than any before. It is anonymous when both are. */
    struct dht_provider provider;
    const struct dht_provider *of[2]; /* not owned */
    struct calls calls;
    uint64_t last; /* request */
};

/* The two are not the same one, stay while it is in use, and end last. Nothing
 * moves meanwhile. */
void both_provider_init(struct both_provider *b,
                        const struct dht_provider *first,
                        const struct dht_provider *second);
/* Requests under way are cancelled; what was published stays so. */
void both_provider_deinit(struct both_provider *b);

#endif
