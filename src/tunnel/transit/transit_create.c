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

static bool tell(const void *table, size_t place, struct holding *out)
{
    const struct transits *r = table;

    *out = (struct holding){.source = r->relays[place]->source,
                            .used_at = r->relays[place]->used_at};
    return true;
}

struct moment {
    const struct transits *r;
    uint64_t now;
};

static bool tell_unused(const void *table, size_t place, struct holding *out)
{
    const struct moment *m = table;
    const struct transit *relay = m->r->relays[place];

    return !relay->carried &&
           time_since(relay->created_at, m->now) >= TRANSIT_UNUSED &&
           tell(m->r, place, out);
}

/* Whether the line of `ep` has at least so many quarters of all places. (Its
 * line, as one party has that for sure.) */
static bool has_quarters(const struct transits *r, const struct endpoint *ep,
                         unsigned quarters)
{
    unsigned max = r->config.max_relays_or_exits;

    return shares_count(&r->shares, ep, SOURCE_LINE) >=
           max - (uint64_t)max * (4 - quarters) / 4;
}

/* Finds a place for a circuit from `ep`, as transit.h says. The one that it is
 * taken from goes into `out`, or NULL when there is room. False: there is none.
 * Nobody has less than `nobody`: to it any circuit that is unused makes way. */
static bool find_place(struct transits *r, const struct endpoint *ep,
                       uint64_t now, struct transit **out)
{
    static const struct endpoint nobody;
    struct moment moment = {r, now};
    bool full = r->count >= r->config.max_relays_or_exits;
    size_t place;

    *out = NULL;
    if (!full && (r->config.testing_network || !has_quarters(r, ep, 3)))
        return true;
    place =
        shares_make_way(&r->shares, ep, r->count, tell, r, TRANSIT_IDLE, now);
    if (place == SIZE_MAX && full && !has_quarters(r, ep, 1))
        place = shares_make_way(&r->shares, &nobody, r->count, tell_unused,
                                &moment, 0, now);
    if (place == SIZE_MAX)
        return false;
    *out = r->relays[place];
    return true;
}

/* Takes the handshake's keys; the answer's noise message is in `noise2`. */
static enum reason answer(struct transits *r, const struct link_text *t,
                          uint8_t noise2[NOISE_OVERHEAD],
                          struct noise_keys *keys, uint8_t *depth)
{
    uint8_t payload[HOP_PAYLOAD_BYTES];

    if (responder_answer(r->shared->responder, "hop", t->noise, payload, noise2,
                         keys) != OK)
        return REASON_HANDSHAKE;
    *depth = payload[1];
    if (payload[0] == 0x91 && payload[1] >= 1 && payload[1] <= ONION_HOPS_MAX)
        return REASON_UNKNOWN;
    sodium_memzero(keys, sizeof(*keys));
    return REASON_DEPTH;
}

/* A circuit from this link, in the table. REASON_FULL: no memory. */
static enum reason add(struct transits *r, struct link *link,
                       const struct link_text *t, uint64_t now,
                       struct transit **out)
{
    struct transit *relay = calloc(1, sizeof(struct transit));

    if (relay == NULL || transit_add(r, relay, &link->peer.ep) != OK) {
        free(relay);
        return REASON_FULL;
    }
    relay->prev.role = END_TRANSIT_PREV;
    relay->next.role = END_TRANSIT_NEXT;
    if (circuit_end_attach(&relay->prev, &r->shared->ends, link) != OK) {
        transit_forget(r, relay, now);
        return REASON_FULL;
    }
    relay->prev.remote = t->index;
    relay->created_by = mark_of(t->noise);
    relay->created_at = relay->used_at = now;
    *out = relay;
    return REASON_UNKNOWN;
}

bool transit_allow(struct limiter *limiter, const struct link *link,
                   uint64_t now)
{
    return link->carried ? limiter_allow_known(limiter, &link->peer.ep, now)
                         : limiter_allow(limiter, &link->peer.ep, now);
}

static enum reason create(struct transits *r, struct link *link,
                          const struct link_text *t, uint64_t now,
                          uint8_t noise2[NOISE_OVERHEAD], struct transit **out)
{
    struct transit *instead;
    struct noise_keys keys;
    enum reason why;
    uint8_t depth;

    /* A link belongs to the one who opened it. */
    if (link->initiator)
        return REASON_PROTOCOL;
    if (r->config.max_relays_or_exits == 0 ||
        !transit_allow(&r->create_limiter, link, now) ||
        !find_place(r, &link->peer.ep, now, &instead))
        return REASON_FULL;
    why = answer(r, t, noise2, &keys, &depth);
    if (why != REASON_UNKNOWN)
        return why;
    if (instead != NULL)
        transit_close(r, instead, REASON_FULL, now);
    why = add(r, link, t, now, out);
    if (why == REASON_UNKNOWN) {
        (*out)->depth = depth;
        memcpy((*out)->transcript, keys.transcript, sizeof((*out)->transcript));
        onion_receiver_init(&(*out)->in, keys.to_responder);
        onion_sender_init(&(*out)->out, keys.to_initiator);
    }
    sodium_memzero(&keys, sizeof(keys));
    return why;
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
