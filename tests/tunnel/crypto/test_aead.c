/* SPDX-License-Identifier: MIT */
#include "tunnel/crypto/aead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#define TEXT_MAX 3200 /* more than two stretches of key stream */
#define HEAD_MAX 40

static const uint8_t key[AEAD_KEY_BYTES] = {1, 2, 3, [31] = 0xff};
static uint8_t plain[TEXT_MAX], head[HEAD_MAX];

static void fill(void)
{
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < sizeof(head); i++)
        head[i] = (uint8_t)(255 - i);
}

/* libsodium's own AEAD is the other implementation. */
static void check(uint64_t counter, size_t head_len, size_t len)
{
    uint8_t ours[TEXT_MAX + AEAD_TAG_BYTES], theirs[TEXT_MAX + AEAD_TAG_BYTES];
    uint8_t nonce[12] = {0};

    for (int i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(counter >> (8 * i));
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(
        theirs, theirs + len, NULL, plain, len, head, head_len, NULL, nonce,
        key);
    memcpy(ours, plain, len);
    aead_seal(key, counter, bytes_of(head, head_len), ours, len);
    assert_memory_equal(ours, theirs, len + AEAD_TAG_BYTES);
    memset(theirs, 0, sizeof(theirs));
    assert_int_equal(aead_open_copy(key, counter, bytes_of(head, head_len),
                                    ours, theirs, len),
                     OK);
    assert_memory_equal(theirs, plain, len);
    assert_int_equal(
        aead_open(key, counter, bytes_of(head, head_len), ours, len), OK);
    assert_memory_equal(ours, plain, len);
}

static void test_aead_is_rfc_8439_at_every_length(void **state)
{
    (void)state;
    for (size_t len = 0; len <= TEXT_MAX; len++)
        check(len * 0x0123456789ab, len % HEAD_MAX, len);
}

static void test_aead_every_head_and_counter(void **state)
{
    static const uint64_t counters[] = {0, 1, 0xffffffff, 0x100000000,
                                        UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        for (size_t len = 0; len <= HEAD_MAX; len++)
            check(counters[i], len, 5);
}

/* What was refused is as before: nothing of it was deciphered. */
static void refused(uint64_t counter, struct bytes associated,
                    const uint8_t *sealed, size_t len)
{
    uint8_t text[TEXT_MAX + AEAD_TAG_BYTES];

    memcpy(text, sealed, len + AEAD_TAG_BYTES);
    assert_int_equal(aead_open(key, counter, associated, text, len),
                     ERR_SIGNATURE);
    assert_memory_equal(text, sealed, len + AEAD_TAG_BYTES);
}

static void test_aead_refuses_what_was_not_sealed_so(void **state)
{
    enum { LEN = 70 };
    uint8_t text[LEN + AEAD_TAG_BYTES];

    (void)state;
    memcpy(text, plain, LEN);
    aead_seal(key, 7, bytes_of_text("head"), text, LEN);
    refused(8, bytes_of_text("head"), text, LEN);
    refused(7, bytes_of_text("heap"), text, LEN);
    refused(7, bytes_of_text("hea"), text, LEN);
    refused(7, bytes_of_text(""), text, LEN);
    for (size_t bit = 0; bit < 8 * sizeof(text); bit++) {
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
        refused(7, bytes_of_text("head"), text, LEN);
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(aead_open(key, 7, bytes_of_text("head"), text, LEN), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aead_is_rfc_8439_at_every_length),
        cmocka_unit_test(test_aead_every_head_and_counter),
        cmocka_unit_test(test_aead_refuses_what_was_not_sealed_so),
    };

    if (sodium_init() < 0)
        return 1;
    fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
