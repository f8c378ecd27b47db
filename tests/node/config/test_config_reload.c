/* SPDX-License-Identifier: MIT
 *
 * Every key is changed while another configuration runs: then what runs is
 * what a fresh load makes of the same settings, or the reload has said by
 * name what needs a restart.
 */
#include "node/config/config.h"

#include "node/config/config_keys.h"
#include "node/config/config_source.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SETTINGS 4

static struct text errors, report;

static int setup(void **state)
{
    (void)state;
    text_init(&errors, CONFIG_ERRORS_MAX);
    text_init(&report, CONFIG_ERRORS_MAX);
    return setenv("HOME", "/home/w", 1);
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&errors);
    text_deinit(&report);
    return 0;
}

/* "--section.key=value", up to SETTINGS of them, NULL at the end. */
static enum error load(struct config *out, const char *const *flags)
{
    struct config_input input = {.argv = (char *const *)(uintptr_t)flags};

    while (flags[input.argc] != NULL)
        input.argc++;
    text_clear(&errors);
    return config_load(&input, out, &errors);
}

static struct config loaded(const char *a, const char *b)
{
    const char *flags[] = {a, a == NULL ? NULL : b, NULL};
    struct config config;

    assert_int_equal(load(&config, flags), OK);
    return config;
}

static const char *printed(const struct setting_key *key,
                           const struct config *config, struct text *out)
{
    text_clear(out);
    setting_print(key, config, out);
    return text_get(out);
}

/* Whether the report says that the key needs a restart. */
static bool is_named(const struct setting_key *key)
{
    char start[CONFIG_NAME_SIZE];

    snprintf(start, sizeof(start), "[%s] %s is '", key->section, key->name);
    return strstr(text_get(&report), start) != NULL;
}

static void assert_same_derived(const struct config *a, const struct config *b)
{
    assert_memory_equal(a->dht.family, b->dht.family, sizeof(a->dht.family));
    assert_string_equal(a->tunnel.network, b->tunnel.network);
    assert_int_equal(a->tunnel.testing_network, b->tunnel.testing_network);
    assert_memory_equal(a->tunnel.family, b->tunnel.family,
                        sizeof(a->tunnel.family));
    assert_int_equal(a->tunnel.has_family_id, b->tunnel.has_family_id);
    assert_memory_equal(a->tunnel.family_id, b->tunnel.family_id,
                        sizeof(a->tunnel.family_id));
}

/* Reloads `fresh` over `before` and compares with both. */
static void reload_and_compare(const struct config *before,
                               const struct config *fresh, bool restart)
{
    struct config running = *before;
    struct text is, must;

    text_init(&is, 4096);
    text_init(&must, 4096);
    text_clear(&report);
    config_reload(&running, fresh, &report);
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *key = &config_keys[i];

        assert_string_equal(
            printed(key, &running, &is),
            printed(key, is_named(key) ? before : fresh, &must));
    }
    assert_int_equal(restart, report.len > 0);
    assert_same_derived(&running, restart ? before : fresh);
    text_deinit(&is);
    text_deinit(&must);
}

/* Values that are no default, by kind; numbers take their limits. */
static const struct {
    const struct setting_type *type;
    const char *values[2];
} others[] = {
    {&setting_bool, {"true", "false"}},
    {&config_level, {"error", "debug"}},
    {&config_format, {"json", "json"}},
    {&config_meeting_place, {"mainline", "both"}},
    {&setting_name, {"ours", "theirs"}},
    {&setting_path, {"/srv/a", "~/b"}},
    {&config_listen, {"127.0.0.1:1", "[::1]:2, 127.0.0.1:3"}},
    {&config_hosts, {"a.example:1", "192.0.2.1:2, [2001:db8::1]:3"}},
    {&config_mainline_hosts, {"b.example:1", "192.0.2.7:2"}},
    {&config_http, {"none", "127.0.0.1:1"}},
    {&config_names, {"a.example", "b.example, c.example"}},
    {&config_endpoints, {"192.0.2.1:1", "[2001:db8::1]:2, 192.0.2.3:4"}},
    {&config_hops, {"1", "2, 4"}},
    {&config_socks, {"127.0.0.1:1", "unix:/run/w hops=1, [::1]:2"}},
    {&config_dns, {"127.0.0.1:1", "127.0.0.1:1 hops=1, [::1]:2"}},
    {&config_files, {"/srv/dht.dat", "/srv/a.dat, b.dat"}},
    {&config_policy, {"accept *:443", "reject 192.0.2.0/24, accept *"}},
};

static const char *other_value(const struct setting_key *key, size_t which,
                               char out[64])
{
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (key->type == others[i].type)
            return others[i].values[which];
    }
    assert_non_null(key->type->units);
    snprintf(out, 64, "%llu%s",
             (unsigned long long)(which == 0 ? key->min : key->max) /
                 (key->type == &setting_duration ? TIME_MS : 1),
             key->type == &setting_duration ? "ms" : "");
    return out;
}

/* What the tunnels may be told to use (dht_provider). */
#define BASE "--mainline.enabled=true"

/* BASE but for this key. False if that changes nothing, or cannot be:
 * at the limit of one key another may not fit, as with min_circuits. */
static bool change(const struct setting_key *key, size_t which,
                   const struct config *defaults, struct config *fresh)
{
    char flag[CONFIG_NAME_SIZE + 64], value[64];
    const char *flags[] = {BASE, flag, NULL};
    struct text was, is;
    bool changed;

    config_flag_name(key, flag);
    strcat(flag, "=");
    strcat(flag, other_value(key, which, value));
    if (load(fresh, flags) != OK)
        return false;
    text_init(&was, 4096);
    text_init(&is, 4096);
    changed = strcmp(printed(key, defaults, &was), printed(key, fresh, &is)) !=
              0;
    text_deinit(&was);
    text_deinit(&is);
    return changed;
}

static void test_config_reload_every_key_changes_or_is_named(void **state)
{
    const struct config defaults = loaded(BASE, NULL);

    (void)state;
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *key = &config_keys[i];
        unsigned changes = 0;

        for (size_t which = 0; which < 2; which++) {
            struct config fresh;

            if (!change(key, which, &defaults, &fresh))
                continue;
            changes++;
            reload_and_compare(&defaults, &fresh, !key->reloadable);
            assert_int_equal(is_named(key), !key->reloadable);
            reload_and_compare(&fresh, &defaults, !key->reloadable);
            assert_int_equal(is_named(key), !key->reloadable);
        }
        assert_true(changes > 0);
    }
}

/* max_circuits needs a restart, and min_circuits cannot be above it. */
static void test_config_reload_says_what_does_not_fit_what_runs(void **state)
{
    struct config running = loaded(NULL, NULL);
    struct config fresh =
        loaded("--tunnel.min_circuits=40", "--tunnel.max_circuits=50");

    (void)state;
    config_reload(&running, &fresh, &report);
    assert_string_equal(
        text_get(&report),
        "[tunnel] max_circuits is '32' and stays so until a restart; the "
        "settings now say '50'\n"
        "[tunnel] min_circuits is '2' and stays so until a restart; the "
        "settings now say '40': min_circuits in [tunnel] is more than "
        "max_circuits; raise that or lower this\n");
    assert_int_equal(running.tunnel.min_circuits, 2);
    assert_int_equal(running.tunnel.max_circuits, 32);
    /* And it harms no later one. */
    fresh = loaded("--tunnel.min_circuits=5", "--tunnel.create_rate=7");
    text_clear(&report);
    config_reload(&running, &fresh, &report);
    assert_string_equal(text_get(&report), "");
    assert_int_equal(running.tunnel.min_circuits, 5);
    assert_int_equal(running.tunnel.create_rate, 7);
}

static void test_config_reload_of_a_family_reaches_the_engine(void **state)
{
    struct config running = loaded(NULL, NULL);
    struct config fresh = loaded("--tunnel.family=ours", NULL);
    uint8_t id[32];

    (void)state;
    assert_true(config_family_id("ours", id));
    config_reload(&running, &fresh, &report);
    assert_true(running.tunnel.has_family_id);
    assert_memory_equal(running.tunnel.family_id, id, sizeof(id));
    fresh = loaded(NULL, NULL);
    config_reload(&running, &fresh, &report);
    assert_false(running.tunnel.has_family_id);
    assert_string_equal(text_get(&report), "");
}

static void test_config_reload_takes_what_can_change(void **state)
{
    struct config running = loaded("--node.network=one", "--log.level=warn");
    const char *flags[] = {"--node.network=two", "--log.level=debug",
                           "--dht.max_items=77", "--dht.bootstrap=a:1, b:2",
                           NULL};
    struct config fresh;

    (void)state;
    assert_int_equal(load(&fresh, flags), OK);
    config_reload(&running, &fresh, &report);
    assert_int_equal(running.log.level, LEVEL_DEBUG);
    assert_int_equal(running.dht.max_items, 77);
    assert_int_equal(running.bootstrap.count, 2);
    assert_string_equal(running.dht.network, "one");
    assert_string_equal(running.tunnel.network, "one");
    assert_string_equal(text_get(&report),
                        "[node] network is 'one' and stays so until a "
                        "restart; the settings now say 'two'\n");
    text_clear(&report);
    fresh = loaded("--node.network=one", "--dht.bootstrap=");
    config_reload(&running, &fresh, &report);
    assert_int_equal(running.bootstrap.count, 0);
    assert_string_equal(text_get(&report), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_config_reload_every_key_changes_or_is_named),
        TEST(test_config_reload_says_what_does_not_fit_what_runs),
        TEST(test_config_reload_of_a_family_reaches_the_engine),
        TEST(test_config_reload_takes_what_can_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
