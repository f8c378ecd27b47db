/* SPDX-License-Identifier: MIT
 *
 * Slow readers, windows and memory: what is kept for whom, and how much.
 */
#include "stream_world.h"

#include "fail_alloc.h"

static struct stream_config config;

static struct world *start(void)
{
    return world_new(4, &config);
}

static int set_up(void **state)
{
    (void)state;
    stream_config_init(&config);
    return 0;
}

static size_t memory_of(const struct world *w, unsigned side)
{
    return streams_stats(w->side[side].s)->memory;
}

/* ---- A reader that stalls ----------------------------------------------- */

static void test_stream_memory_stalled_reader(void **state)
{
    struct world *w = start();
    struct flow *f, *g;
    uint64_t written;

    (void)state;
    w->like.takes = 0;
    w->like.seed_in = 8;
    w->like.finish = true;
    f = world_flow(w, world_connect(w, 1), 10 << 20);
    world_run(w, TIME_S);
    written = f->out;
    assert_true(written >= 65536 && written <= 65536 + 131072);
    world_run(w, 30 * TIME_S);
    assert_int_equal(f->out, written);
    assert_true(memory_of(w, ACCEPTOR) < 65536 + 40000);
    assert_true(memory_of(w, OPENER) < 131072 + 40000);
    g = w->flows[1];
    assert_int_equal(g->taken_calls, 1);
    assert_int_equal(g->in, 0);

    /* A little of it is taken, then all. */
    g->takes = 1000;
    stream_resume(g->st, w->now);
    assert_int_equal(g->in, 1000);
    stream_resume(g->st, w->now);
    assert_int_equal(g->in, 2000);
    g->takes = SIZE_MAX;
    stream_resume(g->st, w->now);
    assert_true(world_until(w, &g->fin, TIME_MIN));
    assert_int_equal(g->in, 10 << 20);
    assert_false(g->wrong);
    world_run(w, TIME_S);
    assert_int_equal(g->closed, 1);
    world_free(w);
}

/* The stream is over for the other end; its reader takes the rest later. */
static void test_stream_memory_reads_after_the_end(void **state)
{
    struct world *w = start();
    struct flow *f, *g;

    (void)state;
    w->like.takes = 0;
    w->like.seed_in = 8;
    w->like.finish = true;
    f = world_flow(w, world_connect(w, 1), 30000);
    world_run(w, TIME_S);
    assert_int_equal(f->closed, 1);
    g = w->flows[1];
    assert_true(g->closed == 0 && !g->fin);
    g->takes = SIZE_MAX;
    stream_resume(g->st, w->now);
    assert_true(g->fin && g->closed == 1 && g->in == 30000 && !g->wrong);
    assert_int_equal(streams_stats(w->side[ACCEPTOR].s)->streams, 0);
    world_free(w);
}

/* Others of the same connection go on. */
static void test_stream_memory_stalled_beside_others(void **state)
{
    struct world *w = start();
    struct stream_conn *c = world_connect(w, 1);
    struct flow *f;

    (void)state;
    w->like.takes = 0;
    for (unsigned i = 0; i < 20; i++)
        world_flow(w, c, 1 << 20);
    world_run(w, TIME_S);
    w->like.takes = SIZE_MAX;
    w->like.finish = true;
    f = world_flow(w, c, 4 << 20);
    assert_true(world_until(w, &f->fin, 20 * TIME_S));
    world_free(w);
}

/* Readers of the acceptor, from the first one on. */
static void all_take(struct world *w, size_t from, size_t takes)
{
    w->like.takes = takes;
    for (size_t i = from; i < w->flow_count; i++)
        if (w->flows[i]->out_total == 0)
            w->flows[i]->takes = takes;
}

/* Those that were fast when they stalled, and so had large windows. */
static void test_stream_memory_fast_ones_stall(void **state)
{
    struct world *w;
    struct stream_conn *c;
    uint64_t begun;

    (void)state;
    config.connection_window = 16 << 20;
    w = start();
    c = world_connect(w, 1);
    for (unsigned i = 0; i < 24; i++)
        world_flow(w, c, 64 << 20)->finish = false;
    world_run(w, 3 * TIME_S);
    all_take(w, 0, 0);
    world_run(w, 3 * TIME_S);
    print_message("%zu bytes of 24 are not taken\n", memory_of(w, ACCEPTOR));
    assert_true(memory_of(w, ACCEPTOR) > 4 << 20);
    w->like = (struct flow){.takes = SIZE_MAX, .finish = true};
    begun = w->now;
    world_flow(w, c, 4 << 20);
    while (!w->flows[w->flow_count - 1]->fin) {
        world_run(w, 10 * TIME_MS);
        assert_true(time_since(begun, w->now) < 20 * TIME_S);
    }
    assert_int_equal(w->flows[w->flow_count - 1]->in, 4 << 20);
    world_free(w);
}

/* All of a connection but the last one, as many as there may be. */
static void test_stream_memory_all_but_one_stall(void **state)
{
    struct world *w = start();
    struct stream_conn *c = world_connect(w, 1);
    struct flow *f;

    (void)state;
    w->like.takes = 0;
    for (unsigned i = 0; i < 999; i++) {
        if (i % 50 == 0)
            world_run(w, TIME_S);
        world_flow(w, c, 200000);
    }
    world_run(w, 20 * TIME_S);
    assert_true(memory_of(w, ACCEPTOR) > 999 * 65536);
    w->like.takes = SIZE_MAX;
    w->like.finish = true;
    f = world_flow(w, c, 1 << 20);
    assert_true(world_until(w, &f->fin, 20 * TIME_S));
    world_free(w);
}

/* Megabytes that come in a second of so many streams, after a while. */
static uint64_t speed(struct world *w, struct stream_conn *c, unsigned streams)
{
    uint64_t before = 0, after = 0;
    size_t first = w->flow_count;

    for (unsigned i = 0; i < streams; i++)
        world_flow(w, c, 512 << 20)->finish = false;
    world_run(w, 3 * TIME_S);
    for (size_t i = first; i < w->flow_count; i++)
        before += w->flows[i]->in;
    world_run(w, TIME_S);
    for (size_t i = first; i < w->flow_count; i++)
        after += w->flows[i]->in;
    for (size_t i = first; i < w->flow_count; i++)
        if (w->flows[i]->st != NULL && w->flows[i]->out_total > 0)
            w->flows[i]->out_total = w->flows[i]->out; /* it says no more */
    world_run(w, TIME_S);
    return (after - before) >> 20;
}

/* Who has had large windows and says nothing does not keep others small. */
static void test_stream_memory_windows_lapse(void **state)
{
    struct world *w;
    struct stream_conn *c;
    uint64_t alone, later;

    (void)state;
    config.connection_window = 4 << 20;
    w = start();
    c = world_connect(w, 1);
    alone = speed(w, c, 1);
    speed(w, c, 6);
    world_run(w, 5 * TIME_S);
    later = speed(w, c, 1);
    print_message("%zu MB/s, and %zu MB/s beside seven that rest\n",
                  (size_t)alone, (size_t)later);
    assert_true(alone >= 5);
    assert_true(later >= alone / 2);
    world_free(w);
}

/* The window of the connection is shut: ends arrive nevertheless. */
static void test_stream_memory_ends_need_no_window(void **state)
{
    struct world *w;
    struct stream_conn *c;
    struct flow *f;

    (void)state;
    config.connection_window = 1; /* as little as the protocol grants */
    w = start();
    c = world_connect(w, 1);
    f = world_flow(w, c, 0);
    f->out_total = 100;
    f->finish = false;
    world_run(w, TIME_S);
    w->like.takes = 0;
    for (unsigned i = 0; i < 10; i++)
        world_flow(w, c, 1 << 20);
    world_run(w, TIME_S);
    f = flow_new(w);
    assert_int_equal(stream_open(c, f, w->now, &f->st), OK);
    w->like.takes = SIZE_MAX;
    stream_finish(f->st, w->now);
    world_run(w, TIME_S);
    assert_true(w->flows[w->flow_count - 1]->fin);
    world_free(w);
}

/* What was taken, and what never will be, is given back to the window of the
 * connection: however a stream ends. */
static void test_stream_memory_window_comes_back(void **state)
{
    struct world *w;
    struct stream_conn *c;
    struct flow *f;

    (void)state;
    config.connection_window = 1; /* as little as the protocol grants */
    w = start();
    c = world_connect(w, 1);
    for (unsigned i = 0; i < 30; i++) {
        struct flow *g;

        w->like.takes = i % 3 == 0 ? 100 : 0;
        f = world_flow(w, c, 60000);
        world_run(w, 300 * TIME_MS);
        g = w->flows[w->flow_count - 1];
        assert_ptr_not_equal(f, g);
        if (i % 2 == 0)
            stream_reset(g->st, 1, w->now);
        else if (f->st != NULL)
            stream_reset(f->st, 1, w->now);
        if (g->st != NULL)
            stream_reset(g->st, 1, w->now);
        world_run(w, 300 * TIME_MS);
        assert_int_equal(stream_conn_streams(w->side[ACCEPTOR].conn), 0);
    }
    w->like.takes = SIZE_MAX;
    f = world_flow(w, c, 3 << 20);
    world_run(w, 20 * TIME_S);
    assert_int_equal(w->flows[w->flow_count - 1]->in, 3 << 20);
    world_free(w);
}

/* Trickling readers: each byte is offered and taken in order. */
static void test_stream_memory_takes_in_bits(void **state)
{
    struct world *w = start();
    struct flow *g;

    (void)state;
    w->like.takes = 700;
    w->like.seed_in = 8;
    w->like.finish = true;
    world_flow(w, world_connect(w, 1), 300000);
    world_run(w, TIME_S);
    g = w->flows[1];
    for (unsigned i = 0; i < 1000 && !g->fin; i++) {
        stream_resume(g->st, w->now);
        world_run(w, TIME_MS);
    }
    assert_true(g->fin && g->in == 300000 && !g->wrong);
    world_free(w);
}

/* ---- Very many that stall ----------------------------------------------- */

/* Both ways: nobody reads, everybody writes. */
static void test_stream_memory_thousand_stalled(void **state)
{
    struct world *w;
    struct stream_conn *c;
    unsigned opened = 0;

    (void)state;
    config.max_memory = 64 << 20;
    w = start();
    c = world_connect(w, 1);
    w->like.takes = 0;
    w->like.out_total = 1 << 30;
    world_flow(w, c, 1 << 30)->takes = 0;
    world_run(w, TIME_S);
    for (unsigned i = 1; i < 1000; i++) {
        struct flow *f = flow_new(w);

        f->takes = 0;
        f->out_total = 1 << 30;
        if (stream_open(c, f, w->now, &f->st) != OK)
            break;
        flow_pump(f);
        opened++;
        world_run(w, 10 * TIME_MS);
        assert_true(memory_of(w, OPENER) <= config.max_memory);
        assert_true(memory_of(w, ACCEPTOR) <= config.max_memory);
    }
    world_run(w, 10 * TIME_S);
    print_message("%u opened; %zu and %zu bytes\n", opened,
                  memory_of(w, OPENER), memory_of(w, ACCEPTOR));
    assert_true(opened > 100);
    assert_true(memory_of(w, OPENER) <= config.max_memory);
    assert_true(memory_of(w, ACCEPTOR) <= config.max_memory);
    world_free(w);
}

/* Writers for whom there was no memory go on when there is, also those who have
 * nothing on its way. */
static void test_stream_memory_writers_wait(void **state)
{
    struct world *w;
    struct stream_conn *c;
    struct flow *poor[10], *rich[12];

    (void)state;
    config.max_memory = 2 << 20;
    w = start();
    c = world_connect(w, 1);
    for (size_t i = 0; i < COUNT_OF(poor); i++) {
        poor[i] = flow_new(w);
        poor[i]->out_total = 1;
        assert_int_equal(stream_open(c, poor[i], w->now, &poor[i]->st), OK);
        flow_pump(poor[i]);
    }
    world_run(w, TIME_S);
    w->like.takes = 0;
    w->paths[1].cut = true;
    for (size_t i = 0; i < COUNT_OF(rich); i++) {
        rich[i] = flow_new(w);
        rich[i]->out_total = 1 << 20;
        if (stream_open(c, rich[i], w->now, &rich[i]->st) == OK)
            flow_pump(rich[i]);
    }
    assert_int_equal(stream_room(poor[9]->st), 0);
    for (size_t i = 0; i < COUNT_OF(poor); i++) {
        poor[i]->out_total = 10000;
        flow_pump(poor[i]);
    }
    assert_int_equal(poor[9]->out, 1);
    w->paths[1].cut = false;
    for (size_t i = 0; i < COUNT_OF(rich); i++) {
        if (rich[i]->st != NULL)
            stream_reset(rich[i]->st, 1, w->now);
    }
    world_run(w, 10 * TIME_S);
    for (size_t i = 0; i < COUNT_OF(poor); i++)
        assert_int_equal(poor[i]->out, 10000);
    world_free(w);
}

/* Who has others keep most makes way; an honest party goes on. */
static void test_stream_memory_heaviest_makes_way(void **state)
{
    struct world *w;
    struct stream_config small = config;
    struct stream_conn *honest, *c;
    struct flow *f;

    (void)state;
    small.max_memory = 24 << 20;
    w = world_of(5, &config, &small);
    for (size_t i = 0; i < WORLD_PATHS; i++) {
        w->paths[i].rate = 1000000;
        w->paths[i].queue = 100 * TIME_MS;
    }
    w->like.echo = true;
    honest = world_connect(w, 1);
    f = world_flow(w, honest, 4 << 20);
    f->seed_in = f->seed;
    world_run(w, 200 * TIME_MS);
    w->like.echo = false;
    w->like.takes = 0;
    for (uint64_t path = 2; path < 20; path++) {
        c = world_connect(w, path);
        for (unsigned i = 0; i < 60; i++) {
            struct flow *g = flow_new(w);

            g->out_total = 65000;
            if (stream_open(c, g, w->now, &g->st) == OK)
                flow_pump(g);
        }
        world_run(w, 300 * TIME_MS);
        assert_true(memory_of(w, ACCEPTOR) <= small.max_memory);
    }
    assert_true(world_until(w, &f->fin, TIME_MIN));
    assert_true(f->in == 4 << 20 && !f->wrong);
    assert_true(streams_stats(w->side[ACCEPTOR].s)->ended[STREAM_END_MEMORY] >
                0);
    world_free(w);
}

/* Streams that nobody reads at the acceptor, each of 64 KB there. */
static struct flow *stall(struct world *w, uint64_t path, unsigned streams)
{
    struct stream_conn *c = world_connect(w, path);
    struct flow *first = NULL;

    w->like.takes = 0;
    for (unsigned i = 0; i < streams; i++) {
        struct flow *f = flow_new(w);

        f->out_total = 65000;
        if (stream_open(c, f, w->now, &f->st) == OK)
            flow_pump(f);
        if (first == NULL)
            first = f;
    }
    world_run(w, 2 * TIME_S);
    return first;
}

/* Nearly all is taken, and nobody asks for more but a newcomer. */
static void test_stream_memory_newcomer(void **state)
{
    struct stream_config small = config;
    struct world *w;
    struct flow *f;

    (void)state;
    small.max_memory = 24 << 20;
    w = world_of(5, &config, &small);
    for (uint64_t path = 1; path <= 5; path++)
        stall(w, path, 60);
    assert_true(memory_of(w, ACCEPTOR) > small.max_memory / 4 * 3);
    assert_int_equal(
        streams_stats(w->side[ACCEPTOR].s)->ended[STREAM_END_MEMORY], 0);
    w->like.echo = true;
    w->like.takes = SIZE_MAX;
    f = world_flow(w, world_connect(w, 10), 100000);
    f->seed_in = f->seed;
    assert_true(world_until(w, &f->fin, 10 * TIME_S));
    assert_true(f->in == 100000 && !f->wrong);
    world_free(w);
}

/* One source has many connections, none of which weighs most. */
static void test_stream_memory_crowd(void **state)
{
    struct stream_config small = config;
    struct world *w;
    struct flow *honest;

    (void)state;
    small.max_memory = 24 << 20;
    w = world_of(5, &config, &small);
    w->crowd = 30;
    honest = stall(w, 40, 50);
    for (uint64_t path = 1; path <= 14; path++)
        stall(w, path, 30);
    assert_true(streams_stats(w->side[ACCEPTOR].s)->ended[STREAM_END_MEMORY] >
                0);
    assert_int_equal(honest->closed, 0);
    world_free(w);
}

/* ---- What idle things take ---------------------------------------------- */

static void test_stream_memory_of_what_is_idle(void **state)
{
    struct world *w = start();
    struct stream_conn *c = world_connect(w, 1);
    size_t conn[2], with[2];

    (void)state;
    w->like.finish = true;
    world_flow(w, c, 1000);
    world_run(w, TIME_S);
    for (unsigned i = 0; i < 2; i++)
        conn[i] = memory_of(w, i);
    w->like.finish = false;
    for (unsigned i = 0; i < 50; i++)
        world_flow(w, c, 100);
    world_run(w, TIME_S);
    for (unsigned i = 0; i < 2; i++)
        with[i] = (memory_of(w, i) - conn[i]) / 50;
    print_message("idle connection: %zu, %zu bytes; stream: %zu, %zu\n",
                  conn[0], conn[1], with[0], with[1]);
    assert_true(conn[0] <= 32768 && conn[1] <= 32768);
    assert_true(with[0] <= 4096 && with[1] <= 4096);
    world_free(w);
}

/* The bound holds for ngtcp2's own memory. */
static void test_stream_memory_bound(void **state)
{
    struct stream_conn *c;
    struct world *w;
    uint64_t path = 1;
    enum error err;

    (void)state;
    config.max_memory = 80000;
    w = start();
    do {
        err = stream_connect(w->side[OPENER].s, path++, 0, &world_handler,
                             &w->side[OPENER], w->now, &c);
        assert_true(memory_of(w, OPENER) <= config.max_memory);
    } while (err == OK);
    assert_true(err == ERR_NO_MEMORY || err == ERR_FULL);
    assert_true(path > 2 && path <= 6);
    world_free(w);
}

/* ---- Allocations fail --------------------------------------------------- */

static void play(struct world *w)
{
    struct world_side *side = &w->side[OPENER];
    struct stream_conn *c;
    struct flow *f = w->flows[0];

    if (stream_connect(side->s, 1, 0, &world_handler, side, w->now, &c) != OK)
        return;
    side->conn = c;
    if (stream_open(c, f, w->now, &f->st) == OK)
        flow_pump(f);
    world_run(w, 300 * TIME_MS);
    if (side->conn != NULL && stream_move(side->conn, 2, w->now) == OK)
        world_run(w, 300 * TIME_MS);
    if (f->st != NULL)
        stream_reset(f->st, 1, w->now);
    world_run(w, 100 * TIME_MS);
}

/* The world itself must not run out: it has its own beforehand. */
static void provide(struct world *w)
{
    struct world_packet *p[600];

    for (size_t i = 0; i < COUNT_OF(p); i++) {
        p[i] = malloc(sizeof(*p[i]));
        assert_non_null(p[i]);
        w->spare_list[w->spares++] = p[i];
    }
}

static struct flow *next_flow(struct world *w, bool given)
{
    struct flow *f = flow_new(w);

    w->flow_count -= !given;
    return f;
}

static void test_stream_memory_allocation_fails(void **state)
{
    unsigned n = 1, failed = 0;

    (void)state;
    for (bool more = true; more; n++) {
        struct world *w = start();
        struct flow *f = next_flow(w, true);

        w->like.echo = true;
        w->ready_flow = next_flow(w, false);
        f->out_total = 60000;
        f->seed = f->seed_in = 7;
        provide(w);
        fail_alloc_at(n);
        play(w);
        more = fail_alloc_end();
        failed += more;
        assert_false(f->wrong);
        if (w->side[OPENER].over > 0)
            assert_true(w->side[OPENER].why == STREAM_END_MEMORY ||
                        w->side[OPENER].why == STREAM_END_CLOSED ||
                        w->side[OPENER].why == STREAM_END_PROTOCOL);
        if (!more)
            assert_true(f->in > 0 && f->closed == 1);
        free(w->ready_flow);
        world_free(w);
    }
    print_message("%u allocations\n", failed);
    assert_true(failed > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_stream_memory_fast_ones_stall, set_up),
        cmocka_unit_test_setup(test_stream_memory_all_but_one_stall, set_up),
        cmocka_unit_test_setup(test_stream_memory_windows_lapse, set_up),
        cmocka_unit_test_setup(test_stream_memory_stalled_reader, set_up),
        cmocka_unit_test_setup(test_stream_memory_reads_after_the_end, set_up),
        cmocka_unit_test_setup(test_stream_memory_stalled_beside_others,
                               set_up),
        cmocka_unit_test_setup(test_stream_memory_ends_need_no_window, set_up),
        cmocka_unit_test_setup(test_stream_memory_window_comes_back, set_up),
        cmocka_unit_test_setup(test_stream_memory_takes_in_bits, set_up),
        cmocka_unit_test_setup(test_stream_memory_thousand_stalled, set_up),
        cmocka_unit_test_setup(test_stream_memory_writers_wait, set_up),
        cmocka_unit_test_setup(test_stream_memory_heaviest_makes_way, set_up),
        cmocka_unit_test_setup(test_stream_memory_newcomer, set_up),
        cmocka_unit_test_setup(test_stream_memory_crowd, set_up),
        cmocka_unit_test_setup(test_stream_memory_of_what_is_idle, set_up),
        cmocka_unit_test_setup(test_stream_memory_bound, set_up),
        cmocka_unit_test_setup(test_stream_memory_allocation_fails, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
