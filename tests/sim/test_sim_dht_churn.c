/* SPDX-License-Identifier: MIT
 *
 * Half of 500 nodes replaced within an hour of virtual time.
 */
#include "sim_dht_test.h"

#define ITEMS 20

/* Items of those that stay, each with a value of its own. */
static void put_items(struct world *w, struct id *targets)
{
    for (uint32_t i = 0; i < ITEMS; i++) {
        struct value value;
        struct dht_item item = {.value = &value};
        struct sim_request r;

        assert_int_equal(value_from_bytes(bytes_of(&i, sizeof(i)), &value), OK);
        dht_item_target(&item, &targets[i]);
        assert_int_equal(sim_dht_put(w->sim, w->net.members[i], &item, &r), OK);
        assert_true(
            sim_request_wait(w->sim, &r, sim_now(w->sim) + 2 * TIME_MIN));
        assert_at_least(r.result.stored, DHT_K / 2);
    }
}

static unsigned get_items(struct world *w, const struct id *targets)
{
    unsigned found = 0;

    for (uint32_t i = 0; i < ITEMS; i++) {
        struct sim_request r;

        assert_int_equal(
            sim_dht_get_item(w->sim, sim_dht_net_any(&w->net), &targets[i], &r),
            OK);
        sim_request_wait(w->sim, &r, sim_now(w->sim) + 2 * TIME_MIN);
        sim_request_cancel(w->sim, &r);
        found += r.items > 0;
    }
    return found;
}

static void test_sim_dht_churn_keeps_what_is_renewed(void **state)
{
    struct world *w = &world;
    struct id targets[ITEMS];
    struct sim_score score;

    (void)state;
    world_init(w);
    world_start(w);
    w->net.bootstraps = 3;
    w->net.keepers = 20;
    world_grow(w, 500, 50 * TIME_MS);
    sim_run_for(w->sim, TIME_MIN);
    world_announce_many(w, 40);
    put_items(w, targets);
    assert_int_equal(sim_dht_net_churn(&w->net, 0.5), OK);
    for (int quarter = 1; quarter <= 4; quarter++) {
        sim_run_for(w->sim, 15 * TIME_MIN);
        world_lookups(w, "under churn", 300, 99, &score);
    }
    assert_int_equal(w->net.error, OK);
    assert_in_range(w->net.replaced, 245, 300);
    sim_dht_net_churn(&w->net, 0);
    assert_int_equal(get_items(w, targets), ITEMS);
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
