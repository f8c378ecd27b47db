/* SPDX-License-Identifier: MIT */
#include "node/monitor/proxy_metrics.h"

#include "node/dns/dns_server.h"
#include "node/socks/socks_udp.h"
#include "testing.h"
#include "tunnel/traffic/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static char page[16 * 1024];

static void write_page(const struct proxy_sources *from)
{
    struct metrics m;
    struct text out;

    text_init(&out, sizeof(page) - 1);
    metrics_init(&m, &out);
    proxy_metrics_write(from, &m);
    assert_false(out.truncated);
    memcpy(page, text_get(&out), out.len + 1);
    text_deinit(&out);
}

static unsigned lines_with(uint64_t number)
{
    char end[32];
    unsigned count = 0;

    snprintf(end, sizeof(end), " %llu\n", (unsigned long long)number);
    for (const char *at = page; (at = strstr(at, end)) != NULL; at++)
        count++;
    return count;
}

static void check_each(const struct proxy_sources *from, uint64_t *counters,
                       size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(*counters); i++) {
        counters[i] = 987654321;
        write_page(from);
        if (lines_with(counters[i]) != 1)
            fail_msg("counter %zu is in %u lines", i, lines_with(counters[i]));
        counters[i] = 0;
    }
}

static void test_proxy_metrics_have_every_counter(void **state)
{
    struct flow_stats flows = {0};
    struct socks_udp_counters socks = {0};
    struct dns_server_counters dns = {0};
    struct proxy_sources from = {.flows = &flows, .socks = &socks, .dns = &dns};

    (void)state;
    check_each(&from, (uint64_t *)&flows, offsetof(struct flow_stats, flows));
    check_each(&from, (uint64_t *)&socks, sizeof(socks));
    check_each(&from, (uint64_t *)&dns, sizeof(dns));
    flows.waiting = 101;
    from.associations = 102;
    from.lookups = 103;
    from.private_ones = 104;
    write_page(&from);
    assert_int_equal(lines_with(101), 1);
    assert_int_equal(lines_with(102), 1);
    assert_int_equal(lines_with(103), 1);
    assert_int_equal(lines_with(104), 1);
}

/* A node whose proxy is off has the same families. */
static void test_proxy_metrics_of_nothing_are_zeros(void **state)
{
    const struct proxy_sources none = {0};

    (void)state;
    write_page(&none);
    assert_non_null(strstr(page, "warren_socks_associations 0\n"));
    assert_non_null(strstr(page, "warren_flow_sent_total 0\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proxy_metrics_have_every_counter),
        cmocka_unit_test(test_proxy_metrics_of_nothing_are_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
