/* SPDX-License-Identifier: MIT
 *
 * Work in tunnels among a few members: what has to come out is known.
 */
#include "tunnel_lab.h"

static void clients(struct lab *l, unsigned count)
{
    lab_init(l);
    l->scenario.tunnels.relays = 9;
    l->scenario.tunnels.exits = 3;
    l->scenario.tunnels.clients = count;
    l->scenario.tunnels.hops[2] = true;
    l->scenario.tunnels.rate = 2;
    l->scenario.tunnels.size = 100;
}

static void test_tunnel_work_clients_send(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;

    (void)state;
    clients(l, 2);
    lab_start(l);
    lab_run(l, 60);
    lab_print(l, "view after a minute", M_VIEW);
    assert_int_equal(m->of[M_VIEW], 2 * 12);
    l->measures = (struct measures){.hits = {0}};
    lab_run(l, 120);
    lab_print(l, "built", M_CIRCUIT_BUILT);
    lab_print_time(l, "built", M_CIRCUIT_TIME);
    lab_print(l, "answered", M_DATAGRAM_ANSWERED);
    lab_print_time(l, "answered", M_DATAGRAM_TIME);
    lab_print(l, "view", M_VIEW);
    assert_all(l, M_VIEW);
    assert_all(l, M_DATAGRAM_ANSWERED);
    assert_in_range(m->of[M_DATAGRAM_ANSWERED], 2 * 2 * 119, 2 * 2 * 121);
    assert_int_equal(m->of[M_DATAGRAM_TIME], m->of[M_DATAGRAM_ANSWERED]);
    /* Four crossings there and back at 10 to 130 ms, and the exit's. */
    assert_in_range(m->hits[M_DATAGRAM_TIME] / m->of[M_DATAGRAM_TIME],
                    4 * 10 * TIME_MS, 4 * 130 * TIME_MS);
    assert_int_equal(m->of[M_CIRCUIT_FIRST], 0);
    assert_int_equal(m->of[M_VIEW_HOSTILE], 0);
    lab_end(l);
}

/* Those who are gone count for nobody's view, and circuits over them fail. */
static void test_tunnel_work_relays_leave(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;
    uint64_t failed = 0;

    (void)state;
    clients(l, 2);
    lab_start(l);
    lab_run(l, 60);
    for (unsigned i = 1; i < 8; i++)
        lab_leave(l, &l->population.members[i]);
    l->measures = (struct measures){.hits = {0}};
    lab_run(l, 60);
    lab_print(l, "view", M_VIEW);
    assert_int_equal(m->of[M_VIEW], 2 * 5);
    assert_all(l, M_VIEW);
    for (unsigned i = 0; i < REASON_END_; i++)
        failed += m->reasons[i];
    assert_at_least(failed, 1);
    /* Back at the same place, but under another identity. */
    lab_come_back(l, &l->population.members[1]);
    l->measures = (struct measures){.hits = {0}};
    lab_run(l, 0);
    assert_int_equal(m->hits[M_VIEW], 2 * 5);
    assert_int_equal(m->of[M_VIEW], 2 * 6);
    lab_end(l);
}

/* One goes in the middle of everything, and comes back. */
static void test_tunnel_work_client_leaves(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;
    struct population_member *client;

    (void)state;
    clients(l, 1);
    lab_start(l);
    lab_run(l, 60);
    client = &l->population.members[12];
    assert_int_equal(client->role, POPULATION_CLIENT);
    lab_leave(l, client);
    l->measures = (struct measures){.hits = {0}};
    lab_run(l, 60);
    assert_int_equal(m->of[M_VIEW], 0);
    assert_int_equal(m->of[M_DATAGRAM_ANSWERED], 0);
    lab_come_back(l, client);
    lab_run(l, 90);
    lab_print_time(l, "built", M_CIRCUIT_TIME);
    assert_all(l, M_CIRCUIT_BUILT);
    assert_at_least(m->of[M_CIRCUIT_BUILT], 2);
    assert_all(l, M_DATAGRAM_ANSWERED);
    lab_end(l);
}

/* ---- Services ------------------------------------------------------------ */

static void test_tunnel_work_services_are_reached(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;

    (void)state;
    lab_init(l);
    l->scenario.tunnels.relays = 16;
    l->scenario.tunnels.clients = 2;
    l->scenario.services.keys = 2;
    l->scenario.services.rate = 600;
    lab_start(l);
    lab_run(l, 120);
    assert_int_equal(m->of[M_SERVICE_CONNECTED], 0); /* they settle */
    lab_run(l, 180);
    lab_print(l, "connected", M_SERVICE_CONNECTED);
    lab_print_time(l, "connected", M_SERVICE_TIME);
    assert_all(l, M_SERVICE_CONNECTED);
    assert_in_range(m->of[M_SERVICE_CONNECTED], 10, 2 * 30 * 2);
    assert_int_equal(m->of[M_SERVICE_TIME], m->hits[M_SERVICE_CONNECTED]);
    assert_at_most(m->hits[M_SERVICE_TIME] / m->of[M_SERVICE_TIME] / TIME_MS,
                   10000);
    lab_end(l);
}

/* Whoever has been away has its key still. */
static void test_tunnel_work_service_comes_back(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;
    struct population_member *service;

    (void)state;
    lab_init(l);
    l->scenario.tunnels.relays = 16;
    l->scenario.tunnels.clients = 1;
    l->scenario.services.keys = 1;
    l->scenario.services.rate = 600;
    lab_start(l);
    lab_run(l, 10);
    service = &l->population.members[17];
    assert_int_equal(service->role, POPULATION_SERVICE);
    lab_leave(l, service);
    lab_run(l, 120);
    assert_int_equal(m->of[M_SERVICE_CONNECTED], 0); /* there is none */
    lab_come_back(l, service);
    lab_run(l, 200);
    lab_print(l, "connected", M_SERVICE_CONNECTED);
    assert_all(l, M_SERVICE_CONNECTED);
    lab_end(l);
}

static void test_tunnel_work_members_meet(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;

    (void)state;
    lab_init(l);
    l->scenario.tunnels.relays = 12;
    l->scenario.services.strings = 2;
    l->scenario.services.members = 3;
    lab_start(l);
    lab_run(l, 150);
    lab_print(l, "found", M_MEMBERS_FOUND);
    lab_print_time(l, "met another", M_MEMBER_TIME);
    assert_int_equal(m->of[M_MEMBERS_FOUND], 2 * 3 * 2);
    assert_all(l, M_MEMBERS_FOUND);
    assert_int_equal(m->of[M_MEMBER_TIME], 2 * 3);
    lab_end(l);
}

/* ---- The same again ------------------------------------------------------ */

static void run_small(struct lab *l, uint64_t seed, struct sim_stats *stats)
{
    lab_init(l);
    l->scenario.run.seed = l->w->config.seed = seed;
    l->scenario.tunnels.relays = 10;
    l->scenario.tunnels.exits = 2;
    l->scenario.tunnels.clients = 2;
    l->scenario.tunnels.hops[1] = true;
    l->scenario.tunnels.rate = 1;
    l->scenario.services.keys = 1;
    l->scenario.services.rate = 600;
    l->w->config.loss = 0.05;
    lab_start(l);
    lab_run(l, 150);
    sim_stats(l->w->sim, stats);
    lab_end(l);
}

static void test_tunnel_work_follows_from_the_seed(void **state)
{
    static struct measures first;
    struct sim_stats a, b, c;
    uint64_t seed = test_seed();

    (void)state;
    run_small(&lab, seed, &a);
    first = lab.measures;
    run_small(&lab, seed, &b);
    assert_memory_equal(&first, &lab.measures, sizeof(first));
    assert_int_equal(a.digest, b.digest);
    assert_at_least(first.of[M_DATAGRAM_ANSWERED], 100);
    assert_at_least(first.of[M_SERVICE_CONNECTED], 1);
    run_small(&lab, seed + 1, &c);
    assert_true(a.digest != c.digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel_work_clients_send),
        cmocka_unit_test(test_tunnel_work_relays_leave),
        cmocka_unit_test(test_tunnel_work_client_leaves),
        cmocka_unit_test(test_tunnel_work_services_are_reached),
        cmocka_unit_test(test_tunnel_work_service_comes_back),
        cmocka_unit_test(test_tunnel_work_members_meet),
        cmocka_unit_test(test_tunnel_work_follows_from_the_seed),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, lab_cleanup);
}
