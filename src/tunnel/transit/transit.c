/* SPDX-License-Identifier: MIT
 *
 * The table of circuits of others, their end, their cells and their ages. A
 * cell from the client goes through receive_forward, one from the next hop
 * through transit_receive_cell itself; an end cell changes over to the other
 * circuit in cross. All leave by transit_queue.c and send_on. A message for
 * this hop gets its case in dispatch. How circuits begin is in
 * transit_create.c, how they are extended in transit_extend.c.
 */
#include "tunnel/transit/transit.h"

#include "tunnel/transit/transit_table.h"

#include "base/timestamp.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static size_t body_of(size_t len)
{
    return len - CELL_BODY_OFFSET;
}

struct transit *transit_of(struct circuit_end *end)
{
    size_t offset = end->role == END_TRANSIT_PREV
                        ? offsetof(struct transit, prev)
                        : offsetof(struct transit, next);

    assert(end->role != END_CLIENT);
    return (struct transit *)(void *)((uint8_t *)end - offset);
}

static struct transit *transit_of_flow(struct transit_flow *flow)
{
    size_t offset = offsetof(struct transit, flow);

    return (struct transit *)(void *)((uint8_t *)flow - offset);
}

/* The layers are done: a cell leaves, after it has waited or not. */
static void send_on(void *ctx, struct transit_flow *flow, enum transit_way way,
                    uint8_t *datagram, size_t len, uint64_t now)
{
    struct transit *relay = transit_of_flow(flow);
    struct circuit_end *to = way == TRANSIT_FORWARD ? &relay->next
                                                    : &relay->prev;
    struct transits *r = ctx;

    /* The next hop may have gone while the cell waited. */
    if (to->link != NULL && (way == TRANSIT_BACKWARD || relay->extended))
        link_send_relay(r->shared->links, to->link, to->remote, datagram, len,
                        now);
}

/* ---- The table ---------------------------------------------------------- */

static void set_limits(struct transits *r, bool first)
{
    struct limiter_config c = {
        .rate = r->config.create_rate,
        .burst = r->config.create_burst,
        .source_rate = r->config.create_source_rate,
        .source_burst = r->config.create_source_burst,
        .max_sources = r->config.max_sources,
    };
    struct limiter_config e = c;

    e.source_rate = r->config.extend_source_rate;
    e.source_burst = r->config.extend_source_burst;
    if (first) {
        limiter_init(&r->create_limiter, &c, &r->shared->random);
        limiter_init(&r->extend_limiter, &e, &r->shared->random);
    } else {
        limiter_configure(&r->create_limiter, &c);
        limiter_configure(&r->extend_limiter, &e);
    }
}

void transits_set_load(struct transits *r, unsigned load)
{
    limiter_load(&r->create_limiter, load);
    limiter_load(&r->extend_limiter, load);
}

enum error transits_new(struct circuit_shared *shared,
                        const struct transit_config *config,
                        const struct transit_env *env, struct transits **out)
{
    struct transits *r = calloc(1, sizeof(struct transits));

    if (r == NULL)
        return ERR_NO_MEMORY;
    r->shared = shared;
    r->config = *config;
    r->env = *env;
    r->deadline = TIME_NEVER;
    set_limits(r, true);
    shares_init(&r->shares, &shared->random);
    transit_queue_init(&r->queue, &config->queue, &shared->random);
    r->queue.ctx = r;
    r->queue.send = send_on;
    *out = r;
    return OK;
}

void transits_configure(struct transits *r, const struct transit_config *config)
{
    r->config = *config;
    set_limits(r, false);
    transit_queue_configure(&r->queue, &config->queue);
    for (size_t i = 0; i < r->count; i++)
        r->relays[i]->flow.bucket = (struct byte_bucket){0};
}

static enum error grow(struct transits *r)
{
    size_t cap = r->cap == 0 ? 8 : 2 * r->cap;
    struct transit **grown;

    if (r->count < r->cap)
        return OK;
    grown = realloc(r->relays, cap * sizeof(struct transit *));
    if (grown == NULL)
        return ERR_NO_MEMORY;
    r->relays = grown;
    r->cap = cap;
    return OK;
}

enum error transit_add(struct transits *r, struct transit *relay,
                       const struct endpoint *source)
{
    enum error e = grow(r);

    if (e == OK)
        e = shares_add(&r->shares, source);
    if (e != OK)
        return e;
    e = transit_queue_join(&r->queue, &relay->flow, source);
    if (e != OK) {
        shares_remove(&r->shares, source);
        return e;
    }
    relay->source = *source;
    relay->slot = r->count;
    r->relays[r->count++] = relay;
    return OK;
}

void transit_forget(struct transits *r, struct transit *relay, uint64_t now)
{
    transit_step_forget(relay);
    transit_queue_forget(&r->queue, &relay->flow);
    circuit_end_detach(&relay->prev, &r->shared->ends, now);
    circuit_end_detach(&relay->next, &r->shared->ends, now);
    shares_remove(&r->shares, &relay->source);
    r->relays[relay->slot] = r->relays[--r->count];
    r->relays[relay->slot]->slot = relay->slot;
    sodium_memzero(relay, sizeof(*relay));
    free(relay);
}

void transits_free(struct transits *r)
{
    if (r == NULL)
        return;
    while (r->count > 0)
        transit_forget(r, r->relays[r->count - 1], 0);
    limiter_deinit(&r->create_limiter);
    transit_queue_deinit(&r->queue);
    limiter_deinit(&r->extend_limiter);
    shares_deinit(&r->shares);
    free(r->relays);
    free(r);
}

unsigned transits_count(const struct transits *r)
{
    return (unsigned)r->count;
}

struct transit *transits_at(const struct transits *r, unsigned i)
{
    assert(i < r->count);
    return r->relays[i];
}

const struct transit_stats *transits_stats(const struct transits *r)
{
    return &r->stats;
}

uint64_t transits_rate(const struct transits *r, uint64_t now)
{
    return meter_rate(&r->meter, now);
}

const struct transit_queue *transits_queue(const struct transits *r)
{
    return &r->queue;
}

/* ---- The end of a relayed circuit --------------------------------------- */

static void part(struct transits *r, struct transit *relay, uint64_t now)
{
    struct circuit_message m = {.type = CIRCUIT_FAILED,
                                .reason = REASON_LINK_LOST};
    struct transit *other = relay->joined;

    if (other == NULL)
        return;
    relay->joined = other->joined = NULL;
    transit_answer(r, other, &m, now);
}

static void end_relay(struct transits *r, struct transit *relay,
                      enum reason why, uint64_t now)
{
    r->stats.ended[why]++;
    part(r, relay, now);
    r->env.closed(r->env.ctx, relay, now);
    transit_forget(r, relay, now);
}

void transit_close(struct transits *r, struct transit *relay, enum reason why,
                   uint64_t now)
{
    circuit_end_destroy(&relay->prev, r->shared->links, why, now);
    circuit_end_destroy(&relay->next, r->shared->links, why, now);
    end_relay(r, relay, why, now);
}

void transit_receive_destroy(struct transits *r, struct circuit_end *end,
                             enum reason why, uint64_t now)
{
    struct transit *relay = transit_of(end);

    if (end->role == END_TRANSIT_NEXT) {
        transit_extension_failed(r, relay, why, now);
        return;
    }
    circuit_end_destroy(&relay->next, r->shared->links, why, now);
    end_relay(r, relay, why, now);
}

void transit_link_down(struct transits *r, struct circuit_end *end,
                       uint64_t now)
{
    struct transit *relay = transit_of(end);

    if (end->role == END_TRANSIT_NEXT && transit_extend_anew(r, relay, now))
        return;
    if (end->role == END_TRANSIT_NEXT) {
        transit_extension_failed(
            r, relay, relay->extended ? REASON_LINK_LOST : REASON_UNREACHABLE,
            now);
        return;
    }
    circuit_end_destroy(&relay->next, r->shared->links, REASON_LINK_LOST, now);
    end_relay(r, relay, REASON_LINK_LOST, now);
}

/* ---- Cells -------------------------------------------------------------- */

static void fill(struct transits *r, uint8_t *datagram, size_t from, size_t len)
{
    keystream_fill(&r->shared->fill, datagram + CELL_BODY_OFFSET + from,
                   body_of(len) - from);
}

static void count_bytes(struct transits *r, size_t len, uint64_t now)
{
    r->stats.bytes += len;
    meter_add(&r->meter, len, now);
}

static void put_backward(struct transits *r, struct transit *relay,
                         enum transit_offer offer, uint8_t *datagram,
                         size_t len, uint64_t now)
{
    onion_add(&relay->out, datagram + CELL_BODY_OFFSET, body_of(len),
              relay->depth);
    fill(r, datagram, onion_fill_backward(body_of(len), relay->depth), len);
    transit_queue_put(&r->queue, &relay->flow, offer, TRANSIT_BACKWARD,
                      datagram, len, now);
}

static void send_backward(struct transits *r, struct transit *relay,
                          uint8_t *datagram, size_t len, uint64_t now)
{
    enum transit_offer offer =
        transit_queue_offer(&r->queue, &relay->flow, len, now);

    if (offer == TRANSIT_DROPPED)
        return;
    put_backward(r, relay, offer, datagram, len, now);
}

enum error transit_answer(struct transits *r, struct transit *relay,
                          const struct circuit_message *m, uint64_t now)
{
    uint8_t datagram[CELL_MAX], *body = datagram + CELL_BODY_OFFSET;
    size_t len, used;
    enum error e;

    e = circuit_message_write(m, body, onion_message_len(CELL_LARGE_BODY),
                              &used);
    if (e != OK)
        return e;
    len = used <= onion_message_len(CELL_SMALL_BODY) ? CELL_SMALL : CELL_LARGE;
    onion_message(body, body_of(len), relay->depth, used);
    relay->bytes += len;
    send_backward(r, relay, datagram, len, now);
    return OK;
}

enum error transit_answer_text(struct transits *r, struct transit *relay,
                               struct bytes text, size_t cell_len, uint64_t now)
{
    uint8_t datagram[CELL_MAX], *body = datagram + CELL_BODY_OFFSET;

    if (text.len > onion_message_len(body_of(cell_len)))
        return ERR_NO_SPACE;
    memcpy(body, text.p, text.len);
    onion_message(body, body_of(cell_len), relay->depth, text.len);
    relay->bytes += cell_len;
    send_backward(r, relay, datagram, cell_len, now);
    return OK;
}

static enum reason pass_up(struct transits *r, struct transit *relay,
                           const struct circuit_message *m, uint64_t now)
{
    if (m->type != CIRCUIT_TEST && transit_is_bound(relay))
        return REASON_PROTOCOL;
    return r->env.data(r->env.ctx, relay, m, now);
}

/* `why` a message was not taken, unless it was. */
static void refuse(struct transits *r, struct transit *relay, enum reason why,
                   uint64_t now)
{
    struct circuit_message m = {.type = CIRCUIT_FAILED, .reason = why};

    if (why != REASON_UNKNOWN)
        transit_answer(r, relay, &m, now);
}

/* A message from the client. What comes of it goes back on this circuit;
 * EXTEND alone sends on another link. */
static void dispatch(struct transits *r, struct transit *relay,
                     const struct circuit_message *m, uint64_t now)
{
    struct circuit_message reply = *m;

    relay->carried |= m->type != CIRCUIT_PING;
    switch (m->type) {
    case CIRCUIT_EXTEND:
        transit_extend(r, relay, m, now);
        break;
    case CIRCUIT_DATA:
    case CIRCUIT_PIECE:
    case CIRCUIT_TEST:
    case CIRCUIT_PACKET_IN:
        refuse(r, relay, pass_up(r, relay, m, now), now);
        break;
    case CIRCUIT_PING:
        reply.type = CIRCUIT_PONG;
        transit_answer(r, relay, &reply, now);
        break;
    case CIRCUIT_DESTROY:
        circuit_end_destroy(&relay->next, r->shared->links, m->reason, now);
        end_relay(r, relay, m->reason, now);
        break;
    case CIRCUIT_EXTENDED:
    case CIRCUIT_FAILED:
    case CIRCUIT_PONG:
    case CIRCUIT_TESTED:
    case CIRCUIT_PACKET_BACK:
        r->stats.dropped_message++; /* a hop says these */
        break;
    }
}

static void receive_message(struct transits *r, struct transit *relay,
                            struct bytes text, uint64_t now)
{
    struct circuit_message m;
    enum reason why;

    if (circuit_message_is_service(text)) {
        relay->carried = true;
        why = r->env.service(r->env.ctx, relay, text, now);
        r->stats.dropped_message += why == REASON_PROTOCOL;
        refuse(r, relay, why, now);
    } else if (circuit_message_read(text, &m) == OK) {
        dispatch(r, relay, &m, now);
    } else {
        r->stats.dropped_message++;
    }
}

/* An end cell leaves on the circuit that this one is joined with: as onion.h
 * says, its end layer stays, and nothing else does. */
static void cross(struct transits *r, struct transit *relay, uint8_t *datagram,
                  size_t len, uint64_t now)
{
    struct transit *to = relay->joined;
    enum transit_offer offer =
        transit_queue_offer(&r->queue, &to->flow, len, now);

    if (offer == TRANSIT_DROPPED)
        return;
    relay->carried = to->carried = true;
    to->used_at = now;
    to->bytes += len;
    r->stats.cells_joined++;
    count_bytes(r, len, now);
    onion_mark_end(datagram + CELL_BODY_OFFSET, body_of(len), to->depth,
                   &r->shared->fill);
    put_backward(r, to, offer, datagram, len, now);
}

static void receive_forward(struct transits *r, struct transit *relay,
                            uint8_t *datagram, size_t len, uint64_t now)
{
    uint8_t *body = datagram + CELL_BODY_OFFSET;
    enum transit_offer offer;
    bool is_message;

    if (onion_remove(&relay->in, body, body_of(len), relay->depth,
                     &is_message) != OK) {
        r->stats.dropped_layer++;
        return;
    }
    relay->used_at = now;
    relay->bytes += len;
    if (relay->step != NULL)
        transit_step_heard(relay, is_message);
    if (is_message) {
        receive_message(r, relay,
                        bytes_of(body, onion_message_len(body_of(len))), now);
        return;
    }
    if (relay->joined != NULL) {
        cross(r, relay, datagram, len, now);
        return;
    }
    if (!relay->extended) {
        r->stats.dropped_no_next++;
        return;
    }
    offer = transit_queue_offer(&r->queue, &relay->flow, len, now);
    if (offer == TRANSIT_DROPPED)
        return;
    relay->carried = true;
    r->stats.cells_forward++;
    count_bytes(r, len, now);
    fill(r, datagram, onion_fill_forward(body_of(len), relay->depth), len);
    transit_queue_put(&r->queue, &relay->flow, offer, TRANSIT_FORWARD, datagram,
                      len, now);
}

void transit_receive_cell(struct transits *r, struct circuit_end *end,
                          uint8_t *datagram, size_t len, uint64_t now)
{
    struct transit *relay = transit_of(end);

    if (end->role == END_TRANSIT_PREV) {
        receive_forward(r, relay, datagram, len, now);
        return;
    }
    if (!relay->extended) {
        r->stats.dropped_no_next++;
        return;
    }
    /* The layer behind ours would be read as a message of our own. */
    if (onion_is_message(datagram + CELL_BODY_OFFSET, body_of(len),
                         relay->depth)) {
        r->stats.dropped_layer++;
        return;
    }
    r->stats.cells_backward++;
    count_bytes(r, len, now);
    relay->used_at = now;
    relay->bytes += len;
    send_backward(r, relay, datagram, len, now);
}

bool transit_ends_here(const struct transit *relay)
{
    return relay->next.link == NULL;
}

enum error transit_join(struct transits *r, struct transit *a,
                        struct transit *b)
{
    if (a == b || a->joined != NULL || b->joined != NULL ||
        !transit_ends_here(a) || !transit_ends_here(b))
        return ERR_IN_USE;
    a->joined = b;
    b->joined = a;
    r->stats.joined++;
    return OK;
}

/* ---- Time --------------------------------------------------------------- */

static enum reason overdue(const struct transits *r,
                           const struct transit *relay, uint64_t now)
{
    if (time_since(relay->created_at, now) >= r->config.max_time)
        return REASON_AGE;
    if (time_since(relay->used_at, now) >= r->config.max_time_inactive)
        return REASON_IDLE;
    if (relay->bytes >= r->config.max_traffic)
        return REASON_TRAFFIC;
    return REASON_UNKNOWN;
}

void transits_tick(struct transits *r, uint64_t now)
{
    enum reason why;

    transit_queue_tick(&r->queue, now);
    if (now < r->deadline)
        return;
    for (size_t i = r->count; i-- > 0;) {
        struct transit *relay = r->relays[i];

        why = overdue(r, relay, now);
        if (why != REASON_UNKNOWN)
            transit_close(r, relay, why, now);
        else if (relay->step != NULL && now >= relay->step->deadline)
            transit_step_overdue(r, relay, now);
    }
    r->deadline = r->count > 0 ? time_after(now, TRANSIT_TICK) : TIME_NEVER;
}

uint64_t transits_next_deadline(const struct transits *r)
{
    return time_min(r->deadline, transit_queue_next_deadline(&r->queue));
}
