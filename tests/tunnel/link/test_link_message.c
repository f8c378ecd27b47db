/* SPDX-License-Identifier: MIT */
#include "tunnel/link/cookie.h"
#include "tunnel/link/link_message.h"

#include "base/timestamp.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>

static const uint8_t identity[32] = {5, 5, 5};
static const uint8_t noise[NOISE_OVERHEAD] = {1, 2, 3, [47] = 9};
static const uint8_t nonce[LINK_NONCE_BYTES] = {7};
static const uint8_t sealed[LINK_SEALED_BYTES] = {8};
static const uint8_t proof[LINK_COOKIE_BYTES] = {4, [15] = 5};
static const uint8_t descriptor[LINK_DESCRIPTOR_MAX] = {6};

static struct link_message sample(enum link_kind kind)
{
    return (struct link_message){
        .kind = kind,
        .version = TUNNEL_VERSION,
        .index = 0xdeadbeef,
        .receiver = 200,
        .noise = noise,
        .nonce = bytes_of(nonce, kind == LINK_RETRY ? LINK_NONCE_BYTES
                                                    : LINK_ASK_NONCE),
        .sealed = sealed,
        .network = bytes_of_text("main"),
        .descriptor = bytes_of(descriptor, sizeof(descriptor)),
        .cookie = proof,
        .reached = {.addr = {198, 51, 100, 7}, .port = 4000},
        .ask_back = true,
    };
}

static const enum link_kind kinds[] = {LINK_REFUSE, LINK_INIT,   LINK_ACCEPT,
                                       LINK_RETRY,  LINK_ASK,    LINK_TELL,
                                       LINK_POKE,   LINK_COOKIE, LINK_UNKNOWN};

static void test_link_message_round_trip(void **state)
{
    uint8_t d[LINK_MESSAGE_MAX];
    struct link_message in, out;
    size_t len;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        in = sample(kinds[i]);
        len = link_message_write(&in, d);
        assert_int_equal(link_message_read(bytes_of(d, len), &out), OK);
        assert_int_equal(out.kind, kinds[i]);
        if (kinds[i] == LINK_INIT || kinds[i] == LINK_ACCEPT) {
            assert_int_equal(out.index, 0xdeadbeef);
            assert_memory_equal(out.noise, noise, sizeof(noise));
        }
        if (kinds[i] == LINK_ACCEPT || kinds[i] == LINK_RETRY ||
            kinds[i] == LINK_REFUSE || kinds[i] == LINK_UNKNOWN)
            assert_int_equal(out.receiver, 200);
        if (kinds[i] == LINK_RETRY)
            assert_memory_equal(out.sealed, sealed, sizeof(sealed));
        if (kinds[i] == LINK_ASK) {
            assert_true(bytes_equal(out.network, in.network));
            assert_true(bytes_equal(out.nonce, in.nonce));
            assert_true(endpoint_equal(&out.reached, &in.reached));
            assert_true(out.ask_back);
        }
        if (kinds[i] == LINK_ASK || kinds[i] == LINK_COOKIE)
            assert_memory_equal(out.cookie, proof, sizeof(proof));
        if (kinds[i] == LINK_TELL)
            assert_true(bytes_equal(out.descriptor, in.descriptor));
    }
}

/* An ASK that says nothing of where it goes, or nothing that can be, is one
 * all the same. */
static void test_link_message_ask_without_an_address(void **state)
{
    static const uint8_t lengths[] = {0, 1, 5, 7, 17, 19, 255};
    struct link_message m = sample(LINK_ASK), out;
    uint8_t d[LINK_MESSAGE_MAX];
    size_t len = link_message_write(&m, d), at;

    (void)state;
    assert_int_equal(link_message_read(bytes_of(d, len), &out), OK);
    at = (size_t)(out.cookie - d) + LINK_COOKIE_BYTES;
    assert_int_equal(d[at], LINK_ASK_BACK);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        d[at] = (uint8_t)(0xff & ~LINK_ASK_BACK);
        d[at + 1] = lengths[i];
        assert_int_equal(link_message_read(bytes_of(d, len), &out), OK);
        assert_false(out.ask_back);
        assert_int_equal(out.reached.port, 0);
        assert_memory_equal(out.cookie, proof, sizeof(proof));
    }
}

/* Whoever forges a source address gets no more out of us than he puts in. */
static void test_link_message_answers_are_smaller(void **state)
{
    uint8_t d[LINK_MESSAGE_MAX];
    struct link_message m;

    (void)state;
    m = sample(LINK_INIT);
    assert_int_equal(link_message_write(&m, d), LINK_INIT_BYTES);
    m = sample(LINK_ASK);
    assert_int_equal(link_message_write(&m, d), LINK_ASK_BYTES);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        m = sample(kinds[i]);
        if (kinds[i] == LINK_TELL)
            assert_true(link_message_write(&m, d) < LINK_ASK_BYTES);
        else if (kinds[i] != LINK_INIT && kinds[i] != LINK_ASK)
            assert_true(link_message_write(&m, d) < LINK_INIT_BYTES);
    }
}

static void test_link_message_cut_and_other_sizes(void **state)
{
    uint8_t d[LINK_MESSAGE_MAX];
    struct link_message in, out;
    size_t len;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        in = sample(kinds[i]);
        len = link_message_write(&in, d);
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(link_message_read(bytes_of(d, cut), &out),
                             ERR_NOT_MSGPACK);
    }
    /* [1, 1, 7, noise1, mac1, mac2] without padding */
    in = sample(LINK_INIT);
    len = link_message_write(&in, d);
    assert_int_equal(d[0], 0x97);
    d[0] = 0x96;
    len = in.maced.len + 2 * LINK_MAC_BYTES + 2;
    assert_int_equal(link_message_read(bytes_of(d, len), &out), ERR_MISSING);
}

static void test_link_message_another_version(void **state)
{
    uint8_t d[LINK_MESSAGE_MAX];
    struct link_message in, out;
    size_t len;

    (void)state;
    in = sample(LINK_INIT);
    in.version = 99;
    len = link_message_write(&in, d);
    assert_int_equal(link_message_read(bytes_of(d, len), &out), OK);
    assert_int_equal(out.version, 99);
    assert_int_equal(out.index, 0xdeadbeef);
    assert_null(out.noise);
}

static void test_link_message_random_bytes(void **state)
{
    struct test_random random = test_seed(20261122);
    uint8_t d[LINK_MESSAGE_MAX];
    struct link_message in, out;
    unsigned read = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t len;

        in = sample(kinds[test_random_below(&random, COUNT_OF(kinds))]);
        len = link_message_write(&in, d);
        for (uint32_t n = test_random_below(&random, 4); n > 0; n--)
            d[test_random_below(&random, (uint32_t)len)] =
                (uint8_t)test_random_next(&random);
        if (link_message_read(bytes_of(d, len), &out) == OK)
            read++;
    }
    assert_true(read > 1000);
}

static void test_cookie_mac1_covers_all_before_it(void **state)
{
    static const uint8_t other[32] = {6};
    struct link_message in = sample(LINK_INIT), out;
    uint8_t d[LINK_MESSAGE_MAX];
    size_t len;

    (void)state;
    len = link_message_write(&in, d);
    cookie_set_macs(d, &in, identity, NULL);
    assert_int_equal(link_message_read(bytes_of(d, len), &out), OK);
    assert_true(cookie_mac1_is_right(&out, identity));
    assert_false(cookie_mac1_is_right(&out, other));
    for (size_t i = 0; i < out.maced.len; i++) {
        d[i] ^= 1;
        if (link_message_read(bytes_of(d, len), &out) == OK &&
            out.kind == LINK_INIT && out.version == TUNNEL_VERSION)
            assert_false(cookie_mac1_is_right(&out, identity));
        d[i] ^= 1;
    }
}

/* The whole way: INIT, RETRY with a cookie, INIT with mac2. */
static void test_cookie_proves_the_source_address(void **state)
{
    struct link_message init = sample(LINK_INIT), read, retry;
    uint8_t d[LINK_MESSAGE_MAX], r[LINK_MESSAGE_MAX];
    uint8_t cookie[LINK_COOKIE_BYTES], box[LINK_SEALED_BYTES];
    struct endpoint source, elsewhere;
    struct cookie_jar jar;
    size_t len;

    (void)state;
    endpoint_parse("192.0.2.1:7", &source);
    endpoint_parse("192.0.2.1:8", &elsewhere);
    cookie_jar_init(&jar, (uint8_t[32]){1}, 0);
    len = link_message_write(&init, d);
    cookie_set_macs(d, &init, identity, NULL);
    assert_int_equal(link_message_read(bytes_of(d, len), &read), OK);
    assert_false(cookie_mac2_is_right(&jar, &read, &source));

    cookie_seal(&jar, &source, identity, read.mac1, nonce, box);
    retry = sample(LINK_RETRY);
    retry.sealed = box;
    len = link_message_write(&retry, r);
    assert_int_equal(link_message_read(bytes_of(r, len), &retry), OK);
    assert_int_equal(cookie_open(&retry, identity, read.mac1, cookie), OK);
    assert_int_equal(cookie_open(&retry, identity, noise, cookie),
                     ERR_SIGNATURE);

    cookie_set_macs(d, &init, identity, cookie);
    assert_true(cookie_mac2_is_right(&jar, &read, &source));
    assert_false(cookie_mac2_is_right(&jar, &read, &elsewhere));

    assert_false(cookie_jar_is_due(&jar, COOKIE_LIFETIME - 1));
    assert_true(cookie_jar_is_due(&jar, COOKIE_LIFETIME));
    cookie_jar_rotate(&jar, (uint8_t[32]){2}, COOKIE_LIFETIME);
    assert_true(cookie_mac2_is_right(&jar, &read, &source));
    cookie_jar_rotate(&jar, (uint8_t[32]){3}, 2 * COOKIE_LIFETIME);
    assert_false(cookie_mac2_is_right(&jar, &read, &source));
    cookie_jar_deinit(&jar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_message_round_trip),
        cmocka_unit_test(test_link_message_ask_without_an_address),
        cmocka_unit_test(test_link_message_answers_are_smaller),
        cmocka_unit_test(test_link_message_cut_and_other_sizes),
        cmocka_unit_test(test_link_message_another_version),
        cmocka_unit_test(test_link_message_random_bytes),
        cmocka_unit_test(test_cookie_mac1_covers_all_before_it),
        cmocka_unit_test(test_cookie_proves_the_source_address),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
