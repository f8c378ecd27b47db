/* SPDX-License-Identifier: MIT
 *
 * An outlet with clients at the other ends of circuits, and a made-up Internet
 * behind it, in virtual time. What a destination does says its port:
 *
 *     80  answers, and echoes        81  refuses
 *     82  is silent                  83  answers, and never reads
 *     84  answers, and breaks at the first byte
 *     85  answers, says "hello", and has no more to say; reads to the end
 *
 * The DNS knows the names below; others it does not answer.
 */
#ifndef WARREN_TESTS_OUTLET_WORLD_H
#define WARREN_TESTS_OUTLET_WORLD_H

#include "dht_data.h"
#include "policy_data.h"

#include "stream/stream_request.h"
#include "tunnel/outlet/outlet.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW       (1000 * TIME_S)
#define STEP      TIME_MS
#define DELAY     (10 * TIME_MS) /* of packets, and of connects */
#define CIRCUITS  64
#define SOCKETS   4096
#define FLOWS     16384
#define QUESTIONS 64
#define OUTLET_OK ((enum reason)0) /* in an answer */

struct world;

struct packet {
    struct packet *next;
    uint64_t at;
    unsigned circuit;
    bool to_acceptor;
    size_t len;
    uint8_t bytes[STREAM_PACKET_MAX];
};

struct circuit {
    struct world *w;
    struct outlet_circuit *c; /* NULL: it is gone */
    struct exit_circuit *names;
    struct endpoint neighbour;
    struct stream_conn *conn; /* of the client */
};

/* A connection of TCP. */
struct tcp {
    struct world *w;
    bool open, connected;
    uint64_t id, due, used_at;
    struct endpoint to;
    struct stream *st;
    uint64_t in;
    uint32_t closed_with;
    size_t owed; /* of the echo */
};

/* A stream of a client. */
struct flow {
    struct world *w;
    struct stream *st; /* NULL: closed */
    enum stream_request_kind kind;
    struct stream_message message;
    bool answered, fin, reset;
    struct stream_answer answer;
    char name[STREAM_NAME_MAX + 1]; /* of the answer */
    uint32_t code;
    uint64_t in, out, to_write;
    uint8_t head[16];             /* of what came */
    void (*then)(struct flow *f); /* within the call that brings the answer */
};

struct world {
    struct outlet *o;
    struct exit *exit;
    struct policy udp, policy;
    struct outlet_config config;
    struct test_random random;
    struct streams *client;
    uint64_t now;
    struct circuit circuit[CIRCUITS];
    struct packet *first, **last;
    bool lossy;    /* one packet of ten is lost */
    unsigned lose; /* that come next */

    struct tcp tcp[SOCKETS];
    unsigned tcps, open; /* ever, now */
    enum error connect_error;
    struct flow flow[FLOWS];
    unsigned flows;

    struct {
        uint32_t cookie;
        const char *addrs;
        uint64_t due;
    } question[QUESTIONS];
    unsigned questions, asked, cancelled;
    uint32_t reversing; /* of the last question that is not answered */
    bool no_reverse;
};

/* ---- The Internet ------------------------------------------------------- */

static inline enum error tcp_connect(void *ctx, uint64_t id,
                                     const struct endpoint *to, void **handle)
{
    struct world *w = ctx;
    struct tcp *t = &w->tcp[w->tcps];

    if (w->connect_error != OK)
        return w->connect_error;
    assert_true(w->tcps < SOCKETS);
    w->tcps++;
    w->open++;
    *t = (struct tcp){
        .w = w, .open = true, .id = id, .to = *to, .due = w->now + DELAY};
    *handle = t;
    return OK;
}

static inline void tcp_gone(struct tcp *t)
{
    assert_true(t->open);
    t->open = false;
    t->st = NULL;
    t->w->open--;
}

static inline void tcp_end(struct tcp *t)
{
    uint64_t id = t->id;

    tcp_gone(t);
    outlet_parted(t->w->o, id);
}

static inline size_t tcp_echo(struct tcp *t, struct bytes data, bool fin)
{
    size_t n = stream_write(t->st, data, t->w->now);

    t->in += n;
    if (fin && n == data.len)
        stream_finish(t->st, t->w->now);
    return n;
}

static inline size_t tcp_data(void *arg, struct stream *st, struct bytes data,
                              bool fin, uint64_t now)
{
    struct tcp *t = arg;

    t->used_at = now;
    switch (t->to.port) {
    case 83:
        return 0;
    case 84:
        tcp_end(t);
        stream_reset(st, REASON_LINK_LOST, now);
        return data.len;
    case 85:
        t->in += data.len;
        return data.len;
    default:
        return tcp_echo(t, data, fin);
    }
}

static inline void tcp_writable(void *arg, struct stream *st, uint64_t now)
{
    (void)arg;
    stream_resume(st, now);
}

static inline void tcp_reset(void *arg, struct stream *st, bool reading,
                             uint32_t code, uint64_t now)
{
    struct tcp *t = arg;

    (void)reading, (void)code;
    if (t->open)
        tcp_end(t);
    stream_reset(st, REASON_REQUESTED, now);
}

static inline void tcp_closed(void *arg, struct stream *st, uint64_t now)
{
    struct tcp *t = arg;

    (void)st, (void)now;
    if (t->open)
        tcp_end(t);
}

static const struct stream_handler tcp_handler = {.data = tcp_data,
                                                  .writable = tcp_writable,
                                                  .reset = tcp_reset,
                                                  .closed = tcp_closed};

static inline void tcp_join(void *ctx, void *handle, struct stream *st,
                            bool ended, uint64_t id)
{
    struct world *w = ctx;
    struct tcp *t = handle;

    assert_true(t->open && t->connected && t->id == id);
    t->st = st;
    t->used_at = w->now;
    stream_hand_over(st, &tcp_handler, t);
    if (t->to.port == 85) {
        stream_write(st, TEST_BYTES("hello"), w->now);
        stream_finish(st, w->now);
    } else if (ended) {
        stream_finish(st, w->now);
    }
    stream_resume(st, w->now);
}

static inline void tcp_close(void *ctx, void *handle, uint32_t code)
{
    struct world *w = ctx;
    struct tcp *t = handle;
    struct stream *st = t->st;

    tcp_gone(t);
    t->closed_with = code;
    if (st != NULL)
        stream_reset(st, code, w->now);
}

static inline uint64_t tcp_used_at(void *ctx, void *handle)
{
    const struct tcp *t = handle;

    (void)ctx;
    return t->used_at;
}

/* ---- Names -------------------------------------------------------------- */

static inline enum error dns_resolve(void *ctx, const char *name,
                                     uint32_t cookie)
{
    static const struct {
        const char *name, *addrs;
    } known[] = {
        {"echo.example", "8.8.8.8"},
        {"two.example", "10.0.0.1 8.8.8.8 2606::1"},
        {"mixed.example", "8.8.8.8 10.0.0.1"},
        {"none.example", ""},
        {"inside.example", "10.0.0.1 127.0.0.1"},
        {"many.example", "8.8.8.1 8.8.8.2 8.8.8.3 8.8.8.4 8.8.8.5"},
    };
    struct world *w = ctx;

    w->asked++;
    for (unsigned i = 0; i < COUNT_OF(known); i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        assert_true(w->questions < QUESTIONS);
        w->question[w->questions].cookie = cookie;
        w->question[w->questions].addrs = known[i].addrs;
        w->question[w->questions++].due = w->now + DELAY;
    }
    return OK;
}

static inline void dns_cancel(void *ctx, uint32_t cookie)
{
    struct world *w = ctx;

    (void)cookie;
    w->cancelled++;
}

static inline void dns_answer_name(struct world *w, uint32_t cookie,
                                   const char *name)
{
    exit_resolved(
        w->exit, cookie,
        &(struct exit_answer){.name = bytes_of_text(name), .ttl = TIME_MIN},
        w->now);
}

/* x.x.x.9 is known at once, of x.x.x.7 there is no name, of others there is no
 * answer. */
static inline enum error dns_reverse(void *ctx, const struct endpoint *address,
                                     uint32_t cookie)
{
    struct world *w = ctx;

    w->asked++;
    if (address->addr[3] == 9)
        dns_answer_name(w, cookie, "nine.example");
    else if (address->addr[3] == 7)
        exit_resolved(w->exit, cookie,
                      &(struct exit_answer){.why = REASON_NO_NAME}, w->now);
    else
        w->reversing = cookie;
    return OK;
}

static inline void dns_answer(struct world *w, uint32_t cookie,
                              const char *text)
{
    struct endpoint addrs[8];
    size_t count = 0;
    char copy[256], *rest = copy;

    snprintf(copy, sizeof(copy), "%s", text);
    for (char *p; (p = strtok_r(rest, " ", &rest)) != NULL; count++)
        assert_int_equal(endpoint_parse_addr(p, &addrs[count]), OK);
    exit_resolved(
        w->exit, cookie,
        &(struct exit_answer){.addrs = addrs, .count = count, .ttl = TIME_MIN},
        w->now);
}

static inline void world_found(void *ctx, void *owner, uint64_t lookup,
                               const struct exit_answer *answer, uint64_t now)
{
    struct world *w = ctx;

    (void)owner;
    outlet_found(w->o, lookup, answer, now);
}

static inline struct exit_circuit *world_names(void *ctx, void *owner,
                                               uint64_t now)
{
    struct circuit *c = owner;
    struct world *w = ctx;

    assert_null(c->names);
    if (exit_circuit_new(w->exit, c, &c->neighbour, now, &c->names) != OK)
        c->names = NULL;
    return c->names;
}

/* ---- Clients ------------------------------------------------------------ */

static inline void flow_answer(struct flow *f, struct bytes *data)
{
    enum error e = stream_message_take(&f->message, data);

    if (e == ERR_MISSING)
        return;
    assert_int_equal(e, OK);
    assert_int_equal(stream_answer_read(&f->message, f->kind, &f->answer), OK);
    snprintf(f->name, sizeof(f->name), "%.*s", (int)f->answer.name.len,
             f->answer.name.len > 0 ? (const char *)f->answer.name.p : "");
    f->answered = true;
    if (f->then != NULL)
        f->then(f);
}

/* Its bytes are 0, 1, 2, ... */
static inline void flow_pump(struct flow *f)
{
    uint8_t piece[4096];

    while (f->st != NULL && f->out < f->to_write) {
        size_t len = sizeof(piece), n;

        if (len > f->to_write - f->out)
            len = (size_t)(f->to_write - f->out);
        for (size_t i = 0; i < len; i++)
            piece[i] = (uint8_t)(f->out + i);
        n = stream_write(f->st, bytes_of(piece, len), f->w->now);
        f->out += n;
        if (n < len)
            return;
    }
}

static inline size_t flow_data(void *arg, struct stream *st, struct bytes data,
                               bool fin, uint64_t now)
{
    struct flow *f = arg;
    size_t len = data.len;

    (void)st, (void)now;
    if (!f->answered)
        flow_answer(f, &data);
    for (size_t i = 0; i < data.len; i++, f->in++) {
        if (f->in < sizeof(f->head))
            f->head[f->in] = data.p[i];
        if (f->to_write > 0)
            assert_int_equal(data.p[i], (uint8_t)f->in);
    }
    f->fin |= fin;
    return len;
}

static inline void flow_writable(void *arg, struct stream *st, uint64_t now)
{
    (void)st, (void)now;
    flow_pump(arg);
}

static inline void flow_reset(void *arg, struct stream *st, bool reading,
                              uint32_t code, uint64_t now)
{
    struct flow *f = arg;

    (void)st, (void)now;
    if (!reading || !f->reset)
        f->code = code;
    f->reset = true;
}

static inline void flow_closed(void *arg, struct stream *st, uint64_t now)
{
    struct flow *f = arg;

    (void)st, (void)now;
    f->st = NULL;
}

static inline void client_over(void *holder, struct stream_conn *sc,
                               enum stream_end why, uint32_t code, uint64_t now)
{
    struct world *w = holder;

    (void)why, (void)code, (void)now;
    for (unsigned i = 0; i < CIRCUITS; i++)
        if (w->circuit[i].conn == sc)
            w->circuit[i].conn = NULL;
}

static const struct stream_handler client_handler = {.data = flow_data,
                                                     .writable = flow_writable,
                                                     .reset = flow_reset,
                                                     .closed = flow_closed,
                                                     .over = client_over};

/* ---- Packets ------------------------------------------------------------ */

static inline void post(struct world *w, unsigned circuit, bool to_acceptor,
                        struct bytes packet)
{
    struct packet *p;

    if (w->lossy && test_random_below(&w->random, 10) == 0)
        return;
    if (w->lose > 0) {
        w->lose--;
        return;
    }
    p = malloc(sizeof(*p));
    if (p == NULL)
        return;
    *p = (struct packet){.at = w->now + DELAY,
                         .circuit = circuit,
                         .to_acceptor = to_acceptor,
                         .len = packet.len};
    memcpy(p->bytes, packet.p, packet.len);
    *w->last = p;
    w->last = &p->next;
}

static inline void outlet_send(void *ctx, void *owner, struct bytes packet,
                               uint64_t now)
{
    struct circuit *c = owner;
    struct world *w = ctx;

    (void)now;
    assert_non_null(c->c);
    post(w, (unsigned)(c - w->circuit), false, packet);
}

/* The client's path is the circuit's place and 1. */
static inline void client_send(void *ctx, uint64_t path, bool to_acceptor,
                               struct bytes packet, uint64_t now)
{
    (void)now;
    assert_true(to_acceptor);
    post(ctx, (unsigned)path - 1, true, packet);
}

static inline void deliver(struct world *w, struct packet *p)
{
    struct circuit *c = &w->circuit[p->circuit];

    if (c->c == NULL)
        return;
    if (p->to_acceptor)
        outlet_receive(w->o, c->c, bytes_of(p->bytes, p->len), w->now);
    else
        streams_receive(w->client, p->circuit + 1, false, NULL, p->bytes,
                        p->len, w->now);
}

/* ---- Life --------------------------------------------------------------- */

static inline struct circuit *world_circuit(struct world *w, unsigned i,
                                            const char *neighbour)
{
    struct circuit *c = &w->circuit[i];

    assert_null(c->c);
    *c = (struct circuit){.w = w, .neighbour = test_ep(neighbour)};
    assert_int_equal(outlet_circuit_new(w->o, c, &c->neighbour, &c->c), OK);
    return c;
}

/* The client notices, too. */
static inline void world_cut(struct world *w, unsigned i)
{
    struct circuit *c = &w->circuit[i];

    outlet_circuit_free(w->o, c->c, w->now);
    exit_circuit_free(w->exit, c->names);
    c->c = NULL;
    c->names = NULL;
    streams_path_gone(w->client, i + 1, w->now);
}

/* Set policies and config before, then start. */
static inline struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->random = test_seed(1);
    w->now = NOW;
    w->last = &w->first;
    policy_init(&w->udp, true, false);
    policy_init(&w->policy, true, false);
    outlet_config_init(&w->config);
    return w;
}

static inline void world_start(struct world *w)
{
    struct exit_config xc;
    struct exit_env x = {.world = {.ctx = w,
                                   .resolve = dns_resolve,
                                   .reverse = dns_reverse,
                                   .resolve_cancel = dns_cancel},
                         .ctx = w,
                         .random = test_source(&w->random),
                         .found = world_found};
    struct outlet_env env = {.ctx = w,
                             .random = test_source(&w->random),
                             .world = {.ctx = w,
                                       .connect = tcp_connect,
                                       .join = tcp_join,
                                       .close = tcp_close,
                                       .used_at = tcp_used_at},
                             .send = outlet_send,
                             .names = world_names};
    struct stream_env se = {
        .ctx = w, .random = test_source(&w->random), .send = client_send};
    struct stream_config sc;

    if (w->no_reverse)
        x.world.reverse = NULL;
    exit_config_default(&xc);
    assert_int_equal(exit_new(&xc, &x, &w->udp, &w->exit), OK);
    assert_int_equal(outlet_new(&w->config, &env, w->exit, &w->policy, &w->o),
                     OK);
    stream_config_init(&sc);
    assert_int_equal(streams_new(&sc, &se, &w->client), OK);
    world_circuit(w, 0, "9.9.9.9:7881");
}

static inline void world_free(struct world *w)
{
    for (unsigned i = 0; i < CIRCUITS; i++)
        if (w->circuit[i].c != NULL)
            world_cut(w, i);
    outlet_free(w->o);
    exit_free(w->exit);
    assert_int_equal(w->open, 0);
    streams_free(w->client);
    for (struct packet *p = w->first; p != NULL;) {
        struct packet *next = p->next;

        free(p);
        p = next;
    }
    free(w);
}

static inline void step_packets(struct world *w)
{
    while (w->first != NULL && w->first->at <= w->now) {
        struct packet *p = w->first;

        w->first = p->next;
        if (w->first == NULL)
            w->last = &w->first;
        deliver(w, p);
        free(p);
    }
}

static inline void step_tcp(struct world *w)
{
    for (unsigned i = 0; i < w->tcps; i++) {
        struct tcp *t = &w->tcp[i];

        if (!t->open || t->connected || t->due > w->now || t->to.port == 82)
            continue;
        t->connected = t->to.port != 81;
        if (!t->connected)
            tcp_gone(t);
        outlet_connected(w->o, t->id, t->connected ? OK : ERR_REMOTE, w->now);
    }
}

static inline void step_names(struct world *w)
{
    for (unsigned i = 0; i < w->questions; i++) {
        uint32_t cookie = w->question[i].cookie;
        const char *addrs = w->question[i].addrs;

        if (w->question[i].due > w->now)
            continue;
        w->question[i--] = w->question[--w->questions];
        dns_answer(w, cookie, addrs);
    }
}

static inline void world_run(struct world *w, uint64_t duration)
{
    uint64_t until = w->now + duration;

    while (w->now < until) {
        w->now += STEP;
        step_packets(w);
        step_tcp(w);
        step_names(w);
        exit_tick(w->exit, w->now);
        if (outlet_next_deadline(w->o) <= w->now)
            outlet_tick(w->o, w->now);
        if (streams_next_deadline(w->client) <= w->now)
            streams_tick(w->client, w->now);
    }
}

/* Time passes without a step for each of its milliseconds. */
static inline void world_leap(struct world *w, uint64_t duration)
{
    uint64_t until = w->now + duration;

    while (w->now < until) {
        w->now += TIME_S - STEP;
        world_run(w, STEP);
    }
}

static inline struct outlet_stats world_stats(const struct world *w)
{
    struct outlet_stats stats;

    outlet_get_stats(w->o, &stats);
    return stats;
}

/* ---- What clients ask --------------------------------------------------- */

static inline struct stream_conn *world_conn(struct world *w, unsigned circuit)
{
    struct circuit *c = &w->circuit[circuit];

    if (c->conn == NULL)
        assert_int_equal(stream_connect(w->client, circuit + 1, 20 * TIME_MS,
                                        &client_handler, w, w->now, &c->conn),
                         OK);
    return c->conn;
}

/* A stream without a request. NULL: the other end allows no more. */
static inline struct flow *flow_open(struct world *w, unsigned circuit)
{
    struct flow *f = &w->flow[w->flows];

    assert_true(w->flows < FLOWS);
    *f = (struct flow){.w = w, .kind = STREAM_CONNECT};
    if (stream_open(world_conn(w, circuit), f, w->now, &f->st) != OK)
        return NULL;
    w->flows++;
    return f;
}

static inline struct flow *flow_ask(struct world *w, unsigned circuit,
                                    const struct stream_request *q)
{
    struct flow *f = flow_open(w, circuit);
    uint8_t text[STREAM_MESSAGE_MAX];
    size_t len = stream_request_write(q, text);

    if (f == NULL)
        return NULL;
    f->kind = q->kind;
    assert_int_equal(stream_write(f->st, bytes_of(text, len), w->now), len);
    return f;
}

/* "8.8.8.8:80" */
static inline struct flow *flow_connect(struct world *w, unsigned circuit,
                                        const char *to)
{
    struct stream_request q = {.kind = STREAM_CONNECT, .ep = test_ep(to)};

    return flow_ask(w, circuit, &q);
}

static inline struct flow *flow_connect_name(struct world *w, unsigned circuit,
                                             const char *name, uint16_t port)
{
    struct stream_request q = {
        .kind = STREAM_CONNECT, .name = bytes_of_text(name), .port = port};

    return flow_ask(w, circuit, &q);
}

static inline struct flow *flow_resolve(struct world *w, unsigned circuit,
                                        const char *name)
{
    struct stream_request q = {.kind = STREAM_RESOLVE,
                               .name = bytes_of_text(name)};

    return flow_ask(w, circuit, &q);
}

/* "8.8.8.8" */
static inline struct flow *flow_reverse(struct world *w, unsigned circuit,
                                        const char *address)
{
    struct stream_request q = {.kind = STREAM_REVERSE};

    assert_int_equal(endpoint_parse_addr(address, &q.ep), OK);
    return flow_ask(w, circuit, &q);
}

/* Writes so many bytes more. */
static inline void flow_write(struct flow *f, uint64_t bytes)
{
    f->to_write += bytes;
    flow_pump(f);
}

static inline void flow_assert(const struct flow *f, enum reason why)
{
    assert_non_null(f);
    assert_true(f->answered);
    assert_int_equal(f->answer.reason, why);
}

#endif
