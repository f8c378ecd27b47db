/* SPDX-License-Identifier: MIT
 *
 * What relay.c and relay_extend.c share; nobody else includes it.
 */
#ifndef WARREN_TUNNEL_RELAY_TABLE_H
#define WARREN_TUNNEL_RELAY_TABLE_H

#include "tunnel/relay.h"

struct relays {
    struct tunnel_core *core;
    struct relay_config config;
    struct relay_env env;
    struct limiter create_limiter, extend_limiter;
    struct relay_queue queue;
    struct relay **relays;
    size_t count, cap;
    uint64_t deadline;
    struct relay_stats stats;
};

struct relay *relay_of(struct circuit_end *end);

/* relay_extend.c */
void relay_extend(struct relays *r, struct relay *relay,
                  const struct circuit_message *m, uint64_t now);
/* The extension, or the next hop, is gone: the client is told why. */
void relay_extension_failed(struct relays *r, struct relay *relay,
                            enum reason why, uint64_t now);
void relay_extension_forget(struct relay *relay);
uint64_t relay_extension_deadline(const struct relay *relay);

#endif
