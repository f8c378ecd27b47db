/* SPDX-License-Identifier: MIT
 *
 * One side of a request: a circuit, what is asked through it, and another
 * circuit when its last hop does not do what it should. A question is said
 * again until it is answered, under the same number: the hop does it once.
 */
#include "tunnel/stem/finder_internal.h"

#include "wire/item/item_signing.h"

#include <sodium.h>
#include <string.h>

#define NEWER 2 /* hops that say so are believed */

static void side_ready(void *holder, struct circuit *c, uint64_t now);
static void side_closed(void *holder, struct circuit *c, enum reason why,
                        unsigned hop, uint64_t now);
static bool side_message(void *holder, struct circuit *c,
                         const struct meeting_message *m, uint64_t now);
static void side_refused(void *holder, struct circuit *c, enum reason why,
                         uint64_t now);

static const struct route_ops ops_of_sides = {.ready = side_ready,
                                              .closed = side_closed,
                                              .message = side_message,
                                              .refused = side_refused};

static struct finder *finder_of(const struct side *side)
{
    return side->request->f;
}

/* Which replica is asked for now. */
static unsigned replica_of(const struct side *side)
{
    return (side->number + side->questions) % 2;
}

/* ---- The circuit -------------------------------------------------------- */

static void let_go(struct side *side, uint64_t now)
{
    struct finder *f = finder_of(side);
    struct circuit *c = side->c;

    side->c = NULL;
    if (c != NULL)
        route_drop(f->env.circuits, c, now);
    if (side->provided != 0)
        f->env.dht->cancel(f->env.dht->ctx, side->provided);
    side->provided = 0;
}

void side_end(struct side *side, uint64_t now)
{
    side->state = SIDE_OVER;
    let_go(side, now);
}

/* Another hop is asked, if there may be one more. */
static void next_hop(struct side *side)
{
    side->done = side->failed = false;
    side->ask_count = 0;
    side->say_at = 0;
    side->end_at = TIME_NEVER;
    side->state = side->tries < FINDER_CIRCUITS ? SIDE_WAITING : SIDE_OVER;
    finder_of(side)->hurry = true;
}

/* This one is of no use. */
static void give_up(struct side *side, uint64_t now)
{
    if (side->c != NULL)
        hops_failed(side);
    let_go(side, now);
    next_hop(side);
}

static void side_closed(void *holder, struct circuit *c, enum reason why,
                        unsigned hop, uint64_t now)
{
    struct side *side = holder;

    (void)c, (void)why, (void)hop, (void)now;
    finder_of(side)->stats.lost++;
    hops_failed(side);
    side->c = NULL;
    next_hop(side);
}

static void side_refused(void *holder, struct circuit *c, enum reason why,
                         uint64_t now)
{
    struct side *side = holder;

    (void)c, (void)why;
    finder_of(side)->stats.refused++;
    side->refused = true;
    give_up(side, now);
}

/* ---- Questions ---------------------------------------------------------- */

static void say(struct side *side, uint64_t now)
{
    const struct request *r = side->request;
    struct meeting_message m = {.type = MEETING_DHT_GET, .id = side->id};

    switch (r->kind) {
    case REQUEST_GET:
        m.key = bytes_of(r->key, 32);
        m.salt = service_replica_salt(replica_of(side));
        break;
    case REQUEST_POINTS:
        m.key = bytes_of(r->hashes[replica_of(side)].b, ID_BYTES);
        break;
    case REQUEST_PUT:
        m.type = MEETING_DHT_PUT;
        m.key = bytes_of(r->key, 32);
        m.salt = bytes_of(r->salt, r->salt_len);
        m.seq = side->seq;
        m.signature = side->signature;
        m.value = side->value;
        break;
    }
    route_send(finder_of(side)->env.circuits, side->c, &m, now);
}

static void say_asks(struct side *side, uint64_t now)
{
    for (unsigned i = 0; i < side->ask_count; i++) {
        struct meeting_message m = {.type = MEETING_RELAY_ASK,
                                    .id = side->asks[i].id,
                                    .ep = side->asks[i].ep};

        if (side->asks[i].open)
            route_send(finder_of(side)->env.circuits, side->c, &m, now);
    }
}

/* The hop answers at once what it has answered before: the way there and back
 * is what a question waits for. */
static void begin_asking(struct side *side, uint64_t now)
{
    const struct circuits *cs = finder_of(side)->env.circuits;

    asking_begin(&side->asking, circuits_overdue(cs, side->c->length), now);
    side->say_at = side->asking.again_at;
    side->end_at = now + SIDE_SILENT;
}

static void ask(struct side *side, uint64_t now)
{
    side->id = random_u32(&finder_of(side)->env.random);
    side->state = SIDE_ASKING;
    side->asked = true;
    side->done = false;
    if (finder_is_provided(finder_of(side))) {
        side->say_at = side->end_at = TIME_NEVER;
        provided_ask(side);
        return;
    }
    begin_asking(side, now);
    hops_asked(side);
    say(side, now);
}

static void side_ready(void *holder, struct circuit *c, uint64_t now)
{
    struct side *side = holder;

    (void)c;
    if (side->state == SIDE_OPENING)
        ask(side, now);
    finder_of(side)->hurry = true;
}

void side_answered(struct side *side, uint64_t now)
{
    const struct request *r = side->request;
    bool more = r->kind == REQUEST_GET ||
                (r->kind == REQUEST_POINTS && side->candidate_count == 0);

    if (r->kind == REQUEST_POINTS && side->candidate_count > 0 &&
        side->ask_count == 0 && side->c != NULL && points_ask(side)) {
        begin_asking(side, now);
        say_asks(side, now);
        return;
    }
    if (more && ++side->questions < 2) {
        ask(side, now);
        return;
    }
    side->said_no = true;
    side_end(side, now);
}

/* ---- Steps -------------------------------------------------------------- */

static void open_circuit(struct side *side, uint64_t now)
{
    struct circuit *c = NULL;

    if (finder_is_provided(finder_of(side))) {
        side->tries++;
        ask(side, now);
        return;
    }
    if (hops_take(side, &ops_of_sides, now, &c) != PATH_FOUND) {
        side->tries++;
        side->say_at = now + SIDE_NO_PATH;
        if (side->tries >= FINDER_CIRCUITS)
            side_end(side, now);
        return;
    }
    if (c == NULL) { /* finder_stems hurries */
        side->say_at = TIME_NEVER;
        return;
    }
    side->tries++;
    side->c = c;
    side->state = SIDE_OPENING;
    side->end_at = TIME_NEVER; /* the circuit has its own */
    finder_of(side)->stats.circuits++;
    if (c->state == CIRCUIT_READY)
        ask(side, now);
}

static bool has_open_asks(const struct side *side)
{
    for (unsigned i = 0; i < side->ask_count; i++)
        if (side->asks[i].open)
            return true;
    return false;
}

/* The last hop says nothing; or all that it was to say is said. */
static void late(struct side *side, uint64_t now)
{
    if (side->done && side->failed) {
        give_up(side, now);
    } else if (side->done && !has_open_asks(side)) {
        side_answered(side, now);
    } else if (side->done) { /* it found points, and not all their keys */
        side->said_no = true;
        side_end(side, now);
    } else {
        finder_of(side)->stats.silent++;
        side->silent = true;
        give_up(side, now);
    }
}

void side_step(struct side *side, uint64_t now)
{
    if (side->state == SIDE_WAITING && side->say_at <= now)
        open_circuit(side, now);
    if (side->state != SIDE_ASKING || side->has_item)
        return; /* what came may be all that is wanted */
    if (side->end_at <= now) {
        late(side, now);
    } else if (side->say_at <= now && side->c != NULL) {
        asking_again(&side->asking, now);
        side->say_at = side->asking.again_at;
        if (side->done)
            say_asks(side, now);
        else
            say(side, now);
    }
}

uint64_t side_deadline(const struct side *side)
{
    if (side->state == SIDE_OVER || side->state == SIDE_OPENING)
        return TIME_NEVER;
    if (side->state == SIDE_WAITING)
        return side->say_at;
    return time_min(side->say_at, side->end_at);
}

/* ---- Answers ------------------------------------------------------------ */

static bool is_authentic(const struct request *r, unsigned replica, int64_t seq,
                         const uint8_t signature[64], struct bytes value)
{
    uint8_t text[ITEM_SIGNED_MAX];
    struct value v;
    size_t len;

    if (value.len != MEETING_VALUE_BYTES || value_from_bytes(value, &v) != OK)
        return false;
    len = item_signed_bytes(service_replica_salt(replica), seq, &v, text);
    return crypto_sign_verify_detached(signature, text, len, r->key) == 0;
}

/* Of several the one with the highest seq is kept. */
bool side_take_item(struct side *side, int64_t seq, const uint8_t signature[64],
                    struct bytes value)
{
    unsigned replica = replica_of(side);

    if (!is_authentic(side->request, replica, seq, signature, value))
        return false;
    if (side->has_item && side->seq >= seq)
        return true;
    side->has_item = true;
    side->item_replica = replica;
    side->seq = seq;
    memcpy(side->signature, signature, sizeof(side->signature));
    memcpy(side->value, value.p, sizeof(side->value));
    finder_of(side)->hurry = true;
    return true;
}

static bool is_listed(const struct side *side, const struct endpoint *ep)
{
    for (unsigned i = 0; i < side->candidate_count; i++)
        if (endpoint_equal(&side->candidates[i], ep))
            return true;
    return false;
}

/* In a random place: the first ones are no better. */
void side_take_peer(struct side *side, const struct endpoint *peer)
{
    const struct finder *f = finder_of(side);
    bool testing = directory_config_of(f->env.directory)->testing_network;
    unsigned at;

    if (side->candidate_count == SIDE_CANDIDATES || is_listed(side, peer) ||
        peer->port == 0 || (!testing && !endpoint_is_global(peer)))
        return;
    at = random_below(&f->env.random, side->candidate_count + 1);
    side->candidates[side->candidate_count++] = side->candidates[at];
    side->candidates[at] = *peer;
}

static bool take_item(struct side *side, const struct meeting_message *m,
                      uint64_t now)
{
    if (side->request->kind != REQUEST_GET || m->id != side->id)
        return false;
    if (side_take_item(side, m->seq, m->signature,
                       bytes_of(m->value, MEETING_VALUE_BYTES)))
        return true;
    finder_of(side)->stats.forged++;
    give_up(side, now);
    return true;
}

static bool take_peers(struct side *side, const struct meeting_message *m)
{
    if (side->request->kind != REQUEST_POINTS || m->id != side->id)
        return false;
    for (unsigned i = 0; i < m->peer_count; i++)
        side_take_peer(side, &m->peers[i]);
    return true;
}

/* There is a newer one than was put: not on the word of one hop alone. */
static bool is_newer(const struct side *side, const struct meeting_message *m)
{
    return side->request->kind == REQUEST_PUT && m->stored == 0 &&
           m->reason == REASON_POLICY;
}

static bool take_done(struct side *side, const struct meeting_message *m,
                      uint64_t now)
{
    if (m->id != side->id || side->done)
        return false;
    if (is_newer(side, m) && ++side->newer == NEWER) {
        side_end(side, now);
        return true;
    }
    if (m->stored == 0 && side->candidate_count == 0 &&
        (m->reason != REASON_UNKNOWN || side->request->kind == REQUEST_PUT)) {
        side_refused(side, side->c, m->reason, now);
        return true;
    }
    side->done = true;
    side->stored = m->stored;
    side->end_at = side->request->kind == REQUEST_PUT ? now : now + SIDE_LATE;
    return true;
}

static bool take_told(struct side *side, const struct meeting_message *m,
                      uint64_t now)
{
    for (unsigned i = 0; i < side->ask_count; i++) {
        struct side_ask *a = &side->asks[i];

        if (!a->open || a->id != m->id)
            continue;
        a->open = false;
        if (m->descriptor.len > 0 && !points_told(side, a, m->descriptor, now))
            finder_of(side)->stats.forged++;
        if (!has_open_asks(side))
            side->end_at = now;
        return true;
    }
    return false;
}

/* Another number, another circuit, or nothing was asked: ignored. */
static bool side_message(void *holder, struct circuit *c,
                         const struct meeting_message *m, uint64_t now)
{
    struct side *side = holder;
    bool taken = false;

    (void)c;
    if (side->state == SIDE_ASKING && m->type == MEETING_DHT_ITEM)
        taken = take_item(side, m, now);
    else if (side->state == SIDE_ASKING && m->type == MEETING_DHT_PEERS)
        taken = take_peers(side, m);
    else if (side->state == SIDE_ASKING && m->type == MEETING_DHT_DONE)
        taken = take_done(side, m, now);
    else if (side->state == SIDE_ASKING && m->type == MEETING_RELAY_TOLD)
        taken = take_told(side, m, now);
    finder_of(side)->hurry = true;
    finder_of(side)->stats.unexpected += !taken;
    return taken;
}
