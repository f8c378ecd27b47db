/* SPDX-License-Identifier: MIT
 *
 * Members of a string in a network without an exit: they find each other, each
 * peer is told of once, and who leaves is gone.
 */
#include "sim_service_test.h"

#include <sodium.h>

#define RELAYING 24
#define MEMBERS  20

static struct hearer *members[MEMBERS];

static void join(struct hearer *h, const char *string, uint8_t number,
                 const struct service_options *options)
{
    uint8_t secret[32] = {number, 7};

    assert_int_equal(service_join(services_of(h), bytes_of_text(string), secret,
                                  options, NULL, sim_now(h->n->sim),
                                  &h->service),
                     OK);
    sim_wake(h->n->sim, h->n->node);
}

/* How many others each has as peers, least and in all. */
static unsigned found(unsigned count, unsigned *least)
{
    unsigned sum = 0;

    *least = UINT32_MAX;
    for (unsigned i = 0; i < count; i++) {
        unsigned peers = status_of(members[i]).peers;

        sum += peers;
        *least = peers < *least ? peers : *least;
    }
    return sum;
}

static void print_all(const struct world *w, uint64_t since, unsigned count)
{
    unsigned least, sum = found(count, &least), points = 0, seen = 0,
                    others = 0;
    double size = 0;

    for (unsigned i = 0; i < count; i++) {
        struct service_status s = status_of(members[i]);

        points += s.points;
        seen += s.members;
        others += s.others;
        size += s.size;
    }
    print_message("  %5.1f s: peers %.1f (least %u), seen %.1f of %u, points "
                  "%.1f, of others %.1f, size %.1f\n",
                  (double)(sim_now(w->sim) - since) / 1e9, (double)sum / count,
                  least, (double)seen / count, count - 1,
                  (double)points / count, (double)others / count, size / count);
}

/* What the network is like is in w->config. */
static void begin(struct world *w, uint32_t relays, unsigned count)
{
    const struct service_options options = {.hops = 3};

    world_start(w);
    exitless(w, relays, count + 1);
    for (unsigned i = 0; i < count; i++) {
        members[i] = listen_to(w, w->net.members[relays + i]);
        join(members[i], "a string", (uint8_t)i, &options);
    }
}

static unsigned counted;

static bool most_found(void)
{
    unsigned least;

    found(counted, &least);
    return least >= 16;
}

static bool all_found(void)
{
    unsigned least;

    found(counted, &least);
    return least >= counted - 1;
}

/* Peers that it was told of, and not that they were gone. */
static void check_told(const struct hearer *h, unsigned others)
{
    assert_int_equal(h->peers - h->gone, others);
    assert_in_range(h->gone, 0, 2); /* both opened a channel */
    assert_int_equal(h->problem, SERVICE_FINE);
}

/* 80 % of 20 within a minute, at the latencies of the internet; each is told of
 * each other once. Who leaves is gone, and who only looks finds how many there
 * are, and is not found. */
static void test_sim_swarm_finds_members(void **state)
{
    const struct service_options looks = {.hops = 3, .observer = true};
    struct world *w = &world;
    struct hearer *observer;
    struct service_status s;
    uint64_t at;

    (void)state;
    counted = MEMBERS;
    world_global(w);
    begin(w, RELAYING, MEMBERS);
    at = sim_now(w->sim);
    assert_true(run_until(w, most_found, TIME_MIN));
    print_all(w, at, MEMBERS);
    assert_true(run_until(w, all_found, 2 * TIME_MIN));
    print_all(w, at, MEMBERS);
    sim_run_for(w->sim, 30 * TIME_S);
    for (unsigned i = 0; i < MEMBERS; i++)
        check_told(members[i], MEMBERS - 1);

    observer = listen_to(w, w->net.members[RELAYING + MEMBERS]);
    join(observer, "a string", 99, &looks);
    sim_run_for(w->sim, TIME_MIN);
    s = status_of(observer);
    assert_in_range(s.members, 16, MEMBERS);
    assert_true(s.size > 18 && s.size < 22 && s.spread < 4);
    assert_int_equal(s.peers + s.points, 0);
    assert_int_equal(s.entries_refused, 0);
    assert_int_equal(s.problem, SERVICE_FINE);

    assert_int_equal(service_leave(services_of(members[0]), members[0]->service,
                                   true, sim_now(w->sim)),
                     OK);
    sim_wake(w->sim, members[0]->n->node);
    sim_run_for(w->sim, 90 * TIME_S);
    for (unsigned i = 1; i < MEMBERS; i++)
        assert_int_equal(status_of(members[i]).peers, MEMBERS - 2);
    world_end(w);
}

/* With all on one machine, within ten seconds. */
static void test_sim_swarm_nearby(void **state)
{
    struct world *w = &world;
    uint64_t at;

    (void)state;
    counted = MEMBERS;
    world_global(w);
    w->config.latency = (struct sim_latency){.base = 50 * TIME_US};
    begin(w, RELAYING, MEMBERS);
    at = sim_now(w->sim);
    assert_true(run_until(w, most_found, 10 * TIME_S));
    print_all(w, at, MEMBERS);
    world_end(w);
}

static bool nobody_twice(void)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        if (members[i]->peers - members[i]->gone >= MEMBERS)
            return false;
    return true;
}

/* A tenth is lost, or comes twice, or late: it takes longer, and nobody has
 * anybody twice, but for the seconds until the older one is gone. */
static void test_sim_swarm_through_loss(void **state)
{
    struct world *w = &world;
    struct sim_config config;
    uint64_t at;

    (void)state;
    counted = MEMBERS;
    world_global(w);
    begin(w, RELAYING, MEMBERS);
    config = w->config;
    config.loss = config.duplicate = config.reorder = 0.1;
    config.reorder_delay = 100 * TIME_MS;
    sim_reconfigure(w->sim, &config);
    at = sim_now(w->sim);
    assert_true(run_until(w, most_found, 2 * TIME_MIN));
    print_all(w, at, MEMBERS);
    sim_run_for(w->sim, TIME_MIN);
    print_all(w, at, MEMBERS);
    assert_true(run_until(w, nobody_twice, 15 * TIME_S));
    for (unsigned i = 0; i < MEMBERS; i++)
        assert_in_range(members[i]->peers - members[i]->gone, 15, MEMBERS - 1);
    world_end(w);
}

/* Nobody else has this string. */
static void test_sim_swarm_alone(void **state)
{
    struct world *w = &world;

    (void)state;
    world_global(w);
    begin(w, 12, 1);
    sim_run_for(w->sim, 3 * TIME_MIN);
    assert_int_equal(status_of(members[0]).problem, SERVICE_ALONE);
    assert_int_equal(status_of(members[0]).points, 3);
    assert_int_equal(members[0]->peers, 0);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_swarm_finds_members),
        cmocka_unit_test(test_sim_swarm_nearby),
        cmocka_unit_test(test_sim_swarm_through_loss),
        cmocka_unit_test(test_sim_swarm_alone),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
