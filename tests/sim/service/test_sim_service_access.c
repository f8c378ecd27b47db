/* SPDX-License-Identifier: MIT
 *
 * Who may know: access secrets, given and taken away; a service that is no
 * more, and says so; a machine that has slept, or is somewhere else now.
 */
#include "service_world.h"

#define RELAYING 24
#define SERVER   RELAYING

static const uint8_t seed[32] = {35, 1};
static const uint8_t secrets[3][32] = {{1}, {2}, {3}};

static struct hearer *host;

static void begin(struct world *w, uint32_t others,
                  const struct service_options *options)
{
    world_global(w);
    world_of(w, RELAYING, 1 + others);
    host = listen_to(w, w->net.members[SERVER]);
    host->answers = true;
    serve(host, seed, options, NULL);
    wait_until_verified(w, host);
}

static struct hearer *with_secret(struct world *w, unsigned number,
                                  const uint8_t secret[32])
{
    struct hearer *h = listen_to(w, w->net.members[SERVER + 1 + number]);

    assert_int_equal(service_reach(services_of(h), status_of(host).key, secret,
                                   2, sim_now(w->sim), &h->service),
                     OK);
    sim_wake(w->sim, h->n->node);
    return h;
}

static void check_does_not_find(struct world *w, struct hearer *h,
                                enum service_problem why)
{
    if (time_to_answer(w, h, "hello", 40 * TIME_S) != TIME_NEVER)
        fail_msg("it was answered");
    for (unsigned i = 0; i < 90 && status_of(h).problem == SERVICE_STARTING;
         i++)
        sim_run_for(w->sim, TIME_S);
    print_message("  %s\n", service_problem_name(status_of(h).problem));
    assert_int_equal(status_of(h).problem, why);
    assert_int_equal(h->peers, 0);
}

static void test_sim_service_access(void **state)
{
    const struct service_options options = {
        .hops = 2, .access = secrets, .access_count = 2};
    const struct service_options fewer = {
        .hops = 2, .access = secrets + 1, .access_count = 1};
    struct world *w = &world;

    (void)state;
    begin(w, 6, &options);
    assert_answered(w, with_secret(w, 0, secrets[0]), "the first", TIME_MIN);
    assert_answered(w, with_secret(w, 1, secrets[1]), "the second", TIME_MIN);
    check_does_not_find(w, with_secret(w, 2, secrets[2]), SERVICE_NOT_FOUND);
    check_does_not_find(w, with_secret(w, 3, NULL), SERVICE_NOT_FOUND);

    /* taken away from the first */
    assert_int_equal(service_reconfigure(services_of(host), host->service,
                                         &fewer, sim_now(w->sim)),
                     OK);
    sim_wake(w->sim, host->n->node);
    sim_run_for(w->sim, TIME_MIN);
    wait_until_verified(w, host);
    assert_answered(w, with_secret(w, 4, secrets[1]), "the second", TIME_MIN);
    /* Its old descriptor is in the DHT yet, but the points are others. */
    check_does_not_find(w, with_secret(w, 5, secrets[0]), SERVICE_POINTS_FAIL);
    world_end(w);
}

/* ---- No more ------------------------------------------------------------ */

static void test_sim_service_withdrawn(void **state)
{
    const struct service_options options = {.hops = 2};
    struct world *w = &world;
    struct hearer *client, *newcomer;
    uint64_t at;

    (void)state;
    begin(w, 2, &options);
    client = with_secret(w, 0, NULL);
    assert_answered(w, client, "the client", TIME_MIN);
    newcomer = with_secret(w, 1, NULL);
    assert_int_equal(
        service_leave(services_of(host), host->service, true, sim_now(w->sim)),
        OK);
    sim_wake(w->sim, host->n->node);
    sim_run_for(w->sim, 30 * TIME_S);
    at = sim_now(w->sim);
    try_to_say(newcomer, "hello");
    while (status_of(newcomer).problem != SERVICE_WITHDRAWN &&
           sim_now(w->sim) - at < TIME_MIN)
        sim_run_for(w->sim, 100 * TIME_MS);
    print_message("  told after %.1f s that it is withdrawn\n",
                  (double)(sim_now(w->sim) - at) / 1e9);
    assert_int_equal(status_of(newcomer).problem, SERVICE_WITHDRAWN);
    assert_at_most((sim_now(w->sim) - at) / TIME_MS, 15000);
    sim_run_for(w->sim, 90 * TIME_S);
    assert_int_equal(client->gone, 1);
    world_end(w);
}

/* ---- A machine that moves ----------------------------------------------- */

static uint64_t woken_at;

/* On circuits that were made since. */
static bool points_are_new(void)
{
    const struct point_set *set = host_points(service_of(host)->host);
    const struct point *p;
    unsigned up = 0;

    for (unsigned i = 0; (p = points_at(set, i)) != NULL; i++)
        up += p->up && p->c != NULL && p->c->created_at >= woken_at;
    return up >= 3;
}

/* Its relays have forgotten its circuits meanwhile; it learns of it when it
 * wakes up. */
static void sleep_for(struct world *w, struct hearer *h, uint64_t time)
{
    static const bool ipv4[FAMILIES] = {[FAMILY_IPV4] = true};

    h->n->asleep = true;
    sim_run_for(w->sim, time);
    h->n->asleep = false;
    member_network_changed(h->n->member, ipv4, sim_now(w->sim));
    sim_wake(w->sim, h->n->node);
}

static void test_sim_service_sleeps(void **state)
{
    static const uint64_t times[] = {90 * TIME_S, 20 * TIME_MIN, 2 * TIME_HOUR};
    const struct service_options options = {.hops = 3};
    struct world *w = &world;
    struct hearer *client;
    uint64_t t;

    (void)state;
    begin(w, 4, &options);
    for (unsigned i = 0; i < 3; i++) {
        client = with_secret(w, i, NULL);
        sleep_for(w, host, times[i]);
        woken_at = sim_now(w->sim);
        assert_true(run_until(w, points_are_new, TIME_MIN));
        t = sim_now(w->sim) - woken_at;
        print_message("  slept %.0f s: at its points after %.1f s\n",
                      (double)times[i] / 1e9, (double)t / 1e9);
        assert_at_most(t / TIME_MS, 8000);
        assert_answered(w, client, "a client", 30 * TIME_S);
    }
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_access),
        cmocka_unit_test(test_sim_service_withdrawn),
        cmocka_unit_test(test_sim_service_sleeps),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
