/* SPDX-License-Identifier: MIT
 *
 * EXTEND: the one thing by which a circuit makes this node send on another
 * link. It sends one CREATE there, and INITs before it when there is no link.
 */
#include "tunnel/link_text.h"
#include "tunnel/relay_table.h"

#include "wire/timestamp.h"

#include <stdlib.h>
#include <string.h>

#define EXTEND_TIMEOUT (10 * TIME_S)

struct relay_extension {
    uint64_t deadline;
    bool sent; /* CREATE is out */
    uint8_t noise1[HOP_NOISE1_BYTES];
};

void relay_extension_forget(struct relay *relay)
{
    free(relay->extension);
    relay->extension = NULL;
}

uint64_t relay_extension_deadline(const struct relay *relay)
{
    return relay->extension == NULL ? TIME_NEVER : relay->extension->deadline;
}

static void fail(struct relays *r, struct relay *relay, enum reason why,
                 uint64_t now)
{
    struct circuit_message m = {
        .type = CIRCUIT_FAILED, .attempt = relay->attempt, .reason = why};

    r->stats.failed[why]++;
    relay_answer(r, relay, &m, now);
}

void relay_extension_failed(struct relays *r, struct relay *relay,
                            enum reason why, uint64_t now)
{
    relay_extension_forget(relay);
    circuit_end_detach(&relay->next, &r->core->ends, now);
    relay->extended = false;
    fail(r, relay, why, now);
}

static void send_create(struct relays *r, struct relay *relay, uint64_t now)
{
    uint8_t text[LINK_TEXT_SMALL];
    size_t len;

    len = link_text_write_create(
        text, relay->next.local,
        bytes_of(relay->extension->noise1, HOP_NOISE1_BYTES));
    relay->extension->sent = true;
    link_send(r->core->links, relay->next.link, CELL_CREATE, 0,
              bytes_of(text, len), now);
}

/* Never back to where it came from, nor to ourselves. */
static enum reason check(const struct relays *r, const struct relay *relay,
                         const struct circuit_message *m)
{
    const struct endpoint *prev = &relay->prev.link->peer.ep;

    if (relay->depth >= ONION_HOPS_MAX)
        return REASON_DEPTH;
    if (memcmp(m->identity, r->core->responder->identity, 32) == 0 ||
        endpoint_equal(&m->ep, prev) ||
        (!r->config.testing_network && endpoint_same_addr(&m->ep, prev)) ||
        !endpoint_is_usable(&m->ep) || !r->env.may_extend(r->env.ctx, &m->ep))
        return REASON_ADDRESS;
    return REASON_UNKNOWN;
}

static bool is_too_often(struct relays *r, struct relay *relay, uint64_t now)
{
    if (relay->extends >= RELAY_EXTENDS_MAX)
        return true;
    relay->extends++;
    return !limiter_allow(&r->extend_limiter, &relay->prev.link->peer.ep, now);
}

static enum reason start(struct relays *r, struct relay *relay,
                         const struct circuit_message *m, uint64_t now)
{
    struct link_target target = {.ep = m->ep};
    struct link *link;

    memcpy(target.identity, m->identity, sizeof(target.identity));
    memcpy(target.handshake_key, m->handshake_key,
           sizeof(target.handshake_key));
    relay->extension = calloc(1, sizeof(struct relay_extension));
    if (relay->extension == NULL)
        return REASON_FULL;
    relay->extension->deadline = time_after(now, EXTEND_TIMEOUT);
    memcpy(relay->extension->noise1, m->noise.p, HOP_NOISE1_BYTES);
    if (link_open(r->core->links, &target, now, &link) != OK) {
        relay_extension_forget(relay);
        return REASON_UNREACHABLE;
    }
    /* The neighbour may have moved since we opened the link to it. */
    if (link == relay->prev.link) {
        relay_extension_forget(relay);
        return REASON_ADDRESS;
    }
    if (circuit_end_attach(&relay->next, &r->core->ends, link) != OK) {
        relay_extension_forget(relay);
        return REASON_FULL;
    }
    if (link->state == LINK_UP)
        send_create(r, relay, now);
    return REASON_UNKNOWN;
}

void relay_extend(struct relays *r, struct relay *relay,
                  const struct circuit_message *m, uint64_t now)
{
    enum reason why = check(r, relay, m);

    /* A new attempt takes the place of the one before. */
    relay_extension_forget(relay);
    circuit_end_destroy(&relay->next, r->core->links, REASON_REQUESTED, now);
    circuit_end_detach(&relay->next, &r->core->ends, now);
    relay->extended = false;
    relay->attempt = m->attempt;
    if (why == REASON_UNKNOWN && is_too_often(r, relay, now))
        why = REASON_RATE;
    if (why == REASON_UNKNOWN)
        why = start(r, relay, m, now);
    if (why != REASON_UNKNOWN)
        fail(r, relay, why, now);
}

void relay_link_up(struct relays *r, struct circuit_end *next, uint64_t now)
{
    struct relay *relay = relay_of(next);

    if (next->role == END_RELAY_NEXT && relay->extension != NULL &&
        !relay->extension->sent)
        send_create(r, relay, now);
}

enum error relay_receive_created(struct relays *r, struct circuit_end *next,
                                 struct bytes text, uint64_t now)
{
    struct circuit_message m = {.type = CIRCUIT_EXTENDED};
    struct relay *relay = relay_of(next);
    struct link_text t;
    enum error e;

    if (next->role != END_RELAY_NEXT || relay->extension == NULL ||
        !relay->extension->sent)
        return ERR_UNEXPECTED;
    e = link_text_read_created(text, &t);
    if (e != OK)
        return e;
    next->remote = t.index;
    relay->extended = true;
    relay_extension_forget(relay);
    r->stats.extended++;
    m.attempt = relay->attempt;
    m.noise = t.noise;
    relay_answer(r, relay, &m, now);
    return OK;
}
