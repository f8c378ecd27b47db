/* SPDX-License-Identifier: MIT
 *
 * Large cells over paths that lose what is long and say nothing about it.
 */
#include "link_world.h"

/* What a path of 1,420 and of 1,280 bytes lets through over IPv4. */
#define WIREGUARD (1420 - 28)
#define NARROW    (1280 - 28)

/* A large cell from `from` to the other one; whether it came. */
static bool passes(struct node *from, struct node *to, struct link *link)
{
    struct world *w = from->world;
    unsigned before = to->cells;
    uint8_t text[1000];

    test_random_fill(&w->random, text, sizeof(text));
    to->up_link = NULL;
    assert_true(link_send(from->links, link, CELL_CREATE, 5,
                          bytes_of(text, sizeof(text)), w->now));
    settle(w);
    if (to->cells == before)
        return false;
    assert_memory_equal(to->text, text, sizeof(to->text));
    return true;
}

/* A link on both sides, which short cells have passed. */
struct pair {
    struct world *w;
    struct link *a, *b;
};

static struct pair link_up(size_t longest)
{
    struct pair p = {.w = world_new()};

    p.w->longest = longest;
    p.a = open_link(p.w);
    settle(p.w);
    assert_true(link_send(p.w->a.links, p.a, CELL_CREATE, 5,
                          bytes_of_text("hi"), p.w->now));
    settle(p.w);
    assert_int_equal(p.w->b.cells, 1);
    p.b = p.w->b.up_link;
    link_hold(p.a);
    link_hold(p.b);
    return p;
}

static bool a_to_b(struct pair *p)
{
    return passes(&p->w->a, &p->w->b, p->a);
}

static bool b_to_a(struct pair *p)
{
    return passes(&p->w->b, &p->w->a, p->b);
}

static void test_large_cells_pass_a_narrow_path_in_parts(void **state)
{
    static const size_t paths[] = {WIREGUARD, NARROW, PART_BYTES};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct pair p = link_up(paths[i]);

        assert_false(a_to_b(&p));
        run(p.w, 3 * TIME_S, true);
        assert_int_equal(p.a->large.state, LARGE_PARTS);
        assert_int_equal(links_paths(p.w->a.links).parts, 1);
        assert_int_equal(links_stats(p.w->a.links)->large_lost, 1);
        assert_true(a_to_b(&p));
        /* The other side has seen parts: not even the first is lost. */
        assert_true(b_to_a(&p));
        run(p.w, 5 * TIME_S, true);
        assert_int_equal(p.b->large.state, LARGE_PARTS);
        assert_int_equal(p.w->a.downs + p.w->b.downs, 0);
        world_free(p.w);
    }
}

static void test_large_cells_on_a_wide_path_stay_whole(void **state)
{
    struct pair p = link_up(0);
    uint64_t cells;

    (void)state;
    assert_true(a_to_b(&p));
    assert_int_equal(p.a->large.state, LARGE_WHOLE);
    assert_int_equal(p.b->large.state, LARGE_UNKNOWN);
    assert_true(b_to_a(&p));
    /* Asked once: another cell costs a cell. */
    cells = links_stats(p.w->a.links)->cells_out;
    for (int i = 0; i < 10; i++)
        assert_true(a_to_b(&p));
    assert_int_equal(links_stats(p.w->a.links)->cells_out, cells + 10);
    run(p.w, 70 * TIME_S, true);
    cells = links_stats(p.w->a.links)->cells_out;
    assert_true(a_to_b(&p));
    assert_int_equal(links_stats(p.w->a.links)->cells_out, cells + 3);
    assert_int_equal(links_stats(p.w->a.links)->parts_out, 0);
    world_free(p.w);
}

static void test_large_cells_that_nobody_sends_are_not_asked_about(void **state)
{
    struct pair p = link_up(WIREGUARD);

    (void)state;
    run(p.w, TIME_HOUR, true);
    assert_int_equal(p.a->large.state, LARGE_UNKNOWN);
    assert_int_equal(p.b->large.state, LARGE_UNKNOWN);
    world_free(p.w);
}

/* The path changes: a tunnel comes up, and is torn down again. */
static void test_large_cells_follow_the_path(void **state)
{
    struct pair p = link_up(0);

    (void)state;
    assert_true(a_to_b(&p));
    run(p.w, 70 * TIME_S, true);
    p.w->longest = WIREGUARD;
    assert_false(a_to_b(&p));
    run(p.w, 3 * TIME_S, true);
    assert_true(a_to_b(&p));
    p.w->longest = 0;
    for (int i = 0; i < 11; i++) {
        run(p.w, TIME_MIN, true);
        assert_true(a_to_b(&p));
    }
    assert_int_equal(p.a->large.state, LARGE_WHOLE);
    world_free(p.w);
}

/* Another network may be narrow: asked at once, not when the minute is over. */
static void test_large_cells_are_asked_about_on_another_network(void **state)
{
    struct pair p = link_up(0);

    (void)state;
    assert_true(a_to_b(&p));
    p.w->longest = WIREGUARD;
    links_check(p.w->a.links, p.w->now);
    settle(p.w);
    assert_false(a_to_b(&p));
    run(p.w, 3 * TIME_S, true);
    assert_int_equal(p.a->large.state, LARGE_PARTS);
    assert_true(a_to_b(&p));
    world_free(p.w);
}

/* Loses some of all cells, whatever their length. */
static void run_lossy(struct world *w, uint64_t duration, unsigned percent)
{
    uint64_t end = w->now + duration;

    while (w->now < end) {
        w->now += 10 * TIME_MS;
        links_tick(w->a.links, w->now);
        links_tick(w->b.links, w->now);
        while (w->count > 0) {
            struct packet p = w->queue[0];
            uint8_t dice;

            memmove(w->queue, w->queue + 1, --w->count * sizeof(struct packet));
            test_random_fill(&w->random, &dice, 1);
            if (dice % 100 >= percent)
                deliver(node_at(w, &p.to), &p);
        }
    }
}

static void test_large_cells_loss_is_no_narrow_path(void **state)
{
    unsigned whole = 0;

    (void)state;
    for (unsigned seed = 1; seed <= 50; seed++) {
        struct pair p = link_up(0);
        uint8_t text[1000] = {0};

        p.w->random = test_seed(seed);
        link_send(p.w->a.links, p.a, CELL_CREATE, 5,
                  bytes_of(text, sizeof(text)), p.w->now);
        run_lossy(p.w, 6 * TIME_S, 20);
        whole += p.w->a.downs > 0 || p.a->large.state == LARGE_WHOLE;
        world_free(p.w);
    }
    assert_true(whole >= 47);
}

/* A peer that stays silent is not known to have a narrow path. */
static void test_large_cells_silence_is_no_narrow_path(void **state)
{
    struct pair p = link_up(0);

    (void)state;
    p.w->longest = 1;
    assert_false(a_to_b(&p));
    run(p.w, 5 * TIME_S, true);
    assert_int_equal(p.a->large.state, LARGE_UNKNOWN);
    run(p.w, 5 * TIME_S, true);
    assert_int_equal(p.w->a.downs, 1);
    world_free(p.w);
}

static void test_large_cells_lost_even_in_parts_are_told(void **state)
{
    struct pair p = link_up(CELL_SMALL);

    (void)state;
    assert_false(a_to_b(&p));
    run(p.w, 6 * TIME_S, true);
    assert_int_equal(p.a->large.state, LARGE_LOST);
    assert_int_equal(links_paths(p.w->a.links).lost, 1);
    /* Asked again while there is something to send. */
    p.w->longest = 0;
    run(p.w, TIME_MIN, true);
    assert_true(a_to_b(&p));
    assert_int_equal(p.a->large.state, LARGE_WHOLE);
    assert_int_equal(links_stats(p.w->a.links)->large_lost, 1);
    world_free(p.w);
}

/* ---- Parts -------------------------------------------------------------- */

/* Cells in parts, kept for the test to deliver. */
static struct packet *take_parts(struct pair *p, unsigned cells)
{
    struct packet *taken = calloc(2 * (size_t)cells, sizeof(*taken));
    uint8_t text[1000];

    assert_non_null(taken);
    p->w->count = 0;
    p->a->large.in_parts = true;
    p->a->large.next_at = TIME_NEVER;
    for (unsigned i = 0; i < cells; i++) {
        memset(text, (int)i + 1, sizeof(text));
        link_send(p->w->a.links, p->a, CELL_CREATE, i + 1,
                  bytes_of(text, sizeof(text)), p->w->now);
    }
    assert_int_equal(p->w->count, 2 * cells);
    memcpy(taken, p->w->queue, 2 * cells * sizeof(*taken));
    p->w->count = 0;
    p->w->b.cells = 0;
    return taken;
}

static void test_parts_are_joined_in_any_order(void **state)
{
    static const unsigned orders[][8] = {
        {0, 1, 2, 3, 4, 5, 6, 7}, {1, 0, 3, 2, 5, 4, 7, 6},
        {0, 2, 4, 6, 1, 3, 5, 7}, {7, 6, 5, 4, 3, 2, 1, 0},
        {1, 3, 5, 7, 6, 4, 2, 0}, {0, 3, 1, 5, 2, 7, 4, 6}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        struct pair p = link_up(0);
        struct packet *parts = take_parts(&p, 4);

        for (unsigned k = 0; k < 8; k++) {
            assert_int_equal(parts[k].len, PART_BYTES);
            assert_int_equal(deliver(&p.w->b, &parts[orders[i][k]]), OK);
        }
        assert_int_equal(p.w->b.cells, 4);
        free(parts);
        world_free(p.w);
    }
}

static void test_parts_twice_make_one_cell(void **state)
{
    struct pair p = link_up(0);
    struct packet *parts = take_parts(&p, 1);

    (void)state;
    assert_int_equal(deliver(&p.w->b, &parts[0]), OK);
    assert_int_equal(deliver(&p.w->b, &parts[0]), OK);
    assert_int_equal(p.w->b.cells, 0);
    assert_int_equal(deliver(&p.w->b, &parts[1]), OK);
    assert_int_equal(p.w->b.cells, 1);
    for (unsigned k = 0; k < 4; k++)
        assert_int_equal(deliver(&p.w->b, &parts[k % 2]), ERR_UNEXPECTED);
    assert_int_equal(p.w->b.cells, 1);
    free(parts);
    world_free(p.w);
}

/* Halves whose others are lost make room for newer ones. */
static void test_parts_that_stay_alone_are_forgotten(void **state)
{
    struct pair p = link_up(0);
    struct packet *parts = take_parts(&p, PARTS_WAITING + 2);

    (void)state;
    for (unsigned k = 0; k <= PARTS_WAITING; k++)
        assert_int_equal(deliver(&p.w->b, &parts[2 * k]), OK);
    assert_int_equal(deliver(&p.w->b, &parts[1]), OK);
    assert_int_equal(p.w->b.cells, 0);
    assert_int_equal(deliver(&p.w->b, &parts[2 * PARTS_WAITING + 1]), OK);
    assert_int_equal(p.w->b.cells, 1);
    free(parts);
    world_free(p.w);
}

/* Every byte of both halves counts. */
static void test_parts_changed_make_no_cell(void **state)
{
    struct pair p = link_up(0);
    struct packet *parts = take_parts(&p, 1);

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned at = 0; at < PART_BYTES; at++) {
            struct packet changed = parts[k];

            free(p.b->parts);
            p.b->parts = NULL;
            changed.bytes[at] ^= 1;
            deliver(&p.w->b, &changed);
            deliver(&p.w->b, &parts[1 - k]);
            assert_int_equal(p.w->b.cells, 0);
        }
    }
    deliver(&p.w->b, &parts[0]);
    deliver(&p.w->b, &parts[1]);
    assert_int_equal(p.w->b.cells, 1);
    free(parts);
    world_free(p.w);
}

static void test_parts_of_unknown_sessions_are_dropped(void **state)
{
    struct pair p = link_up(0);
    struct packet *parts = take_parts(&p, 1);

    (void)state;
    parts[0].bytes[4] ^= 1;
    assert_int_equal(deliver(&p.w->b, &parts[0]), ERR_NOT_FOUND);
    assert_null(p.b->parts);
    parts[1].bytes[16] = 2;
    assert_int_equal(deliver(&p.w->b, &parts[1]), ERR_NOT_MSGPACK);
    parts[1].len--;
    assert_int_equal(
        links_receive_part(p.w->b.links, &parts[1].from,
                           bytes_of(parts[1].bytes, PART_BYTES - 1), p.w->now),
        ERR_WRONG_LENGTH);
    free(parts);
    world_free(p.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_cells_pass_a_narrow_path_in_parts),
        cmocka_unit_test(test_large_cells_on_a_wide_path_stay_whole),
        cmocka_unit_test(
            test_large_cells_that_nobody_sends_are_not_asked_about),
        cmocka_unit_test(test_large_cells_follow_the_path),
        cmocka_unit_test(test_large_cells_are_asked_about_on_another_network),
        cmocka_unit_test(test_large_cells_loss_is_no_narrow_path),
        cmocka_unit_test(test_large_cells_silence_is_no_narrow_path),
        cmocka_unit_test(test_large_cells_lost_even_in_parts_are_told),
        cmocka_unit_test(test_parts_are_joined_in_any_order),
        cmocka_unit_test(test_parts_twice_make_one_cell),
        cmocka_unit_test(test_parts_that_stay_alone_are_forgotten),
        cmocka_unit_test(test_parts_changed_make_no_cell),
        cmocka_unit_test(test_parts_of_unknown_sessions_are_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
