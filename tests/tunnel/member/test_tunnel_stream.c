/* SPDX-License-Identifier: MIT
 *
 * Streams through circuits: a client's engine of streams on top of its member,
 * an exit with an outlet at the other end, and an echo behind it.
 */
#include "fail_alloc.h"
#include "tunnel_world.h"

#include "stream/stream_request.h"

#define HOPS  3
#define FLOWS 8

struct tcp {
    struct party *p;
    uint64_t id;
    struct stream *st;
    bool open, connected;
};

struct flow {
    struct party *p;
    struct stream *st;
    struct stream_message message;
    bool answered, fin;
    struct stream_answer answer;
    uint64_t in, out, to_write;
};

/* The client above its member, and what is behind the exit. */
struct party {
    struct world *w;
    struct streams *client;
    struct stream_conn *conn;
    struct flow flow[FLOWS];
    struct tcp tcp[FLOWS];
    unsigned flows, tcps, open, resets;
};

/* ---- Behind the exit ---------------------------------------------------- */

static enum error tcp_connect(void *ctx, uint64_t id, const struct endpoint *to,
                              void **handle)
{
    struct party *p = ctx;
    struct tcp *t = &p->tcp[p->tcps];

    (void)to;
    assert_true(p->tcps < FLOWS);
    p->tcps++;
    p->open++;
    *t = (struct tcp){.p = p, .id = id, .open = true};
    *handle = t;
    return OK;
}

static void tcp_end(struct tcp *t)
{
    if (!t->open)
        return;
    t->open = false;
    t->p->open--;
    member_outlet_parted(t->p->w->member[EXIT].tunnel, t->id);
}

static size_t tcp_data(void *arg, struct stream *st, struct bytes data,
                       bool fin, uint64_t now)
{
    size_t n = stream_write(st, data, now);

    (void)arg;
    if (fin && n == data.len)
        stream_finish(st, now);
    return n;
}

static void tcp_writable(void *arg, struct stream *st, uint64_t now)
{
    (void)arg;
    stream_resume(st, now);
}

static void tcp_reset(void *arg, struct stream *st, bool reading, uint32_t code,
                      uint64_t now)
{
    struct tcp *t = arg;

    (void)reading, (void)code;
    t->p->resets++;
    tcp_end(t);
    stream_reset(st, REASON_REQUESTED, now);
}

static void tcp_closed(void *arg, struct stream *st, uint64_t now)
{
    (void)st, (void)now;
    tcp_end(arg);
}

static const struct stream_handler tcp_handler = {.data = tcp_data,
                                                  .writable = tcp_writable,
                                                  .reset = tcp_reset,
                                                  .closed = tcp_closed};

static void tcp_join(void *ctx, void *handle, struct stream *st, bool ended,
                     uint64_t id)
{
    struct party *p = ctx;
    struct tcp *t = handle;

    assert_true(t->open && t->id == id);
    t->st = st;
    stream_hand_over(st, &tcp_handler, t);
    if (ended)
        stream_finish(st, p->w->now);
    stream_resume(st, p->w->now);
}

static void tcp_close(void *ctx, void *handle, uint32_t code)
{
    struct tcp *t = handle;
    struct party *p = ctx;

    t->open = false;
    p->open--;
    if (t->st != NULL)
        stream_reset(t->st, code, p->w->now);
}

static uint64_t tcp_used_at(void *ctx, void *handle)
{
    const struct party *p = ctx;

    (void)handle;
    return p->w->now;
}

/* ---- The client --------------------------------------------------------- */

static void client_send(void *ctx, uint64_t path, bool to_acceptor,
                        struct bytes packet, uint64_t now)
{
    struct party *p = ctx;

    assert_true(to_acceptor);
    member_packet(p->w->member[0].tunnel, (uint32_t)path, packet, now);
}

static void on_event(struct resident *m, const struct member_event *e)
{
    struct party *p = m->world->above;
    uint8_t packet[STREAM_PACKET_MAX];

    if (e->kind == MEMBER_PACKET) {
        assert_int_equal(e->hop, HOPS);
        assert_true(e->payload.len <= sizeof(packet));
        memcpy(packet, e->payload.p, e->payload.len);
        streams_receive(p->client, e->circuit, false, NULL, packet,
                        e->payload.len, m->world->now);
    } else if (e->kind == MEMBER_CIRCUIT_CLOSED) {
        streams_path_gone(p->client, e->circuit, m->world->now);
    }
}

static uint64_t above_deadline(void *above)
{
    const struct party *p = above;
    uint64_t at = streams_next_deadline(p->client);

    for (unsigned i = 0; i < p->tcps; i++)
        if (p->tcp[i].open && !p->tcp[i].connected)
            at = p->w->now;
    return at;
}

static void above_tick(void *above, uint64_t now)
{
    struct party *p = above;

    streams_tick(p->client, now);
    for (unsigned i = 0; i < p->tcps; i++) {
        struct tcp *t = &p->tcp[i];

        if (!t->open || t->connected)
            continue;
        t->connected = true;
        member_outlet_connected(p->w->member[EXIT].tunnel, t->id, OK, now);
    }
}

static void flow_pump(struct flow *f)
{
    uint8_t piece[4096];

    while (f->st != NULL && f->out < f->to_write) {
        size_t len = sizeof(piece), n;

        if (len > f->to_write - f->out)
            len = (size_t)(f->to_write - f->out);
        for (size_t i = 0; i < len; i++)
            piece[i] = (uint8_t)((f->out + i) % 251);
        n = stream_write(f->st, bytes_of(piece, len), f->p->w->now);
        f->out += n;
        if (n < len)
            return;
    }
    if (f->st != NULL)
        stream_finish(f->st, f->p->w->now);
}

static size_t flow_data(void *arg, struct stream *st, struct bytes data,
                        bool fin, uint64_t now)
{
    struct flow *f = arg;
    size_t len = data.len;

    (void)st, (void)now;
    if (!f->answered && stream_message_take(&f->message, &data) == OK) {
        f->answered = true;
        assert_int_equal(
            stream_answer_read(&f->message, STREAM_CONNECT, &f->answer), OK);
    }
    for (size_t i = 0; i < data.len; i++, f->in++)
        assert_int_equal(data.p[i], (uint8_t)(f->in % 251));
    f->fin |= fin;
    return len;
}

static void flow_writable(void *arg, struct stream *st, uint64_t now)
{
    (void)st, (void)now;
    flow_pump(arg);
}

static void flow_reset(void *arg, struct stream *st, bool reading,
                       uint32_t code, uint64_t now)
{
    (void)arg, (void)st, (void)reading, (void)code, (void)now;
}

static void flow_closed(void *arg, struct stream *st, uint64_t now)
{
    struct flow *f = arg;

    (void)st, (void)now;
    f->st = NULL;
}

static void client_over(void *holder, struct stream_conn *c,
                        enum stream_end why, uint32_t code, uint64_t now)
{
    struct party *p = holder;

    (void)c, (void)why, (void)code, (void)now;
    p->conn = NULL;
}

static const struct stream_handler client_handler = {.data = flow_data,
                                                     .writable = flow_writable,
                                                     .reset = flow_reset,
                                                     .closed = flow_closed,
                                                     .over = client_over};

/* Writes so many bytes to what echoes them, and ends. */
static struct flow *flow_new(struct party *p, uint32_t circuit, uint64_t bytes)
{
    const struct stream_request q = {.kind = STREAM_CONNECT,
                                     .name = bytes_of_text("echo.example"),
                                     .port = 80};
    struct flow *f = &p->flow[p->flows++];
    uint8_t text[STREAM_MESSAGE_MAX];
    size_t len = stream_request_write(&q, text);

    if (p->conn == NULL)
        assert_int_equal(stream_connect(p->client, circuit, 20 * TIME_MS,
                                        &client_handler, p, p->w->now,
                                        &p->conn),
                         OK);
    *f = (struct flow){.p = p, .to_write = bytes};
    assert_int_equal(stream_open(p->conn, f, p->w->now, &f->st), OK);
    assert_int_equal(stream_write(f->st, bytes_of(text, len), p->w->now), len);
    flow_pump(f);
    return f;
}

/* ---- Life --------------------------------------------------------------- */

static struct party *start(bool tcp)
{
    struct party *p = calloc(1, sizeof(*p));
    struct stream_env env = {.ctx = p, .send = client_send};
    struct stream_config sc;
    struct resident *exit;
    struct member_config c = config_of(EXIT);

    assert_non_null(p);
    p->w = world_new(HOPS);
    exit = &p->w->member[EXIT];
    member_free(exit->tunnel, p->w->now);
    exit->outlet = (struct outlet_world){.ctx = p,
                                         .connect = tcp_connect,
                                         .join = tcp_join,
                                         .close = tcp_close,
                                         .used_at = tcp_used_at};
    c.exit_tcp = tcp;
    resident_start(exit, &c);
    stream_config_init(&sc);
    env.random = (struct random_source){.ctx = &p->w->member[0],
                                        .fill = resident_random};
    assert_int_equal(streams_new(&sc, &env, &p->client), OK);
    p->w->above = p;
    p->w->above_deadline = above_deadline;
    p->w->above_tick = above_tick;
    p->w->member[0].on_event = on_event;
    run(p->w, 5 * TIME_S);
    assert_int_equal(member_build(p->w->member[0].tunnel, HOPS, p->w->now), OK);
    run(p->w, 5 * TIME_S);
    return p;
}

static void end(struct party *p)
{
    world_free(p->w);
    streams_free(p->client);
    assert_int_equal(p->open, 0);
    free(p);
}

static uint32_t circuit_of(const struct party *p, unsigned place)
{
    uint32_t ids[16];
    unsigned n = member_active(p->w->member[0].tunnel, HOPS, ids, 16);

    assert_true(n > place);
    return ids[place];
}

static struct outlet_stats stats_of(const struct party *p)
{
    struct outlet_stats stats;

    outlet_get_stats(member_outlet(p->w->member[EXIT].tunnel), &stats);
    return stats;
}

/* ---- Tests -------------------------------------------------------------- */

static void test_tunnel_stream_goes_through(void **state)
{
    struct party *p = start(true);
    struct flow *f = flow_new(p, circuit_of(p, 0), 1000000);

    (void)state;
    assert_true(
        member_connects_to(p->w->member[0].tunnel, circuit_of(p, 0), 80));
    assert_true(/* names have no port */
                member_connects_to(p->w->member[0].tunnel, circuit_of(p, 0),
                                   0));
    run(p->w, 10 * TIME_S);
    assert_true(f->answered);
    assert_int_equal(f->answer.reason, 0);
    assert_int_equal(f->in, 1000000);
    assert_true(f->fin);
    assert_null(f->st);
    assert_int_equal(stats_of(p).connected, 1);
    assert_int_equal(stats_of(p).circuits, 1);
    assert_int_equal(p->open, 0);
    end(p);
}

/* One circuit after the other is closed: data goes on over the next. */
static void test_tunnel_stream_outlives_circuits(void **state)
{
    struct party *p = start(true);
    struct flow *f = flow_new(p, circuit_of(p, 0), 20000000);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t circuit = (uint32_t)stream_conn_path(p->conn);

        run(p->w, 30 * TIME_MS);
        assert_false(f->fin);
        assert_int_equal(
            member_close(p->w->member[0].tunnel, circuit, p->w->now), OK);
        run(p->w, 5 * TIME_S);
        assert_int_equal(stats_of(p).streams, 1);
        assert_int_equal(stream_move(p->conn, circuit_of(p, i % 2), p->w->now),
                         OK);
    }
    run(p->w, TIME_MIN);
    assert_int_equal(f->in, 20000000);
    assert_true(f->fin);
    assert_int_equal(stats_of(p).connected, 1);
    assert_int_equal(p->open, 0);
    end(p);
}

static void test_tunnel_stream_needs_an_exit_of_streams(void **state)
{
    struct party *p = start(false);
    struct resident *client = &p->w->member[0];
    struct flow *f = flow_new(p, circuit_of(p, 0), 10);

    (void)state;
    assert_false(member_connects_to(client->tunnel, circuit_of(p, 0), 80));
    assert_false(member_connects_to(client->tunnel, circuit_of(p, 0), 0));
    assert_true(member_sends_to(client->tunnel, circuit_of(p, 0), 80));
    assert_null(member_outlet(p->w->member[EXIT].tunnel));
    run(p->w, TIME_S);
    assert_false(f->answered);
    assert_true(client->refused > 0);
    assert_int_equal(client->why, REASON_NO_EXIT);
    end(p);
}

/* The exit's member ends with all in flight. */
static void test_tunnel_stream_ends_with_the_member(void **state)
{
    for (unsigned after = 0; after < 100; after += 9) {
        struct party *p = start(true);

        (void)state;
        flow_new(p, circuit_of(p, 0), 5000000);
        flow_new(p, circuit_of(p, 0), 0);
        run(p->w, after * TIME_MS);
        end(p);
    }
}

static void test_tunnel_stream_packets_are_bounded(void **state)
{
    static const uint8_t junk[CIRCUIT_PACKET_MAX + 1] = {0x40};
    struct party *p = start(true);
    struct member *client = p->w->member[0].tunnel;
    uint32_t circuit = circuit_of(p, 0);

    (void)state;
    assert_int_equal(
        member_packet(client, circuit, bytes_of(junk, 0), p->w->now),
        ERR_TOO_LARGE);
    assert_int_equal(
        member_packet(client, circuit, bytes_of(junk, sizeof(junk)), p->w->now),
        ERR_TOO_LARGE);
    assert_int_equal(member_packet(client, 77, bytes_of(junk, 1), p->w->now),
                     ERR_NOT_FOUND);
    for (size_t len = 1; len < sizeof(junk); len += 200)
        assert_int_equal(
            member_packet(client, circuit, bytes_of(junk, len), p->w->now), OK);
    assert_int_equal(member_packet(client, circuit,
                                   bytes_of(junk, CIRCUIT_PACKET_MAX),
                                   p->w->now),
                     OK);
    run(p->w, TIME_S);
    assert_int_equal(stats_of(p).stream.connections, 0);
    assert_int_equal(stats_of(p).stream.dropped_unknown +
                         stats_of(p).stream.dropped_invalid,
                     8);
    assert_int_equal(p->w->member[0].refused, 0);
    end(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel_stream_goes_through),
        cmocka_unit_test(test_tunnel_stream_outlives_circuits),
        cmocka_unit_test(test_tunnel_stream_needs_an_exit_of_streams),
        cmocka_unit_test(test_tunnel_stream_ends_with_the_member),
        cmocka_unit_test(test_tunnel_stream_packets_are_bounded),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
