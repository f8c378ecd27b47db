/* SPDX-License-Identifier: MIT
 *
 * What happens to a circuit of services, passed on to who holds it. A struct
 * route is made with its circuit, and gone before its holder hears that the
 * circuit is.
 */
#include "tunnel/stem/route.h"

#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"

#include <stdlib.h>

static struct route *route_of(const struct circuit *c)
{
    return c->use == CIRCUIT_FOR_SERVICE ? c->above : NULL;
}

enum error route_new(struct circuits *cs, const struct link_target *hops,
                     unsigned length, const struct route_ops *ops, void *holder,
                     uint64_t now, struct circuit **out)
{
    struct route *r = malloc(sizeof(*r));
    enum error e;

    if (r == NULL)
        return ERR_NO_MEMORY;
    e = circuit_new_for_service(cs, hops, length, now, out);
    if (e != OK) {
        free(r);
        return e;
    }
    *r = (struct route){.ops = ops, .holder = holder};
    (*out)->above = r;
    return OK;
}

void route_pass(struct circuit *c, const struct route_ops *ops, void *holder)
{
    struct route *r = route_of(c);

    if (r != NULL)
        *r = (struct route){.ops = ops, .holder = holder};
}

bool route_is(const struct circuit *c, const struct route_ops *ops,
              const void *holder)
{
    const struct route *r = route_of(c);

    return r != NULL && r->ops == ops && r->holder == holder;
}

static void forget(struct circuit *c)
{
    free(c->above);
    c->above = NULL;
}

void route_drop(struct circuits *cs, struct circuit *c, uint64_t now)
{
    if (route_of(c) != NULL)
        forget(c);
    circuit_close(cs, c, REASON_REQUESTED, now);
}

enum error route_send(struct circuits *cs, struct circuit *c,
                      const struct meeting_message *m, uint64_t now)
{
    uint8_t text[CELL_TEXT_MAX];
    size_t cell = meeting_message_cell(m->type), len;
    enum error e = meeting_message_write(
        m, text, onion_message_len(cell - CELL_BODY_OFFSET), &len);

    if (e != OK)
        return e;
    return circuit_send_text(cs, c, c->length, bytes_of(text, len), cell, now);
}

void routes_free(struct circuits *cs)
{
    for (unsigned i = 0; i < circuits_count(cs); i++) {
        struct circuit *c = circuits_at(cs, i);

        if (route_of(c) != NULL)
            forget(c);
    }
}

/* ---- What is told ------------------------------------------------------- */

void route_ready(struct circuit *c, uint64_t now)
{
    const struct route *r = route_of(c);

    if (r != NULL && r->ops->ready != NULL)
        r->ops->ready(r->holder, c, now);
}

void route_closed(struct circuit *c, enum reason why, unsigned hop,
                  uint64_t now)
{
    struct route r;

    if (route_of(c) == NULL)
        return;
    r = *route_of(c);
    forget(c);
    if (r.ops->closed != NULL)
        r.ops->closed(r.holder, c, why, hop, now);
}

bool route_message(struct circuit *c, unsigned hop, struct bytes text,
                   uint64_t now)
{
    const struct route *r = route_of(c);
    struct meeting_message m;

    if (r == NULL || r->ops->message == NULL || c->state != CIRCUIT_READY ||
        hop != c->length)
        return false;
    if (meeting_message_read(text, &m) != OK || !meeting_relay_says(m.type))
        return false;
    return r->ops->message(r->holder, c, &m, now);
}

void route_refused(struct circuit *c, enum reason why, uint64_t now)
{
    const struct route *r = route_of(c);

    if (r != NULL && r->ops->refused != NULL && c->state == CIRCUIT_READY)
        r->ops->refused(r->holder, c, why, now);
}

void route_end(struct circuit *c, uint8_t *body, size_t body_len, uint64_t now)
{
    const struct route *r = route_of(c);

    if (r != NULL && r->ops->end != NULL)
        r->ops->end(r->holder, c, body, body_len, now);
}
