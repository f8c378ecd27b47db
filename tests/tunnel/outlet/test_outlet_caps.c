/* SPDX-License-Identifier: MIT
 *
 * Every cap of an outlet, reached by somebody hostile, with somebody honest who
 * is served meanwhile: at circuit 9, from another source.
 */
#include "outlet_world.h"

#include "fail_alloc.h"

#define HONEST 9

static struct world *start(const struct outlet_config *config)
{
    struct world *w = world_new();

    w->config = *config;
    world_start(w);
    world_circuit(w, HONEST, "6.6.6.6:7881");
    return w;
}

static struct outlet_config usual(void)
{
    struct outlet_config c;

    outlet_config_init(&c);
    return c;
}

/* Somebody else connects and gets his echo. */
static void serve(struct world *w, unsigned circuit, const char *to)
{
    struct flow *f = flow_connect(w, circuit, to);

    flow_write(f, 1000);
    stream_finish(f->st, w->now);
    world_run(w, 300 * TIME_MS);
    flow_assert(f, OUTLET_OK);
    assert_int_equal(f->in, 1000);
    assert_true(f->fin);
}

static unsigned count(const struct world *w, unsigned from, enum reason why)
{
    unsigned n = 0;

    for (unsigned i = from; i < w->flows; i++)
        n += w->flow[i].answered && w->flow[i].answer.reason == why;
    return n;
}

static void test_outlet_caps_streams_of_a_circuit(void **state)
{
    struct outlet_config c = usual();
    struct world *w;
    unsigned reset = 0;

    (void)state;
    c.max_circuit = 8;
    w = start(&c);
    for (unsigned i = 0; i < 20; i++)
        flow_open(w, 0);
    for (unsigned i = 0; i < 20; i++) /* the other end hears of them so */
        stream_write(w->flow[i].st, TEST_BYTES("\0"), w->now);
    world_run(w, 200 * TIME_MS);
    for (unsigned i = 0; i < 20; i++)
        reset += w->flow[i].reset && w->flow[i].code == REASON_FULL;
    assert_int_equal(reset, 12);
    assert_int_equal(world_stats(w).streams, 8);
    assert_int_equal(world_stats(w).refused[REASON_FULL], 12);
    serve(w, HONEST, "8.8.8.8:80");
    world_free(w);
}

/* As many as the engine lets him, over and over. */
static void test_outlet_withstands_ten_thousand_streams(void **state)
{
    struct outlet_config c = usual();
    unsigned opened = 0;
    struct world *w = start(&c);

    (void)state;
    for (unsigned turn = 0; opened < 10000; turn++) {
        unsigned first = w->flows;

        assert_true(turn < 200);
        for (;;) {
            struct flow *f = flow_connect(w, 0, "8.8.8.8:82");

            if (f == NULL)
                break;
            opened++;
        }
        world_run(w, 50 * TIME_MS);
        assert_true(world_stats(w).streams <= c.max_circuit + 1);
        assert_true(world_stats(w).stream.memory < c.stream.max_memory / 8);
        if (turn % 4 == 0)
            serve(w, HONEST, "8.8.8.8:80");
        for (unsigned i = first; i < w->flows; i++)
            if (w->flow[i].st != NULL && w->flow[i].kind == STREAM_CONNECT)
                stream_reset(w->flow[i].st, 0, w->now);
        world_run(w, 100 * TIME_MS);
        w->flows = first == 0 ? w->flows : first; /* their places again */
    }
    assert_int_equal(w->open, 0);
    world_free(w);
}

static void test_outlet_caps_connects_under_way(void **state)
{
    struct outlet_config c = usual();
    struct world *w;

    (void)state;
    c.max_connects = 4;
    w = start(&c);
    for (unsigned i = 0; i < 6; i++)
        flow_connect(w, 0, "8.8.8.8:82");
    world_run(w, 100 * TIME_MS);
    assert_int_equal(world_stats(w).connecting, 4);
    assert_int_equal(count(w, 0, REASON_FULL), 2);
    serve(w, HONEST, "8.8.8.8:80");
    world_run(w, c.connect_timeout + 2 * TIME_S);
    serve(w, 0, "8.8.8.8:80");
    world_free(w);
}

/* Who has most makes way, whether he is connected or about to be. */
static void test_outlet_sockets_make_way(void **state)
{
    struct outlet_config c = usual();
    struct flow *first, *f;
    struct world *w;

    (void)state;
    c.max_sockets = 4;
    w = start(&c);
    first = flow_connect(w, 0, "8.8.8.8:80");
    world_run(w, 100 * TIME_MS);
    for (unsigned i = 0; i < 6; i++)
        flow_connect(w, 0, "8.8.8.8:82");
    world_run(w, 100 * TIME_MS);
    assert_int_equal(world_stats(w).sockets, 4);
    assert_int_equal(count(w, 0, REASON_FULL), 3);
    f = flow_connect(w, HONEST, "8.8.8.8:80");
    world_run(w, 100 * TIME_MS);
    flow_assert(f, OUTLET_OK);
    assert_int_equal(world_stats(w).sockets, 4);
    assert_int_equal(world_stats(w).displaced, 1);
    /* The one unused for longest was connected, and is cut off. */
    assert_true(first->reset);
    assert_int_equal(first->code, REASON_FULL);
    serve(w, HONEST, "8.8.8.8:80");
    assert_int_equal(count(w, 0, REASON_FULL), 4);
    assert_int_equal(world_stats(w).displaced, 2);
    /* Equals do not push each other out. */
    f = flow_connect(w, 0, "8.8.8.8:80");
    world_run(w, 100 * TIME_MS);
    flow_assert(f, OUTLET_OK); /* for the place that was served has gone */
    world_free(w);
}

static void test_outlet_caps_sockets_of_a_source(void **state)
{
    struct outlet_config c = usual();
    struct world *w;

    (void)state;
    c.max_source = 3;
    w = start(&c);
    world_circuit(w, 1, "9.9.9.9:999");
    for (unsigned i = 0; i < 5; i++)
        flow_connect(w, i % 2, "8.8.8.8:80");
    world_run(w, 100 * TIME_MS);
    assert_int_equal(count(w, 0, OUTLET_OK), 3);
    assert_int_equal(count(w, 0, REASON_FULL), 2);
    serve(w, HONEST, "8.8.8.8:80");
    /* A connection that moves is counted where it is. */
    world_circuit(w, 2, "7.7.7.7:999");
    assert_int_equal(stream_move(w->circuit[0].conn, 3, w->now), OK);
    world_run(w, 200 * TIME_MS);
    serve(w, 1, "8.8.8.8:80");
    world_free(w);
}

static void test_outlet_limits_requests_of_a_circuit(void **state)
{
    struct outlet_config c = usual();
    struct world *w;

    (void)state;
    c.circuit_burst = 10;
    c.circuit_rate = 2;
    w = start(&c);
    for (unsigned i = 0; i < 15; i++)
        flow_connect(w, 0, "10.0.0.1:80");
    world_run(w, 100 * TIME_MS);
    assert_int_equal(count(w, 0, REASON_POLICY), 10);
    assert_int_equal(count(w, 0, REASON_RATE), 5);
    serve(w, HONEST, "8.8.8.8:80");
    world_run(w, TIME_S);
    serve(w, 0, "8.8.8.8:80");
    world_free(w);
}

static void test_outlet_limits_requests_of_a_source(void **state)
{
    struct outlet_config c = usual();
    struct world *w;

    (void)state;
    c.source_rate = 5;
    w = start(&c);
    for (unsigned i = 1; i < 8; i++)
        world_circuit(w, i, "9.9.9.9:1");
    for (unsigned i = 0; i < 100; i++)
        flow_connect(w, i % 8, "10.0.0.1:80");
    world_run(w, 100 * TIME_MS);
    assert_int_equal(count(w, 0, REASON_POLICY), 20);
    assert_int_equal(count(w, 0, REASON_RATE), 80);
    serve(w, HONEST, "8.8.8.8:80");
    world_free(w);
}

static void test_outlet_limits_connects_to_an_address(void **state)
{
    struct outlet_config c = usual();
    struct world *w;

    (void)state;
    c.address_rate = 10;
    w = start(&c);
    for (unsigned i = 0; i < 15; i++)
        flow_connect(w, 0, "8.8.8.8:80");
    world_run(w, 100 * TIME_MS);
    assert_int_equal(count(w, 0, OUTLET_OK), 10);
    assert_int_equal(count(w, 0, REASON_RATE), 5);
    serve(w, HONEST, "8.8.8.8:80");
    serve(w, 0, "8.8.8.9:80");
    world_run(w, TIME_MIN / 10);
    serve(w, 0, "8.8.8.8:80");
    world_free(w);
}

static const char *target(unsigned i, uint16_t port)
{
    static char text[32];

    snprintf(text, sizeof(text), "8.8.%u.%u:%u", i / 200, 1 + i % 200, port);
    return text;
}

/* One after the other, and all at once. */
static void test_outlet_is_no_port_scanner(void **state)
{
    for (unsigned at_once = 0; at_once < 2; at_once++) {
        struct outlet_config c = usual();
        struct world *w;

        (void)state;
        c.max_silent = 16;
        w = start(&c);
        for (unsigned i = 0; i < 40; i++) {
            flow_connect(w, 0, target(i, i % 2 ? 81 : 82));
            if (!at_once)
                world_run(w, 50 * TIME_MS);
        }
        world_run(w, 100 * TIME_MS);
        assert_in_range(w->tcps, 16, 17); /* 2 seconds have passed */
        assert_in_range(count(w, 0, REASON_RATE), 23, 24);
        serve(w, HONEST, "8.8.8.8:80");
        world_run(w, 20 * TIME_S);
        serve(w, 0, "8.8.8.8:80");
        world_free(w);
    }
}

/* What answers costs nothing. */
static void test_outlet_many_connects_that_answer(void **state)
{
    struct outlet_config c = usual();
    struct world *w;

    (void)state;
    c.max_silent = c.max_source_silent = 16;
    w = start(&c);
    for (unsigned i = 0; i < 100; i++) {
        flow_connect(w, 0, target(i, 80));
        world_run(w, 15 * TIME_MS);
    }
    world_run(w, 100 * TIME_MS);
    assert_int_equal(count(w, 0, OUTLET_OK), 100);
    world_circuit(w, 1, "9.9.9.9:2");
    for (unsigned i = 0; i < 16; i++)
        flow_connect(w, 1, target(i, 82));
    world_run(w, 100 * TIME_MS);
    assert_int_equal(w->tcps, 100 + 16);
    world_free(w);
}

/* Many circuits scan together: their source has its share, and one who comes
 * from there too goes on. */
static void test_outlet_scan_from_a_source(void **state)
{
    struct outlet_config c = usual();
    struct world *w;

    (void)state;
    c.max_silent = 16;
    c.max_source_silent = 32;
    w = start(&c);
    for (unsigned i = 1; i < 8; i++)
        world_circuit(w, i, "9.9.9.9:1");
    for (unsigned i = 0; i < 160; i++)
        flow_connect(w, i % 8, target(i, 82));
    world_run(w, 100 * TIME_MS);
    /* Two on 16, or all on a few; then two (an eighth) of each. */
    assert_in_range(w->tcps, 32, 32 + 8 * 2);
    world_circuit(w, 10, "9.9.9.9:1");
    for (unsigned i = 0; i < 10; i++)
        serve(w, 10, "8.8.8.8:80");
    serve(w, HONEST, "8.8.8.8:80");
    world_free(w);
}

static void test_outlet_ends_what_is_idle(void **state)
{
    struct outlet_config c = usual();
    struct flow *idle, *busy;
    struct world *w;

    (void)state;
    c.idle_timeout = 10 * TIME_S;
    w = start(&c);
    idle = flow_connect(w, 0, "8.8.8.8:80");
    busy = flow_connect(w, HONEST, "8.8.8.8:80");
    for (unsigned i = 0; i < 12; i++) {
        flow_write(busy, 10);
        world_run(w, TIME_S);
    }
    assert_true(idle->reset);
    assert_int_equal(idle->code, REASON_IDLE);
    assert_int_equal(world_stats(w).idle, 1);
    assert_false(busy->reset);
    assert_int_equal(busy->in, 120);
    assert_int_equal(w->open, 1);
    world_free(w);
}

/* Megabytes before anything is connected, to one who never reads, and to one
 * who never answers. */
static void test_outlet_keeps_little_of_what_nobody_reads(void **state)
{
    struct outlet_config c = usual();
    struct world *w;
    size_t most;

    (void)state;
    c.stream.window = 128 * 1024;
    c.stream.connection_window = 512 * 1024;
    w = start(&c);
    for (unsigned i = 0; i < 8; i++)
        flow_write(flow_connect(w, 0, i % 2 ? "8.8.8.8:82" : "8.8.8.8:83"),
                   8 << 20);
    for (unsigned i = 0; i < 10; i++) {
        world_run(w, 300 * TIME_MS);
        most = world_stats(w).stream.memory;
        assert_true(most < 3 * c.stream.connection_window);
        serve(w, HONEST, "8.8.8.8:80");
    }
    world_run(w, c.connect_timeout + TIME_S);
    assert_int_equal(count(w, 0, REASON_TIMEOUT), 4);
    for (unsigned i = 0; i < 8; i++)
        if (w->flow[i].st != NULL)
            stream_reset(w->flow[i].st, 0, w->now);
    world_run(w, TIME_S);
    assert_int_equal(w->open, 0);
    assert_true(world_stats(w).stream.memory < most / 2);
    world_free(w);
}

static void test_outlet_withstands_lookups(void **state)
{
    struct outlet_config c = usual();
    struct world *w = start(&c);
    struct flow *f;

    (void)state;
    serve(w, 0, "8.8.8.8:80"); /* the connection is there */
    for (unsigned i = 0; i < 400; i++) {
        char name[32];

        snprintf(name, sizeof(name), "n%u.slow.example", i);
        flow_resolve(w, 0, name);
    }
    world_run(w, 2 * TIME_S);
    assert_int_equal(
        w->asked + count(w, 0, REASON_FULL) + count(w, 0, REASON_RATE), 400);
    assert_true(w->asked <= 64);
    f = flow_resolve(w, HONEST, "echo.example");
    world_run(w, 100 * TIME_MS);
    flow_assert(f, OUTLET_OK);
    world_run(w, 12 * TIME_S);
    assert_int_equal(world_stats(w).streams, 0);
    world_free(w);
}

static void hostile_send(void *ctx, uint64_t path, bool to_acceptor,
                         struct bytes packet, uint64_t now)
{
    (void)now;
    post(ctx, (unsigned)path - 1, to_acceptor, packet);
}

/* Somebody else's packets, over the same circuit. */
static void test_outlet_caps_connections_of_a_circuit(void **state)
{
    struct streams *hostile[OUTLET_CONNECTIONS + 4];
    struct outlet_config c = usual();
    struct world *w = start(&c);

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(hostile); i++) {
        struct stream_env env = {
            .ctx = w, .random = test_source(&w->random), .send = hostile_send};
        struct stream_config sc;
        struct stream_conn *sconn;
        struct stream *st;
        struct flow *f = &w->flow[w->flows++];

        stream_config_init(&sc);
        *f = (struct flow){.w = w};
        assert_int_equal(streams_new(&sc, &env, &hostile[i]), OK);
        assert_int_equal(stream_connect(hostile[i], 1, 0, &client_handler, w,
                                        w->now, &sconn),
                         OK);
        assert_int_equal(stream_open(sconn, f, w->now, &st), OK);
        stream_write(st, TEST_BYTES("\0"), w->now);
    }
    world_run(w, 50 * TIME_MS);
    assert_int_equal(world_stats(w).stream.connections, OUTLET_CONNECTIONS);
    assert_int_equal(world_stats(w).streams, OUTLET_CONNECTIONS);
    serve(w, HONEST, "8.8.8.8:80");
    for (unsigned i = 0; i < COUNT_OF(hostile); i++)
        streams_free(hostile[i]);
    world_free(w);
}

/* The exit's circuit is gone, and the client does not know: what he sends there
 * is lost, and what he has connected goes on elsewhere. */
static void test_outlet_circuit_that_is_gone(void **state)
{
    struct outlet_config c = usual();
    struct world *w = start(&c);
    struct flow *f = flow_connect(w, 0, "8.8.8.8:80");
    struct circuit *gone = &w->circuit[0];

    (void)state;
    flow_write(f, 100000);
    world_run(w, 50 * TIME_MS);
    outlet_circuit_free(w->o, gone->c, w->now);
    exit_circuit_free(w->exit, gone->names);
    gone->c = NULL;
    gone->names = NULL;
    flow_write(f, 100000);
    flow_connect(w, 0, "8.8.8.8:80");
    world_run(w, TIME_S);
    assert_int_equal(world_stats(w).streams, 1);
    world_circuit(w, 1, "9.9.9.9:1");
    assert_int_equal(stream_move(gone->conn, 2, w->now), OK);
    world_run(w, 3 * TIME_S);
    assert_int_equal(f->in, 200000);
    assert_int_equal(world_stats(w).streams, 2);
    world_free(w);
}

/* The Nth allocation fails: somebody is refused, and nothing is left. */
static void test_outlet_without_memory(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 60; n++) {
        struct outlet_config c = usual();
        struct world *w = start(&c);
        struct flow *f;

        flow_connect(w, HONEST, "8.8.8.8:80");
        world_run(w, 100 * TIME_MS);
        f = flow_connect_name(w, 0, "echo.example", 80);
        flow_resolve(w, 0, "two.example");
        flow_write(f, 1000);
        for (unsigned i = 0; i < 6; i++) {
            fail_alloc_at(n);
            step_packets(w);
            fail_alloc_end();
            world_run(w, 9 * TIME_MS);
            w->now += TIME_MS;
        }
        world_run(w, TIME_S);
        serve(w, HONEST, "8.8.8.8:80");
        world_free(w);
    }
}

/* Beside its socket: of the connection, and of each stream that is idle. */
static void test_outlet_idle_streams_are_small(void **state)
{
    struct outlet_config c = usual();
    struct world *w = start(&c);
    size_t conn, streams;
    unsigned n = 0;

    (void)state;
    serve(w, 0, "8.8.8.8:80");
    conn = world_stats(w).stream.memory;
    for (unsigned turn = 0; turn < 25; turn++) {
        for (unsigned i = 0; i < 40 && n < 500; i++, n++)
            assert_non_null(flow_connect(w, 0, target(n % 100, 80)));
        world_run(w, 300 * TIME_MS);
    }
    world_run(w, 2 * TIME_S);
    assert_int_equal(w->open, n);
    streams = world_stats(w).stream.memory - conn;
    print_message("  a connection %zu bytes, a stream %zu\n", conn,
                  streams / n);
    assert_true(conn < 32 * 1024);
    assert_true(streams / n < 3 * 1024);
    serve(w, HONEST, "8.8.8.8:80");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outlet_caps_streams_of_a_circuit),
        cmocka_unit_test(test_outlet_withstands_ten_thousand_streams),
        cmocka_unit_test(test_outlet_caps_connects_under_way),
        cmocka_unit_test(test_outlet_sockets_make_way),
        cmocka_unit_test(test_outlet_caps_sockets_of_a_source),
        cmocka_unit_test(test_outlet_limits_requests_of_a_circuit),
        cmocka_unit_test(test_outlet_limits_requests_of_a_source),
        cmocka_unit_test(test_outlet_limits_connects_to_an_address),
        cmocka_unit_test(test_outlet_is_no_port_scanner),
        cmocka_unit_test(test_outlet_many_connects_that_answer),
        cmocka_unit_test(test_outlet_scan_from_a_source),
        cmocka_unit_test(test_outlet_ends_what_is_idle),
        cmocka_unit_test(test_outlet_keeps_little_of_what_nobody_reads),
        cmocka_unit_test(test_outlet_withstands_lookups),
        cmocka_unit_test(test_outlet_caps_connections_of_a_circuit),
        cmocka_unit_test(test_outlet_circuit_that_is_gone),
        cmocka_unit_test(test_outlet_without_memory),
        cmocka_unit_test(test_outlet_idle_streams_are_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
