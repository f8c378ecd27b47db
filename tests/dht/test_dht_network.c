/* SPDX-License-Identifier: MIT
 *
 * The machine's network changes: families come and go, and so does our own
 * address, whether the kernel tells or only the votes of others do.
 */
#include "dht_harness.h"

#include "dht/contacts/vote.h"

#define RTT (20 * TIME_MS)

static struct endpoint ours, moved_to;
static const bool all[FAMILIES] = {true, true}, none[FAMILIES];

static void start(struct harness *h)
{
    harness_init(h);
    h->config.family[FAMILY_IPV6] = true;
    harness_start(h);
    ours = test_ep("21.75.31.124:6881");
    moved_to = test_ep("22.75.31.124:6881");
}

static struct endpoint peer4(unsigned i)
{
    return test_ep4(45, (uint8_t)i, 3, 4, 6881);
}

static struct endpoint peer6(unsigned i)
{
    struct endpoint ep = test_ep("[fd00::1]:6881");

    ep.addr[1] = (uint8_t)i;
    return ep;
}

/* Both families know eight others. */
static void befriend_all(struct harness *h, struct test_random *random)
{
    for (unsigned i = 0; i < DHT_K; i++) {
        struct endpoint a = peer4(i), b = peer6(i);
        struct id id = test_random_id(random);

        harness_befriend(h, &a, &id);
        harness_befriend(h, &b, &id);
    }
}

/* Queries to nodes of a family that were caught since. */
static unsigned asked(struct harness *h, enum family f)
{
    unsigned n = 0;

    while (harness_waiting(h) > 0)
        n += harness_next(h)->to.family == f;
    return n;
}

static unsigned lookup_asks(struct harness *h, enum family f)
{
    struct id target = test_id("77");

    harness_forget(h);
    assert_int_equal(dht_find_node(h->d, &target, NULL, h->now, NULL), OK);
    harness_run(h, h->now + TIME_S);
    return asked(h, f);
}

static void test_dht_network_family_is_cut(void **state)
{
    static const bool without_ipv6[FAMILIES] = {true, false};
    struct test_random random = test_seed(5);
    struct harness h;
    size_t events;

    (void)state;
    start(&h);
    befriend_all(&h, &random);
    assert_true(lookup_asks(&h, FAMILY_IPV6) > 0);

    events = harness_events(&h, DHT_EVENT_JOINED);
    dht_network_changed(h.d, without_ipv6, none, h.now);
    assert_int_equal(harness_events(&h, DHT_EVENT_JOINED), events + 1);
    assert_false(h.events[h.event_count - 1].joined);
    assert_int_equal(h.events[h.event_count - 1].family, FAMILY_IPV6);
    assert_int_equal(lookup_asks(&h, FAMILY_IPV6), 0);
    assert_true(lookup_asks(&h, FAMILY_IPV4) > 0);

    /* With nothing left there is nothing to prefer. */
    dht_network_changed(h.d, none, none, h.now);
    assert_true(lookup_asks(&h, FAMILY_IPV6) > 0);

    /* Back again: it is joined at once, not after the back-off. */
    dht_network_changed(h.d, all, none, h.now);
    harness_forget(&h);
    dht_tick(h.d, h.now);
    assert_true(asked(&h, FAMILY_IPV6) > 0);
    harness_end(&h);
}

/* A lookup on a host without IPv6 ends with the answers of IPv4, though
 * these name nodes of both. */
static void test_dht_network_nobody_is_waited_for(void **state)
{
    static const bool without_ipv6[FAMILIES] = {true, false};
    struct witness w = {0};
    const struct dht_handler handler = witness_handler(&w);
    struct peers p;
    struct test_random random = test_seed(6);
    struct id target = test_id("77");
    uint8_t node[COMPACT_NODE6];
    struct endpoint six = peer6(3);
    struct harness h;

    (void)state;
    start(&h);
    dht_network_changed(h.d, without_ipv6, none, h.now);
    peers_make(&p, 10, &random);
    for (size_t i = 0; i < p.count; i++)
        harness_befriend(&h, &p.peer[i].ep, &p.peer[i].id);
    memset(node, 0x77, ID_BYTES);
    endpoint_write_compact(&six, node + ID_BYTES);
    assert_int_equal(dht_get_peers(h.d, &target, &handler, h.now, NULL), OK);
    for (struct sent *s; (s = harness_next(&h)) != NULL;) {
        struct dht_message m;

        assert_int_equal(s->to.family, FAMILY_IPV4);
        harness_answer(&m, s, &peers_at(&p, &s->to)->id);
        m.token = TEST_BYTES("tokentok");
        m.nodes6 = bytes_of(node, sizeof(node));
        m.has |= DHT_HAS_NODES6 | DHT_HAS_TOKEN;
        harness_give(&h, &s->to, &m);
    }
    harness_run(&h, h.now + 1);
    assert_true(w.done);
    harness_end(&h);
}

/* Pings `ep`, which says that we are `claim`. */
static void hear(struct harness *h, unsigned i, const struct endpoint *claim)
{
    struct endpoint ep = peer4(i);
    struct id id = test_id("01");
    struct dht_message m;

    id.b[1] = (uint8_t)i;
    harness_forget(h);
    assert_int_equal(dht_ping(h->d, &ep, NULL, h->now, NULL), OK);
    harness_answer(&m, harness_next(h), &id);
    m.ip = *claim;
    m.has |= DHT_HAS_IP;
    assert_int_equal(harness_give(h, &ep, &m), OK);
    harness_forget(h);
}

static bool seen_as(struct harness *h, const struct endpoint *ep)
{
    struct dht_status s;

    dht_status(h->d, h->now, &s);
    return s.external_known[FAMILY_IPV4] &&
           endpoint_equal(&s.external[FAMILY_IPV4], ep);
}

/* Lookups that begin when the clock ticks. */
static uint64_t begun(struct harness *h)
{
    uint64_t before = dht_stats(h->d)->lookups_started;

    dht_tick(h->d, h->now);
    return dht_stats(h->d)->lookups_started - before;
}

/* Known by as many votes as there can be, a while ago. */
static void settle(struct harness *h)
{
    for (unsigned i = 0; i < VOTE_VOTERS; i++)
        hear(h, i, &ours);
    assert_true(seen_as(h, &ours));
    h->now += TIME_S;
}

/* The kernel has told that our address is another: three are enough again. */
static void test_dht_network_moved(void **state)
{
    struct harness h;

    (void)state;
    start(&h);
    settle(&h);
    begun(&h);
    assert_int_equal(begun(&h), 0);
    dht_network_changed(h.d, all, all, h.now);
    assert_false(seen_as(&h, &ours));
    assert_int_equal(begun(&h), 1);
    for (unsigned i = 0; i < VOTE_QUORUM; i++)
        hear(&h, i, &moved_to);
    assert_true(seen_as(&h, &moved_to));
    harness_end(&h);
}

/* Only the router knows: the second who says so has us ask many at once, and
 * announce ourselves again when they agree. */
static void test_dht_network_contradicted(void **state)
{
    struct id hash = test_id("99");
    struct harness h;

    (void)state;
    start(&h);
    assert_int_equal(dht_announce(h.d, &hash, 0, true, NULL, h.now, NULL), OK);
    harness_run(&h, h.now + TIME_S); /* nobody is there yet */
    assert_int_equal(harness_events(&h, DHT_EVENT_PUBLISHED), 1);
    settle(&h);
    harness_run(&h, h.now + 4 * TIME_S); /* its next round runs */
    begun(&h);
    hear(&h, 1, &moved_to);
    hear(&h, 1, &moved_to); /* the same one again */
    assert_int_equal(begun(&h), 0);
    hear(&h, 2, &moved_to);
    assert_int_equal(begun(&h), 1);
    assert_true(seen_as(&h, &ours)); /* until there is another */
    for (unsigned i = 0; i < VOTE_QUORUM; i++)
        hear(&h, i, &moved_to);
    assert_true(seen_as(&h, &moved_to));
    /* The round that runs may have told the old address: as soon as it is
     * over there is another. */
    assert_int_equal(harness_events(&h, DHT_EVENT_PUBLISHED), 1);
    harness_run(&h, h.now + 25 * TIME_S);
    assert_int_equal(harness_events(&h, DHT_EVENT_PUBLISHED), 3);
    harness_end(&h);
}

/* Who is told many things, as behind some carriers' NATs, does not ask all
 * the time. */
static void test_dht_network_doubts_are_rare(void **state)
{
    struct harness h;
    uint64_t lookups = 0;

    (void)state;
    start(&h);
    settle(&h);
    begun(&h);
    for (unsigned i = 0; i < 60; i++, h.now += 100 * TIME_MS) {
        hear(&h, i % VOTE_VOTERS, i % 3 == 0 ? &ours : &moved_to);
        lookups += begun(&h);
    }
    assert_int_equal(lookups, 1);
    harness_end(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_network_family_is_cut),
        cmocka_unit_test(test_dht_network_nobody_is_waited_for),
        cmocka_unit_test(test_dht_network_moved),
        cmocka_unit_test(test_dht_network_contradicted),
        cmocka_unit_test(test_dht_network_doubts_are_rare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
