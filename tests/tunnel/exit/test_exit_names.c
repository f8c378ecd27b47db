/* SPDX-License-Identifier: MIT */
#include "exit_fixture.h"

#include "tunnel/exit/exit_pace.h"
#include "tunnel/exit/name.h"
#include "tunnel/exit/name_cache.h"

static void test_name_reads_names_and_addresses(void **state)
{
    static const struct {
        const char *text, *name;
    } names[] = {
        {"example.org", "example.org"},
        {"Example.ORG.", "example.org"},
        {"a", "a"},
        {"_dns._udp.example", "_dns._udp.example"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"1.2.3.example", "1.2.3.example"},
        {"0x7f.a", "0x7f.a"},
        {"0xg", "0xg"},
    };
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.1.", "::1",
                                            "[::1]", "::FFFF:10.0.0.1"};
    struct endpoint ep;
    struct name name;
    bool is_address;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(
            name_parse(bytes_of_text(names[i].text), &name, &ep, &is_address),
            OK);
        assert_false(is_address);
        assert_string_equal(name.text, names[i].name);
        assert_int_equal(name.len, strlen(name.text));
    }
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        assert_int_equal(
            name_parse(bytes_of_text(addresses[i]), &name, &ep, &is_address),
            OK);
        assert_true(is_address);
    }
}

static void test_name_refuses_what_is_neither(void **state)
{
    static const struct {
        const char *text;
        enum error e;
    } cases[] = {
        {"", ERR_SYNTAX},
        {".", ERR_SYNTAX},
        {"..", ERR_SYNTAX},
        {"a..b", ERR_SYNTAX},
        {".a", ERR_SYNTAX},
        {"a..", ERR_SYNTAX},
        {"-a.example", ERR_SYNTAX},
        {"a-.example", ERR_SYNTAX},
        {"a b.example", ERR_SYNTAX},
        {"a%0.example", ERR_SYNTAX},
        {"b\xc3\xbc.example", ERR_SYNTAX},
        {"host:80", ERR_SYNTAX},
        {"127.1", ERR_SYNTAX},
        {"2130706433", ERR_SYNTAX},
        {"0177.0.0.01", ERR_SYNTAX},
        {"0x7f000001", ERR_SYNTAX},
        {"127.0.0.0x1", ERR_SYNTAX},
        {"a.0x", ERR_SYNTAX},
        {"example.1", ERR_SYNTAX},
        {"256.256.256.256", ERR_SYNTAX},
        {"fe80::1%eth0", ERR_SYNTAX},
        {"localhost", ERR_UNSUPPORTED},
        {"LOCALHOST.", ERR_UNSUPPORTED},
        {"a.localhost", ERR_UNSUPPORTED},
        {"printer.local", ERR_UNSUPPORTED},
        {"abc.onion", ERR_UNSUPPORTED},
        {"abc.warren", ERR_UNSUPPORTED},
    };
    struct endpoint ep;
    struct name name = {.len = 9};
    bool is_address = true;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(
            name_parse(bytes_of_text(cases[i].text), &name, &ep, &is_address),
            cases[i].e);
    assert_int_equal(
        name_parse(TEST_BYTES("8.8.8.8\0.a"), &name, &ep, &is_address),
        ERR_SYNTAX);
    assert_int_equal(name.len, 9);
    assert_true(is_address);
}

static void test_name_bounds_lengths(void **state)
{
    char text[300];
    struct endpoint ep;
    struct name name;
    bool is_address;

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(name_parse(bytes_of(text, 63), &name, &ep, &is_address),
                     OK);
    assert_int_equal(name_parse(bytes_of(text, 64), &name, &ep, &is_address),
                     ERR_SYNTAX);
    for (size_t i = 50; i < sizeof(text); i += 50)
        text[i] = '.';
    assert_int_equal(name_parse(bytes_of(text, 253), &name, &ep, &is_address),
                     OK);
    assert_int_equal(name.len, 253);
    text[253] = '.';
    assert_int_equal(name_parse(bytes_of(text, 254), &name, &ep, &is_address),
                     OK);
    text[253] = 'a';
    assert_int_equal(name_parse(bytes_of(text, 254), &name, &ep, &is_address),
                     ERR_SYNTAX);
}

static struct name name_of(unsigned n)
{
    struct name name;

    name.len =
        (uint8_t)snprintf(name.text, sizeof(name.text), "n%u.example", n);
    return name;
}

static void test_name_cache_keeps_to_its_cap_and_times(void **state)
{
    struct test_random r = test_seed(1);
    struct random_source random = test_source(&r);
    struct name_answer addrs = {.count = 1}, none = {.why = REASON_RESOLVE};
    struct name_holder h;
    struct name_cache c;

    (void)state;
    name_cache_init(&c, 10, &random);
    name_holder_join(&c, &h);
    for (unsigned i = 0; i < 100; i++) {
        struct name name = name_of(i), first = name_of(0);

        addrs.ep[0] = test_ep4(8, 8, 8, (uint8_t)i, 0);
        name_cache_put(&c, &h, &name, &addrs, TIME_HOUR, NOW);
        assert_true(c.table.count <= 10);
        /* What is used stays. */
        assert_non_null(name_cache_get(&c, &h, &first, NOW));
    }
    for (unsigned i = 1; i < 100; i++) {
        struct name name = name_of(i);
        const struct name_answer *got = name_cache_get(&c, &h, &name, NOW);

        assert_int_equal(got != NULL, i > 90);
        if (got != NULL)
            assert_int_equal(got->ep[0].addr[3], i);
    }
    {
        struct name name = name_of(99);

        assert_non_null(name_cache_get(&c, &h, &name, NOW + NAME_TTL_MAX - 1));
        assert_null(name_cache_get(&c, &h, &name, NOW + NAME_TTL_MAX));
        name_cache_put(&c, &h, &name, &addrs, 0, NOW);
        assert_non_null(name_cache_get(&c, &h, &name, NOW + NAME_TTL_MIN - 1));
        assert_null(name_cache_get(&c, &h, &name, NOW + NAME_TTL_MIN));
        name_cache_put(&c, &h, &name, &none, TIME_HOUR, NOW);
        assert_int_equal(name_cache_get(&c, &h, &name, NOW)->count, 0);
        assert_null(name_cache_get(&c, &h, &name, NOW + NAME_TTL_NONE));
    }
    name_cache_tick(&c, NOW + NAME_TTL_MAX);
    assert_int_equal(c.table.count, 0);
    assert_int_equal(h.count, 0);
    assert_int_equal(c.sweep_at, TIME_NEVER);
    assert_null(c.table.chains);
    name_cache_deinit(&c);
}

/* One who looks up many names loses his own, at his cap and at that of all. */
static void test_name_cache_takes_from_who_adds(void **state)
{
    struct test_random r = test_seed(1);
    struct random_source random = test_source(&r);
    struct name_answer addrs = {.count = 1};
    struct name_holder honest, greedy[3];
    struct name name = name_of(7);
    struct name_cache c;

    (void)state;
    name_cache_init(&c, 2 * NAME_HOLDER_MAX, &random);
    name_holder_join(&c, &honest);
    name_cache_put(&c, &honest, &name, &addrs, TIME_HOUR, NOW);
    for (unsigned i = 0; i < 3; i++) {
        name_holder_join(&c, &greedy[i]);
        /* the same name, which is another's */
        assert_null(name_cache_get(&c, &greedy[i], &name, NOW));
        for (unsigned k = 0; k < 2 * NAME_HOLDER_MAX; k++) {
            struct name mine = name_of(k);

            name_cache_put(&c, &greedy[i], &mine, &addrs, TIME_HOUR, NOW);
            assert_true(greedy[i].count <= NAME_HOLDER_MAX);
            assert_true(c.table.count <= 2 * NAME_HOLDER_MAX);
            assert_non_null(name_cache_get(&c, &greedy[i], &mine, NOW));
        }
        assert_non_null(name_cache_get(&c, &honest, &name, NOW));
    }
    for (unsigned i = 0; i < 3; i++)
        name_holder_leave(&c, &greedy[i]);
    assert_int_equal(c.table.count, 1);
    name_holder_leave(&c, &honest);
    assert_int_equal(c.sweep_at, TIME_NEVER);
    name_cache_deinit(&c);
}

static void test_exit_resolves_a_name(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(send_name_to(&w, "Dns.Example.", NOW), EXIT_SENT);
    assert_int_equal(w.asked, 1);
    assert_string_equal(w.asked_name, "dns.example");
    assert_int_equal(w.sent, 0);
    assert_int_equal(exit_next_deadline(w.exit), NOW + 10 * TIME_S);
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, NOW + 1);
    assert_int_equal(w.sent, 1);
    assert_int_equal(w.sent_to.port, 53);
    assert_int_equal(w.sent_to.addr[2], 4);
    assert_memory_equal(w.sent_bytes, "query", 5);
    receive_from(&w, w.sent_by->cookie, "8.8.4.4:53", NOW);
    assert_int_equal(w.delivered, 1);
    /* From the cache now, until its time is over. */
    assert_int_equal(send_name_to(&w, "dns.example", NOW + 2), EXIT_SENT);
    assert_int_equal(w.sent, 2);
    assert_int_equal(stats_of(&w).cache_hits, 1);
    assert_int_equal(send_name_to(&w, "dns.example", NOW + 2 * TIME_MIN),
                     EXIT_SENT);
    assert_int_equal(w.asked, 2);
    world_end(&w);
}

static void test_exit_asks_once_for_many(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(send_name_to(&w, "a.example", NOW), EXIT_SENT);
    assert_int_equal(send_name_to(&w, "A.example", NOW), EXIT_SENT);
    assert_int_equal(exit_send_name(w.exit, w.circuit, TEST_BYTES("a.example"),
                                    9, TEST_BYTES("x"), NOW),
                     EXIT_SENT);
    assert_int_equal(w.asked, 1);
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, NOW);
    assert_int_equal(w.sent, 3);
    assert_int_equal(w.sent_to.port, 9);
    assert_int_equal(stats_of(&w).waiting, 0);
    world_end(&w);
}

/* What another circuit has asked for, or is asking for, changes nothing. */
static void test_exit_circuits_learn_nothing_of_each_other(void **state)
{
    struct exit_circuit *other, *third;
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    other = world_circuit(&w, 2);
    third = world_circuit(&w, 3);
    assert_int_equal(send_name_to(&w, "a.example", NOW), EXIT_SENT);
    assert_int_equal(exit_send_name(w.exit, other, TEST_BYTES("a.example"), 9,
                                    TEST_BYTES("x"), NOW),
                     EXIT_SENT);
    assert_int_equal(w.asked, 2);
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, NOW);
    assert_int_equal(w.sent, 1);
    assert_int_equal(w.sent_to.port, 9);
    world_answer(&w, w.question - 1, "8.8.4.4", TIME_MIN, NOW);
    assert_int_equal(w.sent, 2);
    assert_int_equal(exit_send_name(w.exit, third, TEST_BYTES("a.example"), 9,
                                    TEST_BYTES("x"), NOW),
                     EXIT_SENT);
    assert_int_equal(w.sent, 2);
    assert_int_equal(w.asked, 3);
    /* One that goes takes its questions along, and what it has learned. */
    assert_int_equal(w.cancelled, 0);
    exit_circuit_free(w.exit, third);
    assert_int_equal(w.cancelled, 1);
    assert_int_equal(stats_of(&w).open_questions, 0);
    assert_int_equal(stats_of(&w).names, 2);
    exit_circuit_free(w.exit, other);
    assert_int_equal(stats_of(&w).names, 1);
    world_end(&w);
}

/* Nor does what the DNS has cached since another asked: the answer is as late
 * as that one's was. */
static void test_exit_answers_are_as_late_as_the_first(void **state)
{
    static const uint64_t took = 31 * TIME_MS;
    struct exit_circuit *other;
    uint64_t now = NOW;
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    other = world_circuit(&w, 2);
    assert_int_equal(send_name_to(&w, "a.example", now), EXIT_SENT);
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, now + took);
    assert_int_equal(w.sent, 1);
    now += TIME_S;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(exit_send_name(w.exit, other, TEST_BYTES("a.example"),
                                        9, TEST_BYTES("x"), now),
                         EXIT_SENT);
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, now + TIME_MS);
    assert_int_equal(exit_send_name(w.exit, other, TEST_BYTES("a.example"), 9,
                                    TEST_BYTES("x"), now + 2 * TIME_MS),
                     EXIT_SENT);
    assert_int_equal(w.asked, 2);
    assert_int_equal(exit_next_deadline(w.exit), now + took);
    exit_tick(w.exit, now + took - 1);
    assert_int_equal(w.sent, 1);
    exit_tick(w.exit, now + took);
    assert_int_equal(w.sent, 4);
    assert_int_equal(stats_of(&w).waiting, 0);
    /* It knows the name now, and the first has known it all along. */
    now += TIME_S;
    assert_int_equal(exit_send_name(w.exit, other, TEST_BYTES("a.example"), 9,
                                    TEST_BYTES("x"), now),
                     EXIT_SENT);
    assert_int_equal(send_name_to(&w, "a.example", now), EXIT_SENT);
    assert_int_equal(w.sent, 6);
    /* A circuit that goes meanwhile takes along what is held for it. */
    assert_int_equal(exit_send_name(w.exit, other, TEST_BYTES("b.example"), 9,
                                    TEST_BYTES("x"), now),
                     EXIT_SENT);
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, now + TIME_S);
    assert_int_equal(w.sent, 7);
    now += 2 * TIME_S;
    assert_int_equal(send_name_to(&w, "b.example", now), EXIT_SENT);
    world_answer(&w, w.question, "8.8.4.4", TIME_MIN, now);
    assert_int_equal(stats_of(&w).open_questions, 1);
    assert_int_equal(exit_next_deadline(w.exit), now + EXIT_PACE_MAX);
    exit_circuit_free(w.exit, w.circuit);
    w.circuit = NULL;
    assert_int_equal(stats_of(&w).open_questions, 0);
    assert_int_equal(w.cancelled, 0);
    exit_circuit_free(w.exit, other);
    world_end(&w);
}

static void test_exit_pace_keeps_to_its_cap_and_time(void **state)
{
    struct test_random r = test_seed(1);
    struct random_source random = test_source(&r);
    struct name first = name_of(0);
    struct exit_pace p;

    (void)state;
    exit_pace_init(&p, 10, &random);
    assert_int_equal(exit_pace_of(&p, &first, 7, NOW), 7);
    for (unsigned i = 1; i < 100; i++) {
        struct name name = name_of(i);

        assert_int_equal(exit_pace_of(&p, &name, i, NOW), i);
        assert_int_equal(exit_pace_of(&p, &first, 1, NOW), 7);
        assert_in_range(p.table.count, 1, 10);
    }
    assert_int_equal(exit_pace_of(&p, &first, 1, NOW + EXIT_PACE_KEPT - 1), 7);
    exit_pace_tick(&p, NOW + EXIT_PACE_KEPT);
    assert_int_equal(p.table.count, 1);
    assert_int_equal(p.sweep_at, NOW + 2 * EXIT_PACE_KEPT - 1);
    assert_int_equal(exit_pace_of(&p, &first, 1, p.sweep_at), 1);
    exit_pace_tick(&p, NOW + 4 * EXIT_PACE_KEPT);
    assert_int_equal(p.sweep_at, TIME_NEVER);
    exit_pace_deinit(&p);
}

/* A source that asks for names without an answer, over many circuits, while
 * others ask for names that have one. */
static void test_exit_silent_zone_leaves_room_for_others(void **state)
{
    enum { ATTACKERS = 100, HONEST = 20 };
    struct exit_circuit *bad[ATTACKERS], *good[HONEST];
    unsigned answered = 0, refused = 0;
    struct world w;
    char name[32];

    (void)state;
    world_init(&w);
    world_start(&w);
    for (unsigned i = 0; i < ATTACKERS; i++)
        bad[i] = world_circuit_from(&w, i, "7.7.7.7:7881");
    for (unsigned i = 0; i < HONEST; i++) /* some over the same relay */
        good[i] = world_circuit_from(
            &w, 1000 + i, i < HONEST / 2 ? "6.6.6.6:7881" : "7.7.7.7:7881");
    for (unsigned i = 0; i < 800; i++) {
        snprintf(name, sizeof(name), "silent%u.example", i);
        exit_send_name(w.exit, bad[i % ATTACKERS], bytes_of_text(name), 53,
                       TEST_BYTES("x"), NOW);
        assert_in_range(stats_of(&w).open_questions, 0, w.config.max_questions);
    }
    assert_int_equal(stats_of(&w).open_questions, w.config.max_questions);
    for (unsigned i = 0; i < HONEST; i++) {
        uint32_t question;

        snprintf(name, sizeof(name), "good%u.example", i);
        refused += exit_send_name(w.exit, good[i], bytes_of_text(name), 53,
                                  TEST_BYTES("x"), NOW + TIME_S) != EXIT_SENT;
        question = w.question;
        /* and they go on meanwhile */
        for (unsigned k = 0; k < 40; k++) {
            snprintf(name, sizeof(name), "silent%u-%u.example", i, k);
            exit_send_name(w.exit, bad[(40 * i + k) % ATTACKERS],
                           bytes_of_text(name), 53, TEST_BYTES("x"),
                           NOW + TIME_S);
        }
        w.sent = 0;
        world_answer(&w, question, "8.8.8.8", TIME_MIN, NOW + TIME_S);
        answered += w.sent;
        receive_from(&w, w.sent_by->cookie, "8.8.8.8:53", NOW + TIME_S);
    }
    assert_int_equal(refused, 0);
    assert_int_equal(answered, HONEST);
    assert_true(stats_of(&w).displaced >= HONEST);
    for (unsigned i = 0; i < ATTACKERS; i++)
        exit_circuit_free(w.exit, bad[i]);
    for (unsigned i = 0; i < HONEST; i++)
        exit_circuit_free(w.exit, good[i]);
    assert_int_equal(stats_of(&w).waiting, 0);
    world_end(&w);
}

/* Rebinding: the policy is asked about what the name turned out to be. */
static void test_exit_refuses_names_of_the_operators_network(void **state)
{
    static const char *const answers[] = {
        "127.0.0.1", "169.254.169.254",  "10.0.0.1",
        "::1",       "::ffff:127.0.0.1", "fc00::1",
        "9.9.9.9",   "0.0.0.0",          "127.0.0.1 10.0.0.1 ::1"};
    struct endpoint own = test_ep("9.9.9.9:7000");
    struct world w;

    (void)state;
    world_init(&w);
    assert_int_equal(policy_set_own(&w.policy, &own, 1), OK);
    world_start(&w);
    for (unsigned i = 0; i < COUNT_OF(answers); i++) {
        char name[32];

        snprintf(name, sizeof(name), "n%u.example", i);
        assert_int_equal(send_name_to(&w, name, NOW), EXIT_SENT);
        world_answer(&w, w.question, answers[i], TIME_MIN, NOW);
        assert_int_equal(w.failed, i + 1);
        assert_int_equal(w.failed_why, REASON_POLICY);
        assert_int_equal(w.failed_circuit, TEST_CIRCUIT);
        /* The cached answer fares no better. */
        assert_int_equal(send_name_to(&w, name, NOW), REASON_POLICY);
    }
    assert_int_equal(w.sent + w.open, 0);
    world_end(&w);
}

static void test_exit_takes_the_first_address_that_will_do(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    w.no_family[FAMILY_IPV6] = true;
    world_start(&w);
    assert_int_equal(send_name_to(&w, "a.example", NOW), EXIT_SENT);
    world_answer(&w, w.question, "10.0.0.1 2606::1 8.8.4.4 8.8.8.8", TIME_MIN,
                 NOW);
    assert_int_equal(w.sent, 1);
    assert_int_equal(w.sent_to.addr[2], 4);
    /* A silent one is not gone round by the next address. */
    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(send_name_to(&w, "a.example", NOW), EXIT_SENT);
    assert_int_equal(send_name_to(&w, "a.example", NOW), REASON_SILENT);
    world_end(&w);
}

static void test_exit_says_why_a_name_fails(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    w.no_family[FAMILY_IPV6] = true;
    world_start(&w);
    assert_int_equal(send_name_to(&w, "none.example", NOW), EXIT_SENT);
    world_answer(&w, w.question, "", TIME_MIN, NOW);
    assert_int_equal(w.failed_why, REASON_RESOLVE);
    assert_int_equal(send_name_to(&w, "none.example", NOW), REASON_RESOLVE);
    assert_int_equal(send_name_to(&w, "six.example", NOW), EXIT_SENT);
    world_answer(&w, w.question, "2606::1 10.0.0.1", TIME_MIN, NOW);
    assert_int_equal(w.failed_why, REASON_IO);
    assert_int_equal(w.failed, 2);
    assert_int_equal(send_name_to(&w, "a.onion", NOW), REASON_RESOLVE);
    assert_int_equal(send_name_to(&w, "127.1", NOW), REASON_PROTOCOL);
    assert_int_equal(exit_send_name(w.exit, w.circuit, TEST_BYTES("a.example"),
                                    0, TEST_BYTES("x"), NOW),
                     REASON_POLICY);
    w.resolve_error = ERR_IO;
    assert_int_equal(send_name_to(&w, "b.example", NOW), REASON_DNS);
    assert_int_equal(stats_of(&w).open_questions, 0);
    assert_int_equal(stats_of(&w).waiting, 0);
    assert_int_equal(w.asked, 2);
    assert_int_equal(stats_of(&w).refused[REASON_RESOLVE], 3);
    world_end(&w);
}

static void test_exit_dns_that_never_answers(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    assert_int_equal(send_name_to(&w, "a.example", NOW), EXIT_SENT);
    assert_int_equal(send_name_to(&w, "b.example", NOW + TIME_S), EXIT_SENT);
    exit_tick(w.exit, NOW + 10 * TIME_S - 1);
    assert_int_equal(w.failed, 0);
    exit_tick(w.exit, NOW + 10 * TIME_S);
    assert_int_equal(w.failed, 1);
    assert_int_equal(w.failed_why, REASON_TIMEOUT);
    assert_int_equal(w.cancelled, 1);
    assert_int_equal(exit_next_deadline(w.exit), NOW + 11 * TIME_S);
    exit_tick(w.exit, NOW + 11 * TIME_S);
    assert_int_equal(w.failed, 2);
    /* An answer after all, for nobody. */
    world_answer(&w, w.question, "8.8.8.8", TIME_MIN, NOW + 12 * TIME_S);
    assert_int_equal(stats_of(&w).late_answers, 1);
    assert_int_equal(w.sent, 0);
    assert_int_equal(stats_of(&w).waiting, 0);
    world_end(&w);
}

static void test_exit_caps_what_waits(void **state)
{
    struct exit_circuit *others[4];
    struct world w;
    char name[32];

    (void)state;
    world_init(&w);
    w.config.max_waiting_circuit = 4;
    w.config.max_waiting = 10;
    world_start(&w);
    for (unsigned i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "n%u.example", i);
        assert_int_equal(send_name_to(&w, name, NOW),
                         i < 4 ? EXIT_SENT : REASON_FULL);
    }
    for (unsigned i = 0; i < 16; i++) {
        if (i % 4 == 0)
            others[i / 4] = world_circuit(&w, i);
        snprintf(name, sizeof(name), "n%u.example", i % 4);
        exit_send_name(w.exit, others[i / 4], bytes_of_text(name), 1,
                       TEST_BYTES("x"), NOW);
        assert_in_range(stats_of(&w).waiting, 0, 10);
    }
    assert_int_equal(stats_of(&w).waiting, 10);
    for (unsigned i = 0; i < 4; i++)
        exit_circuit_free(w.exit, others[i]);
    assert_in_range(stats_of(&w).waiting, 0, 4);
    world_end(&w);
}

static void test_exit_caps_questions(void **state)
{
    struct world w;
    char name[32];

    (void)state;
    world_init(&w);
    w.config.max_questions = 3;
    w.config.max_waiting_circuit = 100;
    world_start(&w);
    for (unsigned i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "n%u.example", i);
        assert_int_equal(send_name_to(&w, name, NOW),
                         i < 3 ? EXIT_SENT : REASON_FULL);
    }
    assert_int_equal(w.asked, 3);
    /* Who joins a question that is under way needs no room for another. */
    assert_int_equal(send_name_to(&w, "n2.example", NOW), EXIT_SENT);
    world_end(&w);
}

static void test_exit_limits_the_rate_of_questions(void **state)
{
    struct world w;
    char name[32];

    (void)state;
    world_init(&w);
    w.answer_at_once = "8.8.8.8";
    w.config.silent_burst = 1000;
    w.config.question_burst = 20;
    world_start(&w);
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "n%u.example", i);
        assert_int_equal(send_name_to(&w, name, NOW),
                         i < 20 ? EXIT_SENT : REASON_RATE);
    }
    assert_int_equal(w.asked, 20);
    assert_int_equal(w.sent, 20);
    assert_int_equal(send_name_to(&w, "n0.example", NOW), EXIT_SENT);
    world_end(&w);
}

static void test_exit_circuit_may_go_in_its_failure(void **state)
{
    struct exit_circuit *other;
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    other = world_circuit(&w, 2);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(send_name_to(&w, "a.example", NOW), EXIT_SENT);
    assert_int_equal(exit_send_name(w.exit, other, TEST_BYTES("a.example"), 9,
                                    TEST_BYTES("x"), NOW),
                     EXIT_SENT);
    w.free_on_failure = w.circuit;
    world_answer(&w, w.question - 1, "10.0.0.1", TIME_MIN, NOW);
    assert_int_equal(w.failed, 1); /* it does not hear of the other two */
    world_answer(&w, w.question, "10.0.0.1", TIME_MIN, NOW);
    assert_int_equal(w.failed, 2);
    assert_int_equal(w.failed_circuit, 2);
    assert_int_equal(stats_of(&w).waiting, 0);
    /* The last one waiting frees another circuit that waits elsewhere. */
    w.circuit = world_circuit(&w, TEST_CIRCUIT);
    assert_int_equal(send_name_to(&w, "b.example", NOW), EXIT_SENT);
    assert_int_equal(exit_send_name(w.exit, other, TEST_BYTES("c.example"), 9,
                                    TEST_BYTES("x"), NOW),
                     EXIT_SENT);
    w.free_on_failure = w.circuit;
    exit_tick(w.exit, NOW + TIME_MIN);
    assert_int_equal(w.failed, 4);
    exit_circuit_free(w.exit, other);
    world_end(&w);
}

static void test_exit_answers_within_the_question(void **state)
{
    struct world w;

    (void)state;
    world_init(&w);
    w.answer_at_once = "10.0.0.1";
    w.free_on_failure = NULL;
    world_start(&w);
    w.free_on_failure = w.circuit;
    assert_int_equal(send_name_to(&w, "a.example", NOW), EXIT_SENT);
    assert_int_equal(w.failed, 1);
    assert_null(w.circuit);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_reads_names_and_addresses),
        cmocka_unit_test(test_name_refuses_what_is_neither),
        cmocka_unit_test(test_name_bounds_lengths),
        cmocka_unit_test(test_name_cache_keeps_to_its_cap_and_times),
        cmocka_unit_test(test_exit_resolves_a_name),
        cmocka_unit_test(test_name_cache_takes_from_who_adds),
        cmocka_unit_test(test_exit_asks_once_for_many),
        cmocka_unit_test(test_exit_circuits_learn_nothing_of_each_other),
        cmocka_unit_test(test_exit_answers_are_as_late_as_the_first),
        cmocka_unit_test(test_exit_pace_keeps_to_its_cap_and_time),
        cmocka_unit_test(test_exit_silent_zone_leaves_room_for_others),
        cmocka_unit_test(test_exit_refuses_names_of_the_operators_network),
        cmocka_unit_test(test_exit_takes_the_first_address_that_will_do),
        cmocka_unit_test(test_exit_says_why_a_name_fails),
        cmocka_unit_test(test_exit_dns_that_never_answers),
        cmocka_unit_test(test_exit_caps_what_waits),
        cmocka_unit_test(test_exit_caps_questions),
        cmocka_unit_test(test_exit_limits_the_rate_of_questions),
        cmocka_unit_test(test_exit_circuit_may_go_in_its_failure),
        cmocka_unit_test(test_exit_answers_within_the_question),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
