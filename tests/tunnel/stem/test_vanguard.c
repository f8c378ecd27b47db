/* SPDX-License-Identifier: MIT */
#include "directory_data.h"

#include "tunnel/directory/directory_internal.h"
#include "tunnel/path/path_weight.h"
#include "tunnel/stem/vanguard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DAY 86400

static void update(struct host *h, struct vanguard_set *set)
{
    struct random_source random = test_source(&h->random);

    vanguard_set_update(set, h->d, &random, (uint64_t)h->wall, h->now);
}

static bool widen(struct host *h, struct vanguard_set *set)
{
    struct random_source random = test_source(&h->random);

    return vanguard_set_widen(set, h->d, &random, (uint64_t)h->wall, h->now);
}

static bool has(const struct vanguard_set *set, const uint8_t identity[32])
{
    for (unsigned i = 0; i < set->count; i++)
        if (memcmp(set->list[i].identity, identity, 32) == 0)
            return true;
    return false;
}

/* Of `now`, how many are not in `before`. */
static unsigned new_ones(const struct vanguard_set *now,
                         const struct vanguard_set *before)
{
    unsigned count = 0;

    for (unsigned i = 0; i < now->count; i++)
        count += !has(before, now->list[i].identity);
    return count;
}

/* A world whose view is complete, with relays 0..count-1. */
static void begin(struct host *h, uint64_t seed, unsigned count)
{
    host_init(h, seed);
    host_add_many(h, 0, count, ROLE_RELAY);
    h->d->survey.complete = true;
}

/* Time passes, and the descriptors are renewed. */
static void pass(struct host *h, unsigned count, uint64_t seconds)
{
    host_pass(h, seconds * TIME_S);
    host_add_many(h, 0, count, ROLE_RELAY);
}

/* tor's vanguards, and ours in small networks: max(3, n/5), max(3, n/3). */
static void test_vanguard_set_has_the_size_that_a_network_allows(void **state)
{
    (void)state;
    for (unsigned n = 0; n <= 30; n++) {
        for (int third = 0; third <= 1; third++) {
            struct vanguard_set set = {.third = third};
            unsigned size = third ? n / 3 : n / 5, most = third ? 8 : 4;
            unsigned least = 3;
            struct host h;

            size = size < least ? least : size > most ? most : size;
            size = size < n ? size : n;
            begin(&h, 1 + n, n);
            update(&h, &set);
            assert_int_equal(set.count, size);
            assert_int_equal(vanguard_set_size(&set, h.d, (uint64_t)h.wall),
                             size);
            assert_int_equal(set.changed, n > 0);
            for (unsigned i = 0; i < set.count; i++)
                for (unsigned j = 0; j < i; j++)
                    assert_memory_not_equal(set.list[i].identity,
                                            set.list[j].identity, 32);
            host_deinit(&h);
        }
    }
}

/* Exits are spared, and one network, however many relays it has, gets one
 * place; when others do not suffice they serve all the same. */
static void test_vanguards_are_spread_and_no_exits_while_others_do(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct vanguard_set set = {0};
        struct host h;

        begin(&h, seed, 4);
        host_add_many(&h, 100, 16, ROLE_RELAY | ROLE_EXIT);
        update(&h, &set);
        assert_int_equal(set.count, 4);
        for (unsigned n = 0; n < 4; n++)
            assert_true(has(&set, test_descriptor(n).identity));
        host_deinit(&h);

        set = (struct vanguard_set){0};
        begin(&h, seed, 0);
        for (unsigned n = 0; n < 20; n++) {
            struct descriptor d = test_descriptor(n);

            if (n >= 17)
                d.addresses[0] = test_ep4(11, 11, (uint8_t)n, 1, 1000);
            d.roles = n < 3 || n >= 17 ? ROLE_RELAY : ROLE_RELAY | ROLE_EXIT;
            assert_int_equal(host_add(&h, &d, n), OK);
        }
        update(&h, &set);
        assert_int_equal(set.count, 4);
        for (unsigned n = 0; n < 3; n++)
            assert_true(has(&set, test_descriptor(n).identity));
        host_deinit(&h);
    }
}

/* The longer of two draws: within the bounds, and above the middle mostly. */
static void test_vanguard_lives_are_drawn(void **state)
{
    (void)state;
    for (int third = 0; third <= 1; third++) {
        uint64_t min = third ? 3600 : DAY, max = third ? 2 * DAY : 22 * DAY;
        unsigned total = 0, above = 0;

        for (uint64_t seed = 1; seed <= 60; seed++) {
            struct vanguard_set set = {.third = third};
            struct host h;

            begin(&h, seed, 30);
            update(&h, &set);
            for (unsigned i = 0; i < set.count; i++) {
                uint64_t life = set.list[i].until - (uint64_t)h.wall;

                assert_int_equal(set.list[i].since, h.wall);
                assert_in_range(life, min, max);
                above += life > (min + max) / 2;
                total++;
            }
            host_deinit(&h);
        }
        assert_in_range(above * 100 / total, 68, 82); /* three quarters */
    }
}

static void test_vanguards_stay_for_their_time_and_no_longer(void **state)
{
    struct vanguard_set set = {.third = true}, before;
    unsigned seen = 8;
    struct host h;

    (void)state;
    begin(&h, 3, 40);
    update(&h, &set);
    set.changed = false;
    for (unsigned hour = 0; hour < 96; hour++) {
        before = set;
        pass(&h, 40, 3600);
        update(&h, &set);
        assert_int_equal(set.count, 8);
        assert_int_equal(set.changed, new_ones(&set, &before) > 0);
        assert_true(new_ones(&set, &before) <= 1);
        seen += new_ones(&set, &before);
        set.changed = false;
        for (unsigned i = 0; i < set.count; i++) /* one an hour goes */
            assert_true(set.list[i].until + 8 * 3600 > (uint64_t)h.wall);
    }
    /* A life is 32 hours, on average. */
    assert_in_range(seen, 8 + 14, 8 + 40);
    host_deinit(&h);
}

/* A clock that jumps does not throw them all away; one that was wrong when
 * they were drawn does not keep them for ever. */
static void test_vanguards_outlive_a_clock_that_jumps(void **state)
{
    struct vanguard_set set = {0}, before;
    struct host h;

    (void)state;
    begin(&h, 4, 40);
    update(&h, &set);
    before = set;
    h.wall += 100 * DAY;
    pass(&h, 40, 1);
    update(&h, &set);
    assert_int_equal(new_ones(&set, &before), 1);
    pass(&h, 40, 3599);
    update(&h, &set);
    assert_int_equal(new_ones(&set, &before), 1);
    pass(&h, 40, 1);
    update(&h, &set);
    assert_int_equal(new_ones(&set, &before), 2);
    host_deinit(&h);

    begin(&h, 5, 40);
    h.wall += 1000 * DAY;
    host_add_many(&h, 0, 40, ROLE_RELAY);
    set = (struct vanguard_set){0};
    update(&h, &set);
    h.wall -= 1000 * DAY;
    for (unsigned i = 0; i < 4; i++) {
        host_deinit(&h);
        begin(&h, 5, 40);
        h.now += i * TIME_HOUR;
        update(&h, &set);
    }
    assert_int_equal(set.count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(set.list[i].until, h.wall, h.wall + 22 * DAY);
    host_deinit(&h);
}

/* Those who failed stay: whoever can cut them off must not choose the next
 * ones. One that is gone from the directory, is no relay any more, or was not
 * reached for long while others were, is replaced. */
static void test_vanguards_stay_while_they_fail(void **state)
{
    struct vanguard_set set = {0}, before;
    struct descriptor d;
    struct host h;
    unsigned first;

    (void)state;
    begin(&h, 6, 40);
    update(&h, &set);
    before = set;
    for (unsigned i = 0; i < 4; i++)
        directory_failed(h.d, set.list[i].identity, h.now);
    update(&h, &set);
    assert_int_equal(new_ones(&set, &before), 0);
    /* The others are reached, a day later. */
    host_pass(&h, (DAY + 2) * TIME_S);
    for (unsigned i = 1; i < 4; i++)
        directory_succeeded(h.d, set.list[i].identity, 0, (uint64_t)h.wall);
    update(&h, &set);
    assert_int_equal(new_ones(&set, &before), 1);
    assert_false(has(&set, before.list[0].identity));
    /* An honest end: it relays no more. */
    before = set;
    for (first = 0; first < 40; first++) {
        d = test_descriptor(first);
        if (memcmp(d.identity, set.list[0].identity, 32) == 0)
            break;
    }
    d.roles = 0;
    d.issued = (uint64_t)h.wall;
    d.expires = d.issued + DAY;
    host_add(&h, &d, first); /* it is not kept at all then, or as no relay */
    update(&h, &set);
    assert_true(set.count == 4);
    host_deinit(&h);
}

static void test_vanguards_are_widened_up_to_a_cap(void **state)
{
    struct vanguard_set set = {0};
    struct host h;

    (void)state;
    begin(&h, 7, 40);
    update(&h, &set);
    for (unsigned n = 5; n <= VANGUARD_MAX; n++) {
        assert_true(widen(&h, &set));
        assert_int_equal(set.count, n);
        assert_int_equal(vanguard_set_size(&set, h.d, (uint64_t)h.wall), 4);
    }
    assert_false(widen(&h, &set));
    update(&h, &set);
    assert_int_equal(set.count, VANGUARD_MAX);
    host_deinit(&h);

    begin(&h, 8, 4);
    set = (struct vanguard_set){0};
    update(&h, &set);
    assert_true(widen(&h, &set));
    assert_false(widen(&h, &set)); /* nobody is left */
    host_deinit(&h);
}

/* Whoever was met first would have all places else. */
static void
test_vanguards_of_an_incomplete_view_are_drawn_anew_once(void **state)
{
    struct vanguard_set set = {0}, before;
    struct host h;

    (void)state;
    host_init(&h, 9);
    host_add_many(&h, 0, 4, ROLE_RELAY);
    update(&h, &set);
    assert_int_equal(set.count, 3);
    assert_false(set.changed);
    for (unsigned i = 0; i < set.count; i++)
        assert_true(set.list[i].provisional);
    host_add_many(&h, 4, 196, ROLE_RELAY);
    before = set;
    h.d->survey.complete = true;
    update(&h, &set);
    assert_int_equal(set.count, 4);
    assert_true(set.changed);
    assert_true(new_ones(&set, &before) >= 3);
    before = set;
    set.changed = false;
    update(&h, &set);
    assert_memory_equal(&set, &before,
                        sizeof(set) - sizeof(set.retired_at) - 8 /* flags */);
    assert_false(set.changed);
    host_deinit(&h);
}

/* What was stored is there again after a restart, whatever of the network is
 * known by then; what is over is not, nor what does not fit. */
static void test_vanguards_are_restored(void **state)
{
    struct vanguard_set set = {0}, again = {0};
    struct vanguard odd;
    struct host h;

    (void)state;
    begin(&h, 10, 40);
    update(&h, &set);
    host_deinit(&h);

    host_init(&h, 11);
    set.list[3].until = (uint64_t)h.wall;
    for (unsigned i = 0; i < 4; i++)
        vanguard_set_restore(&again, &set.list[i], (uint64_t)h.wall);
    vanguard_set_restore(&again, &set.list[0], (uint64_t)h.wall); /* twice */
    assert_int_equal(again.count, 3);
    update(&h, &again); /* not one relay is known yet */
    assert_int_equal(again.count, 3);
    assert_false(again.changed);
    host_add_many(&h, 0, 40, ROLE_RELAY);
    h.d->survey.complete = true;
    update(&h, &again);
    assert_int_equal(again.count, 4);
    for (unsigned i = 0; i < 3; i++)
        assert_memory_equal(again.list[i].identity, set.list[i].identity, 32);
    assert_true(again.changed);
    odd = set.list[0];
    for (unsigned i = 0; i < 2 * VANGUARD_MAX; i++) {
        odd.identity[0]++;
        vanguard_set_restore(&again, &odd, (uint64_t)h.wall);
    }
    assert_int_equal(again.count, VANGUARD_MAX);
    /* Unknown ones make way when all that there is to know is known. */
    update(&h, &again);
    assert_int_equal(again.count, 4);
    host_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vanguard_set_has_the_size_that_a_network_allows),
        cmocka_unit_test(
            test_vanguards_are_spread_and_no_exits_while_others_do),
        cmocka_unit_test(test_vanguard_lives_are_drawn),
        cmocka_unit_test(test_vanguards_stay_for_their_time_and_no_longer),
        cmocka_unit_test(test_vanguards_outlive_a_clock_that_jumps),
        cmocka_unit_test(test_vanguards_stay_while_they_fail),
        cmocka_unit_test(test_vanguards_are_widened_up_to_a_cap),
        cmocka_unit_test(
            test_vanguards_of_an_incomplete_view_are_drawn_anew_once),
        cmocka_unit_test(test_vanguards_are_restored),
    };

    return cmocka_run_group_tests_name("vanguard", tests, NULL, NULL);
}
