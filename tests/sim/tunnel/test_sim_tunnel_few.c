/* SPDX-License-Identifier: MIT
 *
 * Nearly all relays die at once, but for the exits and one guard: what is left
 * is enough for circuits of three hops.
 */
#include "../sim_tunnel_test.h"

#include <sodium.h>

static void kill_all_but_one_guard(struct world *w)
{
    bool spared = false;

    for (uint32_t i = 1; i < RELAYS; i++) {
        if (!spared && is_guard(w, i)) {
            spared = true;
            continue;
        }
        sim_kill(w->sim, w->net.members[i]);
    }
    assert_true(spared);
}

/* How many seconds there is no circuit. */
static unsigned gap(struct world *w, uint64_t seed)
{
    unsigned waited = 0;

    world_global(w);
    w->config.seed += seed;
    world_start(w);
    community(w, 0);
    sim_tunnel_build(w->sim, client_of(w)->node, HOPS);
    sim_run_for(w->sim, 3 * TIME_MIN);
    assert_true(member_active(client_of(w)->member, HOPS, NULL, 0) > 0);
    kill_all_but_one_guard(w);
    renew(w, 0);
    while (member_active(client_of(w)->member, HOPS, NULL, 0) == 0 &&
           waited < 600) {
        sim_run_for(w->sim, TIME_S);
        waited++;
    }
    print_message("  a circuit is ready after %u s\n", waited);
    world_end(w);
    return waited;
}

/* All that say that a relay cannot be reached is this guard: whether it is so
 * the client finds out itself. */
static void test_sim_tunnel_exits_and_one_guard_are_left(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++)
        assert_in_range(gap(&world, seed), 0, 45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_exits_and_one_guard_are_left),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
