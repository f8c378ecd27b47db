/* SPDX-License-Identifier: MIT
 *
 * Streams through circuits of a simulated network: what is sent comes back from
 * the other side of an exit, whole and in order, whatever becomes of packets
 * and of relays.
 */
#include "../sim_tunnel_test.h"

#include "stream/stream_request.h"

#include <sodium.h>

#define FLOWS 8

struct flow {
    struct stream *st;
    struct stream_message message;
    struct stream_answer answer;
    bool answered, fin, reset, wrong;
    uint32_t code;
    uint64_t in, out, to_write;
};

static struct stream_conn *conn;
static struct flow flows[FLOWS];
static unsigned flow_count;

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 2654435761u >> 24);
}

static void pump(struct flow *f, uint64_t now)
{
    uint8_t piece[4096];

    while (f->st != NULL && f->out < f->to_write) {
        size_t len = sizeof(piece), n;

        if (len > f->to_write - f->out)
            len = (size_t)(f->to_write - f->out);
        for (size_t i = 0; i < len; i++)
            piece[i] = byte_at(f->out + i);
        n = stream_write(f->st, bytes_of(piece, len), now);
        f->out += n;
        if (n < len)
            return;
    }
    if (f->st != NULL)
        stream_finish(f->st, now);
}

static size_t on_data(void *arg, struct stream *st, struct bytes data, bool fin,
                      uint64_t now)
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
        f->wrong |= data.p[i] != byte_at(f->in);
    f->fin |= fin;
    return len;
}

static void on_writable(void *arg, struct stream *st, uint64_t now)
{
    (void)st;
    pump(arg, now);
}

static void on_reset(void *arg, struct stream *st, bool reading, uint32_t code,
                     uint64_t now)
{
    struct flow *f = arg;

    (void)st, (void)reading, (void)now;
    f->reset = true;
    f->code = code;
}

static void on_closed(void *arg, struct stream *st, uint64_t now)
{
    struct flow *f = arg;

    (void)st, (void)now;
    f->st = NULL;
}

static void on_over(void *holder, struct stream_conn *c, enum stream_end why,
                    uint32_t code, uint64_t now)
{
    (void)holder, (void)c, (void)code, (void)now;
    print_message("  the connection has ended: %s\n", stream_end_name(why));
    conn = NULL;
}

static const struct stream_handler handler = {.data = on_data,
                                              .writable = on_writable,
                                              .reset = on_reset,
                                              .closed = on_closed,
                                              .over = on_over};

static void start(struct world *w, double loss)
{
    world_global(w);
    w->config.loss = loss;
    world_start(w);
    community(w, 0);
    sim_run_for(w->sim, TIME_MIN);
    sim_tunnel_build(w->sim, client_of(w)->node, HOPS);
    sim_run_for(w->sim, TIME_MIN);
    assert_true(member_ready(client_of(w)->member) >= 1.0);
    conn = NULL;
    flow_count = 0;
}

static uint32_t some_circuit(struct world *w)
{
    uint32_t id = 0;

    assert_true(member_active(client_of(w)->member, HOPS, &id, 1) > 0);
    return id;
}

/* Writes so many bytes to a port of an echo, and ends. */
static struct flow *flow_new(struct world *w, uint16_t port, uint64_t bytes)
{
    const struct stream_request q = {
        .kind = STREAM_CONNECT, .ep = {.addr = {8, 8, 8, 8}, .port = port}};
    struct sim_tunnel *client = client_of(w);
    struct streams *s = sim_streams_of(w->sim, client->node);
    uint64_t now = sim_now(w->sim);
    struct flow *f = &flows[flow_count++];
    uint8_t text[STREAM_MESSAGE_MAX];
    size_t len = stream_request_write(&q, text);

    assert_non_null(s);
    if (conn == NULL)
        assert_int_equal(
            stream_connect(s, some_circuit(w), 0, &handler, NULL, now, &conn),
            OK);
    *f = (struct flow){.to_write = bytes};
    assert_int_equal(stream_open(conn, f, now, &f->st), OK);
    assert_int_equal(stream_write(f->st, bytes_of(text, len), now), len);
    pump(f, now);
    sim_wake(w->sim, client->node);
    return f;
}

static unsigned open_at_exits(const struct world *w)
{
    unsigned n = 0;

    for (uint32_t i = RELAYS; i < CLIENT; i++)
        n += resident_of(w, i)->tcp_open;
    return n;
}

static void test_sim_stream_does_as_the_destination(void **state)
{
    struct world *w = &world;
    struct flow *echo, *refused, *breaks, *silent;

    (void)state;
    start(w, 0.01);
    echo = flow_new(w, 80, 1000000);
    refused = flow_new(w, 81, 10);
    silent = flow_new(w, 82, 10);
    breaks = flow_new(w, 84, 10);
    sim_run_for(w->sim, 2 * TIME_S);
    assert_true(open_at_exits(w) >= 1);
    sim_run_for(w->sim, TIME_MIN);
    assert_true(echo->answered && echo->fin && !echo->wrong);
    assert_int_equal(echo->answer.reason, 0);
    assert_int_equal(echo->in, 1000000);
    assert_int_equal(refused->answer.reason, REASON_REFUSED);
    assert_true(refused->fin);
    assert_int_equal(silent->answer.reason, REASON_TIMEOUT);
    assert_true(breaks->reset); /* which can overtake the answer */
    assert_int_equal(breaks->code, REASON_LINK_LOST);
    for (unsigned i = 0; i < flow_count; i++)
        assert_null(flows[i].st);
    assert_int_equal(open_at_exits(w), 0);
    world_end(w);
}

/* ---- Relays die --------------------------------------------------------- */

/* One with this exit that is ready, or is opened; 0: not yet. */
static uint32_t circuit_to(struct world *w, const uint8_t exit[32])
{
    struct sim_tunnel *client = client_of(w);
    uint8_t avoid[EXITS][32], at[32];
    struct member_wish wish = {.protocol = MEMBER_TCP, .port = 80};
    uint32_t ids[16], id;
    unsigned n = member_active(client->member, HOPS, ids, 16);

    for (unsigned i = 0; i < n && i < 16; i++)
        if (ids[i] != stream_conn_path(conn) &&
            member_exit_of(client->member, ids[i], at) &&
            memcmp(at, exit, 32) == 0)
            return ids[i];
    for (uint32_t i = RELAYS; i < CLIENT; i++) {
        const struct known_relay *k = known_of(w, i);

        if (k != NULL && memcmp(k->d.identity, exit, 32) != 0)
            memcpy(avoid[wish.avoid_count++], k->d.identity, 32);
    }
    wish.avoid = (const uint8_t(*)[32])avoid;
    member_open(client->member, HOPS, &wish, sim_now(w->sim), &id);
    sim_wake(w->sim, client->node);
    return 0;
}

/* A download goes on while one circuit after the other loses all its relays but
 * the exit. */
static void test_sim_stream_outlives_its_relays(void **state)
{
    struct world *w = &world;
    struct sim_tunnel *client;
    unsigned killed = 0;
    uint8_t exit[32];
    struct flow *f;

    (void)state;
    start(w, 0.001);
    client = client_of(w);
    f = flow_new(w, 80, 30000000);
    assert_true(
        member_exit_of(client->member, (uint32_t)stream_conn_path(conn), exit));
    for (unsigned i = 0; i < 3; i++) {
        uint32_t next = 0;

        sim_run_for(w->sim, 500 * TIME_MS);
        assert_false(f->fin);
        killed += kill_relays_of(w, client_of(w)->member,
                                 (uint32_t)stream_conn_path(conn));
        renew(w, TIME_S);
        for (unsigned s = 0; next == 0; s++) {
            assert_true(s < 55);
            next = circuit_to(w, exit);
            sim_run_for(w->sim, TIME_S);
            assert_non_null(conn);
        }
        assert_int_equal(stream_move(conn, next, sim_now(w->sim)), OK);
        sim_wake(w->sim, client->node);
    }
    sim_run_for(w->sim, 2 * TIME_MIN);
    print_message("  %u relays killed\n", killed);
    assert_true(killed >= 4);
    assert_int_equal(f->in, 30000000);
    assert_true(f->fin && !f->wrong && f->answer.reason == 0);
    assert_int_equal(open_at_exits(w), 0);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_stream_does_as_the_destination),
        cmocka_unit_test(test_sim_stream_outlives_its_relays),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
