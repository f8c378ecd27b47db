/* SPDX-License-Identifier: MIT */
#include "node/config/config.h"

#include "node/config/config_keys.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct config config;
static struct text errors;

static int setup(void **state)
{
    (void)state;
    text_init(&errors, CONFIG_ERRORS_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&errors);
    return 0;
}

static enum error load_section(const char *section, const char *listen,
                               const char *allow_public)
{
    char flags[2][1024];
    char *argv[] = {flags[0], flags[1]};
    struct config_input input = {.argv = argv,
                                 .argc = allow_public == NULL ? 1 : 2};

    snprintf(flags[0], sizeof(flags[0]), "--%s.listen=%s", section, listen);
    if (allow_public != NULL)
        snprintf(flags[1], sizeof(flags[1]), "--%s.allow_public=%s", section,
                 allow_public);
    text_clear(&errors);
    return config_load(&input, &config, &errors);
}

static enum error load(const char *listen, const char *allow_public)
{
    return load_section("socks", listen, allow_public);
}

static void check_printed(const char *expected)
{
    struct text out;

    text_init(&out, 4096);
    setting_print(config_key_find("socks", "listen"), &config, &out);
    assert_string_equal(text_get(&out), expected);
    text_deinit(&out);
}

static void test_config_socks_is_off(void **state)
{
    const struct config_input none = {.argc = 0};

    (void)state;
    assert_int_equal(config_load(&none, &config, &errors), OK);
    assert_int_equal(config.socks.count, 0);
    assert_false(config.socks_allow_public);
    assert_true(config.socks_handshake_timeout == 30 * TIME_S);
    assert_int_equal(config.socks_max_clients, 4096);
    assert_int_equal(config.socks_max_clients_per_source, 2048);
}

static void test_config_socks_listeners(void **state)
{
    static const struct {
        const char *listen, *printed;
    } all[] = {
        {"", ""},
        {"127.0.0.1:1080", "127.0.0.1:1080 hops=3"},
        {"127.0.0.1:1080  hops=1 ", "127.0.0.1:1080 hops=1"},
        {"127.9.9.9:1,[::1]:1 hops=4", "127.9.9.9:1 hops=3, [::1]:1 hops=4"},
        {"unix:/run/w.sock, unix:/run/v hops=2",
         "unix:/run/w.sock hops=3, unix:/run/v hops=2"},
        {"127.0.0.1:0, 127.0.0.1:0", "127.0.0.1:0 hops=3, 127.0.0.1:0 hops=3"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        assert_int_equal(load(all[i].listen, NULL), OK);
        check_printed(all[i].printed);
        assert_int_equal(load(all[i].printed, NULL), OK);
        check_printed(all[i].printed);
    }
}

/* Of each listener, whatever stands before or behind it. */
static void test_config_socks_fields(void **state)
{
    const struct config_listener *at = config.socks.at;

    (void)state;
    assert_int_equal(load("unix:/run/w hops=1, 127.0.0.1:1080", NULL), OK);
    assert_int_equal(config.socks.count, 2);
    assert_true(at[0].is_unix);
    assert_string_equal(at[0].path, "/run/w");
    assert_int_equal(at[0].hops, 1);
    assert_false(at[1].is_unix);
    assert_int_equal(at[1].at.port, 1080);
    assert_int_equal(at[1].hops, 3);
}

#define RULE                                                            \
    "ADDR:PORT or unix:/PATH, and hops=N behind it for another number " \
    "of hops (1 to 4) than 3, like 127.0.0.1:1080 or 127.0.0.1:1081 "   \
    "hops=1"

static void check_refused(const char *listen, const char *entry,
                          const char *why)
{
    char expected[2048];

    snprintf(expected, sizeof(expected),
             "--socks.listen: listen is '%s' but must be %s\n", entry, why);
    assert_int_equal(load(listen, "yes"), ERR_SYNTAX);
    assert_string_equal(text_get(&errors), expected);
}

static void test_config_socks_mistakes(void **state)
{
    static const char *const wrong[] = {
        "1080",
        "localhost:1080",
        "127.0.0.1",
        "127.0.0.1:65536",
        "127.0.0.1:1080 3",
        "127.0.0.1:1080 hops=0",
        "127.0.0.1:1080 hops=5",
        "127.0.0.1:1080 hops=",
        "127.0.0.1:1080 hops=3x",
        "127.0.0.1:1080 hops=1 hops=2",
        "127.0.0.1:1080 Hops=1",
        "hops=1",
        "unix:run/w",
        "unix:",
        "unix: /run/w",
        "/run/w",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        check_refused(wrong[i], wrong[i], RULE);
    check_refused("127.0.0.1:1, 127.0.0.1:1 hops=1", "127.0.0.1:1 hops=1",
                  "given once; it is in the list already");
    check_refused("unix:/a, unix:/a", "unix:/a",
                  "given once; it is in the list already");
}

static void test_config_socks_longest_path(void **state)
{
    char listen[CONFIG_SOCKET_SIZE + 16] = "unix:/";

    (void)state;
    memset(listen + 6, 'a', CONFIG_SOCKET_SIZE - 2);
    assert_int_equal(load(listen, NULL), OK);
    assert_int_equal(strlen(config.socks.at[0].path), CONFIG_SOCKET_SIZE - 1);
    strcat(listen, "a");
    check_refused(listen, listen, RULE);
}

static void test_config_socks_list_has_a_cap(void **state)
{
    char listen[512] = "127.0.0.1:1";

    (void)state;
    for (int i = 2; i <= CONFIG_LISTENERS_MAX; i++)
        snprintf(listen + strlen(listen), 32, ", 127.0.0.1:%d", i);
    assert_int_equal(load(listen, NULL), OK);
    strcat(listen, ", 127.0.0.1:9");
    check_refused(listen, "127.0.0.1:9",
                  "one of at most 8 listeners; leave it out, and what follows "
                  "it");
}

/* Not by mistake: nobody is asked for a password. */
static void test_config_socks_public_must_be_said(void **state)
{
    static const char *const public[] = {"0.0.0.0:1080",     "[::]:1080",
                                         "192.168.1.1:1080", "8.8.8.8:1",
                                         "[2001:db8::1]:1",  "[fe80::1]:1"};
    char listen[128], expected[1024];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(public); i++) {
        snprintf(listen, sizeof(listen), "127.0.0.1:1, unix:/a, %s", public[i]);
        assert_int_equal(load(listen, "yes"), OK);
        assert_int_equal(load(listen, NULL), ERR_SYNTAX);
        assert_int_equal(load(listen, "no"), ERR_SYNTAX);
        snprintf(expected, sizeof(expected),
                 "--socks.listen: listen in [socks] is '%s', where other "
                 "machines could use this node's circuits without a password; "
                 "take a loopback address or unix:/PATH, or say allow_public = "
                 "yes in [socks]\n",
                 public[i]);
        assert_string_equal(text_get(&errors), expected);
    }
}

/* The resolver is on UDP, so at no Unix socket, and asked for as the proxy. */
static void test_config_dns_listeners(void **state)
{
    (void)state;
    assert_int_equal(load_section("dns", "127.0.0.1:53, [::1]:53 hops=1", NULL),
                     OK);
    assert_int_equal(config.dns.count, 2);
    assert_int_equal(config.dns.at[0].hops, CONFIG_SOCKS_HOPS);
    assert_int_equal(config.dns.at[1].hops, 1);
    assert_int_equal(config.socks.count, 0);
    assert_int_equal(load_section("dns", "unix:/run/dns", NULL), ERR_SYNTAX);
    assert_int_equal(load_section("dns", "0.0.0.0:53", NULL), ERR_SYNTAX);
    assert_string_equal(
        text_get(&errors),
        "--dns.listen: listen in [dns] is '0.0.0.0:53', where other machines "
        "could use this node's circuits without a password; take a loopback "
        "address, or say allow_public = yes in [dns]\n");
    assert_int_equal(load_section("dns", "0.0.0.0:53", "yes"), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_socks_is_off),
        cmocka_unit_test(test_config_socks_listeners),
        cmocka_unit_test(test_config_socks_fields),
        cmocka_unit_test(test_config_socks_mistakes),
        cmocka_unit_test(test_config_socks_longest_path),
        cmocka_unit_test(test_config_socks_list_has_a_cap),
        cmocka_unit_test(test_config_socks_public_must_be_said),
        cmocka_unit_test(test_config_dns_listeners),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
