/* SPDX-License-Identifier: MIT
 *
 * The settings of the two DHTs beside each other.
 */
#include "node/config/config_keys.h"

#include "testing.h"
#include "warren.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct config config;

static void load(const struct warren_setting *settings, size_t count)
{
    struct config_input input = {.settings = settings, .setting_count = count};
    struct text errors;
    enum error err;

    text_init(&errors, CONFIG_ERRORS_MAX);
    err = config_load(&input, &config, &errors);
    assert_string_equal(text_get(&errors), "");
    assert_int_equal(err, OK);
    text_deinit(&errors);
}
#define LOAD(...)                                      \
    load((const struct warren_setting[]){__VA_ARGS__}, \
         COUNT_OF(((const struct warren_setting[]){__VA_ARGS__})))

static void test_config_mainline_is_set_beside_ours(void **state)
{
    (void)state;
    LOAD({"dht.max_items", "5"}, {"mainline.max_items", "6"},
         {"mainline.enabled", "yes"},
         {"mainline.bootstrap_files", "/a/b, ~c, d"},
         {"mainline.bootstrap", "192.0.2.1:1"});
    assert_int_equal(config.dht.max_items, 5);
    assert_int_equal(config.mainline.max_items, 6);
    assert_true(config.mainline_enabled);
    assert_int_equal(config.mainline_files.count, 3);
    assert_string_equal(config.mainline_files.at[0], "/a/b");
    assert_string_equal(config.mainline_files.at[2], "d");
    assert_int_equal(config.mainline_bootstrap.count, 1);
    assert_int_equal(config.bootstrap.count, 0);
}

/* What both go by stands in [node]; the mainline DHT has no name. */
static void test_config_mainline_follows_the_node(void **state)
{
    (void)state;
    LOAD({"node.network", "ours"}, {"node.testing_network", "yes"},
         {"node.listen", "[::1]:1"});
    assert_false(config.mainline_enabled);
    assert_int_equal(config.mainline.dialect, DHT_DIALECT_MAINLINE);
    assert_int_equal(config.dht.dialect, DHT_DIALECT_WARREN);
    assert_string_equal(config.mainline.network, "main");
    assert_true(config.mainline.testing_network);
    assert_true(config.mainline.family[FAMILY_IPV6]);
    assert_false(config.mainline.family[FAMILY_IPV4]);
}

/* Each key of [dht] is one of [mainline], with the same limits and default;
 * the port of an example is what people have there. */
static void test_config_mainline_has_the_keys_of_ours(void **state)
{
    struct text ours, other;
    unsigned rows = 0;

    (void)state;
    text_init(&ours, 1024);
    text_init(&other, 256 * 1024);
    LOAD({"node.listen", "[::1]:1"});
    for (size_t i = 0; i < config_keys_count; i++) {
        const struct setting_key *a = &config_keys[i], *b;

        if (strcmp(a->section, "dht") != 0)
            continue;
        b = config_key_find("mainline", a->name);
        assert_non_null(b);
        assert_ptr_equal(a->type == &config_hosts ? &config_mainline_hosts
                                                  : a->type,
                         b->type);
        assert_int_equal(a->min, b->min);
        assert_int_equal(a->max, b->max);
        assert_int_equal(a->reloadable, b->reloadable);
        assert_true(a->offset != b->offset);
        text_clear(&ours);
        text_clear(&other);
        setting_print(a, &config, &ours);
        setting_print(b, &config, &other);
        assert_string_equal(text_get(&ours), text_get(&other));
        rows++;
    }
    assert_true(rows > 15);
    text_clear(&other);
    config_print_defaults(&other);
    assert_non_null(strstr(text_get(&other), "node.example.org:7881"));
    assert_non_null(strstr(text_get(&other), "node.example.org:6881"));
    text_deinit(&ours);
    text_deinit(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_mainline_is_set_beside_ours),
        cmocka_unit_test(test_config_mainline_follows_the_node),
        cmocka_unit_test(test_config_mainline_has_the_keys_of_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
