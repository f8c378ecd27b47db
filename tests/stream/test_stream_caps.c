/* SPDX-License-Identifier: MIT
 *
 * How many connections and streams there may be, and who makes way.
 */
#include "stream_world.h"

static struct world *start(unsigned connections, unsigned streams)
{
    struct stream_config config;
    struct world *w;

    stream_config_init(&config);
    config.max_connections = connections;
    config.max_streams = streams;
    w = world_new(8, &config);
    return w;
}

static bool works(struct world *w, struct stream_conn *c)
{
    struct flow *f = world_flow(w, c, 100);

    w->like.echo = true;
    f->seed_in = f->seed;
    world_run(w, TIME_S);
    return f->fin && f->in == 100;
}

/* ---- Connections -------------------------------------------------------- */

/* One source has all of the table; somebody else comes nevertheless, and stays
 * while the many come again. */
static void test_stream_caps_connections_of_one_source(void **state)
{
    struct world *w = start(8, 100);
    const struct stream_stats *s = streams_stats(w->side[ACCEPTOR].s);
    struct stream_conn *honest;

    (void)state;
    w->crowd = 39;
    for (uint64_t path = 1; path <= 12; path++)
        world_flow(w, world_connect(w, path), 100);
    world_run(w, 200 * TIME_MS);
    assert_int_equal(s->connections, 8);
    assert_true(s->refused >= 4);
    honest = world_connect(w, 40);
    assert_true(works(w, honest));
    assert_int_equal(s->connections, 8);
    assert_int_equal(s->ended[STREAM_END_ROOM], 1);
    for (uint64_t path = 13; path <= 30; path++)
        world_flow(w, world_connect(w, path), 100);
    world_run(w, 200 * TIME_MS);
    assert_true(works(w, honest));
    assert_int_equal(s->connections, 8);
    world_free(w);
}

/* Among equals one that has been idle makes way. */
static void test_stream_caps_idle_ones_make_way(void **state)
{
    struct world *w = start(4, 100);
    struct stream_conn *c[5];

    (void)state;
    w->like.finish = true;
    for (uint64_t i = 0; i < 4; i++) {
        c[i] = world_connect(w, i + 1);
        world_flow(w, c[i], 100);
    }
    world_run(w, TIME_S);
    w->like.finish = false;
    for (uint64_t i = 0; i < 4; i++) {
        if (i != 2)
            world_flow(w, c[i], 100);
    }
    world_run(w, 60 * TIME_S);
    c[4] = world_connect(w, 5);
    assert_true(works(w, c[4]));
    assert_int_equal(w->side[OPENER].over, 1);
    assert_int_equal(w->side[OPENER].why, STREAM_END_CLOSED);
    assert_true(works(w, c[0]) && works(w, c[1]) && works(w, c[3]));
    world_free(w);
}

/* What the acceptor does not want costs it nothing, and is not answered. */
static void test_stream_caps_refused(void **state)
{
    struct world *w = start(4, 100);
    const struct stream_stats *s = streams_stats(w->side[ACCEPTOR].s);

    (void)state;
    w->refuse = true;
    world_flow(w, world_connect(w, 1), 100);
    world_run(w, TIME_S);
    assert_true(s->refused > 0);
    assert_int_equal(s->connections, 0);
    assert_int_equal(s->packets_out, 0);
    assert_int_equal(s->memory, 0);
    world_run(w, 2 * TIME_MIN);
    assert_int_equal(w->side[OPENER].why, STREAM_END_TIMEOUT);
    world_free(w);
}

/* ---- Streams ------------------------------------------------------------ */

static unsigned open_many(struct world *w, struct stream_conn *c, unsigned n)
{
    unsigned opened = 0;

    for (unsigned i = 0; i < n; i++) {
        struct flow *f = flow_new(w);

        f->out_total = 10;
        f->finish = true;
        if (stream_open(c, f, w->now, &f->st) == OK) {
            flow_pump(f);
            opened++;
        }
    }
    return opened;
}

static void test_stream_caps_streams(void **state)
{
    struct world *w = start(4, 100);
    struct stream_conn *c = world_connect(w, 1), *other;

    (void)state;
    assert_int_equal(open_many(w, c, 200), 64);
    assert_int_equal(w->side[OPENER].openable, 0);
    world_run(w, TIME_S);
    assert_int_equal(w->side[OPENER].openable, 1);
    assert_int_equal(open_many(w, c, 200), 36);
    world_run(w, TIME_S);
    assert_int_equal(open_many(w, c, 200), 0);
    world_run(w, TIME_S);
    assert_int_equal(w->side[OPENER].openable, 1);
    assert_int_equal(stream_conn_streams(w->side[ACCEPTOR].conn), 100);
    other = world_connect(w, 2);
    assert_true(works(w, other));

    /* Those that end make room. */
    for (size_t i = 0; i < 30; i++)
        stream_reset(w->flows[i]->st, 1, w->now);
    world_run(w, TIME_S);
    assert_int_equal(w->side[OPENER].openable, 2);
    assert_int_equal(open_many(w, c, 200), 30);
    world_free(w);
}

/* An acceptor that allows few keeps to what the protocol grants. */
static void test_stream_caps_as_the_protocol_says(void **state)
{
    struct world *w = start(4, 1);
    struct stream_conn *c = world_connect(w, 1);

    (void)state;
    assert_int_equal(open_many(w, c, 200), 64);
    world_run(w, TIME_S);
    assert_int_equal(stream_conn_streams(w->side[ACCEPTOR].conn), 64);
    assert_int_equal(open_many(w, c, 200), 0);
    world_free(w);
}

/* Many connections at once, each with streams both ways. */
static void test_stream_caps_many(void **state)
{
    struct world *w = start(1000, 100);
    struct stream_conn *c[60];

    (void)state;
    w->like.echo = true;
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        c[i] = world_connect(w, i + 1);
        for (unsigned k = 0; k < 10; k++)
            world_flow(w, c[i], 2000);
    }
    world_run(w, 5 * TIME_S);
    for (size_t i = 0; i < w->flow_count; i++) {
        assert_true(w->flows[i]->fin);
        assert_int_equal(w->flows[i]->closed, 1);
    }
    assert_int_equal(streams_stats(w->side[ACCEPTOR].s)->connections, 60);
    assert_int_equal(streams_stats(w->side[ACCEPTOR].s)->closed, 600);
    world_free(w);
}

/* ---- Determinism -------------------------------------------------------- */

static uint64_t run_of(uint64_t seed)
{
    struct stream_config config;
    struct world *w;
    uint64_t digest;

    stream_config_init(&config);
    w = world_new(seed, &config);
    w->paths[1].loss = 200;
    w->paths[1].twice = 100;
    w->paths[1].jitter = 3 * TIME_MS;
    w->paths[2] = w->paths[1];
    w->like.echo = true;
    world_flow(w, world_connect(w, 1), 500000);
    world_run(w, 300 * TIME_MS);
    assert_int_equal(stream_move(w->side[OPENER].conn, 2, w->now), OK);
    world_run(w, 5 * TIME_S);
    assert_true(w->flows[0]->fin);
    digest = w->digest;
    world_free(w);
    return digest;
}

static void test_stream_caps_runs_repeat(void **state)
{
    (void)state;
    assert_true(run_of(11) == run_of(11));
    if (getenv("WARREN_TEST_SEED") == NULL)
        assert_true(run_of(11) != run_of(12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_caps_connections_of_one_source),
        cmocka_unit_test(test_stream_caps_idle_ones_make_way),
        cmocka_unit_test(test_stream_caps_refused),
        cmocka_unit_test(test_stream_caps_streams),
        cmocka_unit_test(test_stream_caps_as_the_protocol_says),
        cmocka_unit_test(test_stream_caps_many),
        cmocka_unit_test(test_stream_caps_runs_repeat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
