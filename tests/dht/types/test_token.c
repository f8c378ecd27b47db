/* SPDX-License-Identifier: MIT */
#include "dht_data.h"

#include "dht/types/token.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    struct test_random r;
    struct random_source random;
    struct token_keys keys;
    struct endpoint ep;
    struct id target;
    uint8_t token[DHT_TOKEN_BYTES];
};

static void init(struct fixture *f, uint64_t now)
{
    f->r = test_seed(1);
    f->random = test_source(&f->r);
    token_keys_init(&f->keys, &f->random, now);
    f->ep = test_ep("192.0.2.1:6881");
    f->target = test_random_id(&f->r);
    token_make(&f->keys, &f->ep, &f->target, f->token);
}

static bool check(const struct fixture *f)
{
    return token_check(&f->keys, &f->ep, &f->target,
                       bytes_of(f->token, sizeof(f->token)));
}

static void test_token_binds_address_and_target(void **state)
{
    struct fixture f, g;

    (void)state;
    init(&f, 0);
    assert_true(check(&f));
    g = f;
    g.ep.port = 1; /* NATs change it */
    assert_true(check(&g));
    g.ep.addr[3] = 2;
    assert_false(check(&g));
    g = f;
    g.target.b[19] ^= 1;
    assert_false(check(&g));
    g = f;
    g.ep = test_ep("[2001:db8::1]:6881");
    assert_false(check(&g));
}

static void test_token_refuses_every_changed_bit(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 0);
    for (unsigned bit = 0; bit < 8 * DHT_TOKEN_BYTES; bit++) {
        f.token[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(check(&f));
        f.token[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void test_token_refuses_other_lengths(void **state)
{
    uint8_t longer[DHT_TOKEN_MAX] = {0};
    struct fixture f;

    (void)state;
    init(&f, 0);
    memcpy(longer, f.token, sizeof(f.token));
    for (size_t len = 0; len <= sizeof(longer); len++)
        assert_int_equal(
            token_check(&f.keys, &f.ep, &f.target, bytes_of(longer, len)),
            len == DHT_TOKEN_BYTES);
    assert_false(token_check(&f.keys, &f.ep, &f.target, bytes_of(NULL, 0)));
}

/* Made at 0; rotation at the times given, checked at the last. */
static void test_token_lives_one_to_two_rotations(void **state)
{
    static const struct {
        uint64_t tick[3];
        bool valid;
    } cases[] = {
        {{0, 0, TOKEN_ROTATION - 1}, true},
        {{0, 0, TOKEN_ROTATION}, true},
        {{0, TOKEN_ROTATION, 2 * TOKEN_ROTATION - 1}, true},
        {{0, TOKEN_ROTATION, 2 * TOKEN_ROTATION}, false},
        {{0, 0, 2 * TOKEN_ROTATION - 1}, true},
        {{0, 0, 2 * TOKEN_ROTATION}, false},
        {{0, 0, TIME_HOUR}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;

        init(&f, 0);
        for (size_t j = 0; j < 3; j++)
            token_tick(&f.keys, &f.random, cases[i].tick[j]);
        assert_int_equal(check(&f), cases[i].valid);
    }
}

static void test_token_keys_are_wiped(void **state)
{
    static const struct token_keys zero;
    struct fixture f;

    (void)state;
    init(&f, 7);
    token_keys_deinit(&f.keys);
    assert_memory_equal(&f.keys, &zero, sizeof(zero));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_binds_address_and_target),
        cmocka_unit_test(test_token_refuses_every_changed_bit),
        cmocka_unit_test(test_token_refuses_other_lengths),
        cmocka_unit_test(test_token_lives_one_to_two_rotations),
        cmocka_unit_test(test_token_keys_are_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
