/* SPDX-License-Identifier: MIT
 *
 * Names for another purpose than a datagram: exit_lookup.
 */
#include "exit_fixture.h"

#include "tunnel/exit/name_cache.h"

static void assert_found(const struct world *w, uint64_t lookup,
                         const char *first, size_t count)
{
    struct endpoint ep;

    assert_int_equal(w->found_lookup, lookup);
    assert_int_equal(w->found_why, EXIT_SENT);
    assert_int_equal(w->found_count, count);
    assert_int_equal(endpoint_parse_addr(first, &ep), OK);
    assert_true(endpoint_equal(&w->found_addrs[0], &ep));
}

static void test_lookup_tells_all_addresses(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(look_up(&w, "Dns.Example.", 7, NOW), EXIT_SENT);
    assert_int_equal(w.found, 0);
    assert_string_equal(w.asked_name, "dns.example");
    world_answer(&w, w.question, "8.8.4.4 2606::1", 20 * TIME_S, NOW + 1);
    assert_int_equal(w.found, 1);
    assert_int_equal(w.found_by, TEST_CIRCUIT);
    assert_found(&w, 7, "8.8.4.4", 2);
    /* Whatever of its time has passed elsewhere. */
    assert_int_equal(w.found_ttl, NAME_TTL_MAX);
    assert_int_equal(w.sent, 0);
    /* From the cache, at once; which the datagrams of the circuit share. */
    assert_int_equal(look_up(&w, "dns.example", 8, NOW + 2), EXIT_SENT);
    assert_found(&w, 8, "8.8.4.4", 2);
    assert_int_equal(w.found_ttl, NAME_TTL_MAX);
    assert_int_equal(send_name_to(&w, "dns.example", NOW + 2), EXIT_SENT);
    assert_int_equal(w.sent, 1);
    assert_int_equal(w.asked, 1);
    assert_int_equal(stats_of(&w).lookups, 2);
    assert_int_equal(stats_of(&w).cache_hits, 2);
    world_end(&w);
}

static void test_lookup_of_an_address_is_itself(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(look_up(&w, "192.0.2.7", 1, NOW), EXIT_SENT);
    assert_found(&w, 1, "192.0.2.7", 1);
    assert_int_equal(look_up(&w, "[2001:db8::1]", 2, NOW), EXIT_SENT);
    assert_found(&w, 2, "2001:db8::1", 1);
    assert_int_equal(w.asked, 0);
    world_end(&w);
}

static void test_lookup_says_why_there_is_none(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(look_up(&w, "127.1", 1, NOW), REASON_PROTOCOL);
    assert_int_equal(look_up(&w, "a.warren", 2, NOW), REASON_RESOLVE);
    assert_int_equal(w.found, 0);
    assert_int_equal(look_up(&w, "none.example", 3, NOW), EXIT_SENT);
    world_answer(&w, w.question, "", TIME_MIN, NOW);
    assert_int_equal(w.found, 1);
    assert_int_equal(w.found_why, REASON_RESOLVE);
    assert_int_equal(w.found_count, 0);
    assert_int_equal(look_up(&w, "none.example", 4, NOW), REASON_RESOLVE);
    assert_int_equal(look_up(&w, "slow.example", 5, NOW), EXIT_SENT);
    exit_tick(w.exit, NOW + 10 * TIME_S);
    assert_int_equal(w.found, 2);
    assert_int_equal(w.found_lookup, 5);
    assert_int_equal(w.found_why, REASON_TIMEOUT);
    assert_int_equal(w.failed, 0);
    w.resolve_error = ERR_IO;
    assert_int_equal(look_up(&w, "b.example", 6, NOW), REASON_DNS);
    assert_int_equal(w.found, 2);
    assert_int_equal(stats_of(&w).refused[REASON_RESOLVE], 3);
    assert_int_equal(stats_of(&w).waiting, 0);
    world_end(&w);
}

static void test_lookup_tells_failures_apart(void **state)
{
    static const enum reason why[] = {REASON_NO_NAME, REASON_RESOLVE,
                                      REASON_DNS, REASON_TIMEOUT};
    char name[32];
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    for (unsigned i = 0; i < COUNT_OF(why); i++) {
        snprintf(name, sizeof(name), "n%u.example", i);
        assert_int_equal(look_up(&w, name, i, NOW), EXIT_SENT);
        assert_int_equal(send_name_to(&w, name, NOW), EXIT_SENT);
        world_answer_none(&w, w.question, why[i], NOW);
        assert_int_equal(w.found, i + 1);
        assert_int_equal(w.found_why, why[i]);
        assert_int_equal(w.failed_why, why[i]);
        /* which is known for a while */
        assert_int_equal(look_up(&w, name, i, NOW + 1), why[i]);
        assert_int_equal(w.asked, i + 1);
    }
    assert_int_equal(look_up(&w, name, 9, NOW + NAME_TTL_NONE + 1), EXIT_SENT);
    world_end(&w);
}

/* ---- Names of addresses ------------------------------------------------- */

static enum reason reverse(struct world *w, const char *address,
                           uint64_t lookup, uint64_t now)
{
    struct endpoint ep = test_ep(address);

    return exit_reverse(w->exit, w->circuit, &ep, lookup, now);
}

static void test_lookup_reverses(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(reverse(&w, "8.8.8.8:53", 1, NOW), EXIT_SENT);
    assert_string_equal(w.asked_name, "8.8.8.8");
    world_answer_name(&w, w.question, "Dns.Example.", NOW);
    assert_int_equal(w.found, 1);
    assert_int_equal(w.found_why, EXIT_SENT);
    assert_string_equal(w.found_name, "dns.example");
    assert_int_equal(w.found_ttl, NAME_TTL_MAX);
    /* From the cache, whatever the port. */
    assert_int_equal(reverse(&w, "8.8.8.8:1", 2, NOW), EXIT_SENT);
    assert_int_equal(w.found_lookup, 2);
    assert_string_equal(w.found_name, "dns.example");
    assert_int_equal(w.asked, 1);
    /* Its name in the DNS is another thing, and so is itself. */
    assert_int_equal(look_up(&w, "8.8.8.8.in-addr.arpa", 3, NOW), EXIT_SENT);
    assert_int_equal(w.asked, 2);
    assert_int_equal(look_up(&w, "8.8.8.8", 4, NOW), EXIT_SENT);
    assert_found(&w, 4, "8.8.8.8", 1);
    assert_int_equal(reverse(&w, "[2606::1]:1", 5, NOW), EXIT_SENT);
    world_answer_none(&w, w.question, REASON_NO_NAME, NOW);
    assert_int_equal(w.found_why, REASON_NO_NAME);
    assert_int_equal(stats_of(&w).reversals, 3);
    world_end(&w);
}

/* What is none that could be looked up is none. */
static void test_lookup_reverses_to_sound_names_only(void **state)
{
    static const char *const bad[] = {
        "",         "a/b.example",  "8.8.8.8", "localhost",
        "a.warren", "router.local", "a b",     "-a.example"};
    struct world w;
    char address[32];

    (void)state;
    world_init(&w);
    world_start(&w);
    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        snprintf(address, sizeof(address), "8.8.8.%u:1", i);
        assert_int_equal(reverse(&w, address, i, NOW), EXIT_SENT);
        world_answer_name(&w, w.question, bad[i], NOW);
        assert_int_equal(w.found, i + 1);
        assert_int_equal(w.found_why, REASON_RESOLVE);
        assert_string_equal(w.found_name, "");
    }
    world_end(&w);
}

static void test_lookup_reverses_nothing_of_our_own(void **state)
{
    static const char *const refused[] = {"10.0.0.1:1",
                                          "192.168.1.1:1",
                                          "127.0.0.1:1",
                                          "169.254.169.254:1",
                                          "100.64.0.1:1",
                                          "[fe80::1]:1",
                                          "[::1]:1",
                                          "[fd00::1]:1",
                                          "[2002:a00::]:1",
                                          "[64:ff9b::a00:1]:1",
                                          "[::ffff:10.0.0.1]:1",
                                          "9.9.9.1:1",
                                          "8.8.4.77:1"};
    struct endpoint own = test_ep("9.9.9.1:7881"), in = test_ep("8.8.4.4:1");
    struct policy_network near;
    struct world w;

    (void)state;
    world_init(&w);
    near = policy_network_of(&in, 24);
    assert_int_equal(policy_set_own(&w.policy, &own, 1), OK);
    assert_int_equal(policy_set_networks(&w.policy, &near, 1), OK);
    world_start(&w);
    for (unsigned i = 0; i < COUNT_OF(refused); i++)
        assert_int_equal(reverse(&w, refused[i], i, NOW), REASON_POLICY);
    assert_int_equal(w.asked, 0);
    world_end(&w);
    world_init(&w);
    w.policy.testing_network = true;
    world_start(&w);
    assert_int_equal(reverse(&w, "127.0.0.1:1", 1, NOW), EXIT_SENT);
    world_end(&w);
}

/* As of names: an address that another circuit has asked for is no sooner
 * known. */
static void test_lookup_reverses_as_late_as_the_first(void **state)
{
    static const uint64_t took = 31 * TIME_MS;
    struct endpoint ep = test_ep("8.8.8.8:1");
    struct exit_circuit *other;
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    other = world_circuit(&w, 2);
    assert_int_equal(reverse(&w, "8.8.8.8:1", 1, NOW), EXIT_SENT);
    world_answer_name(&w, w.question, "dns.example", NOW + took);
    assert_int_equal(exit_reverse(w.exit, other, &ep, 1, NOW + TIME_S),
                     EXIT_SENT);
    assert_int_equal(w.asked, 2);
    world_answer_name(&w, w.question, "dns.example", NOW + TIME_S + TIME_MS);
    assert_int_equal(w.found, 1);
    exit_tick(w.exit, NOW + TIME_S + took);
    assert_int_equal(w.found, 2);
    assert_int_equal(w.found_by, 2);
    exit_circuit_free(w.exit, other);
    world_end(&w);
}

/* A datagram and lookups wait for one question, and each gets its own. */
static void test_lookup_shares_a_question(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(look_up(&w, "a.example", 1, NOW), EXIT_SENT);
    assert_int_equal(send_name_to(&w, "a.example", NOW), EXIT_SENT);
    assert_int_equal(look_up(&w, "a.example", 2, NOW), EXIT_SENT);
    assert_int_equal(w.asked, 1);
    assert_int_equal(stats_of(&w).waiting, 3);
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, NOW);
    assert_int_equal(w.found, 2);
    assert_int_equal(w.sent, 1);
    assert_memory_equal(w.sent_bytes, "query", 5);
    assert_int_equal(stats_of(&w).waiting, 0);
    world_end(&w);
}

/* As for datagrams: what another circuit has asked shows in nothing. */
static void test_lookup_is_as_late_as_the_first(void **state)
{
    static const uint64_t took = 31 * TIME_MS;
    struct exit_circuit *other;
    uint64_t now = NOW;
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    other = world_circuit(&w, 2);
    assert_int_equal(look_up(&w, "a.example", 1, now), EXIT_SENT);
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, now + took);
    assert_int_equal(w.found, 1);
    now += TIME_S;
    assert_int_equal(
        exit_lookup(w.exit, other, TEST_BYTES("a.example"), 1, now), EXIT_SENT);
    assert_int_equal(w.asked, 2);
    world_answer(&w, w.question, "8.8.4.4", 7 * TIME_S, now + TIME_MS);
    exit_tick(w.exit, now + took - 1);
    assert_int_equal(w.found, 1);
    exit_tick(w.exit, now + took);
    assert_int_equal(w.found, 2);
    assert_int_equal(w.found_by, 2);
    assert_int_equal(w.found_ttl, NAME_TTL_MAX);
    exit_circuit_free(w.exit, other);
    world_end(&w);
}

static void test_lookup_is_cancelled(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    /* The only one: nobody asks any more. */
    assert_int_equal(look_up(&w, "a.example", 1, NOW), EXIT_SENT);
    exit_lookup_cancel(w.exit, w.circuit, 2);
    assert_int_equal(stats_of(&w).waiting, 1);
    exit_lookup_cancel(w.exit, w.circuit, 1);
    assert_int_equal(w.cancelled, 1);
    assert_int_equal(stats_of(&w).waiting, 0);
    assert_int_equal(stats_of(&w).open_questions, 0);
    /* One of several: the first, the last, and the one behind it. */
    for (uint64_t gone = 1; gone <= 3; gone++) {
        unsigned found = w.found;

        for (uint64_t i = 1; i <= 3; i++)
            assert_int_equal(look_up(&w, "b.example", i, NOW), EXIT_SENT);
        exit_lookup_cancel(w.exit, w.circuit, gone);
        exit_lookup_cancel(w.exit, w.circuit, gone);
        assert_int_equal(look_up(&w, "b.example", 4, NOW), EXIT_SENT);
        world_answer(&w, w.question, "", TIME_MIN, NOW);
        assert_int_equal(w.found, found + 3);
        assert_int_equal(w.found_lookup, 4);
        exit_circuit_free(w.exit, w.circuit); /* and its cached names */
        w.circuit = world_circuit(&w, TEST_CIRCUIT);
    }
    assert_int_equal(w.cancelled, 1);
    /* A datagram of the same number is none. */
    assert_int_equal(send_name_to(&w, "c.example", NOW), EXIT_SENT);
    exit_lookup_cancel(w.exit, w.circuit, 0);
    assert_int_equal(stats_of(&w).waiting, 1);
    world_end(&w);
}

/* What the asker does within the callback. */
static void test_lookup_callback_calls_back(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(look_up(&w, "a.example", i, NOW), EXIT_SENT);
    w.cancel_when_found = 2;
    w.again = "b.example";
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, NOW);
    assert_int_equal(w.found, 2);
    assert_int_equal(w.found_lookup, 3);
    assert_string_equal(w.asked_name, "b.example");
    assert_int_equal(stats_of(&w).waiting, 1);
    w.cancel_when_found = 0;
    assert_int_equal(look_up(&w, "b.example", 9, NOW), EXIT_SENT);
    w.free_when_found = w.circuit;
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, NOW);
    assert_int_equal(w.found, 3); /* the other went with the circuit */
    assert_int_equal(stats_of(&w).waiting, 0);
    /* Of a circuit that goes while another one's is told. */
    w.circuit = world_circuit(&w, TEST_CIRCUIT);
    assert_int_equal(look_up(&w, "c.example", 1, NOW), EXIT_SENT);
    exit_circuit_free(w.exit, w.circuit);
    w.circuit = NULL;
    assert_int_equal(w.cancelled, 1);
    world_end(&w);
}

static void test_lookup_is_told_before_it_returns(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    w.answer_at_once = "8.8.4.4";
    world_start(&w);
    assert_int_equal(look_up(&w, "a.example", 1, NOW), EXIT_SENT);
    assert_found(&w, 1, "8.8.4.4", 1);
    w.free_when_found = w.circuit;
    assert_int_equal(look_up(&w, "b.example", 2, NOW), EXIT_SENT);
    assert_int_equal(w.found, 2);
    assert_null(w.circuit);
    world_end(&w);
}

/* Who floods with lookups is held at his own caps, and at those of all makes
 * way for somebody else. */
static void test_lookup_flood_leaves_room(void **state)
{
    struct exit_circuit *greedy, *honest;
    struct world w;
    char name[32];

    (void)state;
    world_init(&w);
    w.config.max_waiting = 8;
    w.config.question_burst = 1000;
    world_start(&w);
    greedy = world_circuit_from(&w, 2, "5.5.5.5:1");
    honest = world_circuit_from(&w, 3, "6.6.6.6:1");
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "n%u.example", i);
        assert_int_equal(
            exit_lookup(w.exit, greedy, bytes_of_text(name), i, NOW),
            i < 8 ? EXIT_SENT : REASON_FULL);
    }
    assert_int_equal(stats_of(&w).waiting, 8);
    assert_int_equal(
        exit_lookup(w.exit, honest, TEST_BYTES("a.example"), 1, NOW + 1),
        EXIT_SENT);
    assert_int_equal(w.found, 1);
    assert_int_equal(w.found_by, 2);
    assert_int_equal(w.found_why, REASON_FULL);
    assert_int_equal(stats_of(&w).displaced, 1);
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, NOW + 2);
    assert_int_equal(w.found_by, 3);
    assert_int_equal(w.found_why, EXIT_SENT);
    exit_circuit_free(w.exit, greedy);
    exit_circuit_free(w.exit, honest);
    assert_int_equal(stats_of(&w).waiting, 0);
    world_end(&w);
}

/* Names of addresses have the same caps. */
static void test_lookup_flood_of_addresses_leaves_room(void **state)
{
    struct endpoint ep = test_ep("8.8.0.0:1");
    struct exit_circuit *greedy, *honest;
    struct world w;

    (void)state;
    world_init(&w);
    w.config.max_waiting = 8;
    w.config.question_burst = 12;
    world_start(&w);
    greedy = world_circuit_from(&w, 2, "5.5.5.5:1");
    honest = world_circuit_from(&w, 3, "6.6.6.6:1");
    for (unsigned i = 0; i < 100; i++) {
        enum reason full = i < 12 ? REASON_FULL : REASON_RATE;

        ep.addr[3] = (uint8_t)i;
        assert_int_equal(exit_reverse(w.exit, greedy, &ep, i, NOW),
                         i < 8 ? EXIT_SENT : full);
    }
    assert_int_equal(exit_reverse(w.exit, honest, &ep, 1, NOW + 1), EXIT_SENT);
    assert_int_equal(w.found_by, 2);
    assert_int_equal(w.found_why, REASON_FULL);
    world_answer_name(&w, w.question, "dns.example", NOW + 2);
    assert_int_equal(w.found_by, 3);
    assert_string_equal(w.found_name, "dns.example");
    exit_circuit_free(w.exit, greedy);
    exit_circuit_free(w.exit, honest);
    assert_int_equal(stats_of(&w).waiting, 0);
    world_end(&w);
}

static void test_lookup_flood_meets_the_rate(void **state)
{
    struct world w;
    char name[32];

    (void)state;
    world_init(&w);
    w.answer_at_once = "8.8.8.8";
    w.config.question_burst = 20;
    world_start(&w);
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "n%u.example", i);
        assert_int_equal(look_up(&w, name, i, NOW),
                         i < w.config.question_burst ? EXIT_SENT : REASON_RATE);
    }
    assert_int_equal(w.asked, w.config.question_burst);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_tells_all_addresses),
        cmocka_unit_test(test_lookup_of_an_address_is_itself),
        cmocka_unit_test(test_lookup_says_why_there_is_none),
        cmocka_unit_test(test_lookup_tells_failures_apart),
        cmocka_unit_test(test_lookup_reverses),
        cmocka_unit_test(test_lookup_reverses_to_sound_names_only),
        cmocka_unit_test(test_lookup_reverses_nothing_of_our_own),
        cmocka_unit_test(test_lookup_reverses_as_late_as_the_first),
        cmocka_unit_test(test_lookup_shares_a_question),
        cmocka_unit_test(test_lookup_is_as_late_as_the_first),
        cmocka_unit_test(test_lookup_is_cancelled),
        cmocka_unit_test(test_lookup_callback_calls_back),
        cmocka_unit_test(test_lookup_is_told_before_it_returns),
        cmocka_unit_test(test_lookup_flood_leaves_room),
        cmocka_unit_test(test_lookup_flood_meets_the_rate),
        cmocka_unit_test(test_lookup_flood_of_addresses_leaves_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
