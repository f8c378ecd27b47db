/* SPDX-License-Identifier: MIT
 *
 * What an answer brings to a lookup, and what of it is believed.
 */
#include "dht_harness.h"

#include "dht/lookup/lookup.h"
#include "dht/types/node_id.h"

struct fixture {
    struct harness h;
    struct witness w;
    struct test_random random;
    struct endpoint ep; /* the one node that we know */
    struct id id, target;
    struct id voter[10]; /* others, at 60.<index>.3.4 */
};

/* The id of the node that was asked. */
static const struct id *id_at(const struct fixture *f,
                              const struct endpoint *ep)
{
    return ep->addr[0] == 60 ? &f->voter[ep->addr[1]] : &f->id;
}

static struct id fitting(struct fixture *f, const struct endpoint *ep)
{
    const struct random_source source = test_source(&f->random);
    struct id id;

    node_id_generate(ep, (uint8_t)test_random_next(&f->random), &source, &id);
    return id;
}

static struct fixture *start(bool testing)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->random = test_seed(23);
    f->target = test_id("c0ffee");
    f->ep = test_ep4(testing ? 10 : 45, 1, 2, 3, 6881);
    f->id = testing ? test_id("aa") : fitting(f, &f->ep);
    harness_init(&f->h);
    f->h.config.testing_network = testing;
    harness_start(&f->h);
    harness_befriend(&f->h, &f->ep, &f->id);
    return f;
}

static void end(struct fixture *f)
{
    harness_end(&f->h);
    free(f);
}

/* Starts the lookup; the query that waits for its answer. */
static struct sent *look(struct fixture *f)
{
    struct dht_handler handler = witness_handler(&f->w);
    struct sent *s;

    assert_int_equal(
        dht_get_peers(f->h.d, &f->target, &handler, f->h.now, NULL), OK);
    do {
        s = harness_next(&f->h);
        assert_non_null(s);
    } while (s->m.method != DHT_GET_PEERS);
    return s;
}

/* Answers with one node of this id and address; true when that is asked. */
static bool leads_to(struct fixture *f, const struct id *id,
                     const struct endpoint *ep)
{
    uint8_t buf[COMPACT_NODE6];
    struct dht_message m;
    struct sent *s = look(f);
    bool asked = false;

    memcpy(buf, id->b, ID_BYTES);
    endpoint_write_compact(ep, buf + ID_BYTES);
    harness_answer(&m, s, id_at(f, &s->to));
    m.nodes = bytes_of(buf, COMPACT_NODE4);
    m.has |= DHT_HAS_NODES;
    assert_int_equal(harness_give(&f->h, &s->to, &m), OK);
    harness_run(&f->h, f->h.now + 30 * TIME_S);
    while ((s = harness_next(&f->h)) != NULL)
        asked |= endpoint_equal(&s->to, ep);
    assert_int_equal(f->w.done, 1);
    return asked;
}

/* Whoever names us sends us to somebody who pretends to be us. */
static void test_dht_lookup_found_our_id(void **state)
{
    struct fixture *f = start(true);
    struct endpoint ep = test_ep4(10, 9, 9, 9, 6881);
    struct id id = f->h.config.id[FAMILY_IPV4];

    (void)state;
    assert_false(leads_to(f, &id, &ep));
    id = test_id("c0");
    assert_true(leads_to(f, &id, &ep));
    end(f);
}

/* Nor do we ask ourselves, under whatever id, once we know our address. */
static void test_dht_lookup_found_our_address(void **state)
{
    struct fixture *f = start(false);
    struct endpoint ours = test_ep("21.75.31.124:6881"), other = ours;
    struct id id;

    (void)state;
    for (uint8_t i = 0; i < COUNT_OF(f->voter); i++) {
        struct endpoint ep = test_ep4(60, i, 3, 4, 6881);
        struct dht_message m;
        struct sent *s;

        f->voter[i] = fitting(f, &ep);
        assert_int_equal(dht_ping(f->h.d, &ep, NULL, f->h.now, NULL), OK);
        s = f->h.sent[f->h.sent_count - 1];
        harness_answer(&m, s, &f->voter[i]);
        m.ip = ours;
        m.has |= DHT_HAS_IP;
        assert_int_equal(harness_give(&f->h, &ep, &m), OK);
    }
    harness_forget(&f->h);
    id = fitting(f, &ours);
    assert_false(leads_to(f, &id, &ours));
    other.port++; /* somebody behind the same NAT */
    assert_true(leads_to(f, &id, &other));
    end(f);
}

static unsigned reported(bool testing, const char *peer)
{
    struct fixture *f = start(testing);
    struct sent *s = look(f);
    struct dht_message m;
    unsigned count;

    harness_answer(&m, s, &f->id);
    m.values[0] = test_ep(peer);
    m.values[1] = m.values[0]; /* once is enough */
    m.value_count = 2;
    m.has |= DHT_HAS_VALUES;
    assert_int_equal(harness_give(&f->h, &f->ep, &m), OK);
    harness_run(&f->h, f->h.now + TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.values, f->w.peer_count);
    count = (unsigned)f->w.peer_count;
    end(f);
    return count;
}

/* Peers that nobody can talk to, or that lie in our own network while who
 * told of them does not. */
static void test_dht_lookup_found_peers(void **state)
{
    static const struct {
        bool testing;
        const char *peer;
        unsigned reported;
    } cases[] = {
        {false, "8.8.8.8:1", 1},   {true, "8.8.8.8:1", 1},
        {false, "8.8.8.8:0", 0},   {true, "8.8.8.8:0", 0},
        {false, "0.0.0.0:1", 0},   {true, "0.0.0.0:1", 0},
        {false, "224.0.0.1:1", 0}, {true, "224.0.0.1:1", 0},
        {false, "10.0.0.1:1", 0},  {true, "10.0.0.1:1", 1},
        {false, "127.0.0.1:1", 0}, {true, "127.0.0.1:1", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(reported(cases[i].testing, cases[i].peer),
                         cases[i].reported);
}

/* A chain of nodes, each of which knows the next, nearer one: each brings as
 * many peers as an answer holds. */
static void test_dht_lookup_found_peers_are_bounded(void **state)
{
    struct fixture *f = start(true);
    struct sent *s = look(f);
    unsigned answers = 0;
    uint16_t port = 0;

    (void)state;
    for (; f->w.done == 0; s = harness_next(&f->h)) {
        struct endpoint next = test_ep4(60, (uint8_t)answers, 3, 4, 6881);
        uint8_t buf[COMPACT_NODE6];
        struct dht_message m;

        assert_non_null(s);
        if (s->m.kind != DHT_QUERY || s->m.method != DHT_GET_PEERS)
            continue;
        harness_answer(&m, s, id_at(f, &s->to));
        if (answers < COUNT_OF(f->voter)) {
            f->voter[answers] =
                test_near_id(&f->random, &f->target, 10 + (int)answers);
            memcpy(buf, f->voter[answers].b, ID_BYTES);
            endpoint_write_compact(&next, buf + ID_BYTES);
            m.nodes = bytes_of(buf, COMPACT_NODE4);
            m.has |= DHT_HAS_NODES;
        }
        for (; m.value_count < DHT_VALUES_MAX; m.value_count++)
            m.values[m.value_count] = test_ep4(8, 8, 8, 8, ++port);
        m.has |= DHT_HAS_VALUES;
        harness_give(&f->h, &s->to, &m);
        answers++;
    }
    assert_true(port > LOOKUP_PEERS_MAX);
    assert_int_equal(f->w.result.values, LOOKUP_PEERS_MAX);
    assert_int_equal(f->w.peer_count, LOOKUP_PEERS_MAX);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_lookup_found_our_id),
        cmocka_unit_test(test_dht_lookup_found_our_address),
        cmocka_unit_test(test_dht_lookup_found_peers),
        cmocka_unit_test(test_dht_lookup_found_peers_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
