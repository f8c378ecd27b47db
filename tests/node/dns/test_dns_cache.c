/* SPDX-License-Identifier: MIT */
#include "node/dns/dns_cache.h"

#include "fail_alloc.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW (100 * TIME_S)

static struct test_random source;
static struct dns_cache cache;

static void fill(void *ctx, void *buf, size_t len)
{
    test_random_fill(ctx, buf, len);
}

static int setup(void **state)
{
    struct random_source random = {.ctx = &source, .fill = fill};

    (void)state;
    source = test_seed(7);
    dns_cache_init(&cache, 4, &random);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dns_cache_deinit(&cache);
    return 0;
}

static void add(const char *key, uint8_t last, uint32_t ttl, uint64_t now)
{
    struct dns_known known = {
        .ttl = ttl, .addrs = {{.addr = {1, 2, 3, last}}}, .count = 1};

    dns_cache_add(&cache, key, &known, now);
}

static bool has(const char *key, uint8_t last, uint32_t ttl, uint64_t now)
{
    struct dns_known known;

    return dns_cache_find(&cache, key, now, &known) &&
           known.addrs[0].addr[3] == last && known.ttl == ttl;
}

static void test_dns_cache_keeps_for_the_ttl(void **state)
{
    (void)state;
    add("a.example", 1, 60, NOW);
    assert_true(has("a.example", 1, 60, NOW));
    assert_false(has("b.example", 1, 60, NOW));
    assert_true(has("a.example", 1, 20, NOW + 40 * TIME_S));
    assert_true(has("a.example", 1, 1, NOW + 59 * TIME_S));
    assert_false(has("a.example", 1, 0, NOW + 60 * TIME_S));
    assert_int_equal(cache.entries.count, 0);
    add("a.example", 2, 60, NOW);
    add("a.example", 3, 30, NOW);
    assert_true(has("a.example", 3, 30, NOW));
    assert_int_equal(cache.entries.count, 1);
}

static void test_dns_cache_bounds_the_ttl(void **state)
{
    (void)state;
    add("a.example", 1, 0, NOW);
    add("b.example", 2, UINT32_MAX, NOW);
    assert_true(has("a.example", 1, DNS_TTL_MIN, NOW));
    assert_true(has("b.example", 2, DNS_TTL_MAX, NOW));
}

/* The one not used for longest makes room. */
static void test_dns_cache_has_a_cap(void **state)
{
    (void)state;
    add("a", 1, 60, NOW);
    add("b", 2, 60, NOW);
    add("c", 3, 60, NOW);
    add("d", 4, 60, NOW);
    assert_true(has("a", 1, 60, NOW));
    add("e", 5, 60, NOW);
    assert_int_equal(cache.entries.count, 4);
    assert_true(has("a", 1, 60, NOW));
    assert_false(has("b", 2, 60, NOW));
    assert_true(has("e", 5, 60, NOW));
}

static void test_dns_cache_without_memory(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 4; n++) {
        fail_alloc_at(n);
        add("a", 1, 60, NOW);
        if (!fail_alloc_end())
            break;
        assert_false(has("a", 1, 60, NOW));
    }
    assert_true(has("a", 1, 60, NOW));
}

/* Exits lie: nothing of this machine's networks, and no bytes but a host's. */
static void test_dns_known_leaves_out_what_is_local(void **state)
{
    static const char *const addrs[] = {"127.0.0.1",   "192.168.1.1",
                                        "169.254.0.1", "8.8.8.8",
                                        "::1",         "2a00:1450::1"};
    struct stream_answer a = {.ttl = 0, .address_count = COUNT_OF(addrs)};
    struct dns_known known;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(addrs); i++)
        assert_int_equal(endpoint_parse_addr(addrs[i], &a.address[i]), OK);
    assert_true(dns_known_take(&known, &a, false, false));
    assert_int_equal(known.count, 2);
    assert_true(endpoint_equal(&known.addrs[0], &a.address[3]));
    assert_true(endpoint_equal(&known.addrs[1], &a.address[5]));
    assert_int_equal(known.ttl, DNS_TTL_MIN);
    assert_true(dns_known_take(&known, &a, false, true));
    assert_int_equal(known.count, COUNT_OF(addrs));
    a.address_count = 3;
    assert_false(dns_known_take(&known, &a, false, false));
    a.name = bytes_of_text("host.example");
    assert_true(dns_known_take(&known, &a, true, false));
    assert_string_equal(known.name, "host.example");
    a.name = bytes_of_text("host example");
    assert_false(dns_known_take(&known, &a, true, false));
    a.name = bytes_of_text("");
    assert_false(dns_known_take(&known, &a, true, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dns_known_leaves_out_what_is_local),
        cmocka_unit_test_setup_teardown(test_dns_cache_keeps_for_the_ttl, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_dns_cache_bounds_the_ttl, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_dns_cache_has_a_cap, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_dns_cache_without_memory, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
