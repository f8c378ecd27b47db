/* SPDX-License-Identifier: MIT
 *
 * Streams over paths that lose, double and overtake.
 */
#include "stream_world.h"

static struct world *start(void)
{
    struct stream_config config;

    stream_config_init(&config);
    return world_new(1, &config);
}

static void test_stream_echo(void **state)
{
    struct world *w = start();
    struct stream_conn *c = world_connect(w, 1);
    struct flow *f;

    (void)state;
    w->like.echo = true;
    f = world_flow(w, c, 1000);
    f->seed_in = f->seed;
    assert_true(world_until(w, &f->fin, TIME_S));
    assert_int_equal(f->in, 1000);
    assert_false(f->wrong);
    world_run(w, TIME_S);
    assert_int_equal(f->closed, 1);
    assert_int_equal(w->flows[1]->closed, 1);
    assert_int_equal(stream_conn_streams(c), 0);
    world_free(w);
}

/* The first byte is there after half a round trip, the answer after a whole. */
static void test_stream_goes_with_the_first_packet(void **state)
{
    struct world *w = start();
    struct flow *f;

    (void)state;
    w->like.echo = true;
    f = world_flow(w, world_connect(w, 1), 500);
    assert_true(w->packets > 0); /* before any tick */
    world_run(w, TIME_S);
    assert_int_equal(w->flows[1]->first_at, WORLD_START + 25 * TIME_MS);
    assert_int_equal(f->first_at, WORLD_START + 50 * TIME_MS);
    world_free(w);
}

/* What is said at once goes in one packet; what comes at once is acknowledged
 * together. */
static void test_stream_hold(void **state)
{
    struct world *w = start();
    struct world_side *side = &w->side[OPENER];
    struct stream_conn *c = world_connect(w, 1);
    struct flow *f[8];

    (void)state;
    streams_hold(side->s, w->now);
    streams_hold(side->s, w->now);
    for (size_t i = 0; i < COUNT_OF(f); i++)
        f[i] = world_flow(w, c, 50);
    streams_release(side->s);
    assert_int_equal(w->packets, 0);
    streams_release(side->s);
    assert_int_equal(w->packets, 1);
    world_run(w, 26 * TIME_MS);
    assert_int_equal(w->flow_count, 2 * COUNT_OF(f));
    for (size_t i = 0; i < COUNT_OF(f); i++)
        assert_true(w->flows[COUNT_OF(f) + i]->fin);
    world_free(w);
}

/* Streams of a connection share it; few acknowledgements come back. */
static void test_stream_take_turns(void **state)
{
    struct world *w = start();
    struct stream_conn *c = world_connect(w, 1);
    const struct stream_stats *s = streams_stats(w->side[ACCEPTOR].s);

    (void)state;
    w->paths[1].rate = 2000000;
    w->paths[1].queue = 50 * TIME_MS;
    for (unsigned i = 0; i < 3; i++)
        world_flow(w, c, 4 << 20);
    world_run(w, 3 * TIME_S);
    for (size_t i = 3; i < 6; i++) {
        assert_true(w->flows[i]->in > 1200000);
        assert_true(w->flows[i]->in < 2400000);
    }
    assert_true(s->packets_out < s->packets_in / 5);
    world_free(w);
}

static void make_bad(struct world_path *path)
{
    path->loss = 500;
    path->twice = 200;
    path->jitter = 5 * TIME_MS;
}

/* Both ways at once, each byte compared. */
static uint64_t carry(struct world *w, uint64_t total)
{
    struct flow *f, *g;

    w->paths[1].delay = 10 * TIME_MS;
    w->like.seed = 99;
    w->like.seed_in = 8;
    w->like.out_total = total;
    w->like.finish = true;
    f = world_flow(w, world_connect(w, 1), total);
    f->seed_in = 99;
    assert_true(world_until(w, &f->fin, 5 * TIME_MIN));
    g = w->flows[1];
    assert_true(world_until(w, &g->fin, 5 * TIME_MIN));
    assert_int_equal(f->in, total);
    assert_int_equal(g->in, total);
    assert_false(f->wrong || g->wrong);
    world_run(w, TIME_S);
    assert_true(f->closed == 1 && g->closed == 1);
    return w->now - WORLD_START;
}

static void test_stream_whole_over_a_bad_path(void **state)
{
    struct stream_config config;

    (void)state;
    stream_config_init(&config);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct world *w = world_new(seed, &config);

        make_bad(&w->paths[1]);
        print_message("%.1f s\n", (double)carry(w, 2 << 20) / 1e9);
        assert_true(streams_stats(w->side[OPENER].s)->lost > 0);
        world_free(w);
    }
}

/* Packets that come after hundreds of others, whose numbers are guessed wrong:
 * they are none of those that they look like. */
static void test_stream_very_late_packets(void **state)
{
    struct stream_config config;

    (void)state;
    stream_config_init(&config);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct world *w = world_new(seed, &config);

        w->paths[1].rate = 20000000;
        w->paths[1].late = 100;
        carry(w, 2 << 20);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_echo),
        cmocka_unit_test(test_stream_goes_with_the_first_packet),
        cmocka_unit_test(test_stream_hold),
        cmocka_unit_test(test_stream_take_turns),
        cmocka_unit_test(test_stream_whole_over_a_bad_path),
        cmocka_unit_test(test_stream_very_late_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
