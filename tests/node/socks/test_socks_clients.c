/* SPDX-License-Identifier: MIT */
#include "node/socks/socks_clients.h"

#include "fail_alloc.h"
#include "testing.h"
#include "wide_sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MAX        40
#define PER_SOURCE 10

static struct socks_clients clients;
static struct socks_client all[4 * MAX];
static size_t used;
static struct test_random seed = {1};

static void fill(void *ctx, void *buf, size_t len)
{
    test_random_fill(ctx, buf, len);
}

static const struct random_source source_of_test = {&seed, fill};

static int setup(void **state)
{
    (void)state;
    used = 0;
    socks_clients_init(&clients, MAX, PER_SOURCE, &source_of_test);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    socks_clients_deinit(&clients);
    return 0;
}

static struct endpoint at(const char *text)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse(text, &ep), OK);
    return ep;
}

/* As a listener does; NULL when there is no room. */
static struct socks_client *come(const struct endpoint *from, uint64_t now)
{
    struct socks_client *victim, *client = &all[used];

    if (!socks_clients_find(&clients, from, now, &victim))
        return NULL;
    if (victim != NULL)
        socks_clients_remove(&clients, victim);
    assert_int_equal(socks_clients_add(&clients, client, from, now), OK);
    assert_true(clients.count <= MAX);
    used++;
    return client;
}

/* From 10.0.N.1: private, so that each is a source of its own. */
static struct endpoint host(unsigned n)
{
    return (struct endpoint){.addr = {10, 0, (uint8_t)n, 1}, .port = 1};
}

static void test_socks_clients_of_a_source(void **state)
{
    const struct endpoint greedy = at("127.0.0.1:1"), other = at("127.0.0.2:1");

    (void)state;
    for (int i = 0; i < PER_SOURCE; i++)
        assert_non_null(come(&greedy, 1));
    assert_null(come(&greedy, 1));
    assert_null(come(&greedy, TIME_HOUR));
    assert_non_null(come(&other, 1));
    socks_clients_remove(&clients, &all[0]);
    assert_non_null(come(&greedy, 1));
    assert_null(come(&greedy, 1));
}

/* Who has many addresses has what he may have at each width. */
static void test_socks_clients_of_wide_sources(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wide_sources); i++) {
        struct endpoint from = at(wide_sources[i].first);
        struct endpoint other = at("9.9.9.9:1");
        unsigned most = wide_sources[i].hosts * PER_SOURCE, n = 0;

        setup(state);
        most = most > MAX / 2 ? MAX / 2 : most;
        while (n < MAX && come(&from, 1) != NULL) {
            from.addr[wide_sources[i].byte]++;
            n++;
        }
        assert_int_equal(n, most);
        assert_non_null(come(&other, 1));
        teardown(state);
    }
    setup(state);
}

static void fill_up(uint64_t now)
{
    for (unsigned i = 0; i < MAX; i++) {
        struct endpoint from = host(i % 10);

        assert_non_null(come(&from, now));
    }
}

/* With all places taken, who has not said what he wants makes way, the oldest
 * first; not at once, and never who has. */
static void test_socks_clients_make_way(void **state)
{
    const struct endpoint newcomer = at("127.0.0.1:1");

    (void)state;
    for (unsigned i = 0; i < MAX; i++) {
        struct endpoint from = host(i);

        assert_non_null(come(&from, 1 + i));
        if (i % 2 == 0)
            socks_clients_asked(&clients, &all[i]);
    }
    assert_null(come(&newcomer, 1 + SOCKS_CLIENT_GRACE));
    for (unsigned i = 1; i < MAX; i += 2) {
        uint64_t now = 1 + i + SOCKS_CLIENT_GRACE;
        struct endpoint from = host(100 + i);
        struct socks_client *victim;

        assert_true(socks_clients_find(&clients, &from, now, &victim));
        assert_ptr_equal(victim, &all[i]);
        assert_non_null(come(&from, now));
    }
}

static void test_socks_clients_who_asked_stays(void **state)
{
    const struct endpoint newcomer = at("127.0.0.1:1");

    (void)state;
    fill_up(1);
    for (unsigned i = 0; i < MAX; i++)
        socks_clients_asked(&clients, &all[i]);
    assert_null(come(&newcomer, TIME_HOUR));
    socks_clients_remove(&clients, &all[7]);
    assert_non_null(come(&newcomer, TIME_HOUR));
    assert_null(come(&newcomer, TIME_HOUR));
}

/* Somebody opens connections and says nothing: at once, and in a crowd. */
static void test_socks_clients_of_the_silent_make_way(void **state)
{
    const struct endpoint honest = at("127.0.0.1:1");
    struct socks_client *client;

    (void)state;
    fill_up(1);
    client = come(&honest, 2);
    assert_non_null(client);
    socks_clients_asked(&clients, client);
    for (unsigned i = 0; i < MAX; i++) {
        struct endpoint from = host(i % 10);

        come(&from, 2 * SOCKS_CLIENT_GRACE);
        assert_int_equal(client->at, SIZE_MAX);
    }
}

/* Whichever allocation fails, nothing is counted. */
static void test_socks_clients_without_memory(void **state)
{
    const struct endpoint from = at("8.8.8.8:1");
    bool failed = true;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        enum error e;

        fail_alloc_at(n);
        e = socks_clients_add(&clients, &all[0], &from, 1);
        failed = fail_alloc_end();
        assert_int_equal(e, failed ? ERR_NO_MEMORY : OK);
        assert_int_equal(clients.count, failed ? 0 : 1);
        assert_int_equal(clients.unasked_count, clients.count);
    }
}

static void test_socks_clients_random(void **state)
{
    struct test_random r = test_seed(3);
    struct socks_client *here[MAX];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct endpoint from = host(test_random_below(&r, 20));
        struct socks_client *victim;
        uint64_t now = (uint64_t)i * TIME_MS;

        if (n > 0 && test_random_below(&r, 2) == 0) {
            size_t k = test_random_below(&r, (uint32_t)n);

            if (test_random_below(&r, 2) == 0) {
                socks_clients_asked(&clients, here[k]);
                socks_clients_asked(&clients, here[k]);
            } else {
                socks_clients_remove(&clients, here[k]);
                free(here[k]);
                here[k] = here[--n];
            }
        } else if (socks_clients_find(&clients, &from, now, &victim)) {
            for (size_t k = 0; victim != NULL && k < n; k++) {
                if (here[k] == victim) {
                    assert_int_not_equal(victim->at, SIZE_MAX);
                    socks_clients_remove(&clients, victim);
                    free(victim);
                    here[k] = here[--n];
                    victim = NULL;
                }
            }
            assert_null(victim);
            here[n] = malloc(sizeof(*here[n]));
            assert_non_null(here[n]);
            assert_int_equal(socks_clients_add(&clients, here[n++], &from, now),
                             OK);
        }
        assert_int_equal(clients.count, n);
        assert_true(n <= MAX);
    }
    while (n > 0) {
        socks_clients_remove(&clients, here[--n]);
        free(here[n]);
    }
    assert_int_equal(clients.unasked_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_socks_clients_of_a_source, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_socks_clients_of_wide_sources,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_socks_clients_make_way, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_socks_clients_who_asked_stays,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_socks_clients_of_the_silent_make_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socks_clients_without_memory,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_socks_clients_random, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
