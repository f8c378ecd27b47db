/* SPDX-License-Identifier: MIT
 *
 * What the files relay*.c share; nobody else includes it.
 */
#ifndef WARREN_TUNNEL_RELAY_RELAY_TABLE_H
#define WARREN_TUNNEL_RELAY_RELAY_TABLE_H

#include "base/meter.h"
#include "tunnel/relay/relay.h"

#define RELAY_TICK (1 * TIME_S) /* how exactly ages are kept */

/* How far a circuit has come, while it moves or may have to say again what it
 * has just said. */
enum relay_step_state {
    STEP_CREATED, /* CREATED was sent, the client has not shown that it came */
    STEP_LINK,    /* waits for a link to the next hop */
    STEP_CREATE,  /* CREATE was sent */
    STEP_EXTENDED /* EXTENDED was sent, nothing has gone beyond yet */
};

struct relay_step {
    uint64_t deadline;
    uint8_t state;                   /* enum relay_step_state */
    uint8_t repeats;                 /* of the CREATE */
    uint8_t noise[HOP_NOISE1_BYTES]; /* noise1 of the CREATE, or noise2 of the
                                        CREATED or EXTENDED */
};

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
    struct meter meter;
};

struct relay *relay_of(struct circuit_end *end);

enum error relay_add(struct relays *r, struct relay *relay);
void relay_forget(struct relays *r, struct relay *relay, uint64_t now);

/* relay_extend.c */
void relay_extend(struct relays *r, struct relay *relay,
                  const struct circuit_message *m, uint64_t now);
/* The extension, or the next hop, is gone: the client is told why. */
void relay_extension_failed(struct relays *r, struct relay *relay,
                            enum reason why, uint64_t now);

/* `noise2` was sent in an answer of this kind. Without memory for it the
 * answer is not said again. */
void relay_step_answered(struct relay *relay, enum relay_step_state state,
                         const uint8_t noise2[NOISE_OVERHEAD], uint64_t now);
/* A cell of the client came, for us or for a hop behind: the answer that let
 * it send that has come. There is a step. */
void relay_step_heard(struct relay *relay, bool for_us);
void relay_step_overdue(struct relays *r, struct relay *relay, uint64_t now);
void relay_step_forget(struct relay *relay);

#endif
