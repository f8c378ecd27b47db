/* SPDX-License-Identifier: MIT
 *
 * Where the planes of services are plugged in: what becomes of our circuits for
 * services, what their hops say, what comes through a joined one, and what the
 * clients of others ask of us as a relay. Nobody serves here yet: a relay
 * refuses, and a client takes nothing.
 */
#include "tunnel/member/member_internal.h"

/* ---- Circuits of our own ------------------------------------------------ */

void member_service_ready(struct member *t, struct circuit *c, uint64_t now)
{
    (void)t, (void)c, (void)now;
}

void member_service_closed(struct member *t, struct circuit *c, enum reason why,
                           unsigned hop, uint64_t now)
{
    (void)t, (void)c, (void)why, (void)hop, (void)now;
}

void member_service_refused(struct member *t, struct circuit *c,
                            enum reason why, uint64_t now)
{
    (void)t, (void)c, (void)why, (void)now;
}

void member_service_answered(struct member *t, struct circuit *c, unsigned hop,
                             const struct circuit_message *m, uint64_t now)
{
    (void)t, (void)c, (void)hop, (void)m, (void)now;
}

bool member_service_message(void *ctx, struct circuit *c, unsigned hop,
                            struct bytes text, uint64_t now)
{
    (void)ctx, (void)c, (void)hop, (void)text, (void)now;
    return false;
}

void member_service_end(void *ctx, struct circuit *c, uint8_t *body,
                        size_t body_len, uint64_t now)
{
    (void)ctx, (void)c, (void)body, (void)body_len, (void)now;
}

/* ---- Circuits of others -------------------------------------------------- */

enum reason member_service_asked(void *ctx, struct transit *relay,
                                 struct bytes text, uint64_t now)
{
    (void)ctx, (void)relay, (void)text, (void)now;
    return REASON_PROTOCOL;
}

void member_service_parted(struct member *t, struct transit *relay,
                           uint64_t now)
{
    (void)t, (void)relay, (void)now;
}
