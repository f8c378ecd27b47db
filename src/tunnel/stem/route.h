/* SPDX-License-Identifier: MIT
 *
 * Who a circuit of services belongs to: its void *above is a struct route, and
 * what happens to the circuit goes to whoever holds it at the moment. A circuit
 * is built as a stem (stem.h), and handed on to the one that takes it.
 */
#ifndef WARREN_TUNNEL_STEM_ROUTE_H
#define WARREN_TUNNEL_STEM_ROUTE_H

#include "tunnel/circuit/circuit.h"
#include "tunnel/meeting/meeting_message.h"

/* NULL where the holder does not expect it: it is dropped and counted then.
 * Messages come from the last hop only; others are dropped before. */
struct route_ops {
    void (*ready)(void *holder, struct circuit *c, uint64_t now);
    /* The circuit is gone when this returns; `hop` as circuit_env.closed. */
    void (*closed)(void *holder, struct circuit *c, enum reason why,
                   unsigned hop, uint64_t now);
    /* False when the holder did not expect this message now. */
    bool (*message)(void *holder, struct circuit *c,
                    const struct meeting_message *m, uint64_t now);
    /* FAILED with attempt 0 from the last hop. */
    void (*refused)(void *holder, struct circuit *c, enum reason why,
                    uint64_t now);
    /* A cell of the other end, on a joined circuit. */
    void (*end)(void *holder, struct circuit *c, uint8_t *body, size_t body_len,
                uint64_t now);
};

struct route {
    const struct route_ops *ops;
    void *holder;
};

/* Begins a circuit for services through these hops. Errors of circuit_new. No
 * callback is called. */
enum error route_new(struct circuits *cs, const struct link_target *hops,
                     unsigned length, const struct route_ops *ops, void *holder,
                     uint64_t now, struct circuit **out);
/* Another holder takes it. */
void route_pass(struct circuit *c, const struct route_ops *ops, void *holder);
/* Whether this is who holds it. */
bool route_is(const struct circuit *c, const struct route_ops *ops,
              const void *holder);
/* Nobody holds it any more: it is closed, and nobody hears of it. Within
 * `closed` of the same circuit it is no error. */
void route_drop(struct circuits *cs, struct circuit *c, uint64_t now);

/* To the last hop, in a cell of the size that the type has. Errors of
 * meeting_message_write and circuit_send_text. */
enum error route_send(struct circuits *cs, struct circuit *c,
                      const struct meeting_message *m, uint64_t now);

/* Forgets who holds the circuits, all of them: before circuits_free, which
 * calls nobody. */
void routes_free(struct circuits *cs);

/* What circuit_env tells of circuits of services (member_service.c). */
void route_ready(struct circuit *c, uint64_t now);
void route_closed(struct circuit *c, enum reason why, unsigned hop,
                  uint64_t now);
bool route_message(struct circuit *c, unsigned hop, struct bytes text,
                   uint64_t now);
void route_refused(struct circuit *c, enum reason why, uint64_t now);
void route_end(struct circuit *c, uint8_t *body, size_t body_len, uint64_t now);

#endif
