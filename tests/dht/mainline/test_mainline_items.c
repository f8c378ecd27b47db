/* SPDX-License-Identifier: MIT
 *
 * Values that have no canonical form (keys out of order) are stored, given out
 * and found as the bytes that they came in, so that targets and signatures
 * hold (BEP 44).
 */
#include "mainline_fixture.h"

#include <sodium.h>

#define ID20 "20:abcdefghij0123456789"
#define ODD  "d1:bi1e1:ai2e4:listl2:yyi-7eee"

/* The value as it is read from a message. */
static void read_odd(struct value *out)
{
    static const char text[] = "d1:rd2:id" ID20 "1:v" ODD "e1:t2:aa1:y1:re";
    struct dht_message m;

    assert_int_equal(dht_message_read(DHT_DIALECT_MAINLINE,
                                      bytes_of(text, sizeof(text) - 1), &m),
                     OK);
    assert_true(value_is_raw(&m.value));
    *out = m.value;
}

static void make_item(struct dht_item *item, const struct value *value,
                      bool mutable_item, struct id *target)
{
    const uint8_t seed[32] = {9};
    uint8_t key[32], secret[64];

    *item = (struct dht_item){.value = value, .seq = 3};
    crypto_sign_seed_keypair(key, secret, seed);
    if (mutable_item)
        dht_item_sign(item, secret);
    dht_item_target(item, target);
}

static void add_item(struct dht_message *m, const struct dht_item *item)
{
    m->value = *item->value;
    m->has |= DHT_HAS_VALUE;
    if (!item->mutable_item)
        return;
    m->key = item->key;
    m->signature = item->signature;
    m->seq = item->seq;
    m->has |= DHT_HAS_KEY | DHT_HAS_SIGNATURE | DHT_HAS_SEQ;
}

static bool has_odd(const struct sent *s)
{
    return memmem(s->bytes, s->len, ODD, sizeof(ODD) - 1) != NULL;
}

static void test_mainline_items_pass_through(void **state)
{
    (void)state;
    for (int mutable_item = 0; mutable_item < 2; mutable_item++) {
        struct endpoint ep = place(1);
        uint8_t token[DHT_TOKEN_BYTES];
        struct dht_message m;
        struct dht_item item;
        struct id target, id;
        struct value value;
        struct fixture f;
        struct sent *s;

        start(&f);
        id = test_random_id(&f.random);
        read_odd(&value);
        make_item(&item, &value, mutable_item, &target);
        harness_query(&m, DHT_GET, &id, &target);
        s = harness_ask(&f.h, &ep, &m);
        memcpy(token, s->m.token.p, sizeof(token));
        harness_query(&m, DHT_PUT, &id, NULL);
        m.token = bytes_of(token, sizeof(token));
        m.has |= DHT_HAS_TOKEN;
        add_item(&m, &item);
        assert_int_equal(harness_ask(&f.h, &ep, &m)->m.kind, DHT_RESPONSE);
        harness_query(&m, DHT_GET, &id, &target);
        s = harness_ask(&f.h, &ep, &m);
        assert_int_equal(s->m.kind, DHT_RESPONSE);
        assert_true(has_odd(s));
        harness_end(&f.h);
    }
}

/* Found by a lookup, and put by ourselves. */
static void test_mainline_items_of_ours(void **state)
{
    (void)state;
    for (int mutable_item = 0; mutable_item < 2; mutable_item++) {
        struct endpoint ep = place(1);
        struct dht_handler handler;
        struct dht_message m;
        struct dht_item item;
        struct id target, id;
        struct value value;
        struct fixture f;
        unsigned puts = 0;
        struct sent *s;

        start(&f);
        id = test_random_id(&f.random);
        read_odd(&value);
        make_item(&item, &value, mutable_item, &target);
        meet(&f, &ep, &id);
        harness_forget(&f.h);
        assert_int_equal(dht_put(f.h.d, &item, NULL, NULL, f.h.now, NULL), OK);
        for (int i = 0; i < 20; i++) {
            harness_run(&f.h, f.h.now + 10 * TIME_MS);
            while ((s = harness_next(&f.h)) != NULL) {
                harness_answer(&m, s, &id);
                m.token = TEST_BYTES("token");
                m.has |= DHT_HAS_TOKEN;
                puts += s->m.method == DHT_PUT && has_odd(s);
                harness_give(&f.h, &s->to, &m);
            }
        }
        assert_int_equal(puts, 1);

        handler = witness_handler(&f.w);
        assert_int_equal(dht_get_item(f.h.d, &target, bytes_of(NULL, 0),
                                      &handler, f.h.now, NULL),
                         OK);
        s = asked(&f, &ep);
        harness_answer(&m, s, &id);
        add_item(&m, &item);
        assert_int_equal(harness_give(&f.h, &ep, &m), OK);
        assert_int_equal(f.w.done, 1);
        assert_int_equal(f.w.item_count, 1);
        harness_end(&f.h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mainline_items_pass_through),
        cmocka_unit_test(test_mainline_items_of_ours),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
