/* SPDX-License-Identifier: MIT
 *
 * Relays of a service die under load: its rendezvous, its introduction points
 * one by one and all at once. The channel goes on, the application is told of
 * its peer once, and newcomers find the way.
 */
#include "service_world.h"

#define RELAYING  30
#define SERVER    RELAYING
#define NEWCOMERS 6
#define EACH      (50 * TIME_MS)

static const uint8_t seed[32] = {31, 1};

static struct hearer *host, *client;
static unsigned newcomers;

static void begin_in(struct world *w)
{
    const struct service_options options = {.hops = 3};

    world_of(w, RELAYING, 2 + NEWCOMERS);
    newcomers = 0;
    host = listen_to(w, w->net.members[SERVER]);
    client = listen_to(w, w->net.members[SERVER + 1]);
    host->answers = true;
    serve(host, seed, &options, NULL);
    wait_until_verified(w, host);
    reach(client, status_of(host).key, 3);
    assert_answered(w, client, "the client", TIME_MIN);
    traffic_begin(client, host, EACH);
    sim_run_for(w->sim, 5 * TIME_S);
    traffic_gap();
}

static void begin(struct world *w)
{
    world_global(w);
    begin_in(w);
}

static void newcomer(struct world *w, const char *when)
{
    struct hearer *h = listen_to(w, w->net.members[SERVER + 2 + newcomers++]);

    reach(h, status_of(host).key, 3);
    assert_answered(w, h, when, 2 * TIME_MIN);
}

static void check_one_peer(void)
{
    assert_int_equal(client->peers, 1);
    assert_int_equal(client->gone, 0);
    assert_int_equal(host->peers, 1 + newcomers);
    assert_int_equal(host->gone, 0);
}

/* Where all points die at once, a way back may die too: with one seed of six a
 * channel ends, and its peers meet anew. */
static void check_few_lost(void)
{
    assert_in_range(client->gone, 0, 1);
    assert_in_range(host->gone, 0, 1);
    assert_int_equal(client->peers, 1 + client->gone);
    assert_in_range(host->peers, 1 + newcomers, 2 + newcomers);
}

/* What tells that a relay is gone is that it is silent, and that the others do
 * not know it either: of 24 relays the dead one may also be on the way of the
 * next attempts, at either end. */
static void test_sim_service_rendezvous_dies(void **state)
{
    struct world *w = &world;
    unsigned quick = 0;
    uint64_t gap;

    (void)state;
    begin(w);
    for (unsigned i = 0; i < 4; i++) {
        struct circuit *c = circuit_to_peer(client);

        assert_non_null(c);
        kill_member(w, last_hop_of(c));
        sim_run_for(w->sim, 40 * TIME_S);
        gap = traffic_gap();
        print_message("  rendezvous %u dead: a gap of %.2f s, %u refused\n", i,
                      (double)gap / 1e9, traffic.refused);
        assert_at_most(gap / TIME_MS, 40000);
        quick += gap <= 15 * TIME_S;
        check_one_peer();
    }
    assert_at_least(quick, 2);
    newcomer(w, "after all rendezvous");
    traffic_end(w);
    assert_int_equal(traffic.twice, 0);
    check_one_peer();
    world_end(w);
}

/* Where round trips take a few milliseconds, it is noticed in as little, and
 * long before the channel would give its leg up. */
static void test_sim_service_rendezvous_dies_nearby(void **state)
{
    struct world *w = &world;
    const struct service_peer *peer;
    uint64_t at, gap;

    (void)state;
    world_global(w);
    w->config.latency = (struct sim_latency){
        .base = TIME_MS, .access = TIME_MS / 2, .distance = TIME_MS};
    begin_in(w);
    peer = services_of(client)->peers[0];
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(channel_stats(peer->channel)->doubts, i);
        kill_member(w, last_hop_of(circuit_to_peer(client)));
        at = sim_now(w->sim);
        while (channel_stats(peer->channel)->doubts == i &&
               sim_now(w->sim) < at + TIME_S)
            sim_run_for(w->sim, TIME_MS);
        print_message("  in doubt after %u ms\n",
                      (unsigned)((sim_now(w->sim) - at) / TIME_MS));
        assert_at_most((sim_now(w->sim) - at) / TIME_MS, 300);
        sim_run_for(w->sim, 60 * TIME_S);
        gap = traffic_gap();
        print_message("  a gap of %.2f s\n", (double)gap / 1e9);
    }
    traffic_end(w);
    check_one_peer();
    world_end(w);
}

/* Stems that lead through it lead nowhere now, and nobody knows it yet. */
static void test_sim_service_own_hops_die(void **state)
{
    struct world *w = &world;
    struct hearer *comes[NEWCOMERS];
    uint64_t at, longest = 0;
    unsigned answered = 0;

    (void)state;
    begin(w);
    for (unsigned i = 0; i < NEWCOMERS; i++) {
        comes[i] = listen_to(w, w->net.members[SERVER + 2 + i]);
        reach(comes[i], status_of(host).key, 3);
    }
    kill_member(
        w, member_of(services_layer2(services_of(host))->list[0].identity));
    at = sim_now(w->sim);
    for (unsigned t = 0; t < 40 && answered < NEWCOMERS; t++) {
        for (unsigned i = 0; i < NEWCOMERS; i++)
            if (comes[i]->data == 0 && t % 2 == 0)
                try_to_say(comes[i], "hello");
        sim_run_for(w->sim, TIME_S);
        answered = 0;
        for (unsigned i = 0; i < NEWCOMERS; i++)
            answered += comes[i]->data > 0;
    }
    longest = sim_now(w->sim) - at;
    print_message("  %u of %u newcomers answered after %.0f s\n", answered,
                  NEWCOMERS, (double)longest / 1e9);
    assert_int_equal(answered, NEWCOMERS);
    traffic_end(w);
    world_end(w);
}

/* As many as there should be, all of them alive. */
static bool has_points(void)
{
    unsigned points[8], n = points_of(host, points, 8);

    for (unsigned i = 0; i < n; i++)
        if (!is_alive(&world, points[i]))
            return false;
    return n >= 3;
}

static void test_sim_service_points_die(void **state)
{
    struct world *w = &world;
    unsigned points[8] = {0}, n, lost;
    uint64_t published, at, gap, gaps = 0;

    (void)state;
    begin(w);
    for (unsigned round = 0; round < 4; round++) {
        assert_true(run_until(w, has_points, TIME_MIN));
        n = points_of(host, points, 8);
        published = status_of(host).published_at;
        for (unsigned i = 0; i < (round < 3 ? 1 : n); i++)
            kill_member(w, points[i]);
        at = sim_now(w->sim);
        newcomer(w, round < 3 ? "one point dead" : "all points dead");
        assert_true(run_until(w, has_points, 2 * TIME_MIN));
        gap = traffic_gap();
        gaps += gap;
        print_message("  points again after %.1f s, gap %.2f s\n",
                      (double)(sim_now(w->sim) - at) / 1e9, (double)gap / 1e9);
        sim_run_for(w->sim, 30 * TIME_S);
        assert_true(status_of(host).published_at > published);
        check_few_lost();
    }
    newcomer(w, "with other points");
    gaps += traffic_gap();
    lost = traffic_end(w);
    print_message("  %u of %u lost\n", lost, traffic.next);
    assert_at_most(lost * EACH, gaps); /* what went where nobody is any more */
    check_few_lost();
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_rendezvous_dies),
        cmocka_unit_test(test_sim_service_rendezvous_dies_nearby),
        cmocka_unit_test(test_sim_service_own_hops_die),
        cmocka_unit_test(test_sim_service_points_die),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
