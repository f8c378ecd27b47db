/* SPDX-License-Identifier: MIT */
#include "node/monitor/stream_metrics.h"

#include "node/service/stream_ports.h"
#include "node/socks/socks_server.h"
#include "testing.h"
#include "tunnel/outlet/outlet.h"
#include "tunnel/traffic/carrier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Each counter has a number of its own, so that each is looked for. */
struct all {
    struct carrier_stats carrier;
    struct stream_stats own;
    struct outlet_stats outlet;
    struct socks_counters socks;
    struct stream_ports_counters ports;
};

static char page[64 * 1024];

static void write_page(const struct stream_sources *from)
{
    struct metrics m;
    struct text out;

    text_init(&out, sizeof(page) - 1);
    metrics_init(&m, &out);
    stream_metrics_write(from, &m);
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

/* Sets the counter to a number that no other has, and looks for it. */
static void check(const struct stream_sources *from, uint64_t *counter,
                  const char *what)
{
    *counter = 987654321;
    write_page(from);
    if (lines_with(*counter) != 1)
        fail_msg("%s is in %u lines", what, lines_with(*counter));
    *counter = 0;
}

static void check_each(const struct stream_sources *from, uint64_t *counters,
                       size_t bytes, const char *what)
{
    for (size_t i = 0; i < bytes / sizeof(*counters); i++) {
        char text[64];

        snprintf(text, sizeof(text), "counter %zu of %s", i, what);
        check(from, &counters[i], text);
    }
}

/* Whatever of uint64_t a struct begins with. */
#define CHECK_UP_TO(from, s, member)  \
    check_each(from, (uint64_t *)(s), \
               (size_t)((const char *)&(s)->member - (const char *)(s)), #s)

static void test_stream_metrics_have_every_counter(void **state)
{
    struct all all = {0};
    struct stream_sources from = {.carrier = &all.carrier,
                                  .own = &all.own,
                                  .outlet = &all.outlet,
                                  .socks = &all.socks,
                                  .ports = &all.ports};

    (void)state;
    CHECK_UP_TO(&from, &all.carrier, calls);
    CHECK_UP_TO(&from, &all.own, memory);
    CHECK_UP_TO(&from, &all.outlet, circuits);
    CHECK_UP_TO(&from, &all.outlet.stream, memory);
    check_each(&from, (uint64_t *)&all.socks, sizeof(all.socks), "socks");
    CHECK_UP_TO(&from, &all.ports, now);
}

/* What there is now of each, in the order of the page. */
static void test_stream_metrics_have_what_there_is_now(void **state)
{
    struct all all = {
        .carrier = {.calls = 101, .trunks = 102, .visits = 103},
        .own = {.memory = 104, .connections = 105, .streams = 106},
        .outlet = {.circuits = 107,
                   .streams = 108,
                   .sockets = 109,
                   .connecting = 110,
                   .stream = {.memory = 111,
                              .connections = 112,
                              .streams = 113}},
        .ports = {.now = 114},
    };
    struct stream_sources from = {.carrier = &all.carrier,
                                  .own = &all.own,
                                  .outlet = &all.outlet,
                                  .socks = &all.socks,
                                  .socks_clients = 115,
                                  .ports = &all.ports};

    (void)state;
    write_page(&from);
    for (uint64_t n = 101; n <= 115; n++)
        assert_int_equal(lines_with(n), 1);
}

static void test_stream_metrics_tell_sides_and_reasons_apart(void **state)
{
    struct stream_stats own = {.bytes_in = 7};
    struct outlet_stats outlet = {.stream = {.bytes_in = 8}};
    struct stream_ports_counters ports = {.no_port = 9};
    struct stream_sources from = {
        .own = &own, .outlet = &outlet, .ports = &ports};

    (void)state;
    own.ended[STREAM_END_IDLE] = 10;
    outlet.stream.ended[STREAM_END_ROOM] = 11;
    write_page(&from);
    assert_non_null(
        strstr(page, "warren_stream_bytes_in_total{whose=\"own\"} 7\n"
                     "warren_stream_bytes_in_total{whose=\"others\"} 8\n"));
    assert_non_null(strstr(
        page, "warren_stream_ended_total{whose=\"own\",reason=\"idle\"} 10\n"));
    assert_non_null(strstr(
        page,
        "warren_stream_ended_total{whose=\"others\",reason=\"room\"} 11\n"));
    assert_non_null(strstr(
        page, "warren_services_streams_refused_total{reason=\"no_port\"} 9\n"));
}

/* A node that is no exit, or whose proxy is off, has the same families. */
static void test_stream_metrics_of_nothing_are_zeros(void **state)
{
    const struct stream_sources none = {0};

    (void)state;
    write_page(&none);
    assert_non_null(strstr(page, "warren_socks_clients 0\n"));
    assert_non_null(strstr(page, "warren_exit_tcp_sockets 0\n"));
    assert_non_null(strstr(page, "warren_stream_trunks 0\n"));
    for (const char *at = page; (at = strchr(at, '\n')) != NULL; at++)
        assert_true(at[-1] != ' ' && (at[-1] < '1' || at[-1] > '9'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_metrics_have_every_counter),
        cmocka_unit_test(test_stream_metrics_have_what_there_is_now),
        cmocka_unit_test(test_stream_metrics_tell_sides_and_reasons_apart),
        cmocka_unit_test(test_stream_metrics_of_nothing_are_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
