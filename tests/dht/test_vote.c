/* SPDX-License-Identifier: MIT */
#include "dht_data.h"

#include "dht/contacts/vote.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW (100 * TIME_HOUR)

/* Global, each in a /16 of its own. */
static struct endpoint voter(unsigned n)
{
    return test_ep4((uint8_t)(80 + (n >> 8)), (uint8_t)n, 1, 1, 6881);
}

static bool add(struct vote *v, unsigned n, const char *claimed, uint64_t now)
{
    struct endpoint from = voter(n);
    struct endpoint ep = test_ep(claimed);

    return vote_add(v, &from, &ep, now);
}

static void assert_winner(const struct vote *v, const char *want)
{
    char text[ENDPOINT_TEXT_SIZE];
    struct endpoint ep;

    assert_true(vote_winner(v, &ep));
    assert_string_equal(endpoint_print(&ep, text), want);
}

static void test_vote_needs_a_quorum(void **state)
{
    struct endpoint ep;
    struct vote v;

    (void)state;
    assert_true(sizeof(v) < 512);
    vote_init(&v, FAMILY_IPV4);
    assert_false(vote_winner(&v, &ep));
    for (unsigned i = 1; i < VOTE_QUORUM; i++)
        assert_false(add(&v, i, "5.6.7.8:1", NOW));
    assert_false(vote_winner(&v, &ep));
    assert_true(add(&v, VOTE_QUORUM, "5.6.7.8:1", NOW));
    assert_winner(&v, "5.6.7.8:1");
}

/* Nobody alone says which port it is; a NAT that has changed it is believed
 * when most do. */
static void test_vote_takes_the_port_of_most(void **state)
{
    struct vote v;

    (void)state;
    vote_init(&v, FAMILY_IPV4);
    for (unsigned i = 0; i < 5; i++)
        add(&v, i, "5.6.7.8:1", NOW);
    for (unsigned i = 0; i < 3; i++) {
        assert_winner(&v, "5.6.7.8:1");
        assert_false(add(&v, i, "5.6.7.8:2", NOW));
    }
    assert_winner(&v, "5.6.7.8:2");
    /* Neither has most: it stays as it was. */
    assert_false(add(&v, 5, "5.6.7.8:3", NOW));
    assert_winner(&v, "5.6.7.8:2");
    /* An address of which no port is known. */
    for (unsigned i = 10; i < 16; i++)
        add(&v, i, i % 2 ? "9.9.9.9:4" : "9.9.9.9:5", NOW);
    assert_true(add(&v, 17, "9.9.9.9:6", NOW));
    assert_winner(&v, "9.9.9.9:0");
}

/* Each of them sees another port: a symmetric NAT. */
static void test_vote_knows_no_port_behind_a_symmetric_nat(void **state)
{
    struct vote v;
    char claimed[32];

    (void)state;
    vote_init(&v, FAMILY_IPV4);
    for (unsigned i = 0; i < 2 * VOTE_VOTERS; i++) {
        snprintf(claimed, sizeof(claimed), "5.6.7.8:%u", 1000 + i);
        assert_true(add(&v, i, claimed, NOW) == (i + 1 == VOTE_QUORUM));
        if (i + 1 >= VOTE_QUORUM)
            assert_winner(&v, "5.6.7.8:0");
    }
    /* The ports of those that are left agree again. */
    for (unsigned i = 0; i < VOTE_VOTERS; i++)
        add(&v, 100 + i, "5.6.7.8:7", NOW + 2 * VOTE_LIFETIME);
    assert_winner(&v, "5.6.7.8:7");
}

/* One network has one vote, however many addresses it has. */
static void test_vote_counts_networks(void **state)
{
    static const struct {
        const char *first, *claimed;
        unsigned byte; /* of the address, counted up for the next voter */
        bool known;
    } cases[] = {
        {"80.1.2.0:1", "5.6.7.8:1", 3, false},
        {"80.1.2.0:1", "5.6.7.8:1", 2, false},
        {"80.1.2.0:1", "5.6.7.8:1", 1, true},
        {"127.0.0.0:1", "5.6.7.8:1", 3, true}, /* a test network */
        {"[2a01:1:2:3300::]:1", "[2a01::1]:1", 15, false},
        {"[2a01:1:2:3300::]:1", "[2a01::1]:1", 7, false},
        {"[2a01:1:2:3300::]:1", "[2a01::1]:1", 6, false},
        {"[2a01:1:2:3300::]:1", "[2a01::1]:1", 5, false},
        {"[2a01:1:2:3300::]:1", "[2a01::1]:1", 3, true},
        {"[fd00::]:1", "[2a01::1]:1", 15, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint claimed = test_ep(cases[i].claimed);
        struct endpoint winner;
        struct vote v;

        vote_init(&v, claimed.family);
        for (uint8_t n = 1; n <= VOTE_VOTERS; n++) {
            struct endpoint from = test_ep(cases[i].first);

            from.addr[cases[i].byte] = n;
            vote_add(&v, &from, &claimed, NOW);
        }
        assert_int_equal(vote_winner(&v, &winner), cases[i].known);
    }
}

/* What the machine knows is not voted on. */
static void test_vote_is_settled_by_the_machine(void **state)
{
    struct endpoint ours = test_ep("5.6.7.8:1");
    struct vote v;

    (void)state;
    vote_init(&v, FAMILY_IPV4);
    for (unsigned i = 0; i < VOTE_QUORUM; i++)
        add(&v, i, "6.6.6.6:1", NOW);
    assert_winner(&v, "6.6.6.6:1");
    vote_settle(&v, &ours);
    assert_winner(&v, "5.6.7.8:1");
    for (unsigned i = 0; i < VOTE_VOTERS; i++)
        assert_false(add(&v, i, "6.6.6.6:1", NOW));
    assert_false(vote_is_contradicted(&v));
    vote_doubt(&v, false);
    assert_winner(&v, "5.6.7.8:1");
    vote_settle(&v, NULL);
    assert_winner(&v, "5.6.7.8:1"); /* until others say something else */
    for (unsigned i = 0; i < VOTE_QUORUM; i++)
        add(&v, i, "6.6.6.6:1", NOW);
    assert_winner(&v, "6.6.6.6:1");
}

static void test_vote_ignores_what_cannot_be(void **state)
{
    static const char *const bad[] = {"[2a01::1]:1", "0.0.0.0:1", "224.0.0.1:1",
                                      "5.6.7.8:0"};
    struct endpoint ep;
    struct vote v;

    (void)state;
    vote_init(&v, FAMILY_IPV4);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        for (unsigned n = 0; n < 10; n++)
            assert_false(add(&v, n, bad[i], NOW));
    }
    assert_false(vote_winner(&v, &ep));
}

static void test_vote_changes_with_the_majority(void **state)
{
    struct vote v;

    (void)state;
    vote_init(&v, FAMILY_IPV4);
    for (unsigned n = 0; n < 5; n++)
        add(&v, n, "5.6.7.8:1", NOW);
    for (unsigned n = 10; n < 15; n++)
        assert_false(add(&v, n, "9.9.9.9:1", NOW)); /* a draw at most */
    assert_winner(&v, "5.6.7.8:1");
    assert_true(add(&v, 15, "9.9.9.9:1", NOW));
    assert_winner(&v, "9.9.9.9:1");
    /* A voter that thinks again has still one vote. */
    assert_true(add(&v, 15, "5.6.7.8:1", NOW));
    assert_winner(&v, "5.6.7.8:1");
}

static void test_vote_forgets_after_an_hour(void **state)
{
    struct endpoint ep;
    struct vote v;

    (void)state;
    vote_init(&v, FAMILY_IPV4);
    add(&v, 1, "5.6.7.8:1", NOW);
    add(&v, 2, "5.6.7.8:1", NOW);
    add(&v, 3, "5.6.7.8:1", NOW + VOTE_LIFETIME + 2 * TIME_S);
    assert_false(vote_winner(&v, &ep));
    add(&v, 1, "5.6.7.8:1", NOW + VOTE_LIFETIME + 2 * TIME_S);
    add(&v, 2, "5.6.7.8:1", NOW + VOTE_LIFETIME + 2 * TIME_S);
    assert_winner(&v, "5.6.7.8:1");
    /* The winner stays when all its votes are old. */
    add(&v, 4, "9.9.9.9:1", NOW + 10 * TIME_HOUR);
    assert_winner(&v, "5.6.7.8:1");
}

/* One liar with a new story each time does not push the others out. */
static void test_vote_survives_made_up_addresses(void **state)
{
    struct vote v;

    (void)state;
    vote_init(&v, FAMILY_IPV4);
    add(&v, 1, "5.6.7.8:1", NOW);
    add(&v, 2, "5.6.7.8:1", NOW);
    for (unsigned i = 0; i < 1000; i++) {
        struct endpoint from = voter(77);
        struct endpoint ep = test_ep4(90, 1, (uint8_t)(i >> 8), (uint8_t)i, 1);

        assert_false(vote_add(&v, &from, &ep, NOW));
    }
    assert_true(add(&v, 3, "5.6.7.8:1", NOW));
}

static void test_vote_remembers_only_so_many(void **state)
{
    struct vote v;

    (void)state;
    vote_init(&v, FAMILY_IPV4);
    for (unsigned n = 0; n < VOTE_VOTERS; n++)
        add(&v, n, "5.6.7.8:1", NOW + n * TIME_S);
    /* Newer votes take the places of the oldest ones. */
    for (unsigned n = 0; n < VOTE_VOTERS / 2; n++)
        assert_false(add(&v, 100 + n, "9.9.9.9:1", NOW + TIME_MIN));
    assert_true(add(&v, 200, "9.9.9.9:1", NOW + TIME_MIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vote_needs_a_quorum),
        cmocka_unit_test(test_vote_takes_the_port_of_most),
        cmocka_unit_test(test_vote_knows_no_port_behind_a_symmetric_nat),
        cmocka_unit_test(test_vote_counts_networks),
        cmocka_unit_test(test_vote_is_settled_by_the_machine),
        cmocka_unit_test(test_vote_ignores_what_cannot_be),
        cmocka_unit_test(test_vote_changes_with_the_majority),
        cmocka_unit_test(test_vote_forgets_after_an_hour),
        cmocka_unit_test(test_vote_survives_made_up_addresses),
        cmocka_unit_test(test_vote_remembers_only_so_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
