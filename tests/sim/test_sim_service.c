/* SPDX-License-Identifier: MIT
 *
 * A service with a key in a network without an exit: published, found, reached,
 * and reached again when relays die.
 */
#include "sim_service_test.h"

#include <sodium.h>

static const uint8_t seed[32] = {1, 2, 3};

static struct hearer *host, *client;

static void begin(struct world *w, unsigned hops)
{
    struct service_options options = {.hops = hops};

    world_global(w);
    world_start(w);
    exitless(w, 24, 2);
    host = listen_to(w, w->net.members[24]);
    client = listen_to(w, w->net.members[25]);
    host->answers = true;
    serve(host, seed, &options, NULL);
}

static bool is_verified(void)
{
    struct service_status s = status_of(host);

    return s.published && s.verified && s.reachable;
}

static bool has_answer(void)
{
    return client->data > 0;
}

static void print_status(const struct hearer *h)
{
    struct service_status s = status_of(h);

    print_message("  %s: points %u of %u, peers %u, published %d, verified "
                  "%d, reachable %d\n",
                  service_problem_name(s.problem), s.points, s.points_wanted,
                  s.peers, s.published, s.verified, s.reachable);
}

static void test_sim_service_is_published_and_reached(void **state)
{
    struct world *w = &world;
    uint64_t at;

    (void)state;
    for (unsigned hops = 1; hops <= SERVICE_HOPS_MAX; hops++) {
        begin(w, hops);
        at = sim_now(w->sim);
        if (!run_until(w, is_verified, 3 * TIME_MIN)) {
            print_status(host);
            fail_msg("not published with %u hops", hops);
        }
        print_message("  %u hops: verified after %.1f s\n", hops,
                      (double)(sim_now(w->sim) - at) / 1e9);
        reach(client, status_of(host).key, hops);
        at = sim_now(w->sim);
        say(client, "hello");
        if (!run_until(w, has_answer, TIME_MIN)) {
            print_status(client);
            fail_msg("no answer");
        }
        print_message("  answered after %.1f s\n",
                      (double)(client->data_at - at) / 1e9);
        assert_int_equal(client->peers, 1);
        assert_int_equal(host->peers, 1);
        assert_memory_equal(client->last, "hello", 5);
        world_end(w);
    }
}

static bool is_gone(void)
{
    return client->gone > 0;
}

/* Who is connected hears at once that a service ends. */
static void test_sim_service_says_that_it_ends(void **state)
{
    struct world *w = &world;

    (void)state;
    begin(w, 3);
    assert_true(run_until(w, is_verified, 3 * TIME_MIN));
    reach(client, status_of(host).key, 3);
    say(client, "hello");
    assert_true(run_until(w, has_answer, TIME_MIN));
    assert_int_equal(
        service_leave(services_of(host), host->service, false, sim_now(w->sim)),
        OK);
    sim_wake(w->sim, host->n->node);
    assert_true(run_until(w, is_gone, 5 * TIME_S));
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_is_published_and_reached),
        cmocka_unit_test(test_sim_service_says_that_it_ends),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
