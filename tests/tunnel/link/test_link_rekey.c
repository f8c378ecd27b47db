/* SPDX-License-Identifier: MIT
 *
 * New keys for a link while datagrams are late, lost or overtake each other:
 * no cell is lost by it.
 */
#include "link_world.h"

#include <sodium.h>

#define LATE_MAX 512

struct late {
    uint64_t at;
    struct packet p;
};

struct scene {
    struct world *w;
    struct link *a, *b; /* the two ends; a opened it */
    struct late late[LATE_MAX];
    size_t count;
    unsigned sent; /* cells, by each */
};

static struct scene *scene_new(uint64_t seed)
{
    struct scene *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->w = world_new();
    s->w->random = test_seed(seed);
    s->a = open_link(s->w);
    settle(s->w);
    s->b = s->w->b.up_link;
    link_hold(s->a);
    link_hold(s->b);
    return s;
}

static void scene_free(struct scene *s)
{
    assert_int_equal(s->w->a.downs + s->w->b.downs, 0);
    world_free(s->w);
    free(s);
}

static void send_from(struct scene *s, struct node *n)
{
    assert_int_equal(s->w->a.downs + s->w->b.downs, 0);
    assert_true(link_send(n->links, n == &s->w->a ? s->a : s->b, CELL_CREATE, 1,
                          bytes_of_text("x"), s->w->now));
}

/* Cells go both ways now and a minute later. */
static void assert_both_ways(struct scene *s)
{
    for (int i = 0; i < 2; i++) {
        s->w->a.cells = s->w->b.cells = 0;
        send_from(s, &s->w->a);
        send_from(s, &s->w->b);
        settle(s->w);
        assert_int_equal(s->w->a.cells, 1);
        assert_int_equal(s->w->b.cells, 1);
        run(s->w, TIME_MIN, true);
    }
}

/* ---- A rough way -------------------------------------------------------- */

static void take_off(struct scene *s)
{
    struct world *w = s->w;

    for (size_t i = 0; i < w->count; i++) {
        uint64_t at = w->now + 20 * TIME_MS;

        if (test_random_below(&w->random, 10) < 3)
            at += test_random_below(&w->random, 12000) * TIME_MS;
        assert_true(s->count < LATE_MAX);
        s->late[s->count++] = (struct late){at, w->queue[i]};
    }
    w->count = 0;
}

static void land(struct scene *s)
{
    for (size_t i = 0; i < s->count;) {
        struct late late = s->late[i];

        if (late.at > s->w->now) {
            i++;
            continue;
        }
        s->late[i] = s->late[--s->count];
        deliver(node_at(s->w, &late.p.to), &late.p);
        take_off(s);
    }
}

static void fly(struct scene *s, uint64_t duration, bool send)
{
    struct world *w = s->w;

    for (uint64_t end = w->now + duration; w->now < end;) {
        if (send) {
            send_from(s, &w->a);
            send_from(s, &w->b);
            s->sent++;
        }
        for (int i = 0; i < 10; i++) {
            w->now += 20 * TIME_MS;
            links_tick(w->a.links, w->now);
            links_tick(w->b.links, w->now);
            take_off(s);
            land(s);
        }
    }
}

static void test_rekey_while_cells_overtake_each_other_by_seconds(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        struct scene *s = scene_new(seed);

        run(s->w, 9 * TIME_MIN + 50 * TIME_S, true);
        fly(s, 3 * TIME_MIN, true);
        fly(s, 13 * TIME_S, false);
        assert_int_equal(links_stats(s->w->a.links)->rekeys, 1);
        assert_int_equal(s->w->a.cells, s->sent);
        assert_int_equal(s->w->b.cells, s->sent);
        scene_free(s);
    }
}

/* ---- One by one --------------------------------------------------------- */

/* The REKEY that a sends by itself; it may send a PING before. */
static struct packet next_rekey(struct scene *s)
{
    struct world *w = s->w;
    struct packet rekey;

    run(w, s->a->rekey_at - 1 - w->now, true);
    w->now++;
    links_tick(w->a.links, w->now);
    assert_in_range(w->count, 1, 2);
    rekey = w->queue[w->count - 1];
    w->count = 0;
    return rekey;
}

/* What `to` answers to it, as its first cell. */
static struct packet answer_of(struct scene *s, const struct packet *p)
{
    assert_int_equal(s->w->count, 0);
    assert_int_equal(deliver(node_at(s->w, &p->to), p), OK);
    assert_int_equal(s->w->count, 1);
    return s->w->queue[--s->w->count];
}

static void test_rekey_first_answer_comes_after_the_second_question(void **st)
{
    struct scene *s = scene_new(40);
    struct packet rekey, rekeyed, ping;

    (void)st;
    rekey = next_rekey(s);
    rekeyed = answer_of(s, &rekey);
    next_rekey(s); /* lost */
    next_rekey(s);
    ping = answer_of(s, &rekeyed);
    assert_int_equal(links_stats(s->w->a.links)->rekeys, 1);
    assert_int_equal(deliver(&s->w->b, &ping), OK);
    assert_null(s->b->next);
    assert_both_ways(s);
    scene_free(s);
}

static void test_rekey_questions_overtake_each_other(void **state)
{
    struct scene *s = scene_new(41);
    struct packet first, second, rekeyed, again, ping;
    struct session *next;
    uint64_t random;

    (void)state;
    first = next_rekey(s);
    second = next_rekey(s);
    rekeyed = answer_of(s, &second);
    next = s->b->next;
    random = s->w->random.state;
    again = answer_of(s, &first);
    assert_ptr_equal(s->b->next, next);
    assert_true(s->w->random.state == random); /* no new handshake */
    ping = answer_of(s, &rekeyed);
    assert_int_equal(deliver(&s->w->a, &again), ERR_UNEXPECTED);
    deliver(&s->w->b, &ping);
    s->w->count = 0;
    assert_both_ways(s);
    assert_int_equal(links_stats(s->w->a.links)->rekeys, 1);
    scene_free(s);
}

/* One that comes when its keys are in use makes no others. */
static void test_rekey_question_comes_last(void **state)
{
    struct scene *s = scene_new(42);
    struct packet first, second;

    (void)state;
    first = next_rekey(s);
    second = next_rekey(s);
    s->w->queue[s->w->count++] = second;
    settle(s->w);
    assert_int_equal(links_stats(s->w->a.links)->rekeys, 1);
    assert_int_equal(deliver(&s->w->b, &first), ERR_UNEXPECTED);
    assert_null(s->b->next);
    assert_both_ways(s);
    scene_free(s);
}

/* Keys are old from when they are replaced, not from when that began. */
static void test_rekey_that_took_long_leaves_the_old_keys_their_time(void **st)
{
    struct scene *s = scene_new(44);
    struct packet late, rekey, rekeyed;

    (void)st;
    for (int i = 0; i < 8; i++)
        rekey = next_rekey(s);
    send_from(s, &s->w->b);
    late = s->w->queue[--s->w->count];
    rekeyed = answer_of(s, &rekey);
    s->w->queue[s->w->count++] = rekeyed;
    settle(s->w);
    assert_int_equal(links_stats(s->w->a.links)->rekeys, 1);
    run(s->w, 20 * TIME_S, true);
    assert_int_equal(deliver(&s->w->a, &late), OK);
    assert_int_equal(s->w->a.cells, 1);
    scene_free(s);
}

/* The responder sends under the old keys until a cell comes under the new
 * ones: a PING that gets lost is made up for before the old ones go. */
static void test_rekey_ping_is_lost(void **state)
{
    struct scene *s = scene_new(45);
    struct packet rekey, rekeyed;

    (void)state;
    rekey = next_rekey(s);
    rekeyed = answer_of(s, &rekey);
    answer_of(s, &rekeyed); /* the PING */
    for (unsigned i = 1; i <= 600; i++) {
        send_from(s, &s->w->b);
        settle(s->w);
        assert_int_equal(s->w->a.cells, i);
        if (i == 12)
            assert_null(s->b->next);
        run(s->w, 100 * TIME_MS, true);
    }
    assert_both_ways(s);
    scene_free(s);
}

/* A stranger asks for a link, and again with the cookie that he gets, if he
 * does: what becomes of that. */
static enum error ask(struct world *w, struct node *stranger, uint8_t network)
{
    struct link_config c = config();
    struct link_target t = target_of(&w->b);
    struct link *link;

    stranger->ep = (struct endpoint){.addr = {network, 1, 1, 1}, .port = 1};
    node_start(stranger, &c);
    w->count = 0;
    assert_int_equal(link_open(stranger->links, &t, w->now, &link), OK);
    if (deliver(&w->b, &w->queue[0]) == OK)
        return OK;
    assert_int_equal(deliver(stranger, &w->queue[1]), OK);
    return deliver(&w->b, &w->queue[2]);
}

/* However many ask for a link with a cookie, those who have one keep it. */
static void test_rekey_in_a_flood_of_cookies(void **state)
{
    struct world *w = world_new();
    struct link_config c = config();
    struct node *stranger = calloc(1, sizeof(*stranger));
    struct packet rekey;
    struct link *link;
    unsigned in = 0;

    (void)state;
    assert_non_null(stranger);
    c.handshake_rate = c.handshake_burst = 1;
    c.proven_rate = 4;
    node_start(&w->b, &c);
    link = open_link(w);
    settle(w);
    link_hold(link);
    w->now += 13 * TIME_MIN;
    links_tick(w->a.links, w->now);
    rekey = w->queue[w->count - 1]; /* after a PING */
    node_init(stranger, w, 3);
    for (uint8_t i = 0; i < 40; i++)
        in += ask(w, stranger, (uint8_t)(20 + i)) == OK;
    assert_int_equal(in, 1 + 4); /* one needs no cookie */
    w->queue[0] = rekey;
    w->count = 1;
    settle(w);
    assert_int_equal(links_stats(w->a.links)->rekeys, 1);
    links_free(stranger->links);
    free(stranger);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rekey_while_cells_overtake_each_other_by_seconds),
        cmocka_unit_test(
            test_rekey_first_answer_comes_after_the_second_question),
        cmocka_unit_test(test_rekey_questions_overtake_each_other),
        cmocka_unit_test(test_rekey_question_comes_last),
        cmocka_unit_test(
            test_rekey_that_took_long_leaves_the_old_keys_their_time),
        cmocka_unit_test(test_rekey_ping_is_lost),
        cmocka_unit_test(test_rekey_in_a_flood_of_cookies),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
