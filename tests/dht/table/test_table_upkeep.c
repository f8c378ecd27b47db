/* SPDX-License-Identifier: MIT */
#include "table_fixture.h"

/* ---- The cache and the pings ------------------------------------------- */

static void test_table_caps_its_candidates(void **state)
{
    struct id far[DHT_K];
    struct fixture f;

    (void)state;
    init_full(&f, false, far);
    for (unsigned i = 0; i < 10000; i++) {
        struct endpoint ep = nth_ep(1000 + i);
        struct id id = test_random_id(&f.r);

        table_named(&f.t, &id, &ep, f.now + i);
    }
    assert_int_equal(f.t.cached, 2 * DHT_K);
    assert_int_equal(f.t.live, DHT_K + 1);
    deinit(&f);
}

/* A flood of strangers, later than they, pushes no proven candidate out. */
static void test_table_prefers_candidates_that_answered(void **state)
{
    struct endpoint dead = nth_ep(0);
    struct id far[DHT_K], proven[DHT_K];
    struct contact c;
    struct fixture f;

    (void)state;
    init_full(&f, false, far);
    for (unsigned i = 0; i < DHT_K; i++) {
        struct endpoint ep = nth_ep(50 + i);

        proven[i] = test_near_id(&f.r, &f.t.self, 0);
        assert_int_equal(answered(&f, &proven[i], &ep), TABLE_CACHED);
    }
    for (unsigned i = 0; i < 500; i++) {
        struct endpoint ep = nth_ep(1000 + i);
        struct id id = test_near_id(&f.r, &f.t.self, 0);

        f.now += TIME_S;
        table_heard(&f.t, &id, &ep, f.now);
    }
    unanswered(&f, &far[0], &dead, CONTACT_BAD_FAILS);
    for (unsigned i = 0; i < DHT_K; i++) {
        unsigned known = 0;

        f.now += TABLE_PING_ANY;
        assert_true(table_next_ping(&f.t, f.now, &c));
        for (unsigned j = 0; j < DHT_K; j++)
            known += id_equal(&c.id, &proven[j]);
        assert_int_equal(known, 1);
    }
    deinit(&f);
}

/* One that answered is asked first, then the stranger heard of last, who took
 * the place of an earlier one. */
static void test_table_asks_proven_candidate_first(void **state)
{
    struct endpoint ep = nth_ep(50), dead = nth_ep(0);
    struct id far[DHT_K], proven, id;
    struct contact c;
    struct fixture f;

    (void)state;
    init_full(&f, false, far);
    proven = test_near_id(&f.r, &f.t.self, 0);
    assert_int_equal(answered(&f, &proven, &ep), TABLE_CACHED);
    for (unsigned i = 0; i < 500; i++) {
        struct endpoint other = nth_ep(1000 + i);

        id = test_near_id(&f.r, &f.t.self, 0);
        f.now += TIME_S;
        table_heard(&f.t, &id, &other, f.now);
    }
    unanswered(&f, &far[0], &dead, CONTACT_BAD_FAILS);
    assert_true(table_next_ping(&f.t, f.now, &c));
    assert_true(id_equal(&c.id, &proven));
    assert_true(table_next_ping(&f.t, f.now + TABLE_PING_ANY, &c));
    assert_true(id_equal(&c.id, &id));
    deinit(&f);
}

static void test_table_pings_candidates_for_a_hole(void **state)
{
    struct endpoint ep = nth_ep(1);
    struct contact c;
    struct fixture f;
    struct id id;

    (void)state;
    init(&f, false);
    id = test_random_id(&f.r);
    table_named(&f.t, &id, &ep, f.now);
    assert_int_equal(table_next_deadline(&f.t), f.now);
    assert_true(table_next_ping(&f.t, f.now, &c));
    assert_true(id_equal(&c.id, &id) && endpoint_equal(&c.ep, &ep));
    assert_false(table_next_ping(&f.t, f.now + TABLE_PING_ANY, &c));
    f.now = table_next_deadline(&f.t);
    assert_in_range(f.now, START + TABLE_PING_CONTACT - TIME_S,
                    START + TABLE_PING_CONTACT);
    assert_true(table_next_ping(&f.t, f.now, &c));
    table_failed(&f.t, &id, &ep, f.now);
    assert_int_equal(f.t.cached, 0);
    assert_int_equal(table_next_deadline(&f.t), TIME_NEVER);
    deinit(&f);
}

/* Goes from deadline to deadline until there is somebody to ping. */
static void next_ping(struct fixture *f, struct contact *c)
{
    struct id target;

    while (!table_next_ping(&f->t, f->now, c)) {
        while (table_refresh_due(&f->t, &f->random, f->now, &target))
            ;
        assert_true(table_next_deadline(&f->t) > f->now);
        f->now = table_next_deadline(&f->t);
        assert_true(f->now < START + TIME_HOUR);
    }
}

/* The least recently seen is asked, three times, then gives way. */
static void test_table_replaces_lru_that_is_dead(void **state)
{
    struct endpoint ep = nth_ep(50), oldest = nth_ep(0);
    struct id far[DHT_K], id;
    struct contact c;
    struct fixture f;

    (void)state;
    init_full(&f, false, far);
    for (unsigned i = 1; i < DHT_K; i++) {
        struct endpoint other = nth_ep(i);

        f.now += TIME_S;
        answered(&f, &far[i], &other);
    }
    id = test_near_id(&f.r, &f.t.self, 0);
    table_heard(&f.t, &id, &ep, f.now);
    assert_false(table_next_ping(&f.t, f.now, &c)); /* all are good */
    for (int i = 0; i < CONTACT_BAD_FAILS; i++) {
        next_ping(&f, &c);
        assert_true(id_equal(&c.id, &far[0]));
        assert_false(table_next_ping(&f.t, f.now + TIME_S, &c));
        table_failed(&f.t, &far[0], &oldest, f.now + TIME_S);
        f.now += 2 * TIME_S;
    }
    assert_in_range(f.now, START + CONTACT_FRESH,
                    START + CONTACT_FRESH + 2 * TIME_MIN);
    next_ping(&f, &c);
    assert_true(id_equal(&c.id, &id));
    assert_int_equal(answered(&f, &id, &ep), TABLE_REPLACED);
    assert_false(is_live(&f, &far[0]));
    deinit(&f);
}

/* One that answers stays, and the next is left alone for a while. */
static void test_table_keeps_lru_that_lives(void **state)
{
    struct endpoint ep = nth_ep(50);
    struct id far[DHT_K], id;
    struct contact c;
    struct fixture f;
    unsigned pings = 0;

    (void)state;
    init_full(&f, false, far);
    id = test_near_id(&f.r, &f.t.self, 0);
    while (f.now < START + 3 * TIME_HOUR) {
        table_heard(&f.t, &id, &ep, f.now);
        while (table_next_ping(&f.t, f.now, &c)) {
            struct endpoint from = c.ep;

            pings++;
            assert_int_equal(answered(&f, &c.id, &from), TABLE_REFRESHED);
        }
        f.now += TIME_S;
    }
    assert_in_range(pings, 30, 3 * 60 / 5); /* TABLE_PING_BUCKET */
    assert_int_equal(f.t.live, DHT_K + 1);
    deinit(&f);
}

/* However many nodes are made up, the pings they cause are bounded. */
static void test_table_bounds_pings_under_flood(void **state)
{
    struct contact c;
    struct fixture f;
    unsigned pings = 0;

    (void)state;
    init(&f, true);
    for (unsigned i = 0; i < 20000; i++) {
        struct endpoint ep = nth_ep(i);
        struct id id = test_random_id(&f.r);

        f.now += TIME_MS;
        table_heard(&f.t, &id, &ep, f.now);
        pings += table_next_ping(&f.t, f.now, &c);
    }
    assert_in_range(pings, 1, 20 * TIME_S / TABLE_PING_ANY + 1);
    deinit(&f);
}

/* The deadline is never late: at any time, whatever there is to do is not
 * before it. */
static void test_table_deadline_is_never_late(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, true);
    for (unsigned i = 0; i < 20000; i++) {
        struct endpoint ep = nth_ep(test_random_below(&f.r, 200));
        struct id id =
            test_near_id(&f.r, &f.t.self, (int)test_random_below(&f.r, 4));
        struct table copy;
        struct id target;
        struct contact c;
        bool due;

        f.now += test_random_below(&f.r, 20) * TIME_S;
        if (test_random_below(&f.r, 3) == 0)
            table_heard(&f.t, &id, &ep, f.now);
        else if (test_random_below(&f.r, 20) == 0)
            answered(&f, &id, &ep);
        copy = f.t;
        copy.ping_at = copy.refresh_at = 0; /* look, whatever it says */
        due = table_next_ping(&copy, f.now, &c) ||
              table_refresh_due(&copy, &f.random, f.now, &target);
        if (due)
            assert_true(table_next_deadline(&f.t) <= f.now);
        f.t.ping_floor = copy.ping_floor;
        while (table_next_ping(&f.t, f.now, &c)) {
            struct endpoint to = c.ep;

            if (test_random_below(&f.r, 2) == 0)
                answered(&f, &c.id, &to);
            else
                table_failed(&f.t, &c.id, &to, f.now);
        }
        while (table_refresh_due(&f.t, &f.random, f.now, &target))
            ;
        assert_true(table_next_deadline(&f.t) > f.now);
    }
    deinit(&f);
}

/* A newcomer that is nearer to us than those in a full last bucket is asked at
 * once: its answer splits the bucket. */
static void test_table_pings_for_a_split(void **state)
{
    struct endpoint far = nth_ep(50), near = nth_ep(51);
    struct id ids[DHT_K], id;
    struct contact c;
    struct fixture f;

    (void)state;
    init(&f, false);
    add_many(&f, ids, 0, DHT_K, 0);
    id = test_near_id(&f.r, &f.t.self, 0);
    table_heard(&f.t, &id, &far, f.now);
    assert_false(table_next_ping(&f.t, f.now, &c));
    id = test_near_id(&f.r, &f.t.self, 1);
    table_heard(&f.t, &id, &near, f.now);
    assert_true(table_next_deadline(&f.t) <= f.now);
    assert_true(table_next_ping(&f.t, f.now, &c));
    assert_true(id_equal(&c.id, &id));
    assert_int_equal(answered(&f, &id, &near), TABLE_ADDED);
    deinit(&f);
}

/* ---- Refresh ----------------------------------------------------------- */

static void test_table_refreshes_idle_buckets(void **state)
{
    struct id ids[DHT_K], target;
    struct fixture f;
    unsigned seen = 0;

    (void)state;
    init(&f, false);
    for (int bits = 0; bits < 4; bits++)
        add_many(&f, ids, 100 * (unsigned)bits, DHT_K, bits);
    assert_false(table_refresh_due(&f.t, &f.random, f.now, &target));
    f.now += 10 * TIME_MIN;
    table_touch_bucket(&f.t, &ids[0], f.now); /* the last one */
    assert_in_range(table_next_deadline(&f.t), START + 14 * TIME_MIN,
                    START + 15 * TIME_MIN);
    f.now = START + 15 * TIME_MIN + TIME_S;
    while (table_refresh_due(&f.t, &f.random, f.now, &target)) {
        int bits = id_common_bits(&f.t.self, &target);

        assert_in_range(bits, 0, 2);
        seen |= 1u << bits;
    }
    assert_int_equal(seen, 7);
    f.now = table_next_deadline(&f.t);
    assert_in_range(f.now, START + 24 * TIME_MIN, START + 25 * TIME_MIN);
    assert_true(table_refresh_due(&f.t, &f.random, f.now, &target));
    assert_true(id_common_bits(&f.t.self, &target) >= 3);
    deinit(&f);
}

static void test_table_takes_new_refresh_time(void **state)
{
    struct id id, target;
    struct fixture f;

    (void)state;
    init(&f, false);
    add_many(&f, &id, 0, 1, 0);
    f.now += 2 * TIME_MIN;
    assert_false(table_refresh_due(&f.t, &f.random, f.now, &target));
    table_set_refresh(&f.t, TIME_MIN);
    assert_true(table_next_deadline(&f.t) <= f.now);
    assert_true(table_refresh_due(&f.t, &f.random, f.now, &target));
    deinit(&f);
}

static void test_table_names_who_was_silent_longest(void **state)
{
    struct endpoint ep[3];
    struct contact c;
    struct fixture f;
    struct id id[3];
    uint32_t ticks;

    (void)state;
    init(&f, false);
    assert_false(table_stalest(&f.t, f.now, &c, &ticks));
    for (unsigned i = 0; i < 3; i++) {
        id[i] = test_near_id(&f.r, &f.t.self, (int)i);
        ep[i] = nth_ep(i);
        answered(&f, &id[i], &ep[i]);
        assert_true(table_has_room(&f.t, 0));
        f.now += TIME_MIN;
    }
    assert_true(table_stalest(&f.t, f.now, &c, &ticks));
    assert_true(id_equal(&c.id, &id[0]));
    assert_in_range(ticks, 3 * TIME_MIN >> CONTACT_TICK_SHIFT,
                    1 + (3 * TIME_MIN >> CONTACT_TICK_SHIFT));
    /* A query of its own counts, until it has failed. */
    table_heard(&f.t, &id[0], &ep[0], f.now);
    assert_true(table_stalest(&f.t, f.now, &c, &ticks));
    assert_true(id_equal(&c.id, &id[1]));
    unanswered(&f, &id[0], &ep[0], 1);
    assert_true(table_stalest(&f.t, f.now, &c, &ticks));
    assert_true(id_equal(&c.id, &id[0]));
    deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_caps_its_candidates),
        cmocka_unit_test(test_table_prefers_candidates_that_answered),
        cmocka_unit_test(test_table_asks_proven_candidate_first),
        cmocka_unit_test(test_table_pings_candidates_for_a_hole),
        cmocka_unit_test(test_table_replaces_lru_that_is_dead),
        cmocka_unit_test(test_table_keeps_lru_that_lives),
        cmocka_unit_test(test_table_bounds_pings_under_flood),
        cmocka_unit_test(test_table_deadline_is_never_late),
        cmocka_unit_test(test_table_pings_for_a_split),
        cmocka_unit_test(test_table_refreshes_idle_buckets),
        cmocka_unit_test(test_table_takes_new_refresh_time),
        cmocka_unit_test(test_table_names_who_was_silent_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
