/* SPDX-License-Identifier: MIT */
#include "dht_data.h"
#include "fail_alloc.h"

#include "base/table/shares.h"
#include "base/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define IDLE TIME_MIN
#define NOW  (10 * TIME_HOUR)

/* A table of 100 places, whose entries make way for newcomers. */
struct table {
    struct shares shares;
    struct holding at[100];
    bool taken[100], stays[100];
    size_t count;
    uint64_t now;
};

static void init(struct table *t)
{
    struct test_random r = test_seed(1);
    struct random_source random = test_source(&r);

    *t = (struct table){.now = NOW};
    shares_init(&t->shares, &random);
}

static bool tell(const void *table, size_t place, struct holding *out)
{
    const struct table *t = table;

    *out = t->at[place];
    return t->taken[place] && !t->stays[place];
}

static void set(struct table *t, size_t place, const struct endpoint *ep)
{
    if (t->taken[place])
        shares_remove(&t->shares, &t->at[place].source);
    assert_int_equal(shares_add(&t->shares, ep), OK);
    t->taken[place] = true;
    t->at[place] = (struct holding){.source = *ep, .used_at = t->now};
}

/* False: refused. */
static bool enter(struct table *t, const struct endpoint *ep)
{
    size_t place = t->count;

    if (place == COUNT_OF(t->at))
        place = shares_make_way(&t->shares, ep, COUNT_OF(t->at), tell, t, IDLE,
                                t->now);
    else
        t->count++;
    if (place == SIZE_MAX)
        return false;
    set(t, place, ep);
    return true;
}

static unsigned held(const struct table *t, const struct endpoint *ep,
                     enum source_level level)
{
    unsigned n = 0;

    for (size_t i = 0; i < COUNT_OF(t->at); i++)
        n += t->taken[i] && source_same(&t->at[i].source, ep, level);
    return n;
}

static void test_shares_count_agrees_with_a_model(void **state)
{
    struct test_random r = test_seed(5);
    struct table t;

    (void)state;
    init(&t);
    for (int i = 0; i < 20000; i++) {
        struct endpoint ep = {.family = FAMILY_IPV4, .port = 1};
        size_t place = test_random_below(&r, COUNT_OF(t.at));

        if (test_random_below(&r, 2) == 0)
            ep.family = FAMILY_IPV6;
        ep.addr[0] = ep.family == FAMILY_IPV4 ? 8 : 0x2a;
        for (int k = 1; k < 8; k++)
            ep.addr[k] = (uint8_t)test_random_below(&r, 2);
        if (ep.family == FAMILY_IPV4)
            memset(ep.addr + 4, 0, 4);
        set(&t, place, &ep);
        for (int level = 0; level < SOURCE_LEVELS; level++)
            assert_int_equal(shares_count(&t.shares, &ep, level),
                             held(&t, &ep, level));
    }
    for (size_t i = 0; i < COUNT_OF(t.at); i++) {
        if (t.taken[i])
            shares_remove(&t.shares, &t.at[i].source);
    }
    assert_int_equal(t.shares.used, 0);
    assert_int_equal(shares_memory(&t.shares), 0);
    shares_deinit(&t.shares);
}

/* From a thousand addresses of one who counts up this byte of them. */
static void enter_many(struct table *t, uint8_t first, uint8_t step)
{
    for (int n = 0; n < 1000; n++) {
        struct endpoint ep = {.port = 1};

        ep.family = first == 8 ? FAMILY_IPV4 : FAMILY_IPV6;
        ep.addr[0] = first;
        ep.addr[step] = (uint8_t)n;
        enter(t, &ep);
        t->now += TIME_MS;
    }
}

/* However many addresses he has in his network, and though all that he holds
 * is in use: whoever has little gets in, and stays. */
static void test_shares_who_holds_most_makes_way(void **state)
{
    static const struct {
        const char *name;
        uint8_t first, step; /* the byte of the address that he counts up */
    } attackers[] = {
        {"one host", 0x20, 8}, {"a /56", 0x20, 7},    {"a /48", 0x20, 6},
        {"a /32", 0x20, 5},    {"an IPv4 /24", 8, 3}, {"an IPv4 /16", 8, 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(attackers); i++) {
        struct endpoint honest[10];
        struct table t;

        init(&t);
        enter_many(&t, attackers[i].first, attackers[i].step);
        assert_int_equal(t.count, COUNT_OF(t.at));
        for (uint8_t n = 0; n < COUNT_OF(honest); n++) {
            honest[n] = test_ep4(9, n, 1, 1, 1);
            assert_true(enter(&t, &honest[n]));
        }
        enter_many(&t, attackers[i].first, attackers[i].step);
        for (size_t n = 0; n < COUNT_OF(honest); n++) {
            if (held(&t, &honest[n], SOURCE_HOST) != 1)
                fail_msg("%s: honest %zu is out", attackers[i].name, n);
        }
        shares_deinit(&t.shares);
    }
}

/* Those who hold as much as the newcomer will: the one unused for longest goes
 * once it has been idle; while all are in use the newcomer is refused. */
static void test_shares_the_idle_make_way_among_equals(void **state)
{
    struct endpoint late = test_ep("9.9.9.9:1");
    struct table t;

    (void)state;
    init(&t);
    for (uint8_t i = 0; i < COUNT_OF(t.at); i++) {
        struct endpoint ep = test_ep4(8, i, 0, 0, 1);

        assert_true(enter(&t, &ep));
        t.now += TIME_MS;
    }
    assert_false(enter(&t, &late));
    t.now += IDLE;
    t.at[0].used_at = t.now;
    assert_true(enter(&t, &late));
    assert_true(held(&t, &late, SOURCE_HOST) == 1);
    assert_true(t.at[0].source.addr[0] == 8);
    shares_deinit(&t.shares);
}

/* Two who hold about the same: it is not the one with more whose entry goes
 * while it is in use, but what the other one does not use. */
static void test_shares_the_idle_make_way_among_the_heavy(void **state)
{
    struct endpoint busy = test_ep("8.8.8.8:1"), idle = test_ep("9.9.9.9:1");
    struct endpoint late = test_ep("7.7.7.7:1");
    struct table t;

    (void)state;
    init(&t);
    for (size_t i = 0; i < COUNT_OF(t.at); i++)
        assert_true(enter(&t, i < COUNT_OF(t.at) * 3 / 5 ? &busy : &idle));
    t.now += IDLE;
    for (size_t i = 0; i < COUNT_OF(t.at); i++) {
        if (source_same(&t.at[i].source, &busy, SOURCE_HOST))
            t.at[i].used_at = t.now;
    }
    for (int i = 0; i < 5; i++) {
        assert_true(enter(&t, &late));
        assert_int_equal(held(&t, &busy, SOURCE_HOST), COUNT_OF(t.at) * 3 / 5);
    }
    shares_deinit(&t.shares);
}

static void test_shares_what_must_stay_stays(void **state)
{
    struct endpoint many = test_ep("8.8.8.8:1"), late = test_ep("9.9.9.9:1");
    struct table t;

    (void)state;
    init(&t);
    for (size_t i = 0; i < COUNT_OF(t.at); i++) {
        assert_true(enter(&t, &many));
        t.stays[i] = i != 77;
    }
    for (int i = 0; i < 2 && held(&t, &late, SOURCE_HOST) == 0; i++)
        enter(&t, &late); /* one look does not see all of it */
    assert_true(t.at[77].source.addr[0] == 9);
    shares_deinit(&t.shares);
}

/* Of two who hold as much, what is doubled goes; and a newcomer that is doubled
 * does not get in. */
static void test_shares_what_counts_double_goes_first(void **state)
{
    struct holding near = {.source = test_ep("9.9.9.9:1")};
    struct holding far = {.source = test_ep("9.9.9.9:1"), .doubled = 2};
    struct table t;
    size_t place;

    (void)state;
    init(&t);
    for (uint8_t i = 0; i < SHARES_LOOK; i++) {
        struct endpoint ep = test_ep4(8, i, 0, 0, 1);

        assert_true(enter(&t, &ep));
    }
    t.at[7].doubled = 1;
    place = shares_heaviest(&t.shares, SHARES_LOOK, tell, &t);
    assert_int_equal(place, 7);
    place = shares_make_way(&t.shares, &near.source, SHARES_LOOK, tell, &t,
                            IDLE, t.now);
    assert_int_equal(place, 7);
    for (size_t i = 0; i < SHARES_LOOK; i++) {
        assert_int_equal(shares_yields(&t.shares, &t.at[i], &near, IDLE, t.now),
                         i == 7);
        assert_false(shares_yields(&t.shares, &t.at[i], &far, IDLE, t.now));
    }
    shares_deinit(&t.shares);
}

static void test_shares_work_without_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct endpoint ep[30];
        unsigned added = 0;
        struct table t;

        init(&t);
        fail_alloc_at(n);
        for (uint8_t i = 0; i < COUNT_OF(ep); i++) {
            ep[added] = test_ep4(8, i, 0, 0, 1);
            added += shares_add(&t.shares, &ep[added]) == OK;
        }
        for (unsigned i = 0; i < added; i++)
            assert_int_equal(shares_count(&t.shares, &ep[i], SOURCE_HOST), 1);
        for (unsigned i = 0; i < added; i++)
            shares_remove(&t.shares, &ep[i]);
        assert_int_equal(t.shares.used, 0);
        shares_deinit(&t.shares);
        if (!fail_alloc_end())
            break;
        assert_true(n < 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_count_agrees_with_a_model),
        cmocka_unit_test(test_shares_who_holds_most_makes_way),
        cmocka_unit_test(test_shares_the_idle_make_way_among_equals),
        cmocka_unit_test(test_shares_the_idle_make_way_among_the_heavy),
        cmocka_unit_test(test_shares_what_must_stay_stays),
        cmocka_unit_test(test_shares_what_counts_double_goes_first),
        cmocka_unit_test(test_shares_work_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
