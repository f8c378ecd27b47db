/* SPDX-License-Identifier: MIT
 *
 * The hooks of a tunnel engine that nobody listens to, for tests and
 * benchmarks: each takes what is its own.
 */
#ifndef WARREN_TESTS_ENGINE_STUB_H
#define WARREN_TESTS_ENGINE_STUB_H

#include "tunnel/router/router.h"

static inline void stub_link_up(void *ctx, struct link *link, uint64_t now)
{
    (void)ctx, (void)link, (void)now;
}

static inline void stub_link_down(void *ctx, struct link *link, enum reason why,
                                  uint64_t now)
{
    (void)ctx, (void)link, (void)why, (void)now;
}

static inline void stub_unanswered(void *ctx, const struct link *link,
                                   uint64_t now)
{
    (void)ctx, (void)link, (void)now;
}

static inline enum error stub_message(void *ctx, const struct endpoint *from,
                                      const struct link_message *m,
                                      uint64_t now)
{
    (void)ctx, (void)from, (void)m, (void)now;
    return ERR_UNKNOWN_KIND;
}

static inline enum error stub_neighbour(void *ctx, struct link *link,
                                        enum cell_type type, struct bytes text,
                                        uint64_t now)
{
    (void)ctx, (void)link, (void)type, (void)text, (void)now;
    return ERR_UNKNOWN_KIND;
}

static inline bool stub_may_extend(void *ctx, const struct endpoint *to)
{
    (void)ctx, (void)to;
    return true;
}

static inline enum reason stub_relay_data(void *ctx, struct transit *relay,
                                          const struct circuit_message *m,
                                          uint64_t now)
{
    (void)ctx, (void)relay, (void)m, (void)now;
    return REASON_UNKNOWN;
}

static inline enum reason stub_relay_service(void *ctx, struct transit *relay,
                                             struct bytes text, uint64_t now)
{
    (void)ctx, (void)relay, (void)text, (void)now;
    return REASON_PROTOCOL;
}

static inline void stub_relay_closed(void *ctx, struct transit *relay,
                                     uint64_t now)
{
    (void)ctx, (void)relay, (void)now;
}

static inline bool stub_replace(void *ctx, const struct circuit *c,
                                unsigned stands, unsigned hop, enum reason why,
                                struct link_target *out)
{
    (void)ctx, (void)c, (void)stands, (void)hop, (void)why, (void)out;
    return false;
}

static inline void stub_ready(void *ctx, struct circuit *c, uint64_t now)
{
    (void)ctx, (void)c, (void)now;
}

static inline void stub_closed(void *ctx, struct circuit *c, enum reason why,
                               unsigned hop, uint64_t now)
{
    (void)ctx, (void)c, (void)why, (void)hop, (void)now;
}

static inline void stub_data(void *ctx, struct circuit *c,
                             const struct circuit_message *m, uint64_t now)
{
    (void)ctx, (void)c, (void)m, (void)now;
}

static inline void stub_refused(void *ctx, struct circuit *c, enum reason why,
                                uint64_t now)
{
    (void)ctx, (void)c, (void)why, (void)now;
}

static inline void stub_answered(void *ctx, struct circuit *c, unsigned hop,
                                 const struct circuit_message *m, uint64_t now)
{
    (void)ctx, (void)c, (void)hop, (void)m, (void)now;
}

static inline bool stub_service(void *ctx, struct circuit *c, unsigned hop,
                                struct bytes text, uint64_t now)
{
    (void)ctx, (void)c, (void)hop, (void)text, (void)now;
    return false;
}

static inline void stub_end(void *ctx, struct circuit *c, uint8_t *body,
                            size_t body_len, uint64_t now)
{
    (void)ctx, (void)c, (void)body, (void)body_len, (void)now;
}

/* To be completed with `send` and `random`. */
static inline struct router_env stub_engine_env(void *ctx)
{
    return (struct router_env){
        .ctx = ctx,
        .hooks = ctx,
        .link_up = stub_link_up,
        .link_down = stub_link_down,
        .unanswered = stub_unanswered,
        .message = stub_message,
        .neighbour = stub_neighbour,
        .transit = {.ctx = ctx,
                    .may_extend = stub_may_extend,
                    .data = stub_relay_data,
                    .service = stub_relay_service,
                    .closed = stub_relay_closed},
        .circuit = {.ctx = ctx,
                    .replace = stub_replace,
                    .ready = stub_ready,
                    .closed = stub_closed,
                    .data = stub_data,
                    .refused = stub_refused,
                    .answered = stub_answered,
                    .service = stub_service,
                    .end = stub_end},
    };
}

#endif
