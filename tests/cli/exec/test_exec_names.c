/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_names.h"

#include "fail_alloc.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW (1000 * TIME_S)
#define CAP 4

static struct test_random source;
static struct exec_names names;

static void fill(void *ctx, void *buf, size_t len)
{
    test_random_fill(ctx, buf, len);
}

static int setup(void **state)
{
    struct random_source random = {.ctx = &source, .fill = fill};

    (void)state;
    source = test_seed(11);
    exec_names_init(&names, CAP, &random);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    exec_names_deinit(&names);
    return 0;
}

static struct exec_name *get(const char *text, uint64_t now)
{
    struct exec_name *name;

    assert_int_equal(exec_names_get(&names, text, now, &name), OK);
    return name;
}

static struct endpoint at(const char *text)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse(text, &ep), OK);
    return ep;
}

static void check_address(const struct exec_name *name, enum family family,
                          const char *expected)
{
    struct endpoint ep = exec_name_address(name, family);
    char text[ENDPOINT_TEXT_SIZE];

    assert_string_equal(endpoint_print_addr(&ep, text), expected);
    assert_true(exec_names_is_virtual(&ep));
    assert_ptr_equal(exec_names_find(&names, &ep, NOW), name);
}

static void test_exec_names_stand_for_names(void **state)
{
    static const char *const others[] = {"198.17.255.255:1", "198.20.0.0:1",
                                         "[fc77:6172:7265:6f::2]:1",
                                         "[2001:db8::1]:1"};
    struct endpoint unknown = at("198.18.0.3:80");

    (void)state;
    check_address(get("a.example", NOW), FAMILY_IPV4, "198.18.0.1");
    check_address(get("b.example", NOW), FAMILY_IPV6, "fc77:6172:7265:6e::3");
    check_address(get("a.example", NOW), FAMILY_IPV6, "fc77:6172:7265:6e::2");
    assert_true(exec_names_is_virtual(&unknown));
    assert_null(exec_names_find(&names, &unknown, NOW));
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct endpoint ep = at(others[i]);

        assert_false(exec_names_is_virtual(&ep));
        assert_null(exec_names_find(&names, &ep, NOW));
    }
}

/* The last ones of all are still among the addresses for names. */
static void test_exec_names_last_address(void **state)
{
    const struct exec_name last = {.index = EXEC_NAMES_MAX - 1};
    struct endpoint ep = exec_name_address(&last, FAMILY_IPV4);
    char text[ENDPOINT_TEXT_SIZE];

    (void)state;
    assert_true(exec_names_is_virtual(&ep));
    assert_string_equal(endpoint_print_addr(&ep, text), "198.19.0.0");
    ep = exec_name_address(&last, FAMILY_IPV6);
    assert_true(exec_names_is_virtual(&ep));
}

static void test_exec_names_targets(void **state)
{
    static const char *const inside[] = {
        "127.0.0.1:80",  "127.9.9.9:80",
        "[::1]:80",      "0.0.0.0:80",
        "[::]:80",       EXEC_OWN_IPV4 ":80",
        "198.18.0.9:80", "[" EXEC_OWN_IPV6 "]:80",
    };
    struct exec_name *name = get("a.example", NOW), *held;
    struct endpoint to = at("198.18.0.1:443");
    struct socks_address target;

    (void)state;
    assert_true(exec_names_target(&names, &to, NOW, &held, &target));
    assert_ptr_equal(held, name);
    assert_int_equal(name->holds, 1);
    assert_string_equal(target.name, "a.example");
    assert_int_equal(target.ep.port, 443);
    exec_name_let_go(name, NOW);
    to = at("192.0.2.1:80");
    assert_true(exec_names_target(&names, &to, NOW, &held, &target));
    assert_null(held);
    assert_int_equal(target.name_len, 0);
    assert_true(endpoint_equal(&target.ep, &to));
    for (size_t i = 0; i < COUNT_OF(inside); i++) {
        to = at(inside[i]);
        assert_false(exec_names_target(&names, &to, NOW, &held, &target));
        assert_null(held);
    }
}

/* The one that was not used for longest makes room, once no resolver has it any
 * more; one that something goes on with does not. */
static void test_exec_names_make_room(void **state)
{
    uint64_t later = NOW + EXEC_NAME_FRESH;
    struct exec_name *a = get("a", NOW), *none;
    struct endpoint address = exec_name_address(get("b", NOW), FAMILY_IPV4);

    (void)state;
    get("c", NOW);
    get("d", NOW);
    exec_name_hold(a);
    assert_int_equal(exec_names_get(&names, "e", later - 1, &none), ERR_FULL);
    get("c", later);
    assert_string_equal(get("e", later)->text, "e"); /* in b's place */
    assert_string_equal(exec_names_find(&names, &address, later)->text, "e");
    get("f", later); /* in d's */
    assert_int_equal(exec_names_get(&names, "g", later, &none), ERR_FULL);
    exec_name_let_go(a, later);
    assert_int_equal(
        exec_names_get(&names, "g", later + EXEC_NAME_FRESH - 1, &none),
        ERR_FULL);
    get("g", later + EXEC_NAME_FRESH);
    assert_int_equal(names.count, CAP);
}

static void test_exec_names_without_memory(void **state)
{
    struct exec_name *name;
    unsigned failed = 0;

    for (unsigned n = 1;; n++) {
        enum error e;

        setup(state);
        fail_alloc_at(n);
        e = exec_names_get(&names, "a", NOW, &name);
        if (!fail_alloc_end()) {
            assert_int_equal(e, OK);
            break;
        }
        assert_int_equal(e, ERR_NO_MEMORY);
        assert_string_equal(get("a", NOW)->text, "a");
        teardown(state);
        failed++;
    }
    assert_int_equal(failed, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exec_names_stand_for_names, setup,
                                        teardown),
        cmocka_unit_test(test_exec_names_last_address),
        cmocka_unit_test_setup_teardown(test_exec_names_targets, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_exec_names_make_room, setup,
                                        teardown),
        cmocka_unit_test_teardown(test_exec_names_without_memory, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
