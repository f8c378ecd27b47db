/* SPDX-License-Identifier: MIT
 *
 * A neighbour that was started again says that it does not know our session:
 * it may be so, or somebody else has said it in its name.
 */
#include "link_world.h"

#include "tunnel/link/link_table.h"

#include <sodium.h>

/* A link of a's that is up, with a circuit on it; nothing takes time on its
 * way, so three PINGs take 300 ms (LINK_DOUBT_UNKNOWN). */
static struct link *come_up(struct world *w)
{
    struct link *link = open_link(w);

    settle(w);
    link_hold(link);
    link_hold(w->b.up_link);
    assert_int_equal(w->a.ups + w->b.ups, 2);
    return link;
}

static void say(struct world *w, struct link *link)
{
    link_send(w->a.links, link, CELL_CREATE, 3, bytes_of_text("a"), w->now);
}

static void start_again(struct node *n)
{
    struct link_config c = config();

    node_start(n, &c);
}

static const struct link_stats *stats_of(const struct node *n)
{
    return links_stats(n->links);
}

static void test_link_unknown_is_noticed_at_once(void **state)
{
    struct world *w = world_new();
    struct link *link = come_up(w);

    (void)state;
    start_again(&w->b);
    say(w, link);
    settle(w);
    assert_int_equal(stats_of(&w->a)->unknown_in, 2); /* the PING's, too */
    assert_int_equal(stats_of(&w->a)->unknown_odd, 0);
    assert_int_equal(stats_of(&w->a)->doubts, 1);
    assert_int_equal(w->a.downs, 0); /* it may be made up */
    run(w, 310 * TIME_MS, true);
    assert_int_equal(w->a.downs, 1);
    assert_int_equal(w->a.why, REASON_TIMEOUT);
    /* And there is a link again at once. */
    open_link(w);
    settle(w);
    assert_int_equal(w->a.ups, 2);
    world_free(w);
}

/* What is sent is smaller than what has come, and ends with the rate. */
static void test_link_unknown_is_no_flood(void **state)
{
    struct world *w = world_new();
    struct packet cell = {.from = w->a.ep, .to = w->b.ep};
    struct link *link = come_up(w);
    size_t answers = 0;

    (void)state;
    say(w, link);
    cell = w->queue[--w->count];
    start_again(&w->b);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(deliver(&w->b, &cell), ERR_NOT_FOUND);
        answers += w->count;
        for (; w->count > 0; w->count--)
            assert_in_range(w->queue[w->count - 1].len, 1, 8);
    }
    assert_int_equal(answers, LINK_UNKNOWN_SOURCE);
    assert_int_equal(stats_of(&w->b)->unknown_out, LINK_UNKNOWN_SOURCE);
    assert_int_equal(stats_of(&w->b)->unknown_held, 1000 - LINK_UNKNOWN_SOURCE);
    /* From wherever they seem to come. */
    for (unsigned i = 0; i < 1000; i++) {
        cell.from.addr[0] = (uint8_t)(1 + i % 200);
        cell.from.addr[1] = (uint8_t)(i / 200);
        deliver(&w->b, &cell);
        answers += w->count;
        w->count = 0;
    }
    assert_in_range(answers, LINK_UNKNOWN_SOURCE + 1, LINK_UNKNOWN_RATE);
    world_free(w);
}

static enum error hear(struct world *w, const struct endpoint *from,
                       uint32_t index)
{
    const struct link_message m = {.kind = LINK_UNKNOWN, .receiver = index};

    return links_receive_message(w->a.links, from, &m, w->now);
}

/* Who does not see our cells does not know what to say. */
static void test_link_unknown_by_strangers(void **state)
{
    struct world *w = world_new();
    uint32_t index = come_up(w)->session->remote;
    struct endpoint other = w->b.ep;

    (void)state;
    other.port++;
    assert_int_equal(hear(w, &other, index), ERR_UNEXPECTED);
    assert_int_equal(hear(w, &w->b.ep, index + 1), ERR_UNEXPECTED);
    assert_int_equal(stats_of(&w->a)->unknown_odd, 2);
    assert_int_equal(stats_of(&w->a)->doubts, 0);
    assert_int_equal(w->count, 0);
    for (unsigned i = 0; i < 2 * LINK_UNKNOWN_HEARD; i++)
        hear(w, &other, index);
    assert_int_equal(stats_of(&w->a)->unknown_odd, LINK_UNKNOWN_HEARD);
    world_free(w);
}

/* Who sees them can say it for an hour: a peer that answers stays, and what is
 * asked becomes rare. */
static void test_link_unknown_made_up(void **state)
{
    struct world *w = world_new();
    uint32_t index = come_up(w)->session->remote;
    uint64_t cells = stats_of(&w->a)->cells_out;

    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        hear(w, &w->b.ep, index);
        run(w, TIME_S, true);
        index = w->a.downs == 0 ? index : 0;
    }
    assert_int_equal(w->a.downs + w->b.downs, 0);
    assert_in_range(stats_of(&w->a)->doubts, 20, 200);
    assert_int_equal(stats_of(&w->a)->doubts, stats_of(&w->a)->doubts_wrong);
    assert_in_range(stats_of(&w->a)->cells_out - cells, 20, 300);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_unknown_is_noticed_at_once),
        cmocka_unit_test(test_link_unknown_is_no_flood),
        cmocka_unit_test(test_link_unknown_by_strangers),
        cmocka_unit_test(test_link_unknown_made_up),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
