/* SPDX-License-Identifier: MIT
 *
 * How streams and connections end: by halves, by resets, for want of use.
 */
#include "stream_world.h"

static struct world *start(void)
{
    struct stream_config config;

    stream_config_init(&config);
    return world_new(3, &config);
}

static struct flow *talk(struct world *w, uint64_t total)
{
    struct flow *f = world_flow(w, world_connect(w, 1), total);

    world_run(w, 200 * TIME_MS);
    assert_int_equal(w->flow_count, 2);
    return f;
}

/* ---- By halves ---------------------------------------------------------- */

/* The acceptor writes long after the opener has ended its half. */
static void test_stream_ends_half_closed(void **state)
{
    struct world *w = start();
    struct flow *f = talk(w, 100), *g = w->flows[1];

    (void)state;
    assert_true(g->fin && g->in == 100);
    f->seed_in = g->seed = 5;
    for (unsigned i = 1; i <= 3; i++) {
        world_run(w, 10 * TIME_S);
        g->out_total = i * 50000;
        flow_pump(g);
        world_run(w, TIME_S);
        assert_int_equal(f->in, i * 50000);
        assert_true(!f->fin && f->closed == 0 && g->closed == 0);
    }
    g->finish = true;
    flow_pump(g);
    world_run(w, TIME_S);
    assert_true(f->fin && !f->wrong);
    assert_true(f->closed == 1 && g->closed == 1);
    assert_int_equal(streams_stats(w->side[OPENER].s)->streams, 0);
    world_free(w);
}

/* An end without a byte opens a stream, too. */
static void test_stream_ends_empty(void **state)
{
    struct world *w = start();
    struct flow *f;

    (void)state;
    w->like.finish = true;
    f = talk(w, 0);
    assert_true(f->fin && w->flows[1]->fin);
    assert_true(f->closed == 1 && w->flows[1]->closed == 1);
    world_free(w);
}

/* Nothing is written after the end. */
static void test_stream_ends_once(void **state)
{
    struct world *w = start();
    struct flow *f = talk(w, 100);

    (void)state;
    assert_int_equal(stream_write(f->st, TEST_BYTES("more"), w->now), 0);
    assert_int_equal(stream_room(f->st), 0);
    stream_finish(f->st, w->now);
    world_run(w, TIME_S);
    assert_int_equal(w->flows[1]->in, 100);
    world_free(w);
}

/* ---- By resets ---------------------------------------------------------- */

static void check_reset(const struct flow *by, const struct flow *other)
{
    assert_true(by->closed == 1 && by->resets == 0 && by->stops == 0);
    assert_true(other->resets == 1 && other->stops == 1);
    assert_int_equal(other->code, 1234567890);
}

static void test_stream_ends_reset_by_opener(void **state)
{
    struct world *w = start();
    struct flow *f = talk(w, 100), *g = w->flows[1];

    (void)state;
    g->resets = 1; /* its half had ended already, which stays the last word */
    stream_reset(f->st, 1234567890, w->now);
    assert_int_equal(f->closed, 1);
    world_run(w, TIME_S);
    check_reset(f, g);
    assert_int_equal(g->closed, 1);
    world_free(w);
}

static void test_stream_ends_reset_with_both_halves_open(void **state)
{
    for (unsigned side = 0; side < 2; side++) {
        struct world *w = start();
        struct flow *f = flow_new(w), *g, *by, *other;

        (void)state;
        f->out_total = 1 << 20;
        assert_int_equal(stream_open(world_connect(w, 1), f, w->now, &f->st),
                         OK);
        w->like.out_total = 1 << 20;
        flow_pump(f);
        world_run(w, 100 * TIME_MS);
        g = w->flows[1];
        by = side == 0 ? f : g;
        other = side == 0 ? g : f;
        stream_reset(by->st, 1234567890, w->now);
        world_run(w, TIME_S);
        check_reset(by, other);
        assert_int_equal(other->closed, 1);
        assert_true(stream_conn_streams(w->side[0].conn) == 0);
        world_free(w);
    }
}

/* Reset before a packet of it was sent: the other end hears nothing. */
static void test_stream_ends_reset_at_once(void **state)
{
    struct world *w = start();
    struct stream_conn *c = world_connect(w, 1);
    struct flow *f = flow_new(w);

    (void)state;
    assert_int_equal(stream_open(c, f, w->now, &f->st), OK);
    stream_reset(f->st, 1, w->now);
    assert_int_equal(f->closed, 1);
    world_run(w, TIME_S);
    assert_int_equal(w->flow_count, 1);
    assert_int_equal(stream_conn_streams(c), 0);
    world_free(w);
}

/* Both at the same moment. */
static void test_stream_ends_reset_by_both(void **state)
{
    struct world *w = start();
    struct flow *f = talk(w, 100), *g = w->flows[1];

    (void)state;
    stream_reset(f->st, 1, w->now);
    stream_reset(g->st, 2, w->now);
    world_run(w, TIME_S);
    assert_true(f->closed == 1 && g->closed == 1);
    assert_true(f->resets + f->stops + g->resets + g->stops == 0);
    world_free(w);
}

/* ---- Connections -------------------------------------------------------- */

static void test_stream_ends_connection_closed(void **state)
{
    for (unsigned side = 0; side < 2; side++) {
        struct world *w = start();
        struct flow *f = talk(w, 1 << 20), *g = w->flows[1];
        struct world_side *by = &w->side[side], *other = &w->side[!side];

        (void)state;
        stream_conn_close(by->conn, 77, w->now);
        assert_int_equal(by->over, 1);
        world_run(w, 100 * TIME_MS);
        assert_true(f->closed == 1 && g->closed == 1);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(w->side[i].why, STREAM_END_CLOSED);
            assert_int_equal(w->side[i].code, 77);
            assert_int_equal(streams_stats(w->side[i].s)->connections, 0);
        }
        assert_int_equal(other->over, 1);
        world_free(w);
    }
}

/* The opener ends it, as it alone opens streams. */
static void test_stream_ends_idle(void **state)
{
    struct world *w = start();

    (void)state;
    w->like.finish = true;
    talk(w, 100);
    world_run(w, 119 * TIME_S);
    assert_int_equal(w->side[OPENER].over, 0);
    world_run(w, 2 * TIME_S);
    assert_int_equal(w->side[OPENER].over, 1);
    assert_int_equal(w->side[OPENER].why, STREAM_END_IDLE);
    assert_int_equal(w->side[ACCEPTOR].over, 1);
    assert_int_equal(w->side[ACCEPTOR].why, STREAM_END_CLOSED);
    world_free(w);
}

/* A stream that nobody says anything on keeps it; nothing is sent for it. */
static void test_stream_ends_not_with_a_quiet_stream(void **state)
{
    struct world *w = start();
    struct flow *f = talk(w, 100), *g = w->flows[1];
    size_t packets;

    (void)state;
    world_run(w, TIME_S);
    packets = w->packets;
    world_run(w, 60 * TIME_MIN);
    assert_int_equal(w->packets, packets);
    g->out_total = 10;
    flow_pump(g);
    world_run(w, TIME_S);
    assert_int_equal(f->in, 10);
    world_free(w);
}

/* The word of the end is lost: what comes is for no connection any more, and
 * the other end is told. */
static void test_stream_ends_and_the_word_is_lost(void **state)
{
    struct world *w = start();
    struct flow *f = talk(w, 100);

    (void)state;
    w->paths[1].cut = true;
    stream_conn_close(w->side[ACCEPTOR].conn, 77, w->now);
    w->paths[1].cut = false;
    assert_int_equal(f->closed, 0);
    f = world_flow(w, w->side[OPENER].conn, 100);
    world_run(w, TIME_S);
    assert_int_equal(w->side[OPENER].over, 1);
    assert_int_equal(w->side[OPENER].why, STREAM_END_CLOSED);
    assert_int_equal(f->closed, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_ends_half_closed),
        cmocka_unit_test(test_stream_ends_empty),
        cmocka_unit_test(test_stream_ends_once),
        cmocka_unit_test(test_stream_ends_reset_by_opener),
        cmocka_unit_test(test_stream_ends_reset_with_both_halves_open),
        cmocka_unit_test(test_stream_ends_reset_at_once),
        cmocka_unit_test(test_stream_ends_reset_by_both),
        cmocka_unit_test(test_stream_ends_connection_closed),
        cmocka_unit_test(test_stream_ends_idle),
        cmocka_unit_test(test_stream_ends_not_with_a_quiet_stream),
        cmocka_unit_test(test_stream_ends_and_the_word_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
