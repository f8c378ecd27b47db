/* SPDX-License-Identifier: MIT
 *
 * A node whose table of links somebody fills, and the others, who get theirs
 * all the same.
 */
#include "link_world.h"

#include "tunnel/link/link_table.h"

#include <sodium.h>

#define MAX  64
#define HALF 16

static struct world *full_world_new(void)
{
    struct world *w = world_new();
    struct link_config c = config();

    c.max_links = MAX;
    c.max_half_open = HALF;
    c.handshake_rate = c.handshake_burst = 10000;
    node_start(&w->b, &c);
    return w;
}

/* A node that begins anew at `ep` and opens a link: it comes up or not. */
static bool comes_in(struct world *w, const struct endpoint *ep)
{
    struct link_config c = config();

    node_start(&w->a, &c);
    w->a.ep = *ep;
    w->a.ups = 0;
    open_link(w);
    settle(w);
    return w->a.ups == 1;
}

static unsigned links_of(const struct world *w, const struct endpoint *ep)
{
    const struct links *l = w->b.links;
    unsigned n = 0;

    for (size_t i = 0; i < l->count; i++)
        n += source_same(&l->links[i]->peer.ep, ep, SOURCE_HOST);
    return n;
}

static struct endpoint ep4(uint8_t a, uint8_t b)
{
    return (struct endpoint){.addr = {a, b, 1, 1}, .port = 7881};
}

/* A host of a line of a /48. */
static struct endpoint home(uint8_t line, uint8_t host, uint16_t port)
{
    return (struct endpoint){.family = FAMILY_IPV6,
                             .addr = {0x2a, 1, 2, 3, 4, 5, line, host, 1},
                             .port = port};
}

static void fill(struct world *w, unsigned lines)
{
    for (unsigned i = 0; i < 2 * MAX; i++) {
        struct endpoint ep =
            home((uint8_t)(i % lines), (uint8_t)(i % 16), (uint16_t)(1000 + i));

        comes_in(w, &ep);
        w->now += 50 * TIME_MS;
        links_tick(w->b.links, w->now);
        assert_true(links_count(w->b.links) <= MAX + HALF);
    }
}

/* The addresses of one home line, or of a /48 that is had for nothing. */
static void test_link_share_of_one_line(void **state)
{
    (void)state;
    for (unsigned lines = 1; lines <= 64; lines *= 8) {
        struct world *w = full_world_new();
        unsigned in = 0;

        fill(w, lines);
        for (uint8_t i = 0; i < 8; i++) {
            struct endpoint ep = ep4(9, i);

            in += comes_in(w, &ep);
        }
        fill(w, lines);
        for (uint8_t i = 0; i < 8; i++) {
            struct endpoint ep = ep4(9, i);

            assert_int_equal(links_of(w, &ep), 1);
        }
        assert_int_equal(in, 8);
        world_free(w);
    }
}

static void hold(void *ctx, struct link *link)
{
    if (endpoint_equal(&link->peer.ep, ctx) && link->users == 0)
        link_hold(link);
}

/* Circuits on all of his links do not help him, and those of others stay. */
static void test_link_share_of_links_in_use(void **state)
{
    struct world *w = full_world_new();
    unsigned in = 0;

    (void)state;
    for (uint8_t i = 0; i < 8; i++) {
        struct endpoint ep = ep4(8, i);

        assert_true(comes_in(w, &ep));
        links_visit(w->b.links, hold, &ep);
    }
    for (unsigned i = 0; i < 2 * MAX; i++) {
        struct endpoint ep = home(0, (uint8_t)(i % 16), (uint16_t)(1000 + i));

        comes_in(w, &ep);
        links_visit(w->b.links, hold, &ep);
    }
    assert_true(links_count(w->b.links) >= MAX - 1);
    for (uint8_t i = 0; i < 8; i++) {
        struct endpoint ep = ep4(9, i);

        in += comes_in(w, &ep);
        ep.addr[0] = 8;
        assert_int_equal(links_of(w, &ep), 1);
    }
    assert_int_equal(in, 8);
    world_free(w);
}

/* A link of our own never makes way for a stranger, and finds a place. */
static void test_link_share_of_our_own(void **state)
{
    struct world *w = full_world_new();
    struct link_target t = {.identity = {1}};
    struct link *link, *again;

    (void)state;
    fill(w, 64);
    noise_public_key(w->a.secret, t.handshake_key);
    for (uint8_t i = 0; i < 4; i++) {
        t.ep = ep4(7, i);
        assert_int_equal(link_open(w->b.links, &t, w->now, &link), OK);
        w->count = 0;
    }
    assert_true(links_count(w->b.links) <= MAX);
    for (unsigned i = 0; i < 2 * MAX; i++) {
        struct endpoint ep = ep4(9, (uint8_t)i);

        comes_in(w, &ep);
    }
    for (uint8_t i = 0; i < 4; i++) {
        unsigned count = links_count(w->b.links);

        t.ep = ep4(7, i);
        assert_int_equal(link_open(w->b.links, &t, w->now, &again), OK);
        assert_int_equal(links_count(w->b.links), count);
    }
    world_free(w);
}

/* Whoever had it opened first: a link that others use too is not his to lose.
 */
static void test_link_share_of_links_in_common(void **state)
{
    struct world *w = full_world_new();
    struct endpoint greedy = ep4(20, 1), honest = ep4(21, 1);
    struct link_target t = {.identity = {1}};
    struct link *common, *link;

    (void)state;
    noise_public_key(w->a.secret, t.handshake_key);
    t.ep = ep4(7, 0);
    assert_int_equal(link_open_for(w->b.links, &t, &greedy, w->now, &common),
                     OK);
    link_hold(common);
    for (uint8_t i = 1; i < MAX; i++) {
        t.ep = ep4(7, i);
        assert_int_equal(link_open_for(w->b.links, &t, &greedy, w->now, &link),
                         OK);
        link_hold(link);
        link_hold(link);
        w->count = 0;
    }
    t.ep = ep4(7, 0);
    assert_int_equal(link_open_for(w->b.links, &t, &honest, w->now, &link), OK);
    assert_ptr_equal(link, common);
    for (uint8_t i = 0; i < 8; i++) {
        struct endpoint ep = ep4(9, i);

        assert_true(comes_in(w, &ep));
    }
    assert_int_equal(w->b.downs, 8);
    assert_int_equal(link_open_for(w->b.links, &t, &honest, w->now, &link), OK);
    assert_ptr_equal(link, common);
    world_free(w);
}

/* Of one that somebody has asked for one INIT goes out. Once we want it as well
 * it is tried as our own are, and does not wait for the end of his. */
static void test_link_share_wanted_by_us_too(void **state)
{
    struct world *w = full_world_new();
    struct endpoint other = ep4(20, 1);
    struct link_target t = {.identity = {1}, .ep = ep4(7, 0)};
    struct link *link, *ours;
    uint64_t begun;

    (void)state;
    noise_public_key(w->a.secret, t.handshake_key);
    assert_int_equal(link_open_for(w->b.links, &t, &other, w->now, &link), OK);
    for (begun = w->now; w->now < begun + 2 * TIME_S; w->now += 100 * TIME_MS)
        links_tick(w->b.links, w->now);
    assert_int_equal(links_stats(w->b.links)->inits_out, 1);
    assert_int_equal(link_open(w->b.links, &t, w->now, &ours), OK);
    assert_ptr_equal(ours, link);
    assert_true(links_next_deadline(w->b.links) <= w->now);
    links_tick(w->b.links, w->now);
    assert_int_equal(links_stats(w->b.links)->inits_out, 2);
    links_tick(w->b.links, w->now);
    assert_int_equal(links_stats(w->b.links)->inits_out, 2);
    world_free(w);
}

/* Beside somebody who takes many addresses of the same network: the link goes
 * that carries least. */
static void test_link_share_of_a_neighbour_in_the_same_site(void **state)
{
    struct world *w = full_world_new();
    struct endpoint relay = {.addr = {8, 8, 8, 200}, .port = 7881};

    (void)state;
    assert_true(comes_in(w, &relay));
    for (int i = 0; i < 100; i++)
        link_hold(w->b.up_link);
    w->now += TIME_S;
    for (unsigned i = 0; i < MAX; i++) {
        struct endpoint ep = {.addr = {8, 8, 8, (uint8_t)i}, .port = 7881};

        comes_in(w, &ep);
        links_visit(w->b.links, hold, &ep);
    }
    for (uint8_t i = 0; i < 32; i++) {
        struct endpoint ep = ep4((uint8_t)(9 + i), i);

        assert_true(comes_in(w, &ep));
    }
    assert_int_equal(links_of(w, &relay), 1);
    world_free(w);
}

/* INITs of one address whose link is never used: whoever is slow to use his
 * finds it still there. */
static void test_link_share_of_half_open_links(void **state)
{
    struct world *w = full_world_new();
    struct endpoint slow = ep4(9, 1);
    struct packet init, accept;

    (void)state;
    w->a.ep = slow;
    open_link(w);
    init = w->queue[0];
    w->count = 0;
    assert_int_equal(deliver(&w->b, &init), OK);
    accept = w->queue[0];
    for (unsigned i = 0; i < 10 * HALF; i++) {
        init.from = home((uint8_t)(i % 4), (uint8_t)i, (uint16_t)(1000 + i));
        deliver(&w->b, &init);
        w->count = 0;
        assert_true(links_count(w->b.links) <= MAX + HALF);
    }
    assert_int_equal(deliver(&w->a, &accept), OK);
    settle(w);
    assert_int_equal(w->a.ups, 1);
    assert_int_equal(w->b.ups, 1);
    world_free(w);
}

/* What an INIT says of its source is not proven: it takes no place of a link
 * that is up, however many come. */
static void test_link_share_is_not_taken_by_inits(void **state)
{
    struct world *w = full_world_new();
    struct packet init;

    (void)state;
    for (unsigned i = 0; i < MAX; i++) {
        struct endpoint ep = ep4(9, (uint8_t)(i / 2));

        ep.port = (uint16_t)(1000 + i);
        assert_true(comes_in(w, &ep));
    }
    w->now += TIME_S * 10;
    open_link(w);
    init = w->queue[0];
    for (unsigned i = 0; i < 10 * MAX; i++) {
        init.from = ep4((uint8_t)(20 + (i >> 8)), (uint8_t)i);
        deliver(&w->b, &init);
        w->count = 0;
    }
    assert_int_equal(w->b.downs, 0);
    world_free(w);
}

/* With the lowest rates, too, load makes the rate for those without a cookie
 * lower, down to a 64th, and never higher. */
static void test_link_share_of_the_lowest_rate_under_load(void **state)
{
    struct world *w = world_new();
    struct link_config c = config();

    (void)state;
    c.handshake_rate = c.handshake_burst = c.proven_rate = 1;
    node_start(&w->b, &c);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t before = w->b.links->free_rate.interval;

        links_set_load(w->b.links, LIMITER_LOAD_MAX);
        assert_true(w->b.links->free_rate.interval >= before);
    }
    assert_int_equal(w->b.links->free_rate.interval, 64 * TIME_S);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_share_of_one_line),
        cmocka_unit_test(test_link_share_of_links_in_use),
        cmocka_unit_test(test_link_share_of_our_own),
        cmocka_unit_test(test_link_share_of_links_in_common),
        cmocka_unit_test(test_link_share_wanted_by_us_too),
        cmocka_unit_test(test_link_share_of_a_neighbour_in_the_same_site),
        cmocka_unit_test(test_link_share_of_half_open_links),
        cmocka_unit_test(test_link_share_is_not_taken_by_inits),
        cmocka_unit_test(test_link_share_of_the_lowest_rate_under_load),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
