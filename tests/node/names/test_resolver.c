/* SPDX-License-Identifier: MIT
 *
 * Names, asked of servers in this process.
 */
#include "node/names/resolver.h"

#include "fail_alloc.h"
#include "name_server.h"
#include "node/os/clock.h"

#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const bool ipv4[FAMILIES] = {[FAMILY_IPV4] = true};
static const bool both[FAMILIES] = {true, true};

static struct event_base *base;
static struct resolver *resolver;
static struct name_server first, second;

static unsigned told;
static struct dns_answer answer;

static void on_answer(void *arg, const struct dns_answer *a)
{
    (void)arg;
    told++;
    answer = *a;
}

static int setup(void **state)
{
    struct dns_place servers[2] = {{.zone = 0}};

    (void)state;
    told = 0;
    base = event_base_new();
    resolver = resolver_new(base);
    name_server_open(&first, base, 1);
    name_server_open(&second, base, 2);
    servers[0].ep = first.at;
    servers[1].ep = second.at;
    resolver_set_servers(resolver, servers, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    resolver_free(resolver);
    name_server_close(&first);
    name_server_close(&second);
    event_base_free(base);
    return 0;
}

static void run_until(unsigned count, uint64_t limit)
{
    uint64_t begun = clock_now();

    while (told < count && time_since(begun, clock_now()) < limit) {
        struct timeval tv = {.tv_usec = 10000};

        event_base_loopexit(base, &tv);
        event_base_dispatch(base);
    }
    assert_int_equal(told, count);
}

static enum dns_result ask(const char *name, const bool families[FAMILIES])
{
    unsigned before = told;

    assert_non_null(resolver_ask(resolver, name, families, on_answer, NULL));
    assert_int_equal(told, before); /* never at once */
    run_until(before + 1, 20 * TIME_S);
    return answer.result;
}

static void test_resolver_finds_both_families(void **state)
{
    (void)state;
    assert_int_equal(ask("both.example", both), DNS_FOUND);
    assert_int_equal(answer.count, 2);
    assert_int_not_equal(answer.addrs[0].family, answer.addrs[1].family);
    assert_true(answer.ttl == 60 * TIME_S);
    assert_int_equal(ask("both.example", ipv4), DNS_FOUND);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.addrs[0].family, FAMILY_IPV4);
    assert_int_equal(ask("two.example", both), DNS_FOUND);
    assert_int_equal(answer.count, 2);
    assert_memory_equal(answer.addrs[1].addr, "\xc0\x00\x02\x02", 4);
    assert_int_equal(second.asked, 0);
}

/* Who can reach one family only may need the other's. */
static void test_resolver_many_of_one_family_leave_room(void **state)
{
    unsigned count[FAMILIES] = {0};

    (void)state;
    assert_int_equal(ask("many.example", both), DNS_FOUND);
    for (size_t i = 0; i < answer.count; i++)
        count[answer.addrs[i].family]++;
    assert_int_equal(count[FAMILY_IPV4], DNS_ADDRESSES);
    assert_int_equal(count[FAMILY_IPV6], 1);
    assert_int_not_equal(answer.addrs[0].family, answer.addrs[1].family);
}

static void test_resolver_says_why_not(void **state)
{
    (void)state;
    assert_int_equal(ask("missing.example", both), DNS_NO_NAME);
    assert_int_equal(ask("empty.example", both), DNS_NO_ADDRESS);
    assert_int_equal(second.asked, 0);
    /* These may be one server's fault: the other is asked. */
    assert_int_equal(ask("failing.example", ipv4), DNS_FAILED);
    assert_int_equal(second.asked, 1);
    assert_int_equal(ask("refused.example", ipv4), DNS_REFUSED);
    assert_int_equal(second.asked, 2);
    for (int a = DNS_NO_NAME; a <= DNS_USELESS; a++)
        for (int b = DNS_NO_NAME; b < a; b++)
            assert_string_not_equal(dns_result_text((enum dns_result)a),
                                    dns_result_text((enum dns_result)b));
}

static enum dns_result ask_reverse(const char *address)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse_addr(address, &ep), OK);
    assert_non_null(resolver_ask_reverse(resolver, &ep, on_answer, NULL));
    run_until(told + 1, 20 * TIME_S);
    return answer.result;
}

static void test_resolver_finds_names_of_addresses(void **state)
{
    (void)state;
    assert_int_equal(ask_reverse("192.0.2.1"), DNS_FOUND);
    assert_string_equal(answer.name, "one.example");
    assert_int_equal(answer.count, 0);
    assert_true(answer.ttl == DNS_REVERSE_TTL);
    assert_int_equal(strcasecmp(first.name, "1.2.0.192.in-addr.arpa"), 0);
    assert_int_equal(ask_reverse("198.51.100.2"), DNS_FOUND);
    assert_string_equal(answer.name, "one.example");
    assert_int_equal(ask_reverse("2001:db8::ab:cd:1"), DNS_FOUND);
    assert_string_equal(answer.name, "one.example");
    assert_int_equal(strcasecmp(first.name, "1.0.0.0.d.c.0.0.b.a.0.0.0.0.0.0."
                                            "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
                                            "ip6.arpa"),
                     0);
    assert_int_equal(ask_reverse("192.0.2.3"), DNS_NO_ADDRESS);
    assert_int_equal(ask_reverse("192.0.2.9"), DNS_NO_NAME);
    assert_int_equal(second.asked, 0);
    /* A dead server is passed by. */
    first.mute = true;
    assert_int_equal(ask_reverse("192.0.2.1"), DNS_FOUND);
    assert_int_equal(second.asked, 1);
}

static void test_resolver_asks_again_by_tcp(void **state)
{
    (void)state;
    assert_int_equal(ask("long.example", ipv4), DNS_FOUND);
    assert_int_equal(first.by_tcp, 1);
    assert_int_equal(answer.count, DNS_ADDRESSES);
}

/* A dead server costs its time-out once, and not the name. */
static void test_resolver_passes_by_a_dead_server(void **state)
{
    uint64_t begun = clock_now();

    (void)state;
    first.mute = true;
    assert_int_equal(ask("two.example", ipv4), DNS_FOUND);
    assert_in_range(time_since(begun, clock_now()), RESOLVER_TIMEOUT,
                    2 * RESOLVER_TIMEOUT);
    begun = clock_now();
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(ask("two.example", ipv4), DNS_FOUND);
    assert_in_range(time_since(begun, clock_now()), 0, RESOLVER_TIMEOUT / 2);
    assert_int_equal(first.asked, 1);
}

/* Whoever owns a silent zone makes no server look dead. */
static void
test_resolver_silent_zones_are_not_held_against_servers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_non_null(
            resolver_ask(resolver, "silent.example", ipv4, on_answer, NULL));
    assert_int_equal(ask("two.example", ipv4), DNS_FOUND);
    run_until(6, 20 * TIME_S);
    assert_int_equal(answer.result, DNS_SILENT);
    assert_int_equal(second.asked, 10);
    assert_int_equal(ask("two.example", ipv4), DNS_FOUND);
    assert_int_equal(second.asked, 10);
}

/* Nothing that somebody off the path would have to guess is the same twice. */
static void test_resolver_questions_are_hard_to_guess(void **state)
{
    enum { COUNT = 32 };
    unsigned same_port = 0, same_name = 0;

    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        assert_non_null(resolver_ask(resolver, "two.long-name-here.example",
                                     ipv4, on_answer, NULL));
    run_until(COUNT, 10 * TIME_S);
    assert_int_equal(first.asked, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        for (unsigned k = 0; k < i; k++) {
            same_port += first.ports[i] == first.ports[k];
            same_name += strcmp(first.names[i], first.names[k]) == 0;
        }
    assert_int_equal(same_port, 0);
    assert_in_range(same_name, 0, 1); /* of 496 pairs, one in 2^23 each */
}

static void test_resolver_takes_no_answer_about_another_name(void **state)
{
    (void)state;
    assert_int_equal(ask("other.example", ipv4), DNS_USELESS);
    assert_int_equal(answer.count, 0);
}

static void test_resolver_new_servers_are_asked_instead(void **state)
{
    (void)state;
    first.mute = true;
    assert_non_null(
        resolver_ask(resolver, "two.example", ipv4, on_answer, NULL));
    resolver_set_servers(resolver, &(struct dns_place){.ep = second.at}, 1);
    run_until(1, TIME_S);
    assert_int_equal(answer.result, DNS_FOUND);
    resolver_set_servers(resolver, NULL, 0);
    assert_int_equal(ask("two.example", ipv4), DNS_SILENT);
}

static void test_resolver_nobody_listens(void **state)
{
    struct endpoint nobody = {
        .family = FAMILY_IPV4, .port = 9, .addr = {127, 0, 0, 1}};

    (void)state;
    resolver_set_servers(resolver, &(struct dns_place){.ep = nobody}, 1);
    assert_int_equal(ask("two.example", both), DNS_SILENT);
}

static void test_resolver_can_go_while_it_asks(void **state)
{
    struct resolution *x;

    (void)state;
    x = resolver_ask(resolver, "silent.example", both, on_answer, NULL);
    resolver_ask(resolver, "silent.example", both, on_answer, NULL);
    event_base_loop(base, EVLOOP_NONBLOCK);
    resolver_cancel(x);
    resolver_free(resolver);
    resolver = resolver_new(base);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(told, 0);
}

/* Each allocation fails once: the name is found, or it is said that it is not,
 * and nothing is left behind. */
static void test_resolver_works_without_memory(void **state)
{
    struct resolv_conf conf = {.ndots = 1};
    bool has_failed = true;

    (void)state;
    resolver_set_servers(resolver, &(struct dns_place){.ep = first.at}, 1);
    for (unsigned n = 1; has_failed; n++) {
        unsigned before = told;
        struct resolution *x;

        fail_alloc_at(n);
        x = resolver_ask_as_local(resolver, &conf, "two.example", both,
                                  on_answer, NULL);
        if (x != NULL)
            for (unsigned i = 0; i < 20 && told == before; i++)
                event_base_loop(base, EVLOOP_NONBLOCK);
        has_failed = fail_alloc_end();
        if (x != NULL && told == before)
            resolver_cancel(x); /* its socket is not watched */
        assert_true(x == NULL || n > 1);
        assert_true(n < 100);
    }
    assert_int_equal(ask("two.example", both), DNS_FOUND);
}

static void test_resolver_looks_like_programs_do(void **state)
{
    struct resolv_conf conf = {.ndots = 1,
                               .domain_count = 2,
                               .domains = {"nothing.example", "example"}};

    (void)state;
    assert_non_null(resolver_ask_as_local(resolver, &conf, "localhost", ipv4,
                                          on_answer, NULL));
    assert_int_equal(told, 0);
    run_until(1, TIME_S);
    assert_int_equal(answer.result, DNS_FOUND);
    assert_int_equal(answer.addrs[0].addr[0], 127);
    assert_int_equal(first.asked, 0);
    /* no name, no name, then as it is */
    resolver_ask_as_local(resolver, &conf, "missing", ipv4, on_answer, NULL);
    run_until(2, TIME_S);
    assert_int_equal(first.asked, 3);
    assert_int_equal(strcasecmp(first.name, "missing"), 0);
    /* a name with a dot as it is, and the first that there is */
    resolver_ask_as_local(resolver, &conf, "empty.host", ipv4, on_answer, NULL);
    run_until(3, TIME_S);
    assert_int_equal(strcasecmp(first.names[3], "empty.host"), 0);
    assert_int_equal(first.asked, 6);
    resolver_ask_as_local(resolver, &conf, "missing.", ipv4, on_answer, NULL);
    run_until(4, TIME_S);
    assert_int_equal(first.asked, 7);
}

static void test_resolv_conf_is_read(void **state)
{
    char path[] = "/tmp/warren-resolv-XXXXXX";
    struct resolv_conf conf;
    FILE *file = fdopen(mkstemp(path), "w");

    (void)state;
    fputs("# nameserver 192.0.2.9\nnameserver 192.0.2.1\n"
          "  nameserver\t2001:db8::1 \nnameserver fe80::1%nowhere\n"
          "nameserver fe80::1%lo\nnameserver fe80::2%1\n"
          "nameserver 2001:db8::2%lo\nnameserver 192.0.2.2%lo\n"
          "nameserver fe80::3%\nnameserver fe80::4%1x\nnameserver %lo\n"
          "nameserver\nnameserver nobody\nsearch a.example.  b.example . ..\n"
          "options rotate ndots:3\n",
          file);
    fclose(file);
    resolv_conf_read(path, &conf);
    assert_true(!conf.assumed && conf.passed_over);
    assert_int_equal(conf.server_count, 4);
    assert_int_equal(conf.servers[1].zone, 0);
    assert_int_equal(conf.servers[2].zone, if_nametoindex("lo"));
    assert_int_equal(conf.servers[2].ep.addr[0], 0xfe);
    assert_int_equal(conf.servers[2].ep.port, 53);
    assert_int_equal(conf.servers[3].zone, 1);
    assert_int_equal(conf.servers[0].ep.addr[3], 1);
    assert_int_equal(conf.servers[0].ep.port, 53);
    assert_int_equal(conf.servers[1].ep.family, FAMILY_IPV6);
    assert_int_equal(conf.domain_count, 2);
    assert_string_equal(conf.domains[0], "a.example");
    assert_string_equal(conf.domains[1], "b.example");
    assert_int_equal(conf.ndots, 3);
    unlink(path);
    resolv_conf_read(path, &conf);
    assert_true(conf.assumed && !conf.passed_over);
    assert_int_equal(conf.server_count, 1);
    assert_true(endpoint_is_loopback(&conf.servers[0].ep));
    assert_int_equal(conf.ndots, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_resolver_finds_both_families),
        TEST(test_resolver_many_of_one_family_leave_room),
        TEST(test_resolver_says_why_not),
        TEST(test_resolver_finds_names_of_addresses),
        TEST(test_resolver_asks_again_by_tcp),
        TEST(test_resolver_passes_by_a_dead_server),
        TEST(test_resolver_silent_zones_are_not_held_against_servers),
        TEST(test_resolver_questions_are_hard_to_guess),
        TEST(test_resolver_takes_no_answer_about_another_name),
        TEST(test_resolver_new_servers_are_asked_instead),
        TEST(test_resolver_nobody_listens),
        TEST(test_resolver_can_go_while_it_asks),
        TEST(test_resolver_works_without_memory),
        TEST(test_resolver_looks_like_programs_do),
        cmocka_unit_test(test_resolv_conf_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
