/* SPDX-License-Identifier: MIT */
#include "tunnel/link.h"

#include "tunnel/link_table.h"

#include "wire/timestamp.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

/* Ages and pauses of a link, all in ns. */
#define REKEY_AFTER     (10 * TIME_MIN)
#define REKEY_JITTER    (2 * TIME_MIN)
#define REKEY_RETRY     (5 * TIME_S)
#define SESSION_MAX_AGE (20 * TIME_MIN) /* the responder's patience */
#define PREVIOUS_LIFE   (30 * TIME_S)
#define KEEPALIVE       (15 * TIME_S)
#define KEEPALIVE_SPAN  (10 * TIME_S) /* of the jitter */
#define SUSPECT_AFTER   (3 * TIME_S)  /* sent, but nothing heard for so long */
#define PING_PAUSE      (1 * TIME_S)
#define PING_TRIES      3
#define UNUSED_LIFE     (60 * TIME_S)
#define INIT_TRIES      4

/* ---- The table ---------------------------------------------------------- */

enum error links_new(const struct link_config *config,
                     const struct link_env *env,
                     const struct responder *responder, uint64_t now,
                     struct links **out)
{
    struct limiter_config limits = {
        .rate = config->handshake_source_rate * 64,
        .burst = config->handshake_source_burst * 64,
        .source_rate = config->handshake_source_rate,
        .source_burst = config->handshake_source_burst,
        .max_sources = config->max_sources,
    };
    struct links *l = calloc(1, sizeof(struct links));
    uint8_t fresh[32];

    if (l == NULL)
        return ERR_NO_MEMORY;
    l->links = calloc(config->max_links, sizeof(struct link *));
    if (l->links == NULL) {
        free(l);
        return ERR_NO_MEMORY;
    }
    l->config = *config;
    l->env = *env;
    l->responder = responder;
    env->random.fill(env->random.ctx, fresh, sizeof(fresh));
    cookie_jar_init(&l->jar, fresh, now);
    sodium_memzero(fresh, sizeof(fresh));
    l->free_rate =
        token_rate_of(config->handshake_rate, config->handshake_burst);
    limiter_init(&l->limiter, &limits, &env->random);
    /* A link has three sessions at most while it rekeys. */
    slot_table_init(&l->sessions, (size_t)3 * config->max_links, &env->random);
    l->deadline = TIME_NEVER;
    *out = l;
    return OK;
}

void links_free(struct links *l)
{
    if (l == NULL)
        return;
    while (l->count > 0)
        link_free(l, l->links[l->count - 1]);
    slot_table_deinit(&l->sessions);
    limiter_deinit(&l->limiter);
    cookie_jar_deinit(&l->jar);
    free(l->links);
    sodium_memzero(l, sizeof(*l));
    free(l);
}

void link_set_deadline(struct links *l, struct link *link, uint64_t at)
{
    link->deadline = at;
    l->deadline = time_min(l->deadline, at);
}

enum error link_new(struct links *l, const struct endpoint *ep, uint64_t now,
                    struct link **out)
{
    struct link *link;

    if (l->count >= l->config.max_links)
        return ERR_FULL;
    link = calloc(1, sizeof(struct link));
    if (link == NULL)
        return ERR_NO_MEMORY;
    link->peer.ep = *ep;
    link->heard_at = link->sent_at = link->used_at = now;
    link->deadline = link->unanswered_at = TIME_NEVER;
    link->slot = l->count;
    l->links[l->count++] = link;
    *out = link;
    return OK;
}

void link_free(struct links *l, struct link *link)
{
    l->half_open -= link->state == LINK_HALF_OPEN;
    handshake_forget(l, link);
    session_free(&l->sessions, link->session);
    session_free(&l->sessions, link->next);
    session_free(&l->sessions, link->previous);
    l->links[link->slot] = l->links[--l->count];
    l->links[link->slot]->slot = link->slot;
    sodium_memzero(link, sizeof(*link));
    free(link);
}

void link_fail(struct links *l, struct link *link, enum reason why,
               uint64_t now)
{
    bool known = link->state != LINK_HALF_OPEN;

    if (link->closing)
        return;
    link->closing = true;
    l->stats.failed++;
    if (known)
        l->env.down(l->env.ctx, link, why, now);
    link_free(l, link);
}

unsigned links_count(const struct links *l)
{
    return (unsigned)l->count;
}

const struct link_stats *links_stats(const struct links *l)
{
    return &l->stats;
}

void links_visit(const struct links *l,
                 void (*visit)(void *ctx, const struct link *link), void *ctx)
{
    for (size_t i = 0; i < l->count; i++)
        visit(ctx, l->links[i]);
}

/* ---- Opening, holding, closing ------------------------------------------ */

/* Nothing but the whole target will do: whoever asks for a link may pair the
 * identity of one node with the key or the address of another. */
static bool is_link_to(const struct link *link, const struct link_target *t)
{
    return link->initiator && !link->closing &&
           memcmp(link->peer.identity, t->identity, 32) == 0 &&
           memcmp(link->peer.handshake_key, t->handshake_key,
                  NOISE_KEY_BYTES) == 0 &&
           endpoint_equal(&link->opened, &t->ep);
}

static struct link *find_opened(struct links *l, const struct link_target *t)
{
    for (size_t i = 0; i < l->count; i++) {
        if (is_link_to(l->links[i], t))
            return l->links[i];
    }
    return NULL;
}

enum error link_open(struct links *l, const struct link_target *target,
                     uint64_t now, struct link **out)
{
    struct link *link = find_opened(l, target);
    enum error e;

    if (link != NULL) {
        *out = link;
        return OK;
    }
    if (!endpoint_is_usable(&target->ep))
        return ERR_ADDRESS;
    e = link_new(l, &target->ep, now, &link);
    if (e != OK)
        return e;
    link->initiator = true;
    link->state = LINK_OPENING;
    link->peer = *target;
    link->opened = target->ep;
    e = handshake_start(l, link, now);
    if (e != OK) {
        link_free(l, link);
        return e;
    }
    *out = link;
    return OK;
}

void link_close(struct links *l, struct link *link, uint64_t now)
{
    if (link->closing)
        return;
    link_send(l, link, CELL_CLOSE, 0, bytes_of(NULL, 0), now);
    link_free(l, link);
}

void link_hold(struct link *link)
{
    link->users++;
    link->unwanted = false;
}

void link_release(struct link *link, uint64_t now)
{
    assert(link->users > 0);
    link->users--;
    link->used_at = now;
    link->unwanted = link->state == LINK_OPENING && link->users == 0;
}

/* ---- Sending ------------------------------------------------------------ */

/* From here on a peer that stays silent will be asked whether it is there. A
 * PONG does not count, or two idle peers would ask each other for ever. */
static void suspect(struct links *l, struct link *link, uint64_t now)
{
    uint64_t at = time_after(now, SUSPECT_AFTER);

    link->unanswered_at = now;
    link_set_deadline(l, link, time_min(link->deadline, at));
}

static void send_cell(struct links *l, struct link *link,
                      const struct cell_head *head, uint8_t *datagram,
                      size_t len, uint64_t now)
{
    struct session *s = link->session;

    if (head->type != CELL_RELAY)
        cell_seal_body(&s->out, s->counter, datagram, len);
    else
        cell_mask(&s->out, s->counter, datagram, len);
    cell_seal(&s->out, s->remote, s->counter++, head, datagram, len);
    link->sent_at = now;
    l->stats.cells_out++;
    if (link->unanswered_at == TIME_NEVER && head->type != CELL_PONG)
        suspect(l, link, now);
    l->env.send(l->env.send_ctx, &link->peer.ep, bytes_of(datagram, len));
}

bool link_send_relay(struct links *l, struct link *link, uint32_t circuit,
                     uint8_t *datagram, size_t len, uint64_t now)
{
    struct cell_head head = {.circuit = circuit, .type = CELL_RELAY};

    if (link->session == NULL)
        return false;
    send_cell(l, link, &head, datagram, len, now);
    return true;
}

bool link_send(struct links *l, struct link *link, enum cell_type type,
               uint32_t circuit, struct bytes text, uint64_t now)
{
    struct cell_head head = {.circuit = circuit, .type = (uint8_t)type};
    uint8_t datagram[CELL_MAX];
    size_t len = text.len <= CELL_SMALL_BODY - NOISE_TAG_BYTES ? CELL_SMALL
                                                               : CELL_LARGE;

    assert(text.len <= CELL_TEXT_MAX);
    if (link->session == NULL)
        return false;
    memset(datagram, 0, len);
    if (text.len > 0)
        memcpy(datagram + CELL_BODY_OFFSET, text.p, text.len);
    send_cell(l, link, &head, datagram, len, now);
    return true;
}

/* ---- Receiving ---------------------------------------------------------- */

static uint64_t rekey_time(struct links *l, uint64_t now)
{
    uint64_t jitter =
        random_below(&l->env.random, 1000) * (REKEY_JITTER / 1000);

    return time_after(now, REKEY_AFTER + jitter);
}

void link_use_session(struct links *l, struct link *link, struct session *s,
                      uint64_t now)
{
    session_free(&l->sessions, link->previous);
    link->previous = link->session;
    link->session = s;
    link->next = NULL;
    link->rekey_at = rekey_time(l, now);
    link_set_deadline(l, link, time_after(now, KEEPALIVE));
}

/* An authentic cell shows that the peer has the keys of this session, and
 * where it is. True when the link came up by it. */
static bool heard(struct links *l, struct link *link, struct session *s,
                  const struct endpoint *from, uint64_t counter, uint64_t now)
{
    bool newest = counter >= s->replay.top;
    bool came_up = link->state == LINK_HALF_OPEN;

    if (came_up) {
        link->state = LINK_UP;
        l->half_open--;
        link_use_session(l, link, s, now);
        link->previous = NULL;
    } else if (s == link->next) {
        link_use_session(l, link, s, now);
    }
    if (newest && s == link->session && !endpoint_equal(from, &link->peer.ep))
        link->peer.ep = *from;
    link->heard_at = now;
    link->unanswered_at = TIME_NEVER;
    link->tries = 0;
    return came_up;
}

static void receive_pong(struct link *link, uint64_t now)
{
    uint64_t sample = time_since(link->ping_at, now);

    if (link->ping_at == 0)
        return;
    link->rtt = link->rtt == 0 ? sample : (7 * link->rtt + sample) / 8;
    link->ping_at = 0;
}

/* What is about the link itself; anything else goes up. */
static enum error dispatch(struct links *l, struct link *link,
                           const struct cell_head *head, uint8_t *datagram,
                           size_t len, uint64_t now)
{
    struct bytes text = bytes_of(datagram + CELL_BODY_OFFSET,
                                 len - CELL_BODY_OFFSET - NOISE_TAG_BYTES);

    switch (head->type) {
    case CELL_PING:
        link_send(l, link, CELL_PONG, 0, bytes_of(NULL, 0), now);
        return OK;
    case CELL_PONG:
        receive_pong(link, now);
        return OK;
    case CELL_CLOSE:
        link_fail(l, link, REASON_LINK_LOST, now);
        return OK;
    case CELL_REKEY:
        return handshake_receive_rekey(l, link, text, now);
    case CELL_REKEYED:
        return handshake_receive_rekeyed(l, link, text, now);
    default:
        link->used_at = now;
        l->env.cell(l->env.ctx, link, head, datagram, len, now);
        return OK;
    }
}

enum error links_receive_cell(struct links *l, const struct endpoint *from,
                              uint8_t *datagram, size_t len, uint64_t now)
{
    struct cell_head head;
    struct session *s;
    uint32_t index;
    uint64_t counter;
    enum error e;

    e = cell_peek(bytes_of(datagram, len), &index, &counter);
    if (e != OK)
        return e;
    s = session_find(&l->sessions, index);
    if (s == NULL || s == s->link->opening)
        return ERR_NOT_FOUND;
    if (!replay_is_fresh(&s->replay, counter))
        return ERR_UNEXPECTED;
    e = cell_open(&s->in, counter, bytes_of(datagram, len), &head);
    if (e != OK)
        return e;
    if (head.type != CELL_RELAY)
        e = cell_open_body(&s->in, counter, datagram, len);
    else
        cell_mask(&s->in, counter, datagram, len);
    if (e != OK)
        return e;
    replay_accept(&s->replay, counter);
    l->stats.cells_in++;
    if (heard(l, s->link, s, from, counter, now)) {
        l->env.up(l->env.ctx, s->link, now);
        if (session_find(&l->sessions, index) != s)
            return OK; /* closed meanwhile */
    }
    return dispatch(l, s->link, &head, datagram, len, now);
}

/* ---- Time --------------------------------------------------------------- */

static void ping(struct links *l, struct link *link, uint64_t now)
{
    link->tries++;
    link->ping_at = now;
    link_send(l, link, CELL_PING, 0, bytes_of(NULL, 0), now);
}

/* When a link that is up and not suspect wants a PING. */
static uint64_t keepalive_at(struct links *l, const struct link *link)
{
    uint64_t last = link->heard_at > link->sent_at ? link->heard_at
                                                   : link->sent_at;
    uint64_t jitter =
        random_below(&l->env.random, 1000) * (KEEPALIVE_SPAN / 1000);

    return time_after(last, KEEPALIVE + jitter);
}

/* Pings a peer that does not answer what we send, or one that has been silent
 * long; false when it is given up. */
static bool check_alive(struct links *l, struct link *link, uint64_t now)
{
    uint64_t silent = time_since(link->heard_at, now);

    if (link->tries > 0) {
        if (time_since(link->ping_at, now) < PING_PAUSE)
            return true;
        if (link->tries >= PING_TRIES)
            return false;
        ping(l, link, now);
    } else if (link->unanswered_at != TIME_NEVER) {
        if (time_since(link->unanswered_at, now) >= SUSPECT_AFTER)
            ping(l, link, now);
    } else if (link->users > 0 && silent >= KEEPALIVE &&
               now >= link->deadline) {
        ping(l, link, now);
    }
    return true;
}

static uint64_t up_deadline(struct links *l, const struct link *link)
{
    uint64_t at = time_after(link->used_at, UNUSED_LIFE);

    if (link->users > 0)
        at = keepalive_at(l, link);
    if (link->tries > 0)
        at = time_min(at, time_after(link->ping_at, PING_PAUSE));
    else
        at = time_min(at, time_after(link->unanswered_at, SUSPECT_AFTER));
    if (link->initiator)
        at = time_min(at, link->rekey_at);
    else
        at = time_min(at, time_after(link->session->born, SESSION_MAX_AGE));
    if (link->previous != NULL)
        at = time_min(at, time_after(link->session->born, PREVIOUS_LIFE));
    return at;
}

/* False when the link is gone. */
static bool tick_up(struct links *l, struct link *link, uint64_t now)
{
    uint64_t age = time_since(link->session->born, now);

    if (link->previous != NULL && age >= PREVIOUS_LIFE) {
        session_free(&l->sessions, link->previous);
        link->previous = NULL;
    }
    if (link->users == 0 && time_since(link->used_at, now) >= UNUSED_LIFE) {
        link_send(l, link, CELL_CLOSE, 0, bytes_of(NULL, 0), now);
        link_fail(l, link, REASON_IDLE, now);
        return false;
    }
    if (!check_alive(l, link, now) ||
        (!link->initiator && age >= SESSION_MAX_AGE)) {
        link_fail(l, link, REASON_TIMEOUT, now);
        return false;
    }
    if (link->initiator && now >= link->rekey_at) {
        link->rekey_at = time_after(now, REKEY_RETRY);
        handshake_start_rekey(l, link, now);
    }
    link_set_deadline(l, link, up_deadline(l, link));
    return true;
}

static bool tick_link(struct links *l, struct link *link, uint64_t now)
{
    switch (link->state) {
    case LINK_UP:
        return tick_up(l, link, now);
    case LINK_OPENING:
        if (link->tries == 1)
            l->env.unanswered(l->env.ctx, link, now);
        if (link->tries < INIT_TRIES && !link->unwanted &&
            handshake_start(l, link, now) == OK)
            return true;
        break;
    case LINK_HALF_OPEN:
        break;
    }
    link_fail(l, link, REASON_UNREACHABLE, now);
    return false;
}

void links_tick(struct links *l, uint64_t now)
{
    uint8_t fresh[32];

    if (cookie_jar_is_due(&l->jar, now)) {
        l->env.random.fill(l->env.random.ctx, fresh, sizeof(fresh));
        cookie_jar_rotate(&l->jar, fresh, now);
        sodium_memzero(fresh, sizeof(fresh));
    }
    if (now < l->deadline)
        return;
    l->deadline = TIME_NEVER;
    /* From the end: a link that goes is replaced by one that was seen. A
     * callback may close others, so that the end moves. */
    for (size_t i = l->count; i-- > 0;) {
        if (i >= l->count)
            continue;
        if (now >= l->links[i]->deadline)
            tick_link(l, l->links[i], now);
    }
    for (size_t i = 0; i < l->count; i++)
        l->deadline = time_min(l->deadline, l->links[i]->deadline);
}

uint64_t links_next_deadline(const struct links *l)
{
    return l->deadline;
}
