/* SPDX-License-Identifier: MIT
 *
 * What clients of the mainline DHT do, and warren's own nodes do not.
 */
#include "mainline_fixture.h"

/* ---- Other ids ----------------------------------------------------------- */

/* Nodes make up an id when they are started. */
static void test_mainline_restarted_node(void **state)
{
    (void)state;
    /* In the same bucket as before, and in another. */
    for (int bits = 0; bits < 2; bits++) {
        struct endpoint ep = place(1);
        struct dht_message m;
        struct fixture f;
        struct id id, again;
        struct sent *s;

        start(&f);
        id = test_near_id(&f.random, &f.h.config.id[FAMILY_IPV4], 0);
        again = test_near_id(&f.random, &f.h.config.id[FAMILY_IPV4], bits);
        meet(&f, &ep, &id);
        assert_true(is_contact(&f, &id, &ep));
        assert_int_equal(dht_find_node(f.h.d, &id, NULL, f.h.now, NULL), OK);
        s = asked(&f, &ep);
        harness_answer(&m, s, &again);
        assert_int_equal(harness_give(&f.h, &ep, &m), ERR_UNEXPECTED);
        assert_false(is_contact(&f, &id, &ep));
        /* It has yet to be asked under its id. */
        assert_false(is_contact(&f, &again, &ep));
        harness_run(&f.h, f.h.now + TIME_S);
        s = asked(&f, &ep);
        assert_non_null(s);
        harness_answer(&m, s, &again);
        assert_int_equal(harness_give(&f.h, &ep, &m), OK);
        assert_true(is_contact(&f, &again, &ep));
        harness_end(&f.h);
    }
}

/* It asks us before we have asked it. */
static void test_mainline_restarted_node_asks(void **state)
{
    struct endpoint ep = place(1);
    struct dht_message m;
    struct fixture f;
    struct id id, again;
    struct sent *s;

    (void)state;
    start(&f);
    id = test_near_id(&f.random, &f.h.config.id[FAMILY_IPV4], 0);
    again = test_near_id(&f.random, &f.h.config.id[FAMILY_IPV4], 1);
    meet(&f, &ep, &id);
    harness_query(&m, DHT_PING, &again, NULL);
    assert_non_null(harness_ask(&f.h, &ep, &m));
    assert_true(is_contact(&f, &id, &ep));
    harness_run(&f.h, f.h.now + TIME_S);
    while ((s = asked(&f, &ep)) != NULL) {
        harness_answer(&m, s, &again);
        harness_give(&f.h, &ep, &m);
    }
    assert_true(is_contact(&f, &again, &ep));
    assert_false(is_contact(&f, &id, &ep));
    harness_end(&f.h);
}

/* One that has another id each time is let go, and not asked for ever. */
static void test_mainline_node_of_many_ids(void **state)
{
    struct endpoint ep = place(1);
    struct dht_message m;
    struct fixture f;
    unsigned queries = 0;
    struct id id;

    (void)state;
    start(&f);
    id = test_random_id(&f.random);
    meet(&f, &ep, &id);
    for (int i = 0; i < 600; i++) {
        struct sent *s;

        harness_run(&f.h, f.h.now + TIME_S);
        while ((s = asked(&f, &ep)) != NULL) {
            queries++;
            id = test_random_id(&f.random);
            harness_answer(&m, s, &id);
            harness_give(&f.h, &ep, &m);
        }
    }
    assert_in_range(queries, 1, 20);
    assert_int_equal(contacts(&f), 0);
    harness_end(&f.h);
}

/* ---- Answers that lack something ----------------------------------------- */

static void ask_peers(struct fixture *f, const struct id *target)
{
    struct dht_handler handler = witness_handler(&f->w);

    assert_int_equal(dht_get_peers(f->h.d, target, &handler, f->h.now, NULL),
                     OK);
}

/* Values and no nodes; nodes and no token; a token that is long. */
static void test_mainline_sparse_answers(void **state)
{
    static const uint8_t token[] = "a token of a client that likes it long!";
    struct id target = test_id("fedcba"), ids[3];
    struct dht_handler handler;
    struct dht_message m;
    struct fixture f;
    struct sent *s;
    unsigned announced = 0;

    (void)state;
    start(&f);
    for (unsigned i = 0; i < 3; i++) {
        struct endpoint ep = place(i);

        ids[i] = test_random_id(&f.random);
        meet(&f, &ep, &ids[i]);
    }
    harness_forget(&f.h);
    handler = witness_handler(&f.w);
    assert_int_equal(
        dht_announce(f.h.d, &target, 4000, false, &handler, f.h.now, NULL), OK);
    for (int i = 0; i < 20; i++) {
        harness_run(&f.h, f.h.now + 10 * TIME_MS);
        while ((s = harness_next(&f.h)) != NULL) {
            unsigned n = s->to.addr[1];

            harness_answer(&m, s, &ids[n]);
            if (s->m.method == DHT_GET_PEERS && n == 0) {
                m.values[0] = place(77);
                m.value_count = 1;
                m.has |= DHT_HAS_VALUES;
            } else if (s->m.method == DHT_GET_PEERS && n == 2) {
                m.token = bytes_of(token, sizeof(token));
                m.has |= DHT_HAS_TOKEN;
            } else if (s->m.method == DHT_ANNOUNCE_PEER) {
                assert_int_equal(n, 2);
                assert_true(
                    bytes_equal(s->m.token, bytes_of(token, sizeof(token))));
                announced++;
            }
            harness_give(&f.h, &s->to, &m);
        }
    }
    assert_int_equal(f.w.done, 1);
    assert_int_equal(f.w.result.error, OK);
    assert_int_equal(f.w.result.answered, 3);
    assert_int_equal(f.w.peer_count, 1);
    assert_int_equal(f.w.result.stored, 1);
    assert_int_equal(announced, 1);
    harness_end(&f.h);
}

/* ---- Methods that they do not know --------------------------------------- */

enum unknown { REFUSES, IS_SILENT, NAMES_NODES };

static void answer_get(struct fixture *f, const struct sent *s,
                       const struct id *id, enum unknown how)
{
    struct dht_message m;

    if (s->m.method == DHT_GET && how == IS_SILENT)
        return;
    harness_answer(&m, s, id);
    m.has |= DHT_HAS_NODES;
    if (s->m.method == DHT_GET && how == REFUSES) {
        m.kind = DHT_ERROR;
        m.error_code = DHT_ERROR_METHOD;
        m.error_text = TEST_BYTES("Method Unknown");
    }
    harness_give(&f->h, &s->to, &m);
}

/* Lookups end, and it stays a contact: it knows what BEP 5 has. */
static void test_mainline_get_is_unknown(void **state)
{
    (void)state;
    for (int how = REFUSES; how <= NAMES_NODES; how++) {
        struct id target = test_id("fedcba"), id;
        struct endpoint ep = place(1);
        struct fixture f;
        struct sent *s;

        start(&f);
        id = test_random_id(&f.random);
        meet(&f, &ep, &id);
        for (int i = 0; i < 8; i++) {
            struct dht_handler handler = witness_handler(&f.w);

            assert_int_equal(dht_get_item(f.h.d, &target, bytes_of(NULL, 0),
                                          &handler, f.h.now, NULL),
                             OK);
            for (int tick = 0; tick < 150; tick++) {
                while ((s = asked(&f, &ep)) != NULL)
                    answer_get(&f, s, &id, (enum unknown)how);
                harness_run(&f.h, f.h.now + 100 * TIME_MS);
            }
            assert_int_equal(f.w.done, 1);
            assert_int_equal(f.w.result.error, how == REFUSES     ? ERR_REMOTE
                                               : how == IS_SILENT ? ERR_TIMEOUT
                                                                  : OK);
        }
        assert_true(is_contact(&f, &id, &ep));
        harness_end(&f.h);
    }
}

static void worst_quality(void *ctx, const struct dht_node_info *info)
{
    enum dht_quality *worst = ctx;

    if (info->quality > *worst)
        *worst = info->quality;
}

/* Three that time out at once make no bad contact, as three pings do. */
static void test_mainline_get_is_no_ping(void **state)
{
    (void)state;
    for (int pings = 0; pings < 2; pings++) {
        enum dht_quality worst = DHT_GOOD;
        struct endpoint ep = place(1);
        struct fixture f;
        struct sent *s;
        struct id id;

        start(&f);
        id = test_random_id(&f.random);
        meet(&f, &ep, &id);
        for (int i = 0; i < 3; i++) {
            struct id target = test_random_id(&f.random);

            if (pings)
                dht_find_node(f.h.d, &target, NULL, f.h.now, NULL);
            else
                dht_get_item(f.h.d, &target, bytes_of(NULL, 0), NULL, f.h.now,
                             NULL);
        }
        for (int i = 0; i < 9; i++) {
            while (!pings && (s = asked(&f, &ep)) != NULL)
                answer_get(&f, s, &id, IS_SILENT);
            harness_run(&f.h, f.h.now + TIME_S);
        }
        harness_run(&f.h, f.h.now + 2 * TIME_S);
        dht_nodes(f.h.d, f.h.now, worst_quality, &worst);
        assert_int_equal(worst, pings ? DHT_BAD : DHT_GOOD);
        harness_end(&f.h);
    }
}

/* Answers with `count` nodes near the target that it makes up. */
static void name_made_up(struct fixture *f, const struct sent *s,
                         const struct id *id, const struct endpoint *ep,
                         const struct id *target, unsigned count)
{
    uint8_t buf[DHT_K * COMPACT_NODE4];
    struct dht_message m;
    size_t len = 0;

    harness_answer(&m, s, id);
    for (unsigned i = 0; i < count; i++) {
        struct endpoint at = place(i);
        struct id near = test_near_id(&f->random, target, 40);

        memcpy(buf + len, near.b, ID_BYTES);
        len += ID_BYTES;
        len += endpoint_write_compact(&at, buf + len);
    }
    m.nodes = bytes_of(buf, len);
    m.has |= DHT_HAS_NODES;
    harness_give(&f->h, ep, &m);
}

/* libtorrent names announcers as nodes, and many of those have gone. Who names
 * nobody else is caught. */
static void test_mainline_some_dead_blame_nobody(void **state)
{
    (void)state;
    for (unsigned dead = DHT_K - 1; dead <= DHT_K; dead++) {
        struct id target = test_id("fedcba"), id;
        struct endpoint ep = place(100);
        struct fixture f;
        struct sent *s;

        start(&f);
        id = test_random_id(&f.random);
        meet(&f, &ep, &id);
        assert_int_equal(dht_get_peers(f.h.d, &target, NULL, f.h.now, NULL),
                         OK);
        s = asked(&f, &ep);
        name_made_up(&f, s, &id, &ep, &target, dead);
        harness_run(&f.h, f.h.now + 30 * TIME_S);
        assert_int_equal(dht_stats(f.h.d)->distrusted, dead == DHT_K);
        harness_end(&f.h);
    }
}

/* Many who do not know it do not speak against who has named them. */
static void test_mainline_get_blames_nobody(void **state)
{
    (void)state;
    for (int how = REFUSES; how <= IS_SILENT; how++) {
        struct id target = test_id("fedcba"), id;
        struct endpoint ep = place(100);
        struct dht_handler handler;
        struct fixture f;
        struct sent *s;

        start(&f);
        id = test_random_id(&f.random);
        meet(&f, &ep, &id);
        handler = witness_handler(&f.w);
        assert_int_equal(dht_get_item(f.h.d, &target, bytes_of(NULL, 0),
                                      &handler, f.h.now, NULL),
                         OK);
        s = asked(&f, &ep);
        name_made_up(&f, s, &id, &ep, &target, DHT_K);
        for (int tick = 0; tick < 300; tick++) {
            while ((s = harness_next(&f.h)) != NULL)
                answer_get(&f, s, &id, (enum unknown)how);
            harness_run(&f.h, f.h.now + 100 * TIME_MS);
        }
        assert_int_equal(f.w.done, 1);
        assert_int_equal(f.w.result.asked, DHT_K + 1);
        assert_int_equal(f.w.result.closest_count, 1);
        assert_int_equal(dht_stats(f.h.d)->distrusted, 0);
        harness_end(&f.h);
    }
}

static void count_samples(void *ctx, const struct dht_samples *samples)
{
    unsigned *count = ctx;

    (void)samples;
    ++*count;
}

/* An answer without `samples`, as to find_node, tells of no samples. */
static void test_mainline_samples_are_unknown(void **state)
{
    (void)state;
    for (int knows = 0; knows < 2; knows++) {
        unsigned count = 0;
        const struct dht_handler handler = {.ctx = &count};
        struct id target = test_id("fedcba"), id;
        struct endpoint ep = place(1);
        struct dht_message m;
        struct fixture f;

        start(&f);
        id = test_random_id(&f.random);
        assert_int_equal(dht_sample(f.h.d, &ep, &target, count_samples,
                                    &handler, f.h.now, NULL),
                         OK);
        harness_answer(&m, asked(&f, &ep), &id);
        m.has |= DHT_HAS_NODES;
        if (knows)
            m.has |= DHT_HAS_SAMPLES;
        assert_int_equal(harness_give(&f.h, &ep, &m), OK);
        assert_int_equal(count, knows);
        harness_end(&f.h);
    }
}

/* Settings are read anew: it speaks as before. */
static void test_mainline_stays_mainline(void **state)
{
    struct endpoint ep = place(1);
    struct dht_config config;
    struct fixture f;
    struct id id;

    (void)state;
    start(&f);
    config = f.h.config;
    config.dialect = DHT_DIALECT_WARREN;
    assert_int_equal(dht_reconfigure(f.h.d, &config), OK);
    id = test_random_id(&f.random);
    assert_int_equal(meet(&f, &ep, &id), OK);
    assert_true(is_contact(&f, &id, &ep));
    harness_end(&f.h);
}

/* ---- Addresses ----------------------------------------------------------- */

/* A NAT that answers from another port answers for nobody. */
static void test_mainline_other_port(void **state)
{
    struct endpoint ep = place(1), other = ep;
    struct dht_message m;
    struct fixture f;
    struct id id;

    (void)state;
    start(&f);
    other.port++;
    id = test_random_id(&f.random);
    assert_int_equal(dht_ping(f.h.d, &ep, NULL, f.h.now, NULL), OK);
    harness_answer(&m, asked(&f, &ep), &id);
    assert_int_equal(harness_give(&f.h, &other, &m), ERR_UNEXPECTED);
    assert_int_equal(contacts(&f), 0);
    assert_int_equal(harness_give(&f.h, &ep, &m), OK);
    assert_true(is_contact(&f, &id, &ep));
    harness_end(&f.h);
}

/* BEP 43: they are answered, and nobody is sent to them. */
static void test_mainline_read_only_nodes(void **state)
{
    struct endpoint ep = place(1);
    struct dht_status status;
    struct dht_message m;
    struct fixture f;
    struct id id;

    (void)state;
    start(&f);
    id = test_random_id(&f.random);
    harness_query(&m, DHT_PING, &id, NULL);
    m.read_only = true;
    assert_non_null(harness_ask(&f.h, &ep, &m));
    dht_status(f.h.d, f.h.now, &status);
    assert_int_equal(status.cached[FAMILY_IPV4], 0);
    harness_run(&f.h, f.h.now + TIME_MIN);
    assert_null(asked(&f, &ep));
    harness_end(&f.h);
}

/* Many nodes behind one NAT: one of them is a contact, and who names several,
 * or one under two ids, is believed. */
static void test_mainline_many_at_one_address(void **state)
{
    uint8_t buf[DHT_K * COMPACT_NODE4];
    struct id target = test_id("fedcba"), id, other;
    struct endpoint ep = place(1), next = ep;
    struct dht_handler handler;
    struct dht_message m;
    struct fixture f;
    struct sent *s;
    unsigned at_nat = 0;
    size_t len = 0;

    (void)state;
    start(&f);
    id = test_random_id(&f.random);
    other = test_random_id(&f.random);
    next.port++;
    meet(&f, &ep, &id);
    meet(&f, &next, &other);
    assert_int_equal(contacts(&f), 1);
    assert_true(is_contact(&f, &id, &ep));

    handler = witness_handler(&f.w);
    assert_int_equal(dht_find_node(f.h.d, &target, &handler, f.h.now, NULL),
                     OK);
    s = asked(&f, &ep);
    harness_answer(&m, s, &id);
    for (unsigned i = 0; i < DHT_K; i++) {
        struct endpoint at = test_ep4(50, 1, 1, 1, (uint16_t)(7000 + i / 2));
        struct id near = test_near_id(&f.random, &target, 40);

        memcpy(buf + len, near.b, ID_BYTES);
        len += ID_BYTES;
        len += endpoint_write_compact(&at, buf + len);
    }
    m.nodes = bytes_of(buf, len);
    m.has |= DHT_HAS_NODES;
    assert_int_equal(harness_give(&f.h, &ep, &m), OK);
    while ((s = harness_next(&f.h)) != NULL)
        at_nat += s->to.addr[0] == 50 && s->m.method == DHT_FIND_NODE;
    assert_int_equal(at_nat, 2);
    harness_run(&f.h, f.h.now + 30 * TIME_S);
    assert_int_equal(f.w.steps[0].outcome, DHT_STEP_ANSWERED);
    harness_end(&f.h);
}

/* Peers behind one NAT are different peers. */
static void test_mainline_peers_at_one_address(void **state)
{
    struct id target = test_id("fedcba"), id;
    struct endpoint ep = place(1);
    struct dht_message m;
    struct fixture f;

    (void)state;
    start(&f);
    id = test_random_id(&f.random);
    meet(&f, &ep, &id);
    ask_peers(&f, &target);
    harness_answer(&m, asked(&f, &ep), &id);
    for (m.value_count = 0; m.value_count < 3; m.value_count++) {
        m.values[m.value_count] = place(9);
        m.values[m.value_count].port = (uint16_t)(m.value_count / 2 + 1);
    }
    m.has |= DHT_HAS_VALUES;
    assert_int_equal(harness_give(&f.h, &ep, &m), OK);
    assert_int_equal(f.w.done, 1);
    assert_int_equal(f.w.peer_count, 2);
    harness_end(&f.h);
}

/* What nodes of a local network, of another family or with no mind at all say
 * that our address is changes no id and is no address of ours. */
static void test_mainline_bogus_votes(void **state)
{
    static const char *const claims[] = {"192.168.1.7:6881", "127.0.0.1:6881",
                                         "0.0.0.0:6881", "[2001:db8::1]:6881",
                                         "239.1.2.3:6881"};
    struct dht_status status;
    struct dht_message m;
    struct fixture f;

    (void)state;
    start(&f);
    for (unsigned i = 0; i < 40; i++) {
        struct endpoint ep = place(i);
        struct id id = test_random_id(&f.random);

        assert_int_equal(dht_ping(f.h.d, &ep, NULL, f.h.now, NULL), OK);
        harness_answer(&m, asked(&f, &ep), &id);
        m.ip = test_ep(claims[i % COUNT_OF(claims)]);
        m.has |= DHT_HAS_IP;
        harness_give(&f.h, &ep, &m);
    }
    dht_status(f.h.d, f.h.now, &status);
    assert_int_equal(harness_events(&f.h, DHT_EVENT_ID), 0);
    assert_true(id_equal(&status.id[FAMILY_IPV4], &f.h.config.id[FAMILY_IPV4]));
    harness_end(&f.h);
}

/* Some clients read `port` alone: it is there, as others see it. */
static void test_mainline_implied_port_is_told_too(void **state)
{
    struct id target = test_id("fedcba"), ids[10];
    struct dht_message m;
    struct fixture f;
    unsigned announced = 0;
    struct sent *s;

    (void)state;
    start(&f);
    for (unsigned i = 0; i < 10; i++)
        ids[i] = test_random_id(&f.random);
    for (unsigned i = 0; i < 10; i++) {
        struct endpoint ep = place(i);

        assert_int_equal(dht_ping(f.h.d, &ep, NULL, f.h.now, NULL), OK);
        harness_answer(&m, asked(&f, &ep), &ids[i]);
        m.ip = test_ep("21.75.31.124:6882");
        m.has |= DHT_HAS_IP;
        assert_int_equal(harness_give(&f.h, &ep, &m), OK);
    }
    harness_forget(&f.h);
    assert_int_equal(dht_announce(f.h.d, &target, 0, true, NULL, f.h.now, NULL),
                     OK);
    for (int i = 0; i < 20; i++) {
        harness_run(&f.h, f.h.now + 10 * TIME_MS);
        while ((s = harness_next(&f.h)) != NULL) {
            if (s->m.method == DHT_ANNOUNCE_PEER) {
                assert_true(s->m.implied_port);
                assert_int_equal(s->m.port, 6882);
                announced++;
            }
            harness_answer(&m, s, &ids[s->to.addr[1]]);
            m.token = TEST_BYTES("token");
            m.has |= DHT_HAS_TOKEN;
            harness_give(&f.h, &s->to, &m);
        }
    }
    assert_int_equal(announced, DHT_K);
    harness_end(&f.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mainline_restarted_node),
        cmocka_unit_test(test_mainline_restarted_node_asks),
        cmocka_unit_test(test_mainline_node_of_many_ids),
        cmocka_unit_test(test_mainline_sparse_answers),
        cmocka_unit_test(test_mainline_get_is_unknown),
        cmocka_unit_test(test_mainline_get_is_no_ping),
        cmocka_unit_test(test_mainline_some_dead_blame_nobody),
        cmocka_unit_test(test_mainline_get_blames_nobody),
        cmocka_unit_test(test_mainline_samples_are_unknown),
        cmocka_unit_test(test_mainline_stays_mainline),
        cmocka_unit_test(test_mainline_other_port),
        cmocka_unit_test(test_mainline_read_only_nodes),
        cmocka_unit_test(test_mainline_many_at_one_address),
        cmocka_unit_test(test_mainline_peers_at_one_address),
        cmocka_unit_test(test_mainline_bogus_votes),
        cmocka_unit_test(test_mainline_implied_port_is_told_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
