/* SPDX-License-Identifier: MIT */
#include "node/config/files_plan.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct config config;

static int setup(void **state)
{
    const struct config_input none = {0};
    struct text errors;

    (void)state;
    text_init(&errors, CONFIG_ERRORS_MAX);
    assert_int_equal(config_load(&none, &config, &errors), OK);
    text_deinit(&errors);
    return 0;
}

static void test_files_plan_needs(void **state)
{
    struct files_plan p;

    (void)state;
    files_plan(&config, 16, 16, &p);
    assert_int_equal(p.sockets, 0); /* no exit */
    assert_true(files_plan_sum(&p) < 120);
    config.tunnel.become_exitnode = true;
    config.tunnel.exit.max_sockets = 5000;
    files_plan(&config, 16, 16, &p);
    assert_int_equal(p.sockets, 5000);
    assert_int_equal(p.tcp, 4096);
    assert_int_equal(p.clients, 16);
    assert_int_equal(p.pages, 16);
    assert_true(files_plan_sum(&p) > 5000 + 16 + 16 + p.own);
    files_plan(&config, 0, 0, &p);
    assert_int_equal(p.clients + p.pages, 0);
    config.tunnel.exit_tcp = false;
    files_plan(&config, 0, 0, &p);
    assert_int_equal(p.tcp, 0);
}

static void test_files_plan_needs_of_services_and_the_proxy(void **state)
{
    struct files_plan before, p;

    (void)state;
    files_plan(&config, 16, 16, &before);
    assert_int_equal(before.services + before.proxy, 0);
    config.services.count = 1;
    config.max_service_sockets = 30;
    config.socks.count = 2;
    config.socks_max_clients = 480;
    config.socks_max_associations = 20;
    files_plan(&config, 16, 16, &p);
    assert_int_equal(p.services, 60); /* for datagrams, and of streams */
    assert_int_equal(p.proxy, 500);
    assert_int_equal(p.own, before.own + 2); /* it listens at two */
    assert_int_equal(files_plan_sum(&p), files_plan_sum(&before) + 562);
}

/* At every limit: the sum fits, everybody who wants something has something,
 * nobody has more than wanted, and a higher limit takes nothing away. */
static void test_files_plan_fits_every_limit(void **state)
{
    struct files_plan wanted, before = {0}, p;
    unsigned least;

    (void)state;
    config.tunnel.become_exitnode = true;
    config.tunnel.exit.max_sockets = 2048;
    config.services.count = 1;
    config.socks.count = 1;
    files_plan(&config, 16, 16, &wanted);
    least = wanted.own + 7;
    for (unsigned limit = 0; limit < 18000; limit++) {
        bool fits;

        p = wanted;
        fits = files_plan_fit(&p, limit);
        assert_int_equal(fits, limit >= least);
        if (!fits) {
            assert_memory_equal(&p, &wanted, sizeof(p));
            continue;
        }
        assert_int_equal(p.own, wanted.own);
        assert_in_range(p.names, 1, wanted.names);
        assert_in_range(p.clients, 1, wanted.clients);
        assert_in_range(p.pages, 1, wanted.pages);
        assert_in_range(p.services, 1, wanted.services);
        assert_in_range(p.proxy, 1, wanted.proxy);
        assert_in_range(p.sockets, 1, wanted.sockets);
        assert_in_range(p.tcp, 1, wanted.tcp);
        assert_true(files_plan_sum(&p) <= limit);
        assert_true(p.names >= before.names && p.clients >= before.clients &&
                    p.pages >= before.pages && p.services >= before.services);
        before = p;
    }
    assert_memory_equal(&p, &wanted, sizeof(p));
    p = wanted;
    assert_true(files_plan_fit(&p, 1024));
    assert_int_equal(p.clients, 16);
    assert_int_equal(p.pages, 16);
    assert_true(p.proxy > 250 && p.sockets > 120 && p.tcp > 120);
    config.socks.count = 0;
    files_plan(&config, 16, 16, &p);
    assert_true(files_plan_fit(&p, 1024));
    assert_true(p.sockets > 250 && p.tcp > 250);
}

/* Who has a proxy alone leaves it nearly all. */
static void test_files_plan_without_an_exit(void **state)
{
    struct files_plan p;

    (void)state;
    config.socks.count = 1;
    files_plan(&config, 16, 16, &p);
    assert_true(files_plan_fit(&p, 1024));
    assert_int_equal(files_plan_sum(&p), 1024);
    assert_true(p.proxy > 900);
    files_plan_keep(&p, &config);
    assert_int_equal(config.socks_max_associations, p.proxy / 8);
    assert_int_equal(config.socks_max_clients + config.socks_max_associations,
                     p.proxy);
    /* Few clients with many associations: nothing to lower. */
    config.socks_max_clients = 10;
    config.socks_max_associations = 500;
    files_plan_keep(&p, &config);
    assert_int_equal(config.socks_max_clients, 10);
    assert_int_equal(config.socks_max_associations, 500);
}

static void test_files_plan_lowers_caps(void **state)
{
    struct files_plan p;
    struct config before;

    (void)state;
    config.max_control_clients = 16;
    before = config;
    files_plan(&config, 16, 16, &p); /* no exit: its caps stay */
    files_plan_keep(&p, &config);
    assert_memory_equal(&config, &before, sizeof(config));
    config.tunnel.become_exitnode = true;
    files_plan(&config, 16, 16, &p);
    assert_true(files_plan_fit(&p, 200));
    files_plan_keep(&p, &config);
    assert_int_equal(config.tunnel.exit.max_sockets, p.sockets);
    assert_int_equal(config.tunnel.exit.max_questions, p.names / 2);
    assert_int_equal(config.tunnel.outlet.max_sockets, p.tcp);
    assert_int_equal(config.max_control_clients, 16);
    config.services.count = 1;
    config.max_service_sockets = 40;
    p.services = 12;
    files_plan_keep(&p, &config);
    assert_int_equal(config.max_service_sockets, 6);
    config.services.count = 0;
    /* The settings can need no more then. */
    files_plan(&config, config.max_control_clients, p.pages, &p);
    assert_true(files_plan_sum(&p) <= 200);
    p = (struct files_plan){.own = 41, .names = 1, .clients = 1, .sockets = 1};
    files_plan_keep(&p, &config);
    assert_int_equal(config.tunnel.exit.max_questions, 1);
    assert_int_equal(config.max_control_clients, 1);
}

static void test_files_plan_explains_what_is_less(void **state)
{
    struct files_plan wanted, p;
    struct text out;

    (void)state;
    config.tunnel.become_exitnode = true;
    config.tunnel.exit.max_sockets = 2048;
    files_plan(&config, 16, 16, &wanted);
    text_init(&out, CONFIG_ERRORS_MAX);
    files_plan_explain(&wanted, &wanted, 4096, &out);
    assert_int_equal(out.len, 0);
    p = wanted;
    assert_true(files_plan_fit(&p, 1024));
    files_plan_explain(&wanted, &p, 1024, &out);
    assert_non_null(strstr(text_get(&out), "may have 1024 files open"));
    assert_non_null(strstr(text_get(&out), "instead of 2048"));
    assert_non_null(strstr(text_get(&out), "LimitNOFILE="));
    assert_non_null(strstr(text_get(&out), "max_sockets in [exit]"));
    assert_non_null(strstr(text_get(&out), "or tcp_max_sockets"));
    assert_null(strstr(text_get(&out), "control clients"));
    assert_null(strstr(text_get(&out), "services"));
    assert_null(strstr(text_get(&out), "proxy"));
    text_deinit(&out);
}

static void test_files_plan_explains_services_and_the_proxy(void **state)
{
    struct files_plan wanted, p;
    struct text out;

    (void)state;
    config.services.count = 1;
    config.socks.count = 1;
    files_plan(&config, 16, 16, &wanted);
    text_init(&out, CONFIG_ERRORS_MAX);
    p = wanted;
    p.services = 60;
    p.proxy = 100;
    files_plan_explain(&wanted, &p, 1024, &out);
    assert_non_null(strstr(text_get(&out),
                           "at most 30 local sockets of services instead of "
                           "256,"));
    assert_non_null(strstr(text_get(&out),
                           "at most 100 sockets of the proxy instead of "
                           "4352,"));
    text_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_files_plan_needs, setup),
        cmocka_unit_test_setup(test_files_plan_needs_of_services_and_the_proxy,
                               setup),
        cmocka_unit_test_setup(test_files_plan_without_an_exit, setup),
        cmocka_unit_test_setup(test_files_plan_explains_services_and_the_proxy,
                               setup),
        cmocka_unit_test_setup(test_files_plan_fits_every_limit, setup),
        cmocka_unit_test_setup(test_files_plan_lowers_caps, setup),
        cmocka_unit_test_setup(test_files_plan_explains_what_is_less, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
