/* SPDX-License-Identifier: MIT
 *
 * Building: a handshake with one hop after the other, and another hop in the
 * place of one that fails.
 */
#include "tunnel/circuit/circuit_table.h"
#include "tunnel/crypto/prologue.h"
#include "tunnel/link/link_text.h"

#include "base/timestamp.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* A step has failed after so many times what it may take. */
#define STEP_TRIES         6
#define STEP_TIMEOUT_FIRST (5 * TIME_S)
#define STEP_TIMEOUT_MIN   (STEP_TRIES * ASKING_PAUSE_MIN)
#define STEP_TIMEOUT_MAX   (15 * TIME_S)

#define REPLACE_MAX 3 /* hops in a row, until the circuit is given up */
/* In all its life: or a hop that says again and again that the next one is
 * gone had the client try them all, until one is its friend. */
#define REPLACE_EVER_MAX 8

/* After each step that took too long the next may take twice as long: the
 * network may have become slower than was learned. */
static uint64_t timeout_of(const struct patience *p)
{
    uint64_t t =
        STEP_TRIES * patience_overdue(p, STEP_TIMEOUT_FIRST / STEP_TRIES);

    if (t < STEP_TIMEOUT_MIN)
        t = STEP_TIMEOUT_MIN;
    for (unsigned i = 0; i < p->late && t < STEP_TIMEOUT_MAX; i++)
        t *= 2;
    return t > STEP_TIMEOUT_MAX ? STEP_TIMEOUT_MAX : t;
}

/* Between two times that a message is said. */
static uint64_t pause_of(const struct circuits *cs, unsigned hop)
{
    uint64_t most = timeout_of(&cs->step[hop]) / STEP_TRIES;

    return time_min(patience_overdue(&cs->sure[hop], most), most);
}

uint64_t circuits_step_timeout(const struct circuits *cs)
{
    uint64_t longest = 0;

    for (unsigned i = 0; i < ONION_HOPS_MAX; i++) {
        uint64_t t = timeout_of(&cs->step[i]);

        if (cs->step[i].mean != 0 && t > longest)
            longest = t;
    }
    return longest == 0 ? STEP_TIMEOUT_FIRST : longest;
}

uint64_t circuits_overdue(const struct circuits *cs, unsigned hops)
{
    uint64_t t = STEP_TIMEOUT_FIRST / STEP_TRIES;

    for (unsigned i = 0; i < hops && i < ONION_HOPS_MAX; i++)
        t = patience_overdue(&cs->sure[i], t);
    return t;
}

void circuit_build_forget(struct circuit *c)
{
    if (c->handshake != NULL)
        noise_deinit(c->handshake);
    free(c->handshake);
    c->handshake = NULL;
}

/* The first message of a handshake with the next hop. */
static enum error begin(struct circuits *cs, struct circuit *c)
{
    const struct link_target *t = &c->hop[c->built].target;
    uint8_t payload[HOP_PAYLOAD_BYTES] = {0x91, (uint8_t)(c->built + 1)};
    uint8_t ephemeral[NOISE_KEY_BYTES];
    enum error e;

    circuit_build_forget(c);
    c->handshake = malloc(sizeof(struct noise));
    if (c->handshake == NULL)
        return ERR_NO_MEMORY;
    prologue_init_noise(c->handshake, "hop", cs->shared->responder->network,
                        t->identity, t->handshake_key);
    cs->shared->random.fill(cs->shared->random.ctx, ephemeral,
                            sizeof(ephemeral));
    e = noise_write_first(c->handshake, ephemeral,
                          bytes_of(payload, sizeof(payload)), c->noise1);
    sodium_memzero(ephemeral, sizeof(ephemeral));
    if (e != OK)
        circuit_build_forget(c);
    return e;
}

static void send_create(struct circuits *cs, struct circuit *c, uint64_t now)
{
    uint8_t text[LINK_TEXT_SMALL];
    size_t len = link_text_write_create(text, c->end.local,
                                        bytes_of(c->noise1, HOP_NOISE1_BYTES));

    link_send(cs->shared->links, c->end.link, CELL_CREATE, 0,
              bytes_of(text, len), now);
}

static void send_extend(struct circuits *cs, struct circuit *c, uint64_t now)
{
    const struct link_target *t = &c->hop[c->built].target;
    struct circuit_message m = {
        .type = CIRCUIT_EXTEND,
        .attempt = c->attempt,
        .identity = t->identity,
        .handshake_key = t->handshake_key,
        .ep = t->ep,
        .noise = bytes_of(c->noise1, HOP_NOISE1_BYTES),
    };
    enum error e = circuit_send(cs, c, c->built, &m, now);

    assert(e == OK);
}

/* CREATE or EXTEND, and when to look after it. */
static void say(struct circuits *cs, struct circuit *c, uint64_t now)
{
    circuit_set_deadline(cs, c, time_min(c->step.again_at, c->step_end));
    if (c->built == 0)
        send_create(cs, c, now);
    else
        send_extend(cs, c, now);
}

void circuit_build_next(struct circuits *cs, struct circuit *c, uint64_t now)
{
    enum error e = begin(cs, c);

    c->state = CIRCUIT_BUILDING;
    c->stuck = e != OK;
    if (c->stuck) { /* the next tick ends it: callers still hold it */
        circuit_set_deadline(cs, c, now);
        return;
    }
    asking_begin(&c->step, pause_of(cs, c->built), now);
    c->step_end = time_after(now, timeout_of(&cs->step[c->built]));
    if (c->built > 0)
        c->attempt = (uint8_t)(c->attempt % UINT8_MAX + 1); /* never 0 */
    say(cs, c, now);
}

enum error circuit_extend(struct circuits *cs, struct circuit *c,
                          const struct link_target *target, uint64_t now)
{
    if (c->state != CIRCUIT_READY || c->closing)
        return ERR_NOT_FOUND;
    if (c->joined)
        return ERR_IN_USE;
    if (c->length >= ONION_HOPS_MAX)
        return ERR_RANGE;
    c->hop[c->length++].target = *target;
    circuit_build_next(cs, c, now);
    return OK;
}

void circuit_build_late(struct circuits *cs, struct circuit *c, uint64_t now)
{
    if (c->stuck) {
        circuit_build_failed(cs, c, c->built + 1, REASON_HANDSHAKE, now);
    } else if (now >= c->step_end) {
        cs->step[c->built].late++;
        circuit_build_failed(cs, c, c->built + 1, REASON_TIMEOUT, now);
    } else {
        asking_again(&c->step, now);
        cs->stats.repeated++;
        say(cs, c, now);
    }
}

static void finish(struct circuits *cs, struct circuit *c, uint64_t now)
{
    c->state = CIRCUIT_READY;
    c->replaced = 0;
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
    memcpy(hop->transcript, keys.transcript, sizeof(hop->transcript));
    hop->ping_nonce = hop->rtt = 0;
    sodium_memzero(&keys, sizeof(keys));
    asking_guess(&c->step, &cs->step[c->built], now);
    asking_learn(&c->step, &cs->sure[c->built], now);
    c->built++;
    if (c->built == c->length)
        finish(cs, c, now);
    else
        circuit_build_next(cs, c, now);
}

/* What stays when hop `hop` fails, or is said to. The one before may lie, so
 * that the client tries others until one is its friend: it goes too, but for
 * the first hop. That holds the circuit up: without it there is none. */
static unsigned standing(unsigned hop)
{
    return hop > 2 ? hop - 2 : 1;
}

void circuit_build_failed(struct circuits *cs, struct circuit *c, unsigned hop,
                          enum reason why, uint64_t now)
{
    struct link_target other[ONION_HOPS_MAX];
    unsigned stands = standing(hop);

    assert(hop >= 1 && hop <= c->length);
    if (c->closing)
        return;
    cs->stats.failed[hop - 1][why]++;
    circuit_build_forget(c);
    if (hop == 1 || c->use == CIRCUIT_FOR_SERVICE ||
        c->replaced >= REPLACE_MAX || c->replaced_ever >= REPLACE_EVER_MAX ||
        !cs->env.replace(cs->env.ctx, c, stands, hop, why, other)) {
        circuit_end_destroy(&c->end, cs->shared->links, why, now);
        circuit_end_with(cs, c, why, hop, now);
        return;
    }
    for (unsigned i = stands; i < c->length; i++)
        c->hop[i].target = other[i - stands];
    c->built = stands;
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
