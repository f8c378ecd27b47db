/* SPDX-License-Identifier: MIT
 *
 * Streams that outlive everything but their exit: much, both ways at once, at
 * a loss of 5 % on each link and with datagrams that overtake others, while
 * relays die; and an hour of circuits that are renewed at their age, under
 * load.
 *
 * WARREN_CARRY_BYTES is how much goes each way: for a soak, in a release build.
 */
#include "../sim_carry_test.h"

#include <sodium.h>

#define BYTES_EACH_WAY UINT64_C(32000000)
#define DEATHS         4

static uint64_t bytes_each_way(void)
{
    const char *text = getenv("WARREN_CARRY_BYTES");

    return text == NULL ? BYTES_EACH_WAY : strtoull(text, NULL, 0);
}

/* What the network does to datagrams once all are there. */
static void make_bad(struct world *w, double loss)
{
    w->config.loss = loss;
    w->config.reorder = 0.05;
    w->config.reorder_delay = (uint32_t)(30 * TIME_MS);
    w->config.duplicate = 0.01;
    sim_reconfigure(w->sim, &w->config);
}

static void start(struct world *w)
{
    carried_end();
    world_global(w);
    w->config.latency = (struct sim_latency){.base = 5 * TIME_MS,
                                             .access = 5 * TIME_MS,
                                             .distance = 20 * TIME_MS,
                                             .jitter = 2 * TIME_MS};
    world_start(w);
    community(w, 0);
    sim_run_for(w->sim, TIME_MIN);
    sim_tunnel_build(w->sim, client_of(w)->node, HOPS);
    sim_run_for(w->sim, TIME_MIN);
    assert_true(member_ready(client_of(w)->member) >= 1.0);
    carried_start(w);
}

static void finish(struct world *w)
{
    carried_end();
    world_end(w);
}

/* ---- Relays die --------------------------------------------------------- */

static void run_until_in(struct world *w, const struct cargo *c, uint64_t bytes)
{
    uint64_t last = c->in, heard_at = sim_now(w->sim);

    while (c->in < bytes) {
        sim_run_for(w->sim, 100 * TIME_MS);
        if (c->in > last)
            heard_at = sim_now(w->sim);
        last = c->in;
        assert_false(c->failed || c->reset || c->wrong);
        assert_true(time_since(heard_at, sim_now(w->sim)) < TIME_MIN);
    }
}

static void test_sim_carry_much_while_relays_die(void **state)
{
    uint64_t bytes = bytes_each_way(), begun;
    struct world *w = &world;
    struct cargo c = {0};
    unsigned killed = 0;

    (void)state;
    start(w);
    make_bad(w, 0.05);
    begun = sim_now(w->sim);
    cargo_send(&c, bytes, bytes);
    for (unsigned i = 1; i <= DEATHS; i++) {
        run_until_in(w, &c, bytes / (DEATHS + 1) * i);
        killed += kill_relays_of(w, carried.client->member, carried_circuit());
    }
    run_until_in(w, &c, bytes);
    sim_run_for(w->sim, TIME_MIN);
    assert_true(c.fin && !c.wrong && c.st == NULL);
    assert_int_equal(c.in, bytes);
    assert_true(killed >= DEATHS);
    assert_true(carrier_stats(carried.carrier)->moves >= DEATHS);
    print_message("  %" PRIu64 " bytes each way in %" PRIu64 " s, %u relays "
                  "killed, %" PRIu64 " moves, %" PRIu64 " silences\n",
                  bytes, time_since(begun, sim_now(w->sim)) / TIME_S, killed,
                  carrier_stats(carried.carrier)->moves,
                  carrier_stats(carried.carrier)->silences);
    finish(w);
}

/* ---- An hour ------------------------------------------------------------ */

#define HOUR_STEP (2 * TIME_S)

/* A little all the time, as somebody types, and much, as a download does. */
static void test_sim_carry_an_hour_of_circuits(void **state)
{
    const uint64_t steps = TIME_HOUR / HOUR_STEP;
    struct world *w = &world;
    struct cargo typed = {0}, load = {0};

    (void)state;
    start(w);
    make_bad(w, 0.01);
    cargo_send(&typed, 20 * steps, 0);
    cargo_send(&load, 10000 * steps, 0);
    for (uint64_t i = 1; i <= steps; i++) {
        typed.may_write = 20 * i;
        load.may_write = 10000 * i;
        cargo_pump(&typed, sim_now(w->sim));
        cargo_pump(&load, sim_now(w->sim));
        sim_wake(w->sim, carried.client->node);
        sim_run_for(w->sim, HOUR_STEP);
        /* Whoever types has seen it within seconds. */
        assert_true(typed.in + 2 * 20 >= typed.may_write);
        assert_false(typed.wrong || load.wrong || typed.reset || load.reset);
    }
    sim_run_for(w->sim, TIME_MIN);
    assert_true(typed.fin && load.fin);
    assert_int_equal(typed.in, typed.total);
    assert_int_equal(load.in, load.total);
    print_message("  %" PRIu64 " moves in an hour\n",
                  carrier_stats(carried.carrier)->moves);
    /* By age, and not for a question that was lost. */
    assert_in_range(carrier_stats(carried.carrier)->moves, 6, 12);
    assert_true(carrier_stats(carried.carrier)->silences <= 3);
    finish(w);
}

static int cleanup(void **state)
{
    carried_end();
    return world_cleanup(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_carry_much_while_relays_die),
        cmocka_unit_test(test_sim_carry_an_hour_of_circuits),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, cleanup);
}
