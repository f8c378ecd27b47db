/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "tunnel/record/entry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#define WALL UINT64_C(1800000000)
#define HOUR 3600

static const uint8_t entry_key[32] = {7};
static const struct entry_place place = {{1}, {2}, {3}};
static const struct entry entry = {{9}, WALL, 0};

static void seal(const struct entry *e, uint8_t out[ENTRY_BYTES])
{
    static const uint8_t nonce[ENTRY_NONCE_BYTES] = {5};

    entry_seal(entry_key, &place, e, nonce, out);
}

static enum error open_it(const struct entry_place *at,
                          const uint8_t sealed[ENTRY_BYTES])
{
    struct entry got;

    return entry_open(entry_key, at, bytes_of(sealed, ENTRY_BYTES), &got);
}

static void test_entry_there_and_back(void **state)
{
    static const struct entry entries[] = {
        {{9}, WALL, 0}, {{9}, UINT32_MAX, ENTRY_FLAGS_MAX}, {{0}, 0, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        uint8_t sealed[ENTRY_BYTES], *exact;
        struct entry got;

        seal(&entries[i], sealed);
        exact = test_exact_copy(bytes_of(sealed, sizeof(sealed)));
        assert_int_equal(
            entry_open(entry_key, &place, bytes_of(exact, ENTRY_BYTES), &got),
            OK);
        assert_memory_equal(got.member, entries[i].member, 32);
        assert_int_equal(got.issued, entries[i].issued);
        assert_int_equal(got.flags, entries[i].flags);
        free(exact);
    }
}

static void test_entry_opens_nowhere_else(void **state)
{
    uint8_t sealed[ENTRY_BYTES], key[32];
    struct entry got;

    (void)state;
    seal(&entry, sealed);
    assert_int_equal(open_it(&place, sealed), OK);
    for (unsigned bit = 0; bit < 8 * sizeof(place); bit++) {
        struct entry_place at = place;

        ((uint8_t *)&at)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_it(&at, sealed), ERR_SIGNATURE);
    }
    memcpy(key, entry_key, sizeof(key));
    key[31] ^= 0x80;
    assert_int_equal(
        entry_open(key, &place, bytes_of(sealed, ENTRY_BYTES), &got),
        ERR_SIGNATURE);
}

static void test_entry_forged_or_cut(void **state)
{
    uint8_t sealed[ENTRY_BYTES + 1] = {0};
    struct entry got;

    (void)state;
    seal(&entry, sealed);
    for (unsigned bit = 0; bit < 8 * ENTRY_BYTES; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_it(&place, sealed), ERR_SIGNATURE);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len <= ENTRY_BYTES + 1; len++)
        if (len != ENTRY_BYTES)
            assert_int_equal(
                entry_open(entry_key, &place, bytes_of(sealed, len), &got),
                ERR_WRONG_LENGTH);
}

/* Sealed by a member who does not keep to the layout. */
static void test_entry_of_another_layout(void **state)
{
    static const struct {
        const char *text;
        enum error e;
    } cases[] = {
        {"", ERR_WRONG_TYPE},
        {"c0", ERR_WRONG_TYPE},
        {"90", ERR_MISSING},
        {"93c40101ce6b49d20000", ERR_WRONG_LENGTH},
        {"93c420 0900000000000000000000000000000000000000000000000000000000000"
         "000ce6b49d20000",
         OK},
        {"93c420 0900000000000000000000000000000000000000000000000000000000000"
         "000ce6b49d2007f",
         OK},
        {"93c420 0900000000000000000000000000000000000000000000000000000000000"
         "000ccffcc80",
         ERR_RANGE},
        {"93c420 0900000000000000000000000000000000000000000000000000000000000"
         "0000100000001",
         ERR_TRAILING},
        {"92c420 0900000000000000000000000000000000000000000000000000000000000"
         "000ce6b49d20000",
         ERR_MISSING},
        {"9400000000", ERR_TOO_LARGE},
        {"dd00000003", ERR_WRONG_TYPE},
    };
    uint8_t sealed[ENTRY_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes made = test_hex(cases[i].text);
        uint8_t text[41] = {0};

        memcpy(text, made.p, made.len);
        memset(sealed, 6, ENTRY_NONCE_BYTES);
        crypto_aead_xchacha20poly1305_ietf_encrypt(
            sealed + ENTRY_NONCE_BYTES, NULL, text, sizeof(text),
            (const uint8_t *)&place, sizeof(place), NULL, sealed, entry_key);
        assert_int_equal(open_it(&place, sealed), cases[i].e);
    }
}

static void test_entry_times(void **state)
{
    static const struct {
        int64_t issued; /* from now */
        enum error e;
    } cases[] = {{0, OK},
                 {-2 * HOUR, OK},
                 {-2 * HOUR - 1, ERR_EXPIRED},
                 {2 * HOUR, OK},
                 {2 * HOUR + 1, ERR_FUTURE},
                 {-(int64_t)WALL, ERR_EXPIRED}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct entry e = entry;

        e.issued = (uint32_t)((int64_t)WALL + cases[i].issued);
        assert_int_equal(entry_check_time(&e, WALL), cases[i].e);
    }
}

/* Without the key an entry is 81 random bytes: over many of the same content,
 * with random nonces, every bit is set about as often as not. */
static void test_entry_looks_random(void **state)
{
    enum { COUNT = 2000 };
    struct test_random random = test_seed(4);
    unsigned set[8 * ENTRY_BYTES] = {0};

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        uint8_t nonce[ENTRY_NONCE_BYTES], sealed[ENTRY_BYTES];

        test_random_fill(&random, nonce, sizeof(nonce));
        entry_seal(entry_key, &place, &entry, nonce, sealed);
        for (unsigned bit = 0; bit < 8 * ENTRY_BYTES; bit++)
            set[bit] += sealed[bit / 8] >> bit % 8 & 1;
    }
    /* Five and a half deviations. */
    for (unsigned bit = 0; bit < 8 * ENTRY_BYTES; bit++)
        assert_in_range(set[bit], COUNT / 2 - 123, COUNT / 2 + 123);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry_there_and_back),
        cmocka_unit_test(test_entry_opens_nowhere_else),
        cmocka_unit_test(test_entry_forged_or_cut),
        cmocka_unit_test(test_entry_of_another_layout),
        cmocka_unit_test(test_entry_times),
        cmocka_unit_test(test_entry_looks_random),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
