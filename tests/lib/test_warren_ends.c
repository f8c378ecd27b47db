/* SPDX-License-Identifier: MIT
 *
 * Requests to the DHT that end each other, out of functions and callbacks.
 */
#include "warren_inside.h"

/* ---- One request ends another ------------------------------------------- */

struct round {
    struct warren *w;
    unsigned ended;
    int error, withdrawn;
};

static void on_round(void *arg, int error,
                     const struct warren_dht_result *result)
{
    struct round *r = arg;

    (void)result;
    come_in();
    r->ended++;
    r->error = error;
    if (r->w != NULL)
        CALL(r->withdrawn = warren_dht_withdraw(r->w, hash));
    go_out();
}

/* The second announcement ends the first one, which in its `done` withdraws
 * the second one. */
static void test_warren_withdraw_in_done_of_replaced(void **state)
{
    struct round first = {0}, second = {0};
    const struct warren_dht_handler h[2] = {{&first, NULL, on_round},
                                            {&second, NULL, on_round}};
    uint64_t id[2] = {0};
    int e;

    (void)state;
    start(0, NULL);
    first.w = nodes[0].w;
    CALL(e = warren_dht_announce(nodes[0].w, hash, 4000, &h[0], &id[0]));
    assert_int_equal(e, WARREN_OK);
    CALL(e = warren_dht_announce(nodes[0].w, hash, 4001, &h[1], &id[1]));
    assert_int_equal(e, WARREN_OK);
    assert_true(id[0] != 0 && id[1] != 0 && id[0] != id[1]);
    assert_int_equal(first.ended + second.ended, 0);
    while (second.ended == 0)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(first.ended, 1);
    assert_int_equal(first.error, WARREN_ERR_CANCELLED);
    assert_int_equal(first.withdrawn, WARREN_OK);
    assert_int_equal(second.error, WARREN_ERR_CANCELLED);
    run_until(never, &nodes[0], 1);
    assert_int_equal(first.ended + second.ended, 2);
    CALL(e = warren_dht_withdraw(nodes[0].w, hash));
    assert_int_equal(e, WARREN_ERR_NOT_FOUND);
    stop(0);
}

/* What has ended, but was not told yet, can still be cancelled. */
static void test_warren_cancel_before_it_is_told(void **state)
{
    struct round first = {0}, second = {0};
    const struct warren_dht_handler h[2] = {{&first, NULL, on_round},
                                            {&second, NULL, on_round}};
    uint64_t id[2] = {0};

    (void)state;
    start(0, NULL);
    warren_dht_announce(nodes[0].w, hash, 4000, &h[0], &id[0]);
    warren_dht_announce(nodes[0].w, hash, 4001, &h[1], &id[1]);
    warren_dht_cancel(nodes[0].w, id[0]);
    warren_dht_withdraw(nodes[0].w, hash);
    warren_dht_cancel(nodes[0].w, id[1]);
    warren_dht_cancel(nodes[0].w, id[1]);
    run_until(never, &nodes[0], 1);
    assert_int_equal(first.ended + second.ended, 0);
    stop(0);
}

/* Who announces again whenever an announcement was replaced keeps two of them
 * ending each other; the loop goes on nevertheless. */
struct stubborn {
    struct warren *w;
    unsigned ended;
    int error;
};

static void on_replaced(void *arg, int error,
                        const struct warren_dht_result *result)
{
    struct stubborn *s = arg;
    const struct warren_dht_handler h = {s, NULL, on_replaced};

    (void)result;
    s->ended++;
    s->error = warren_dht_announce(s->w, hash, 4000, &h, NULL);
    if (!in_free)
        assert_int_equal(error == WARREN_OK || error == WARREN_ERR_NO_NODES ||
                             error == WARREN_ERR_CANCELLED,
                         1);
}

static void test_warren_announce_in_done(void **state)
{
    struct stubborn s = {0};
    const struct warren_dht_handler h = {&s, NULL, on_replaced};

    (void)state;
    start(0, NULL);
    s.w = nodes[0].w;
    assert_int_equal(warren_dht_announce(s.w, hash, 4000, &h, NULL), WARREN_OK);
    assert_int_equal(warren_dht_announce(s.w, hash, 4000, &h, NULL), WARREN_OK);
    run_until(never, &nodes[0], 1);
    assert_true(s.ended > 10);
    assert_int_equal(s.error, WARREN_OK);
    in_free = true;
    stop(0);
    in_free = false;
    assert_int_equal(s.error, WARREN_ERR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_warren_withdraw_in_done_of_replaced,
                                  stop_all),
        cmocka_unit_test_teardown(test_warren_cancel_before_it_is_told,
                                  stop_all),
        cmocka_unit_test_teardown(test_warren_announce_in_done, stop_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
