/* SPDX-License-Identifier: MIT
 *
 * Circuits of others that end here: their data goes to the exit, and what
 * comes from there goes back; their speed tests are answered.
 */
#include "tunnel/member/tunnel_internal.h"

#include "base/timestamp.h"

#include <stdlib.h>

static struct tunnel_tail *tail_of(struct relay *relay)
{
    if (relay->above == NULL)
        relay->above = calloc(1, sizeof(struct tunnel_tail));
    return relay->above;
}

static enum reason send_data(struct tunnel *t, struct tunnel_tail *tail,
                             struct relay *relay,
                             const struct circuit_message *m, uint64_t now)
{
    if (t->exit == NULL)
        return REASON_NO_EXIT;
    if (tail->exit == NULL &&
        exit_circuit_new(t->exit, relay, now, &tail->exit) != OK)
        return REASON_FULL;
    if (m->name.len > 0)
        return exit_send_name(t->exit, tail->exit, m->name, m->port, m->payload,
                              now);
    return exit_send(t->exit, tail->exit, &m->ep, m->payload, now);
}

static void answer_test(struct tunnel *t, struct tunnel_tail *tail,
                        struct relay *relay, const struct circuit_message *m,
                        uint64_t now)
{
    uint8_t pad[CELL_MAX];
    struct circuit_message reply = {.type = CIRCUIT_TESTED, .nonce = m->nonce};
    size_t len;

    if (speedtest_answer(&t->gate, &tail->speedtest, m->nonce, m->payload, now,
                         pad, &len) != OK)
        return;
    reply.payload = bytes_of(pad, len);
    relay_answer(t->engine.relays, relay, &reply, now);
}

enum reason tunnel_tail_message(void *ctx, struct relay *relay,
                                const struct circuit_message *m, uint64_t now)
{
    struct tunnel *t = ctx;
    struct tunnel_tail *tail = tail_of(relay);
    struct circuit_message whole;

    if (tail == NULL)
        return REASON_FULL;
    if (m->type == CIRCUIT_TEST) {
        answer_test(t, tail, relay, m, now);
        return REASON_UNKNOWN;
    }
    if (m->type == CIRCUIT_PIECE) {
        if (!tunnel_take_piece(t, &tail->pieces, m, now, &whole))
            return REASON_UNKNOWN;
        m = &whole;
    }
    return send_data(t, tail, relay, m, now);
}

void tunnel_tail_closed(void *ctx, struct relay *relay, uint64_t now)
{
    struct tunnel *t = ctx;
    struct tunnel_tail *tail = relay->above;

    (void)now;
    if (tail == NULL)
        return;
    if (tail->exit != NULL)
        exit_circuit_free(t->exit, tail->exit);
    pieces_deinit(&tail->pieces, &t->budget);
    free(tail);
    relay->above = NULL;
}

void tunnel_tail_tick(struct tunnel *t, struct relay *relay, uint64_t now)
{
    struct tunnel_tail *tail = relay->above;

    if (tail != NULL)
        pieces_tick(&tail->pieces, &t->budget, now);
}

uint64_t tunnel_tail_deadline(const struct relay *relay)
{
    const struct tunnel_tail *tail = relay->above;

    return tail == NULL ? TIME_NEVER : pieces_next_deadline(&tail->pieces);
}

/* ---- The exit's side ---------------------------------------------------- */

struct send_ctx {
    struct tunnel *t;
    struct relay *relay;
    uint64_t now;
};

static enum error send_one(void *ctx, const struct circuit_message *m)
{
    struct send_ctx *s = ctx;

    return relay_answer(s->t->engine.relays, s->relay, m, s->now);
}

static void deliver(void *ctx, void *owner, const struct endpoint *source,
                    struct bytes payload, uint64_t now)
{
    struct tunnel *t = ctx;
    struct relay *relay = owner;
    struct tunnel_tail *tail = relay->above;
    struct send_ctx s = {.t = t, .relay = relay, .now = now};
    struct circuit_message m = {
        .type = CIRCUIT_DATA, .ep = *source, .payload = payload};

    relay->used_at = now;
    tunnel_send_data(&m, &tail->piece_id, send_one, &s);
}

static void failed(void *ctx, void *owner, enum reason why, uint64_t now)
{
    struct tunnel *t = ctx;
    struct circuit_message m = {.type = CIRCUIT_FAILED, .reason = why};

    relay_answer(t->engine.relays, owner, &m, now);
}

enum error tunnel_exit_new(struct tunnel *t)
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

void tunnel_exit_receive(struct tunnel *t, uint32_t cookie,
                         const struct endpoint *from, struct bytes payload,
                         uint64_t now)
{
    if (t->exit != NULL)
        exit_receive(t->exit, cookie, from, payload, now);
}

void tunnel_exit_resolved(struct tunnel *t, uint32_t cookie,
                          const struct endpoint *addrs, size_t count,
                          uint64_t ttl, uint64_t now)
{
    if (t->exit != NULL)
        exit_resolved(t->exit, cookie, addrs, count, ttl, now);
}
