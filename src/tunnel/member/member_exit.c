/* SPDX-License-Identifier: MIT
 *
 * Circuits of others that end here: their data goes to the exit, and what
 * comes from there goes back; their speed tests are answered. What is kept with
 * such a circuit, a struct transit (`relay`), is its struct member_tail; the
 * exit knows the transit as `owner`.
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

static enum reason send_data(struct member *t, struct member_tail *tail,
                             struct transit *relay,
                             const struct circuit_message *m, uint64_t now)
{
    if (t->exit == NULL)
        return REASON_NO_EXIT;
    if (tail->exit == NULL &&
        exit_circuit_new(t->exit, relay, &relay->prev.link->peer.ep, now,
                         &tail->exit) != OK)
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
        return REASON_NO_EXIT;
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

bool member_takes_streams(const struct member *t)
{
    return t->exit != NULL && t->config.exit_tcp && t->env.tcp_policy != NULL;
}

enum error member_exit_new(struct member *t)
{
    struct exit_env env = {
        .world = t->env.exit,
        .ctx = t,
        .random = t->env.random,
        .deliver = deliver,
        .failed = failed,
    };

    return exit_new(&t->config.exit, &env, t->policy, &t->exit);
}

void member_exit_receive(struct member *t, uint32_t cookie,
                         const struct endpoint *from, struct bytes payload,
                         uint64_t now)
{
    if (t->exit != NULL)
        exit_receive(t->exit, cookie, from, payload, now);
}

void member_exit_resolved(struct member *t, uint32_t cookie,
                          const struct endpoint *addrs, size_t count,
                          uint64_t ttl, uint64_t now)
{
    if (t->exit != NULL)
        exit_resolved(t->exit, cookie, addrs, count, ttl, now);
}
