/* SPDX-License-Identifier: MIT */
#include "descriptor_data.h"

#include "tunnel/directory/descriptor.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOUR 3600

static struct descriptor largest(void)
{
    struct descriptor d = test_descriptor(1);

    d.issued = INT64_MAX - 10;
    d.expires = INT64_MAX;
    d.roles = ROLES_ALL;
    d.bandwidth = UINT32_MAX;
    d.has_family = true;
    memset(d.family, 0xff, sizeof(d.family));
    d.address_count = DESCRIPTOR_ADDRESSES_MAX;
    for (size_t i = 0; i < DESCRIPTOR_ADDRESSES_MAX; i++)
        d.addresses[i] = test_ep("[2001:db8:ffff:ffff:ffff:ffff:ffff:1]:9");
    d.exit_policy_len = DESCRIPTOR_POLICY_MAX;
    memset(d.exit_policy, 'x', DESCRIPTOR_POLICY_MAX);
    d.tcp_policy_len = DESCRIPTOR_TCP_MAX;
    memset(d.tcp_policy, 'y', DESCRIPTOR_TCP_MAX);
    return d;
}

static void check_same(const struct descriptor *a, const struct descriptor *b)
{
    assert_memory_equal(a->identity, b->identity, 32);
    assert_memory_equal(a->handshake_key, b->handshake_key, 32);
    assert_true(a->issued == b->issued && a->expires == b->expires);
    assert_int_equal(a->roles, b->roles);
    assert_int_equal(a->bandwidth, b->bandwidth);
    assert_int_equal(a->has_family, b->has_family);
    assert_memory_equal(a->family, b->family, 32);
    assert_int_equal(a->address_count, b->address_count);
    for (size_t i = 0; i < a->address_count; i++)
        assert_true(endpoint_equal(&a->addresses[i], &b->addresses[i]));
    assert_true(
        bytes_equal(descriptor_exit_policy(a), descriptor_exit_policy(b)));
    assert_true(
        bytes_equal(descriptor_tcp_policy(a), descriptor_tcp_policy(b)));
}

/* The descriptor below, made from the seed 00...07 by other implementations of
 * msgpack and Ed25519 (msgpack-python, PyNaCl). */
static const char golden[] =
    "92c4a69b01a474657374c4203ee2a8a7283cb2fd728943daa127ef09e483071a"
    "8b4bc699ba4522f09b14cfdec4206be2a8a7283cb2fd728943daa127ef09e483"
    "071a8b4bc699ba4522f09b14cfdece6b49d200ce6b4b23800792c4060c070001"
    "03e8c41220010db80000000000000000000000010009ad616363657074203533"
    "2c343433cd03e8c4201111111111111111111111111111111111111111111111"
    "111111111111111111c4402cfa18ce7c4f98e1f401e10e7ff2c41ce7922c3d0f"
    "fc41925c0f03cb518a38da59efadc8dc40c915d8c2d95b5764370c6f16a74430"
    "f7ef42c9eb99717f538903";

static void test_descriptor_has_known_bytes(void **state)
{
    static const char policy[] = "accept 53,443";
    struct descriptor d = test_descriptor(7), back;
    uint8_t text[DESCRIPTOR_MAX];
    struct bytes want = test_hex(golden);
    size_t len;

    (void)state;
    d.roles = ROLE_RELAY | ROLE_EXIT | ROLE_SPEED_TEST;
    d.addresses[d.address_count++] = test_ep("[2001:db8::1]:9");
    d.exit_policy_len = sizeof(policy) - 1;
    memcpy(d.exit_policy, policy, sizeof(policy) - 1);
    d.bandwidth = 1000;
    d.has_family = true;
    memset(d.family, 0x11, sizeof(d.family));
    len = test_descriptor_text(&d, 7, text);
    assert_int_equal(len, want.len);
    assert_memory_equal(text, want.p, len);
    assert_int_equal(
        test_descriptor_accept(want, TEST_NETWORK, TEST_WALL, &back), OK);
    check_same(&d, &back);
}

static void test_descriptor_largest_fits(void **state)
{
    struct descriptor d = largest(), back;
    char network[] = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
    uint8_t key[32], secret[64], text[DESCRIPTOR_MAX], *exact;
    size_t len;

    (void)state;
    test_identity(1, key, secret);
    assert_int_equal(strlen(network), DHT_NETWORK_MAX);
    len = descriptor_write(&d, network, secret, text);
    assert_in_range(len, 400, DESCRIPTOR_MAX);
    exact = test_exact_copy(bytes_of(text, len));
    assert_int_equal(
        test_descriptor_accept(bytes_of(exact, len), network, d.issued, &back),
        OK);
    check_same(&d, &back);
    free(exact);
}

static void test_descriptor_every_bit_counts(void **state)
{
    struct descriptor d = test_descriptor(3), back;
    uint8_t text[DESCRIPTOR_MAX];
    size_t len = test_descriptor_text(&d, 3, text);

    (void)state;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        text[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(test_descriptor_accept(bytes_of(text, len),
                                                    TEST_NETWORK, TEST_WALL,
                                                    &back),
                             OK);
        text[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t n = 0; n < len; n++) {
        uint8_t *cut = test_exact_copy(bytes_of(text, n));

        assert_int_not_equal(test_descriptor_accept(bytes_of(cut, n),
                                                    TEST_NETWORK, TEST_WALL,
                                                    &back),
                             OK);
        free(cut);
    }
}

static void test_descriptor_forged_by_another(void **state)
{
    struct descriptor d = test_descriptor(3), back;
    uint8_t text[DESCRIPTOR_MAX];
    size_t len = test_descriptor_text(&d, 4, text);

    (void)state;
    assert_int_equal(descriptor_read(bytes_of(text, len), TEST_NETWORK, &back),
                     OK);
    assert_int_equal(descriptor_verify(bytes_of(text, len), &back),
                     ERR_SIGNATURE);
}

static void test_descriptor_times(void **state)
{
    static const struct {
        int64_t issued, expires; /* from now */
        enum error e;
    } cases[] = {
        {0, HOUR, OK},
        {-HOUR, 1, OK},
        {HOUR, 2 * HOUR, OK}, /* a clock that is an hour fast */
        {HOUR + 1, 2 * HOUR, ERR_FUTURE},
        {-2 * HOUR, -HOUR, OK}, /* ours is an hour fast */
        {-2 * HOUR, -HOUR - 1, ERR_EXPIRED},
        {0, 0, ERR_RANGE},
        {10, 5, ERR_RANGE},
        {0, DESCRIPTOR_LIFETIME_MAX, OK},
        {0, DESCRIPTOR_LIFETIME_MAX + 1, ERR_RANGE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct descriptor d = test_descriptor(3), back;
        uint8_t text[DESCRIPTOR_MAX];
        size_t len;

        d.issued = (uint64_t)(TEST_WALL + cases[i].issued);
        d.expires = (uint64_t)(TEST_WALL + cases[i].expires);
        len = test_descriptor_text(&d, 3, text);
        assert_int_equal(test_descriptor_accept(bytes_of(text, len),
                                                TEST_NETWORK, TEST_WALL, &back),
                         cases[i].e);
    }
}

static void test_descriptor_of_another_network(void **state)
{
    struct descriptor d = test_descriptor(3), back;
    uint8_t text[DESCRIPTOR_MAX];
    size_t len = test_descriptor_text(&d, 3, text);

    (void)state;
    assert_int_equal(descriptor_read(bytes_of(text, len), "other", &back),
                     ERR_NETWORK);
    assert_int_equal(
        descriptor_read(bytes_of(text, len), TEST_NETWORK "x", &back),
        ERR_NETWORK);
}

/* A body between hex digits, in a frame with a signature of zeros. */
static enum error read_body(const char *hex)
{
    uint8_t text[1024] = {0x92, 0xc5};
    struct bytes body = test_hex(hex);
    size_t head = 4, len;
    struct descriptor d;

    if (body.len < 256) {
        text[1] = 0xc4;
        text[2] = (uint8_t)body.len;
        head = 3;
    } else {
        text[2] = (uint8_t)(body.len >> 8);
        text[3] = (uint8_t)body.len;
    }
    memcpy(text + head, body.p, body.len);
    len = head + body.len;
    text[len] = 0xc4;
    text[len + 1] = 64;
    return descriptor_read(bytes_of(text, len + 66), TEST_NETWORK, &d);
}

#define ZEROS16 "00000000000000000000000000000000"
#define KEY32   "c420" ZEROS16 ZEROS16
/* version 1, "test", both keys, issued 1, expires 2 */
#define START   "9b 01 a474657374" KEY32 KEY32 "0102"
#define LONGER  "9c 01 a474657374" KEY32 KEY32 "0102"
#define ADDRESS "c406 08080808 0050"
#define SIXTEEN "61616161616161616161616161616161"
#define SIXTY4  SIXTEEN SIXTEEN SIXTEEN SIXTEEN

static void test_descriptor_reads_the_layout(void **state)
{
    static const struct {
        const char *body;
        enum error e;
    } cases[] = {
        {START "01 91" ADDRESS "a0 00 c400", OK},
        {START "cd0101 91" ADDRESS "a0 00 c400", OK}, /* unknown roles */
        {"9b 02 a0", ERR_NOT_MSGPACK},
        {"91 02", ERR_UNSUPPORTED},
        {"94 02 80 c0 c3", ERR_UNSUPPORTED},
        {"90", ERR_MISSING},
        {"80", ERR_WRONG_TYPE},
        {"9a 01 a474657374" KEY32 KEY32 "0102 01 91" ADDRESS "a0 00",
         ERR_MISSING},
        /* of streams, and what a later one may say */
        {LONGER "01 91" ADDRESS "a0 00 c400 a161", OK},
        {LONGER "01 91" ADDRESS "a0 00 c400 a0", ERR_WRONG_LENGTH},
        {LONGER "01 91" ADDRESS "a0 00 c400 a107", ERR_SYNTAX},
        {LONGER "01 91" ADDRESS "a0 00 c400 c0", ERR_WRONG_TYPE},
        {LONGER "01 91" ADDRESS "a0 00 c400 d940" SIXTY4, OK},
        {LONGER "01 91" ADDRESS "a0 00 c400 d941" SIXTY4 "61",
         ERR_WRONG_LENGTH},
        {"9e 01 a474657374" KEY32 KEY32 "0102 01 91" ADDRESS
         "a0 00 c400 a161 c0 920102",
         OK},
        {START "01 90 a0 00 c400", ERR_MISSING},
        {START "01 95" ADDRESS ADDRESS ADDRESS ADDRESS ADDRESS "a0 00 c400",
         ERR_TOO_LARGE},
        {START "01 91 c407 08080808 005000 a0 00 c400", ERR_WRONG_LENGTH},
        {START "01 91 c406 08080808 0000 a0 00 c400", ERR_ADDRESS},
        {START "01 91 c406 e0000001 0050 a0 00 c400", ERR_ADDRESS},
        {START "01 91" ADDRESS "a107 00 c400", ERR_SYNTAX},
        {START "01 91" ADDRESS "a2c3a9 00 c400", ERR_SYNTAX},
        {START "01 91" ADDRESS "a0 00 c401 00", ERR_WRONG_LENGTH},
        {START "01 91" ADDRESS "a0 ff c400", ERR_RANGE},
        {START "01 91" ADDRESS "a0 cf0000000100000000 c400", ERR_RANGE},
        {"9b 01 a474657374" KEY32 KEY32 "01 ff 01 91" ADDRESS "a0 00 c400",
         ERR_RANGE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum error e = read_body(cases[i].body);

        if (e != cases[i].e)
            print_message("case %zu: %s\n", i, error_name(e));
        assert_int_equal(e, cases[i].e);
    }
}

static void test_descriptor_has_one_frame_only(void **state)
{
    struct descriptor d = test_descriptor(3), back;
    uint8_t text[DESCRIPTOR_MAX + 10], longer[sizeof(text) + 10];
    size_t len = test_descriptor_text(&d, 3, text);

    (void)state;
    /* The same with a longer head of the array. */
    longer[0] = 0xdc;
    longer[1] = 0;
    longer[2] = 2;
    memcpy(longer + 3, text + 1, len - 1);
    assert_int_equal(
        descriptor_read(bytes_of(longer, len + 2), TEST_NETWORK, &back),
        ERR_WRONG_LENGTH);
    memset(text + len, 0, sizeof(text) - len);
    assert_int_equal(
        descriptor_read(bytes_of(text, len + 1), TEST_NETWORK, &back),
        ERR_TRAILING);
    assert_int_equal(descriptor_read(bytes_of(text, DESCRIPTOR_MAX + 1),
                                     TEST_NETWORK, &back),
                     ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptor_has_known_bytes),
        cmocka_unit_test(test_descriptor_largest_fits),
        cmocka_unit_test(test_descriptor_every_bit_counts),
        cmocka_unit_test(test_descriptor_forged_by_another),
        cmocka_unit_test(test_descriptor_times),
        cmocka_unit_test(test_descriptor_of_another_network),
        cmocka_unit_test(test_descriptor_reads_the_layout),
        cmocka_unit_test(test_descriptor_has_one_frame_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
