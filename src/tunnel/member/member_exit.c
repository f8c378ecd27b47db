/* SPDX-License-Identifier: MIT
 *
 * Circuits of others that end here: their datagrams go to the exit, their
 * streams to the outlet, and what comes from there goes back; their speed tests
 * are answered. What is kept with such a circuit, a struct transit (`relay`),
 * is its struct member_tail; exit and outlet know the transit as `owner`.
 */
#include "tunnel/member/member_internal.h"

#include "base/timestamp.h"

#include <stdlib.h>

static struct member_tail *tail_of(const struct member *t,
                                   struct transit *relay)
{
    struct member_tail *tail = relay->above;

    if (tail != NULL)
        return tail;
    tail = calloc(1, sizeof(*tail));
    relay->above = tail;
    if (tail == NULL)
        return NULL;
    tail->pieces.source = relay->source;
    speedtest_hop_init(&tail->speedtest, &t->gate, &relay->source);
    return tail;
}

/* NULL: no memory. */
static struct exit_circuit *exit_of(struct member *t, struct transit *relay,
                                    uint64_t now)
{
    struct member_tail *tail = relay->above;

    if (tail->exit == NULL)
        exit_circuit_new(t->exit, relay, &relay->prev.link->peer.ep, now,
                         &tail->exit);
    return tail->exit;
}

static enum reason take_packet(struct member *t, struct member_tail *tail,
                               struct transit *relay, struct bytes packet,
                               uint64_t now)
{
    if (t->outlet == NULL)
        return REASON_NO_EXIT;
    if (tail->outlet == NULL &&
        outlet_circuit_new(t->outlet, relay, &relay->prev.link->peer.ep,
                           &tail->outlet) != OK)
        return REASON_FULL;
    outlet_receive(t->outlet, tail->outlet, packet, now);
    return REASON_UNKNOWN;
}

static enum reason send_data(struct member *t, struct member_tail *tail,
                             struct transit *relay,
                             const struct circuit_message *m, uint64_t now)
{
    if (t->exit == NULL)
        return REASON_NO_EXIT;
    if (exit_of(t, relay, now) == NULL)
        return REASON_FULL;
    if (m->name.len > 0)
        return exit_send_name(t->exit, tail->exit, m->name, m->port, m->payload,
                              now);
    return exit_send(t->exit, tail->exit, &m->ep, m->payload, now);
}

static void answer_test(struct member *t, struct member_tail *tail,
                        struct transit *relay, const struct circuit_message *m,
                        uint64_t now)
{
    uint8_t pad[CELL_MAX];
    struct circuit_message reply = {.type = CIRCUIT_TESTED, .nonce = m->nonce};
    size_t len;

    if (speedtest_answer(&t->gate, &tail->speedtest, m->nonce, m->payload, now,
                         pad, &len) != OK)
        return;
    reply.payload = bytes_of(pad, len);
    transit_answer(t->router.transits, relay, &reply, now);
}

enum reason member_tail_message(void *ctx, struct transit *relay,
                                const struct circuit_message *m, uint64_t now)
{
    struct member *t = ctx;
    struct member_tail *tail = tail_of(t, relay);
    struct circuit_message whole;

    if (tail == NULL)
        return REASON_FULL;
    if (m->type == CIRCUIT_TEST) {
        answer_test(t, tail, relay, m, now);
        return REASON_UNKNOWN;
    }
    if (m->type == CIRCUIT_PACKET_IN)
        return take_packet(t, tail, relay, m->payload, now);
    if (m->type == CIRCUIT_PIECE) {
        if (!member_take_piece(t, &tail->pieces, m, now, &whole))
            return REASON_UNKNOWN;
        m = &whole;
    }
    return send_data(t, tail, relay, m, now);
}

void member_tail_closed(void *ctx, struct transit *relay, uint64_t now)
{
    struct member *t = ctx;
    struct member_tail *tail = relay->above;

    member_service_parted(t, relay, now);
    if (tail == NULL)
        return;
    if (tail->outlet != NULL)
        outlet_circuit_free(t->outlet, tail->outlet, now);
    if (tail->exit != NULL)
        exit_circuit_free(t->exit, tail->exit);
    pieces_deinit(&tail->pieces, &t->budget);
    free(tail);
    relay->above = NULL;
}

void member_tail_tick(struct member *t, struct transit *relay, uint64_t now)
{
    struct member_tail *tail = relay->above;

    if (tail != NULL)
        pieces_tick(&tail->pieces, &t->budget, now);
}

uint64_t member_tail_deadline(const struct transit *relay)
{
    const struct member_tail *tail = relay->above;

    return tail == NULL ? TIME_NEVER : pieces_next_deadline(&tail->pieces);
}

/* ---- The exit's side ---------------------------------------------------- */

struct send_ctx {
    struct member *t;
    struct transit *relay;
    uint64_t now;
};

static enum error send_one(void *ctx, const struct circuit_message *m)
{
    struct send_ctx *s = ctx;

    return transit_answer(s->t->router.transits, s->relay, m, s->now);
}

static void deliver(void *ctx, void *owner, const struct endpoint *source,
                    struct bytes payload, uint64_t now)
{
    struct member *t = ctx;
    struct transit *relay = owner;
    struct member_tail *tail = relay->above;
    struct send_ctx s = {.t = t, .relay = relay, .now = now};
    struct circuit_message m = {
        .type = CIRCUIT_DATA, .ep = *source, .payload = payload};

    relay->used_at = now;
    member_send_data(&m, &tail->piece_id, send_one, &s);
}

static void failed(void *ctx, void *owner, enum reason why, uint64_t now)
{
    struct member *t = ctx;
    struct circuit_message m = {.type = CIRCUIT_FAILED, .reason = why};

    transit_answer(t->router.transits, owner, &m, now);
}

static void found(void *ctx, void *owner, uint64_t lookup,
                  const struct exit_answer *answer, uint64_t now)
{
    struct member *t = ctx;

    (void)owner;
    outlet_found(t->outlet, lookup, answer, now);
}

static void send_packet(void *ctx, void *owner, struct bytes packet,
                        uint64_t now)
{
    const struct circuit_message m = {.type = CIRCUIT_PACKET_BACK,
                                      .payload = packet};
    struct transit *relay = owner;
    struct member *t = ctx;

    relay->used_at = now;
    transit_answer(t->router.transits, relay, &m, now);
}

static struct exit_circuit *names(void *ctx, void *owner, uint64_t now)
{
    return exit_of(ctx, owner, now);
}

static enum error outlet_start(struct member *t)
{
    struct outlet_env env = {
        .ctx = t,
        .random = t->env.random,
        .world = t->env.outlet,
        .send = send_packet,
        .names = names,
    };

    if (!t->config.exit_tcp || t->env.tcp_policy == NULL)
        return OK;
    return outlet_new(&t->config.outlet, &env, t->exit, t->env.tcp_policy,
                      &t->outlet);
}

enum error member_exit_new(struct member *t)
{
    struct exit_env env = {
        .world = t->env.exit,
        .ctx = t,
        .random = t->env.random,
        .deliver = deliver,
        .failed = failed,
        .found = found,
    };
    enum error e = exit_new(&t->config.exit, &env, t->policy, &t->exit);

    return e == OK ? outlet_start(t) : e;
}

void member_exit_receive(struct member *t, uint32_t cookie,
                         const struct endpoint *from, struct bytes payload,
                         uint64_t now)
{
    if (t->exit != NULL)
        exit_receive(t->exit, cookie, from, payload, now);
}

void member_exit_resolved(struct member *t, uint32_t cookie,
                          const struct exit_answer *answer, uint64_t now)
{
    if (t->exit != NULL)
        exit_resolved(t->exit, cookie, answer, now);
}

void member_batch_begin(struct member *t, uint64_t now)
{
    if (t->outlet != NULL)
        outlet_hold(t->outlet, now);
}

void member_batch_end(struct member *t)
{
    if (t->outlet != NULL)
        outlet_release(t->outlet);
}

void member_outlet_connected(struct member *t, uint64_t id, enum error e,
                             uint64_t now)
{
    if (t->outlet != NULL)
        outlet_connected(t->outlet, id, e, now);
}

void member_outlet_parted(struct member *t, uint64_t id)
{
    if (t->outlet != NULL)
        outlet_parted(t->outlet, id);
}
