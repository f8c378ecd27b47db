/* SPDX-License-Identifier: MIT
 *
 * The second half of a publication's round: whatever becomes of an
 * announce_peer, the round ends once, and the next one comes.
 */
#include "publish_fixture.h"

/* Runs until the engine has sent a query of this kind, which the peers have
 * not seen yet; returns it. */
static struct sent *run_until(struct fixture *f, enum dht_method method)
{
    for (unsigned i = 0; i < 10000; i++) {
        while (harness_waiting(&f->h) > 0) {
            struct sent *s = f->h.sent[f->h.taken];

            if (s->m.kind == DHT_QUERY && s->m.method == method)
                return s;
            f->h.taken++;
            respond(f, s);
        }
        harness_run(&f->h, f->h.now + TIME_MS);
    }
    fail();
    return NULL;
}

static void expect_renewals(struct fixture *f)
{
    size_t before = harness_events(&f->h, DHT_EVENT_PUBLISHED);

    f->stored = 0;
    f->mute = false;
    f->imposter = NULL;
    run(f, TIME_HOUR);
    assert_true(harness_events(&f->h, DHT_EVENT_PUBLISHED) >= before + 3);
    assert_true(f->stored >= 3);
}

/* A node near the key answers under another id: it has not stored, but the
 * others have. */
static void test_dht_store_answered_by_another(void **state)
{
    struct fixture *f = start(20);
    const struct peer *near[1];

    (void)state;
    join(f);
    peers_closest(&f->p, &f->target, near, 1);
    f->imposter = near[0];
    announce(f, 4000, false);
    run(f, 30 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, OK);
    assert_int_equal(f->w.result.stored, DHT_K - 1);
    expect_renewals(f);
    end(f);
}

/* Nobody but such a node: that is said. */
static void test_dht_store_answered_by_nobody_else(void **state)
{
    struct fixture *f = start(1);

    (void)state;
    join(f);
    f->imposter = &f->p.peer[0];
    announce(f, 4000, false);
    run(f, 30 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, ERR_UNEXPECTED);
    expect_renewals(f);
    end(f);
}

/* The host sleeps for 11 s with stores in flight. */
static void test_dht_store_survives_a_jump(void **state)
{
    struct fixture *f = start(20);

    (void)state;
    join(f);
    announce(f, 4000, false);
    run_until(f, DHT_ANNOUNCE_PEER);
    harness_forget(&f->h);
    f->h.now += 11 * TIME_S;
    dht_tick(f->h.d, f->h.now);
    f->mute = true;
    run(f, 30 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, ERR_TIMEOUT);
    expect_renewals(f);
    end(f);
}

/* What was lost in the jump is sent once more, and counts. */
static void test_dht_store_repeats_after_a_jump(void **state)
{
    struct fixture *f = start(20);

    (void)state;
    join(f);
    announce(f, 4000, false);
    run_until(f, DHT_ANNOUNCE_PEER);
    harness_forget(&f->h);
    f->h.now += 11 * TIME_S;
    dht_tick(f->h.d, f->h.now);
    run(f, 30 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.stored, DHT_K);
    end(f);
}

/* A query_timeout shorter than what the engine would wait for an answer: no
 * query is ever slow, all that are lost fail at once. */
static void test_dht_store_short_query_timeout(void **state)
{
    struct fixture *f = start(20);

    (void)state;
    f->h.config.query_timeout = 15 * TIME_MS;
    join(f);
    announce(f, 4000, false);
    run_until(f, DHT_ANNOUNCE_PEER);
    assert_int_equal(dht_reconfigure(f->h.d, &f->h.config), OK);
    f->mute = true;
    run(f, 30 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, ERR_TIMEOUT);
    f->h.config.query_timeout = 10 * TIME_S;
    assert_int_equal(dht_reconfigure(f->h.d, &f->h.config), OK);
    expect_renewals(f);
    end(f);
}

/* ---- A late answer while stores are in flight ---------------------------- */

/* Nodes in generations: three that the engine knows, then eight times eight
 * that lie nearer each time, and that the generation before names. The last
 * are named by one alone, who answers late. Only the first give tokens. */
#define FIRST       3
#define GENERATIONS 9

struct chain {
    struct fixture *f;
    struct sent *late;
    struct sent *stores[FIRST];
    unsigned store_count;
};

static unsigned generation_of(size_t i)
{
    return i < FIRST ? 0 : (unsigned)(1 + (i - FIRST) / DHT_K);
}

static void make_chain(struct fixture *f)
{
    f->p.count = FIRST + (GENERATIONS - 1) * DHT_K;
    for (size_t i = 0; i < f->p.count; i++) {
        f->p.peer[i].id = test_near_id(&f->random, &f->target,
                                       (int)(4 + 2 * generation_of(i)));
        f->p.peer[i].ep = test_ep4(127, 1, 1, (uint8_t)(i + 1), 4000);
    }
}

static void chain_answer(struct chain *c, const struct sent *s)
{
    struct fixture *f = c->f;
    const struct peer *peer = peers_at(&f->p, &s->to);
    unsigned next = generation_of((size_t)(peer - f->p.peer)) + 1;
    uint8_t nodes[DHT_K * COMPACT_NODE4];
    size_t len = 0;
    struct dht_message m;

    harness_answer(&m, s, &peer->id);
    for (size_t i = 0; i < f->p.count; i++) {
        if (generation_of(i) != next ||
            (next == GENERATIONS - 1 && s != c->late))
            continue;
        memcpy(nodes + len, f->p.peer[i].id.b, ID_BYTES);
        len += ID_BYTES;
        len += endpoint_write_compact(&f->p.peer[i].ep, nodes + len);
    }
    m.nodes = bytes_of(nodes, len);
    m.has |= DHT_HAS_NODES;
    if (next == 1) {
        m.token = TEST_BYTES("tokentok");
        m.has |= DHT_HAS_TOKEN;
    }
    harness_give(&f->h, &s->to, &m);
}

static void chain_take(struct chain *c, struct sent *s)
{
    const struct peer *peer = peers_at(&c->f->p, &s->to);

    if (s->m.method == DHT_ANNOUNCE_PEER && c->store_count < FIRST)
        c->stores[c->store_count++] = s;
    else if (s->m.method == DHT_GET_PEERS && c->late == NULL &&
             generation_of((size_t)(peer - c->f->p.peer)) == GENERATIONS - 2)
        c->late = s;
    else if (s->m.method == DHT_GET_PEERS)
        chain_answer(c, s);
}

/* The nodes that a late answer names must not take the place of those that
 * are asked to store. */
static void test_dht_store_keeps_its_nodes(void **state)
{
    struct fixture *f = start(0);
    struct chain c = {.f = f};
    struct dht_message m;

    (void)state;
    make_chain(f);
    for (size_t i = 0; i < FIRST; i++)
        harness_befriend(&f->h, &f->p.peer[i].ep, &f->p.peer[i].id);
    announce(f, 4000, false);
    for (unsigned i = 0; i < 2000 && c.store_count < FIRST; i++) {
        struct sent *s;

        while ((s = harness_next(&f->h)) != NULL)
            chain_take(&c, s);
        harness_run(&f->h, f->h.now + TIME_MS);
    }
    assert_int_equal(c.store_count, FIRST);
    assert_non_null(c.late);
    chain_answer(&c, c.late);
    for (size_t i = 0; i < FIRST; i++) {
        harness_answer(&m, c.stores[i], &peers_at(&f->p, &c.stores[i]->to)->id);
        harness_give(&f->h, &c.stores[i]->to, &m);
    }
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.stored, FIRST);
    end(f);
}

/* ---- Making room --------------------------------------------------------- */

/* A half of the lookups may be rounds; when those that run are withdrawn, the
 * others begin. */
static void test_dht_store_withdrawn_rounds_make_room(void **state)
{
    struct fixture *f = start(20);
    struct id target = f->target;
    unsigned count = f->h.config.max_lookups;

    (void)state;
    join(f);
    for (unsigned i = 0; i < count; i++) {
        target.b[ID_BYTES - 1] = (uint8_t)i;
        assert_int_equal(
            dht_announce(f->h.d, &target, 4000, false, NULL, f->h.now, NULL),
            OK);
    }
    dht_tick(f->h.d, f->h.now);
    /* The newest begin first. */
    for (unsigned i = count / 2; i < count; i++) {
        target.b[ID_BYTES - 1] = (uint8_t)i;
        assert_int_equal(dht_withdraw(f->h.d, &target), OK);
    }
    run(f, TIME_MIN);
    assert_int_equal(f->stored, count / 2 * DHT_K);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_store_answered_by_another),
        cmocka_unit_test(test_dht_store_answered_by_nobody_else),
        cmocka_unit_test(test_dht_store_survives_a_jump),
        cmocka_unit_test(test_dht_store_repeats_after_a_jump),
        cmocka_unit_test(test_dht_store_short_query_timeout),
        cmocka_unit_test(test_dht_store_keeps_its_nodes),
        cmocka_unit_test(test_dht_store_withdrawn_rounds_make_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
