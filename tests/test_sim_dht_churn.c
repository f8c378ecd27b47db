/* SPDX-License-Identifier: MIT
 *
 * Half of 500 nodes replaced within an hour of virtual time.
 */
#include "sim_dht_test.h"

static void test_sim_dht_churn_keeps_what_is_renewed(void **state)
{
    struct world *w = &world;
    struct sim_score score;

    (void)state;
    world_init(w);
    world_start(w);
    w->net.bootstraps = 3;
    w->net.keepers = 20;
    world_grow(w, 500, 50 * TIME_MS);
    sim_run_for(w->sim, TIME_MIN);
    world_announce_many(w, 40);
    assert_int_equal(sim_dht_net_churn(&w->net, 0.5), OK);
    for (int quarter = 1; quarter <= 4; quarter++) {
        sim_run_for(w->sim, 15 * TIME_MIN);
        world_lookups(w, "under churn", 300, 99, &score);
    }
    assert_int_equal(w->net.error, OK);
    assert_in_range(w->net.replaced, 245, 300);
    sim_dht_net_churn(&w->net, 0);
    assert_at_most(sim_score_median_hops(&score), 4); /* log2(500) / 2 */
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_dht_churn_keeps_what_is_renewed),
    };

    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
