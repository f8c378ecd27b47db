/* SPDX-License-Identifier: MIT
 *
 * What the engine answers to the queries of others, and to whom it does not.
 */
#include "answer_fixture.h"

#include <sodium.h>

static void test_dht_answer_ping(void **state)
{
    struct fixture f;
    struct sent *s;

    (void)state;
    start(&f);
    s = ask(&f, DHT_PING);
    assert_response(&f, s);
    assert_int_equal(s->m.has, DHT_HAS_ID | DHT_HAS_IP);
    harness_end(&f.h);
}

static void test_dht_answer_echoes_any_transaction(void **state)
{
    struct fixture f;
    struct dht_message m;

    (void)state;
    start(&f);
    for (size_t len = 1; len <= DHT_TRANSACTION_MAX; len++) {
        harness_query(&m, DHT_PING, &f.id, NULL);
        m.transaction = bytes_of("\0\xff"
                                 "23456789abcdef",
                                 len);
        assert_response(&f, harness_ask(&f.h, &f.ep, &m));
    }
    harness_end(&f.h);
}

/* The nodes of an answer are the nearest that we know, nearest first. */
static void test_dht_answer_find_node(void **state)
{
    struct fixture f;
    struct id last = {{0}};
    struct sent *s;

    (void)state;
    start(&f);
    s = ask(&f, DHT_FIND_NODE);
    assert_response(&f, s);
    assert_int_equal(s->m.has, DHT_HAS_ID | DHT_HAS_IP | DHT_HAS_NODES);
    assert_int_equal(s->m.nodes.len, 0);

    befriend(&f, 12, FAMILY_IPV4);
    s = ask(&f, DHT_FIND_NODE);
    assert_response(&f, s);
    assert_int_equal(s->m.nodes.len, DHT_K * COMPACT_NODE4);
    for (size_t i = 0; i < DHT_K; i++) {
        struct id id;

        memcpy(id.b, s->m.nodes.p + i * COMPACT_NODE4, ID_BYTES);
        if (i > 0)
            assert_true(id_compare_distance(&f.target, &last, &id) < 0);
        last = id;
    }
    harness_end(&f.h);
}

static void test_dht_answer_want(void **state)
{
    static const struct {
        const char *from;
        bool want4, want6;
        bool nodes4, nodes6;
    } cases[] = {
        {"127.0.0.9:7000", false, false, true, false},
        {"127.0.0.9:7000", true, false, true, false},
        {"127.0.0.9:7000", false, true, false, true},
        {"127.0.0.9:7000", true, true, true, true},
        {"[fd00::99]:7000", false, false, false, true},
        {"[fd00::99]:7000", true, false, true, false},
        {"[fd00::99]:7000", true, true, true, true},
    };
    static const enum dht_method methods[] = {DHT_FIND_NODE, DHT_GET_PEERS,
                                              DHT_GET, DHT_SAMPLE_INFOHASHES};
    struct fixture f;

    (void)state;
    init(&f);
    f.h.config.family[FAMILY_IPV6] = true;
    harness_start(&f.h);
    befriend(&f, 12, FAMILY_IPV4);
    befriend(&f, 12, FAMILY_IPV6);
    for (size_t i = 0; i < COUNT_OF(cases) * COUNT_OF(methods); i++) {
        size_t c = i / COUNT_OF(methods);
        struct endpoint from = test_ep(cases[c].from);
        struct dht_message m;
        struct sent *s;

        harness_query(&m, methods[i % COUNT_OF(methods)], &f.id, &f.target);
        harness_pad(&m);
        m.want[FAMILY_IPV4] = cases[c].want4;
        m.want[FAMILY_IPV6] = cases[c].want6;
        if (cases[c].want4 || cases[c].want6)
            m.has |= DHT_HAS_WANT;
        s = harness_ask(&f.h, &from, &m);
        assert_response(&f, s);
        assert_int_equal(s->m.nodes.len,
                         cases[c].nodes4 ? DHT_K * COMPACT_NODE4 : 0);
        assert_int_equal(s->m.nodes6.len,
                         cases[c].nodes6 ? DHT_K * COMPACT_NODE6 : 0);
        assert_int_equal((s->m.has & DHT_HAS_NODES) != 0, cases[c].nodes4);
        assert_int_equal((s->m.has & DHT_HAS_NODES6) != 0, cases[c].nodes6);
    }
    harness_end(&f.h);
}

static void test_dht_answer_unknown_method(void **state)
{
    struct fixture f;
    struct sent *s;

    (void)state;
    start(&f);
    befriend(&f, 3, FAMILY_IPV4);
    s = ask(&f, DHT_UNKNOWN_METHOD);
    assert_response(&f, s);
    assert_int_equal(s->m.nodes.len, 3 * COMPACT_NODE4);
    harness_end(&f.h);
}

/* ---- Peers --------------------------------------------------------------- */

static void get_token(struct fixture *f, enum dht_method method,
                      uint8_t token[DHT_TOKEN_BYTES])
{
    struct sent *s = ask(f, method);

    assert_response(f, s);
    assert_true(s->m.has & DHT_HAS_TOKEN);
    assert_int_equal(s->m.token.len, DHT_TOKEN_BYTES);
    memcpy(token, s->m.token.p, DHT_TOKEN_BYTES);
}

static struct sent *announce(struct fixture *f, struct bytes token,
                             uint16_t port, bool implied)
{
    struct dht_message m;

    harness_query(&m, DHT_ANNOUNCE_PEER, &f->id, &f->target);
    m.token = token;
    m.port = port;
    m.implied_port = implied;
    m.has |= DHT_HAS_TOKEN | DHT_HAS_PORT;
    return harness_ask(&f->h, &f->ep, &m);
}

static void test_dht_answer_announce_and_get(void **state)
{
    uint8_t token[DHT_TOKEN_BYTES];
    struct dht_message m;
    struct fixture f;
    struct sent *s;

    (void)state;
    start(&f);
    befriend(&f, 9, FAMILY_IPV4);
    get_token(&f, DHT_GET_PEERS, token);
    assert_response(&f, announce(&f, bytes_of(token, 8), 4321, false));
    harness_query(&m, DHT_GET_PEERS, &f.id, &f.target);
    harness_pad(&m);
    s = harness_ask(&f.h, &f.ep, &m);
    assert_response(&f, s);
    assert_int_equal(s->m.value_count, 1);
    assert_int_equal(s->m.values[0].port, 4321);
    assert_true(endpoint_same_addr(&s->m.values[0], &f.ep));
    /* Nodes and token come beside the values. */
    assert_int_equal(s->m.nodes.len, DHT_K * COMPACT_NODE4);
    assert_true(s->m.has & DHT_HAS_TOKEN);

    assert_response(&f, announce(&f, bytes_of(token, 8), 4321, true));
    s = ask(&f, DHT_GET_PEERS);
    assert_int_equal(s->m.value_count, 2);
    assert_true(s->m.values[0].port == 7000 || s->m.values[1].port == 7000);
    assert_int_equal(dht_stats(f.h.d)->peers_stored, 2);
    harness_end(&f.h);
}

static void test_dht_answer_announce_refused(void **state)
{
    uint8_t token[DHT_TOKEN_BYTES];
    struct fixture f;
    struct endpoint ep;

    (void)state;
    start(&f);
    ep = f.ep;
    get_token(&f, DHT_GET_PEERS, token);
    assert_error(announce(&f, bytes_of(token, 8), 0, false), 203);
    assert_error(announce(&f, bytes_of(token, 7), 1, false), 203);
    assert_error(announce(&f, TEST_BYTES("guessing"), 1, false), 203);
    /* Of another address, of another hash. */
    f.ep = test_ep("127.0.0.8:7000");
    assert_error(announce(&f, bytes_of(token, 8), 1, false), 203);
    f.ep = ep;
    f.target.b[19] ^= 1;
    assert_error(announce(&f, bytes_of(token, 8), 1, false), 203);
    f.target.b[19] ^= 1;
    assert_int_equal(ask(&f, DHT_GET_PEERS)->m.value_count, 0);
    /* Stale. */
    f.h.now += 6 * TIME_MIN;
    assert_response(&f, announce(&f, bytes_of(token, 8), 1, false));
    f.h.now += 6 * TIME_MIN;
    ask(&f, DHT_GET_PEERS);
    assert_error(announce(&f, bytes_of(token, 8), 1, false), 203);
    assert_int_equal(dht_stats(f.h.d)->dropped[ERR_TOKEN], 5);
    harness_end(&f.h);
}

static void test_dht_answer_peers_expire(void **state)
{
    uint8_t token[DHT_TOKEN_BYTES];
    struct fixture f;

    (void)state;
    start(&f);
    get_token(&f, DHT_GET_PEERS, token);
    announce(&f, bytes_of(token, 8), 4321, false);
    harness_run(&f.h, f.h.now + 29 * TIME_MIN);
    assert_int_equal(ask(&f, DHT_GET_PEERS)->m.value_count, 1);
    harness_run(&f.h, f.h.now + 2 * TIME_MIN);
    assert_int_equal(ask(&f, DHT_GET_PEERS)->m.value_count, 0);
    harness_end(&f.h);
}

static void test_dht_answer_full_store_withholds_token(void **state)
{
    uint8_t token[DHT_TOKEN_BYTES];
    struct fixture f;
    struct sent *s;

    (void)state;
    init(&f);
    f.h.config.max_hashes = 1;
    harness_start(&f.h);
    get_token(&f, DHT_GET_PEERS, token);
    assert_response(&f, announce(&f, bytes_of(token, 8), 1, false));
    f.target = test_id("ff");
    s = ask(&f, DHT_GET_PEERS);
    assert_response(&f, s);
    assert_false(s->m.has & DHT_HAS_TOKEN);
    assert_true(s->m.has & DHT_HAS_NODES);
    assert_int_equal(dht_stats(f.h.d)->refused_full, 1);
    harness_end(&f.h);
}

static void test_dht_answer_announce_flood(void **state)
{
    uint8_t token[DHT_TOKEN_BYTES];
    struct dht_status status;
    struct fixture f;

    (void)state;
    init(&f);
    f.h.config.max_peers_per_source = 20;
    f.h.config.source_rate = 1000;
    f.h.config.source_burst = 10000;
    harness_start(&f.h);
    for (uint16_t i = 0; i < 500; i++) {
        struct sent *s;

        f.target = test_random_id(&f.random);
        s = ask(&f, DHT_GET_PEERS);
        assert_response(&f, s);
        if (i < 20)
            assert_true(s->m.has & DHT_HAS_TOKEN);
        if (!(s->m.has & DHT_HAS_TOKEN))
            continue;
        memcpy(token, s->m.token.p, sizeof(token));
        announce(&f, bytes_of(token, 8), 1, false);
    }
    dht_status(f.h.d, f.h.now, &status);
    assert_int_equal(status.peers, 20);
    /* Another may still, under the same hash too. */
    f.ep.addr[3]++;
    get_token(&f, DHT_GET_PEERS, token);
    assert_response(&f, announce(&f, bytes_of(token, 8), 1, false));
    assert_int_equal(dht_stats(f.h.d)->refused_full, 480);
    harness_end(&f.h);
}

/* ---- Items --------------------------------------------------------------- */

struct item_fixture {
    struct fixture f;
    struct value value;
    uint8_t secret[64];
    struct dht_item item;
    uint8_t token[DHT_TOKEN_BYTES];
};

static void set_value(struct item_fixture *x, const char *text)
{
    assert_int_equal(value_from_bytes(bytes_of_text(text), &x->value), OK);
}

static void make_mutable(struct item_fixture *x, int64_t seq)
{
    uint8_t seed[32] = {7}, key[32];

    crypto_sign_seed_keypair(key, x->secret, seed);
    x->item.mutable_item = true;
    x->item.value = &x->value;
    x->item.seq = seq;
    dht_item_sign(&x->item, x->secret);
    dht_item_target(&x->item, &x->f.target);
}

static void start_items(struct item_fixture *x, bool mutable_item)
{
    memset(x, 0, sizeof(*x));
    start(&x->f);
    set_value(x, "Hello World!");
    x->item.value = &x->value;
    x->item.seq = 5;
    if (mutable_item)
        make_mutable(x, 5);
    dht_item_target(&x->item, &x->f.target);
    get_token(&x->f, DHT_GET, x->token);
}

static struct sent *put(struct item_fixture *x, const int64_t *cas)
{
    struct dht_message m;

    harness_query(&m, DHT_PUT, &x->f.id, NULL);
    m.token = bytes_of(x->token, DHT_TOKEN_BYTES);
    m.value = x->value;
    m.has |= DHT_HAS_TOKEN | DHT_HAS_VALUE;
    if (x->item.mutable_item) {
        m.key = x->item.key;
        m.signature = x->item.signature;
        m.seq = x->item.seq;
        m.has |= DHT_HAS_KEY | DHT_HAS_SIGNATURE | DHT_HAS_SEQ;
    }
    if (cas != NULL) {
        m.cas = *cas;
        m.has |= DHT_HAS_CAS;
    }
    return harness_ask(&x->f.h, &x->f.ep, &m);
}

static struct sent *put_signed(struct item_fixture *x, const char *text,
                               int64_t seq, const int64_t *cas)
{
    set_value(x, text);
    x->item.seq = seq;
    dht_item_sign(&x->item, x->secret);
    return put(x, cas);
}

static void test_dht_answer_immutable_item(void **state)
{
    struct item_fixture x;
    struct sent *s;

    (void)state;
    start_items(&x, false);
    assert_false(ask(&x.f, DHT_GET)->m.has & DHT_HAS_VALUE);
    assert_response(&x.f, put(&x, NULL));
    s = ask(&x.f, DHT_GET);
    assert_response(&x.f, s);
    assert_true(s->m.has & DHT_HAS_VALUE);
    assert_false(s->m.has & (DHT_HAS_KEY | DHT_HAS_SEQ));
    assert_true(s->m.has & DHT_HAS_NODES);
    assert_true(bytes_equal(value_bytes(&s->m.value), value_bytes(&x.value)));
    harness_end(&x.f.h);
}

static void test_dht_answer_mutable_item(void **state)
{
    struct item_fixture x;
    struct dht_message m;
    struct sent *s;

    (void)state;
    start_items(&x, true);
    assert_response(&x.f, put(&x, NULL));
    s = ask(&x.f, DHT_GET);
    assert_true(s->m.has & DHT_HAS_VALUE);
    assert_int_equal(s->m.seq, 5);
    assert_memory_equal(s->m.key, x.item.key, 32);
    assert_memory_equal(s->m.signature, x.item.signature, 64);
    /* Who has that seq already is spared the value. */
    harness_query(&m, DHT_GET, &x.f.id, &x.f.target);
    m.seq = 5;
    m.has |= DHT_HAS_SEQ;
    s = harness_ask(&x.f.h, &x.f.ep, &m);
    assert_response(&x.f, s);
    assert_true(s->m.has & DHT_HAS_SEQ);
    assert_false(s->m.has & DHT_HAS_VALUE);
    m.seq = 4;
    s = harness_ask(&x.f.h, &x.f.ep, &m);
    assert_true(s->m.has & DHT_HAS_VALUE);
    harness_end(&x.f.h);
}

static void test_dht_answer_put_refused(void **state)
{
    const int64_t four = 4, six = 6;
    struct item_fixture x;

    (void)state;
    start_items(&x, true);
    x.item.signature[0] ^= 1;
    assert_error(put(&x, NULL), DHT_ERROR_SIGNATURE);
    x.item.signature[0] ^= 1;
    x.token[0] ^= 1;
    assert_error(put(&x, NULL), DHT_ERROR_PROTOCOL);
    x.token[0] ^= 1;
    assert_response(&x.f, put(&x, NULL));
    assert_error(put_signed(&x, "older", 4, NULL), DHT_ERROR_SEQ);
    assert_error(put_signed(&x, "other", 5, NULL), DHT_ERROR_SEQ);
    assert_error(put_signed(&x, "newer", 6, &four), DHT_ERROR_CAS);
    x.item.seq = 5;
    assert_response(&x.f, put_signed(&x, "newer", 6, NULL));
    assert_response(&x.f, put_signed(&x, "newest", 7, &six));
    assert_int_equal(ask(&x.f, DHT_GET)->m.seq, 7);
    harness_end(&x.f.h);
}

/* The largest item fits an answer, and nodes give way to it. */
static void test_dht_answer_largest_item(void **state)
{
    char text[997];
    struct item_fixture x;
    struct dht_message m;
    struct sent *s;

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    start_items(&x, true);
    befriend(&x.f, 12, FAMILY_IPV4);
    assert_response(&x.f, put_signed(&x, text, 9, NULL));
    harness_query(&m, DHT_GET, &x.f.id, &x.f.target);
    m.transaction = TEST_BYTES("12345678");
    m.version = TEST_BYTES("XX01");
    harness_pad(&m);
    s = harness_ask(&x.f.h, &x.f.ep, &m);
    assert_response(&x.f, s);
    assert_true(s->m.has & DHT_HAS_VALUE);
    assert_true(s->len <= DHT_MESSAGE_MAX);
    harness_end(&x.f.h);
}

static void test_dht_answer_put_flood(void **state)
{
    struct item_fixture x;
    struct dht_status status;

    (void)state;
    start_items(&x, false);
    x.f.h.config.max_items_per_source = 10;
    x.f.h.config.source_burst = 10000;
    assert_int_equal(dht_reconfigure(x.f.h.d, &x.f.h.config), OK);
    for (int i = 0; i < 200; i++) {
        char text[32];
        struct sent *s;

        snprintf(text, sizeof(text), "item %d", i);
        set_value(&x, text);
        dht_item_target(&x.item, &x.f.target);
        s = ask(&x.f, DHT_GET);
        if (i < 10)
            assert_true(s->m.has & DHT_HAS_TOKEN);
        if (!(s->m.has & DHT_HAS_TOKEN))
            continue;
        memcpy(x.token, s->m.token.p, DHT_TOKEN_BYTES);
        put(&x, NULL);
    }
    dht_status(x.f.h.d, x.f.h.now, &status);
    assert_int_equal(status.items, 10);
    /* Another may still. */
    x.f.ep.addr[3]++;
    get_token(&x.f, DHT_GET, x.token);
    assert_response(&x.f, put(&x, NULL));
    harness_end(&x.f.h);
}

/* ---- How long an answer may be ------------------------------------------- */

static size_t length_of(const struct dht_message *m)
{
    uint8_t buf[DHT_MESSAGE_MAX];
    size_t len;

    assert_int_equal(
        dht_message_write(DHT_DIALECT_WARREN, m, buf, sizeof(buf), &len), OK);
    return len;
}

/* An engine with much to tell under f->target: nodes of both families, peers
 * of both, samples, and the largest item. */
static void start_rich(struct item_fixture *x)
{
    struct fixture *f = &x->f;
    uint8_t token[DHT_TOKEN_BYTES];
    char text[997];
    struct id target;

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memset(x, 0, sizeof(*x));
    init(f);
    f->h.config.family[FAMILY_IPV6] = true;
    f->h.config.source_burst = 1000;
    harness_start(&f->h);
    befriend(f, 12, FAMILY_IPV4);
    befriend(f, 12, FAMILY_IPV6);
    set_value(x, text);
    make_mutable(x, 9);
    get_token(f, DHT_GET, x->token);
    assert_response(f, put(x, NULL));
    target = f->target;
    for (uint8_t i = 0; i < 230; i++) {
        f->ep = test_ep4(127, 2, 0, (uint8_t)(i + 1), 5);
        if (i % 2 == 0) {
            f->ep = test_ep("[fd00::]:7000");
            f->ep.addr[7] = i;
        }
        if (i >= 200) /* hashes of their own */
            f->target.b[1] = i;
        get_token(f, DHT_GET_PEERS, token);
        announce(f, bytes_of(token, 8), 4321, false);
    }
    f->target = target;
}

static void pad_to(struct dht_message *m, size_t len)
{
    static const uint8_t zeros[DHT_MESSAGE_MAX];

    m->padding = bytes_of(zeros, 1);
    while (length_of(m) < len)
        m->padding.len++;
}

/* Who asks under a forged address makes us send three times what he sends,
 * headers of IP and UDP counted, whatever he asks for. */
static void test_dht_answer_is_bounded(void **state)
{
    static const enum dht_method methods[] = {
        DHT_PING, DHT_FIND_NODE,         DHT_GET_PEERS,
        DHT_GET,  DHT_SAMPLE_INFOHASHES, DHT_UNKNOWN_METHOD};
    static const char *const from[] = {"127.0.0.9:7000", "[fd00::99]:7000"};
    struct item_fixture x;
    struct fixture *f = &x.f;

    (void)state;
    start_rich(&x);
    for (unsigned i = 0; i < 2 * 2 * COUNT_OF(methods); i++) {
        struct endpoint ep = test_ep(from[i % 2]);
        size_t headers = ep.family == FAMILY_IPV4 ? 28 : 48;

        for (size_t len = 100; len < 500; len += 50) {
            struct dht_message m;
            struct sent *s;

            harness_query(&m, methods[i / 4], &f->id, &f->target);
            if (i / 2 % 2 == 1) {
                m.want[FAMILY_IPV4] = m.want[FAMILY_IPV6] = true;
                m.has |= DHT_HAS_WANT;
            }
            pad_to(&m, len);
            s = harness_ask(&f->h, &ep, &m);
            assert_response(f, s);
            assert_true(s->len + headers <= 3 * (length_of(&m) + headers));
        }
        f->h.now += TIME_MIN; /* the next may ask again */
    }
    harness_end(&f->h);
}

/* A short query gets what matters most: some peers before the last nodes; the
 * item only if it fits, but that there is one; a token, always. */
static void test_dht_answer_short_query(void **state)
{
    static const char *const from[] = {"127.0.0.9:7000", "[fd00::99]:7000"};
    struct item_fixture x;
    struct fixture *f = &x.f;

    (void)state;
    start_rich(&x);
    for (size_t i = 0; i < COUNT_OF(from); i++) {
        struct dht_message m;
        struct sent *s;

        f->ep = test_ep(from[i]);
        s = ask(f, DHT_GET_PEERS);
        assert_response(f, s);
        assert_true(s->m.has & DHT_HAS_TOKEN);
        assert_true(s->m.value_count >= 3);
        assert_true(s->m.nodes.len >= 4 * COMPACT_NODE4 ||
                    s->m.nodes6.len >= 4 * COMPACT_NODE6);
        s = ask(f, DHT_GET);
        assert_response(f, s);
        assert_true(s->m.has & DHT_HAS_SEQ);
        assert_false(s->m.has & (DHT_HAS_VALUE | DHT_HAS_KEY));
        assert_true(s->m.nodes.len + s->m.nodes6.len > 0);
        /* With the token the rest comes. */
        harness_query(&m, DHT_GET, &f->id, &f->target);
        m.token = s->m.token;
        m.has |= DHT_HAS_TOKEN;
        s = harness_ask(&f->h, &f->ep, &m);
        assert_response(f, s);
        assert_true(s->m.has & DHT_HAS_VALUE && s->m.has & DHT_HAS_KEY);
        /* With somebody else's it does not. */
        f->ep.addr[0] ^= 1;
        s = harness_ask(&f->h, &f->ep, &m);
        assert_false(s->m.has & DHT_HAS_VALUE);
    }
    harness_end(&f->h);
}

/* A query as long as ours gets all there is. */
static void test_dht_answer_padded_query(void **state)
{
    struct item_fixture x;
    struct fixture *f = &x.f;
    struct dht_message m;
    struct sent *s;

    (void)state;
    start_rich(&x);
    f->ep = test_ep("127.0.0.9:7000");
    harness_query(&m, DHT_GET_PEERS, &f->id, &f->target);
    pad_to(&m, 224);
    s = harness_ask(&f->h, &f->ep, &m);
    assert_response(f, s);
    assert_int_equal(s->m.nodes.len, DHT_K * COMPACT_NODE4);
    assert_int_equal(s->m.value_count, 50);
    m.method = DHT_SAMPLE_INFOHASHES;
    s = harness_ask(&f->h, &f->ep, &m);
    assert_int_equal(s->m.nodes.len, DHT_K * COMPACT_NODE4);
    assert_in_range(s->m.samples.len / ID_BYTES, 20, 22);
    f->ep = test_ep("[fd00::99]:7000");
    m.method = DHT_GET_PEERS;
    pad_to(&m, 240);
    s = harness_ask(&f->h, &f->ep, &m);
    assert_int_equal(s->m.nodes6.len, DHT_K * COMPACT_NODE6);
    assert_true(s->m.value_count >= 18);
    harness_end(&f->h);
}

/* ---- Samples ------------------------------------------------------------- */

static void test_dht_answer_samples(void **state)
{
    uint8_t token[DHT_TOKEN_BYTES];
    struct fixture f;
    struct sent *s;

    (void)state;
    start(&f);
    s = ask(&f, DHT_SAMPLE_INFOHASHES);
    assert_response(&f, s);
    assert_int_equal(s->m.samples.len, 0);
    assert_int_equal(s->m.num, 0);
    assert_true(s->m.has & DHT_HAS_INTERVAL);
    for (uint8_t i = 0; i < 40; i++) {
        f.target.b[5] = i;
        get_token(&f, DHT_GET_PEERS, token);
        announce(&f, bytes_of(token, 8), 1, false);
    }
    /* More than one source may ask in a burst. */
    f.ep = test_ep("127.0.0.10:7000");
    harness_run(&f.h, f.h.now + 61 * TIME_S);
    s = ask(&f, DHT_SAMPLE_INFOHASHES);
    assert_response(&f, s);
    assert_int_equal(s->m.num, 40);
    assert_in_range(s->m.samples.len / ID_BYTES, 9, 20);
    assert_true(s->m.interval <= 21600);
    assert_true(s->m.has & DHT_HAS_NODES);
    for (size_t i = 0; i < s->m.samples.len; i += ID_BYTES)
        assert_memory_equal(s->m.samples.p + i, f.target.b, 5);
    harness_end(&f.h);
}

/* ---- No answer ----------------------------------------------------------- */

static void test_dht_answer_read_only(void **state)
{
    struct fixture f;
    struct sent *s;

    (void)state;
    init(&f);
    f.h.config.read_only = true;
    harness_start(&f.h);
    assert_null(ask(&f, DHT_PING));
    assert_null(ask(&f, DHT_FIND_NODE));
    /* It says so when it asks. */
    assert_int_equal(dht_ping(f.h.d, &f.ep, NULL, f.h.now, NULL), OK);
    s = harness_next(&f.h);
    assert_true(s->m.read_only);
    harness_end(&f.h);
}

static unsigned cached(struct fixture *f)
{
    struct dht_status status;

    dht_status(f->h.d, f->h.now, &status);
    return status.cached[FAMILY_IPV4];
}

static void test_dht_answer_read_only_asker(void **state)
{
    struct fixture f;
    struct dht_message m;

    (void)state;
    start(&f);
    harness_query(&m, DHT_FIND_NODE, &f.id, &f.target);
    m.read_only = true;
    assert_response(&f, harness_ask(&f.h, &f.ep, &m));
    assert_int_equal(cached(&f), 0);
    m.read_only = false;
    assert_response(&f, harness_ask(&f.h, &f.ep, &m));
    assert_int_equal(cached(&f), 1);
    harness_end(&f.h);
}

static void test_dht_answer_other_network(void **state)
{
    static const char *const names[] = {"main", "test", "", "tes", "testt"};
    struct fixture f;

    (void)state;
    for (size_t own = 0; own < 3; own++) {
        init(&f);
        strcpy(f.h.config.network, names[own]);
        harness_start(&f.h);
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            bool same = own == i || (own != 1 && (i == 0 || i == 2));
            struct dht_message m;
            struct sent *s;

            harness_query(&m, DHT_PING, &f.id, NULL);
            m.network = bytes_of_text(names[i]);
            s = harness_ask(&f.h, &f.ep, &m);
            assert_int_equal(s != NULL, same);
        }
        assert_true(dht_stats(f.h.d)->dropped[ERR_NETWORK] >= 3);
        harness_end(&f.h);
    }
}

static void test_dht_answer_bad_source(void **state)
{
    static const char *const sources[] = {"127.0.0.1:0", "0.0.0.0:5",
                                          "224.0.0.1:5", "255.255.255.255:5",
                                          "[fd00::1]:5"};
    struct fixture f;
    struct dht_message m;

    (void)state;
    start(&f);
    harness_query(&m, DHT_PING, &f.id, NULL);
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        struct endpoint ep = test_ep(sources[i]);

        assert_int_equal(harness_give(&f.h, &ep, &m), ERR_ADDRESS);
    }
    assert_int_equal(f.h.sent_count, 0);
    harness_end(&f.h);
}

static void test_dht_answer_malformed(void **state)
{
    struct fixture f;
    uint8_t buf[DHT_MESSAGE_MAX];
    struct dht_message m;
    size_t len;

    (void)state;
    start(&f);
    harness_query(&m, DHT_FIND_NODE, &f.id, &f.target);
    assert_int_equal(
        dht_message_write(DHT_DIALECT_WARREN, &m, buf, sizeof(buf), &len), OK);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *copy = test_exact_copy(bytes_of(buf, cut));

        assert_int_not_equal(
            dht_receive(f.h.d, &f.ep, bytes_of(copy, cut), f.h.now), OK);
        free(copy);
    }
    assert_int_equal(f.h.sent_count, 0);
    assert_int_equal(dht_stats(f.h.d)->received, len);
    harness_end(&f.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_answer_ping),
        cmocka_unit_test(test_dht_answer_echoes_any_transaction),
        cmocka_unit_test(test_dht_answer_find_node),
        cmocka_unit_test(test_dht_answer_want),
        cmocka_unit_test(test_dht_answer_unknown_method),
        cmocka_unit_test(test_dht_answer_announce_and_get),
        cmocka_unit_test(test_dht_answer_announce_refused),
        cmocka_unit_test(test_dht_answer_peers_expire),
        cmocka_unit_test(test_dht_answer_is_bounded),
        cmocka_unit_test(test_dht_answer_short_query),
        cmocka_unit_test(test_dht_answer_padded_query),
        cmocka_unit_test(test_dht_answer_full_store_withholds_token),
        cmocka_unit_test(test_dht_answer_announce_flood),
        cmocka_unit_test(test_dht_answer_immutable_item),
        cmocka_unit_test(test_dht_answer_mutable_item),
        cmocka_unit_test(test_dht_answer_put_refused),
        cmocka_unit_test(test_dht_answer_largest_item),
        cmocka_unit_test(test_dht_answer_put_flood),
        cmocka_unit_test(test_dht_answer_samples),
        cmocka_unit_test(test_dht_answer_read_only),
        cmocka_unit_test(test_dht_answer_read_only_asker),
        cmocka_unit_test(test_dht_answer_other_network),
        cmocka_unit_test(test_dht_answer_bad_source),
        cmocka_unit_test(test_dht_answer_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
