/* SPDX-License-Identifier: MIT
 *
 * All introduction points of a service die at the same moment and stay dead, as
 * demo/services.py has it: in a network so small that most hops of its paths
 * are among them, and those that are left may be one relay in two places. Other
 * points are established, and the DHT is told of them, in time for a newcomer.
 */
#include "service_world.h"

#define RELAYING    12
#define EXITING     14 /* these and all before them are relays */
#define CLIENT_AT   14
#define NEWCOMER_AT 15
#define SERVER_AT   18
#define MEMBERS     20

#define SEEDS        16
#define REPLACED_IN  (30 * TIME_S)
#define COMPLETED_IN (60 * TIME_S)
#define ANSWERED_IN  (90 * TIME_S)

static struct hearer *host;
static unsigned victims[SERVICE_POINTS_MAX], victim_count;
static uint64_t killed_at;

/* ---- The network -------------------------------------------------------- */

/* Nobody waits until all is known: it is as young as the demo's. */
static void begin(struct world *w, uint64_t seed)
{
    world_init(w);
    w->config.seed += seed;
    w->config.refuses = true;
    w->config.latency = (struct sim_latency){
        .base = 100 * TIME_US, .access = 50 * TIME_US, .jitter = 100 * TIME_US};
    world_start(w);
    hearer_count = 0;
    world_grow(w, MEMBERS, 2 * TIME_MS);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct member_config c;

        member_config_init(&c);
        c.become_exitnode = i >= RELAYING && i < EXITING;
        if (i >= EXITING)
            c.max_relays_or_exits = 0;
        assert_int_equal(sim_tunnel_add(w->sim, w->net.members[i], &c, 0), OK);
        sim_wake(w->sim, w->net.members[i]);
    }
    learn_identities(w);
    sim_run_for(w->sim, 5 * TIME_S);
}

static bool is_published(void)
{
    return status_of(host).published;
}

static void serve_and_ask(struct world *w, unsigned hops)
{
    static const uint8_t seed[32] = {35, 1};
    const struct service_options options = {.hops = hops};
    struct hearer *client;

    host = listen_to(w, w->net.members[SERVER_AT]);
    client = listen_to(w, w->net.members[CLIENT_AT]);
    host->answers = true;
    serve(host, seed, &options, NULL);
    assert_true(run_until(w, is_published, 10 * TIME_S));
    reach(client, status_of(host).key, hops);
    assert_answered(w, client, "the client", TIME_MIN);
}

/* ---- Its points --------------------------------------------------------- */

static bool is_victim(unsigned member)
{
    for (unsigned i = 0; i < victim_count; i++)
        if (victims[i] == member)
            return true;
    return false;
}

static unsigned others(void)
{
    unsigned points[2 * SERVICE_POINTS_MAX], count = 0;
    unsigned n = points_of(host, points, 2 * SERVICE_POINTS_MAX);

    for (unsigned i = 0; i < n; i++)
        count += !is_victim(points[i]);
    return count;
}

static bool are_replaced(void)
{
    return others() > 0 && status_of(host).published_at > killed_at;
}

static bool are_all_there(void)
{
    return others() == status_of(host).points_wanted;
}

static void kill_points(struct world *w)
{
    victim_count = points_of(host, victims, SERVICE_POINTS_MAX);
    assert_int_equal(victim_count, SERVICE_POINTS);
    killed_at = sim_now(w->sim);
    for (unsigned i = 0; i < victim_count; i++)
        kill_member(w, victims[i]);
}

static void wait_until(struct world *w, const char *what, bool (*done)(void),
                       uint64_t max)
{
    if (!run_until(w, done, max)) {
        print_hearer(host);
        fail_msg("not %s", what);
    }
    print_message("  %s after %.1f s\n", what,
                  (double)(sim_now(w->sim) - killed_at) / 1e9);
}

static void all_die(uint64_t seed, unsigned hops)
{
    struct world *w = &world;
    struct hearer *newcomer;

    begin(w, seed);
    serve_and_ask(w, hops);
    kill_points(w);
    wait_until(w, "replaced", are_replaced, REPLACED_IN);
    newcomer = listen_to(w, w->net.members[NEWCOMER_AT]);
    reach(newcomer, status_of(host).key, hops);
    assert_answered(w, newcomer, "a newcomer", ANSWERED_IN);
    wait_until(w, "complete", are_all_there, COMPLETED_IN);
    world_end(w);
}

static void test_all_points_die_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        all_die(seed, 3);
}

static void test_all_points_of_shorter_paths_die(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS / 2; seed++)
        all_die(seed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_points_die_at_once),
        cmocka_unit_test(test_all_points_of_shorter_paths_die),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
