/* SPDX-License-Identifier: MIT
 *
 * A connection outlives its paths.
 */
#include "stream_world.h"

static struct world *start(void)
{
    struct stream_config config;
    struct world *w;

    stream_config_init(&config);
    w = world_new(2, &config);
    for (size_t i = 0; i < WORLD_PATHS; i++)
        w->paths[i].rate = 2000000;
    return w;
}

/* Both ends write so much. */
static struct flow *exchange(struct world *w, uint64_t total)
{
    struct flow *f;

    w->like.seed = 99;
    w->like.seed_in = 8;
    w->like.out_total = total;
    w->like.finish = true;
    f = world_flow(w, world_connect(w, 1), total);
    f->seed_in = 99;
    return f;
}

static void check_whole(struct world *w, struct flow *f, uint64_t total)
{
    struct flow *g;

    assert_true(world_until(w, &f->fin, TIME_MIN));
    g = w->flows[1];
    assert_true(world_until(w, &g->fin, TIME_MIN));
    assert_int_equal(f->in, total);
    assert_int_equal(g->in, total);
    assert_false(f->wrong || g->wrong);
    assert_int_equal(w->side[OPENER].over, 0);
    assert_int_equal(w->side[ACCEPTOR].over, 0);
    assert_int_equal(w->flow_count, 2);
}

static void lose(struct world *w, uint64_t path)
{
    w->paths[path].cut = true;
    streams_path_gone(w->side[OPENER].s, path, w->now);
    streams_path_gone(w->side[ACCEPTOR].s, path, w->now);
}

static void move(struct world *w, uint64_t path)
{
    assert_int_equal(stream_move(w->side[OPENER].conn, path, w->now), OK);
    assert_int_equal(stream_conn_path(w->side[OPENER].conn), path);
}

/* Nothing is lost when the path before still carries what is on its way. */
static void test_stream_move_as_planned(void **state)
{
    struct world *w = start();
    struct flow *f = exchange(w, 4 << 20);

    (void)state;
    world_run(w, TIME_S);
    move(w, 2);
    world_run(w, 100 * TIME_MS);
    assert_int_equal(stream_conn_path(w->side[ACCEPTOR].conn), 2);
    assert_int_equal(w->side[ACCEPTOR].moved, 1);
    streams_path_gone(w->side[OPENER].s, 1, w->now);
    streams_path_gone(w->side[ACCEPTOR].s, 1, w->now);
    assert_int_equal(stream_conn_path(w->side[ACCEPTOR].conn), 2);
    check_whole(w, f, 4 << 20);
    world_free(w);
}

static void test_stream_move_after_a_rest(void **state)
{
    struct world *w = start();
    struct flow *f = exchange(w, 4 << 20);
    uint64_t in;

    (void)state;
    w->paths[1].loss = w->paths[2].loss = 100;
    world_run(w, TIME_S);
    lose(w, 1);
    assert_int_equal(stream_conn_path(w->side[OPENER].conn), 0);
    assert_int_equal(stream_conn_path(w->side[ACCEPTOR].conn), 0);
    in = f->in;
    world_run(w, 10 * TIME_S);
    assert_int_equal(f->in, in);
    move(w, 2);
    world_run(w, 500 * TIME_MS);
    assert_true(f->in > in);
    check_whole(w, f, 4 << 20);
    world_free(w);
}

/* While it rests no timer is due but the end of the rest. */
static void test_stream_move_rest_is_quiet(void **state)
{
    struct world *w = start();
    size_t packets;

    (void)state;
    exchange(w, 4 << 20);
    world_run(w, TIME_S);
    lose(w, 1);
    world_run(w, 50 * TIME_MS);
    packets = w->packets;
    for (unsigned i = 0; i < 2; i++)
        assert_true(streams_next_deadline(w->side[i].s) > w->now + 50 * TIME_S);
    world_run(w, 50 * TIME_S);
    assert_int_equal(w->packets, packets);
    world_free(w);
}

static void test_stream_move_rest_ends(void **state)
{
    struct world *w = start();
    struct flow *f = exchange(w, 4 << 20);

    (void)state;
    world_run(w, TIME_S);
    lose(w, 1);
    world_run(w, 61 * TIME_S);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(w->side[i].over, 1);
        assert_int_equal(w->side[i].why, STREAM_END_TIMEOUT);
        assert_int_equal(streams_stats(w->side[i].s)->memory, 0);
    }
    assert_true(f->closed == 1 && w->flows[1]->closed == 1);
    world_free(w);
}

/* A path that nobody says is gone, but that carries nothing. */
static void test_stream_move_nobody_answers(void **state)
{
    struct world *w = start();

    (void)state;
    exchange(w, 4 << 20);
    world_run(w, TIME_S);
    w->paths[1].cut = true;
    world_run(w, 3 * TIME_MIN);
    assert_int_equal(w->side[OPENER].why, STREAM_END_TIMEOUT);
    assert_int_equal(w->side[ACCEPTOR].why, STREAM_END_TIMEOUT);
    world_free(w);
}

/* Whoever moves in time is not late. */
static void test_stream_move_from_silence(void **state)
{
    struct world *w = start();
    struct flow *f = exchange(w, 4 << 20);

    (void)state;
    world_run(w, TIME_S);
    w->paths[1].cut = true;
    world_run(w, 40 * TIME_S);
    w->paths[2].delay = 11 * TIME_S;
    move(w, 2);
    world_run(w, 23 * TIME_S);
    w->paths[2].delay = 20 * TIME_MS;
    assert_true(world_until(w, &f->fin, 5 * TIME_MIN));
    check_whole(w, f, 4 << 20);
    world_free(w);
}

/* Relays are killed one after the other, faster than connection ids come. */
static void kill_often(uint64_t every, unsigned loss)
{
    struct world *w = start();
    struct flow *f = exchange(w, 6 << 20);

    for (uint64_t i = 1; i < WORLD_PATHS; i++)
        w->paths[i].loss = loss;
    for (uint64_t path = 2; path < 40; path++) {
        world_run(w, every);
        lose(w, path - 1);
        world_run(w, test_random_below(&w->random, 50 * TIME_MS));
        move(w, path);
    }
    check_whole(w, f, 6 << 20);
    world_free(w);
}

static void test_stream_move_often(void **state)
{
    (void)state;
    kill_often(500 * TIME_MS, 0);
    kill_often(200 * TIME_MS, 200);
    kill_often(60 * TIME_MS, 200);
    kill_often(10 * TIME_MS, 0);
}

/* The handshake is lost with its path: nothing was ever answered. */
static void test_stream_move_before_the_handshake(void **state)
{
    struct world *w = start();
    struct flow *f;

    (void)state;
    w->paths[1].cut = true;
    f = exchange(w, 100000);
    world_run(w, 5 * TIME_S);
    assert_false(stream_conn_answered(w->side[OPENER].conn));
    streams_path_gone(w->side[OPENER].s, 1, w->now);
    world_run(w, TIME_S);
    move(w, 2);
    check_whole(w, f, 100000);
    assert_int_equal(w->side[ACCEPTOR].accepted, 1);
    world_free(w);
}

/* The acceptor has answered, but nothing of it came back. */
static bool lose_answers(struct world *w, struct world_packet *p)
{
    (void)w;
    return p->path != 1 || p->to == ACCEPTOR;
}

static void test_stream_move_within_the_handshake(void **state)
{
    for (uint64_t after = 10; after < 200; after += 7) {
        struct world *w = start();
        struct flow *f;

        (void)state;
        w->tap = lose_answers;
        f = exchange(w, 100000);
        world_run(w, after * TIME_MS);
        lose(w, 1);
        world_run(w, 100 * TIME_MS);
        move(w, 2);
        check_whole(w, f, 100000);
        assert_int_equal(w->side[ACCEPTOR].accepted, 1);
        assert_int_equal(stream_conn_path(w->side[ACCEPTOR].conn), 2);
        assert_int_equal(w->side[ACCEPTOR].moved, after > 25);
        world_free(w);
    }
}

/* The handshake is cut at each moment of it. */
static void test_stream_move_at_each_moment(void **state)
{
    for (uint64_t after = 1; after < 150; after += 3) {
        struct world *w = start();
        struct flow *f = exchange(w, 100000);

        (void)state;
        world_run(w, after * TIME_MS);
        lose(w, 1);
        move(w, 2);
        check_whole(w, f, 100000);
        world_free(w);
    }
}

/* The opener has nothing to say: the acceptor hears of the new path anyway. */
static void test_stream_move_of_a_reader(void **state)
{
    struct world *w = start();
    struct flow *f;
    uint64_t in;

    (void)state;
    w->like.seed = 99;
    w->like.out_total = 8 << 20;
    w->like.finish = true;
    f = world_flow(w, world_connect(w, 1), 10);
    f->seed_in = 99;
    world_run(w, TIME_S);
    lose(w, 1);
    world_run(w, TIME_S);
    in = f->in;
    move(w, 2);
    world_run(w, 200 * TIME_MS);
    assert_true(f->in > in);
    assert_true(world_until(w, &f->fin, TIME_MIN));
    assert_int_equal(f->in, 8 << 20);
    assert_false(f->wrong);
    world_free(w);
}

/* The opener moves while idle; the acceptor writes later. */
static void test_stream_move_while_idle(void **state)
{
    struct world *w = start();
    struct flow *f, *g;

    (void)state;
    f = world_flow(w, world_connect(w, 1), 10);
    world_run(w, TIME_S);
    lose(w, 1);
    world_run(w, TIME_S);
    move(w, 2);
    world_run(w, TIME_S);
    g = w->flows[1];
    assert_int_equal(stream_conn_path(w->side[ACCEPTOR].conn), 2);
    g->out_total = 1000;
    g->finish = true;
    flow_pump(g);
    assert_true(world_until(w, &f->fin, TIME_S));
    world_free(w);
}

/* Likewise when all spare connection ids went with paths that carried nothing,
 * and what was sent there is long forgotten or known. */
static void test_stream_move_while_idle_without_ids(void **state)
{
    struct world *w = start();

    (void)state;
    world_flow(w, world_connect(w, 1), 10);
    world_run(w, TIME_S);
    for (uint64_t path = 2; path < 12; path++) {
        lose(w, path - 1);
        w->paths[path].cut = path < 11;
        move(w, path);
    }
    world_run(w, 5 * TIME_S);
    for (uint64_t path = 12; path < 16; path++) {
        lose(w, path - 1);
        move(w, path);
        world_run(w, 200 * TIME_MS);
        assert_int_equal(stream_conn_path(w->side[ACCEPTOR].conn), path);
    }
    world_free(w);
}

/* Moves before the handshake is confirmed, with nothing to say. */
static void test_stream_move_while_idle_and_unconfirmed(void **state)
{
    struct world *w = start();
    struct flow *f;

    (void)state;
    f = world_flow(w, world_connect(w, 1), 10);
    assert_true(stream_conn_path(w->side[OPENER].conn) == 1);
    while (!stream_conn_answered(w->side[OPENER].conn))
        world_step_on(w);
    lose(w, 1);
    move(w, 2);
    world_run(w, TIME_S);
    assert_int_equal(stream_conn_path(w->side[ACCEPTOR].conn), 2);
    assert_int_equal(f->closed, 0);
    world_free(w);
}

/* There and back before the first path there is validated. */
static void test_stream_move_there_and_back(void **state)
{
    for (uint64_t after = 5; after < 120; after += 5) {
        struct world *w = start();
        struct flow *f = exchange(w, 1 << 20);

        (void)state;
        world_run(w, 300 * TIME_MS);
        for (unsigned i = 0; i < 6; i++) {
            move(w, 2 - i % 2);
            world_run(w, after * TIME_MS);
        }
        check_whole(w, f, 1 << 20);
        world_free(w);
    }
}

/* Back to a path that it was on before, and to one that another is on. */
static void test_stream_move_back_and_in_use(void **state)
{
    struct world *w = start();
    struct flow *f = exchange(w, 4 << 20);
    struct stream_conn *c = w->side[OPENER].conn, *other;

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        world_run(w, 150 * TIME_MS);
        move(w, 2 - i % 2);
    }
    assert_int_equal(stream_connect(w->side[OPENER].s, 3, 0, &world_handler,
                                    &w->side[OPENER], w->now, &other),
                     OK);
    assert_int_equal(stream_move(c, 3, w->now), ERR_IN_USE);
    assert_int_equal(stream_connect(w->side[OPENER].s, stream_conn_path(c), 0,
                                    &world_handler, &w->side[OPENER], w->now,
                                    &other),
                     ERR_IN_USE);
    check_whole(w, f, 4 << 20);
    world_free(w);
}

/* What the opener says first on its new path arrives and is acknowledged, and
 * then for a while nothing does: no proof that the path leads to it. */
static uint64_t moved_at;

static bool lose_proof(struct world *w, struct world_packet *p)
{
    uint64_t since = time_since(moved_at, w->now);

    return p->to != ACCEPTOR || p->path != 2 || since > 3 * TIME_S ||
           since < 40 * TIME_MS;
}

/* Only the acceptor has something to say, and it must not: so the opener shows
 * once more where it is. */
static void test_stream_move_proof_is_lost(void **state)
{
    struct stream_config config;
    struct stream_conn *c;
    struct world *w;
    struct flow *f;

    (void)state;
    stream_config_init(&config);
    w = world_new(21, &config);
    w->paths[1].rate = w->paths[2].rate = 1000000;
    w->like.out_total = 3 << 20;
    w->like.finish = true;
    c = world_connect(w, 1);
    f = world_flow(w, c, 10);
    world_run(w, TIME_S);
    assert_true(f->in > 0 && !f->fin);
    w->paths[1].cut = true;
    streams_path_gone(w->side[OPENER].s, 1, w->now);
    streams_path_gone(w->side[ACCEPTOR].s, 1, w->now);
    moved_at = w->now;
    w->tap = lose_proof;
    assert_int_equal(stream_move(c, 2, w->now), OK);
    assert_true(world_until(w, &f->fin, 8 * TIME_S));
    assert_int_equal(f->in, 3 << 20);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_move_proof_is_lost),
        cmocka_unit_test(test_stream_move_as_planned),
        cmocka_unit_test(test_stream_move_after_a_rest),
        cmocka_unit_test(test_stream_move_rest_is_quiet),
        cmocka_unit_test(test_stream_move_rest_ends),
        cmocka_unit_test(test_stream_move_nobody_answers),
        cmocka_unit_test(test_stream_move_from_silence),
        cmocka_unit_test(test_stream_move_often),
        cmocka_unit_test(test_stream_move_before_the_handshake),
        cmocka_unit_test(test_stream_move_within_the_handshake),
        cmocka_unit_test(test_stream_move_at_each_moment),
        cmocka_unit_test(test_stream_move_of_a_reader),
        cmocka_unit_test(test_stream_move_while_idle),
        cmocka_unit_test(test_stream_move_while_idle_without_ids),
        cmocka_unit_test(test_stream_move_while_idle_and_unconfirmed),
        cmocka_unit_test(test_stream_move_there_and_back),
        cmocka_unit_test(test_stream_move_back_and_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
