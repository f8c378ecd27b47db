/* SPDX-License-Identifier: MIT */
#include "fail_alloc.h"
#include "table_fixture.h"

#include "wire/krpc/dht_message.h"

static void test_table_is_empty_at_first(void **state)
{
    struct contact c;
    struct fixture f;
    struct id target = {{0}};
    struct table_counts counts;
    uint8_t buf[1];

    (void)state;
    assert_true(sizeof(struct table) < 200);
    init(&f, false);
    assert_int_equal(table_closest(&f.t, &target, &c, 1, TABLE_ANY, f.now), 0);
    assert_int_equal(table_write_closest(&f.t, &target, buf, 8, f.now), 0);
    assert_false(table_next_ping(&f.t, f.now, &c));
    assert_false(
        table_refresh_due(&f.t, &f.random, f.now + TIME_HOUR, &target));
    assert_int_equal(table_next_deadline(&f.t), TIME_NEVER);
    table_touch_bucket(&f.t, &target, f.now);
    table_counts(&f.t, f.now, &counts);
    assert_int_equal(counts.live + counts.buckets + counts.memory, 0);
    deinit(&f);
}

static void test_table_admits_only_by_answer(void **state)
{
    struct endpoint ep = nth_ep(1);
    struct fixture f;
    struct id id;

    (void)state;
    init(&f, false);
    id = test_random_id(&f.r);
    table_heard(&f.t, &id, &ep, f.now);
    table_named(&f.t, &id, &ep, f.now);
    assert_int_equal(f.t.live, 0);
    assert_int_equal(f.t.cached, 1);
    assert_int_equal(answered(&f, &id, &ep), TABLE_ADDED);
    assert_int_equal(f.t.live, 1);
    assert_int_equal(f.t.cached, 0);
    assert_int_equal(answered(&f, &id, &ep), TABLE_REFRESHED);
    deinit(&f);
}

static void test_table_refuses_self_and_other_family(void **state)
{
    struct endpoint v6 = test_ep("[fd00::1]:1");
    struct endpoint ep = nth_ep(1);
    struct fixture f;
    struct id id;

    (void)state;
    init(&f, true);
    id = test_random_id(&f.r);
    assert_int_equal(answered(&f, &f.t.self, &ep), TABLE_REFUSED);
    assert_int_equal(answered(&f, &id, &v6), TABLE_REFUSED);
    table_heard(&f.t, &f.t.self, &ep, f.now);
    table_heard(&f.t, &id, &v6, f.now);
    assert_int_equal(f.t.live + f.t.cached, 0);
    deinit(&f);
}

static void test_table_enforces_bep42_outside_testing(void **state)
{
    struct endpoint ep = test_ep("124.31.75.21:6881");
    struct id good = test_id("5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401");
    struct id bad = test_id("4fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401");
    struct fixture f;

    (void)state;
    init(&f, false);
    assert_int_equal(answered(&f, &bad, &ep), TABLE_REFUSED);
    table_heard(&f.t, &bad, &ep, f.now);
    assert_int_equal(f.t.cached, 0);
    assert_int_equal(answered(&f, &good, &ep), TABLE_ADDED);
    deinit(&f);
    init(&f, true);
    assert_int_equal(answered(&f, &bad, &ep), TABLE_ADDED);
    deinit(&f);
}

static void test_table_has_one_contact_per_address(void **state)
{
    struct endpoint ep = nth_ep(1);
    struct endpoint other_port = ep;
    struct fixture f;
    struct id a, b;

    (void)state;
    other_port.port++;
    for (int testing = 0; testing < 2; testing++) {
        init(&f, testing);
        a = test_near_id(&f.r, &f.t.self, 0);
        b = test_near_id(&f.r, &f.t.self, 1);
        assert_int_equal(answered(&f, &a, &ep), TABLE_ADDED);
        assert_int_equal(answered(&f, &b, &ep), TABLE_REFUSED);
        assert_int_equal(answered(&f, &b, &other_port),
                         testing ? TABLE_ADDED : TABLE_REFUSED);
        deinit(&f);
    }
}

static void test_table_limits_subnets_in_a_bucket(void **state)
{
    struct fixture f;

    (void)state;
    for (int testing = 0; testing < 2; testing++) {
        struct id far[DHT_K];

        init_full(&f, testing, far);
        for (uint8_t i = 0; i < 4; i++) {
            struct endpoint ep = test_ep4(10, 9, 9, i, 1);
            struct id id = test_near_id(&f.r, &f.t.self, 1);

            assert_int_equal(answered(&f, &id, &ep),
                             testing || i < 2 ? TABLE_ADDED : TABLE_REFUSED);
        }
        deinit(&f);
    }
}

static void test_table_limits_ipv6_subnets_by_32_bits(void **state)
{
    static const struct {
        const char *ep;
        enum table_change change;
    } cases[] = {
        {"[fd00:1:1:1100::1]:1", TABLE_ADDED},
        {"[fd00:1:1:11ff::1]:1", TABLE_ADDED},
        {"[fd00:1:2:1100::1]:1", TABLE_REFUSED},
        {"[fd00:2:1:1100::1]:1", TABLE_ADDED},
    };
    struct fixture f;

    (void)state;
    init(&f, false);
    f.t.family = FAMILY_IPV6;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint ep = test_ep(cases[i].ep);
        struct id id = test_near_id(&f.r, &f.t.self, 0);

        assert_int_equal(answered(&f, &id, &ep), cases[i].change);
    }
    deinit(&f);
}

/* A bad contact of the subnet makes way, one of another subnet does not. */
static void test_table_replaces_bad_contact_of_subnet(void **state)
{
    struct endpoint ep[3] = {test_ep4(10, 9, 9, 1, 1), test_ep4(10, 9, 9, 2, 1),
                             test_ep4(10, 9, 9, 3, 1)};
    struct endpoint elsewhere = nth_ep(0);
    struct id id[3], far;
    struct fixture f;

    (void)state;
    init(&f, false);
    add_many(&f, &far, 0, 1, 0);
    unanswered(&f, &far, &elsewhere, CONTACT_BAD_FAILS);
    for (int i = 0; i < 3; i++)
        id[i] = test_near_id(&f.r, &f.t.self, 0);
    answered(&f, &id[0], &ep[0]);
    answered(&f, &id[1], &ep[1]);
    assert_int_equal(answered(&f, &id[2], &ep[2]), TABLE_REFUSED);
    unanswered(&f, &id[1], &ep[1], CONTACT_BAD_FAILS);
    assert_int_equal(answered(&f, &id[2], &ep[2]), TABLE_REPLACED);
    assert_true(is_live(&f, &id[0]) && is_live(&f, &id[2]));
    assert_false(is_live(&f, &id[1]));
    deinit(&f);
}

static void test_table_never_displaces_what_was_verified(void **state)
{
    struct endpoint ep = nth_ep(1), moved = nth_ep(2);
    struct contact c;
    struct fixture f;
    struct id id, other;

    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        init(&f, false);
        id = test_near_id(&f.r, &f.t.self, 0);
        other = test_near_id(&f.r, &f.t.self, 3);
        answered(&f, &id, &ep);
        if (bad)
            unanswered(&f, &id, &ep, CONTACT_BAD_FAILS);
        assert_int_equal(answered(&f, &id, &moved),
                         bad ? TABLE_REPLACED : TABLE_REFUSED);
        c = live(&f, &id);
        assert_true(endpoint_equal(&c.ep, bad ? &moved : &ep));
        assert_int_equal(f.t.live, 1);
        if (bad)
            unanswered(&f, &id, &moved, CONTACT_BAD_FAILS);
        assert_int_equal(answered(&f, &other, bad ? &moved : &ep),
                         bad ? TABLE_REPLACED : TABLE_REFUSED);
        assert_int_equal(is_live(&f, &other), bad);
        assert_int_equal(f.t.live, 1);
        deinit(&f);
    }
}

/* Queries and hearsay with a known id from elsewhere change nothing. */
static void test_table_ignores_hearsay_about_live_ids(void **state)
{
    struct endpoint ep = nth_ep(1), elsewhere = nth_ep(2);
    struct fixture f;
    struct contact before, after;
    struct id id;

    (void)state;
    init(&f, false);
    id = test_random_id(&f.r);
    answered(&f, &id, &ep);
    before = live(&f, &id);
    f.now += TIME_HOUR;
    table_heard(&f.t, &id, &elsewhere, f.now);
    table_named(&f.t, &id, &elsewhere, f.now);
    table_named(&f.t, &id, &ep, f.now);
    table_failed(&f.t, &id, &elsewhere, f.now);
    after = live(&f, &id);
    assert_same(&after, &before);
    assert_int_equal(f.t.cached, 0);
    deinit(&f);
}

static void test_table_splits_only_the_last_bucket(void **state)
{
    struct fixture f;
    struct id far[DHT_K], id;
    struct endpoint ep = nth_ep(50);

    (void)state;
    init(&f, false);
    add_many(&f, far, 0, DHT_K, 0);
    assert_int_equal(f.t.bucket_count, 1);
    id = test_near_id(&f.r, &f.t.self, 0);
    assert_int_equal(answered(&f, &id, &ep), TABLE_CACHED);
    assert_int_equal(f.t.bucket_count, 2);
    for (int bits = 1; bits < 20; bits++) {
        add_many(&f, far, 1000 + 100 * (unsigned)bits, DHT_K, bits);
        assert_int_equal(f.t.bucket_count, bits == 1 ? 2 : bits + 1);
    }
    assert_int_equal(f.t.live, 20 * DHT_K);
    deinit(&f);
}

/* Ids that share all bits but the last fill as many buckets as there are. */
static void test_table_ends_at_the_most_buckets(void **state)
{
    struct fixture f;
    struct table_counts counts;

    (void)state;
    init(&f, false);
    for (int bits = 0; bits < ID_BITS; bits++) {
        for (unsigned i = 0; i < 20; i++) {
            struct endpoint ep = nth_ep((unsigned)bits * 20 + i);
            struct id id = test_near_id(&f.r, &f.t.self, bits);

            answered(&f, &id, &ep);
        }
    }
    table_counts(&f.t, f.now, &counts);
    assert_int_equal(counts.buckets, TABLE_MAX_BUCKETS - 2);
    assert_in_range(counts.live, 1, TABLE_MAX_BUCKETS * DHT_K);
    assert_in_range(counts.cached, 1, TABLE_MAX_BUCKETS * DHT_K);
    deinit(&f);
}

static void test_table_replaces_bad_in_full_bucket(void **state)
{
    struct endpoint ep = nth_ep(50), dead = nth_ep(3);
    struct id far[DHT_K], id;
    struct fixture f;

    (void)state;
    init_full(&f, false, far);
    id = test_near_id(&f.r, &f.t.self, 0);
    unanswered(&f, &far[3], &dead, CONTACT_BAD_FAILS - 1);
    assert_int_equal(answered(&f, &id, &ep), TABLE_CACHED);
    unanswered(&f, &far[3], &dead, 1);
    assert_int_equal(answered(&f, &id, &ep), TABLE_REPLACED);
    assert_false(is_live(&f, &far[3]));
    assert_int_equal(f.t.cached, 0);
    deinit(&f);
}

static void test_table_drops_after_five_failures(void **state)
{
    struct endpoint ep = nth_ep(1);
    struct fixture f;
    struct id id;

    (void)state;
    init(&f, false);
    id = test_random_id(&f.r);
    answered(&f, &id, &ep);
    unanswered(&f, &id, &ep, TABLE_DROP_FAILS - 1);
    assert_true(is_live(&f, &id));
    answered(&f, &id, &ep);
    assert_int_equal(live(&f, &id).state.fails, 0);
    unanswered(&f, &id, &ep, TABLE_DROP_FAILS);
    assert_false(is_live(&f, &id));
    assert_int_equal(f.t.live, 0);
    deinit(&f);
}

static void test_contact_quality_follows_bep5(void **state)
{
    static const struct {
        uint64_t answered, heard; /* ago; TIME_NEVER: never */
        uint8_t fails;
        enum dht_quality quality;
    } cases[] = {
        {0, TIME_NEVER, 0, DHT_GOOD},
        {CONTACT_FRESH, TIME_NEVER, 0, DHT_GOOD},
        {STALE, TIME_NEVER, 0, DHT_QUESTIONABLE},
        {TIME_HOUR, CONTACT_FRESH, 0, DHT_GOOD},
        {TIME_HOUR, STALE, 0, DHT_QUESTIONABLE},
        {TIME_NEVER, 0, 0, DHT_QUESTIONABLE},
        {TIME_NEVER, TIME_NEVER, 0, DHT_QUESTIONABLE},
        {0, 0, 2, DHT_GOOD},
        {0, 0, 3, DHT_BAD},
        {TIME_HOUR, TIME_HOUR, 255, DHT_BAD},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct contact_state c = {.fails = cases[i].fails & 0x7fU};

        if (cases[i].answered != TIME_NEVER)
            c.last_answer = contact_tick(START - cases[i].answered);
        if (cases[i].heard != TIME_NEVER)
            c.last_heard = contact_tick(START - cases[i].heard);
        assert_int_equal(contact_quality(&c, START), cases[i].quality);
    }
}

static void test_contact_ticks_wrap(void **state)
{
    uint64_t wrap = UINT64_C(1) << (32 + CONTACT_TICK_SHIFT);
    struct contact_state c = {.last_answer = contact_tick(wrap - TIME_MIN)};

    (void)state;
    assert_int_equal(contact_quality(&c, wrap + TIME_MIN), DHT_GOOD);
    assert_int_equal(contact_quality(&c, wrap + TIME_HOUR), DHT_QUESTIONABLE);
    assert_int_equal(contact_age(5, 3), 0);
    assert_int_equal(contact_age(0, 3), UINT32_MAX);
    assert_int_not_equal(contact_tick(0), 0);
    assert_int_not_equal(contact_tick(wrap), 0);
}

static void test_table_smooths_round_trips(void **state)
{
    struct endpoint ep = nth_ep(1);
    struct fixture f;
    struct id id;

    (void)state;
    init(&f, false);
    id = test_random_id(&f.r);
    table_answered(&f.t, &id, &ep, 80 * TIME_MS, f.now);
    assert_int_equal(live(&f, &id).state.rtt_us, 80000);
    table_answered(&f.t, &id, &ep, 160 * TIME_MS, f.now);
    assert_int_equal(live(&f, &id).state.rtt_us, 90000);
    table_answered(&f.t, &id, &ep, 0, f.now);
    assert_true(live(&f, &id).state.rtt_us > 0);
    table_answered(&f.t, &id, &ep, UINT64_MAX, f.now);
    assert_in_range(live(&f, &id).state.rtt_us, 1000000, CONTACT_RTT_MAX);
    deinit(&f);
}

/* ---- Closest ----------------------------------------------------------- */

#define MODEL_MAX 2000

struct model {
    struct contact all[MODEL_MAX];
    size_t count;
};

static void collect(void *ctx, const struct contact *c, unsigned bucket)
{
    struct model *m = ctx;

    (void)bucket;
    m->all[m->count++] = *c;
}

static void sort_model(struct model *m, const struct id *target)
{
    for (size_t i = 1; i < m->count; i++) {
        struct contact c = m->all[i];
        size_t at = i;

        for (; at > 0 &&
               id_compare_distance(target, &c.id, &m->all[at - 1].id) < 0;
             at--)
            m->all[at] = m->all[at - 1];
        m->all[at] = c;
    }
}

static void check_closest(struct fixture *f, const struct id *target,
                          enum table_which which)
{
    static struct model m;
    struct contact out[20];
    size_t max = test_random_below(&f->r, 20) + 1;
    size_t count, good = 0;

    m.count = 0;
    table_visit(&f->t, collect, &m);
    assert_int_equal(m.count, f->t.live);
    if (which == TABLE_GOOD) {
        for (size_t i = 0; i < m.count; i++) {
            if (contact_quality(&m.all[i].state, f->now) == DHT_GOOD)
                m.all[good++] = m.all[i];
        }
        m.count = good;
    }
    sort_model(&m, target);
    count = table_closest(&f->t, target, out, max, which, f->now);
    assert_int_equal(count, m.count < max ? m.count : max);
    for (size_t i = 0; i < count; i++)
        assert_same(&out[i], &m.all[i]);
}

static void check_compact(struct fixture *f, const struct id *target)
{
    size_t node = f->t.family == FAMILY_IPV4 ? COMPACT_NODE4 : COMPACT_NODE6;
    struct contact out[DHT_K];
    uint8_t buf[DHT_K * COMPACT_NODE6];
    size_t count = table_closest(&f->t, target, out, DHT_K, TABLE_GOOD, f->now);
    size_t len = table_write_closest(&f->t, target, buf, DHT_K, f->now);

    assert_int_equal(len, count * node);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *p = buf + i * node;
        struct bytes compact = bytes_of(p + ID_BYTES, node - ID_BYTES);
        struct endpoint ep;

        assert_memory_equal(p, out[i].id.b, ID_BYTES);
        assert_int_equal(endpoint_read_compact(compact, &ep), OK);
        assert_true(endpoint_equal(&out[i].ep, &ep));
    }
}

/* In all that table_stalest does not look at, too. */
static void check_stalest(struct fixture *f)
{
    static struct model m;
    uint32_t tick = contact_tick(f->now), most = 0, ticks = 0;
    struct contact c;

    m.count = 0;
    table_visit(&f->t, collect, &m);
    for (size_t i = 0; i < m.count; i++) {
        const struct contact_state *s = &m.all[i].state;
        uint32_t age = contact_age(s->last_answer, tick);

        if (s->fails == 0 && contact_age(s->last_heard, tick) < age)
            age = contact_age(s->last_heard, tick);
        if (age > most)
            most = age;
    }
    assert_int_equal(table_stalest(&f->t, f->now, &c, &ticks), most > 0);
    assert_int_equal(ticks, most);
}

static void random_step(struct fixture *f, struct id *known, unsigned count)
{
    unsigned n = test_random_below(&f->r, count);
    struct endpoint ep =
        nth_ep_of(f, test_random_below(&f->r, 8) == 0 ? n / 3 : n);

    f->now += test_random_below(&f->r, 3000) * TIME_MS;
    switch (test_random_below(&f->r, 6)) {
    case 0:
    case 1:
    case 2:
        answered(f, &known[n], &ep);
        break;
    case 3:
        table_heard(&f->t, &known[n], &ep, f->now);
        break;
    case 4:
        table_named(&f->t, &known[n], &ep, f->now);
        break;
    default:
        unanswered(f, &known[n], &ep, 1 + (int)test_random_below(&f->r, 2));
    }
}

/* Random life, invariants after each step, closest against sorting all. */
static void live_randomly(struct fixture *f)
{
    enum { KNOWN = 600 };
    static struct id known[KNOWN];

    for (unsigned i = 0; i < KNOWN; i++)
        known[i] =
            test_near_id(&f->r, &f->t.self, (int)test_random_below(&f->r, 9));
    for (unsigned i = 0; i < 10000; i++) {
        random_step(f, known, KNOWN);
        if (i % 16 != 0)
            continue;
        table_check(&f->t);
        struct id target =
            test_near_id(&f->r, &f->t.self, (int)test_random_below(&f->r, 12));

        check_closest(f, &target, TABLE_ANY);
        check_closest(f, &target, TABLE_GOOD);
        check_closest(f, &f->t.self, TABLE_ANY);
        check_closest(f, &known[i % KNOWN], TABLE_ANY);
        check_compact(f, &target);
        check_stalest(f);
    }
    assert_true(f->t.live > 40);
}

static void test_table_agrees_with_a_model(void **state)
{
    struct fixture f;

    (void)state;
    for (int family = 0; family < FAMILIES; family++) {
        for (int testing = 0; testing < 2; testing++) {
            init_family(&f, (enum family)family, testing);
            live_randomly(&f);
            deinit(&f);
        }
    }
}

/* ---- Rehome and memory ------------------------------------------------- */

static void test_table_rehomes(void **state)
{
    struct id ids[DHT_K], self;
    struct contact before, after;
    struct fixture f;
    unsigned count;

    (void)state;
    init(&f, false);
    for (int bits = 0; bits < 10; bits++)
        add_many(&f, ids, 100 * (unsigned)bits, DHT_K, bits);
    count = f.t.live;
    before = live(&f, &ids[0]);
    self = test_near_id(&f.r, &ids[0], 100);
    assert_int_equal(table_rehome(&f.t, &self, f.now), OK);
    table_check(&f.t);
    assert_true(id_equal(&f.t.self, &self));
    after = live(&f, &ids[0]);
    assert_same(&after, &before);
    assert_in_range(f.t.live + f.t.cached, count / 2, count);
    /* A contact that has our new id is no contact. */
    assert_int_equal(table_rehome(&f.t, &ids[0], f.now), OK);
    assert_false(is_live(&f, &ids[0]));
    deinit(&f);
}

static void test_table_rehome_without_memory_changes_nothing(void **state)
{
    struct id ids[DHT_K], self;
    struct fixture f;
    unsigned n = 1;

    (void)state;
    init(&f, false);
    for (int bits = 0; bits < 6; bits++)
        add_many(&f, ids, 100 * (unsigned)bits, DHT_K, bits);
    self = test_near_id(&f.r, &ids[0], 60);
    for (;; n++) {
        struct table before = f.t;
        enum error e;

        fail_alloc_at(n);
        e = table_rehome(&f.t, &self, f.now);
        if (!fail_alloc_end())
            break;
        if (e == OK)
            break; /* a candidate was dropped */
        assert_int_equal(e, ERR_NO_MEMORY);
        assert_memory_equal(&f.t, &before, sizeof(before));
    }
    assert_true(n > 3);
    deinit(&f);
}

static void test_table_survives_failing_allocations(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct fixture f;
        bool failed;

        init(&f, true);
        fail_alloc_at(n);
        for (unsigned i = 0; i < 500; i++) {
            struct endpoint ep = nth_ep(i);
            struct id id = test_random_id(&f.r);

            table_named(&f.t, &id, &ep, f.now);
            if (i % 2 == 0)
                answered(&f, &id, &ep);
        }
        failed = fail_alloc_end();
        assert_true(f.t.live >= 4 * DHT_K);
        deinit(&f);
        if (!failed)
            break;
    }
}

static void test_table_stays_small(void **state)
{
    struct table_counts counts;
    struct fixture f;

    (void)state;
    init(&f, true);
    for (unsigned i = 0; i < 60000; i++) {
        struct endpoint ep = nth_ep(i);
        struct id id = test_random_id(&f.r);

        answered(&f, &id, &ep);
    }
    table_counts(&f.t, f.now, &counts);
    assert_true(counts.live > 80);
    assert_int_equal(counts.good, counts.live);
    assert_in_range(counts.memory, 1, 20000);
    /* A contact, live or not, with its share of the rest. */
    assert_in_range(counts.memory / (counts.live + counts.cached), 52, 64);
    deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_empty_at_first),
        cmocka_unit_test(test_table_admits_only_by_answer),
        cmocka_unit_test(test_table_refuses_self_and_other_family),
        cmocka_unit_test(test_table_enforces_bep42_outside_testing),
        cmocka_unit_test(test_table_has_one_contact_per_address),
        cmocka_unit_test(test_table_limits_subnets_in_a_bucket),
        cmocka_unit_test(test_table_limits_ipv6_subnets_by_32_bits),
        cmocka_unit_test(test_table_replaces_bad_contact_of_subnet),
        cmocka_unit_test(test_table_never_displaces_what_was_verified),
        cmocka_unit_test(test_table_ignores_hearsay_about_live_ids),
        cmocka_unit_test(test_table_splits_only_the_last_bucket),
        cmocka_unit_test(test_table_ends_at_the_most_buckets),
        cmocka_unit_test(test_table_replaces_bad_in_full_bucket),
        cmocka_unit_test(test_table_drops_after_five_failures),
        cmocka_unit_test(test_contact_quality_follows_bep5),
        cmocka_unit_test(test_contact_ticks_wrap),
        cmocka_unit_test(test_table_smooths_round_trips),
        cmocka_unit_test(test_table_agrees_with_a_model),
        cmocka_unit_test(test_table_rehomes),
        cmocka_unit_test(test_table_rehome_without_memory_changes_nothing),
        cmocka_unit_test(test_table_survives_failing_allocations),
        cmocka_unit_test(test_table_stays_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
