/* SPDX-License-Identifier: MIT */
#include "tunnel/crypto/responder.h"

#include "base/timestamp.h"
#include "testing.h"
#include "tunnel/crypto/prologue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>

static struct test_random generator;

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    test_random_fill(&generator, buf, len);
}

static const uint8_t identity[32] = {1, 2, 3};
static const uint8_t secrets[3][32] = {{0, 11}, {0, 12}, {0, 13}};
static const uint8_t payload[2] = {0x91, 3};

static void start(struct responder *r)
{
    struct random_source source = {.fill = fill};

    generator = test_seed(51);
    responder_init(r, "main", identity, secrets[0], &source);
}

/* An initiator that knows the key that belongs to `secret`. */
static void begin(struct noise *n, const char *purpose, const char *network,
                  const uint8_t *id, const uint8_t *secret,
                  uint8_t first[NOISE_OVERHEAD + 2])
{
    uint8_t key[NOISE_KEY_BYTES], ephemeral[NOISE_KEY_BYTES];

    noise_public_key(secret, key);
    fill(NULL, ephemeral, sizeof(ephemeral));
    prologue_init_noise(n, purpose, network, id, key);
    assert_int_equal(noise_write_first(n, ephemeral,
                                       bytes_of(payload, sizeof(payload)),
                                       first),
                     OK);
}

static enum error answer(const struct responder *r, const uint8_t *first,
                         size_t len, uint8_t second[NOISE_OVERHEAD],
                         struct noise_keys *keys)
{
    uint8_t got[NOISE_KEY_BYTES];
    enum error e;

    e = responder_answer(r, "hop", bytes_of(first, len), got, second, keys);
    if (e == OK)
        assert_memory_equal(got, payload, sizeof(payload));
    return e;
}

static void test_responder_both_sides_get_the_same_keys(void **state)
{
    uint8_t first[NOISE_OVERHEAD + 2], second[NOISE_OVERHEAD], nothing[1];
    struct noise_keys ours, theirs;
    struct responder r;
    struct noise n;

    (void)state;
    start(&r);
    begin(&n, "hop", "main", identity, secrets[0], first);
    assert_int_equal(answer(&r, first, sizeof(first), second, &ours), OK);
    assert_int_equal(
        noise_read_second(&n, bytes_of(second, sizeof(second)), nothing), OK);
    noise_split(&n, &theirs);
    assert_memory_equal(&ours, &theirs, sizeof(ours));
    assert_memory_not_equal(ours.to_responder, ours.to_initiator, 32);
    responder_deinit(&r);
}

/* The same INIT twice gives other keys: a replay learns nothing. */
static void test_responder_replayed_message_gives_fresh_keys(void **state)
{
    uint8_t first[NOISE_OVERHEAD + 2], second[2][NOISE_OVERHEAD];
    struct noise_keys keys[2];
    struct responder r;
    struct noise n;

    (void)state;
    start(&r);
    begin(&n, "hop", "main", identity, secrets[0], first);
    for (int i = 0; i < 2; i++)
        assert_int_equal(answer(&r, first, sizeof(first), second[i], &keys[i]),
                         OK);
    assert_memory_not_equal(&keys[0], &keys[1], sizeof(keys[0]));
    assert_memory_not_equal(second[0], second[1], NOISE_OVERHEAD);
}

/* What both sides must agree on. */
static void test_responder_refuses_what_is_for_another(void **state)
{
    static const uint8_t other[32] = {9};
    static const struct {
        const char *purpose, *network;
        const uint8_t *id, *secret;
    } rows[] = {
        {"link", "main", identity, secrets[0]},
        {"service", "main", identity, secrets[0]},
        {"hop", "test", identity, secrets[0]},
        {"hop", "main", other, secrets[0]},
        {"hop", "main", identity, secrets[1]},
    };
    uint8_t first[NOISE_OVERHEAD + 2], second[NOISE_OVERHEAD];
    struct noise_keys keys;
    struct responder r;
    struct noise n;

    (void)state;
    start(&r);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(&n, rows[i].purpose, rows[i].network, rows[i].id, rows[i].secret,
              first);
        assert_int_equal(answer(&r, first, sizeof(first), second, &keys),
                         ERR_SIGNATURE);
    }
}

static void test_responder_refuses_every_changed_bit_and_length(void **state)
{
    uint8_t first[NOISE_OVERHEAD + 2], second[NOISE_OVERHEAD];
    struct noise_keys keys;
    struct responder r;
    struct noise n;

    (void)state;
    start(&r);
    begin(&n, "hop", "main", identity, secrets[0], first);
    for (size_t bit = 0; bit < 8 * sizeof(first); bit++) {
        first[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(answer(&r, first, sizeof(first), second, &keys),
                         ERR_SIGNATURE);
        first[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < sizeof(first); len++)
        assert_int_not_equal(answer(&r, first, len, second, &keys), OK);
    memset(first, 0, NOISE_KEY_BYTES); /* a point of low order */
    assert_int_equal(answer(&r, first, sizeof(first), second, &keys),
                     ERR_SIGNATURE);
}

static void test_responder_takes_this_key_and_the_one_before(void **state)
{
    static const enum error want[3][3] = {
        {OK, ERR_SIGNATURE, ERR_SIGNATURE},
        {OK, OK, ERR_SIGNATURE},
        {ERR_SIGNATURE, OK, OK},
    };
    uint8_t first[NOISE_OVERHEAD + 2], second[NOISE_OVERHEAD];
    struct noise_keys keys;
    struct responder r;
    struct noise n;

    (void)state;
    start(&r);
    for (int turn = 0; turn < 3; turn++) {
        if (turn > 0)
            responder_rotate(&r, secrets[turn], TIME_NEVER);
        for (int k = 0; k < 3; k++) {
            begin(&n, "hop", "main", identity, secrets[k], first);
            assert_int_equal(answer(&r, first, sizeof(first), second, &keys),
                             want[turn][k]);
        }
    }
}

static void test_responder_key_before_is_wiped_in_time(void **state)
{
    static const struct responder_key nothing;
    uint8_t first[NOISE_OVERHEAD + 2], second[NOISE_OVERHEAD];
    struct noise_keys keys;
    struct responder r;
    struct noise n;

    (void)state;
    start(&r);
    assert_true(r.previous_until == TIME_NEVER);
    assert_false(responder_tick(&r, TIME_NEVER - 1));
    for (int how = 0; how < 2; how++) {
        if (how == 0)
            responder_rotate(&r, secrets[1], 1000);
        else
            responder_set_previous(&r, secrets[0], 1000);
        begin(&n, "hop", "main", identity, secrets[0], first);
        assert_false(responder_tick(&r, 999));
        assert_int_equal(answer(&r, first, sizeof(first), second, &keys), OK);
        assert_true(responder_tick(&r, 1000));
        assert_int_equal(answer(&r, first, sizeof(first), second, &keys),
                         ERR_SIGNATURE);
        assert_memory_equal(&r.previous, &nothing, sizeof(nothing));
        assert_false(responder_tick(&r, TIME_NEVER - 1));
        assert_true(r.previous_until == TIME_NEVER);
    }
    responder_deinit(&r);
}

static void test_responder_deinit_wipes_the_secrets(void **state)
{
    static const struct responder nothing;
    struct responder r;

    (void)state;
    start(&r);
    responder_rotate(&r, secrets[1], TIME_NEVER);
    responder_deinit(&r);
    assert_memory_equal(&r, &nothing, sizeof(r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_responder_both_sides_get_the_same_keys),
        cmocka_unit_test(test_responder_replayed_message_gives_fresh_keys),
        cmocka_unit_test(test_responder_refuses_what_is_for_another),
        cmocka_unit_test(test_responder_refuses_every_changed_bit_and_length),
        cmocka_unit_test(test_responder_takes_this_key_and_the_one_before),
        cmocka_unit_test(test_responder_key_before_is_wiped_in_time),
        cmocka_unit_test(test_responder_deinit_wipes_the_secrets),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
