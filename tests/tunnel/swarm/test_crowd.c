/* SPDX-License-Identifier: MIT */
#include "tunnel/swarm/crowd.h"

#include "fail_alloc.h"
#include "testing.h"
#include "tunnel/swarm/estimate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#define PERIOD 20000

static struct test_random seed;

static void fill(void *ctx, void *out, size_t len)
{
    test_random_fill(ctx, out, len);
}

static struct crowd begin(uint64_t number)
{
    const struct random_source random = {.ctx = &seed, .fill = fill};
    uint8_t own[32];
    struct crowd c;

    seed = test_seed(number);
    memset(own, 0x80, sizeof(own));
    crowd_init(&c, own, &random);
    return c;
}

/* Member `n` of a kind; those of kinds from 0x90 have the greater key. */
static void key_of(uint8_t kind, unsigned n, uint8_t key[32])
{
    memset(key, 0, 32);
    key[0] = kind;
    bytes_put_number(key + 1, 4, n);
}

static struct crowd_place place_at(uint8_t point, uint64_t origin,
                                   uint32_t issued)
{
    struct crowd_place place = {
        .period = PERIOD, .issued = issued, .origin = origin};

    place.point.identity[0] = point;
    place.point.endpoint_count = 1;
    return place;
}

static bool see(struct crowd *c, uint8_t kind, unsigned n, uint8_t point,
                uint64_t now)
{
    struct crowd_place place = place_at(point, point, 1000);
    uint8_t key[32];

    key_of(kind, n, key);
    return crowd_see(c, key, &place, now);
}

static struct crowd_member *find(const struct crowd *c, uint8_t kind,
                                 unsigned n)
{
    uint8_t key[32];

    key_of(kind, n, key);
    return crowd_find(c, key);
}

/* ---- Seen --------------------------------------------------------------- */

static void test_crowd_knows_each_once(void **state)
{
    struct crowd c = begin(1);
    struct crowd_place place = place_at(1, 1, 1000);
    struct crowd_member *m;

    (void)state;
    assert_false(crowd_see(&c, c.own, &place, 0));
    assert_int_equal(c.count, 0);
    assert_true(see(&c, 0x90, 1, 1, 5));
    assert_false(see(&c, 0x90, 1, 2, 6));
    assert_false(see(&c, 0x90, 1, 2, 7));
    m = find(&c, 0x90, 1);
    assert_int_equal(m->place_count, 2);
    assert_int_equal(m->seen_at, 7);
    /* A newer entry counts, an older one does not. */
    place.issued = 999;
    place.auth_id[0] = 9;
    assert_false(crowd_see(&c, m->key, &place, 8));
    assert_int_equal(m->places[0].auth_id[0], 0);
    place.issued = 1001;
    assert_false(crowd_see(&c, m->key, &place, 8));
    assert_int_equal(m->places[0].auth_id[0], 9);
    assert_int_equal(m->place_count, 2);
    crowd_deinit(&c);
}

/* Who has many points cannot push out where others have seen a member. */
static void test_crowd_keeps_places_of_each_origin(void **state)
{
    struct crowd c = begin(2);
    struct crowd_member *m;
    bool honest = false;

    (void)state;
    see(&c, 0x90, 1, 1, 0);
    m = find(&c, 0x90, 1);
    for (unsigned i = 2; i < 200; i++) {
        struct crowd_place place = place_at((uint8_t)i, 7, 2000 + i);

        crowd_see(&c, m->key, &place, 1);
        assert_true(m->place_count <= CROWD_PLACES);
    }
    for (unsigned i = 0; i < m->place_count; i++)
        honest |= m->places[i].origin == 1;
    assert_true(honest);
    crowd_deinit(&c);
}

static void test_crowd_is_bounded(void **state)
{
    struct crowd c = begin(3);
    uint8_t key[32];

    (void)state;
    for (unsigned n = 0; n < 20; n++) /* the honest ones come first */
        see(&c, 0x90, n, (uint8_t)(1 + n % 5), n);
    key_of(0x90, 3, key);
    crowd_came(&c, key, 20);
    for (unsigned n = 0; n < 1000; n++)
        see(&c, 0xa0, n, 100, 100 + n);
    assert_int_equal(c.count, 20 + CROWD_MAX / CROWD_SHARE);
    for (unsigned n = 0; n < 4000; n++)
        see(&c, 0xb0, n, (uint8_t)(101 + n % 4), 2000 + n);
    assert_int_equal(c.count, CROWD_MAX);
    for (unsigned n = 0; n < 20; n++)
        assert_non_null(find(&c, 0x90, n));
    crowd_deinit(&c);
}

/* Who could not be met makes way first, a peer never. */
static void test_crowd_makes_way(void **state)
{
    struct crowd c = begin(4);
    uint8_t key[32];

    (void)state;
    for (unsigned n = 0; n < CROWD_MAX; n++)
        see(&c, 0x90, n, (uint8_t)(1 + n % 200), n);
    assert_int_equal(c.count, CROWD_MAX);
    for (unsigned n = 0; n < 10; n++) {
        key_of(0x90, n, key);
        crowd_came(&c, key, CROWD_MAX);
    }
    crowd_failed(&c, find(&c, 0x90, 77), CROWD_MAX);
    assert_true(see(&c, 0x91, 0, 1, 1000));
    assert_null(find(&c, 0x90, 77));
    assert_true(see(&c, 0x91, 1, 1, 1000)); /* then the oldest */
    assert_null(find(&c, 0x90, 10));
    for (unsigned n = 0; n < 10; n++)
        assert_non_null(find(&c, 0x90, n));
    for (unsigned n = 10; n < CROWD_MAX; n++) {
        key_of(0x90, n, key);
        crowd_came(&c, key, 2000);
    }
    for (unsigned n = 0; n < 2; n++) {
        key_of(0x91, n, key);
        crowd_came(&c, key, 2000);
    }
    assert_int_equal(c.count, CROWD_MAX);
    assert_false(see(&c, 0x92, 0, 1, 3000));
    assert_true(c.refused > 0);
    crowd_deinit(&c);
}

static void test_crowd_forgets_the_unseen(void **state)
{
    struct crowd c = begin(5);
    uint8_t key[32];

    (void)state;
    see(&c, 0x90, 1, 1, 0);
    see(&c, 0x90, 2, 1, 0);
    see(&c, 0x90, 3, 1, TIME_HOUR);
    key_of(0x90, 1, key);
    crowd_came(&c, key, 0);
    crowd_tick(&c, ENTRY_AGE * TIME_S - 1);
    assert_int_equal(c.count, 3);
    crowd_tick(&c, ENTRY_AGE * TIME_S);
    assert_int_equal(c.count, 2);
    assert_null(find(&c, 0x90, 2));
    crowd_deinit(&c);
}

static void test_crowd_without_memory(void **state)
{
    struct crowd c = begin(6);

    (void)state;
    fail_alloc_at(1);
    assert_false(see(&c, 0x90, 1, 1, 0));
    assert_true(fail_alloc_end());
    assert_int_equal(c.count, 0);
    assert_int_equal(c.refused, 1);
    assert_true(see(&c, 0x90, 1, 1, 0));
    crowd_deinit(&c);
}

/* ---- Whom to meet ------------------------------------------------------- */

static void test_crowd_smaller_key_opens(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= 50; s++) {
        struct crowd c = begin(s);

        see(&c, 0x70, 1, 1, TIME_S);
        assert_true(crowd_next_at(&c) >= 6 * TIME_S);
        assert_true(crowd_next_at(&c) <= 11 * TIME_S);
        assert_null(crowd_next(&c, 32, 32, crowd_next_at(&c) - 1));
        assert_non_null(crowd_next(&c, 32, 32, crowd_next_at(&c)));
        assert_int_equal(crowd_next_at(&c), TIME_NEVER);
        see(&c, 0x90, 1, 1, TIME_S);
        assert_int_equal(crowd_next_at(&c), TIME_S);
        assert_ptr_equal(crowd_next(&c, 32, 32, TIME_S), find(&c, 0x90, 1));
        assert_null(crowd_next(&c, 32, 32, TIME_HOUR));
        crowd_deinit(&c);
    }
}

static void test_crowd_comes_and_goes(void **state)
{
    struct crowd c = begin(7);
    struct crowd_member *m;
    uint64_t now = 0, last = 0;

    (void)state;
    see(&c, 0x90, 1, 1, now);
    for (unsigned i = 0; i < 12; i++) { /* later each time, up to a bound */
        m = crowd_next(&c, 32, 32, now);
        assert_non_null(m);
        crowd_failed(&c, m, now);
        assert_true(m->open_at - now >= time_min(last, RAND_MAX));
        assert_true(m->open_at - now <= 20 * TIME_MIN);
        last = (m->open_at - now) / 2;
        now = m->open_at;
    }
    assert_true(last >= 5 * TIME_MIN);
    m = crowd_next(&c, 32, 32, now);
    crowd_came(&c, m->key, now);
    assert_int_equal(m->state, CROWD_PEER);
    now += TIME_HOUR;
    crowd_left(&c, m->key, now);
    assert_int_equal(m->failures, 0);
    assert_true(m->open_at <= now + TIME_S);
    m = crowd_next(&c, 32, 32, m->open_at);
    crowd_put_back(m);
    assert_non_null(crowd_next(&c, 32, 32, m->open_at));
    crowd_came(&c, m->key, now);
    crowd_left(&c, m->key, now + TIME_S); /* it does not stay */
    assert_int_equal(m->failures, 1);
    assert_true(m->open_at >= now + 10 * TIME_S);
    crowd_deinit(&c);
}

/* One that was never seen comes by itself: it is known, and not met again. */
static void test_crowd_unseen_peer(void **state)
{
    struct crowd c = begin(8);
    uint8_t key[32];

    (void)state;
    key_of(0x90, 1, key);
    crowd_came(&c, key, 0);
    assert_int_equal(c.count, 1);
    crowd_left(&c, key, TIME_HOUR);
    assert_int_equal(crowd_next_at(&c), TIME_NEVER);
    assert_null(crowd_next(&c, 32, 32, 2 * TIME_HOUR));
    crowd_left(&c, c.own, 0);
    crowd_deinit(&c);
}

static unsigned meet_all(struct crowd *c, unsigned max_peers, uint64_t now)
{
    struct crowd_member *m;
    unsigned peers = 0;

    while ((m = crowd_next(c, max_peers, max_peers - peers, now)) != NULL) {
        crowd_came(c, m->key, now);
        peers++;
    }
    return peers;
}

static void test_crowd_quarter_of_an_origin(void **state)
{
    struct crowd c = begin(9);

    (void)state;
    for (unsigned n = 0; n < 60; n++)
        see(&c, 0x90, n, 1, 0);
    assert_int_equal(meet_all(&c, 32, 0), 8);
    for (unsigned n = 60; n < 120; n++)
        see(&c, 0x90, n, 2, 0);
    assert_int_equal(meet_all(&c, 32, 0), 8);
    crowd_deinit(&c);
    c = begin(9);
    see(&c, 0x90, 1, 1, 0);
    assert_int_equal(meet_all(&c, 1, 0), 1); /* at least one */
    crowd_deinit(&c);
}

/* Of one origin those come first that another one names, too. */
static void test_crowd_named_twice_first(void **state)
{
    struct crowd c = begin(10);

    (void)state;
    for (unsigned n = 0; n < 40; n++)
        see(&c, 0x90, n, 1, 0);
    see(&c, 0x90, 17, 2, 0);
    assert_ptr_equal(crowd_next(&c, 32, 32, 0), find(&c, 0x90, 17));
    crowd_deinit(&c);
}

/* ---- Under attack ------------------------------------------------------- */

#define HONEST_POINTS  6
#define HOSTILE_POINTS 3
#define MEMBERS        20

/* Each second every point names eight: of the honest members those that are at
 * it (each is at two), of the hostile ones whoever they make up. */
static void name_all(struct crowd *c, unsigned *fakes, uint64_t now)
{
    for (unsigned p = 0; p < HOSTILE_POINTS; p++)
        for (unsigned i = 0; i < 8; i++)
            see(c, 0xa0, (*fakes)++, (uint8_t)(100 + p), now);
    for (unsigned n = 0; n < MEMBERS; n++) {
        see(c, 0x90, n, (uint8_t)(1 + n % HONEST_POINTS), now);
        see(c, 0x90, n, (uint8_t)(1 + (n + 1) % HONEST_POINTS), now);
    }
}

struct meeting_attempt {
    struct crowd_member *m;
    uint64_t end;
};

/* What the honest peers are after `seconds`: one of them is met in two seconds,
 * a fake takes 12 to fail, or (`real`) 2 to become a peer. */
static unsigned run(struct crowd *c, unsigned seconds, bool real)
{
    struct meeting_attempt a[CROWD_MEETING] = {0};
    unsigned fakes = 0, honest = 0, peers = 0, under_way = 0;

    for (uint64_t now = 0; now < seconds * TIME_S; now += TIME_S) {
        name_all(c, &fakes, now);
        for (unsigned i = 0; i < CROWD_MEETING; i++) {
            if (a[i].m != NULL && now >= a[i].end) {
                bool good = a[i].m->key[0] == 0x90;

                if (good || real)
                    crowd_came(c, a[i].m->key, now);
                else
                    crowd_failed(c, a[i].m, now);
                honest += good;
                peers += good || real;
                under_way--;
                a[i].m = NULL;
            }
            if (a[i].m == NULL)
                a[i].m = crowd_next(c, 32, 32 - peers - under_way, now);
            else
                continue;
            if (a[i].m == NULL)
                continue;
            under_way++;
            a[i].end = now + (a[i].m->key[0] == 0x90 || real ? 2 : 12) * TIME_S;
        }
    }
    return honest;
}

static void test_crowd_among_fakes(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= 20; s++) {
        struct crowd c = begin(s);

        assert_in_range(run(&c, 60, false), 16, MEMBERS);
        crowd_deinit(&c);
        c = begin(s);
        assert_in_range(run(&c, 60, true), 16, MEMBERS);
        crowd_deinit(&c);
    }
}

/* Those met now, whom origin 1 named, and whom others did. */
static void meet_until_full(struct crowd *c, uint64_t now, unsigned *one,
                            unsigned *others)
{
    *one = *others = 0;
    while (crowd_next(c, 64, 64, now) != NULL)
        ;
    for (unsigned i = 0; i < c->count; i++) {
        const struct crowd_member *m = c->members[i];

        *one += m->state == CROWD_MEETS && m->charged == 1;
        *others += m->state == CROWD_MEETS && m->charged != 1;
    }
}

/* Eight points have named nobody who exists: together they get few places of
 * those who are met, and last, whoever else there is. Once somebody of the
 * other origin has come, two of it are met at once. */
static void test_crowd_few_of_those_in_doubt(void **state)
{
    struct crowd c = begin(12);
    unsigned one, others;
    uint8_t key[32];

    (void)state;
    for (uint8_t point = 2; point < 10; point++)
        for (unsigned n = 0; n < 20; n++)
            see(&c, point, n, point, 0);
    meet_until_full(&c, TIME_MIN, &one, &others);
    assert_int_equal(others, CROWD_MEETING); /* one of each */
    for (unsigned i = 0; i < c.count; i++)
        if (c.members[i]->state == CROWD_MEETS)
            crowd_failed(&c, c.members[i], TIME_MIN);
    for (unsigned n = 0; n < 20; n++)
        see(&c, 0x90, n, 1, TIME_MIN);
    meet_until_full(&c, TIME_MIN, &one, &others);
    assert_int_equal(one, CROWD_MEETING / 2);
    assert_int_equal(others, CROWD_MEETING / CROWD_SHARE);
    for (unsigned n = 0; n < 20; n++) {
        key_of(0x90, n, key);
        if (find(&c, 0x90, n)->state == CROWD_MEETS)
            crowd_came(&c, key, TIME_MIN);
    }
    meet_until_full(&c, TIME_MIN, &one, &others);
    assert_true(one >= 2);
    assert_int_equal(others, CROWD_MEETING / CROWD_SHARE);
    crowd_deinit(&c);
}

/* ---- How many ----------------------------------------------------------- */

static void test_crowd_counts(void **state)
{
    struct crowd c = begin(11);
    struct crowd_place other = place_at(3, 3, 1000);
    struct crowd_counts counts;

    (void)state;
    for (unsigned n = 0; n < 10; n++)
        see(&c, 0x90, n, 1, 0);
    for (unsigned n = 5; n < 8; n++)
        see(&c, 0x90, n, 2, 0);
    see(&c, 0x90, 7, 4, 0);
    other.period++;
    crowd_see(&c, find(&c, 0x90, 9)->key, &other, 0);
    crowd_count(&c, PERIOD, &counts);
    assert_int_equal(counts.seen, 10);
    assert_int_equal(counts.once, 7);
    assert_int_equal(counts.twice, 2);
    crowd_count(&c, PERIOD + 1, &counts);
    assert_int_equal(counts.seen, 1);
    crowd_deinit(&c);
}

static struct estimate estimate(const struct estimate_of of)
{
    struct estimate e;

    estimate_size(&of, &e);
    return e;
}

static void test_estimate_bounds(void **state)
{
    struct estimate e = estimate((struct estimate_of){0});

    (void)state;
    assert_true(e.size >= 0 && e.size <= 0 && e.spread <= 0);
    e = estimate((struct estimate_of){20, 0, 20, 6, 30, 400});
    assert_true(e.size >= 20 && e.size <= 20 && e.spread <= 0);
    /* w = 4/3, r = 1/4: 90 / (2 * 4/3 * 5 + 2.5) = 5.684 */
    e = estimate((struct estimate_of){30, 10, 4, 4, 20, 1000});
    assert_true(e.size > 35.68 && e.size < 35.69);
    assert_true(e.spread > 3 && e.spread < 7);
    /* No more than there are entries, no less than were seen. */
    e = estimate((struct estimate_of){30, 30, 0, 10, 60, 45});
    assert_true(e.size >= 45 && e.size <= 45);
    e = estimate((struct estimate_of){30, 30, 0, 10, 60, 3});
    assert_true(e.size >= 30 && e.size <= 30);
    e = estimate((struct estimate_of){256, 256, 0, 2, 64, 1e9});
    assert_true(e.spread <= e.size);
    /* All points were asked, or one: nothing can be said of others. */
    e = estimate((struct estimate_of){30, 30, 0, 9, 9, 1e9});
    assert_true(e.size >= 30 && e.size <= 30);
    e = estimate((struct estimate_of){30, 30, 0, 1, 9, 1e9});
    assert_true(e.size >= 30 && e.size <= 30);
}

/* Members at 3 of 30 points, of which 8 tell all that they have. */
static void test_estimate_finds_the_unseen(void **state)
{
    double sum = 0;
    unsigned within = 0;

    (void)state;
    for (uint64_t s = 1; s <= 200; s++) {
        struct test_random r = test_seed(s);
        unsigned hits[4] = {0};
        struct estimate e;

        for (unsigned n = 0; n < 60; n++) {
            unsigned at = 0, seen = 0, chosen[3];

            while (at < 3) {
                chosen[at] = test_random_below(&r, 30);
                if ((at > 0 && chosen[at] == chosen[0]) ||
                    (at > 1 && chosen[at] == chosen[1]))
                    continue;
                seen += chosen[at++] < 8;
            }
            hits[seen]++;
        }
        e = estimate(
            (struct estimate_of){60 - hits[0], hits[1], hits[2], 8, 30, 180});
        sum += e.size;
        within += e.size - 2 * e.spread <= 60 && e.size + 2 * e.spread >= 60;
    }
    assert_true(sum / 200 > 52 && sum / 200 < 68);
    assert_true(within > 170);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crowd_knows_each_once),
        cmocka_unit_test(test_crowd_keeps_places_of_each_origin),
        cmocka_unit_test(test_crowd_is_bounded),
        cmocka_unit_test(test_crowd_makes_way),
        cmocka_unit_test(test_crowd_forgets_the_unseen),
        cmocka_unit_test(test_crowd_without_memory),
        cmocka_unit_test(test_crowd_smaller_key_opens),
        cmocka_unit_test(test_crowd_comes_and_goes),
        cmocka_unit_test(test_crowd_unseen_peer),
        cmocka_unit_test(test_crowd_quarter_of_an_origin),
        cmocka_unit_test(test_crowd_named_twice_first),
        cmocka_unit_test(test_crowd_among_fakes),
        cmocka_unit_test(test_crowd_few_of_those_in_doubt),
        cmocka_unit_test(test_crowd_counts),
        cmocka_unit_test(test_estimate_bounds),
        cmocka_unit_test(test_estimate_finds_the_unseen),
    };

    return cmocka_run_group_tests_name("crowd", tests, NULL, NULL);
}
