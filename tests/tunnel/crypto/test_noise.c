/* SPDX-License-Identifier: MIT */
#include "tunnel/crypto/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

/* The vector that the cacophony project publishes for this protocol. */
static const char vector_prologue[] = "4a6f686e2047616c74";
static const char vector_e_init[] =
    "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
static const char vector_s_public[] =
    "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62";
static const char vector_s_secret[] =
    "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
static const char vector_e_resp[] =
    "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";
static const struct {
    const char *payload;
    const char *ciphertext;
} vector_messages[] = {
    {"4c756477696720766f6e204d69736573",
     "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"
     "f3041e39b0c8ba56008f2d1183fea6ac83564ead0267b0842ec4c521ed1e1407"},
    {"4d757272617920526f746862617264",
     "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"
     "2281dcc1835131f305dca14525e15e27d1f32294aa835e40fc18be480c1db9"},
    {"462e20412e20486179656b",
     "357e24e9f28ba22080666f7efacc01b2a0a4e358e742aeeff2aaf5"},
    {"4361726c204d656e676572",
     "8b23b34ff3169de06a39551e969ca7876cc5122a4acff74bf2ec29"},
    {"4a65616e2d426170746973746520536179",
     "5c104779b6f36e59fca73ed94b0ae092eae1d76dd109caf5060aaaedba385d7076"},
    {"457567656e2042f6686d20766f6e2042617765726b",
     "34ae0518d0cd3aa641ed372ea94935ceecd87f8c4b422ce21a33d3f6f5493891e3e915"
     "d83f"},
};

static struct bytes unhex(const char *hex, uint8_t *out, size_t cap)
{
    size_t len;

    assert_int_equal(
        sodium_hex2bin(out, cap, hex, strlen(hex), NULL, &len, NULL), 0);
    return bytes_of(out, len);
}

static void assert_hex(const uint8_t *p, size_t len, const char *hex)
{
    uint8_t want[256];
    struct bytes w = unhex(hex, want, sizeof(want));

    assert_int_equal(len, w.len);
    assert_memory_equal(p, w.p, len);
}

/* Everything that both sides of a handshake start from. */
struct pair {
    uint8_t prologue[64], s_public[32], s_secret[32], e_init[32], e_resp[32];
    struct noise init, resp;
};

static void pair_init(struct pair *p)
{
    struct bytes prologue =
        unhex(vector_prologue, p->prologue, sizeof(p->prologue));

    unhex(vector_s_public, p->s_public, 32);
    unhex(vector_s_secret, p->s_secret, 32);
    unhex(vector_e_init, p->e_init, 32);
    unhex(vector_e_resp, p->e_resp, 32);
    noise_init(&p->init, prologue, p->s_public);
    noise_init(&p->resp, prologue, p->s_public);
}

static void test_noise_published_vector(void **state)
{
    uint8_t payload[64], out[128], back[64];
    struct noise_keys ki, kr;
    struct bytes text;
    struct pair p;

    (void)state;
    pair_init(&p);
    noise_public_key(p.s_secret, out);
    assert_memory_equal(out, p.s_public, 32);

    text = unhex(vector_messages[0].payload, payload, sizeof(payload));
    assert_int_equal(noise_write_first(&p.init, p.e_init, text, out), OK);
    assert_hex(out, text.len + NOISE_OVERHEAD, vector_messages[0].ciphertext);
    assert_int_equal(noise_read_first(&p.resp, p.s_secret,
                                      bytes_of(out, text.len + NOISE_OVERHEAD),
                                      back),
                     OK);
    assert_memory_equal(back, text.p, text.len);

    text = unhex(vector_messages[1].payload, payload, sizeof(payload));
    assert_int_equal(noise_write_second(&p.resp, p.e_resp, text, out), OK);
    assert_hex(out, text.len + NOISE_OVERHEAD, vector_messages[1].ciphertext);
    assert_int_equal(noise_read_second(&p.init,
                                       bytes_of(out, text.len + NOISE_OVERHEAD),
                                       back),
                     OK);
    assert_memory_equal(back, text.p, text.len);

    noise_split(&p.init, &ki);
    noise_split(&p.resp, &kr);
    assert_memory_equal(&ki, &kr, sizeof(ki));
    for (size_t i = 2; i < 6; i++) {
        const uint8_t *key = i % 2 == 0 ? ki.to_responder : ki.to_initiator;

        text = unhex(vector_messages[i].payload, out, sizeof(out));
        aead_seal(key, i / 2 - 1, bytes_of(NULL, 0), out, text.len);
        assert_hex(out, text.len + NOISE_TAG_BYTES,
                   vector_messages[i].ciphertext);
    }
}

/* Each bit of each message is flipped; the other side must notice. */
static void test_noise_every_flipped_bit_is_refused(void **state)
{
    uint8_t first[NOISE_OVERHEAD + 4], second[NOISE_OVERHEAD], back[64];
    struct pair p;
    struct noise fresh;

    (void)state;
    pair_init(&p);
    fresh = p.resp;
    assert_int_equal(
        noise_write_first(&p.init, p.e_init, bytes_of_text("abcd"), first), OK);
    for (size_t bit = 0; bit < 8 * sizeof(first); bit++) {
        /* X25519 ignores the top bit of a public key (RFC 7748), but the
         * transcript does not. */
        first[bit / 8] ^= (uint8_t)(1 << bit % 8);
        p.resp = fresh;
        assert_int_equal(noise_read_first(&p.resp, p.s_secret,
                                          bytes_of(first, sizeof(first)), back),
                         ERR_SIGNATURE);
        first[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    p.resp = fresh;
    assert_int_equal(noise_read_first(&p.resp, p.s_secret,
                                      bytes_of(first, sizeof(first)), back),
                     OK);
    assert_int_equal(
        noise_write_second(&p.resp, p.e_resp, bytes_of(NULL, 0), second), OK);
    fresh = p.init;
    for (size_t bit = 0; bit < 8 * sizeof(second); bit++) {
        second[bit / 8] ^= (uint8_t)(1 << bit % 8);
        p.init = fresh;
        assert_int_equal(
            noise_read_second(&p.init, bytes_of(second, sizeof(second)), back),
            ERR_SIGNATURE);
        second[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_noise_prologue_must_agree(void **state)
{
    uint8_t first[NOISE_OVERHEAD], back[1];
    struct pair p;

    (void)state;
    pair_init(&p);
    noise_init(&p.resp, bytes_of_text("another purpose"), p.s_public);
    assert_int_equal(
        noise_write_first(&p.init, p.e_init, bytes_of(NULL, 0), first), OK);
    assert_int_equal(noise_read_first(&p.resp, p.s_secret,
                                      bytes_of(first, sizeof(first)), back),
                     ERR_SIGNATURE);
}

static void test_noise_short_and_low_order_are_refused(void **state)
{
    uint8_t out[NOISE_OVERHEAD], back[64], zero[32] = {0};
    struct pair p;

    (void)state;
    pair_init(&p);
    memset(out, 0, sizeof(out));
    assert_int_equal(noise_read_first(&p.resp, p.s_secret,
                                      bytes_of(out, sizeof(out) - 1), back),
                     ERR_WRONG_LENGTH);
    assert_int_equal(
        noise_read_first(&p.resp, p.s_secret, bytes_of(out, sizeof(out)), back),
        ERR_SIGNATURE);
    noise_init(&p.init, bytes_of(NULL, 0), zero);
    assert_int_equal(
        noise_write_first(&p.init, p.e_init, bytes_of(NULL, 0), out),
        ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise_published_vector),
        cmocka_unit_test(test_noise_every_flipped_bit_is_refused),
        cmocka_unit_test(test_noise_prologue_must_agree),
        cmocka_unit_test(test_noise_short_and_low_order_are_refused),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
