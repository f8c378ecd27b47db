/* SPDX-License-Identifier: MIT */
#include "dht_data.h"

#include "dht/types/dht_item.h"
#include "wire/krpc/dht_message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

static struct value text_value(const char *text)
{
    struct value v;

    assert_int_equal(value_from_bytes(bytes_of_text(text), &v), OK);
    return v;
}

/* BEP 44, "Test Vectors". */
static const char vector_key[] =
    "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";
static const struct vector {
    const char *salt, *target, *signature;
} vectors[] = {
    {"", "4a533d47ec9c7d95b1ad75f576cffc641853b750",
     "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
     "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01"},
    {"foobar", "411eba73b6f087ca51a3795d9c8c938d365e32c1",
     "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
     "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08"},
};

static struct dht_item vector_item(const struct vector *v,
                                   const struct value *value)
{
    struct dht_item item = {.mutable_item = true, .seq = 1, .value = value};

    item.salt = bytes_of_text(v->salt);
    test_unhex(vector_key, item.key, sizeof(item.key));
    test_unhex(v->signature, item.signature, sizeof(item.signature));
    return item;
}

static void test_item_mutable_vectors(void **state)
{
    struct value value = text_value("Hello World!");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct dht_item item = vector_item(&vectors[i], &value);
        struct id want = test_id(vectors[i].target);
        struct id target;

        dht_item_target(&item, &target);
        assert_true(id_equal(&target, &want));
        assert_int_equal(dht_item_verify(&item), OK);
    }
}

static void test_item_immutable_vector(void **state)
{
    struct value value = text_value("Hello World!");
    struct dht_item item = {.value = &value};
    struct id want = test_id("e5f96f6f38320f0f33959cb4d3d656452117aadb");
    struct id target;

    (void)state;
    dht_item_target(&item, &target);
    assert_true(id_equal(&target, &want));
    assert_int_equal(dht_item_verify(&item), OK);
}

static void test_item_every_part_is_signed(void **state)
{
    struct value value = text_value("Hello World!");
    struct value other = text_value("Hello World?");
    struct dht_item good = vector_item(&vectors[1], &value);
    struct dht_item bad;

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        bad = good;
        bad.signature[i] ^= 1;
        assert_int_equal(dht_item_verify(&bad), ERR_SIGNATURE);
    }
    bad = good;
    bad.key[0] ^= 1;
    assert_int_equal(dht_item_verify(&bad), ERR_SIGNATURE);
    bad = good;
    bad.seq = 2;
    assert_int_equal(dht_item_verify(&bad), ERR_SIGNATURE);
    bad = good;
    bad.salt = bytes_of_text("foobaz");
    assert_int_equal(dht_item_verify(&bad), ERR_SIGNATURE);
    bad = good;
    bad.salt = bytes_of(NULL, 0);
    assert_int_equal(dht_item_verify(&bad), ERR_SIGNATURE);
    bad = good;
    bad.value = &other;
    assert_int_equal(dht_item_verify(&bad), ERR_SIGNATURE);
}

static void test_item_salt_of_65_bytes_is_too_large(void **state)
{
    static const uint8_t salt[DHT_SALT_MAX + 1];
    struct value value = text_value("x");
    uint8_t key[32], secret[64];
    struct dht_item item = {.value = &value};

    (void)state;
    crypto_sign_keypair(key, secret);
    item.salt = bytes_of(salt, DHT_SALT_MAX);
    dht_item_sign(&item, secret);
    assert_int_equal(dht_item_verify(&item), OK);
    item.salt.len++;
    assert_int_equal(dht_item_verify(&item), ERR_TOO_LARGE);
}

/* The text that BEP 44 gives for these, signed here by hand. */
static void test_item_signs_the_specified_text(void **state)
{
    static const struct {
        const char *salt, *value;
        int64_t seq;
        const char *text;
    } cases[] = {
        {"", "Hello world!", 4, "3:seqi4e1:v12:Hello world!"},
        {"foobar", "Hello world!", 4,
         "4:salt6:foobar3:seqi4e1:v12:Hello world!"},
        {"", "", 0, "3:seqi0e1:v0:"},
        {"s", "v", INT64_MAX, "4:salt1:s3:seqi9223372036854775807e1:v1:v"},
        {"s", "v", INT64_MIN, "4:salt1:s3:seqi-9223372036854775808e1:v1:v"},
    };
    uint8_t key[32], secret[64], want[64];

    (void)state;
    crypto_sign_keypair(key, secret);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct value value = text_value(cases[i].value);
        struct dht_item item = {.seq = cases[i].seq, .value = &value};

        item.salt = bytes_of_text(cases[i].salt);
        dht_item_sign(&item, secret);
        crypto_sign_detached(want, NULL, (const uint8_t *)cases[i].text,
                             strlen(cases[i].text), secret);
        assert_true(item.mutable_item);
        assert_memory_equal(item.key, key, sizeof(key));
        assert_memory_equal(item.signature, want, sizeof(want));
        assert_int_equal(dht_item_verify(&item), OK);
    }
}

/* What is hashed and signed is the bencoding, at its longest too. */
static void test_item_of_the_largest_value(void **state)
{
    static uint8_t text[VALUE_BENCODED_MAX - 4];
    static const uint8_t salt[DHT_SALT_MAX];
    uint8_t key[32], secret[64];
    struct dht_item item = {.seq = INT64_MIN};
    struct value value;

    (void)state;
    crypto_sign_keypair(key, secret);
    assert_int_equal(value_from_bytes(bytes_of(text, sizeof(text)), &value),
                     OK);
    item.value = &value;
    item.salt = bytes_of(salt, sizeof(salt));
    dht_item_sign(&item, secret);
    assert_int_equal(dht_item_verify(&item), OK);
}

static int init_sodium(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

/* ---- As a put on the mainline DHT carries it ------------------------------*/

#define PUT_HEAD "d1:ad2:id20:abcdefghij0123456789"
#define PUT_TAIL "e1:q3:put1:t2:aa1:y1:qe"

static void append(uint8_t *wire, size_t *len, struct bytes b)
{
    memcpy(wire + *len, b.p, b.len);
    *len += b.len;
}

/* A put of the item, written by hand; `value` is bencoded. */
static size_t write_put(const struct dht_item *item, const char *value,
                        uint8_t wire[DHT_MESSAGE_MAX])
{
    char text[64];
    size_t len = 0;

    append(wire, &len, bytes_of_text(PUT_HEAD "1:k32:"));
    append(wire, &len, bytes_of(item->key, sizeof(item->key)));
    snprintf(text, sizeof(text), "4:salt%zu:", item->salt.len);
    if (item->salt.len > 0)
        append(wire, &len, bytes_of_text(text));
    append(wire, &len, item->salt);
    snprintf(text, sizeof(text), "3:seqi%de3:sig64:", (int)item->seq);
    append(wire, &len, bytes_of_text(text));
    append(wire, &len, bytes_of(item->signature, sizeof(item->signature)));
    append(wire, &len, bytes_of_text("5:token1:t1:v"));
    append(wire, &len, bytes_of_text(value));
    append(wire, &len, bytes_of_text(PUT_TAIL));
    return len;
}

/* Reads it, checks the item by what was read alone, and writes it again. */
static void expect_carried(struct bytes wire, const char *target)
{
    uint8_t out[DHT_MESSAGE_MAX];
    struct dht_message m;
    struct dht_item item;
    struct id want = test_id(target), got;
    size_t len;

    assert_int_equal(dht_message_read(DHT_DIALECT_MAINLINE, wire, &m), OK);
    item = (struct dht_item){.mutable_item = (m.has & DHT_HAS_KEY) != 0,
                             .seq = m.seq,
                             .salt = m.salt,
                             .value = &m.value};
    if (item.mutable_item) {
        memcpy(item.key, m.key, sizeof(item.key));
        memcpy(item.signature, m.signature, sizeof(item.signature));
    }
    assert_int_equal(dht_item_verify(&item), OK);
    dht_item_target(&item, &got);
    assert_true(id_equal(&got, &want));
    assert_int_equal(
        dht_message_write(DHT_DIALECT_MAINLINE, &m, out, sizeof(out), &len),
        OK);
    assert_true(bytes_equal(bytes_of(out, len), wire));
}

static void test_item_vectors_in_bencode(void **state)
{
    static const char immutable[] = PUT_HEAD
        "5:token1:t1:v12:Hello World!" PUT_TAIL;
    struct value value = text_value("Hello World!");
    uint8_t wire[DHT_MESSAGE_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct dht_item item = vector_item(&vectors[i], &value);
        size_t len = write_put(&item, "12:Hello World!", wire);

        expect_carried(bytes_of(wire, len), vectors[i].target);
    }
    expect_carried(bytes_of_text(immutable),
                   "e5f96f6f38320f0f33959cb4d3d656452117aadb");
}

/* Keys out of order have been hashed and signed as they are. */
static void test_item_unsorted_in_bencode(void **state)
{
    static const char value[] = "d1:bi1e1:al1:xee";
    static const char text[] = "4:salt1:s3:seqi7e1:vd1:bi1e1:al1:xee";
    /* SHA-1 of the value, by sha1sum */
    static const char target[] = "5282d66149d44dcce9777017331470c2619e5a11";
    uint8_t wire[DHT_MESSAGE_MAX], secret[64];
    struct dht_item item = {.mutable_item = true, .seq = 7};
    char hex[ID_TEXT_SIZE];
    struct id by_key;
    size_t len;

    (void)state;
    expect_carried(bytes_of_text(PUT_HEAD "5:token1:t1:v"
                                          "d1:bi1e1:al1:xee" PUT_TAIL),
                   target);
    crypto_sign_keypair(item.key, secret);
    item.salt = bytes_of_text("s");
    crypto_sign_detached(item.signature, NULL, (const uint8_t *)text,
                         strlen(text), secret);
    dht_item_target(&item, &by_key);
    id_print(&by_key, hex);
    len = write_put(&item, value, wire);
    expect_carried(bytes_of(wire, len), hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_item_mutable_vectors),
        cmocka_unit_test(test_item_immutable_vector),
        cmocka_unit_test(test_item_every_part_is_signed),
        cmocka_unit_test(test_item_salt_of_65_bytes_is_too_large),
        cmocka_unit_test(test_item_signs_the_specified_text),
        cmocka_unit_test(test_item_of_the_largest_value),
        cmocka_unit_test(test_item_vectors_in_bencode),
        cmocka_unit_test(test_item_unsorted_in_bencode),
    };

    return cmocka_run_group_tests(tests, init_sodium, NULL);
}
