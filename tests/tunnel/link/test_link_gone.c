/* SPDX-License-Identifier: MIT
 *
 * What the network says of a peer: that he is gone. It may be right, or made
 * up by anybody who knows both addresses.
 */
#include "link_world.h"

#include "tunnel/link/link_table.h"

#include <sodium.h>

#define RTT (2 * TIME_MS)

/* A world with time on the way, in which hints come. */
struct hints {
    struct world *w;
    uint64_t every; /* 0: none are made up */
    uint64_t next;  /* of those */
    unsigned loss;  /* percent, of each datagram */
    bool dead;      /* b; the network says so of what is sent to it */
    uint64_t rtt;
    uint64_t arrives[QUEUE_MAX]; /* of w->queue */
    size_t known;                /* of these */
    struct test_random random;
};

static struct hints *hints_new(void)
{
    struct hints *h = calloc(1, sizeof(*h));

    assert_non_null(h);
    h->w = world_new();
    h->rtt = RTT;
    h->random = test_seed(11);
    return h;
}

static void hints_free(struct hints *h)
{
    world_free(h->w);
    free(h);
}

/* What was sent since is under way now. */
static void stamp(struct hints *h)
{
    while (h->known < h->w->count)
        h->arrives[h->known++] = h->w->now + h->rtt / 2;
}

static void arrive(struct hints *h, const struct packet *p)
{
    struct world *w = h->w;
    struct node *to = node_at(w, &p->to);

    if (to == &w->b && h->dead) {
        links_unreachable(w->a.links, &w->b.ep, w->now);
        return;
    }
    if (to != NULL && test_random_below(&h->random, 100) >= h->loss)
        deliver(to, p);
}

static void arrive_due(struct hints *h)
{
    struct world *w = h->w;
    struct packet p;

    stamp(h);
    while (h->known > 0 && h->arrives[0] <= w->now) {
        p = w->queue[0];
        memmove(w->queue, w->queue + 1, --w->count * sizeof(p));
        memmove(h->arrives, h->arrives + 1, --h->known * sizeof(uint64_t));
        arrive(h, &p);
        stamp(h);
    }
}

static void go(struct hints *h, uint64_t duration)
{
    struct world *w = h->w;
    uint64_t end = w->now + duration;

    stamp(h);
    while (w->now < end) {
        uint64_t at = time_min(links_next_deadline(w->a.links),
                               links_next_deadline(w->b.links));

        if (h->known > 0)
            at = time_min(at, h->arrives[0]);
        if (h->every > 0)
            at = time_min(at, h->next);
        w->now = time_min(end, at > w->now ? at : w->now + TIME_US);
        if (h->every > 0 && w->now >= h->next) {
            links_unreachable(w->a.links, &w->b.ep, w->now);
            h->next = w->now + h->every;
        }
        arrive_due(h);
        links_tick(w->a.links, w->now);
        if (!h->dead)
            links_tick(w->b.links, w->now);
        stamp(h);
    }
}

/* A link of a's with a circuit on it. */
static struct link *come_up(struct hints *h)
{
    struct link *link = open_link(h->w);

    go(h, TIME_S);
    assert_int_equal(h->w->a.ups, 1);
    link_hold(link);
    link_hold(h->w->b.up_link);
    return link;
}

static void say(struct hints *h, struct link *link)
{
    link_send(h->w->a.links, link, CELL_CREATE, 3, bytes_of_text("a"),
              h->w->now);
}

static void test_link_gone_is_noticed_at_once(void **state)
{
    struct hints *h = hints_new();
    struct link *link = come_up(h);

    (void)state;
    h->dead = true;
    say(h, link);
    go(h, 10 * TIME_MS);
    assert_int_equal(h->w->a.downs, 0); /* it may be made up */
    go(h, 20 * TIME_MS);
    assert_int_equal(h->w->a.downs, 1);
    assert_int_equal(h->w->a.why, REASON_TIMEOUT);
    assert_int_equal(links_stats(h->w->a.links)->doubts_wrong, 0);
    hints_free(h);
}

/* The side that was asked for the link has learned the round trip, too. */
static void test_link_gone_is_noticed_by_who_was_asked(void **state)
{
    struct hints *h = hints_new();
    struct world *w = h->w;

    (void)state;
    come_up(h);
    link_send(w->b.links, w->b.up_link, CELL_CREATED, 3, bytes_of_text("b"),
              w->now);
    w->count = h->known = 0;
    links_unreachable(w->b.links, &w->a.ep, w->now);
    run(w, 70 * TIME_MS, false);
    assert_int_equal(w->b.downs, 1);
    assert_int_equal(w->b.why, REASON_TIMEOUT);
    hints_free(h);
}

/* On a long way no sooner than an answer can be there: of a PING it is known
 * how long that takes, the handshake has taken longer. */
static void waits_for_round_trips(bool asks, unsigned trips)
{
    struct hints *h = hints_new();
    struct link *link;

    h->rtt = 100 * TIME_MS;
    link = come_up(h);
    if (asks)
        links_check(h->w->a.links, h->w->now);
    go(h, TIME_S);
    h->dead = true;
    say(h, link);
    go(h, trips * 100 * TIME_MS);
    assert_int_equal(h->w->a.downs, 0);
    go(h, 200 * TIME_MS);
    assert_int_equal(h->w->a.downs, 1);
    hints_free(h);
}

static void test_link_gone_waits_for_round_trips(void **state)
{
    (void)state;
    waits_for_round_trips(false, 6);
    waits_for_round_trips(true, 12);
}

static uint64_t cells_of_a(const struct hints *h)
{
    return links_stats(h->w->a.links)->cells_out;
}

/* One word too much costs a PING, and no more of them for a while. */
static void test_link_gone_made_up_costs_a_ping(void **state)
{
    struct hints *h = hints_new();
    uint64_t before;

    (void)state;
    come_up(h);
    before = cells_of_a(h);
    for (int i = 0; i < 50; i++) {
        links_unreachable(h->w->a.links, &h->w->b.ep, h->w->now);
        go(h, TIME_MS);
    }
    assert_int_equal(cells_of_a(h) - before, 1);
    assert_int_equal(h->w->a.downs, 0);
    /* Somebody at another port of that address is somebody else. */
    before = cells_of_a(h);
    go(h, TIME_S);
    h->w->b.ep.port++;
    links_unreachable(h->w->a.links, &h->w->b.ep, h->w->now);
    h->w->b.ep.port--;
    assert_int_equal(cells_of_a(h), before);
    hints_free(h);
}

/* Made up a thousand times a second, for an hour: a peer that answers stays,
 * and what is asked becomes rare. */
static void test_link_gone_made_up_for_an_hour(void **state)
{
    struct hints *h = hints_new();
    uint64_t before;

    (void)state;
    come_up(h);
    h->every = TIME_MS;
    before = cells_of_a(h);
    go(h, TIME_MIN);
    assert_true(cells_of_a(h) - before < 40);
    before = cells_of_a(h);
    go(h, 59 * TIME_MIN);
    assert_int_equal(h->w->a.downs + h->w->b.downs, 0);
    assert_true(cells_of_a(h) - before < 59 * 20);
    assert_true(links_stats(h->w->a.links)->doubts > 100);
    /* And with a peer that is gone in truth it is as without hints. */
    say(h, open_link(h->w));
    h->dead = true;
    go(h, 10 * TIME_S);
    assert_int_equal(h->w->a.downs, 1);
    hints_free(h);
}

/* The same on ways that lose one datagram of ten, each way: such a link may
 * go down by itself when it is idle, so there is some traffic on it. */
static void test_link_gone_made_up_amid_loss(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct hints *h = hints_new();
        struct link *link = come_up(h);

        h->random = test_seed(seed);
        h->every = TIME_MS;
        h->loss = 10;
        for (int i = 0; i < 600; i++) {
            say(h, link);
            link_send(h->w->b.links, h->w->b.up_link, CELL_CREATED, 3,
                      bytes_of_text("b"), h->w->now);
            go(h, 100 * TIME_MS);
        }
        assert_int_equal(h->w->a.downs + h->w->b.downs, 0);
        hints_free(h);
    }
}

/* A peer that stands still for a while, as processes do, while somebody takes
 * the chance: each time that a hint was wrong it is given more time. */
static void test_link_gone_made_up_while_it_stalls(void **state)
{
    struct hints *h = hints_new();

    (void)state;
    come_up(h);
    h->every = TIME_MS;
    go(h, 10 * TIME_S);
    for (int i = 0; i < 20; i++) {
        h->rtt = 500 * TIME_MS;
        go(h, TIME_S);
        h->rtt = RTT;
        go(h, 3 * TIME_S);
    }
    assert_int_equal(h->w->a.downs + h->w->b.downs, 0);
    hints_free(h);
}

/* Hints about many others at once: no more links are asked than may be, and
 * whoever was not asked about is found out by silence. */
static void test_link_gone_hints_have_a_cap(void **state)
{
    struct hints *h = hints_new();
    struct world *w = h->w;
    struct link_config c = config();
    struct link *link, *other;
    struct link_target t;

    (void)state;
    c.max_links = 4 * LINK_DOUBT_RATE;
    c.max_half_open = 4;
    node_start(&w->a, &c);
    link = come_up(h);
    t = target_of(&w->b);
    for (uint16_t i = 0; i < 2 * LINK_DOUBT_RATE; i++) {
        t.ep.port = (uint16_t)(10000 + i);
        assert_int_equal(link_open(w->a.links, &t, w->now, &other), OK);
        w->count = 0;
        links_unreachable(w->a.links, &t.ep, w->now);
    }
    assert_int_equal(links_stats(w->a.links)->doubts, LINK_DOUBT_RATE);
    h->dead = true;
    say(h, link);
    go(h, 10 * TIME_S);
    assert_int_equal(links_count(w->a.links), 0);
    hints_free(h);
}

/* ---- Opening ------------------------------------------------------------ */

/* It takes fewer INITs, as far apart as the first two. */
static void test_link_gone_is_not_knocked_at_for_long(void **state)
{
    struct hints *h = hints_new();

    (void)state;
    h->dead = true;
    open_link(h->w);
    go(h, 1400 * TIME_MS);
    assert_int_equal(h->w->a.downs, 0);
    go(h, 200 * TIME_MS);
    assert_int_equal(h->w->a.downs, 1);
    assert_int_equal(h->w->a.why, REASON_UNREACHABLE);
    assert_int_equal(links_stats(h->w->a.links)->inits_out, 3);
    assert_int_equal(h->w->a.unanswered, 1);
    hints_free(h);
}

/* Of whom it has just been right about one INIT is enough, until he answers
 * again, or some time has passed. */
static void test_link_gone_is_knocked_at_once(void **state)
{
    struct hints *h = hints_new();
    struct world *w = h->w;
    struct link_target t = target_of(&w->b);
    struct endpoint asker = {.addr = {198, 51, 100, 1}, .port = 1};
    struct link *link = come_up(h);

    (void)state;
    h->dead = true;
    say(h, link);
    go(h, 100 * TIME_MS);
    assert_int_equal(w->a.downs, 1);
    open_link(w);
    go(h, 100 * TIME_MS);
    assert_int_equal(w->a.downs, 2);
    assert_int_equal(w->a.why, REASON_UNREACHABLE);
    assert_int_equal(link_open_for(w->a.links, &t, &asker, w->now, &link), OK);
    go(h, 100 * TIME_MS);
    assert_int_equal(w->a.downs, 3);
    assert_int_equal(links_stats(w->a.links)->inits_out, 3);
    open_link(w);
    h->dead = false;
    go(h, TIME_S);
    assert_int_equal(w->a.ups, 2);
    assert_int_equal(w->a.downs, 3);
    hints_free(h);
}

/* Not of whom it is only said: test_link_gone_is_not_knocked_at_for_long. */
static void test_link_gone_is_forgotten(void **state)
{
    struct hints *h = hints_new();
    struct world *w = h->w;
    struct link *link = come_up(h);

    (void)state;
    h->dead = true;
    say(h, link);
    go(h, 100 * TIME_MS);
    assert_int_equal(w->a.downs, 1);
    go(h, 11 * TIME_S);
    open_link(w);
    go(h, 1400 * TIME_MS);
    assert_int_equal(w->a.downs, 1);
    go(h, 200 * TIME_MS);
    assert_int_equal(w->a.downs, 2);
    hints_free(h);
}

/* Because of a neighbour it knocks once, as ever. */
static void test_link_gone_is_no_reason_to_knock_for_others(void **state)
{
    struct hints *h = hints_new();
    struct world *w = h->w;
    struct endpoint asker = {.addr = {198, 51, 100, 1}, .port = 1};
    struct link_target t = target_of(&w->b);
    struct link *link;

    (void)state;
    assert_int_equal(link_open_for(w->a.links, &t, &asker, w->now, &link), OK);
    h->dead = true;
    h->every = TIME_MS;
    go(h, 1400 * TIME_MS);
    assert_int_equal(w->a.downs, 0);
    go(h, 200 * TIME_MS);
    assert_int_equal(w->a.downs, 1);
    assert_int_equal(links_stats(w->a.links)->inits_out, 1);
    assert_int_equal(w->a.unanswered, 1);
    hints_free(h);
}

/* Made up: the link comes up all the same, though half a second away. */
static void test_link_gone_made_up_while_it_opens(void **state)
{
    struct hints *h = hints_new();

    (void)state;
    h->rtt = 450 * TIME_MS;
    h->every = TIME_MS;
    open_link(h->w);
    go(h, 2 * TIME_S);
    assert_int_equal(h->w->a.ups, 1);
    assert_int_equal(h->w->a.downs, 0);
    hints_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_gone_is_noticed_at_once),
        cmocka_unit_test(test_link_gone_is_noticed_by_who_was_asked),
        cmocka_unit_test(test_link_gone_waits_for_round_trips),
        cmocka_unit_test(test_link_gone_made_up_costs_a_ping),
        cmocka_unit_test(test_link_gone_made_up_for_an_hour),
        cmocka_unit_test(test_link_gone_made_up_amid_loss),
        cmocka_unit_test(test_link_gone_made_up_while_it_stalls),
        cmocka_unit_test(test_link_gone_hints_have_a_cap),
        cmocka_unit_test(test_link_gone_is_not_knocked_at_for_long),
        cmocka_unit_test(test_link_gone_is_knocked_at_once),
        cmocka_unit_test(test_link_gone_is_forgotten),
        cmocka_unit_test(test_link_gone_is_no_reason_to_knock_for_others),
        cmocka_unit_test(test_link_gone_made_up_while_it_opens),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
