/* SPDX-License-Identifier: MIT
 *
 * What the hops of a circuit say to the client. A handler here has the
 * circuit in hand and nothing else: all that it can send, it sends on this
 * circuit, through circuit_send or by building on.
 */
#include "tunnel/circuit/circuit_table.h"

#include "base/timestamp.h"

/* Hop `hop` says that the one behind it is gone or could not be reached, or,
 * when it is the last, that it could not do what it was asked for. */
static bool receive_failed(struct circuits *cs, struct circuit *c, unsigned hop,
                           const struct circuit_message *m, uint64_t now)
{
    uint8_t attempt = 0;

    if (hop < c->length)
        attempt = hop == c->built ? c->attempt : c->hop[hop].attempt;
    if (m->attempt != attempt) /* of one that was given up already */
        return false;
    if (hop == c->length)
        cs->env.refused(cs->env.ctx, c, m->reason, now);
    else
        circuit_build_failed(cs, c, hop + 1, m->reason, now);
    return true;
}

static bool receive_extended(struct circuits *cs, struct circuit *c,
                             unsigned hop, const struct circuit_message *m,
                             uint64_t now)
{
    if (hop != c->built || hop == c->length || c->handshake == NULL ||
        m->attempt != c->attempt)
        return false;
    circuit_build_answer(cs, c, m->noise, now);
    return true;
}

static bool receive_data(struct circuits *cs, struct circuit *c, unsigned hop,
                         const struct circuit_message *m, uint64_t now)
{
    if (hop != c->length || c->use != CIRCUIT_FOR_DATA || m->name.len != 0)
        return false;
    c->used_at = now;
    cs->env.data(cs->env.ctx, c, m, now);
    return true;
}

static bool receive_pong(struct circuits *cs, struct circuit *c, unsigned hop,
                         const struct circuit_message *m, uint64_t now)
{
    struct circuit_hop *h = &c->hop[hop - 1];

    if (h->ping_nonce == 0 || m->nonce != h->ping_nonce)
        return false;
    h->ping_nonce = 0;
    h->rtt = time_since(h->ping_at, now);
    cs->env.answered(cs->env.ctx, c, hop, m, now);
    return true;
}

/* Message `m` came from hop `hop`, which is sure. False when it is not what
 * this hop may say now. */
static bool dispatch(struct circuits *cs, struct circuit *c, unsigned hop,
                     const struct circuit_message *m, uint64_t now)
{
    switch (m->type) {
    case CIRCUIT_EXTENDED:
        return receive_extended(cs, c, hop, m, now);
    case CIRCUIT_FAILED:
        return receive_failed(cs, c, hop, m, now);
    case CIRCUIT_DATA:
    case CIRCUIT_PIECE:
    case CIRCUIT_PACKET_BACK:
        return receive_data(cs, c, hop, m, now);
    case CIRCUIT_PONG:
        return receive_pong(cs, c, hop, m, now);
    case CIRCUIT_TESTED:
        cs->env.answered(cs->env.ctx, c, hop, m, now);
        return true;
    case CIRCUIT_DESTROY:
    case CIRCUIT_EXTEND:
    case CIRCUIT_PING:
    case CIRCUIT_TEST:
    case CIRCUIT_PACKET_IN:
        break; /* a client says these */
    }
    return false;
}

/* Removes layers until a message shows, from hop `hop`. When none does, and the
 * circuit is joined, it is an end cell: `hop` is 0. False: neither. */
static bool peel(struct circuits *cs, struct circuit *c, uint8_t *body,
                 size_t body_len, unsigned *hop)
{
    bool is_message;

    for (*hop = 1; *hop <= c->built; (*hop)++) {
        if (onion_remove(&c->hop[*hop - 1].in, body, body_len, *hop,
                         &is_message) != OK)
            break;
        if (is_message)
            return true;
    }
    if (*hop > c->length && c->joined) {
        *hop = 0;
        return true;
    }
    cs->stats.dropped_layer++;
    return false;
}

static bool receive_message(struct circuits *cs, struct circuit *c,
                            unsigned hop, struct bytes text, uint64_t now)
{
    struct circuit_message m;

    if (circuit_message_is_service(text))
        return c->use == CIRCUIT_FOR_SERVICE &&
               cs->env.service(cs->env.ctx, c, hop, text, now);
    return circuit_message_read(text, &m) == OK &&
           dispatch(cs, c, hop, &m, now);
}

void circuit_receive_cell(struct circuits *cs, struct circuit_end *end,
                          uint8_t *datagram, size_t len, uint64_t now)
{
    uint8_t *body = datagram + CELL_BODY_OFFSET;
    size_t body_len = len - CELL_BODY_OFFSET;
    struct circuit *c = circuit_of(end);
    unsigned hop;

    if (!peel(cs, c, body, body_len, &hop))
        return;
    c->bytes_down += len;
    cs->stats.cells_down++;
    if (hop == 0) {
        c->used_at = now;
        cs->env.end(cs->env.ctx, c, body, body_len, now);
    } else if (!receive_message(cs, c, hop,
                                bytes_of(body, onion_message_len(body_len)),
                                now)) {
        cs->stats.dropped_message++;
    }
}

/* The first hop itself, over the link. */
void circuit_receive_destroy(struct circuits *cs, struct circuit_end *end,
                             enum reason why, uint64_t now)
{
    struct circuit *c = circuit_of(end);

    end->remote = 0;
    circuit_build_failed(cs, c, 1, why, now);
}
