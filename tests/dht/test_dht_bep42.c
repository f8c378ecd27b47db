/* SPDX-License-Identifier: MIT
 *
 * Node ids that fit their address: ours by vote, those of others by refusal.
 */
#include "dht_harness.h"

#include "dht/contacts/vote.h"
#include "dht/types/node_id.h"

struct fixture {
    struct harness h;
    struct witness w;
    struct test_random random;
    struct endpoint ours; /* as others see us */
};

static void init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    harness_init(&f->h);
    f->h.config.testing_network = false;
    f->h.config.has_id[FAMILY_IPV4] = false;
    f->random = test_seed(17);
    f->ours = test_ep("21.75.31.124:6881");
}

static struct endpoint voter(unsigned i)
{
    return test_ep4(45, (uint8_t)i, 3, 4, 6881);
}

static struct id fitting(struct fixture *f, const struct endpoint *ep)
{
    const struct random_source source = test_source(&f->random);
    struct id id;

    node_id_generate(ep, (uint8_t)test_random_next(&f->random), &source, &id);
    return id;
}

static struct id own_id(struct fixture *f)
{
    struct dht_status status;

    dht_status(f->h.d, f->h.now, &status);
    return status.id[FAMILY_IPV4];
}

static unsigned nodes(struct fixture *f)
{
    struct dht_status status;

    dht_status(f->h.d, f->h.now, &status);
    return status.nodes[FAMILY_IPV4];
}

/* A node answers a ping and says who we are; `claim` may be NULL. */
static void meet(struct fixture *f, const struct endpoint *ep,
                 const struct id *id, const struct endpoint *claim)
{
    struct dht_message m;
    struct sent *s;

    harness_forget(&f->h);
    assert_int_equal(dht_ping(f->h.d, ep, NULL, f->h.now, NULL), OK);
    s = harness_next(&f->h);
    harness_answer(&m, s, id);
    if (claim != NULL) {
        m.ip = *claim;
        m.has |= DHT_HAS_IP;
    }
    assert_int_equal(harness_give(&f->h, ep, &m), OK);
}

static void meet_voter(struct fixture *f, unsigned i,
                       const struct endpoint *claim)
{
    struct endpoint ep = voter(i);
    struct id id = fitting(f, &ep);

    meet(f, &ep, &id, claim);
}

static void test_dht_bep42_id_by_vote(void **state)
{
    struct fixture f;
    struct dht_status status;
    struct endpoint other = test_ep("99.1.2.3:6881");
    struct id id;

    (void)state;
    init(&f);
    harness_start(&f.h);
    meet_voter(&f, 0, NULL); /* joined, and nobody has said anything */
    id = own_id(&f);
    for (unsigned i = 1; i < VOTE_QUORUM; i++)
        meet_voter(&f, i, &f.ours);
    meet_voter(&f, 50, &other); /* one liar changes nothing */
    assert_int_equal(harness_events(&f.h, DHT_EVENT_ID), 0);
    meet_voter(&f, VOTE_QUORUM, &f.ours);
    assert_int_equal(harness_events(&f.h, DHT_EVENT_ID), 1);
    assert_false(node_id_matches(&id, &f.ours));
    id = own_id(&f);
    assert_true(node_id_matches(&id, &f.ours));
    /* The contacts are still there. */
    assert_int_equal(nodes(&f), VOTE_QUORUM + 2);
    dht_status(f.h.d, f.h.now, &status);
    assert_true(status.external_known[FAMILY_IPV4]);
    assert_true(endpoint_same_addr(&status.external[FAMILY_IPV4], &f.ours));
    /* And it is settled: no further votes change it. */
    for (unsigned i = 4; i < 12; i++)
        meet_voter(&f, i, &f.ours);
    assert_int_equal(harness_events(&f.h, DHT_EVENT_ID), 1);
    harness_end(&f.h);
}

/* Voters of one /16 are one voter. */
static void test_dht_bep42_one_vote_a_network(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    harness_start(&f.h);
    meet_voter(&f, 0, NULL);
    for (uint8_t i = 1; i < 50; i++) {
        struct endpoint ep = test_ep4(77, 7, i, i, 6881);
        struct id id = fitting(&f, &ep);

        meet(&f, &ep, &id, &f.ours);
    }
    assert_int_equal(harness_events(&f.h, DHT_EVENT_ID), 0);
    harness_end(&f.h);
}

/* Whatever others say, before and after. */
static void test_dht_bep42_the_machine_knows(void **state)
{
    struct endpoint wrong = test_ep("99.1.2.3:6881");
    struct dht_status status;
    struct fixture f;
    struct id id;

    (void)state;
    init(&f);
    harness_start(&f.h);
    for (unsigned i = 0; i <= VOTE_QUORUM; i++)
        meet_voter(&f, i, &wrong);
    dht_set_address(f.h.d, FAMILY_IPV4, &f.ours, f.h.now);
    id = own_id(&f);
    assert_true(node_id_matches(&id, &f.ours));
    for (unsigned i = 10; i < 30; i++)
        meet_voter(&f, i, &wrong);
    id = own_id(&f);
    assert_true(node_id_matches(&id, &f.ours));
    dht_status(f.h.d, f.h.now, &status);
    assert_true(endpoint_equal(&status.external[FAMILY_IPV4], &f.ours));
    dht_set_address(f.h.d, FAMILY_IPV4, NULL, f.h.now);
    for (unsigned i = 30; i < 30 + 2 * VOTE_QUORUM; i++)
        meet_voter(&f, i, &wrong);
    id = own_id(&f);
    assert_true(node_id_matches(&id, &wrong));
    harness_end(&f.h);
}

/* While nobody is in the table one claim will do, unless the id has served
 * before: then only after joining has failed. */
static void test_dht_bep42_first_claim(void **state)
{
    for (int has_id = 0; has_id < 2; has_id++) {
        struct fixture f;
        struct endpoint ep = voter(1);
        struct id misfit = test_id("0123456789"), id;

        (void)state;
        init(&f);
        f.h.config.has_id[FAMILY_IPV4] = has_id;
        harness_start(&f.h);
        meet(&f, &ep, &misfit, &f.ours);
        assert_int_equal(harness_events(&f.h, DHT_EVENT_ID), !has_id);
        id = own_id(&f);
        assert_int_equal(node_id_matches(&id, &f.ours), !has_id);
        harness_end(&f.h);
    }
}

static void test_dht_bep42_exempt(void **state)
{
    static const char *const claims[] = {"10.1.2.3:5", "192.168.0.9:5",
                                         "127.0.0.1:5", "21.75.31.124:5"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        struct endpoint claim = test_ep(claims[i]);
        struct fixture f;

        init(&f);
        f.h.config.testing_network = i + 1 == COUNT_OF(claims);
        harness_start(&f.h);
        for (unsigned v = 0; v < 2 * VOTE_QUORUM; v++)
            meet_voter(&f, v, &claim);
        assert_int_equal(harness_events(&f.h, DHT_EVENT_ID), 0);
        harness_end(&f.h);
    }
}

static void test_dht_bep42_own_id_kept_when_it_fits(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    f.h.config.has_id[FAMILY_IPV4] = true;
    f.h.config.id[FAMILY_IPV4] = fitting(&f, &f.ours);
    harness_start(&f.h);
    for (unsigned v = 0; v < 2 * VOTE_QUORUM; v++)
        meet_voter(&f, v, &f.ours);
    assert_int_equal(harness_events(&f.h, DHT_EVENT_ID), 0);
    harness_end(&f.h);
}

/* ---- Those of others ----------------------------------------------------- */

static void test_dht_bep42_misfits_are_no_contacts(void **state)
{
    struct fixture f;
    struct dht_message m;
    struct endpoint ep = voter(1);
    struct id misfit = test_id("0123456789"), fit;
    struct dht_status status;

    (void)state;
    init(&f);
    harness_start(&f.h);
    meet(&f, &ep, &misfit, NULL);
    assert_int_equal(nodes(&f), 0);
    harness_query(&m, DHT_PING, &misfit, NULL);
    assert_non_null(harness_ask(&f.h, &ep, &m)); /* but answered */
    dht_status(f.h.d, f.h.now, &status);
    assert_int_equal(status.cached[FAMILY_IPV4], 0);
    assert_true(dht_stats(f.h.d)->table_refused > 0);
    fit = fitting(&f, &ep);
    meet(&f, &ep, &fit, NULL);
    assert_int_equal(nodes(&f), 1);
    harness_end(&f.h);
}

static struct bytes name_nodes(struct fixture *f, unsigned count,
                               unsigned misfits, const struct id *target,
                               uint8_t *buf)
{
    size_t len = 0;

    for (unsigned i = 0; i < count; i++) {
        struct endpoint ep = test_ep4(60, (uint8_t)i, 1, 1, 6881);
        struct id id = fitting(f, &ep);

        if (i < misfits)
            id = test_near_id(&f->random, target, 80);
        memcpy(buf + len, id.b, ID_BYTES);
        len += ID_BYTES;
        len += endpoint_write_compact(&ep, buf + len);
    }
    return bytes_of(buf, len);
}

/* One contact, whose answer to a lookup names these nodes. Returns how many
 * of them are asked. */
static unsigned follow(unsigned count, unsigned misfits, bool *distrusted)
{
    uint8_t buf[DHT_K * COMPACT_NODE4];
    struct fixture f;
    struct endpoint ep = voter(1);
    struct id id, target = test_id("fedcba");
    struct dht_handler handler;
    struct dht_message m;
    struct sent *s;
    unsigned asked = 0;

    init(&f);
    harness_start(&f.h);
    id = fitting(&f, &ep);
    meet(&f, &ep, &id, NULL);
    harness_forget(&f.h);
    handler = witness_handler(&f.w);
    assert_int_equal(dht_find_node(f.h.d, &target, &handler, f.h.now, NULL),
                     OK);
    s = harness_next(&f.h);
    harness_answer(&m, s, &id);
    m.nodes = name_nodes(&f, count, misfits, &target, buf);
    m.has |= DHT_HAS_NODES;
    assert_int_equal(harness_give(&f.h, &ep, &m), OK);
    harness_run(&f.h, f.h.now + 30 * TIME_S);
    for (size_t i = 0; i < f.h.sent_count; i++)
        asked += f.h.sent[i]->to.addr[0] == 60 &&
                 f.h.sent[i]->m.method == DHT_FIND_NODE &&
                 id_equal(&f.h.sent[i]->m.target, &target);
    assert_int_equal(f.w.done, 1);
    *distrusted = f.w.steps[0].outcome == DHT_STEP_DISTRUST;
    harness_end(&f.h);
    return asked;
}

static void test_dht_bep42_misfits_are_not_asked(void **state)
{
    static const struct {
        unsigned count, misfits, asked;
        bool distrusted;
    } cases[] = {
        {8, 0, 8, false}, /* whether they answer or not */
        {8, 1, 7, false}, {8, 3, 5, false}, {8, 4, 0, true},
        {8, 8, 0, true},  {1, 1, 0, false}, {2, 2, 0, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool distrusted;
        unsigned asked = follow(cases[i].count, cases[i].misfits, &distrusted);

        assert_int_equal(distrusted, cases[i].distrusted);
        /* Silence of enough of them convicts the namer as well. */
        assert_true(asked <= cases[i].asked);
        assert_true(asked >= (cases[i].asked < 4 ? cases[i].asked : 4));
    }
}

/* A node of the Internet cannot send us into our own network. */
static void test_dht_bep42_private_addresses_are_not_asked(void **state)
{
    static const char *const places[] = {"10.0.0.1:5", "192.168.1.1:5",
                                         "127.0.0.1:5", "169.254.1.1:5"};
    uint8_t buf[DHT_K * COMPACT_NODE4];
    struct fixture f;
    struct endpoint ep = voter(1);
    struct id id, target = test_id("fedcba");
    struct dht_message m;
    struct sent *s;
    size_t len = 0;

    (void)state;
    init(&f);
    harness_start(&f.h);
    id = fitting(&f, &ep);
    meet(&f, &ep, &id, NULL);
    harness_forget(&f.h);
    assert_int_equal(dht_find_node(f.h.d, &target, NULL, f.h.now, NULL), OK);
    s = harness_next(&f.h);
    harness_answer(&m, s, &id);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct endpoint place = test_ep(places[i]);
        struct id near = test_near_id(&f.random, &target, 50);

        memcpy(buf + len, near.b, ID_BYTES);
        len += ID_BYTES;
        len += endpoint_write_compact(&place, buf + len);
    }
    m.nodes = bytes_of(buf, len);
    m.has |= DHT_HAS_NODES;
    assert_int_equal(harness_give(&f.h, &ep, &m), OK);
    harness_run(&f.h, f.h.now + TIME_MIN);
    for (size_t i = 0; i < f.h.sent_count; i++)
        assert_true(endpoint_equal(&f.h.sent[i]->to, &ep));
    harness_end(&f.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_bep42_id_by_vote),
        cmocka_unit_test(test_dht_bep42_one_vote_a_network),
        cmocka_unit_test(test_dht_bep42_the_machine_knows),
        cmocka_unit_test(test_dht_bep42_first_claim),
        cmocka_unit_test(test_dht_bep42_exempt),
        cmocka_unit_test(test_dht_bep42_own_id_kept_when_it_fits),
        cmocka_unit_test(test_dht_bep42_misfits_are_no_contacts),
        cmocka_unit_test(test_dht_bep42_misfits_are_not_asked),
        cmocka_unit_test(test_dht_bep42_private_addresses_are_not_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
