/* SPDX-License-Identifier: MIT
 *
 * A client's carrier on top of tunnel_world.h, and what is behind its exits of
 * streams: a destination that does what its port says.
 *
 *     81  refuses        82  is silent        others echo
 */
#ifndef WARREN_TESTS_CARRIER_WORLD_H
#define WARREN_TESTS_CARRIER_WORLD_H

#include "tunnel_world.h"

#include "tunnel/traffic/carrier.h"
#include "tunnel/traffic/claims.h"

#define HOPS    2
#define OTHER   (EXIT - 1) /* another exit, where a test wants one */
#define TIMEOUT (20 * TIME_S)
#define REFUSES 81
#define SILENT  82
#define TCP_MAX 256

struct tcp {
    struct shore *shore;
    uint64_t id;
    uint16_t port;
    struct stream *st;
    bool open, connected;
};

/* Behind one exit. */
struct shore {
    struct party *p;
    struct resident *exit;
    struct tcp tcp[TCP_MAX];
    unsigned tcps, open;
};

/* What an application has asked for. */
struct talk {
    struct party *p;
    struct carrier_call *call;
    struct stream *st;
    unsigned asked, answered, failed, closed;
    struct stream_answer answer;
    enum reason why;
    bool fin, reset;
    uint64_t in, out, to_write;
    size_t early;
    bool stalls; /* takes nothing */
    /* What the test does in the handlers; NULL: nothing. */
    void (*on_asked)(struct talk *t, uint64_t now);
    void (*on_answered)(struct talk *t, uint64_t now);
    void (*on_failed)(struct talk *t, uint64_t now);
    void (*on_closed)(struct talk *t, uint64_t now);
    struct talk *other;
};

struct party {
    struct world *w;
    struct resident *client;
    struct claims claims;
    struct carrier *carrier;
    struct shore shore[2]; /* of EXIT, and of OTHER */
    unsigned ticks;
    bool in_command;
};

/* ---- Behind an exit ----------------------------------------------------- */

static inline enum error tcp_connect(void *ctx, uint64_t id,
                                     const struct endpoint *to, void **handle)
{
    struct shore *s = ctx;
    struct tcp *t = &s->tcp[s->tcps];

    assert_true(s->tcps < TCP_MAX);
    s->tcps++;
    s->open++;
    *t = (struct tcp){.shore = s, .id = id, .port = to->port, .open = true};
    *handle = t;
    return OK;
}

static inline void tcp_end(struct tcp *t)
{
    if (!t->open)
        return;
    t->open = false;
    t->shore->open--;
    member_outlet_parted(t->shore->exit->tunnel, t->id);
}

static inline size_t tcp_data(void *arg, struct stream *st, struct bytes data,
                              bool fin, uint64_t now)
{
    size_t n = stream_write(st, data, now);

    (void)arg;
    if (fin && n == data.len)
        stream_finish(st, now);
    return n;
}

static inline void tcp_writable(void *arg, struct stream *st, uint64_t now)
{
    (void)arg;
    stream_resume(st, now);
}

static inline void tcp_reset(void *arg, struct stream *st, bool reading,
                             uint32_t code, uint64_t now)
{
    (void)reading, (void)code;
    tcp_end(arg);
    stream_reset(st, REASON_REQUESTED, now);
}

static inline void tcp_closed(void *arg, struct stream *st, uint64_t now)
{
    struct tcp *t = arg;

    (void)st, (void)now;
    t->st = NULL;
    tcp_end(t);
}

static inline void tcp_join(void *ctx, void *handle, struct stream *st,
                            bool ended, uint64_t id)
{
    static const struct stream_handler handler = {.data = tcp_data,
                                                  .writable = tcp_writable,
                                                  .reset = tcp_reset,
                                                  .closed = tcp_closed};
    struct shore *s = ctx;
    struct tcp *t = handle;

    assert_true(t->open && t->id == id);
    t->st = st;
    stream_hand_over(st, &handler, t);
    if (ended)
        stream_finish(st, s->p->w->now);
    stream_resume(st, s->p->w->now);
}

static inline void tcp_close(void *ctx, void *handle, uint32_t code)
{
    struct shore *s = ctx;
    struct tcp *t = handle;

    t->open = false;
    s->open--;
    if (t->st != NULL)
        stream_reset(t->st, code, s->p->w->now);
}

static inline uint64_t tcp_used_at(void *ctx, void *handle)
{
    (void)handle;
    return ((const struct shore *)ctx)->p->w->now;
}

static inline struct tcp *tcp_waiting(struct shore *s)
{
    for (unsigned i = 0; i < s->tcps; i++)
        if (s->tcp[i].open && !s->tcp[i].connected && s->tcp[i].port != SILENT)
            return &s->tcp[i];
    return NULL;
}

static inline void shore_answer(struct shore *s, uint64_t now)
{
    struct tcp *t;

    while ((t = tcp_waiting(s)) != NULL) {
        enum error e = t->port == REFUSES ? ERR_REMOTE : OK;

        t->connected = true;
        if (e != OK) {
            t->open = false;
            s->open--;
        }
        member_outlet_connected(s->exit->tunnel, t->id, e, now);
    }
}

/* ---- The application ---------------------------------------------------- */

static inline void talk_pump(struct talk *t, uint64_t now)
{
    uint8_t piece[4096];

    while (t->st != NULL && t->out < t->to_write) {
        size_t len = sizeof(piece), n;

        if (len > t->to_write - t->out)
            len = (size_t)(t->to_write - t->out);
        for (size_t i = 0; i < len; i++)
            piece[i] = (uint8_t)((t->out + i) % 251);
        n = stream_write(t->st, bytes_of(piece, len), now);
        t->out += n;
        if (n < len)
            return;
    }
    if (t->st != NULL && t->to_write > 0)
        stream_finish(t->st, now);
}

static inline size_t talk_data(void *arg, struct stream *st, struct bytes data,
                               bool fin, uint64_t now)
{
    struct talk *t = arg;

    (void)st, (void)now;
    if (t->stalls)
        return 0;
    for (size_t i = 0; i < data.len; i++, t->in++)
        assert_int_equal(data.p[i], (uint8_t)(t->in % 251));
    t->fin |= fin;
    return data.len;
}

static inline void talk_writable(void *arg, struct stream *st, uint64_t now)
{
    (void)st;
    talk_pump(arg, now);
}

static inline void talk_reset(void *arg, struct stream *st, bool reading,
                              uint32_t code, uint64_t now)
{
    struct talk *t = arg;

    (void)reading;
    t->reset = true;
    t->why = (enum reason)code;
    stream_reset(st, code, now);
}

static inline void talk_closed(void *arg, struct stream *st, uint64_t now)
{
    struct talk *t = arg;

    (void)st;
    t->st = NULL;
    t->closed++;
    if (t->on_closed != NULL)
        t->on_closed(t, now);
}

static const struct stream_handler talk_handler = {.data = talk_data,
                                                   .writable = talk_writable,
                                                   .reset = talk_reset,
                                                   .closed = talk_closed};

static inline void talk_asked(void *arg, uint64_t now)
{
    struct talk *t = arg;

    assert_false(t->p->in_command);
    t->asked++;
    if (t->on_asked != NULL)
        t->on_asked(t, now);
}

static inline void talk_answered(void *arg, struct stream *st,
                                 const struct stream_answer *answer,
                                 uint64_t now)
{
    struct talk *t = arg;

    assert_false(t->p->in_command);
    assert_int_equal(t->answered + t->failed, 0);
    t->call = NULL;
    t->answered++;
    t->answer = *answer;
    t->st = st;
    if (st != NULL) {
        stream_hand_over(st, &talk_handler, t);
        stream_resume(st, now);
        talk_pump(t, now);
    }
    if (t->on_answered != NULL)
        t->on_answered(t, now);
}

static inline void talk_failed(void *arg, enum reason why, uint64_t now)
{
    struct talk *t = arg;

    assert_false(t->p->in_command);
    assert_int_equal(t->answered + t->failed, 0);
    t->call = NULL;
    t->failed++;
    t->why = why;
    if (t->on_failed != NULL)
        t->on_failed(t, now);
}

static const struct carrier_handler talk_calls = {
    .asked = talk_asked, .answered = talk_answered, .failed = talk_failed};

static inline struct carrier_target target_of(uint16_t port, uint64_t isolation)
{
    return (struct carrier_target){
        .request = {.kind = STREAM_CONNECT,
                    .ep = {.addr = {9, 9, 9, 9}, .port = port}},
        .hops = HOPS,
        .isolation = isolation,
        .timeout = TIMEOUT};
}

static inline enum error talk_to(struct party *p, struct talk *t,
                                 const struct carrier_target *target)
{
    bool outer = p->in_command;
    enum error e;

    t->p = p;
    p->in_command = true;
    e = carrier_open(p->carrier, target, &talk_calls, t, p->w->now, &t->call);
    p->in_command = outer;
    return e;
}

/* Writes so many bytes, which come back, and ends; 0: it stays open. */
static inline void talk(struct party *p, struct talk *t, uint16_t port,
                        uint64_t isolation, uint64_t bytes)
{
    struct carrier_target target = target_of(port, isolation);

    t->to_write = bytes;
    assert_int_equal(talk_to(p, t, &target), OK);
}

/* ---- Life --------------------------------------------------------------- */

static inline void party_event(struct resident *m, const struct member_event *e)
{
    struct party *p = m->world->above;
    struct member_event copy = *e;
    uint8_t packet[STREAM_PACKET_MAX];

    if (e->kind == MEMBER_PACKET) {
        assert_true(e->payload.len <= sizeof(packet));
        memcpy(packet, e->payload.p, e->payload.len);
        copy.payload = bytes_of(packet, e->payload.len);
    }
    carrier_event(p->carrier, &copy, m->world->now);
    if (e->kind == MEMBER_CIRCUIT_CLOSED)
        claims_drop(&p->claims, e->circuit);
}

static inline uint64_t party_deadline(void *above)
{
    struct party *p = above;

    for (unsigned i = 0; i < 2; i++)
        if (tcp_waiting(&p->shore[i]) != NULL)
            return p->w->now;
    return carrier_next_deadline(p->carrier);
}

static inline void party_tick(void *above, uint64_t now)
{
    struct party *p = above;

    p->ticks++;
    for (unsigned i = 0; i < 2; i++)
        shore_answer(&p->shore[i], now);
    carrier_tick(p->carrier, now);
}

static inline void open_shore(struct party *p, struct shore *s, unsigned number)
{
    struct member_config c = config_of(number);

    *s = (struct shore){.p = p, .exit = &p->w->member[number]};
    member_free(s->exit->tunnel, p->w->now);
    s->exit->outlet = (struct outlet_world){.ctx = s,
                                            .connect = tcp_connect,
                                            .join = tcp_join,
                                            .close = tcp_close,
                                            .used_at = tcp_used_at};
    c.become_exitnode = c.exit_tcp = true;
    resident_start(s->exit, &c);
}

/* One or two exits, and circuits that are kept. */
static inline struct party *party_with(unsigned exits,
                                       const struct carrier_config *config,
                                       const struct member_config *client)
{
    struct party *p = calloc(1, sizeof(*p));
    const struct carrier_host nobody = {0};
    struct random_source random;

    assert_non_null(p);
    p->w = world_new(HOPS);
    p->client = &p->w->member[0];
    random = (struct random_source){.ctx = p->client, .fill = resident_random};
    if (client != NULL) {
        member_free(p->client->tunnel, p->w->now);
        resident_start(p->client, client);
        for (unsigned i = 1; i < MEMBERS; i++)
            member_ask(p->client->tunnel, &p->w->member[i].ep, p->w->now);
    }
    open_shore(p, &p->shore[0], EXIT);
    if (exits > 1)
        open_shore(p, &p->shore[1], OTHER);
    assert_int_equal(carrier_new(config, p->client->tunnel, &p->claims, &random,
                                 &nobody, &p->carrier),
                     OK);
    p->w->above = p;
    p->w->above_deadline = party_deadline;
    p->w->above_tick = party_tick;
    p->client->on_event = party_event;
    run(p->w, 5 * TIME_S);
    return p;
}

static inline struct party *party_new(unsigned exits)
{
    struct carrier_config config;

    carrier_config_init(&config);
    return party_with(exits, &config, NULL);
}

static inline void party_free(struct party *p)
{
    carrier_free(p->carrier);
    p->w->above = NULL;
    p->client->on_event = NULL;
    for (unsigned i = 0; i < p->claims.count; i++)
        assert_int_equal(p->claims.list[i].users, 0);
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++)
        assert_false(member_keeps(p->client->tunnel, hops));
    claims_deinit(&p->claims);
    world_free(p->w);
    assert_int_equal(p->shore[0].open + p->shore[1].open, 0);
    free(p);
}

#endif
