/* SPDX-License-Identifier: MIT
 *
 * What a node stores for others is found by its own lookups.
 */
#include "dht_harness.h"

static struct id friend_id, target;
static struct endpoint friend_ep;

/* A friend announces a peer to us. */
static void store_peer(struct harness *h, uint16_t port)
{
    struct dht_message m;
    struct sent *s;
    uint8_t token[DHT_TOKEN_MAX];
    size_t len;

    harness_query(&m, DHT_GET_PEERS, &friend_id, &target);
    s = harness_ask(h, &friend_ep, &m);
    assert_non_null(s);
    len = s->m.token.len;
    memcpy(token, s->m.token.p, len);
    harness_query(&m, DHT_ANNOUNCE_PEER, &friend_id, &target);
    m.token = bytes_of(token, len);
    m.port = port;
    m.has |= DHT_HAS_TOKEN | DHT_HAS_PORT;
    s = harness_ask(h, &friend_ep, &m);
    assert_non_null(s);
    assert_int_equal(s->m.kind, DHT_RESPONSE);
    harness_forget(h);
}

static void start(struct harness *h)
{
    friend_id = test_id("aa");
    target = test_id("bb");
    friend_ep = test_ep4(127, 1, 0, 1, 4000);
    harness_init(h);
    harness_start(h);
}

static void found_it(const struct witness *w, uint16_t port)
{
    assert_int_equal(w->done, 1);
    assert_int_equal(w->result.error, OK);
    assert_int_equal(w->peer_count, 1);
    assert_int_equal(w->result.hops, 0);
    assert_true(endpoint_same_addr(&w->peers[0], &friend_ep));
    assert_int_equal(w->peers[0].port, port);
}

/* The answer may come before the tick that looks into our store. */
static void test_dht_lookup_own_beside_an_answer(void **state)
{
    struct harness h;
    struct witness w;
    struct dht_handler handler = witness_handler(&w);
    struct dht_message m;
    struct sent *s;

    (void)state;
    start(&h);
    harness_befriend(&h, &friend_ep, &friend_id);
    store_peer(&h, 1234);
    assert_int_equal(dht_get_peers(h.d, &target, &handler, h.now, NULL), OK);
    assert_int_equal(w.peer_count, 0);
    do {
        s = harness_next(&h);
        assert_non_null(s);
    } while (s->m.kind != DHT_QUERY || s->m.method != DHT_GET_PEERS);
    harness_answer(&m, s, &friend_id);
    harness_give(&h, &friend_ep, &m);
    found_it(&w, 1234);
    harness_end(&h);
}

static void test_dht_lookup_own_alone(void **state)
{
    struct harness h;
    struct witness w;
    struct dht_handler handler = witness_handler(&w);

    (void)state;
    start(&h);
    store_peer(&h, 1234);
    assert_int_equal(dht_get_peers(h.d, &target, &handler, h.now, NULL), OK);
    harness_run(&h, h.now + TIME_MIN);
    found_it(&w, 1234);
    harness_end(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_lookup_own_beside_an_answer),
        cmocka_unit_test(test_dht_lookup_own_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
