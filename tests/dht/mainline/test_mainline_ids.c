/* SPDX-License-Identifier: MIT
 *
 * Ids that BEP 42 does not allow, on the mainline DHT, where most are like
 * that: they count, and ids that fit go first where there is a choice.
 */
#include "mainline_fixture.h"

#include "dht/lookup/lookup_side.h"
#include "dht/table/table.h"

static void test_mainline_ids_of_contacts(void **state)
{
    struct endpoint ep = place(1), other = place(2);
    struct dht_status status;
    struct dht_message m;
    struct fixture f;
    struct id id;

    (void)state;
    start(&f);
    id = test_random_id(&f.random);
    assert_false(node_id_matches(&id, &ep));
    assert_int_equal(meet(&f, &ep, &id), OK);
    assert_true(is_contact(&f, &id, &ep));
    /* Who asks is a candidate, too. */
    id = test_random_id(&f.random);
    harness_query(&m, DHT_PING, &id, NULL);
    assert_non_null(harness_ask(&f.h, &other, &m));
    dht_status(f.h.d, f.h.now, &status);
    assert_int_equal(status.cached[FAMILY_IPV4], 1);
    harness_end(&f.h);
}

/* All that a contact names have any ids: they are asked, and make the result.
 */
static void test_mainline_ids_of_a_lookup(void **state)
{
    uint8_t buf[DHT_K * COMPACT_NODE4];
    struct id target = test_id("fedcba"), ids[DHT_K], id;
    struct endpoint ep = place(100);
    struct dht_handler handler;
    struct dht_message m;
    struct fixture f;
    struct sent *s;
    size_t len = 0;

    (void)state;
    start(&f);
    id = test_random_id(&f.random);
    meet(&f, &ep, &id);
    handler = witness_handler(&f.w);
    assert_int_equal(dht_find_node(f.h.d, &target, &handler, f.h.now, NULL),
                     OK);
    s = asked(&f, &ep);
    assert_non_null(s);
    harness_answer(&m, s, &id);
    for (unsigned i = 0; i < DHT_K; i++) {
        struct endpoint at = place(i);

        ids[i] = test_near_id(&f.random, &target, 40);
        memcpy(buf + len, ids[i].b, ID_BYTES);
        len += ID_BYTES;
        len += endpoint_write_compact(&at, buf + len);
    }
    m.nodes = bytes_of(buf, len);
    m.has |= DHT_HAS_NODES;
    assert_int_equal(harness_give(&f.h, &ep, &m), OK);
    while ((s = harness_next(&f.h)) != NULL) {
        if (s->m.kind != DHT_QUERY || endpoint_equal(&s->to, &ep))
            continue;
        harness_answer(&m, s, &ids[s->to.addr[1]]);
        harness_give(&f.h, &s->to, &m);
    }
    assert_int_equal(f.w.done, 1);
    assert_int_equal(f.w.steps[0].outcome, DHT_STEP_ANSWERED);
    assert_int_equal(f.w.result.answered, DHT_K + 1);
    assert_int_equal(f.w.result.closest_count, DHT_K);
    for (size_t i = 0; i < DHT_K; i++)
        assert_int_not_equal(f.w.result.closest[i].ep.addr[1], 100);
    harness_end(&f.h);
}

/* ---- The list of candidates ---------------------------------------------- */

/* Nine misfits that are nearest, then six others that fit. All have answered
 * and given a token. */
static void fill_side(struct fixture *f, struct lookup_side *s,
                      enum node_id_rule rule, unsigned fit)
{
    struct id target;

    init(f);
    for (unsigned i = 0; i < 9 + fit; i++) {
        struct endpoint ep = place(i);
        struct id id = fitting(f, &ep);
        uint8_t slot;

        if (i == 0) {
            target = test_random_id(&f->random);
            lookup_side_init(s, &target, rule);
        }
        if (i < 9)
            id = test_near_id(&f->random, &target, 60 - (int)i);
        assert_int_equal(lookup_side_add(s, &id, &ep, 1, LOOKUP_NOBODY, 0), OK);
        for (slot = 0; !endpoint_equal(&s->slots[slot].ep, &ep); slot++)
            ;
        lookup_side_asked(s, slot, 1);
        assert_true(lookup_side_answered(s, slot, &id));
        s->slots[slot].token = malloc(1);
        assert_non_null(s->slots[slot].token);
    }
}

static void test_mainline_ids_of_who_stores(void **state)
{
    (void)state;
    for (unsigned fit = 0; fit <= 6; fit++) {
        const unsigned wanted = fit < LOOKUP_FITTING ? fit : LOOKUP_FITTING;
        uint8_t slots[DHT_K];
        struct lookup_side s;
        struct fixture f;

        fill_side(&f, &s, NODE_ID_LENIENT, fit);
        /* The nearest are the nearest, and most of those who store. */
        assert_int_equal(lookup_side_closest(&s, false, slots, DHT_K), DHT_K);
        for (unsigned i = 0; i < DHT_K; i++)
            assert_int_equal(s.slots[slots[i]].ep.addr[1], i);
        assert_int_equal(lookup_side_closest(&s, true, slots, DHT_K), DHT_K);
        for (unsigned i = 0; i < DHT_K - wanted; i++)
            assert_int_equal(s.slots[slots[i]].ep.addr[1], i);
        for (unsigned i = DHT_K - wanted; i < DHT_K; i++)
            assert_true(s.slots[slots[i]].id_secure);
        lookup_side_deinit(&s);
    }
}

/* ---- The table ----------------------------------------------------------- */

#define NOW TIME_HOUR

struct bucket {
    struct fixture f;
    struct table t;
    struct id self;
    struct id far[DHT_K]; /* live; those with an odd number fit */
};

static struct endpoint far_place(unsigned n)
{
    return test_ep4(77, (uint8_t)(n >> 8), (uint8_t)n, 1, 6881);
}

/* In the bucket of half of all ids. */
static struct id far_id(struct bucket *b, const struct endpoint *ep, bool fits)
{
    struct id id;

    do
        id = fits ? fitting(&b->f, ep) : test_random_id(&b->f.random);
    while (id_common_bits(&id, &b->self) > 0 ||
           node_id_matches(&id, ep) != fits);
    return id;
}

static void init_bucket(struct bucket *b)
{
    struct endpoint ep = far_place(999);
    struct id near;

    init(&b->f);
    b->self = test_random_id(&b->f.random);
    table_init(&b->t, FAMILY_IPV4, &b->self, NODE_ID_LENIENT, 15 * TIME_MIN,
               NOW);
    for (unsigned i = 0; i < DHT_K; i++) {
        ep = far_place(i);
        b->far[i] = far_id(b, &ep, i % 2 != 0);
        assert_int_equal(table_answered(&b->t, &b->far[i], &ep, TIME_MS, NOW),
                         TABLE_ADDED);
    }
    ep = far_place(999);
    near = test_near_id(&b->f.random, &b->self, 3);
    table_answered(&b->t, &near, &ep, TIME_MS, NOW);
    assert_int_equal(b->t.bucket_count, 2);
}

static void end_bucket(struct bucket *b)
{
    table_check(&b->t);
    table_deinit(&b->t);
}

/* Of bad contacts one goes first whose id does not fit. */
static void test_mainline_ids_of_bad_contacts(void **state)
{
    static const unsigned bad[] = {1, 4, 5};
    struct endpoint ep = far_place(50);
    struct contact c;
    struct bucket b;
    struct id id;

    (void)state;
    init_bucket(&b);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct endpoint at = far_place(bad[i]);

        for (int n = 0; n < CONTACT_BAD_FAILS; n++)
            table_failed(&b.t, &b.far[bad[i]], &at, NOW);
    }
    id = far_id(&b, &ep, true);
    assert_int_equal(table_answered(&b.t, &id, &ep, TIME_MS, NOW),
                     TABLE_REPLACED);
    assert_false(table_find(&b.t, &b.far[4], &c));
    assert_true(table_find(&b.t, &b.far[1], &c));
    assert_true(table_find(&b.t, &b.far[5], &c));
    end_bucket(&b);
}

/* Candidates that fit are tried first, and a flood of others does not drive
 * them out. */
static void test_mainline_ids_of_candidates(void **state)
{
    struct endpoint ep = far_place(0);
    struct id fit[3];
    struct contact c;
    struct bucket b;
    uint64_t now = NOW;

    (void)state;
    init_bucket(&b);
    for (unsigned i = 0; i < 3; i++) {
        struct endpoint at = far_place(100 + i);

        fit[i] = far_id(&b, &at, true);
        table_heard(&b.t, &fit[i], &at, now);
    }
    for (unsigned i = 0; i < 500; i++) {
        struct endpoint at = far_place(2000 + i);
        struct id id = far_id(&b, &at, false);

        now += TIME_S;
        table_heard(&b.t, &id, &at, now);
    }
    for (int n = 0; n < CONTACT_BAD_FAILS; n++)
        table_failed(&b.t, &b.far[0], &ep, now);
    for (unsigned i = 0; i < 4; i++) {
        bool fits = false;

        assert_true(table_next_ping(&b.t, now, &c));
        for (unsigned k = 0; k < 3; k++)
            fits |= id_equal(&c.id, &fit[k]);
        assert_int_equal(fits, i < 3);
        now += TABLE_PING_ANY;
    }
    end_bucket(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mainline_ids_of_contacts),
        cmocka_unit_test(test_mainline_ids_of_a_lookup),
        cmocka_unit_test(test_mainline_ids_of_who_stores),
        cmocka_unit_test(test_mainline_ids_of_bad_contacts),
        cmocka_unit_test(test_mainline_ids_of_candidates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
