/* SPDX-License-Identifier: MIT
 *
 * CREATE: how this node comes to take part in a circuit.
 */
#include "tunnel/link/link_text.h"
#include "tunnel/transit/transit_table.h"

#include "base/timestamp.h"

#include <sodium.h>
#include <stdlib.h>

/* Ends of a link, the newest first, among which a CREATE that comes again is
 * looked for: it comes soon, and a flood of them must cost little. */
#define NEWEST 64

/* The client's ephemeral key begins noise1: no two circuits have the same. */
static uint64_t mark_of(struct bytes noise1)
{
    return bytes_get_number(noise1.p, 8);
}

static void refuse(struct transits *r, struct link *link, uint32_t remote,
                   enum reason why, uint64_t now)
{
    r->stats.refused++;
    circuit_destroy(r->shared->links, link, remote, why, now);
}

/* One neighbour's address must not take all the places. In a testing network
 * all may have the same. */
static bool has_its_share(const struct transits *r, const struct link *link)
{
    unsigned max = r->config.max_relays_or_exits;
    size_t n = 0;

    if (r->config.testing_network)
        return false;
    for (size_t i = 0; i < r->count; i++)
        n += endpoint_same_source(&r->relays[i]->prev.link->peer.ep,
                                  &link->peer.ep);
    return n >= max - max / 4;
}

/* Takes the handshake's keys; the answer's noise message is in `noise2`. */
static enum reason create(struct transits *r, struct link *link,
                          const struct link_text *t, uint64_t now,
                          uint8_t noise2[NOISE_OVERHEAD], struct transit **out)
{
    uint8_t payload[HOP_PAYLOAD_BYTES];
    struct noise_keys keys;
    struct transit *relay;

    /* A link belongs to the one who opened it. */
    if (link->initiator)
        return REASON_PROTOCOL;
    if (r->count >= r->config.max_relays_or_exits ||
        !limiter_allow(&r->create_limiter, &link->peer.ep, now) ||
        has_its_share(r, link))
        return REASON_FULL;
    if (responder_answer(r->shared->responder, "hop", t->noise, payload, noise2,
                         &keys) != OK)
        return REASON_HANDSHAKE;
    if (payload[0] != 0x91 || payload[1] < 1 || payload[1] > ONION_HOPS_MAX) {
        sodium_memzero(&keys, sizeof(keys));
        return REASON_DEPTH;
    }
    relay = calloc(1, sizeof(struct transit));
    if (relay == NULL || transit_add(r, relay) != OK) {
        free(relay);
        sodium_memzero(&keys, sizeof(keys));
        return REASON_FULL;
    }
    relay->prev.role = END_TRANSIT_PREV;
    relay->next.role = END_TRANSIT_NEXT;
    relay->depth = payload[1];
    relay->created_at = relay->used_at = now;
    onion_receiver_init(&relay->in, keys.to_responder);
    onion_sender_init(&relay->out, keys.to_initiator);
    sodium_memzero(&keys, sizeof(keys));
    if (circuit_end_attach(&relay->prev, &r->shared->ends, link) != OK) {
        transit_forget(r, relay, now);
        return REASON_FULL;
    }
    relay->prev.remote = t->index;
    relay->created_by = mark_of(t->noise);
    *out = relay;
    return REASON_UNKNOWN;
}

static void send_created(struct transits *r, const struct transit *relay,
                         const uint8_t noise2[NOISE_OVERHEAD], uint64_t now)
{
    uint8_t text[LINK_TEXT_SMALL];
    size_t len = link_text_write_created(text, relay->prev.local, noise2);

    link_send(r->shared->links, relay->prev.link, CELL_CREATED,
              relay->prev.remote, bytes_of(text, len), now);
}

/* The circuit that this CREATE has made already, or NULL. */
static struct transit *created_before(const struct link *link,
                                      const struct link_text *t)
{
    unsigned n = 0;

    for (struct circuit_end *end = link->ends; end != NULL && n < NEWEST;
         end = end->next, n++) {
        if (end->role == END_TRANSIT_PREV && end->remote == t->index &&
            transit_of(end)->created_by == mark_of(t->noise))
            return transit_of(end);
    }
    return NULL;
}

/* The CREATE or our answer was lost, or they crossed each other. No state and
 * no Diffie-Hellman comes of it, and one cell for one. */
static enum error repeat(struct transits *r, const struct transit *relay,
                         uint64_t now)
{
    r->stats.repeated++;
    if (relay->step == NULL || relay->step->state != STEP_CREATED)
        return ERR_UNEXPECTED; /* the client has had the answer */
    send_created(r, relay, relay->step->noise, now);
    return OK;
}

enum error transit_receive_create(struct transits *r, struct link *link,
                                  struct bytes text, uint64_t now)
{
    uint8_t noise2[NOISE_OVERHEAD];
    struct transit *relay;
    struct link_text t;
    enum reason why;
    enum error e;

    e = link_text_read_create(text, &t);
    if (e != OK)
        return e;
    relay = created_before(link, &t);
    if (relay != NULL)
        return repeat(r, relay, now);
    why = create(r, link, &t, now, noise2, &relay);
    if (why != REASON_UNKNOWN) {
        refuse(r, link, t.index, why, now);
        return OK;
    }
    r->stats.created++;
    r->deadline = time_min(r->deadline, time_after(now, TRANSIT_TICK));
    transit_step_answered(relay, STEP_CREATED, noise2, now);
    send_created(r, relay, noise2, now);
    return OK;
}
