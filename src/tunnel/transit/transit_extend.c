/* SPDX-License-Identifier: MIT
 *
 * EXTEND: the one thing by which a circuit makes this node send on another
 * link. It sends one CREATE there, and one INIT before it when there is no
 * link.
 */
#include "tunnel/link/link_text.h"
#include "tunnel/transit/transit_table.h"

#include "base/timestamp.h"

#include <stdlib.h>
#include <string.h>

#define EXTEND_TIMEOUT (10 * TIME_S)
/* For which an answer may have to be said again: as long as a step of a client
 * may take (circuit_build.c). */
#define ANSWER_LIFE (15 * TIME_S)
/* CREATEs for one EXTEND beyond the first. A circuit has TRANSIT_EXTENDS_MAX.
 */
#define CREATE_REPEATS_MAX 7

/* ---- Steps -------------------------------------------------------------- */

void transit_step_forget(struct transit *relay)
{
    free(relay->step);
    relay->step = NULL;
}

static enum error step_to(struct transit *relay, enum transit_step_state state,
                          const uint8_t *noise, size_t len, uint64_t deadline)
{
    if (relay->step == NULL)
        relay->step = malloc(sizeof(struct transit_step));
    if (relay->step == NULL)
        return ERR_NO_MEMORY;
    *relay->step =
        (struct transit_step){.state = (uint8_t)state, .deadline = deadline};
    memcpy(relay->step->noise, noise, len);
    return OK;
}

void transit_step_answered(struct transit *relay, enum transit_step_state state,
                           const uint8_t noise2[NOISE_OVERHEAD], uint64_t now)
{
    step_to(relay, state, noise2, NOISE_OVERHEAD, time_after(now, ANSWER_LIFE));
}

void transit_step_heard(struct transit *relay, bool for_us)
{
    if (relay->step->state == STEP_CREATED ||
        (relay->step->state == STEP_EXTENDED && !for_us))
        transit_step_forget(relay);
}

void transit_step_overdue(struct transits *r, struct transit *relay,
                          uint64_t now)
{
    if (relay->step->state == STEP_LINK || relay->step->state == STEP_CREATE)
        transit_extension_failed(r, relay, REASON_TIMEOUT, now);
    else
        transit_step_forget(relay);
}

/* ---- Failing ------------------------------------------------------------ */

static void say_failed(struct transits *r, struct transit *relay, uint64_t now)
{
    struct circuit_message m = {.type = CIRCUIT_FAILED,
                                .attempt = relay->attempt,
                                .reason = (enum reason)relay->failed};

    transit_answer(r, relay, &m, now);
}

static void fail(struct transits *r, struct transit *relay, enum reason why,
                 uint64_t now)
{
    r->stats.failed[why]++;
    relay->failed = (uint8_t)why;
    say_failed(r, relay, now);
}

void transit_extension_failed(struct transits *r, struct transit *relay,
                              enum reason why, uint64_t now)
{
    transit_step_forget(relay);
    circuit_end_detach(&relay->next, &r->shared->ends, now);
    relay->extended = false;
    fail(r, relay, why, now);
}

/* ---- Extending ---------------------------------------------------------- */

static void send_create(struct transits *r, struct transit *relay, uint64_t now)
{
    uint8_t text[LINK_TEXT_SMALL];
    size_t len;

    len =
        link_text_write_create(text, relay->next.local,
                               bytes_of(relay->step->noise, HOP_NOISE1_BYTES));
    relay->step->state = STEP_CREATE;
    link_send(r->shared->links, relay->next.link, CELL_CREATE, 0,
              bytes_of(text, len), now);
}

/* Never back to where it came from, nor to ourselves. */
static enum reason check(const struct transits *r, const struct transit *relay,
                         const struct circuit_message *m)
{
    const struct endpoint *prev = &relay->prev.link->peer.ep;

    if (transit_is_bound(relay))
        return REASON_PROTOCOL;
    if (relay->depth >= ONION_HOPS_MAX)
        return REASON_DEPTH;
    if (memcmp(m->identity, r->shared->responder->identity, 32) == 0 ||
        endpoint_equal(&m->ep, prev) ||
        (!r->config.testing_network && endpoint_same_addr(&m->ep, prev)) ||
        !endpoint_is_usable(&m->ep) || !r->env.may_extend(r->env.ctx, &m->ep))
        return REASON_ADDRESS;
    return REASON_UNKNOWN;
}

static bool is_too_often(struct transits *r, struct transit *relay,
                         uint64_t now)
{
    if (relay->extends >= TRANSIT_EXTENDS_MAX)
        return true;
    relay->extends++;
    return !transit_allow(&r->extend_limiter, relay->prev.link, now);
}

static enum reason start(struct transits *r, struct transit *relay,
                         const struct circuit_message *m, uint64_t now)
{
    struct link_target target = {.ep = m->ep};
    struct link *link;
    enum error e;

    memcpy(target.identity, m->identity, sizeof(target.identity));
    memcpy(target.handshake_key, m->handshake_key,
           sizeof(target.handshake_key));
    e = link_open_for(r->shared->links, &target, &relay->source, now, &link);
    if (e != OK)
        return e == ERR_RATE_LIMITED ? REASON_RATE
               : e == ERR_FULL       ? REASON_FULL
                                     : REASON_UNREACHABLE;
    if (step_to(relay, STEP_LINK, m->noise.p, m->noise.len,
                time_after(now, EXTEND_TIMEOUT)) != OK)
        return REASON_FULL;
    if (circuit_end_attach(&relay->next, &r->shared->ends, link) != OK) {
        transit_step_forget(relay);
        return REASON_FULL;
    }
    if (link->state == LINK_UP)
        send_create(r, relay, now);
    return REASON_UNKNOWN;
}

static void say_extended(struct transits *r, struct transit *relay,
                         uint64_t now)
{
    struct circuit_message m = {
        .type = CIRCUIT_EXTENDED,
        .attempt = relay->attempt,
        .noise = bytes_of(relay->step->noise, NOISE_OVERHEAD)};

    transit_answer(r, relay, &m, now);
}

/* The EXTEND of this attempt came again: it, or what came of it, was lost
 * somewhere, and what was said last is said again. */
static void repeat(struct transits *r, struct transit *relay, uint64_t now)
{
    struct transit_step *step = relay->step;

    r->stats.repeated++;
    if (step != NULL && step->state == STEP_EXTENDED) {
        say_extended(r, relay, now);
    } else if (step != NULL && step->state == STEP_LINK) {
        link_open_again(r->shared->links, relay->next.link, now);
    } else if (step != NULL && step->state == STEP_CREATE &&
               step->repeats < CREATE_REPEATS_MAX) {
        step->repeats++;
        send_create(r, relay, now);
    } else if (step == NULL && !relay->extended) {
        say_failed(r, relay, now);
    }
}

/* Attempts go from 1 to 255 and round again; one overtaken by another must not
 * undo it. */
static bool is_later(uint8_t attempt, uint8_t last)
{
    return attempt != 0 &&
           (last == 0 || (attempt + UINT8_MAX - last) % UINT8_MAX <= 127);
}

void transit_extend(struct transits *r, struct transit *relay,
                    const struct circuit_message *m, uint64_t now)
{
    enum reason why;

    if (m->attempt == relay->attempt && m->attempt != 0) {
        repeat(r, relay, now);
        return;
    }
    if (!is_later(m->attempt, relay->attempt)) {
        r->stats.dropped_message++;
        return;
    }
    /* A new attempt takes the place of the one before. */
    transit_step_forget(relay);
    circuit_end_destroy(&relay->next, r->shared->links, REASON_REQUESTED, now);
    circuit_end_detach(&relay->next, &r->shared->ends, now);
    relay->extended = false;
    relay->attempt = m->attempt;
    why = check(r, relay, m);
    if (why == REASON_UNKNOWN && is_too_often(r, relay, now))
        why = REASON_RATE;
    if (why == REASON_UNKNOWN)
        why = start(r, relay, m, now);
    if (why != REASON_UNKNOWN)
        fail(r, relay, why, now);
}

bool transit_extend_anew(struct transits *r, struct transit *relay,
                         uint64_t now)
{
    struct link *link = relay->next.link;
    struct link_target target = link->peer;

    if (!link->stale || relay->step == NULL ||
        relay->step->state != STEP_CREATE)
        return false;
    target.ep = link->opened;
    circuit_end_detach(&relay->next, &r->shared->ends, now);
    if (link_open_for(r->shared->links, &target, &relay->source, now, &link) !=
            OK ||
        circuit_end_attach(&relay->next, &r->shared->ends, link) != OK)
        return false;
    relay->step->state = STEP_LINK;
    if (link->state == LINK_UP)
        send_create(r, relay, now);
    return true;
}

void transit_link_up(struct transits *r, struct circuit_end *next, uint64_t now)
{
    struct transit *relay = transit_of(next);

    if (next->role == END_TRANSIT_NEXT && relay->step != NULL &&
        relay->step->state == STEP_LINK)
        send_create(r, relay, now);
}

enum error transit_receive_created(struct transits *r, struct circuit_end *next,
                                   struct bytes text, uint64_t now)
{
    struct transit *relay = transit_of(next);
    struct link_text t;
    enum error e;

    if (next->role != END_TRANSIT_NEXT || relay->step == NULL ||
        relay->step->state != STEP_CREATE)
        return ERR_UNEXPECTED;
    e = link_text_read_created(text, &t);
    if (e != OK)
        return e;
    next->remote = t.index;
    relay->extended = true;
    r->stats.extended++;
    transit_step_answered(relay, STEP_EXTENDED, t.noise.p, now);
    say_extended(r, relay, now);
    return OK;
}
