/* SPDX-License-Identifier: MIT
 *
 * Whom a node is given to join through: those that are configured at each
 * attempt, and those of saved tables in turn.
 */
#include "node/entry/bootstrap.h"

#include "testing.h"

#include <event2/event.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>

#include <cmocka.h>

#define SAVED 20

static struct {
    struct event_base *base;
    struct bootstrap *bootstrap;
    struct log *log;
    unsigned found[SAVED]; /* times that each saved one was */
    unsigned hosts, forgotten;
} w;

static enum bootstrap_use on_found(void *arg, const struct endpoint *ep)
{
    (void)arg;
    if (ep->port == 7881)
        w.hosts++;
    else
        w.found[ep->port - 1]++;
    return BOOTSTRAP_TAKEN;
}

static void on_forget(void *arg)
{
    (void)arg;
    w.forgotten++;
}

static void no_log(void *arg, enum log_level level, const char *line)
{
    (void)arg, (void)level, (void)line;
}

static int setup(void **state)
{
    const struct bootstrap_handler handler = {.found = on_found,
                                              .forget = on_forget};
    struct log_config quiet = {.level = LEVEL_ERROR};

    (void)state;
    if (sodium_init() < 0)
        return -1;
    memset(&w, 0, sizeof(w));
    w.base = event_base_new();
    w.log = log_new(&quiet, no_log, NULL);
    return bootstrap_new(w.base, &handler, w.log, &w.bootstrap);
}

static int teardown(void **state)
{
    (void)state;
    bootstrap_free(w.bootstrap);
    log_free(w.log);
    event_base_free(w.base);
    return 0;
}

static void configure(unsigned saved)
{
    struct config_hosts hosts = {.count = 1, .at = {{"127.0.0.1", 7881}}};
    struct endpoint at[SAVED] = {{.family = FAMILY_IPV4}};
    struct saved_table table = {.count = saved, .at = at};

    for (unsigned i = 0; i < saved; i++) {
        at[i].addr[0] = 127;
        at[i].port = (uint16_t)(1 + i);
    }
    assert_int_equal(bootstrap_configure(w.bootstrap, &hosts, &table), OK);
    assert_int_equal(bootstrap_saved(w.bootstrap), saved);
}

static unsigned asked(unsigned times)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SAVED; i++)
        count += w.found[i] == times;
    return count;
}

/* The next attempt, at once. */
static void attempt(void)
{
    bootstrap_hurry(w.bootstrap);
    event_base_loop(w.base, EVLOOP_NONBLOCK);
}

static void test_bootstrap_gives_saved_nodes_in_turn(void **state)
{
    (void)state;
    configure(SAVED);
    bootstrap_start(w.bootstrap, 0);
    event_base_loop(w.base, EVLOOP_NONBLOCK);
    assert_int_equal(w.hosts, 1);
    assert_int_equal(asked(1), BOOTSTRAP_SAVED);
    assert_int_equal(w.forgotten, 1);
    attempt();
    assert_int_equal(asked(1), 2 * BOOTSTRAP_SAVED);
    attempt(); /* the rest, and the first ones again */
    assert_int_equal(asked(0), 0);
    assert_int_equal(asked(2), 3 * BOOTSTRAP_SAVED - SAVED);
    assert_int_equal(w.hosts, 3);
    assert_int_equal(w.forgotten, 3);
}

/* The order is not the file's: in it the first eight would come first. */
static void test_bootstrap_takes_an_order_of_chance(void **state)
{
    unsigned others = 0;

    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        memset(w.found, 0, sizeof(w.found));
        configure(SAVED);
        bootstrap_start(w.bootstrap, 0);
        event_base_loop(w.base, EVLOOP_NONBLOCK);
        for (unsigned i = BOOTSTRAP_SAVED; i < SAVED; i++)
            others += w.found[i];
    }
    assert_in_range(others, 1, 10 * BOOTSTRAP_SAVED - 1);
}

/* Few are all given at each attempt, each once. */
static void test_bootstrap_gives_few_saved_nodes_once(void **state)
{
    (void)state;
    configure(3);
    bootstrap_start(w.bootstrap, 0);
    event_base_loop(w.base, EVLOOP_NONBLOCK);
    assert_int_equal(asked(1), 3);
    attempt();
    assert_int_equal(asked(2), 3);
}

/* Without saved ones nothing is forgotten; NULL leaves what there was. */
static void test_bootstrap_of_hosts_alone(void **state)
{
    const struct config_hosts none = {.count = 0};

    (void)state;
    configure(0);
    bootstrap_start(w.bootstrap, 0);
    event_base_loop(w.base, EVLOOP_NONBLOCK);
    assert_int_equal(w.hosts, 1);
    assert_int_equal(w.forgotten, 0);
    configure(SAVED);
    assert_int_equal(bootstrap_configure(w.bootstrap, &none, NULL), OK);
    assert_int_equal(bootstrap_saved(w.bootstrap), SAVED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bootstrap_gives_saved_nodes_in_turn),
        TEST(test_bootstrap_takes_an_order_of_chance),
        TEST(test_bootstrap_gives_few_saved_nodes_once),
        TEST(test_bootstrap_of_hosts_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
