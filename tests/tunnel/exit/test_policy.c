/* SPDX-License-Identifier: MIT */
#include "dht_data.h"
#include "policy_data.h"

#include "tunnel/exit/policy.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char why[POLICY_ERROR_SIZE];

static struct endpoint ep6(const uint8_t addr[16], uint16_t port)
{
    struct endpoint ep = {.port = port, .family = FAMILY_IPV6};

    memcpy(ep.addr, addr, 16);
    return ep;
}

static void test_policy_reads_lines(void **state)
{
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"accept *", "accept *"},
        {"reject *:*", "reject *"},
        {"accept *:1-65535", "accept *"},
        {"accept *:443", "accept *:443"},
        {"  accept \t *:443 ", "accept *:443"},
        {"reject 192.0.2.0/24", "reject 192.0.2.0/24"},
        {"reject 192.0.2.7", "reject 192.0.2.7/32"},
        {"reject 192.0.2.7:53", "reject 192.0.2.7/32:53"},
        {"reject 192.0.2.0/24:6881-6889", "reject 192.0.2.0/24:6881-6889"},
        {"accept 0.0.0.0/0:1", "accept 0.0.0.0/0:1"},
        {"accept 128.0.0.0/1:65535", "accept 128.0.0.0/1:65535"},
        {"accept 2001:db8::/32", "accept [2001:db8::]/32"},
        {"accept 2001:db8::/32:80", "accept [2001:db8::]/32:80"},
        {"accept [2001:db8::]/32:80", "accept [2001:db8::]/32:80"},
        {"accept [2001:db8::1]:80", "accept [2001:db8::1]/128:80"},
        {"accept [2001:db8::1]", "accept [2001:db8::1]/128"},
        {"accept 2001:db8::1", "accept [2001:db8::1]/128"},
        {"accept ::/0:53", "accept [::]/0:53"},
        {"accept fe80::/10", "accept [fe80::]/10"},
        {"accept ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128:60000-60001",
         "accept [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]/128:60000-60001"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[POLICY_LINE_SIZE];
        struct policy_line line, again;

        assert_int_equal(
            policy_parse_line(bytes_of_text(cases[i].text), &line, why), OK);
        assert_string_equal(policy_print_line(&line, text), cases[i].printed);
        assert_int_equal(policy_parse_line(bytes_of_text(text), &again, why),
                         OK);
        assert_string_equal(policy_print_line(&again, text), cases[i].printed);
    }
}

static void test_policy_says_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "\"\": a line is accept"},
        {"accept", "\"\": not an address"},
        {"allow *", "\"allow\": a line begins with accept or reject"},
        {"Accept *", "\"Accept\": "},
        {"accept example.org", "\"example.org\": not an address"},
        {"accept 1.2.3", "\"1.2.3\": not an address"},
        {"accept 1.2.3.4 *:80", "\"1.2.3.4 *\": not an address"},
        {"accept 1.2.3.4/33", "\"33\": a prefix length is 0 to 32 here"},
        {"accept 1.2.3.4/", "\"\": a prefix length"},
        {"accept 1.2.3.4/+8", "\"+8\": a prefix length"},
        {"accept 1.2.3.4/8", "\"1.2.3.4\": the network of /8 is 1.0.0.0"},
        {"accept 1.2.3.4/31:1-0", "\"1-0\": the first port is above"},
        {"accept 2001:db8::1/64", "the network of /64 is 2001:db8::"},
        {"accept 2001:db8::/129", "\"129\": a prefix length is 0 to 128"},
        {"accept */0", "\"0\": * is any address"},
        {"accept *:0", "\"0\": a port is"},
        {"accept *:65536", "\"65536\": a port is"},
        {"accept *:80-", "\"80-\": a port is"},
        {"accept *:-80", "\"-80\": a port is"},
        {"accept *:90-80", "\"90-80\": the first port is above the last"},
        {"accept *:80-90-95", "\"80-90-95\": a port is"},
        {"accept *:http", "\"http\": a port is"},
        {"accept *:", "\"\": a port is"},
        {"accept [::1]x:80", "\"[::1]x:80\": not an address"},
        {"accept [::1]80", "\"[::1]80\": not an address"},
        {"accept [::1", "\"[::1\": not an address"},
        {"accept [1.2.3.4]:80", "\"[1.2.3.4]\": not an address"},
        {"accept aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "aaaa...\": not an address"},
    };
    struct policy_line line = {.bits = 99};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        why[0] = '\0';
        assert_int_equal(
            policy_parse_line(bytes_of_text(cases[i].text), &line, why),
            ERR_SYNTAX);
        if (strstr(why, cases[i].why) == NULL)
            fail_msg("%s gave: %s", cases[i].text, why);
        assert_int_equal(line.bits, 99);
    }
}

static void test_policy_takes_the_first_match(void **state)
{
    static const struct {
        const char *to;
        enum policy_verdict verdict;
        int line; /* that counted it; -1 the default */
    } cases[] = {
        {"8.8.8.8:53", POLICY_ACCEPTED, 1},
        {"8.8.8.8:54", POLICY_REJECTED, 2},
        {"8.8.8.9:53", POLICY_REJECTED, 2},
        {"8.8.9.8:53", POLICY_ACCEPTED, -1},
        {"9.9.9.9:25", POLICY_REJECTED, 0},
        {"[2606::1]:25", POLICY_REJECTED, 0},
        {"[2606::1]:24", POLICY_ACCEPTED, -1},
        {"[2606:4700::1]:6881", POLICY_REJECTED, 3},
        {"[2606:4700::1]:6889", POLICY_REJECTED, 3},
        {"[2606:4700::1]:6890", POLICY_ACCEPTED, -1},
        {"[2606:4701::1]:6881", POLICY_ACCEPTED, -1},
    };
    struct policy p;

    (void)state;
    policy_init(&p, true, false);
    test_policy_add(&p, "reject *:25,"
                        "accept 8.8.8.8:53,"
                        "reject 8.8.8.0/24,"
                        "reject 2606:4700::/32:6881-6889");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint to = test_ep(cases[i].to);
        uint64_t *hits = cases[i].line < 0 ? &p.rest_hits
                                           : &p.lines[cases[i].line].hits;
        uint64_t before = *hits;
        uint64_t verdicts = p.verdicts[cases[i].verdict];

        assert_int_equal(policy_check(&p, &to), cases[i].verdict);
        assert_int_equal(*hits, before + 1);
        assert_int_equal(p.verdicts[cases[i].verdict], verdicts + 1);
    }
}

static void test_policy_default_decides_the_rest(void **state)
{
    struct endpoint to = test_ep("9.9.9.9:9");
    struct policy p;

    (void)state;
    policy_init(&p, false, false);
    assert_int_equal(policy_check(&p, &to), POLICY_REJECTED);
    policy_init(&p, true, false);
    assert_int_equal(policy_check(&p, &to), POLICY_ACCEPTED);
}

/* "accept *" opens none of these; a testing network opens private ones. */
struct verdict {
    const char *to;
    enum policy_verdict here, testing; /* in a testing network */
};

static void assert_verdicts(const struct verdict *rows, size_t count,
                            const struct endpoint *own, size_t own_count)
{
    for (size_t i = 0; i < 2 * count; i++) {
        const struct verdict *row = &rows[i / 2];
        struct endpoint to = test_ep(row->to);
        bool testing = i % 2 != 0;
        struct policy p;

        policy_init(&p, true, testing);
        test_policy_add(&p, "accept *");
        assert_int_equal(policy_set_own(&p, own, own_count), OK);
        assert_int_equal(policy_check(&p, &to),
                         testing ? row->testing : row->here);
    }
}

static void test_policy_refuses_what_is_not_global(void **state)
{
    static const struct verdict cases[] = {
        {"127.0.0.1:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"127.255.0.1:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"10.0.0.1:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"172.16.0.1:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"192.168.1.1:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"100.64.0.1:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"169.254.169.254:80", POLICY_NOT_GLOBAL, POLICY_NOT_GLOBAL},
        {"[::1]:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"[fc00::1]:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"[fe80::1]:80", POLICY_NOT_GLOBAL, POLICY_NOT_GLOBAL},
        {"[::ffff:127.0.0.1]:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"[64:ff9b::7f00:1]:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"[2002:7f00:1::]:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"224.0.0.1:80", POLICY_UNUSABLE, POLICY_UNUSABLE},
        {"255.255.255.255:80", POLICY_UNUSABLE, POLICY_UNUSABLE},
        {"0.0.0.0:80", POLICY_UNUSABLE, POLICY_UNUSABLE},
        {"0.1.2.3:80", POLICY_UNUSABLE, POLICY_UNUSABLE},
        {"[::]:80", POLICY_UNUSABLE, POLICY_UNUSABLE},
        {"[ff02::1]:80", POLICY_UNUSABLE, POLICY_UNUSABLE},
        {"8.8.8.8:0", POLICY_UNUSABLE, POLICY_UNUSABLE},
        {"8.8.8.8:80", POLICY_ACCEPTED, POLICY_ACCEPTED},
        {"[2606:4700::1]:80", POLICY_ACCEPTED, POLICY_ACCEPTED},
    };

    (void)state;
    assert_verdicts(cases, COUNT_OF(cases), NULL, 0);
}

/* The compact form can carry a mapped address as it is. */
static void test_policy_refuses_mapped_addresses(void **state)
{
    static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
    struct endpoint to = ep6(mapped, 80);
    struct policy p;

    (void)state;
    for (int testing = 0; testing < 2; testing++) {
        policy_init(&p, true, testing != 0);
        assert_int_equal(policy_check(&p, &to), POLICY_UNUSABLE);
    }
}

static void test_policy_refuses_own_addresses(void **state)
{
    struct endpoint own[] = {test_ep("9.9.9.9:7000"), test_ep("[2606::9]:7000"),
                             test_ep("127.0.0.5:7000"),
                             test_ep("172.20.0.5:7000")};
    static const struct verdict cases[] = {
        {"9.9.9.9:7000", POLICY_OWN, POLICY_OWN},
        {"9.9.9.9:80", POLICY_OWN, POLICY_OWN},
        {"[2606::9]:1", POLICY_OWN, POLICY_OWN},
        {"9.9.9.8:7000", POLICY_ACCEPTED, POLICY_ACCEPTED},
        {"127.0.0.5:7000", POLICY_NOT_GLOBAL, POLICY_OWN},
        {"127.0.0.5:7001", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"127.0.0.6:7000", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
        {"172.20.0.5:80", POLICY_NOT_GLOBAL, POLICY_OWN},
        {"172.20.0.6:80", POLICY_NOT_GLOBAL, POLICY_ACCEPTED},
    };

    (void)state;
    assert_verdicts(cases, COUNT_OF(cases), own, COUNT_OF(own));
}

static void test_policy_bounds_own_addresses(void **state)
{
    struct endpoint own[POLICY_OWN_MAX + 1];
    struct policy p;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(own); i++)
        own[i] = test_ep4(9, 9, 9, (uint8_t)i, 1);
    policy_init(&p, true, false);
    assert_int_equal(policy_set_own(&p, own, POLICY_OWN_MAX + 1),
                     ERR_TOO_LARGE);
    assert_int_equal(p.own_count, 0);
    assert_int_equal(policy_set_own(&p, own, POLICY_OWN_MAX), OK);
    assert_int_equal(policy_check(&p, &own[POLICY_OWN_MAX - 1]), POLICY_OWN);
}

static void test_policy_version_follows_changes(void **state)
{
    struct endpoint own = test_ep("9.9.9.9:1");
    struct policy p;
    uint32_t version;

    (void)state;
    policy_init(&p, true, false);
    version = p.version;
    test_policy_add(&p, "reject *");
    assert_int_not_equal(p.version, version);
    version = p.version;
    assert_int_equal(policy_set_own(&p, &own, 1), OK);
    assert_int_not_equal(p.version, version);
}

static void test_policy_summary_lists_ports(void **state)
{
    static const struct {
        const char *lines;
        bool rest;
        const char *summary;
    } cases[] = {
        {"", false, "accept"},
        {"", true, "reject"},
        {"accept *:53,accept *:443", false, "accept 53,443"},
        {"accept *:53,accept *:54,accept *:55-60", false, "accept 53-60"},
        {"reject *:25", true, "reject 25"},
        {"reject 8.0.0.0/8, reject *:25", true, "reject 25"},
        {"accept 8.0.0.0/8", false, "accept"},
        {"reject *:1-1023, accept *:22", true, "reject 1-1023"},
        {"accept *:22, reject *:1-1023", true, "reject 1-21,23-1023"},
        {"accept 0.0.0.0/0:80", false, "accept 80"},
        {"accept ::/0:80, accept 0.0.0.0/0:81", false, "accept 80-81"},
        {"accept *:65535", false, "accept 65535"},
        {"accept *:1", false, "accept 1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[POLICY_SUMMARY_SIZE];
        struct policy p;

        policy_init(&p, cases[i].rest, false);
        test_policy_add(&p, cases[i].lines);
        assert_string_equal(policy_summary(&p, text, sizeof(text)),
                            cases[i].summary);
    }
}

/* A client reads from the summary what the policy does for an address that no
 * narrower line is about; where ports were left away, never too much. */
static void test_policy_summary_is_read_as_meant(void **state)
{
    struct test_random r = test_seed(3);
    struct endpoint to = test_ep("8.8.8.8:1");

    (void)state;
    for (int i = 0; i < 300; i++) {
        unsigned lines = test_random_below(&r, i % 2 ? 6 : POLICY_LINES_MAX);
        char text[POLICY_SUMMARY_SIZE];
        struct policy p;
        size_t size;
        bool whole;

        policy_init(&p, test_random_below(&r, 2) != 0, false);
        for (unsigned n = 0; n < lines; n++) {
            unsigned first = 1 + test_random_below(&r, 2000);
            char line[POLICY_LINE_SIZE];

            snprintf(line, sizeof(line), "%s *:%u-%u",
                     test_random_below(&r, 2) ? "accept" : "reject", first,
                     first + test_random_below(&r, 300));
            test_policy_add(&p, line);
        }
        /* in as much room as there is for datagrams, and for streams */
        size = i % 3 == 0 ? 65 : sizeof(text);
        policy_summary(&p, text, size);
        assert_in_range(strlen(text), 6, size - 1);
        whole = strlen(text) < size - 19;
        for (unsigned port = 1; port <= 2400; port++) {
            bool said =
                policy_summary_accepts(bytes_of_text(text), (uint16_t)port);
            bool done;

            to.port = (uint16_t)port;
            done = policy_check(&p, &to) == POLICY_ACCEPTED;
            if (whole)
                assert_int_equal(said, done);
            else
                assert_true(!said || done);
        }
    }
}

static void test_policy_summary_accepts_something(void **state)
{
    static const struct {
        const char *summary;
        bool any;
    } cases[] = {
        {"accept", false},
        {"reject", true},
        {"accept 53", true},
        {"accept 65535", true},
        {"reject 25", true},
        {"reject 1-65535", false},
        {"reject 1-65534", true},
        {"reject 2-65535", true},
        {"reject 1-80,82-65535", true},
        {"reject 1-80,81-65535", false},
        {"reject 81-65535,1-80", false},
        {"reject 1-90,80-65535", false},
        {"", false},
        {"accept 0", false},
        {"accept 80,x", false},
        {"nothing", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (policy_summary_accepts_any(bytes_of_text(cases[i].summary)) !=
            cases[i].any)
            fail_msg("%s", cases[i].summary);
}

static void test_policy_summary_of_a_stranger(void **state)
{
    static const char *const junk[] = {
        "",           "accep",      "accept80",      "Accept 80",
        "accept 80-", "accept -80", "accept 80,,81", "accept 80-90-95",
        "accept 0",   "accept 80x", "accept 99999",  "accept 80 81",
        "reject x",   "reject 5-4", "accept  80",    "reject 99999999999999"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(junk); i++)
        assert_false(policy_summary_accepts(bytes_of_text(junk[i]), 80));
    assert_false(policy_summary_accepts(bytes_of_text("reject"), 0));
    assert_true(policy_summary_accepts(bytes_of_text("reject"), 80));
    assert_false(policy_summary_accepts(bytes_of_text("accept"), 80));
}

/* The networks of the machine are closed, but for what a line of their own
 * opens. */
static void test_policy_opens_networks_by_their_own_lines(void **state)
{
    static const struct {
        const char *line; /* before "accept *" */
        bool opens;
    } cases[] = {
        {"accept *", false},
        {"accept ::/0", false},
        {"accept [2606:1:2::]/48", false},
        {"accept [2606:1:2:300::]/56", true},
        {"accept [2606:1:2:345::]/64", true},
        {"accept [2606:1:2:345::99]:53", true},
        {"accept [2606:1:2:345::99]:54", false},
        {"accept [2606:1:2:346::]/64", false},
        {"reject [2606:1:2:345::99]", false},
    };
    struct endpoint to = test_ep("[2606:1:2:345::99]:53");
    struct endpoint far_away = test_ep("[2606:1:3::1]:53");
    struct policy_network network = policy_network_of(&to, 56);
    struct policy p;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct policy_line lines[2];

        assert_int_equal(
            policy_parse_line(bytes_of_text(cases[i].line), &lines[0], why),
            OK);
        assert_int_equal(
            policy_parse_line(bytes_of_text("accept *"), &lines[1], why), OK);
        policy_init(&p, false, false);
        policy_set_lines(&p, lines, 2);
        assert_int_equal(policy_check(&p, &to), cases[i].line[0] == 'r'
                                                    ? POLICY_REJECTED
                                                    : POLICY_ACCEPTED);
        assert_int_equal(policy_set_networks(&p, &network, 1), OK);
        assert_int_equal(policy_check(&p, &to),
                         cases[i].opens ? POLICY_ACCEPTED : POLICY_OWN_NETWORK);
        assert_int_equal(policy_check(&p, &far_away), POLICY_ACCEPTED);
        assert_true(policy_is_near(&p, &to));
        assert_false(policy_is_near(&p, &far_away));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_opens_networks_by_their_own_lines),
        cmocka_unit_test(test_policy_reads_lines),
        cmocka_unit_test(test_policy_says_what_is_wrong),
        cmocka_unit_test(test_policy_takes_the_first_match),
        cmocka_unit_test(test_policy_default_decides_the_rest),
        cmocka_unit_test(test_policy_refuses_what_is_not_global),
        cmocka_unit_test(test_policy_refuses_mapped_addresses),
        cmocka_unit_test(test_policy_refuses_own_addresses),
        cmocka_unit_test(test_policy_bounds_own_addresses),
        cmocka_unit_test(test_policy_version_follows_changes),
        cmocka_unit_test(test_policy_summary_lists_ports),
        cmocka_unit_test(test_policy_summary_is_read_as_meant),
        cmocka_unit_test(test_policy_summary_accepts_something),
        cmocka_unit_test(test_policy_summary_of_a_stranger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
