/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_socks.h"

#include "node/socks/socks_handshake.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct exec_proxy proxy = {.user = "exec", .password = "0123"};
static const uint8_t key[SOCKS_KEY_BYTES] = {1};

/* What is said is understood by the daemon, in one piece. */
static void check_understood(const struct socks_address *to, bool associate,
                             struct socks_handshake *h)
{
    uint8_t said[EXEC_SOCKS_SAID_MAX], secret[SOCKS_ISOLATION_BYTES];
    struct bytes data =
        bytes_of(said, exec_socks_say(&proxy, associate, to, said));

    socks_handshake_init(h, key);
    assert_int_equal(socks_handshake_receive(h, &data), SOCKS_ASKED);
    assert_int_equal(data.len, 0);
    assert_int_equal(h->request.command,
                     associate ? SOCKS_ASSOCIATE : SOCKS_CONNECT);
    assert_int_equal(h->request.to.ep.port, to->ep.port);
    assert_string_equal(h->request.to.name, to->name);
    socks_isolation(key, bytes_of_text("exec"), bytes_of_text("0123"), secret);
    assert_memory_equal(h->request.isolation, secret, sizeof(secret));
}

/* Whole at the last byte, not before; what follows is left. */
static void check_answer(struct bytes all, const char *at)
{
    uint8_t with_more[EXEC_SOCKS_HEARD_MAX + 1] = {0};
    char text[ENDPOINT_TEXT_SIZE];
    struct endpoint ep;
    size_t used;

    for (size_t len = 0; len < all.len; len++)
        assert_int_equal(exec_socks_hear(bytes_of(all.p, len), &used, &ep),
                         ERR_MISSING);
    memcpy(with_more, all.p, all.len);
    assert_int_equal(
        exec_socks_hear(bytes_of(with_more, all.len + 1), &used, &ep), OK);
    assert_int_equal(used, all.len);
    assert_string_equal(endpoint_print(&ep, text), at);
}

static void test_exec_socks_connect(void **state)
{
    struct endpoint at = {.addr = {192, 0, 2, 1}, .port = 7};
    struct socks_address to;
    struct socks_handshake h;

    (void)state;
    assert_int_equal(
        socks_address_set(&to, bytes_of_text("www.example.org"), 443), OK);
    check_understood(&to, false, &h);
    socks_handshake_done(&h, &at);
    check_answer(socks_handshake_output(&h), "192.0.2.1:7");
    socks_handshake_deinit(&h);
}

static void test_exec_socks_associate(void **state)
{
    struct socks_address own = {.ep = {.port = 4000}};
    struct endpoint at = {.family = FAMILY_IPV6, .addr = {[15] = 1}, .port = 9};
    struct socks_handshake h;

    (void)state;
    check_understood(&own, true, &h);
    socks_handshake_done(&h, &at);
    check_answer(socks_handshake_output(&h), "[::1]:9");
    socks_handshake_deinit(&h);
}

/* The longest name, and the longest answer. */
static void test_exec_socks_longest(void **state)
{
    struct exec_proxy long_one = {0};
    uint8_t said[EXEC_SOCKS_SAID_MAX];
    uint8_t heard[EXEC_SOCKS_HEARD_MAX] = {5, 2, 1, 0, 5, 0, 0, 3, 255};
    uint8_t name[SOCKS_NAME_MAX];
    struct socks_address to;
    struct endpoint ep;
    size_t used;

    (void)state;
    memset(name, 'a', sizeof(name));
    assert_int_equal(socks_address_set(&to, bytes_of(name, sizeof(name)), 1),
                     OK);
    memset(long_one.user, 'u', sizeof(long_one.user) - 1);
    memset(long_one.password, 'p', sizeof(long_one.password) - 1);
    assert_in_range(exec_socks_say(&long_one, false, &to, said), 300,
                    EXEC_SOCKS_SAID_MAX);
    memset(heard + 9, 'a', 255);
    assert_int_equal(
        exec_socks_hear(bytes_of(heard, sizeof(heard)), &used, &ep), OK);
    assert_int_equal(used, sizeof(heard));
}

static void test_exec_socks_refused(void **state)
{
    static const struct {
        uint8_t bytes[12];
        size_t len;
        enum error e;
    } rows[] = {
        {{5, 2, 1, 0, 5, 5, 0, 1, 0, 0, 0, 0}, 12, ERR_REMOTE},
        {{5, 2, 1, 0, 5, 5, 0, 1}, 8, ERR_REMOTE},
        {{5, 0}, 2, ERR_SYNTAX},
        {{4}, 1, ERR_SYNTAX},
        {{5, 2, 1, 1}, 4, ERR_SYNTAX},
        {{5, 2, 1, 0, 4, 0, 0, 1}, 8, ERR_SYNTAX},
        {{5, 2, 1, 0, 5, 0, 0, 9}, 8, ERR_SYNTAX},
    };
    struct endpoint at;
    size_t used;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(
            exec_socks_hear(bytes_of(rows[i].bytes, rows[i].len), &used, &at),
            rows[i].e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exec_socks_connect),
        cmocka_unit_test(test_exec_socks_associate),
        cmocka_unit_test(test_exec_socks_longest),
        cmocka_unit_test(test_exec_socks_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
