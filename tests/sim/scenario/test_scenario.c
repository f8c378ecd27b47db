/* SPDX-License-Identifier: MIT */
#include "sim/scenario/scenario.h"

#include "base/timestamp.h"
#include "sim/scenario/scenario_keys.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ERRORS 8192

/* A scenario in a file of its own; its name is the same each time. */
static const char *file_of(const char *text)
{
    static char path[] = "/tmp/warren-scenario-test-XXXXXX";
    static bool made;
    FILE *f;

    if (!made)
        close(mkstemp(path));
    made = true;
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static enum error load(const char *text,
                       const struct scenario_override *overrides, size_t count,
                       struct scenario *out, struct text *errors)
{
    const char *path = file_of(text);
    enum error err = scenario_load(path, NULL, overrides, count, out, errors);

    unlink(path);
    return err;
}

static void test_scenario_defaults(void **state)
{
    struct scenario s;

    (void)state;
    scenario_init(&s);
    assert_int_equal(s.run.duration, TIME_HOUR);
    assert_int_equal(s.nodes.count, 1000);
    assert_int_equal(s.nodes.session.kind, SPREAD_FOREVER);
    assert_true(s.tunnels.hops[3] && !s.tunnels.hops[2]);
    assert_true(s.adversary.does[BEHAVE_OBSERVE]);
    assert_true(s.engines[1].dht.max_peers > 0);
}

static void test_scenario_reads_all_kinds(void **state)
{
    static const struct scenario_override overrides[] = {
        {"network.loss", "7%", "--set"}, {"tunnels.hops", "2", "--set"}};
    struct text errors;
    struct scenario s;

    (void)state;
    text_init(&errors, ERRORS);
    assert_int_equal(
        load("[nodes]\ncount = 5000 ; many\nsession = weibull 0.6 40m\n"
             "offline = lognormal 90s 1.5\n"
             "[network]\nlatency = uniform 10ms 90ms\nuplink = pareto 1.2 16k\n"
             "loss = 3%\n"
             "partitions = 20m 30m 50%, 40m 1h 5%\n"
             "[tunnels]\nhops = 1, 3\n"
             "[adversary]\ndoes = drop, crowd\nnetworks = 24.1.0.0/16\n"
             "networks = 2a00:1::/32\n",
             overrides, COUNT_OF(overrides), &s, &errors),
        OK);
    assert_string_equal(text_get(&errors), "");
    assert_int_equal(s.nodes.count, 5000);
    assert_int_equal(s.nodes.session.kind, SPREAD_WEIBULL);
    assert_int_equal(s.nodes.session.a, 40 * TIME_MIN);
    assert_true(s.nodes.session.shape == 0.6);
    assert_int_equal(s.nodes.offline.a, 90 * TIME_S);
    assert_int_equal(s.network.latency.b, 90 * TIME_MS);
    assert_int_equal(s.network.uplink.a, 16 * 1024);
    assert_true(s.network.loss == 0.07); /* the last word */
    assert_int_equal(s.network.partitions.count, 2);
    assert_int_equal(s.network.partitions.at[1].to, TIME_HOUR);
    assert_true(s.tunnels.hops[2] && !s.tunnels.hops[1] && !s.tunnels.hops[3]);
    assert_true(s.adversary.does[BEHAVE_DROP] &&
                s.adversary.does[BEHAVE_CROWD] &&
                !s.adversary.does[BEHAVE_OBSERVE]);
    assert_int_equal(s.adversary.networks.count, 2);
    assert_int_equal(s.adversary.networks.at[1].bits, 32);
    text_deinit(&errors);
}

/* Each mistake is named, at once, with its line and what would be right. */
static void test_scenario_names_every_mistake(void **state)
{
    static const struct scenario_override overrides[] = {
        {"nodes.coutn", "5", "--set"}, {"loss", "5", "--loss"}};
    static const char *const told[] = {
        ":1: lost stands before the first section",
        ":2: unknown section [node]; did you mean [nodes]?",
        ":6: loss is '101%' but must be a share from 0% to 100%",
        ":7: unknown key latenzy in [network]; did you mean latency?",
        ":8: partitions is '30m 20m 50%' but must be a list of FROM TO SHARE",
        ":10: session is 'weibull 0.6' but must be forever, or one of fixed A",
        ":11: count is set twice, first on line 4",
        ":12: offline is 'never' but must be forever, or one of fixed A",
        ":14: networks is '24.1.2.0/16' but must be a list of ADDR/BITS",
        ":15: does is 'steal' but must be a list of drop, collude, crowd",
        "--set: unknown key coutn in [nodes]; did you mean count?",
        "--loss: 'loss' must be a section and a key",
    };
    struct text errors;
    struct scenario s;

    (void)state;
    text_init(&errors, ERRORS);
    s.run.seed = 77;
    assert_int_equal(load("lost = 1\n[node]\n[nodes]\ncount = 10\n"
                          "[network]\nloss = 101%\nlatenzy = wide\n"
                          "partitions = 30m 20m 50%\n[nodes]\n"
                          "session = weibull 0.6\ncount = 10\n"
                          "offline = never\n[adversary]\n"
                          "networks = 24.1.2.0/16\ndoes = steal\n",
                          overrides, COUNT_OF(overrides), &s, &errors),
                     ERR_SYNTAX);
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        if (strstr(text_get(&errors), told[i]) == NULL)
            fail_msg("'%s' is not told in:\n%s", told[i], text_get(&errors));
    }
    assert_int_equal(s.run.seed, 77); /* changes on success only */
    text_deinit(&errors);
}

static void test_scenario_checks_what_goes_together(void **state)
{
    static const struct {
        const char *text, *told;
    } rows[] = {
        {"[nodes]\ncount = 10\nbootstraps = 10\n", ":3: bootstraps (10)"},
        {"[nodes]\nipv6_only = 60%\ndual = 50%\n", ":3: ipv6_only and dual"},
        {"[nodes]\ncone_nat = 60%\nsymmetric_nat = 50%\n", ":2: cone_nat"},
        {"[tunnels]\nclients = 5\n", "tunnels.relays: circuits of 3 hops"},
        {"[tunnels]\nclients = 5\nrelays = 20\n", "tunnels.exits: datagrams"},
        {"[nodes]\ncount = 30\n[tunnels]\nrelays = 40\n", ":2: count is 30"},
        {"[lookups]\nkeys = 0\n[adversary]\ndoes = crowd\n", ":4: crowd takes"},
        {"[network]\nplaces = x.csv\n", ":2: places need regions"},
        {"[adversary]\nrelays = 5\n", ":2: there are no tunnels to attack"},
        {"[nodes]\nboth = 5%\n[habits]\nshare = 30%\n",
         ":4: share has no habits"},
        {"[nodes]\ndialect = mainline\n[habits]\nhas = basic\n",
         ":4: nobody has these habits"},
        {"[habits]\nshare = 0%\nhas = basic\n", ":3: nobody has these"},
        {"[habits]\nshare = 30%\nhas = basic\n",
         ":2: habits are of nodes of the mainline DHT"},
    };
    struct text errors;
    struct scenario s;

    (void)state;
    text_init(&errors, ERRORS);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        text_clear(&errors);
        assert_int_equal(load(rows[i].text, NULL, 0, &s, &errors), ERR_SYNTAX);
        if (strstr(text_get(&errors), rows[i].told) == NULL)
            fail_msg("'%s' is not told in:\n%s", rows[i].told,
                     text_get(&errors));
    }
    text_deinit(&errors);
}

/* Where they do nothing because the command line says so, it is a point that
 * others are compared with. */
static void test_scenario_compares_habits(void **state)
{
    static const struct {
        const char *text, *name, *value;
    } rows[] = {
        {"[nodes]\ndialect = mainline\n[habits]\nhas = basic\n", "habits.share",
         "0%"},
        {"[nodes]\nboth = 5%\n[habits]\nshare = 30%\n", "habits.has", ""},
        {"[nodes]\ndialect = mainline\n[habits]\nshare = 1%\nhas = basic\n",
         "nodes.dialect", "warren"},
        {"[nodes]\nboth = 5%\n[habits]\nshare = 30%\nhas = basic\n",
         "nodes.both", "0%"},
    };
    struct text errors;
    struct scenario s;

    (void)state;
    text_init(&errors, ERRORS);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct scenario_override o = {rows[i].name, rows[i].value,
                                            "--sweep"};

        if (load(rows[i].text, &o, 1, &s, &errors) != OK)
            fail_msg("%s", text_get(&errors));
    }
    text_deinit(&errors);
}

/* What is printed is read again, and means the same. */
static void test_scenario_prints_what_it_reads(void **state)
{
    struct text defaults, values, again;
    struct scenario s;
    char *commented;

    (void)state;
    text_init(&defaults, 65536);
    text_init(&values, 65536);
    text_init(&again, 65536);
    scenario_init(&s);
    scenario_print_values(&s, NULL, &values);
    assert_non_null(strstr(text_get(&values), "nodes.count = 1000\n"));
    assert_null(strstr(text_get(&values), "run.seed"));
    scenario_print_defaults(NULL, &defaults);
    commented = strdup(text_get(&defaults));
    for (char *c = commented; (c = strstr(c, "\n#")) != NULL;) {
        if (c[2] != ' ')
            memmove(c + 1, c + 2, strlen(c + 2) + 1);
        else
            c++;
    }
    if (load(commented, NULL, 0, &s, &again) != OK)
        fail_msg("%s", text_get(&again));
    text_clear(&again);
    scenario_print_values(&s, NULL, &again);
    assert_string_equal(text_get(&values), text_get(&again));
    free(commented);
    text_deinit(&defaults);
    text_deinit(&values);
    text_deinit(&again);
}

static void test_scenario_no_file(void **state)
{
    struct text errors;
    struct scenario s;

    (void)state;
    text_init(&errors, ERRORS);
    assert_int_equal(
        scenario_load("/nonexistent/x.ini", NULL, NULL, 0, &s, &errors),
        ERR_IO);
    assert_string_equal(text_get(&errors),
                        "/nonexistent/x.ini: No such file or directory\n");
    text_deinit(&errors);
}

static void test_scenario_hash(void **state)
{
    char a[SCENARIO_HASH_SIZE], b[SCENARIO_HASH_SIZE];
    const char *csv = file_of("1,2\n");
    struct text why;
    struct scenario s;

    (void)state;
    text_init(&why, ERRORS);
    scenario_init(&s);
    assert_int_equal(scenario_hash(&s, "x", a, &why), OK);
    assert_int_equal(scenario_hash(&s, "y", b, &why), OK);
    assert_string_not_equal(a, b);
    snprintf(s.nodes.trace, sizeof(s.nodes.trace), "%s", strrchr(csv, '/') + 1);
    assert_int_equal(scenario_resolve(&s, "/tmp/x.ini"), OK);
    assert_string_equal(s.nodes.trace, csv);
    assert_int_equal(scenario_hash(&s, "x", b, &why), OK);
    assert_string_not_equal(a, b);
    file_of("1,3\n"); /* another file, another experiment */
    assert_int_equal(scenario_hash(&s, "x", a, &why), OK);
    assert_string_not_equal(a, b);
    unlink(csv);
    assert_int_equal(scenario_hash(&s, "x", a, &why), ERR_IO);
    assert_non_null(strstr(text_get(&why), "No such file"));
    text_deinit(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenario_defaults),
        cmocka_unit_test(test_scenario_reads_all_kinds),
        cmocka_unit_test(test_scenario_names_every_mistake),
        cmocka_unit_test(test_scenario_checks_what_goes_together),
        cmocka_unit_test(test_scenario_compares_habits),
        cmocka_unit_test(test_scenario_prints_what_it_reads),
        cmocka_unit_test(test_scenario_no_file),
        cmocka_unit_test(test_scenario_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
