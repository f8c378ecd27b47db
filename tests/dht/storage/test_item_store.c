/* SPDX-License-Identifier: MIT */
#include "dht_data.h"
#include "fail_alloc.h"
#include "wide_sources.h"

#include "base/timestamp.h"
#include "dht/storage/item_store.h"
#include "wire/krpc/dht_message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define START    (100 * TIME_HOUR)
#define LIFETIME (2 * TIME_HOUR)

static const struct item_store_config roomy = {
    .max_items = 100000, .max_per_source = 1000, .lifetime = LIFETIME};

struct fixture {
    struct test_random r;
    struct item_store s;
    uint64_t now;
};

static void init(struct fixture *f, const struct item_store_config *config)
{
    struct random_source random;

    f->r = test_seed(17);
    random = test_source(&f->r);
    f->now = START;
    item_store_init(&f->s, config, NULL, &random);
}

static struct id nth_id(unsigned n)
{
    struct id id = {{0}};

    memcpy(id.b, &n, sizeof(n));
    return id;
}

static struct endpoint nth_ep(unsigned n)
{
    return test_ep4(10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, 1);
}

static struct value number_value(unsigned n)
{
    char text[16];
    struct value v;

    snprintf(text, sizeof(text), "%u", n);
    assert_int_equal(value_from_bytes(bytes_of_text(text), &v), OK);
    return v;
}

/* A mutable item with a value of its own for each number. */
static enum error put(struct fixture *f, unsigned target, int64_t seq,
                      unsigned number, const int64_t *cas, unsigned source)
{
    struct value value = number_value(number);
    struct dht_item item = {.mutable_item = true, .seq = seq, .value = &value};
    struct endpoint ep = nth_ep(source);
    struct id id = nth_id(target);
    enum error check, got;

    memset(item.key, (int)target, sizeof(item.key));
    memset(item.signature, (int)number, sizeof(item.signature));
    check = item_store_check(&f->s, &id, &item, cas, &ep, f->now);
    got = item_store_put(&f->s, &id, &item, cas, &ep, f->now);
    if (got != ERR_NO_MEMORY)
        assert_int_equal(check, got);
    return got;
}

static enum error put_immutable(struct fixture *f, unsigned target,
                                unsigned source)
{
    struct value value = number_value(target);
    struct dht_item item = {.value = &value};
    struct endpoint ep = nth_ep(source);
    struct id id = nth_id(target);

    return item_store_put(&f->s, &id, &item, NULL, &ep, f->now);
}

static bool can_store(struct fixture *f, unsigned target, unsigned source)
{
    struct endpoint ep = nth_ep(source);
    struct id id = nth_id(target);

    return item_store_can_store(&f->s, &id, &ep, f->now);
}

static bool get(struct fixture *f, unsigned target, struct item_view *out)
{
    struct id id = nth_id(target);

    return item_store_get(&f->s, &id, f->now, out);
}

static bool has(struct fixture *f, unsigned target)
{
    struct item_view view;

    return get(f, target, &view);
}

static void assert_value(struct fixture *f, unsigned target, int64_t seq,
                         unsigned number)
{
    struct value value = number_value(number);
    struct item_view view;

    assert_true(get(f, target, &view));
    assert_int_equal(view.seq, seq);
    assert_true(bytes_equal(view.value, value_bytes(&value)));
}

static void test_item_store_gives_what_was_put(void **state)
{
    struct value value = number_value(12345);
    struct dht_item item = {.mutable_item = true, .seq = -7, .value = &value};
    struct endpoint ep = nth_ep(1);
    struct id id = nth_id(1);
    struct item_view view;
    struct fixture f;

    (void)state;
    init(&f, &roomy);
    assert_false(has(&f, 1));
    item.salt = bytes_of_text("salt");
    memset(item.key, 1, sizeof(item.key));
    memset(item.signature, 2, sizeof(item.signature));
    assert_int_equal(item_store_put(&f.s, &id, &item, NULL, &ep, f.now), OK);
    assert_int_equal(put_immutable(&f, 2, 1), OK);
    assert_true(get(&f, 1, &view));
    assert_true(view.mutable_item);
    assert_memory_equal(view.key, item.key, sizeof(item.key));
    assert_memory_equal(view.signature, item.signature, sizeof(item.signature));
    assert_int_equal(view.seq, -7);
    assert_true(bytes_equal(view.salt, item.salt));
    assert_true(bytes_equal(view.value, value_bytes(&value)));
    assert_true(get(&f, 2, &view));
    assert_false(view.mutable_item);
    assert_null(view.key);
    assert_null(view.signature);
    assert_value(&f, 2, 0, 2);
    assert_int_equal(f.s.items, 2);
    item_store_deinit(&f.s);
    assert_int_equal(f.s.memory, 0);
}

/* BEP 44: what a put does to an item with seq 5 and value 50. */
static void test_item_store_follows_seq_and_cas(void **state)
{
    static const struct {
        int64_t seq;
        unsigned number;
        int64_t cas; /* -1: none */
        enum error result;
    } cases[] = {
        {6, 60, -1, OK},        {6, 50, -1, OK},
        {5, 50, -1, OK},        {5, 51, -1, ERR_SEQ},
        {4, 50, -1, ERR_SEQ},   {4, 40, -1, ERR_SEQ},
        {6, 60, 5, OK},         {6, 60, 4, ERR_CAS},
        {6, 60, 6, ERR_CAS},    {5, 50, 5, OK},
        {4, 40, 5, ERR_SEQ},    {4, 40, 4, ERR_CAS},
        {INT64_MAX, 1, -1, OK}, {INT64_MIN, 1, -1, ERR_SEQ},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const int64_t *cas = cases[i].cas < 0 ? NULL : &cases[i].cas;
        struct fixture f;
        bool ok = cases[i].result == OK;

        init(&f, &roomy);
        assert_int_equal(put(&f, 1, 5, 50, NULL, 1), OK);
        assert_int_equal(put(&f, 1, cases[i].seq, cases[i].number, cas, 2),
                         cases[i].result);
        assert_value(&f, 1, ok ? cases[i].seq : 5, ok ? cases[i].number : 50);
        assert_int_equal(f.s.items, 1);
        item_store_deinit(&f.s);
    }
}

static void test_item_store_ignores_cas_of_a_new_item(void **state)
{
    struct fixture f;
    int64_t cas = 17;

    (void)state;
    init(&f, &roomy);
    assert_int_equal(put(&f, 1, 1, 1, &cas, 1), OK);
    f.now += LIFETIME; /* expired: new again, with any seq */
    assert_int_equal(put(&f, 1, 0, 2, &cas, 1), OK);
    assert_value(&f, 1, 0, 2);
    assert_int_equal(f.s.items, 1);
    item_store_deinit(&f.s);
}

static void test_item_store_refuses_long_salt(void **state)
{
    static const uint8_t salt[DHT_SALT_MAX + 1];
    struct value value = number_value(1);
    struct dht_item item = {.mutable_item = true, .value = &value};
    struct endpoint ep = nth_ep(1);
    struct id id = nth_id(1);
    struct fixture f;

    (void)state;
    init(&f, &roomy);
    item.salt = bytes_of(salt, sizeof(salt));
    assert_int_equal(item_store_put(&f.s, &id, &item, NULL, &ep, f.now),
                     ERR_TOO_LARGE);
    item.salt.len--;
    assert_int_equal(item_store_put(&f.s, &id, &item, NULL, &ep, f.now), OK);
    item_store_deinit(&f.s);
}

static void test_item_store_expires(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, &roomy);
    put(&f, 1, 1, 1, NULL, 1);
    put_immutable(&f, 2, 1);
    put_immutable(&f, 3, 1);
    f.now += TIME_HOUR;
    put(&f, 1, 1, 1, NULL, 1); /* renewed by the same put, */
    put_immutable(&f, 2, 2);   /* by anybody */
    assert_int_equal(item_store_next_deadline(&f.s), START + LIFETIME);
    f.now = START + LIFETIME - 1;
    assert_true(has(&f, 3));
    f.now++;
    assert_false(has(&f, 3));
    assert_true(has(&f, 1) && has(&f, 2));
    item_store_expire(&f.s, f.now);
    assert_int_equal(f.s.items, 2);
    f.now = item_store_next_deadline(&f.s);
    assert_int_equal(f.now, START + TIME_HOUR + LIFETIME);
    assert_false(has(&f, 1));
    item_store_expire(&f.s, f.now);
    assert_int_equal(f.s.items + f.s.memory, 0);
    assert_int_equal(item_store_next_deadline(&f.s), TIME_NEVER);
    item_store_deinit(&f.s);
}

static void test_item_store_expires_in_bounded_steps(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, &roomy);
    for (unsigned i = 0; i < 1000; i++)
        put_immutable(&f, i, i);
    f.now += LIFETIME;
    for (unsigned left = 1000; left > 0;) {
        assert_true(item_store_next_deadline(&f.s) <= f.now);
        item_store_expire(&f.s, f.now);
        assert_true(left - f.s.items <= 64);
        left = f.s.items;
    }
    item_store_deinit(&f.s);
}

static void test_item_store_keeps_to_max_per_source(void **state)
{
    struct item_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_per_source = 5;
    init(&f, &c);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(can_store(&f, i, 1), i < 5);
        assert_int_equal(put(&f, i, 1, i, NULL, 1), i < 5 ? OK : ERR_FULL);
        assert_int_equal(put(&f, 100 + i, 1, i, NULL, 100 + i), OK);
    }
    /* What is there can be renewed and replaced. */
    assert_true(can_store(&f, 0, 1));
    assert_int_equal(put(&f, 0, 2, 99, NULL, 1), OK);
    assert_int_equal(put(&f, 100, 2, 99, NULL, 1), OK);
    assert_false(can_store(&f, 19, 1));
    f.now += LIFETIME;
    assert_true(can_store(&f, 19, 1));
    assert_int_equal(put(&f, 19, 1, 1, NULL, 1), OK);
    item_store_deinit(&f.s);
}

/* Among equals an item that was not renewed goes, one that was does not. */
static void test_item_store_keeps_to_max_items(void **state)
{
    struct item_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_items = 10;
    init(&f, &c);
    for (unsigned i = 0; i < 10; i++) {
        f.now += TIME_S;
        assert_int_equal(put(&f, i, 1, i, NULL, i), OK);
    }
    assert_false(can_store(&f, 50, 50));
    assert_int_equal(put(&f, 50, 1, 1, NULL, 50), ERR_FULL);
    f.now = START + LIFETIME / 2;
    assert_false(can_store(&f, 50, 50));
    f.now += TIME_S;
    assert_true(can_store(&f, 50, 50));
    assert_int_equal(put(&f, 50, 1, 1, NULL, 50), OK);
    assert_false(has(&f, 0));
    assert_int_equal(f.s.items, 10);
    assert_int_equal(f.s.evicted, 1);
    assert_int_equal(put(&f, 51, 1, 1, NULL, 50), ERR_FULL);
    assert_int_equal(put(&f, 1, 2, 9, NULL, 1), OK); /* no new item */
    assert_int_equal(f.s.items, 10);
    item_store_deinit(&f.s);
}

static enum error put_from(struct fixture *f, unsigned target,
                           const struct endpoint *ep)
{
    struct value value = number_value(target);
    struct dht_item item = {.value = &value};
    struct id id = nth_id(target);

    return item_store_put(&f->s, &id, &item, NULL, ep, f->now);
}

static void test_item_store_counts_wide_sources(void **state)
{
    struct item_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_per_source = 5;
    init(&f, &c);
    for (unsigned i = 0; i < COUNT_OF(wide_sources); i++) {
        unsigned before = f.s.items;

        for (unsigned n = 0; n < 600; n++) {
            struct endpoint ep = test_nth_ep(wide_sources[i].first,
                                             wide_sources[i].byte, n % 40);

            put_from(&f, 1000 * i + n, &ep);
        }
        assert_int_equal(f.s.items - before, 5 * wide_sources[i].hosts);
    }
    item_store_deinit(&f.s);
}

/* Sixty hosts of one party, each in a network of its own, and each as much as
 * it may: who has one item keeps it, and who comes now gets in. */
static void test_item_store_the_biggest_holder_makes_way(void **state)
{
    struct item_store_config c = roomy;
    struct fixture f;

    (void)state;
    c.max_items = 500;
    c.max_per_source = 20;
    init(&f, &c);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(put_immutable(&f, i, i), OK);
    for (unsigned n = 0; n < 60 * 20; n++) {
        struct endpoint ep = test_nth_ep("8.0.0.1:1", 1, n / 20);

        f.now += TIME_MS;
        put_from(&f, 1000 + n, &ep);
    }
    assert_int_equal(f.s.items, 500);
    for (unsigned i = 20; i < 40; i++) {
        f.now += TIME_MS;
        assert_true(can_store(&f, i, i));
        assert_int_equal(put_immutable(&f, i, i), OK);
    }
    for (unsigned n = 0; n < 60 * 20; n++) {
        struct endpoint ep = test_nth_ep("8.0.0.1:1", 1, n / 20);

        f.now += TIME_MS;
        put_from(&f, 5000 + n, &ep);
    }
    assert_int_equal(f.s.items, 500);
    for (unsigned i = 0; i < 40; i++)
        assert_true(has(&f, i));
    item_store_deinit(&f.s);
}

/* Of those who hold as much, what lies far from our id goes; and nobody gets
 * in for what is farther still. */
static void test_item_store_the_far_makes_way_for_the_near(void **state)
{
    static const struct id self;
    static const uint16_t buckets = 6 + 1 + STORE_NEAR_MARGIN;
    struct store_home home = {.self = {[FAMILY_IPV4] = &self},
                              .buckets = {[FAMILY_IPV4] = &buckets}};
    struct item_store_config c = roomy;
    struct test_random r = test_seed(3);
    struct random_source random = test_source(&r);
    struct id id[11];
    struct fixture f;

    (void)state;
    c.max_items = 10;
    init(&f, &c);
    item_store_deinit(&f.s);
    item_store_init(&f.s, &c, &home, &random);
    for (unsigned i = 0; i < COUNT_OF(id); i++) {
        struct value value = number_value(i);
        struct dht_item item = {.value = &value};
        struct endpoint ep = nth_ep(i);

        /* The first shares two bits with us, the others six and more. */
        id[i] = test_near_id(&r, &self, i == 0 ? 2 : 6);
        if (i == 10) {
            struct id far = test_near_id(&r, &self, 1);

            assert_false(item_store_can_store(&f.s, &far, &ep, f.now));
            assert_true(item_store_can_store(&f.s, &id[i], &ep, f.now));
        }
        assert_int_equal(item_store_put(&f.s, &id[i], &item, NULL, &ep, f.now),
                         OK);
    }
    for (unsigned i = 0; i < COUNT_OF(id); i++) {
        struct item_view view;

        assert_int_equal(item_store_get(&f.s, &id[i], f.now, &view), i != 0);
    }
    item_store_deinit(&f.s);
}

static void test_item_store_allocates_the_exact_size(void **state)
{
    static uint8_t big[900];
    struct endpoint ep = nth_ep(1);
    struct fixture f;
    size_t before;

    (void)state;
    init(&f, &roomy);
    put_immutable(&f, 1, 1);
    before = f.s.memory;
    put_immutable(&f, 2, 1);
    assert_in_range(f.s.memory - before, 1, 128);
    before = f.s.memory;
    {
        struct id id = nth_id(3);
        struct value value;
        struct dht_item item = {.value = &value};

        value_from_bytes(bytes_of(big, sizeof(big)), &value);
        item_store_put(&f.s, &id, &item, NULL, &ep, f.now);
    }
    assert_in_range(f.s.memory - before, 900, 1028);
    item_store_deinit(&f.s);
}

static void test_item_store_survives_failing_allocations(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct fixture f;
        unsigned stored = 0;
        bool failed;

        init(&f, &roomy);
        fail_alloc_at(n);
        for (unsigned i = 0; i < 60; i++) {
            enum error e = put(&f, i % 50, i, i, NULL, i);

            assert_true(e == OK || e == ERR_NO_MEMORY);
            stored += e == OK;
        }
        failed = fail_alloc_end();
        assert_in_range(stored, 59, 60);
        assert_in_range(f.s.items, 49, 50);
        assert_true(has(&f, 49) || has(&f, 48));
        item_store_deinit(&f.s);
        if (!failed)
            break;
        assert_true(n < 1000);
    }
}

/* ---- Against a model --------------------------------------------------- */

enum { TARGETS = 40, SOURCES = 8 };

struct model {
    struct {
        bool there;
        int64_t seq;
        unsigned number, source;
        uint64_t at;
    } item[TARGETS];
};

static void model_expire(struct model *m, uint64_t now)
{
    for (unsigned i = 0; i < TARGETS; i++) {
        if (m->item[i].there && now - m->item[i].at >= LIFETIME)
            m->item[i].there = false;
    }
}

static unsigned model_count(const struct model *m, unsigned source)
{
    unsigned n = 0;

    for (unsigned i = 0; i < TARGETS; i++)
        n += m->item[i].there && m->item[i].source == source;
    return n;
}

/* The one whose source has most, of these the oldest. */
static unsigned model_heaviest(const struct model *m)
{
    unsigned best = TARGETS;

    for (unsigned i = 0; i < TARGETS; i++) {
        unsigned more, less;

        if (!m->item[i].there)
            continue;
        more = model_count(m, m->item[i].source);
        less = best == TARGETS ? 0 : model_count(m, m->item[best].source);
        if (more > less || (more == less && m->item[i].at < m->item[best].at))
            best = i;
    }
    return best;
}

static enum error model_room(struct model *m, const struct item_store_config *c,
                             unsigned source, uint64_t now)
{
    unsigned items = 0, heaviest = model_heaviest(m), has, most;

    for (unsigned i = 0; i < TARGETS; i++)
        items += m->item[i].there;
    has = model_count(m, source);
    if (has >= c->max_per_source)
        return ERR_FULL;
    if (items < c->max_items)
        return OK;
    most = model_count(m, m->item[heaviest].source);
    if (most <= has + 1 &&
        (most < has || now - m->item[heaviest].at < LIFETIME / 2))
        return ERR_FULL;
    m->item[heaviest].there = false;
    return OK;
}

static enum error model_put(struct model *m, const struct item_store_config *c,
                            unsigned target, int64_t seq, unsigned number,
                            const int64_t *cas, unsigned source, uint64_t now)
{
    if (m->item[target].there) {
        if (cas != NULL && *cas != m->item[target].seq)
            return ERR_CAS;
        if (seq < m->item[target].seq ||
            (seq == m->item[target].seq && number != m->item[target].number))
            return ERR_SEQ;
    } else {
        if (model_room(m, c, source, now) != OK)
            return ERR_FULL;
        m->item[target].source = source;
    }
    m->item[target].there = true;
    m->item[target].seq = seq;
    m->item[target].number = number;
    m->item[target].at = now;
    return OK;
}

static void test_item_store_agrees_with_a_model(void **state)
{
    static const struct item_store_config config = {
        .max_items = 25, .max_per_source = 6, .lifetime = LIFETIME};
    struct model m = {{{0}}};
    struct fixture f;
    unsigned counts[ERR_END_] = {0};

    (void)state;
    init(&f, &config);
    for (unsigned i = 0; i < 50000; i++) {
        unsigned target = test_random_below(&f.r, TARGETS);
        unsigned source = test_random_below(&f.r, SOURCES);
        int64_t seq = test_random_below(&f.r, 6);
        unsigned number = test_random_below(&f.r, 3);
        int64_t cas = test_random_below(&f.r, 6);
        const int64_t *with = test_random_below(&f.r, 4) == 0 ? &cas : NULL;
        enum error want;

        f.now += 1 + test_random_below(&f.r, 400) * TIME_S;
        item_store_expire(&f.s, f.now);
        model_expire(&m, f.now);
        want = model_put(&m, &config, target, seq, number, with, source, f.now);
        assert_int_equal(put(&f, target, seq, number, with, source), want);
        counts[want]++;
        target = test_random_below(&f.r, TARGETS);
        assert_int_equal(has(&f, target), m.item[target].there);
        if (m.item[target].there)
            assert_value(&f, target, m.item[target].seq, m.item[target].number);
    }
    assert_true(counts[OK] > 1000 && counts[ERR_FULL] > 100 &&
                counts[ERR_CAS] > 100 && counts[ERR_SEQ] > 100);
    assert_true(f.s.evicted > 10);
    item_store_deinit(&f.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_item_store_gives_what_was_put),
        cmocka_unit_test(test_item_store_follows_seq_and_cas),
        cmocka_unit_test(test_item_store_ignores_cas_of_a_new_item),
        cmocka_unit_test(test_item_store_refuses_long_salt),
        cmocka_unit_test(test_item_store_expires),
        cmocka_unit_test(test_item_store_expires_in_bounded_steps),
        cmocka_unit_test(test_item_store_keeps_to_max_per_source),
        cmocka_unit_test(test_item_store_keeps_to_max_items),
        cmocka_unit_test(test_item_store_counts_wide_sources),
        cmocka_unit_test(test_item_store_the_biggest_holder_makes_way),
        cmocka_unit_test(test_item_store_the_far_makes_way_for_the_near),
        cmocka_unit_test(test_item_store_allocates_the_exact_size),
        cmocka_unit_test(test_item_store_survives_failing_allocations),
        cmocka_unit_test(test_item_store_agrees_with_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
