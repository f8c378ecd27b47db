/* SPDX-License-Identifier: MIT
 *
 * Building: a handshake with one hop after the other, and another hop in the
 * place of one that fails.
 */
#include "tunnel/circuit_table.h"
#include "tunnel/link_text.h"
#include "tunnel/prologue.h"

#include "wire/timestamp.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Of one step; between these bounds it is learned: mean and four times the
 * spread, as TCP does for its retransmissions (RFC 6298). */
#define STEP_TIMEOUT_FIRST (5 * TIME_S)
#define STEP_TIMEOUT_MIN   (1 * TIME_S)
#define STEP_TIMEOUT_MAX   (15 * TIME_S)

#define REPLACE_MAX 3 /* hops in a row, until the circuit is given up */
/* In all its life: or a hop that says again and again that the next one is
 * gone had the client try them all, until one is its friend. */
#define REPLACE_EVER_MAX 8

uint64_t circuits_step_timeout(const struct circuits *cs)
{
    uint64_t t = cs->step_mean + 4 * cs->step_spread;

    if (cs->step_mean == 0)
        return STEP_TIMEOUT_FIRST;
    if (t < STEP_TIMEOUT_MIN)
        return STEP_TIMEOUT_MIN;
    return t > STEP_TIMEOUT_MAX ? STEP_TIMEOUT_MAX : t;
}

static void learn(struct circuits *cs, uint64_t sample)
{
    uint64_t off;

    if (cs->step_mean == 0) {
        cs->step_mean = sample;
        cs->step_spread = sample / 2;
        return;
    }
    off = sample > cs->step_mean ? sample - cs->step_mean
                                 : cs->step_mean - sample;
    cs->step_spread = (3 * cs->step_spread + off) / 4;
    cs->step_mean = (7 * cs->step_mean + sample) / 8;
}

void circuit_build_forget(struct circuit *c)
{
    if (c->handshake != NULL)
        noise_deinit(c->handshake);
    free(c->handshake);
    c->handshake = NULL;
}

/* The first message of a handshake with the next hop. */
static enum error begin(struct circuits *cs, struct circuit *c,
                        uint8_t noise1[HOP_NOISE1_BYTES])
{
    const struct link_target *t = &c->hop[c->built].target;
    uint8_t payload[HOP_PAYLOAD_BYTES] = {0x91, (uint8_t)(c->built + 1)};
    uint8_t ephemeral[NOISE_KEY_BYTES];
    enum error e;

    circuit_build_forget(c);
    c->handshake = malloc(sizeof(struct noise));
    if (c->handshake == NULL)
        return ERR_NO_MEMORY;
    prologue_init_noise(c->handshake, "hop", cs->core->responder->network,
                        t->identity, t->handshake_key);
    cs->core->random.fill(cs->core->random.ctx, ephemeral, sizeof(ephemeral));
    e = noise_write_first(c->handshake, ephemeral,
                          bytes_of(payload, sizeof(payload)), noise1);
    sodium_memzero(ephemeral, sizeof(ephemeral));
    if (e != OK)
        circuit_build_forget(c);
    return e;
}

static void send_create(struct circuits *cs, struct circuit *c,
                        const uint8_t *noise1, uint64_t now)
{
    uint8_t text[LINK_TEXT_SMALL];
    size_t len = link_text_write_create(text, c->end.local,
                                        bytes_of(noise1, HOP_NOISE1_BYTES));

    link_send(cs->core->links, c->end.link, CELL_CREATE, 0, bytes_of(text, len),
              now);
}

/* 1 to 255, and round again. */
static uint8_t next_attempt(struct circuit *c)
{
    c->attempt = (uint8_t)(c->attempt % UINT8_MAX + 1);
    return c->attempt;
}

static void send_extend(struct circuits *cs, struct circuit *c,
                        const uint8_t *noise1, uint64_t now)
{
    const struct link_target *t = &c->hop[c->built].target;
    struct circuit_message m = {
        .type = CIRCUIT_EXTEND,
        .attempt = next_attempt(c),
        .identity = t->identity,
        .handshake_key = t->handshake_key,
        .ep = t->ep,
        .noise = bytes_of(noise1, HOP_NOISE1_BYTES),
    };
    enum error e = circuit_send(cs, c, c->built, &m, now);

    assert(e == OK);
}

void circuit_build_next(struct circuits *cs, struct circuit *c, uint64_t now)
{
    uint8_t noise1[HOP_NOISE1_BYTES];
    enum error e = begin(cs, c, noise1);

    c->state = CIRCUIT_BUILDING;
    c->step_at = now;
    c->stuck = e != OK;
    if (c->stuck) { /* the next tick ends it: callers still hold it */
        circuit_set_deadline(cs, c, now);
        return;
    }
    circuit_set_deadline(cs, c, time_after(now, circuits_step_timeout(cs)));
    if (c->built == 0)
        send_create(cs, c, noise1, now);
    else
        send_extend(cs, c, noise1, now);
}

static void finish(struct circuits *cs, struct circuit *c, uint64_t now)
{
    c->state = CIRCUIT_READY;
    c->used_at = now;
    if (c->build_time == 0)
        c->build_time = time_since(c->created_at, now);
    circuit_set_deadline(cs, c, TIME_NEVER);
    cs->stats.ready++;
    cs->env.ready(cs->env.ctx, c, now);
}

void circuit_build_answer(struct circuits *cs, struct circuit *c,
                          struct bytes noise2, uint64_t now)
{
    struct circuit_hop *hop = &c->hop[c->built];
    uint8_t nothing[1];
    struct noise_keys keys;

    if (noise_read_second(c->handshake, noise2, nothing) != OK) {
        circuit_build_failed(cs, c, c->built + 1, REASON_HANDSHAKE, now);
        return;
    }
    noise_split(c->handshake, &keys);
    circuit_build_forget(c);
    onion_sender_init(&hop->out, keys.to_responder);
    onion_receiver_init(&hop->in, keys.to_initiator);
    hop->attempt = c->attempt;
    hop->ping_nonce = hop->rtt = 0;
    sodium_memzero(&keys, sizeof(keys));
    learn(cs, time_since(c->step_at, now));
    c->built++;
    c->replaced = 0;
    if (c->built == c->length)
        finish(cs, c, now);
    else
        circuit_build_next(cs, c, now);
}

/* The first hop holds the circuit up: without it there is none. */
void circuit_build_failed(struct circuits *cs, struct circuit *c, unsigned hop,
                          enum reason why, uint64_t now)
{
    struct link_target other[ONION_HOPS_MAX];

    assert(hop >= 1 && hop <= c->length);
    if (c->closing)
        return;
    cs->stats.failed[hop - 1][why]++;
    circuit_build_forget(c);
    if (hop == 1 || c->replaced >= REPLACE_MAX ||
        c->replaced_ever >= REPLACE_EVER_MAX ||
        !cs->env.replace(cs->env.ctx, c, hop - 1, why, other)) {
        circuit_end_destroy(&c->end, cs->core->links, why, now);
        circuit_end_with(cs, c, why, hop, now);
        return;
    }
    for (unsigned i = hop - 1; i < c->length; i++)
        c->hop[i].target = other[i - (hop - 1)];
    c->built = hop - 1;
    c->replaced++;
    c->replaced_ever++;
    cs->stats.hops_replaced++;
    circuit_build_next(cs, c, now);
}

enum error circuit_receive_created(struct circuits *cs, struct circuit_end *end,
                                   struct bytes text, uint64_t now)
{
    struct circuit *c = circuit_of(end);
    struct link_text t;
    enum error e;

    if (c->built != 0 || c->handshake == NULL)
        return ERR_UNEXPECTED;
    e = link_text_read_created(text, &t);
    if (e != OK)
        return e;
    end->remote = t.index;
    circuit_build_answer(cs, c, t.noise, now);
    return OK;
}
