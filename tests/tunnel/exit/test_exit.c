/* SPDX-License-Identifier: MIT */
#include "base/limiter.h"
#include "exit_fixture.h"

#include "fail_alloc.h"
#include "policy_data.h"
#include "tunnel/exit/exit_silence.h"

static void test_exit_sends_and_brings_back(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(w.open, 0);
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), EXIT_SENT);
    assert_int_equal(w.sent, 1);
    assert_int_equal(w.sent_len, 5);
    assert_memory_equal(w.sent_bytes, "hello", 5);
    assert_int_equal(w.sent_to.port, 53);
    receive_from(&w, w.sent_by->cookie, "8.8.8.8:53", NOW);
    assert_int_equal(w.delivered, 1);
    assert_int_equal(w.delivered_len, 7);
    assert_int_equal(w.delivered_to, TEST_CIRCUIT);
    assert_int_equal(w.delivered_from.port, 53);
    assert_int_equal(stats_of(&w).sent_bytes, 5);
    assert_int_equal(stats_of(&w).received_bytes, 7);
    world_end(&w);
}

/* Virtual time may begin at 0. */
static void test_exit_works_at_time_zero(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(send_to(&w, "8.8.8.8:53", 0), EXIT_SENT);
    receive_from(&w, w.sent_by->cookie, "8.8.8.8:53", 0);
    assert_int_equal(w.delivered, 1);
    assert_int_equal(send_to(&w, "8.8.8.8:53", 0), EXIT_SENT);
    exit_tick(w.exit, 0);
    assert_int_equal(w.open, 1);
    world_end(&w);
}

static void test_exit_opens_one_socket_of_a_family(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), EXIT_SENT);
    assert_int_equal(send_to(&w, "8.8.4.4:53", NOW), EXIT_SENT);
    assert_int_equal(w.open, 1);
    assert_int_equal(send_to(&w, "[2606::1]:53", NOW), EXIT_SENT);
    assert_int_equal(send_to(&w, "[2606::2]:53", NOW), EXIT_SENT);
    assert_int_equal(w.open, 2);
    assert_int_equal(stats_of(&w).sockets, 2);
    world_end(&w);
}

/* Whatever the lines say, nothing inside the operator's network is reached,
 * asked for as an address or as the text of one. */
static void test_exit_refuses_the_operators_network(void **state)
{
    static const char *const cases[] = {
        "127.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.251",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "fc00::1",
        "fe80::1",
        "ff02::1",
        "64:ff9b::a00:1",
        "9.9.9.9",   /* own */
        "2606:9::9", /* own */
    };
    struct endpoint own[] = {test_ep("9.9.9.9:7000"),
                             test_ep("[2606:9::9]:7000")};
    struct world w;

    (void)state;
    world_init(&w);
    test_policy_add(&w.policy, "accept *");
    assert_int_equal(policy_set_own(&w.policy, own, 2), OK);
    world_start(&w);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint ep;

        assert_int_equal(endpoint_parse_addr(cases[i], &ep), OK);
        ep.port = 80;
        assert_int_equal(
            exit_send(w.exit, w.circuit, &ep, TEST_BYTES("x"), NOW),
            REASON_POLICY);
        assert_int_equal(send_name_to(&w, cases[i], NOW), REASON_POLICY);
    }
    assert_int_equal(w.sent + w.asked + w.open, 0);
    assert_int_equal(stats_of(&w).refused[REASON_POLICY], 2 * COUNT_OF(cases));
    world_end(&w);
}

static void test_exit_refuses_mapped_and_portless(void **state)
{
    struct endpoint mapped = {.addr = {[10] = 0xff, 0xff, 127, 0, 0, 1},
                              .port = 80,
                              .family = FAMILY_IPV6};
    struct world w;

    (void)state;
    world_init(&w);
    w.policy.testing_network = true;
    world_start(&w);
    assert_int_equal(
        exit_send(w.exit, w.circuit, &mapped, TEST_BYTES("x"), NOW),
        REASON_POLICY);
    assert_int_equal(send_to(&w, "8.8.8.8:0", NOW), REASON_POLICY);
    assert_int_equal(w.sent, 0);
    world_end(&w);
}

/* In a testing network private addresses are fine, the exit itself is not. */
static void test_exit_testing_network_spares_itself(void **state)
{
    struct endpoint own = test_ep("127.0.0.5:7000");
    struct world w;

    (void)state;
    world_init(&w);
    w.policy.testing_network = true;
    assert_int_equal(policy_set_own(&w.policy, &own, 1), OK);
    world_start(&w);
    assert_int_equal(send_to(&w, "127.0.0.5:7001", NOW), EXIT_SENT);
    assert_int_equal(send_to(&w, "127.0.0.5:7000", NOW), REASON_POLICY);
    world_end(&w);
}

static void test_exit_obeys_a_policy_that_changes(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), EXIT_SENT);
    assert_int_equal(w.policy.verdicts[POLICY_ACCEPTED], 1);
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), EXIT_SENT);
    assert_int_equal(w.policy.verdicts[POLICY_ACCEPTED], 1);
    test_policy_add(&w.policy, "reject 8.8.8.8");
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), REASON_POLICY);
    receive_from(&w, w.sent_by->cookie, "8.8.8.8:53", NOW);
    assert_int_equal(w.delivered, 0);
    world_end(&w);
}

/* Spoofed answers, and answers for another circuit. */
static void test_exit_drops_answers_of_strangers(void **state)
{
    static const char *const strangers[] = {"8.8.8.8:54", "8.8.8.9:53",
                                            "[2606::1]:53", "10.0.0.1:53"};
    struct world w;
    uint32_t cookie;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), EXIT_SENT);
    cookie = w.sent_by->cookie;
    for (size_t i = 0; i < COUNT_OF(strangers); i++)
        receive_from(&w, cookie, strangers[i], NOW);
    assert_int_equal(w.delivered, 0);
    assert_int_equal(stats_of(&w).strangers, COUNT_OF(strangers));
    receive_from(&w, cookie ^ 1, "8.8.8.8:53", NOW);
    receive_from(&w, cookie ^ 0x10000, "8.8.8.8:53", NOW);
    receive_from(&w, UINT32_MAX, "8.8.8.8:53", NOW);
    assert_int_equal(stats_of(&w).late, 3);
    assert_int_equal(w.delivered, 0);
    world_end(&w);
}

static void test_exit_keeps_circuits_apart(void **state)
{
    struct exit_circuit *other;
    struct endpoint to = test_ep("8.8.4.4:53");
    struct world w;
    uint32_t cookie;

    (void)state;
    world_init(&w);
    world_start(&w);
    other = world_circuit(&w, 2);
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), EXIT_SENT);
    cookie = w.sent_by->cookie;
    assert_int_equal(exit_send(w.exit, other, &to, TEST_BYTES("x"), NOW),
                     EXIT_SENT);
    assert_int_not_equal(w.sent_by->cookie, cookie);
    receive_from(&w, w.sent_by->cookie, "8.8.8.8:53", NOW);
    assert_int_equal(w.delivered, 0);
    receive_from(&w, w.sent_by->cookie, "8.8.4.4:53", NOW);
    assert_int_equal(w.delivered_to, 2);
    exit_circuit_free(w.exit, other);
    world_end(&w);
}

/* A late datagram for a socket that is closed, whose slot has a new owner. */
static void test_exit_drops_what_comes_for_a_closed_socket(void **state)
{
    struct world w;
    uint32_t cookie;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), EXIT_SENT);
    cookie = w.sent_by->cookie;
    exit_circuit_free(w.exit, w.circuit);
    assert_int_equal(w.open, 0);
    w.circuit = world_circuit(&w, 3);
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), EXIT_SENT);
    receive_from(&w, cookie, "8.8.8.8:53", NOW);
    assert_int_equal(w.delivered, 0);
    assert_int_equal(stats_of(&w).late, 1);
    world_end(&w);
}

static unsigned send_many(struct world *w, const char *to, unsigned tries,
                          uint64_t now)
{
    unsigned count = 0;

    for (unsigned i = 0; i < tries; i++) {
        enum reason why = send_to(w, to, now);

        assert_true(why == EXIT_SENT || why == REASON_SILENT);
        count += why == EXIT_SENT;
    }
    return count;
}

static void test_exit_gives_up_on_the_silent(void **state)
{
    uint64_t now = NOW;
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(send_many(&w, "8.8.8.8:53", 100, now), 5);
    assert_int_equal(send_many(&w, "8.8.4.4:53", 100, now), 5);
    now += TIME_S;
    assert_int_equal(send_many(&w, "8.8.8.8:53", 100, now), 1);
    /* An answer lifts the limit, and a later silence brings it back. */
    receive_from(&w, w.sent_by->cookie, "8.8.8.8:53", now);
    assert_int_equal(send_many(&w, "8.8.8.8:53", 100, now), 100);
    now += EXIT_ANSWER_COUNTS - 1;
    assert_int_equal(send_many(&w, "8.8.8.8:53", 100, now), 100);
    assert_int_equal(send_many(&w, "8.8.8.8:53", 100, now + 1), 5);
    world_end(&w);
}

static void test_exit_caps_destinations(void **state)
{
    struct world w;
    uint64_t now = NOW;

    (void)state;
    world_init(&w);
    w.config.max_destinations = 64;
    world_start(&w);
    for (uint8_t round = 0; round < 2; round++) {
        for (uint8_t i = 0; i < 100; i++) {
            struct endpoint to = test_ep4(8, 8, round, i, 53);
            enum reason why =
                exit_send(w.exit, w.circuit, &to, TEST_BYTES("x"), now);

            assert_int_equal(why, i < 64 ? EXIT_SENT : REASON_FULL);
        }
        now += 5 * TIME_S; /* all of them have their allowance again */
    }
    assert_int_equal(w.sent, 128);
    /* Whoever was forgotten is a stranger. */
    receive_from(&w, w.sent_by->cookie, "8.8.0.1:53", now);
    assert_int_equal(w.delivered, 0);
    receive_from(&w, w.sent_by->cookie, "8.8.1.1:53", now);
    assert_int_equal(w.delivered, 1);
    world_end(&w);
}

/* One who goes round between more destinations than the cap gets as much
 * through to each as if all were remembered for ever, and not a packet more:
 * the buckets here forget nothing. */
static void test_exit_forgetting_forgives_nothing(void **state)
{
    struct token_rate rate = token_rate_of(1, 5);
    struct token_bucket buckets[6] = {{0}};
    unsigned sent[6] = {0}, full = 0, silent = 0;
    struct world w;
    uint64_t now = NOW;

    (void)state;
    world_init(&w);
    w.config.max_destinations = 4;
    world_start(&w);
    for (unsigned round = 0; round < 20000; round++) {
        uint32_t i = test_random_below(&w.random, COUNT_OF(sent));
        struct endpoint to = test_ep4(8, 8, 8, (uint8_t)i, 53);
        enum reason why =
            exit_send(w.exit, w.circuit, &to, TEST_BYTES("x"), now);

        if (why == EXIT_SENT) {
            assert_true(token_bucket_take(&buckets[i], &rate, now));
            sent[i]++;
        } else if (why == REASON_SILENT) {
            assert_false(token_bucket_has(&buckets[i], &rate, now));
            silent++;
        } else {
            assert_int_equal(why, REASON_FULL);
            full++;
        }
        now += test_random_below(&w.random, 100) * TIME_MS;
        if (test_random_below(&w.random, 100) == 0)
            now += 10 * TIME_S; /* places are free again */
    }
    for (size_t i = 0; i < COUNT_OF(sent); i++)
        assert_in_range(sent[i], 200, 10000);
    assert_true(full > 500);
    assert_true(silent > 500);
    world_end(&w);
}

/* Whoever answers is not forgotten for somebody new while it is used. */
static void test_exit_keeps_those_that_answer(void **state)
{
    struct world w;
    uint64_t now = NOW;

    (void)state;
    world_init(&w);
    w.config.max_destinations = 1;
    world_start(&w);
    assert_int_equal(send_to(&w, "8.8.8.8:53", now), EXIT_SENT);
    now += 4 * TIME_S;
    receive_from(&w, w.sent_by->cookie, "8.8.8.8:53", now);
    now += 4 * TIME_S;
    assert_int_equal(send_to(&w, "8.8.4.4:53", now), REASON_FULL);
    now += 2 * TIME_S;
    assert_int_equal(send_to(&w, "8.8.4.4:53", now), EXIT_SENT);
    world_end(&w);
}

static void test_exit_caps_sockets(void **state)
{
    struct exit_circuit *circuits[20];
    struct endpoint to;
    struct world w;

    (void)state;
    world_init(&w);
    w.config.max_sockets = 11;
    world_start(&w);
    for (size_t i = 0; i < COUNT_OF(circuits); i++) {
        circuits[i] = world_circuit(&w, i);
        to = test_ep4(8, 8, 8, (uint8_t)i, 53);
        assert_int_equal(
            exit_send(w.exit, circuits[i], &to, TEST_BYTES("x"), NOW),
            i < 11 ? EXIT_SENT : REASON_FULL);
    }
    assert_int_equal(w.open, 11);
    assert_int_equal(stats_of(&w).refused[REASON_FULL], 9);
    exit_circuit_free(w.exit, circuits[3]);
    assert_int_equal(exit_send(w.exit, circuits[15], &to, TEST_BYTES("x"), NOW),
                     EXIT_SENT);
    for (size_t i = 0; i < COUNT_OF(circuits); i++) {
        if (i != 3)
            exit_circuit_free(w.exit, circuits[i]);
    }
    world_end(&w);
}

/* Sends once to an address of its own. */
static enum reason send_from(struct world *w, struct exit_circuit *c,
                             uint8_t last, uint64_t now)
{
    struct endpoint to = test_ep4(8, 8, 8, last, 53);

    return exit_send(w->exit, c, &to, TEST_BYTES("x"), now);
}

/* Whoever takes all sockets makes room for others, the idle first; among
 * equals nobody takes from who is at work. */
static void test_exit_sockets_make_room_for_others(void **state)
{
    struct exit_circuit *bad[12], *honest, *another;
    struct world w;

    (void)state;
    world_init(&w);
    w.config.max_sockets = 10;
    world_start(&w);
    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        bad[i] = world_circuit_from(&w, i, "7.7.7.7:7881");
        assert_int_equal(send_from(&w, bad[i], (uint8_t)i, NOW + i),
                         i < 10 ? EXIT_SENT : REASON_FULL);
    }
    honest = world_circuit_from(&w, 100, "6.6.6.6:7881");
    another = world_circuit_from(&w, 101, "[2600:1::5]:7881");
    assert_int_equal(send_from(&w, honest, 100, NOW + 20), EXIT_SENT);
    assert_int_equal(send_from(&w, another, 101, NOW + 20), EXIT_SENT);
    assert_int_equal(w.open, 10);
    assert_int_equal(stats_of(&w).displaced, 2);
    /* The first of them was idle for longest; it can do nothing to others. */
    assert_int_equal(send_from(&w, bad[0], 0, NOW + 30), REASON_FULL);
    receive_from(&w, w.sent_by->cookie, "8.8.8.101:53", NOW + 30);
    assert_int_equal(w.delivered_to, 101);
    assert_int_equal(send_from(&w, honest, 100, NOW + 30), EXIT_SENT);
    /* One of its own that is idle for long makes room, though. */
    assert_int_equal(send_from(&w, bad[0], 0, NOW + 20 * TIME_S), EXIT_SENT);
    assert_int_equal(send_from(&w, honest, 100, NOW + 20 * TIME_S), EXIT_SENT);
    assert_int_equal(stats_of(&w).displaced, 3);
    for (unsigned i = 0; i < COUNT_OF(bad); i++)
        exit_circuit_free(w.exit, bad[i]);
    exit_circuit_free(w.exit, honest);
    exit_circuit_free(w.exit, another);
    world_end(&w);
}

/* Many circuits of one source, at one who never answers, for ten seconds; what
 * others do meanwhile is as if they were not there. */
static void test_exit_silent_destination_has_one_allowance(void **state)
{
    enum { CIRCUITS = 200, SECONDS = 10 };
    struct endpoint victim = test_ep("8.8.8.8:53"), dns = test_ep("1.1.1.1:53");
    struct exit_circuit *bad[CIRCUITS], *honest;
    unsigned flood = 0, served = 0;
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    honest = world_circuit_from(&w, 1000, "6.6.6.6:7881");
    for (unsigned i = 0; i < CIRCUITS; i++)
        bad[i] = world_circuit_from(&w, i, "7.7.7.7:7881");
    for (unsigned t = 0; t < 10 * SECONDS; t++) {
        uint64_t now = NOW + t * 100 * TIME_MS;

        for (unsigned i = 0; i < CIRCUITS; i++) {
            victim.port = (uint16_t)(1 + i % 7); /* the port is all one */
            flood += exit_send(w.exit, bad[i], &victim, TEST_BYTES("x"), now) ==
                     EXIT_SENT;
        }
        served += exit_send(w.exit, honest, &dns, TEST_BYTES("x"), now) ==
                  EXIT_SENT;
        receive_from(&w, w.sent_by->cookie, "1.1.1.1:53", now);
    }
    assert_in_range(flood, 1,
                    w.config.silent_burst + SECONDS * w.config.silent_rate);
    assert_int_equal(served, 10 * SECONDS);
    assert_int_equal(w.delivered, served);
    /* Whom it would answer can still reach it. */
    victim.port = 53;
    assert_int_equal(exit_send(w.exit, honest, &victim, TEST_BYTES("x"),
                               NOW + SECONDS * TIME_S),
                     EXIT_SENT);
    receive_from(&w, w.sent_by->cookie, "8.8.8.8:53", NOW + SECONDS * TIME_S);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(exit_send(w.exit, honest, &victim, TEST_BYTES("x"),
                                   NOW + SECONDS * TIME_S),
                         EXIT_SENT);
    for (unsigned i = 0; i < CIRCUITS; i++)
        exit_circuit_free(w.exit, bad[i]);
    exit_circuit_free(w.exit, honest);
    world_end(&w);
}

/* Nor does a network get much, address by address, unless somebody in it
 * answers; and all is forgotten when it is over. */
static void test_exit_silent_network_has_one_allowance(void **state)
{
    struct exit_circuit *bad[200];
    unsigned sent[2] = {0};
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    for (unsigned i = 0; i < COUNT_OF(bad); i++)
        bad[i] = world_circuit(&w, i);
    for (unsigned answers = 0; answers < 2; answers++) {
        uint64_t now = NOW + answers * TIME_MIN;

        if (answers) {
            assert_int_equal(send_to(&w, "[2600:1::ffff]:53", now), EXIT_SENT);
            receive_from(&w, w.sent_by->cookie, "[2600:1::ffff]:53", now);
        }
        for (unsigned i = 0; i < 20 * COUNT_OF(bad); i++) {
            struct endpoint to = test_ep("[2600:1::1]:53");

            to.addr[14] = (uint8_t)(i >> 8);
            to.addr[15] = (uint8_t)i;
            to.addr[13] = (uint8_t)answers;
            sent[answers] += exit_send(w.exit, bad[i % COUNT_OF(bad)], &to,
                                       TEST_BYTES("x"), now) == EXIT_SENT;
        }
    }
    assert_int_equal(sent[0],
                     EXIT_SILENCE_NETWORK_TIMES * w.config.silent_burst);
    assert_int_equal(sent[1], 20 * COUNT_OF(bad));
    exit_tick(w.exit, NOW + TIME_HOUR);
    assert_int_equal(exit_next_deadline(w.exit), TIME_NEVER);
    for (unsigned i = 0; i < COUNT_OF(bad); i++)
        exit_circuit_free(w.exit, bad[i]);
    world_end(&w);
}

/* At the cap of destinations remembered, new ones are still sent to. */
static void test_exit_silence_keeps_to_its_cap(void **state)
{
    struct test_random r = test_seed(1);
    struct random_source random = test_source(&r);
    struct exit_silence s;

    (void)state;
    exit_silence_init(&s, 8, 1, 5, EXIT_ANSWER_COUNTS, &random);
    for (unsigned i = 0; i < 1000; i++) {
        struct endpoint to = test_ep4(8, (uint8_t)(i >> 8), (uint8_t)i, 1, 53);

        assert_true(exit_silence_take(&s, &to, 1, NOW));
        assert_in_range(s.table.count, 1, 8);
    }
    exit_silence_tick(&s, NOW + TIME_HOUR);
    assert_int_equal(s.table.count, 0);
    exit_silence_deinit(&s);
}

/* A network of neighbours, with any number of addresses and circuits, has half
 * of the rate of all; so others have theirs. */
static void test_exit_limits_rates(void **state)
{
    struct endpoint to = test_ep("8.8.8.8:53");
    struct exit_circuit *other, *honest;
    struct world w;

    (void)state;
    world_init(&w);
    w.config.circuit_rate = w.config.circuit_burst = 10;
    w.config.rate = w.config.burst = 30;
    w.config.silent_burst = 1000;
    world_start(&w);
    other = world_circuit_from(&w, 2, "9.9.77.1:7881");
    honest = world_circuit_from(&w, 3, "20.1.1.1:7881");
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(send_to(&w, "8.8.8.8:53", NOW),
                         i < 10 ? EXIT_SENT : REASON_RATE);
    /* What was refused took nothing from the others. */
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(exit_send(w.exit, other, &to, TEST_BYTES("x"), NOW),
                         i < 5 ? EXIT_SENT : REASON_RATE);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(exit_send(w.exit, honest, &to, TEST_BYTES("x"), NOW),
                         EXIT_SENT);
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW + TIME_S), EXIT_SENT);
    exit_circuit_free(w.exit, other);
    exit_circuit_free(w.exit, honest);
    world_end(&w);
}

static void test_exit_closes_when_idle(void **state)
{
    struct world w;
    uint64_t idle, now = NOW;
    uint32_t cookie;

    (void)state;
    world_init(&w);
    world_start(&w);
    idle = w.config.idle_timeout;
    assert_int_equal(exit_next_deadline(w.exit), TIME_NEVER);
    assert_int_equal(send_to(&w, "8.8.8.8:53", now), EXIT_SENT);
    cookie = w.sent_by->cookie;
    assert_in_range(exit_next_deadline(w.exit), now + 1, now + idle);
    now += idle - 1;
    exit_tick(w.exit, now);
    assert_int_equal(w.open, 1);
    receive_from(&w, cookie, "8.8.8.8:53", now); /* keeps it open */
    exit_tick(w.exit, now + idle - 1);
    assert_int_equal(w.open, 1);
    exit_tick(w.exit, now + idle);
    assert_int_equal(w.open, 0);
    assert_int_equal(exit_next_deadline(w.exit), TIME_NEVER);
    now += idle;
    receive_from(&w, cookie, "8.8.8.8:53", now);
    assert_int_equal(w.delivered, 1);
    assert_int_equal(send_to(&w, "8.8.8.8:53", now), EXIT_SENT);
    assert_int_equal(w.open, 1);
    world_end(&w);
}

/* Circuits go idle in the order of their last use. */
static void test_exit_closes_the_idle_only(void **state)
{
    struct endpoint to = test_ep("8.8.8.8:53");
    struct exit_circuit *c[3];
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    for (uint64_t i = 0; i < 3; i++) {
        c[i] = world_circuit(&w, i);
        exit_send(w.exit, c[i], &to, TEST_BYTES("x"), NOW + i * TIME_S);
    }
    exit_send(w.exit, c[0], &to, TEST_BYTES("x"), NOW + 3 * TIME_S);
    exit_send(w.exit, c[1], &to, TEST_BYTES("x"), NOW + 4 * TIME_S);
    exit_circuit_free(w.exit, c[1]);
    exit_tick(w.exit, NOW + w.config.idle_timeout + 2 * TIME_S);
    assert_int_equal(w.open, 1);
    assert_int_equal(exit_next_deadline(w.exit),
                     NOW + 3 * TIME_S + w.config.idle_timeout);
    exit_circuit_free(w.exit, c[0]);
    exit_circuit_free(w.exit, c[2]);
    world_end(&w);
}

static void test_exit_reports_what_the_system_refuses(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    w.no_family[FAMILY_IPV6] = true;
    assert_int_equal(send_to(&w, "[2606::1]:53", NOW), REASON_IO);
    w.send_error[FAMILY_IPV4] = ERR_IO;
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), REASON_IO);
    w.send_error[FAMILY_IPV4] = ERR_NO_SPACE;
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), EXIT_SENT);
    assert_int_equal(stats_of(&w).dropped, 1);
    assert_int_equal(stats_of(&w).sent, 0);
    /* Nothing went there, so nothing can come back. */
    receive_from(&w, w.sockets[0].cookie, "8.8.8.8:53", NOW);
    assert_int_equal(stats_of(&w).strangers, 1);
    assert_int_equal(stats_of(&w).refused[REASON_IO], 2);
    world_end(&w);
}

/* Where nothing went is nobody's destination, and keeps no other out. */
static void test_exit_failed_sends_take_no_place(void **state)
{
    static const enum error errors[] = {ERR_IO, ERR_NO_SPACE};
    struct world w;

    (void)state;
    world_init(&w);
    w.config.max_destinations = 1;
    world_start(&w);
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        w.send_error[FAMILY_IPV4] = errors[i];
        for (uint8_t n = 0; n < 20; n++) {
            struct endpoint to = test_ep4(8, 8, 8, n, 53);

            assert_int_not_equal(
                exit_send(w.exit, w.circuit, &to, TEST_BYTES("x"), NOW),
                REASON_FULL);
        }
    }
    w.send_error[FAMILY_IPV4] = OK;
    assert_int_equal(send_to(&w, "8.8.4.4:53", NOW), EXIT_SENT);
    assert_int_equal(send_to(&w, "8.8.8.8:53", NOW), REASON_FULL);
    world_end(&w);
}

static void test_exit_bounds_datagrams(void **state)
{
    static uint8_t big[EXIT_PAYLOAD_MAX + 1];
    struct endpoint to = test_ep("8.8.8.8:53");
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(
        exit_send(w.exit, w.circuit, &to, bytes_of(big, sizeof(big)), NOW),
        REASON_PROTOCOL);
    assert_int_equal(
        exit_send(w.exit, w.circuit, &to, bytes_of(big, EXIT_PAYLOAD_MAX), NOW),
        EXIT_SENT);
    assert_int_equal(w.sent_len, EXIT_PAYLOAD_MAX);
    assert_int_equal(exit_send(w.exit, w.circuit, &to, bytes_of(NULL, 0), NOW),
                     EXIT_SENT);
    exit_receive(w.exit, w.sent_by->cookie, &to, bytes_of(big, sizeof(big)),
                 NOW);
    assert_int_equal(w.delivered, 0);
    exit_receive(w.exit, w.sent_by->cookie, &to, bytes_of(NULL, 0), NOW);
    assert_int_equal(w.delivered, 1);
    world_end(&w);
}

/* Clients that open circuits, send, and go away. */
static void test_exit_is_empty_after_a_rush(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    for (unsigned i = 0; i < 5000; i++) {
        struct exit_circuit *c = world_circuit(&w, i);
        struct endpoint to = test_ep4(8, (uint8_t)(i >> 8), 8, (uint8_t)i, 9);
        char name[32];

        snprintf(name, sizeof(name), "n%u.example", i);
        exit_send(w.exit, c, &to, TEST_BYTES("x"), NOW + i);
        exit_send_name(w.exit, c, bytes_of_text(name), 1, TEST_BYTES("x"),
                       NOW + i);
        exit_circuit_free(w.exit, c);
    }
    assert_int_equal(w.open, 0);
    assert_int_equal(stats_of(&w).waiting, 0);
    assert_int_equal(stats_of(&w).open_questions, 0);
    assert_int_equal(w.cancelled, 5000);
    exit_tick(w.exit, NOW + TIME_MIN + 1);
    assert_int_equal(stats_of(&w).circuits, 1);
    assert_int_equal(w.failed, 0);
    assert_int_equal(exit_next_deadline(w.exit), TIME_NEVER);
    world_end(&w);
}

/* What becomes of a datagram to an address and one to a name, whose answer
 * comes. The sum of what was sent and what was told is always two. */
static void send_both(struct world *w, struct exit_circuit *c, bool memory)
{
    struct endpoint to = test_ep("8.8.8.8:53");
    unsigned sent = w->sent, failed = w->failed, refused = 0;
    enum reason why[2];

    why[0] = exit_send(w->exit, c, &to, TEST_BYTES("x"), NOW);
    w->asked = 0;
    why[1] = exit_send_name(w->exit, c, TEST_BYTES("a.example"), 1,
                            TEST_BYTES("x"), NOW);
    if (w->asked > 0)
        world_answer(w, w->question, "8.8.4.4", TIME_MIN, NOW);
    for (int i = 0; i < 2; i++) {
        refused += why[i] != EXIT_SENT;
        assert_true(
            why[i] == EXIT_SENT ||
            (!memory && (why[i] == REASON_FULL || why[i] == REASON_SILENT)));
    }
    assert_int_equal(w->sent - sent + w->failed - failed + refused, 2);
    assert_true(!memory || w->sent - sent == 2);
    assert_int_equal(stats_of(w).waiting, 0);
    assert_int_equal(stats_of(w).open_questions, 0);
}

/* Each allocation fails once; what it was for is refused, the other is sent,
 * and everything is as usual afterwards. */
static void test_exit_works_without_memory(void **state)
{
    unsigned refusals = 0;
    bool has_failed = true;

    (void)state;
    for (unsigned n = 1; has_failed; n++) {
        struct endpoint neighbour = test_ep("9.9.9.10:7881");
        struct exit_circuit *c = NULL;
        struct world w;
        enum error e;

        world_init(&w);
        world_start(&w);
        fail_alloc_at(n);
        e = exit_circuit_new(w.exit, NULL, &neighbour, NOW, &c);
        if (e == OK)
            send_both(&w, c, false);
        has_failed = fail_alloc_end();
        assert_true(e == OK || (e == ERR_NO_MEMORY && n <= 2));
        assert_true(w.sent >= 1 || e != OK);
        refusals += w.sent < 2;
        exit_circuit_free(w.exit, c);
        c = world_circuit(&w, 8);
        send_both(&w, c, true);
        exit_circuit_free(w.exit, c);
        world_end(&w);
        assert_true(n < 100);
    }
    assert_true(refusals >= 4); /* circuit, socket, destination, name */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_sends_and_brings_back),
        cmocka_unit_test(test_exit_works_at_time_zero),
        cmocka_unit_test(test_exit_opens_one_socket_of_a_family),
        cmocka_unit_test(test_exit_refuses_the_operators_network),
        cmocka_unit_test(test_exit_refuses_mapped_and_portless),
        cmocka_unit_test(test_exit_testing_network_spares_itself),
        cmocka_unit_test(test_exit_obeys_a_policy_that_changes),
        cmocka_unit_test(test_exit_drops_answers_of_strangers),
        cmocka_unit_test(test_exit_keeps_circuits_apart),
        cmocka_unit_test(test_exit_drops_what_comes_for_a_closed_socket),
        cmocka_unit_test(test_exit_gives_up_on_the_silent),
        cmocka_unit_test(test_exit_caps_destinations),
        cmocka_unit_test(test_exit_forgetting_forgives_nothing),
        cmocka_unit_test(test_exit_keeps_those_that_answer),
        cmocka_unit_test(test_exit_caps_sockets),
        cmocka_unit_test(test_exit_sockets_make_room_for_others),
        cmocka_unit_test(test_exit_silent_destination_has_one_allowance),
        cmocka_unit_test(test_exit_silent_network_has_one_allowance),
        cmocka_unit_test(test_exit_silence_keeps_to_its_cap),
        cmocka_unit_test(test_exit_limits_rates),
        cmocka_unit_test(test_exit_closes_when_idle),
        cmocka_unit_test(test_exit_closes_the_idle_only),
        cmocka_unit_test(test_exit_reports_what_the_system_refuses),
        cmocka_unit_test(test_exit_failed_sends_take_no_place),
        cmocka_unit_test(test_exit_bounds_datagrams),
        cmocka_unit_test(test_exit_is_empty_after_a_rush),
        cmocka_unit_test(test_exit_works_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
