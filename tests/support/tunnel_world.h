/* SPDX-License-Identifier: MIT
 *
 * A few members of the tunnel community and the datagrams between them, on
 * virtual time: a client, relays, and an exit whose destination sends back
 * what it gets. There is no DHT.
 */
#ifndef WARREN_TESTS_TUNNEL_WORLD_H
#define WARREN_TESTS_TUNNEL_WORLD_H

#include "tunnel/member/member.h"

#include "base/timestamp.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#define MEMBERS   7 /* 0 is the client, the last is the exit */
#define EXIT      (MEMBERS - 1)
#define QUEUE_MAX 16384
#define DELAY     (2 * TIME_MS)
#define WALL      UINT64_C(1900000000)

struct world;

/* Functions of struct member_env and of its tables, but for events. */
enum world_call {
    CALL_OPEN,
    CALL_SEND,
    CALL_CLOSE,
    CALL_RESOLVE,
    CALL_RESOLVE_CANCEL,
    CALL_REMEMBER,
    CALL_FORGET,
    CALL_ROTATED,
    CALL_RETIRED
};

struct resident {
    struct world *world;
    struct endpoint ep;
    struct member *tunnel;
    struct policy policy;
    unsigned ready, closed, data, packets, refused, pongs, reports, learned;
    /* What a test does besides; NULL: nothing. */
    void (*on_event)(struct resident *m, const struct member_event *e);
    void (*on_call)(struct resident *m, enum world_call call);
    const struct dht_provider *dht; /* for resident_start */
    struct outlet_world outlet;     /* likewise; without ctx none is there */
    struct policy tcp_policy;
    enum reason why;
    uint8_t payload[8192];
    size_t payload_len;
    struct endpoint source;
    struct speedtest_report report;
    bool done;
    /* As an exit: what it sent, echoed by the world. */
    unsigned sockets;
    uint32_t cookie;
    struct endpoint sent_to;
    bool echo;
    bool dead; /* hears nothing any more */
    /* Behind a NAT: gets only what comes from where it has sent to. */
    bool nat, sent[MEMBERS];
    unsigned pokes; /* sent */
    /* Handshake keys that were told of. */
    unsigned rotated, retired;
    uint8_t replaced[NOISE_KEY_BYTES];
};

struct packet {
    uint64_t at;
    struct endpoint from, to;
    size_t len;
    uint8_t bytes[CELL_MAX];
};

struct world {
    struct test_random random;
    uint64_t now;
    struct resident member[MEMBERS];
    struct packet *queue[QUEUE_MAX];
    size_t first, count;
    /* Of the cell that the client is receiving: what it sends because of it
     * goes there and nowhere else, unless a callback does more. NULL: no cell
     * is being received. */
    const struct endpoint *cell_from;
    /* What runs on top of the client; NULL: nothing. */
    void *above;
    uint64_t (*above_deadline)(void *above);
    void (*above_tick)(void *above, uint64_t now);
    bool sink; /* what is sent is gone, and counted */
    unsigned sunk;
};

static inline void resident_send(void *ctx, const struct endpoint *to,
                                 struct bytes d)
{
    struct resident *m = ctx;
    struct world *w = m->world;
    struct packet *p;

    if (m == &w->member[0] && w->cell_from != NULL && m->on_event == NULL)
        assert_true(endpoint_equal(to, w->cell_from));
    if (w->sink) {
        w->sunk++;
        return;
    }
    p = malloc(sizeof(*p));
    assert_non_null(p);
    assert_true(w->count < QUEUE_MAX && d.len <= CELL_MAX);
    assert_true(to->family == FAMILY_IPV4 && to->addr[0] == 11);
    *p = (struct packet){
        .at = w->now + DELAY, .from = m->ep, .to = *to, .len = d.len};
    memcpy(p->bytes, d.p, d.len);
    m->pokes += d.len == 2;
    for (unsigned i = 0; i < MEMBERS; i++)
        m->sent[i] |= endpoint_equal(&w->member[i].ep, to);
    w->queue[(w->first + w->count++) % QUEUE_MAX] = p;
}

static inline void resident_random(void *ctx, void *buf, size_t len)
{
    struct resident *m = ctx;

    test_random_fill(&m->world->random, buf, len);
}

static inline void resident_event(void *ctx, const struct member_event *e)
{
    struct resident *m = ctx;

    switch (e->kind) {
    case MEMBER_CIRCUIT_READY:
        m->ready++;
        break;
    case MEMBER_CIRCUIT_CLOSED:
        m->closed++;
        m->why = e->why;
        break;
    case MEMBER_DATA:
        m->data++;
        m->source = e->source;
        m->payload_len = e->payload.len;
        assert_true(e->payload.len <= sizeof(m->payload));
        memcpy(m->payload, e->payload.p, e->payload.len);
        break;
    case MEMBER_PACKET:
        m->packets++;
        m->payload_len = e->payload.len;
        break;
    case MEMBER_REFUSED:
        m->refused++;
        m->why = e->why;
        break;
    case MEMBER_PONG:
        m->pongs++;
        break;
    case MEMBER_SPEEDTEST:
        m->reports++;
        m->report = e->report;
        m->done = e->done;
        break;
    case MEMBER_LEARNED:
        m->learned++;
        break;
    }
    if (m->on_event != NULL)
        m->on_event(m, e);
}

static inline void resident_called(struct resident *m, enum world_call call)
{
    if (m->on_call != NULL)
        m->on_call(m, call);
}

static inline enum error exit_open_fake(void *ctx, enum family family,
                                        uint32_t cookie, void **handle)
{
    struct resident *m = ctx;

    (void)family;
    m->sockets++;
    *handle = (void *)((uintptr_t)cookie + 1); /* not NULL */
    resident_called(m, CALL_OPEN);
    return OK;
}

static inline enum error exit_send_fake(void *ctx, void *handle,
                                        const struct endpoint *to,
                                        struct bytes payload)
{
    struct resident *m = ctx;

    m->cookie = (uint32_t)((uintptr_t)handle - 1);
    m->sent_to = *to;
    m->payload_len = payload.len;
    memcpy(m->payload, payload.p, payload.len);
    m->echo = true;
    resident_called(m, CALL_SEND);
    return OK;
}

static inline void exit_close_fake(void *ctx, void *handle)
{
    struct resident *m = ctx;

    (void)handle;
    m->sockets--;
    resident_called(m, CALL_CLOSE);
}

static inline enum error resolve_fake(void *ctx, const char *name,
                                      uint32_t cookie)
{
    struct resident *m = ctx;
    struct endpoint addr;
    struct exit_answer answer = {.addrs = &addr, .count = 1, .ttl = TIME_MIN};

    resident_called(m, CALL_RESOLVE);
    endpoint_parse("9.9.9.9:0", &addr);
    if (strcmp(name, "echo.example") != 0)
        answer = (struct exit_answer){.why = REASON_NO_NAME};
    member_exit_resolved(m->tunnel, cookie, &answer, m->world->now);
    return OK;
}

static inline void resolve_cancel_fake(void *ctx, uint32_t cookie)
{
    (void)cookie;
    resident_called(ctx, CALL_RESOLVE_CANCEL);
}

static inline void remember_fake(void *ctx, const struct stored_relay *relay)
{
    (void)relay;
    resident_called(ctx, CALL_REMEMBER);
}

static inline void forget_fake(void *ctx, const uint8_t identity[32])
{
    (void)identity;
    resident_called(ctx, CALL_FORGET);
}

static inline void rotated_fake(void *ctx,
                                const uint8_t secret[NOISE_KEY_BYTES],
                                const uint8_t previous[NOISE_KEY_BYTES],
                                uint64_t wall)
{
    struct resident *m = ctx;

    assert_memory_not_equal(secret, previous, NOISE_KEY_BYTES);
    assert_true(wall >= WALL);
    memcpy(m->replaced, previous, NOISE_KEY_BYTES);
    m->rotated++;
    resident_called(m, CALL_ROTATED);
}

static inline void retired_fake(void *ctx)
{
    struct resident *m = ctx;

    m->retired++;
    resident_called(m, CALL_RETIRED);
}

static inline struct member_config config_of(unsigned number)
{
    struct member_config c;

    member_config_init(&c);
    memcpy(c.network, "test", 5);
    randombytes_buf_deterministic(c.handshake_secret,
                                  sizeof(c.handshake_secret),
                                  (uint8_t[32]){1, (uint8_t)number});
    crypto_sign_seed_keypair(c.identity, c.identity_secret,
                             (uint8_t[32]){2, (uint8_t)number});
    c.handshake_made = WALL;
    c.become_exitnode = number == EXIT;
    if (number == 0)
        c.max_relays_or_exits = 0;
    return c;
}

static inline void resident_start(struct resident *m,
                                  const struct member_config *c)
{
    struct member_env env = {
        .ctx = m,
        .random = {.ctx = m, .fill = resident_random},
        .send = resident_send,
        .event = resident_event,
        .exit = {.ctx = m,
                 .open = exit_open_fake,
                 .send = exit_send_fake,
                 .close = exit_close_fake,
                 .resolve = resolve_fake,
                 .resolve_cancel = resolve_cancel_fake},
        .remember = remember_fake,
        .forget = forget_fake,
        .rotated = rotated_fake,
        .retired = retired_fake,
        .dht = m->dht,
    };

    policy_init(&m->policy, true, false);
    policy_init(&m->tcp_policy, true, false);
    if (m->outlet.ctx != NULL) {
        env.outlet = m->outlet;
        env.tcp_policy = &m->tcp_policy;
    }
    assert_int_equal(
        member_new(c, &env, &m->policy, m->world->now, WALL, &m->tunnel), OK);
    member_set_addresses(m->tunnel, &m->ep, 1, 0, m->world->now);
}

static inline struct world *world_new(unsigned hops)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->random = test_seed(hops + 100);
    w->now = TIME_S;
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct resident *m = &w->member[i];
        struct member_config c = config_of(i);

        m->world = w;
        m->ep = (struct endpoint){.addr = {11, (uint8_t)(i + 1), 0, 1},
                                  .port = 7881};
        resident_start(m, &c);
    }
    for (unsigned i = 1; i < MEMBERS; i++)
        member_ask(w->member[0].tunnel, &w->member[i].ep, w->now);
    return w;
}

static inline void world_free(struct world *w)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        member_free(w->member[i].tunnel, w->now);
    for (; w->count > 0; w->count--)
        free(w->queue[w->first++ % QUEUE_MAX]);
    for (unsigned i = 0; i < MEMBERS; i++)
        assert_int_equal(w->member[i].sockets, 0);
    free(w);
}

static inline bool passes_nat(const struct world *w, const struct resident *to,
                              const struct endpoint *from)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (endpoint_equal(&w->member[i].ep, from) && to->sent[i])
            return true;
    }
    return !to->nat;
}

static inline void deliver(struct world *w)
{
    struct packet *p = w->queue[w->first];

    w->first = (w->first + 1) % QUEUE_MAX;
    w->count--;
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct resident *m = &w->member[i];

        if (m->tunnel == NULL || m->dead || !endpoint_equal(&m->ep, &p->to) ||
            !passes_nat(w, m, &p->from))
            continue;
        w->cell_from = p->bytes[1] == CELL_KIND ? &p->from : NULL;
        member_receive(m->tunnel, &p->from, p->bytes, p->len, w->now,
                       WALL + w->now / TIME_S);
        w->cell_from = NULL;
    }
    free(p);
}

/* The destination sends back what it got. */
static inline void echo(struct world *w)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct resident *m = &w->member[i];

        if (m->echo)
            member_exit_receive(m->tunnel, m->cookie, &m->sent_to,
                                bytes_of(m->payload, m->payload_len), w->now);
        m->echo = false;
    }
}

static inline void run(struct world *w, uint64_t duration)
{
    uint64_t end = w->now + duration, at;

    for (;;) {
        at = w->count > 0 ? w->queue[w->first]->at : TIME_NEVER;
        for (unsigned i = 0; i < MEMBERS; i++)
            at = time_min(at, member_next_deadline(w->member[i].tunnel));
        if (w->above != NULL)
            at = time_min(at, w->above_deadline(w->above));
        if (at > end)
            break;
        w->now = at > w->now ? at : w->now;
        for (unsigned i = 0; i < MEMBERS; i++)
            member_tick(w->member[i].tunnel, w->now, WALL + w->now / TIME_S);
        if (w->above != NULL)
            w->above_tick(w->above, w->now);
        while (w->count > 0 && w->queue[w->first]->at <= w->now)
            deliver(w);
        echo(w);
    }
    w->now = end;
}

#endif
