/* SPDX-License-Identifier: MIT */
#include "service_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static size_t write_it(const struct relay_target *t,
                       uint8_t out[RELAY_TARGET_BYTES_MAX])
{
    struct mp_writer w;

    mp_writer_init(&w, out, RELAY_TARGET_BYTES_MAX);
    relay_target_write(&w, t);
    assert_int_equal(w.err, OK);
    return w.len;
}

static enum error read_it(struct bytes text, bool testing,
                          struct relay_target *out)
{
    struct mp_token tokens[RELAY_TARGET_TOKENS];
    struct mp_tape tape = {.tokens = tokens, .cap = RELAY_TARGET_TOKENS};
    struct mp_reader r;

    mp_reader_parse(&r, &tape, text);
    relay_target_read(&r, testing, out);
    return r.err;
}

static void test_relay_target_there_and_back(void **state)
{
    static const size_t lengths[] = {78, 98};

    (void)state;
    for (uint8_t n = 1; n <= RELAY_TARGET_ENDPOINTS_MAX; n++) {
        struct relay_target t = fixture_intro(1, n).relay, got;
        uint8_t text[RELAY_TARGET_BYTES_MAX], *exact;
        size_t len = write_it(&t, text);

        assert_int_equal(len, lengths[n - 1]);
        exact = test_exact_copy(bytes_of(text, len));
        assert_int_equal(read_it(bytes_of(exact, len), false, &got), OK);
        free(exact);
        assert_memory_equal(got.identity, t.identity, 32);
        assert_memory_equal(got.handshake_key, t.handshake_key, 32);
        assert_int_equal(got.endpoint_count, n);
        for (size_t i = 0; i < n; i++)
            assert_true(endpoint_equal(&got.endpoints[i], &t.endpoints[i]));
    }
}

static void test_relay_target_is_untouched_on_failure(void **state)
{
    struct relay_target t = fixture_intro(1, 2).relay, got, before;
    uint8_t text[RELAY_TARGET_BYTES_MAX];
    size_t len;

    (void)state;
    memset(&got, 0xee, sizeof(got));
    before = got;
    t.endpoints[1] = fixture_endpoint("[fd00::1]:1");
    len = write_it(&t, text);
    assert_int_equal(read_it(bytes_of(text, len), false, &got), ERR_ADDRESS);
    assert_memory_equal(&got, &before, sizeof(got));
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = test_exact_copy(bytes_of(text, cut));

        assert_int_not_equal(read_it(bytes_of(exact, cut), true, &got), OK);
        assert_memory_equal(&got, &before, sizeof(got));
        free(exact);
    }
    assert_int_equal(read_it(bytes_of(text, len), true, &got), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relay_target_there_and_back),
        cmocka_unit_test(test_relay_target_is_untouched_on_failure),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
