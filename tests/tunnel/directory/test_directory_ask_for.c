/* SPDX-License-Identifier: MIT
 *
 * What a relay at an endpoint says of itself, asked for on behalf of others.
 */
#include "directory_tell.h"

static enum error ask_for(struct host *h, const struct endpoint *ep)
{
    return directory_ask_for(h->d, ep, (uint64_t)h->wall, h->now);
}

static bool was_told(const struct host *h, const struct endpoint *ep,
                     struct bytes text)
{
    return endpoint_equal(&h->told_of, ep) &&
           bytes_equal(bytes_of(h->told_text, h->told_len), text);
}

/* Passed on as it came; the directory learns nothing. */
static void test_ask_for_is_answered(void **state)
{
    struct host h;
    struct endpoint ep = test_relay_ep(5);
    struct descriptor d;
    uint8_t text[DESCRIPTOR_MAX];
    size_t len;

    (void)state;
    host_init(&h, 1);
    d = test_descriptor(5);
    len = test_descriptor_text(&d, 5, text);
    assert_int_equal(ask_for(&h, &ep), OK);
    assert_int_equal(ask_for(&h, &ep), OK); /* one for both */
    assert_int_equal(h.logged, 1);
    assert_int_equal(h.told, 0);
    assert_int_equal(tell(&h, &ep, bytes_of(text, len)), OK);
    assert_int_equal(h.told, 1);
    assert_true(was_told(&h, &ep, bytes_of(text, len)));
    assert_int_equal(directory_count(h.d), 0);
    assert_int_equal(tell(&h, &ep, bytes_of(text, len)), ERR_UNEXPECTED);
    assert_int_equal(h.told, 1);
    host_deinit(&h);
}

static void test_ask_for_a_known_relay(void **state)
{
    struct host h;
    struct endpoint ep = test_relay_ep(5);
    struct descriptor d;

    (void)state;
    host_init(&h, 1);
    d = test_descriptor(5);
    assert_int_equal(ask_and_tell(&h, 5, &d, 5), OK);
    h.logged = 0;
    assert_int_equal(ask_for(&h, &ep), OK);
    assert_int_equal(h.told, 1);
    assert_true(was_told(
        &h, &ep,
        bytes_of(directory_at(h.d, 0)->text, directory_at(h.d, 0)->text_len)));
    assert_int_equal(h.logged, 0);
    host_deinit(&h);
}

static void test_ask_for_one_who_is_silent(void **state)
{
    struct host h;
    struct endpoint ep = test_relay_ep(5);

    (void)state;
    host_init(&h, 1);
    assert_int_equal(ask_for(&h, &ep), OK);
    host_run(&h, 5 * TIME_S);
    assert_int_equal(h.told, 1);
    assert_true(was_told(&h, &ep, bytes_of(NULL, 0)));
    assert_int_equal(h.logged, 2);
    host_deinit(&h);
}

/* Others have half of the asks, and the directory goes on asking: also those
 * whom others ask for. */
static void test_ask_for_leaves_half(void **state)
{
    struct host h;
    struct directory_config c;
    struct endpoint ep;
    struct descriptor d;
    unsigned n;

    (void)state;
    host_init(&h, 1);
    c = host_config(&h);
    for (n = 0; n < c.max_asks; n++) {
        ep = test_relay_ep(n + 1);
        if (ask_for(&h, &ep) != OK)
            break;
    }
    assert_int_equal(n, (c.max_asks + 1) / 2);
    assert_int_equal(ask_for(&h, &ep), ERR_FULL);
    d = test_descriptor(1);
    assert_int_equal(ask_and_tell(&h, 1, &d, 1), OK);
    assert_int_equal(directory_count(h.d), 1);
    assert_int_equal(h.told, 0);
    /* Places come free again. */
    host_run(&h, 5 * TIME_S);
    assert_int_equal(h.told, n);
    assert_int_equal(ask_for(&h, &ep), OK);
    host_deinit(&h);
}

static void test_ask_for_no_private_address(void **state)
{
    struct host h;
    struct endpoint ep = test_ep4(10, 0, 0, 1, 7000);

    (void)state;
    host_init(&h, 1);
    assert_int_equal(ask_for(&h, &ep), ERR_ADDRESS);
    ep = test_ep4(8, 8, 8, 8, 0);
    assert_int_equal(ask_for(&h, &ep), ERR_ADDRESS);
    assert_int_equal(h.sent, 0);
    host_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ask_for_is_answered),
        cmocka_unit_test(test_ask_for_a_known_relay),
        cmocka_unit_test(test_ask_for_one_who_is_silent),
        cmocka_unit_test(test_ask_for_leaves_half),
        cmocka_unit_test(test_ask_for_no_private_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
