/* SPDX-License-Identifier: MIT
 *
 * Circuits are built over links that lose datagrams: what is lost is said
 * again, and no relay is blamed for it.
 */
#include "../sim_tunnel_test.h"

#include <sodium.h>

#define BUILDS   300
#define SEEN_MAX 64

struct builds {
    struct world *w;
    struct member *tunnel;
    unsigned count, seen;
    uint64_t times[BUILDS];
    uint32_t ids[SEEN_MAX]; /* that are ready now */
};

static void see(void *ctx, const struct circuit *c)
{
    struct builds *b = ctx;

    if (c->state != CIRCUIT_READY || b->count == BUILDS)
        return;
    assert_true(b->seen < SEEN_MAX);
    b->ids[b->seen++] = c->id;
    b->times[b->count++] = c->build_time;
}

/* The pool builds a new circuit for each one that is closed. */
static void build(struct builds *b)
{
    uint32_t client = b->w->net.members[CLIENT];

    while (b->count < BUILDS) {
        b->seen = 0;
        member_circuits(b->tunnel, see, b);
        for (unsigned i = 0; i < b->seen; i++)
            member_close(b->tunnel, b->ids[i], sim_now(b->w->sim));
        sim_wake(b->w->sim, client);
        sim_run_for(b->w->sim, 500 * TIME_MS);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static unsigned failed_steps(const struct circuit_stats *s)
{
    uint64_t n = 0;

    for (unsigned hop = 0; hop < ONION_HOPS_MAX; hop++) {
        for (unsigned why = 0; why < REASON_END_; why++)
            n += s->failed[hop][why];
    }
    return (unsigned)n;
}

/* Steps that failed while BUILDS circuits were built. */
static unsigned measure(struct world *w, unsigned hops, unsigned percent)
{
    struct sim_tunnel *client = sim_tunnel_of(w->sim, w->net.members[CLIENT]);
    struct builds b = {.w = w, .tunnel = client->member};
    const struct circuit_stats *s =
        circuits_stats(member_router(b.tunnel)->circuits);
    unsigned failed = failed_steps(s);
    uint64_t said = s->repeated;

    w->config.loss = percent / 100.0;
    sim_reconfigure(w->sim, &w->config);
    assert_int_equal(sim_tunnel_build(w->sim, client->node, hops), OK);
    build(&b);
    member_stop(b.tunnel, hops);
    failed = failed_steps(s) - failed;
    qsort(b.times, BUILDS, sizeof(b.times[0]), compare);
    print_message("  %u hops, %2u %% lost: %2u steps failed, %4u said again; "
                  "median %u ms, 90th %u, 99th %u\n",
                  hops, percent, failed, (unsigned)(s->repeated - said),
                  (unsigned)(b.times[BUILDS / 2] / TIME_MS),
                  (unsigned)(b.times[BUILDS * 9 / 10] / TIME_MS),
                  (unsigned)(b.times[BUILDS * 99 / 100] / TIME_MS));
    return failed;
}

/* Of 900 steps of which 5 % loss hits a third, and 10 % more than half. */
static void test_sim_tunnel_loss_fails_hardly_a_step(void **state)
{
    struct world *w = &world;

    (void)state;
    world_global(w);
    world_start(w);
    community_with(w, 4, 0);
    assert_int_equal(measure(w, 3, 0), 0);
    assert_in_range(measure(w, 3, 5), 0, 3);
    assert_in_range(measure(w, 3, 10), 0, 12);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_loss_fails_hardly_a_step),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
