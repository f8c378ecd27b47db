/* SPDX-License-Identifier: MIT
 *
 * What a client in the simulated network learns of relays by using them, and
 * whom it chooses then.
 */
#include "../sim_tunnel_test.h"
#include "policy_data.h"

#include <sodium.h>

#define TESTS  60
#define ROUNDS 60

/* ---- Speed tests -------------------------------------------------------- */

/* Every second relay that is no guard carries 40 kB/s, and has said nothing
 * of it. */
static void throttle(struct world *w, bool *slow)
{
    struct member_config c;

    member_config_init(&c);
    c.queue.bandwidth = 40000;
    c.queue.bandwidth_burst = 16384;
    for (uint32_t i = 0; i < RELAYS; i += 2) {
        if (is_guard(w, i))
            continue;
        slow[i] = true;
        assert_int_equal(
            member_reconfigure(resident_of(w, i)->member, &c, sim_now(w->sim)),
            OK);
    }
}

/* Before its view is complete a client's guards are not for good. */
static void wait_for_guards(struct world *w)
{
    unsigned guards = 0;

    for (int minutes = 0; guards == 0; minutes++) {
        assert_true(minutes < 60);
        sim_run_for(w->sim, TIME_MIN);
        for (uint32_t i = 0; i < RELAYS; i++)
            guards += is_guard(w, i) && !known_of(w, i)->provisional;
    }
    print_message("  %u guards\n", guards);
}

static void test_one(struct world *w)
{
    struct sim_tunnel *client = client_of(w);
    uint32_t id;

    if (member_active(client->member, HOPS, &id, 1) == 0)
        return;
    assert_int_equal(
        member_speedtest(client->member, id, 4 * TIME_S, sim_now(w->sim)), OK);
    sim_wake(w->sim, client->node);
    sim_run_for(w->sim, 10 * TIME_S);
}

static unsigned count_measured(const struct member *t)
{
    const struct directory *d = member_directory(t);
    unsigned n = 0;

    for (unsigned i = 0; i < directory_count(d); i++)
        n += directory_at(d, i)->record.capacity != 0;
    return n;
}

/* In one network, whose seed is so much later. */
static void compare(struct world *w, uint64_t later, struct tally *before,
                    struct tally *after)
{
    bool slow[CLIENT] = {false};
    struct tally was, is;

    world_global(w);
    w->config.seed += later;
    world_start(w);
    community(w, 0);
    sim_tunnel_build(w->sim, client_of(w)->node, HOPS);
    wait_for_guards(w);
    throttle(w, slow);
    was = tally(w, slow, ROUNDS);
    for (unsigned i = 0; i < TESTS; i++) {
        test_one(w);
        renew(w, 5 * TIME_S);
    }
    is = tally(w, slow, ROUNDS);
    print_message("  slow ones in the middle: %u of %u, then %u of %u; %u are "
                  "measured\n",
                  was.marked_middles, was.middles, is.marked_middles,
                  is.middles, count_measured(client_of(w)->member));
    assert_true(was.middles >= ROUNDS && is.middles >= ROUNDS);
    before->marked_middles += was.marked_middles;
    after->marked_middles += is.marked_middles;
    world_end(w);
}

/* Of three networks: in one of five the last hop is slow so often that what is
 * in the middle hardly shows. */
static void test_sim_tunnel_paths_prefer_what_was_fast(void **state)
{
    struct tally before = {0}, after = {0};

    (void)state;
    for (uint64_t i = 0; i < 3; i++)
        compare(&world, i, &before, &after);
    assert_true(after.marked_middles * 2 <= before.marked_middles);
}

/* ---- Exits -------------------------------------------------------------- */

/* The exits' policies, by their place; they publish them anew. */
static void set_policies(struct world *w, const char *const lines[EXITS],
                         const char *const tcp[EXITS])
{
    for (uint32_t i = 0; i < EXITS; i++) {
        struct sim_tunnel *n = resident_of(w, RELAYS + i);
        struct endpoint own;

        assert_true(sim_endpoint(w->sim, n->node, FAMILY_IPV4, &own));
        test_policy_add(&n->policy, lines[i]);
        test_policy_add(&n->tcp_policy, tcp[i]);
        member_set_addresses(n->member, &own, 1, 0, sim_now(w->sim));
        sim_wake(w->sim, n->node);
    }
}

static void exits_start_both(struct world *w, const char *const lines[EXITS],
                             const char *const tcp[EXITS])
{
    world_global(w);
    world_start(w);
    community(w, 0);
    set_policies(w, lines, tcp);
    sim_run_for(w->sim, TIME_MIN);
    sim_tunnel_build(w->sim, client_of(w)->node, HOPS);
    sim_run_for(w->sim, TIME_MIN);
    assert_true(member_ready(client_of(w)->member) >= 1.0);
}

static void exits_start(struct world *w, const char *const lines[EXITS])
{
    exits_start_both(w, lines, lines);
}

/* An exit that sends nowhere is none, unless there are no others: it may send
 * to a network that its summary does not name. */
static void test_sim_tunnel_paths_end_at_exits_that_send(void **state)
{
    static const char *const one[EXITS] = {"reject *", "accept *:53",
                                           "reject *", "reject *"};
    static const char *const none[EXITS] = {"reject *", "reject *", "reject *",
                                            "reject *"};
    const bool marked[CLIENT] = {[RELAYS + 1] = true};
    struct member_wish wish = {.port = 53};
    struct world *w = &world;
    struct tally t;
    uint32_t id;

    (void)state;
    exits_start(w, one);
    t = tally(w, marked, 10);
    assert_true(t.exits >= 10);
    assert_int_equal(t.marked_exits, t.exits);
    world_end(w);
    exits_start(w, none);
    t = tally(w, marked, 10);
    assert_true(t.exits >= 10);
    assert_int_equal(
        member_open(client_of(w)->member, HOPS, &wish, sim_now(w->sim), &id),
        ERR_NO_NODES);
    wish.port = 0;
    assert_int_equal(
        member_open(client_of(w)->member, HOPS, &wish, sim_now(w->sim), &id),
        OK);
    world_end(w);
}

/* Opens until there is no room; how many, and all are as was wished. */
static unsigned open_all(struct world *w, const struct member_wish *wish,
                         const uint8_t exit[32])
{
    struct sim_tunnel *client = client_of(w);
    uint32_t id = 0;
    unsigned n = 0;
    enum error e;

    while ((e = member_open(client->member, HOPS, wish, sim_now(w->sim),
                            &id)) == OK) {
        uint8_t got[32];

        assert_true(member_exit_of(client->member, id, got));
        assert_memory_equal(got, exit, 32);
        assert_true(member_sends_to(client->member, id, wish->port));
        n++;
    }
    assert_int_equal(e, ERR_FULL);
    sim_wake(w->sim, client->node);
    return n;
}

static const uint8_t *identity_of(struct world *w, uint32_t member)
{
    const struct known_relay *k = known_of(w, member);

    assert_non_null(k);
    return k->d.identity;
}

static void test_sim_tunnel_paths_to_an_exit_for_a_port(void **state)
{
    static const char *const lines[EXITS] = {
        "reject *:9", "accept *:53, reject *", "reject *:9", "accept *"};
    struct member_wish wish = {.port = 9};
    struct world *w = &world;
    struct sim_tunnel *client;
    uint8_t avoid[2][32];
    uint32_t id;

    (void)state;
    exits_start(w, lines);
    client = client_of(w);
    assert_int_equal(open_all(w, &wish, identity_of(w, RELAYS + 3)), 30);
    sim_run_for(w->sim, 10 * TIME_S);
    assert_int_equal(member_active(client->member, HOPS, NULL, 0), 32);
    renew(w, TIME_S);
    memcpy(avoid[0], identity_of(w, RELAYS + 3), 32);
    wish.avoid = (const uint8_t(*)[32])avoid;
    wish.avoid_count = 1;
    assert_int_equal(
        member_open(client->member, HOPS, &wish, sim_now(w->sim), &id),
        ERR_NO_NODES);
    wish.port = 53;
    memcpy(avoid[0], identity_of(w, RELAYS), 32);
    memcpy(avoid[1], identity_of(w, RELAYS + 2), 32);
    wish.avoid_count = 2;
    assert_int_equal(
        member_open(client->member, 0, &wish, sim_now(w->sim), &id), ERR_RANGE);
    assert_int_equal(
        member_open(client->member, HOPS, &wish, sim_now(w->sim), &id), OK);
    assert_true(member_sends_to(client->member, id, 53));
    assert_false(member_sends_to(client->member, id + 1, 53));
    assert_false(member_exit_of(client->member, id + 1, avoid[0]));
    world_end(w);
}

/* One wish after the other is for the exit whose streams go there. */
static void test_sim_tunnel_paths_to_an_exit_of_streams(void **state)
{
    static const char *const udp[EXITS] = {"accept *", "accept *", "accept *",
                                           "reject *"};
    static const char *const tcp[EXITS] = {"reject *", "accept *:53, reject *",
                                           "reject *", "reject *:53"};
    struct member_wish wish = {.protocol = MEMBER_TCP, .port = 53};
    struct world *w = &world;
    const struct member *client;
    uint8_t got[32];
    uint32_t id;

    (void)state;
    exits_start_both(w, udp, tcp);
    client = client_of(w)->member;
    for (unsigned i = 0; i < 6; i++) {
        uint32_t exit = RELAYS + (wish.port == 53 ? 1 : 3);

        assert_int_equal(member_open(client_of(w)->member, HOPS, &wish,
                                     sim_now(w->sim), &id),
                         OK);
        assert_true(member_exit_of(client, id, got));
        assert_memory_equal(got, identity_of(w, exit), 32);
        assert_true(member_connects_to(client, id, wish.port));
        assert_false(member_connects_to(client, id, wish.port == 53 ? 9 : 53));
        assert_int_equal(member_sends_to(client, id, 9), wish.port == 53);
        wish.port = wish.port == 53 ? 9 : 53;
    }
    assert_false(member_connects_to(client, id + 1, 53));
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_paths_prefer_what_was_fast),
        cmocka_unit_test(test_sim_tunnel_paths_end_at_exits_that_send),
        cmocka_unit_test(test_sim_tunnel_paths_to_an_exit_for_a_port),
        cmocka_unit_test(test_sim_tunnel_paths_to_an_exit_of_streams),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
