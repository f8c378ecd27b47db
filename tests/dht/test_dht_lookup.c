/* SPDX-License-Identifier: MIT
 *
 * Lookups of the engine against scripted peers, honest and not.
 */
#include "dht_harness.h"

#include "dht/lookup/lookup_side.h"

#define RTT (20 * TIME_MS)

struct fixture {
    struct harness h;
    struct peers p;
    struct witness w;
    struct test_random random;
};

static struct fixture *start(size_t peers)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->random = test_seed(7);
    harness_init(&f->h);
    harness_start(&f->h);
    peers_make(&f->p, peers, &f->random);
    return f;
}

static void end(struct fixture *f)
{
    harness_end(&f->h);
    free(f);
}

static void join(struct fixture *f)
{
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[0].ep, f->h.now), OK);
    peers_run(&f->p, &f->h, 20 * TIME_S, RTT);
}

static void find(struct fixture *f, const struct id *target)
{
    struct dht_handler handler = witness_handler(&f->w);

    assert_int_equal(dht_find_node(f->h.d, target, &handler, f->h.now, NULL),
                     OK);
}

static void assert_true_closest(const struct fixture *f,
                                const struct id *target)
{
    const struct peer *near[DHT_K];
    size_t n = peers_closest(&f->p, target, near, DHT_K);

    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, OK);
    assert_int_equal(f->w.result.closest_count, n);
    for (size_t i = 0; i < n; i++)
        assert_true(id_equal(&f->w.result.closest[i].id, &near[i]->id));
}

static void test_dht_lookup_finds_the_closest(void **state)
{
    struct fixture *f = start(200);

    (void)state;
    join(f);
    for (int i = 0; i < 20; i++) {
        struct id target = test_random_id(&f->random);

        find(f, &target);
        peers_run(&f->p, &f->h, 5 * TIME_S, RTT);
        assert_true_closest(f, &target);
        assert_true(f->w.result.duration < TIME_S);
        assert_true(f->w.result.asked < 40);
    }
    end(f);
}

/* Queries for `target` that nobody has answered yet. */
static unsigned in_flight(struct fixture *f)
{
    unsigned n = 0;
    struct sent *s;

    while ((s = harness_next(&f->h)) != NULL)
        n += s->m.kind == DHT_QUERY && s->m.method == DHT_FIND_NODE;
    return n;
}

static void befriend(struct fixture *f, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        harness_befriend(&f->h, &f->p.peer[i].ep, &f->p.peer[i].id);
    peers_run(&f->p, &f->h, 10 * TIME_S, RTT);
    harness_forget(&f->h);
}

static void test_dht_lookup_asks_three_at_a_time(void **state)
{
    struct fixture *f = start(8);
    struct id target = test_id("aabb");
    struct dht_message m;
    struct sent *s;

    (void)state;
    befriend(f, 0, 8);
    find(f, &target);
    s = f->h.sent[f->h.taken];
    assert_int_equal(in_flight(f), DHT_PARALLELISM);
    /* An answer makes room for one more. */
    harness_answer(&m, s, &peers_at(&f->p, &s->to)->id);
    assert_int_equal(harness_give(&f->h, &s->to, &m), OK);
    assert_int_equal(in_flight(f), 1);
    end(f);
}

static void test_dht_lookup_short_timeout_frees_the_slot(void **state)
{
    struct fixture *f = start(8);
    struct id target = test_id("aabb");
    struct dht_message m;
    struct sent *s;

    (void)state;
    befriend(f, 0, 8);
    find(f, &target);
    s = f->h.sent[f->h.taken];
    assert_int_equal(in_flight(f), DHT_PARALLELISM);
    harness_run(&f->h, f->h.now + 2 * TIME_S);
    assert_true(in_flight(f) >= DHT_PARALLELISM);
    /* The one that was given up for slow still counts when it answers. */
    harness_answer(&m, s, &peers_at(&f->p, &s->to)->id);
    assert_int_equal(harness_give(&f->h, &s->to, &m), OK);
    assert_int_equal(dht_stats(f->h.d)->late_answers, 1);
    harness_run(&f->h, f->h.now + 20 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, OK);
    assert_int_equal(f->w.result.answered, 1);
    assert_int_equal(f->w.result.closest_count, 1);
    end(f);
}

static void test_dht_lookup_nobody_answers(void **state)
{
    struct fixture *f = start(4);
    struct id target = test_id("aabb");

    (void)state;
    befriend(f, 0, 4);
    find(f, &target);
    harness_run(&f->h, f->h.now + 30 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, ERR_TIMEOUT);
    assert_int_equal(f->w.result.asked, 4);
    assert_int_equal(f->w.step_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f->w.steps[i].outcome, DHT_STEP_TIMEOUT);
        assert_false(f->w.steps[i].early);
    }
    end(f);
}

static void test_dht_lookup_empty_table(void **state)
{
    struct fixture *f = start(1);
    struct id target = test_id("aabb");

    (void)state;
    find(f, &target);
    assert_int_equal(f->w.done, 0);
    assert_true(dht_next_deadline(f->h.d) <= f->h.now);
    dht_tick(f->h.d, f->h.now);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, ERR_NO_NODES);
    end(f);
}

static void test_dht_lookup_cap(void **state)
{
    struct fixture *f = start(1);
    struct id target = test_id("aabb");
    unsigned n = 0;

    (void)state;
    befriend(f, 0, 1);
    while (dht_find_node(f->h.d, &target, NULL, f->h.now, NULL) == OK)
        n++;
    assert_int_equal(n, f->h.config.max_lookups);
    assert_int_equal(dht_find_node(f->h.d, &target, NULL, f->h.now, NULL),
                     ERR_FULL);
    harness_run(&f->h, f->h.now + 20 * TIME_S);
    assert_int_equal(dht_find_node(f->h.d, &target, NULL, f->h.now, NULL), OK);
    end(f);
}

/* More lookups than queries may be in flight: all of them end all the same. */
static void test_dht_lookup_shares_few_queries(void **state)
{
    struct fixture *f = start(30);
    struct witness w[10];

    (void)state;
    f->h.config.max_pending = 4;
    assert_int_equal(dht_reconfigure(f->h.d, &f->h.config), OK);
    join(f);
    for (size_t i = 0; i < COUNT_OF(w); i++) {
        struct id target = test_random_id(&f->random);
        struct dht_handler handler = witness_handler(&w[i]);

        assert_int_equal(
            dht_find_node(f->h.d, &target, &handler, f->h.now, NULL), OK);
    }
    peers_run(&f->p, &f->h, 30 * TIME_S, RTT);
    for (size_t i = 0; i < COUNT_OF(w); i++) {
        assert_int_equal(w[i].done, 1);
        assert_int_equal(w[i].result.closest_count, DHT_K);
    }
    end(f);
}

static void test_dht_lookup_trace(void **state)
{
    struct fixture *f = start(100);
    struct id target;
    unsigned answered = 0, fresh = 0;

    (void)state;
    join(f);
    for (size_t i = 0; i < 100; i += 10)
        f->p.peer[i].silent = true;
    target = test_random_id(&f->random);
    find(f, &target);
    peers_run(&f->p, &f->h, 20 * TIME_S, RTT);
    assert_true_closest(f, &target);
    assert_int_equal(f->w.step_count, f->w.result.asked);
    for (size_t i = 0; i < f->w.step_count; i++) {
        const struct dht_step *step = &f->w.steps[i];
        const struct peer *peer = peers_at(&f->p, &step->to);

        assert_true(id_equal(&step->id, &peer->id));
        assert_int_equal(step->bits, id_common_bits(&target, &peer->id));
        assert_true(step->hop >= 1);
        if (step->outcome == DHT_STEP_ANSWERED) {
            answered++;
            fresh += step->fresh;
            assert_int_equal(step->nodes, DHT_K);
            assert_true(step->answered_at == step->asked_at + RTT);
        } else {
            assert_int_equal(step->outcome, DHT_STEP_TIMEOUT);
            assert_true(peer->silent);
            assert_true(step->answered_at == TIME_NEVER);
        }
    }
    assert_int_equal(answered, f->w.result.answered);
    assert_true(fresh > 0);
    end(f);
}

/* ---- Made-up nodes ------------------------------------------------------- */

enum lie { LIE_NEAR, LIE_ITSELF, LIE_SAME_ID };

/* Eight nodes near the target where nobody lives, or where the liar does. */
static struct bytes made_up(struct fixture *f, enum lie lie,
                            const struct peer *liar, const struct id *target,
                            uint8_t *buf)
{
    size_t len = 0;

    for (int i = 0; i < DHT_K; i++) {
        struct id id = test_near_id(&f->random, target, 100 + i);
        struct endpoint ep = liar->ep;

        if (lie == LIE_SAME_ID)
            id = liar->id;
        if (lie == LIE_NEAR) {
            uint32_t r = (uint32_t)test_random_next(&f->random);

            ep = test_ep4(127, 99, (uint8_t)(r >> 8), (uint8_t)(r | 1), 9);
        }
        memcpy(buf + len, id.b, ID_BYTES);
        len += ID_BYTES;
        len += endpoint_write_compact(&ep, buf + len);
    }
    return bytes_of(buf, len);
}

static void lie_or_answer(struct fixture *f, const struct sent *s,
                          const struct peer *liar, enum lie lie)
{
    uint8_t nodes[DHT_K * COMPACT_NODE4];
    struct dht_message m;

    if (!endpoint_equal(&s->to, &liar->ep) || s->m.method == DHT_PING) {
        peers_answer(&f->p, &f->h, s);
        return;
    }
    harness_answer(&m, s, &liar->id);
    m.nodes = made_up(f, lie, liar, &s->m.target, nodes);
    m.has |= DHT_HAS_NODES;
    harness_give(&f->h, &s->to, &m);
}

static void run_with_liar(struct fixture *f, const struct peer *liar,
                          enum lie lie)
{
    uint64_t end = f->h.now + 60 * TIME_S;

    while (f->w.done == 0 && f->h.now < end) {
        struct sent *s;

        harness_run(&f->h, f->h.now + RTT);
        while ((s = harness_next(&f->h)) != NULL)
            lie_or_answer(f, s, liar, lie);
    }
}

/* The liar is asked first: it is the nearest to the target of those that we
 * know. */
static void look_past_liar(enum lie lie, bool caught)
{
    struct fixture *f = start(150);
    bool named = false;

    join(f);
    for (int i = 0; i < 10; i++) {
        struct peer *liar = &f->p.peer[i];
        struct id target = test_near_id(&f->random, &liar->id, 40);
        const struct peer *near[DHT_K];
        size_t n;

        harness_befriend(&f->h, &liar->ep, &liar->id);
        find(f, &target);
        run_with_liar(f, liar, lie);
        assert_int_equal(f->w.done, 1);
        assert_int_equal(f->w.result.error, OK);
        assert_true(f->w.result.duration < 5 * TIME_S);
        for (size_t s = 0; s < f->w.step_count; s++)
            named |= f->w.steps[s].outcome == DHT_STEP_DISTRUST;
        n = peers_closest(&f->p, &target, near, DHT_K);
        for (size_t j = 0, k = 0; j < n; j++) {
            if (near[j] == liar && caught)
                continue;
            assert_true(id_equal(&f->w.result.closest[k++].id, &near[j]->id));
        }
    }
    assert_int_equal(named, caught);
    assert_int_equal(dht_stats(f->h.d)->distrusted > 0, caught);
    end(f);
}

static void test_dht_lookup_made_up_nodes(void **state)
{
    (void)state;
    look_past_liar(LIE_NEAR, true);
}

static void test_dht_lookup_names_itself(void **state)
{
    (void)state;
    look_past_liar(LIE_ITSELF, true);
}

static void test_dht_lookup_answers_with_itself(void **state)
{
    (void)state;
    look_past_liar(LIE_SAME_ID, false);
}

/* ---- Callbacks that call back -------------------------------------------- */

struct meddler {
    struct fixture *f;
    dht_request request;
    unsigned steps, done, restarts;
    bool cancel;
};

static void meddle_step(void *ctx, const struct dht_step *step)
{
    struct meddler *x = ctx;

    (void)step;
    x->steps++;
    if (x->cancel)
        dht_cancel(x->f->h.d, x->request);
}

static void meddle_done(void *ctx, const struct dht_result *result)
{
    struct meddler *x = ctx;
    struct dht_handler again = {x, NULL, NULL, meddle_step, meddle_done};
    struct id target = test_random_id(&x->f->random);

    (void)result;
    x->done++;
    if (x->restarts > 0) {
        x->restarts--;
        assert_int_equal(
            dht_find_node(x->f->h.d, &target, &again, x->f->h.now, &x->request),
            OK);
    }
}

static void meddle(struct meddler *x)
{
    struct dht_handler handler = {x, NULL, NULL, meddle_step, meddle_done};
    struct id target = test_random_id(&x->f->random);

    assert_int_equal(
        dht_find_node(x->f->h.d, &target, &handler, x->f->h.now, &x->request),
        OK);
    peers_run(&x->f->p, &x->f->h, 30 * TIME_S, RTT);
}

static void test_dht_lookup_cancelled_in_callback(void **state)
{
    struct meddler x = {.f = start(50), .cancel = true};
    struct dht_status status;

    (void)state;
    join(x.f);
    meddle(&x);
    assert_int_equal(x.steps, 1);
    assert_int_equal(x.done, 0);
    dht_status(x.f->h.d, x.f->h.now, &status);
    assert_int_equal(status.lookups, 0);
    /* Ended: no effect. */
    dht_cancel(x.f->h.d, x.request);
    dht_cancel(x.f->h.d, 0);
    dht_cancel(x.f->h.d, 123456);
    end(x.f);
}

static void test_dht_lookup_restarted_in_callback(void **state)
{
    struct meddler x = {.f = start(50), .restarts = 20};

    (void)state;
    join(x.f);
    meddle(&x);
    assert_int_equal(x.done, 21);
    end(x.f);
}

/* ---- The list of candidates ---------------------------------------------- */

static uint8_t add(struct lookup_side *s, const struct id *id,
                   struct endpoint ep, uint8_t namer)
{
    uint8_t hop = namer == LOOKUP_NOBODY ? 1 : 2;
    enum error err = lookup_side_add(s, id, &ep, hop, namer, 0);

    if (err != OK)
        return LOOKUP_NOBODY;
    for (uint8_t i = 0; i < s->cap; i++) {
        if (s->slots[i].state != CANDIDATE_FREE &&
            endpoint_equal(&s->slots[i].ep, &ep))
            return i;
    }
    fail();
    return LOOKUP_NOBODY;
}

static void test_dht_lookup_list_is_bounded(void **state)
{
    struct test_random r = test_seed(3);
    struct id target = test_random_id(&r);
    struct lookup_side s;

    (void)state;
    lookup_side_init(&s, &target, NODE_ID_ANY);
    for (unsigned i = 0; i < 10000; i++) {
        struct id id = test_random_id(&r);
        struct endpoint ep =
            test_ep4(127, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 1);

        lookup_side_add(&s, &id, &ep, 1, LOOKUP_NOBODY, 0);
        assert_true(s.count <= LOOKUP_CANDIDATES);
        for (size_t k = 1; k < s.count; k++)
            assert_true(id_compare_distance(&target,
                                            &s.slots[s.order[k - 1]].id,
                                            &s.slots[s.order[k]].id) < 0);
    }
    assert_int_equal(s.count, LOOKUP_CANDIDATES);
    lookup_side_deinit(&s);
}

static void answer_all(struct lookup_side *s)
{
    uint8_t slot;

    while ((slot = lookup_side_next(s)) != LOOKUP_NOBODY) {
        struct id id = s->slots[slot].id;

        lookup_side_asked(s, slot, 1);
        assert_true(lookup_side_answered(s, slot, &id));
    }
}

/* Eleven of one /24 nearer than all others: one of them counts. */
static void test_dht_lookup_counts_a_subnet_once(void **state)
{
    struct test_random r = test_seed(3);
    struct id target = test_random_id(&r);
    uint8_t slots[DHT_K];
    struct lookup_side s;
    unsigned clustered = 0;

    (void)state;
    lookup_side_init(&s, &target, NODE_ID_STRICT);
    for (uint8_t i = 0; i < 20; i++) {
        /* Private addresses: any id is allowed there. */
        struct id id = test_near_id(&r, &target, i < 11 ? 80 : 10);
        struct endpoint ep = i < 11 ? test_ep4(10, 1, 1, i, 1)
                                    : test_ep4(10, 2, i, 1, 1);

        assert_int_not_equal(add(&s, &id, ep, LOOKUP_NOBODY), LOOKUP_NOBODY);
    }
    answer_all(&s);
    assert_true(lookup_side_done(&s));
    assert_int_equal(lookup_side_closest(&s, false, slots, DHT_K), DHT_K);
    for (size_t i = 0; i < DHT_K; i++)
        clustered += s.slots[slots[i]].ep.addr[1] == 1;
    assert_int_equal(clustered, 1);
    lookup_side_deinit(&s);
}

/* A young network, all of it at one hoster: the nearest of each subnet come
 * first, and when that is too few, the others behind them. */
static void test_dht_lookup_of_few_subnets(void **state)
{
    struct test_random r = test_seed(3);
    struct id target = test_random_id(&r);
    uint8_t slots[DHT_K];
    struct lookup_side s;

    (void)state;
    lookup_side_init(&s, &target, NODE_ID_STRICT);
    for (uint8_t i = 0; i < 20; i++) {
        struct id id = test_near_id(&r, &target, 50 - i);
        struct endpoint ep = test_ep4(10, 1, i < 12 ? 1 : 2, i, 1);

        assert_int_not_equal(add(&s, &id, ep, LOOKUP_NOBODY), LOOKUP_NOBODY);
    }
    answer_all(&s);
    assert_true(lookup_side_done(&s));
    assert_int_equal(lookup_side_closest(&s, false, slots, DHT_K), DHT_K);
    assert_int_equal(s.slots[slots[0]].ep.addr[3], 0);
    assert_int_equal(s.slots[slots[1]].ep.addr[3], 12);
    for (size_t i = 2; i < DHT_K; i++)
        assert_int_equal(s.slots[slots[i]].ep.addr[3], i - 1);
    lookup_side_deinit(&s);
}

/* Behind those who are still being asked may be other subnets. */
static void test_dht_lookup_waits_before_it_asks_more_of_a_subnet(void **state)
{
    struct test_random r = test_seed(3);
    struct id target = test_random_id(&r);
    struct lookup_side s;
    uint8_t first, far;

    (void)state;
    lookup_side_init(&s, &target, NODE_ID_STRICT);
    for (uint8_t i = 0; i < 3; i++) {
        struct id id = test_near_id(&r, &target, 50 - i);
        struct endpoint ep = test_ep4(10, 1, i < 2 ? 1 : 2, i, 1);

        assert_int_not_equal(add(&s, &id, ep, LOOKUP_NOBODY), LOOKUP_NOBODY);
    }
    first = lookup_side_next(&s);
    lookup_side_asked(&s, first, 1);
    assert_true(lookup_side_answered(&s, first, &s.slots[first].id));
    far = lookup_side_next(&s);
    assert_int_equal(s.slots[far].ep.addr[3], 2);
    lookup_side_asked(&s, far, 1);
    assert_int_equal(lookup_side_next(&s), LOOKUP_NOBODY);
    assert_false(lookup_side_done(&s));
    lookup_side_failed(&s, far);
    assert_false(lookup_side_done(&s));
    assert_int_equal(s.slots[lookup_side_next(&s)].ep.addr[3], 1);
    lookup_side_deinit(&s);
}

/* A made-up entry for a true id, or for another port of a true address, does
 * not keep the true one out. */
static void test_dht_lookup_lie_does_not_shadow(void **state)
{
    struct test_random r = test_seed(3);
    struct id target = test_random_id(&r);
    struct id id = test_near_id(&r, &target, 20);
    struct lookup_side s;
    uint8_t lie, truth;

    (void)state;
    lookup_side_init(&s, &target, NODE_ID_STRICT);
    lie = add(&s, &id, test_ep4(10, 9, 9, 9, 9), 0);
    truth = add(&s, &id, test_ep4(10, 1, 1, 1, 1), LOOKUP_NOBODY);
    assert_int_not_equal(truth, LOOKUP_NOBODY);
    s.slots[lie].namer = LOOKUP_NOBODY;
    /* The same address again is the same candidate. */
    assert_int_equal(add(&s, &id, test_ep4(10, 1, 1, 1, 1), LOOKUP_NOBODY),
                     LOOKUP_NOBODY);
    lookup_side_asked(&s, truth, 1);
    assert_true(lookup_side_answered(&s, truth, &id));
    /* Once it has answered, its id and its address are taken. */
    assert_int_equal(add(&s, &id, test_ep4(10, 8, 8, 8, 8), LOOKUP_NOBODY),
                     LOOKUP_NOBODY);
    assert_int_equal(add(&s, &target, test_ep4(10, 1, 1, 1, 2), LOOKUP_NOBODY),
                     LOOKUP_NOBODY);
    lookup_side_asked(&s, lie, 1);
    assert_false(lookup_side_answered(&s, lie, &id));
    lookup_side_deinit(&s);
}

/* The slot of an evicted namer goes to somebody who is not to blame. */
static void test_dht_lookup_blame_is_not_inherited(void **state)
{
    struct test_random r = test_seed(3);
    struct id target = test_random_id(&r);
    struct id far = test_near_id(&r, &target, 0);
    struct lookup_side s;
    uint8_t namer;

    (void)state;
    lookup_side_init(&s, &target, NODE_ID_ANY);
    namer = add(&s, &far, test_ep4(127, 0, 0, 1, 1), LOOKUP_NOBODY);
    lookup_side_asked(&s, namer, 1);
    assert_true(lookup_side_answered(&s, namer, &far));
    for (uint8_t i = 0; i < LOOKUP_CANDIDATES; i++) {
        struct id id = test_near_id(&r, &target, 30);

        add(&s, &id, test_ep4(127, 0, 1, i, 1), namer);
    }
    assert_true(s.slots[namer].ep.addr[2] == 1);
    for (uint8_t i = 0; i < s.cap; i++)
        assert_int_equal(s.slots[i].namer, LOOKUP_NOBODY);
    lookup_side_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_lookup_finds_the_closest),
        cmocka_unit_test(test_dht_lookup_asks_three_at_a_time),
        cmocka_unit_test(test_dht_lookup_short_timeout_frees_the_slot),
        cmocka_unit_test(test_dht_lookup_nobody_answers),
        cmocka_unit_test(test_dht_lookup_empty_table),
        cmocka_unit_test(test_dht_lookup_cap),
        cmocka_unit_test(test_dht_lookup_shares_few_queries),
        cmocka_unit_test(test_dht_lookup_trace),
        cmocka_unit_test(test_dht_lookup_made_up_nodes),
        cmocka_unit_test(test_dht_lookup_names_itself),
        cmocka_unit_test(test_dht_lookup_answers_with_itself),
        cmocka_unit_test(test_dht_lookup_cancelled_in_callback),
        cmocka_unit_test(test_dht_lookup_restarted_in_callback),
        cmocka_unit_test(test_dht_lookup_list_is_bounded),
        cmocka_unit_test(test_dht_lookup_counts_a_subnet_once),
        cmocka_unit_test(test_dht_lookup_of_few_subnets),
        cmocka_unit_test(test_dht_lookup_waits_before_it_asks_more_of_a_subnet),
        cmocka_unit_test(test_dht_lookup_lie_does_not_shadow),
        cmocka_unit_test(test_dht_lookup_blame_is_not_inherited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
