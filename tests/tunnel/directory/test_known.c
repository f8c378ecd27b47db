/* SPDX-License-Identifier: MIT
 *
 * The table of known relays, through the directory that fills it.
 */
#include "directory_tell.h"
#include "fail_alloc.h"

static void start_small(struct host *h, unsigned max)
{
    struct directory_config c;

    directory_free(h->d);
    c = host_config(h);
    c.max_relays = max;
    host_start(h, &c);
}

static void test_known_evicts_the_least_worth(void **state)
{
    struct descriptor d = test_descriptor(0), fresh = test_descriptor(50);
    struct host h;

    (void)state;
    host_init(&h, 22);
    start_small(&h, 10);
    d.issued -= DESCRIPTOR_LIFETIME_MAX / 2;
    d.expires = d.issued + 10; /* expired */
    assert_int_equal(host_add(&h, &d, 0), OK);
    host_add_many(&h, 1, 9, ROLE_RELAY);
    directory_set_guard(h.d, test_descriptor(2).identity, 1, 2, false);
    for (unsigned i = 0; i < 3; i++)
        directory_failed(h.d, test_descriptor(2).identity,
                         h.now + i * 120 * TIME_S);
    for (unsigned i = 0; i < 3; i++)
        directory_failed(h.d, test_descriptor(3).identity,
                         h.now + i * 120 * TIME_S);

    assert_int_equal(ask_and_tell(&h, 50, &fresh, 50), OK);
    assert_null(directory_find(h.d, d.identity)); /* the expired one */
    assert_int_equal(h.forgotten, 1);
    fresh = test_descriptor(51);
    assert_int_equal(ask_and_tell(&h, 51, &fresh, 51), OK);
    assert_null(directory_find(h.d, test_descriptor(3).identity));
    assert_non_null(directory_find(h.d, test_descriptor(2).identity));
    /* 50 and 51 are young, the others were reached or guard us. */
    fresh = test_descriptor(52);
    assert_int_equal(ask_and_tell(&h, 52, &fresh, 52), ERR_FULL);
    assert_int_equal(directory_count(h.d), 10);
    assert_int_equal(directory_stats(h.d)->evicted, 2);
    host_deinit(&h);
}

/* Among equals, the one goes that was heard of longest ago. */
static void test_known_evicts_the_stalest_of_equals(void **state)
{
    struct descriptor d, fresh;
    struct host h;

    (void)state;
    host_init(&h, 24);
    start_small(&h, 5);
    for (unsigned n = 0; n < 5; n++) { /* 3, 4, 0, 1, 2 */
        unsigned who = (n + 3) % 5;

        d = test_descriptor(who);
        d.issued = (uint64_t)h.wall;
        d.expires = d.issued + DESCRIPTOR_LIFETIME_MAX;
        assert_int_equal(ask_and_tell(&h, who, &d, who), OK);
        host_pass(&h, 2 * TIME_HOUR);
    }
    for (unsigned n = 0; n < 2; n++) {
        unsigned gone = (n + 3) % 5;

        fresh = test_descriptor(60 + n);
        fresh.issued = (uint64_t)h.wall;
        fresh.expires = fresh.issued + DESCRIPTOR_LIFETIME_MAX;
        assert_int_equal(ask_and_tell(&h, 60 + n, &fresh, 60 + n), OK);
        assert_null(directory_find(h.d, test_descriptor(gone).identity));
        assert_int_equal(directory_count(h.d), 5);
    }
    host_deinit(&h);
}

/* One more relay, `n`, at `ep`: answering from there, or named by `informant`.
 */
static enum error add_at(struct known *k, unsigned n, struct endpoint ep,
                         const struct endpoint *informant)
{
    struct descriptor d = test_descriptor(n);
    uint8_t text[DESCRIPTOR_MAX], evicted[32];
    struct known_word w = {.d = &d,
                           .way = informant != NULL ? KNOWN_NAMED
                                                    : KNOWN_ANSWERED,
                           .from = informant != NULL ? *informant : ep,
                           .wall = TEST_WALL};
    struct known_relay *relay;
    bool did_evict = false;

    d.addresses[0] = ep;
    w.text = bytes_of(text, test_descriptor_text(&d, n, text));
    return known_add(k, &w, &relay, evicted, &did_evict);
}

/* Neither a network nor one who names others gets more than its share. */
static void test_known_shares_of_networks_and_informants(void **state)
{
    static const struct endpoint liar = {.addr = {99, 99, 1, 1}, .port = 1};
    struct known k;

    (void)state;
    for (int informants = 0; informants < 2; informants++) {
        unsigned taken = 0;

        known_init(&k, 1000, false);
        for (unsigned n = 0; n < 200; n++) {
            bool one_of_many = n % 2 == 0;
            struct endpoint ep = test_relay_ep(n);

            if (one_of_many && !informants)
                ep = test_ep4(77, 77, (uint8_t)n, 1, 1000);
            if (one_of_many)
                taken += add_at(&k, n, ep, informants ? &liar : NULL) == OK;
            else
                assert_int_equal(add_at(&k, n, ep, NULL), OK);
        }
        assert_in_range(taken, 4, 12);
        known_deinit(&k);
    }
}

/* An address, a home line, a site and a network have caps of their own, also
 * when 300 others are known. */
static void test_known_shares_at_each_width(void **state)
{
    static const struct {
        const char *first, *step; /* the addresses differ by this */
        unsigned most;
    } cases[] = {
        {"66.66.1.1:1000", NULL, 2},
        {"66.66.1.0:1000", "0.0.0.1:0", 9},
        {"66.66.0.1:1000", "0.0.1.0:0", 18},
        {"[2a00:66:1:100::1]:1000", NULL, 2},
        {"[2a00:66:1:100::1]:1000", "[0:0:0:1::]:0", 2},
        {"[2a00:66:1:0::1]:1000", "[0:0:0:100::]:0", 9},
        {"[2a00:66:1::1]:1000", "[0:0:1::]:0", 18},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint ep = test_ep(cases[i].first), step = {0};
        unsigned taken = 0;
        struct known k;

        if (cases[i].step != NULL)
            assert_int_equal(endpoint_parse(cases[i].step, &step), OK);
        known_init(&k, 1000, false);
        for (unsigned n = 0; n < 300; n++)
            assert_int_equal(add_at(&k, n, test_relay_ep(n), NULL), OK);
        for (unsigned n = 300; n < 500; n++) {
            for (unsigned b = 0; b < 16; b++)
                ep.addr[b] = (uint8_t)(ep.addr[b] + step.addr[b]);
            ep.port++;
            taken += add_at(&k, n, ep, NULL) == OK;
        }
        assert_int_equal(taken, cases[i].most);
        known_deinit(&k);
    }
}

/* Ten thousand relays tell of themselves: the table stays as it is told. */
static void test_known_stays_at_its_cap(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 23);
    start_small(&h, 40);
    for (unsigned n = 0; n < 300; n++) {
        struct descriptor d = test_descriptor(n);

        d.issued = (uint64_t)h.wall;
        d.expires = d.issued + DESCRIPTOR_LIFETIME;
        (void)ask_and_tell(&h, n, &d, n);
        assert_true(directory_count(h.d) <= 40);
        host_pass(&h, TIME_HOUR);
        host_run(&h, TIME_S);
        h.sent = 0;
    }
    assert_int_equal(directory_count(h.d), 40);
    assert_true(h.stored_count <= 40);
    host_deinit(&h);
}

static void test_known_relay_fits_in_a_kilobyte(void **state)
{
    struct directory_status before, after;
    struct host h;

    (void)state;
    host_init(&h, 24);
    directory_status(h.d, (uint64_t)h.wall, h.now, &before);
    host_add_many(&h, 0, 256, ROLE_RELAY);
    directory_status(h.d, (uint64_t)h.wall, h.now, &after);
    print_message("%zu bytes a relay\n", (after.memory - before.memory) / 256);
    /* The longest descriptor, with both policies as long as they may be, and
     * what malloc adds to two blocks. */
    assert_true(sizeof(struct known_relay) + sizeof(void *) + DESCRIPTOR_MAX +
                    32 <=
                1100);
    assert_true((after.memory - before.memory) / 256 <= 1024);
    host_deinit(&h);
}

/* ---- Whom to blame ----------------------------------------------------- */

static const struct known_relay *relay(const struct host *h, unsigned n)
{
    return directory_find(h->d, test_descriptor(n).identity);
}

static void part(struct host *h, unsigned from, unsigned to, bool full)
{
    directory_parted(h->d, test_descriptor(from).identity,
                     test_descriptor(to).identity, false, !full, h->now);
}

static bool fails(const struct host *h, unsigned n)
{
    return known_is_failing(relay(h, n), h->now);
}

/* What one relay says of others puts none of them aside, however often. */
static void test_known_parted_needs_a_second_witness(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 29);
    host_add_many(&h, 0, 6, ROLE_RELAY);
    for (unsigned i = 0; i < 50; i++)
        for (unsigned to = 1; to < 4; to++)
            part(&h, 0, to, false);
    for (unsigned n = 0; n < 4; n++)
        assert_false(fails(&h, n));
    part(&h, 5, 1, false);
    assert_true(fails(&h, 1));
    assert_int_equal(relay(&h, 1)->record.failures, 1);
    part(&h, 0, 1, false); /* of the same outage */
    assert_int_equal(relay(&h, 1)->record.failures, 1);
    /* Who was reached meanwhile is gone only when two say so anew. */
    directory_succeeded(h.d, test_descriptor(2).identity, 0, (uint64_t)h.wall);
    part(&h, 5, 2, false);
    assert_false(fails(&h, 2));
    part(&h, 4, 2, false);
    assert_true(fails(&h, 2));
    /* To be full is no failure. */
    part(&h, 5, 3, true);
    part(&h, 4, 3, true);
    assert_false(fails(&h, 3));
    directory_parted(h.d, test_descriptor(90).identity,
                     test_descriptor(91).identity, false, true, h.now);
    host_deinit(&h);
}

/* A relay that goes on to few is doubted more than any whom it does not go on
 * to; what works, and time, takes doubts away. */
static void test_known_doubt_falls_on_who_parts(void **state)
{
    struct host h;
    unsigned doubt;

    (void)state;
    host_init(&h, 30);
    host_add_many(&h, 0, 6, ROLE_RELAY);
    for (unsigned i = 0; i < 30; i++) {
        unsigned to = 1 + i % 5;

        part(&h, 0, to, i % 2);
        for (unsigned n = 1; n < 6; n++)
            directory_succeeded(h.d, test_descriptor(n).identity, 0,
                                (uint64_t)h.wall);
    }
    doubt = known_doubt(relay(&h, 0), h.now);
    assert_in_range(doubt, 230, 255);
    assert_true(known_is_doubtful(relay(&h, 0), h.now));
    for (unsigned n = 1; n < 6; n++)
        assert_in_range(known_doubt(relay(&h, n), h.now), 0, 40);
    host_pass(&h, 6 * TIME_HOUR);
    assert_int_equal(known_doubt(relay(&h, 0), h.now), doubt / 2);
    host_pass(&h, 365 * 24 * TIME_HOUR);
    assert_int_equal(known_doubt(relay(&h, 0), h.now), 0);
    part(&h, 0, 1, false);
    assert_int_equal(known_doubt(relay(&h, 0), h.now), DOUBT_WHOLE / 8);
    for (unsigned i = 0; i < 50; i++)
        directory_succeeded(h.d, test_descriptor(0).identity, 0,
                            (uint64_t)h.wall);
    assert_int_equal(known_doubt(relay(&h, 0), h.now), 0);
    directory_doubted(h.d, test_descriptor(90).identity, h.now);
    directory_doubted(h.d, test_descriptor(4).identity, h.now);
    assert_in_range(known_doubt(relay(&h, 4), h.now), DOUBT_WHOLE / 8, 255);
    assert_false(fails(&h, 4));
    /* An outage is one reason to doubt, not one for each circuit. */
    for (unsigned i = 0; i < 50; i++)
        directory_failed(h.d, test_descriptor(0).identity, h.now);
    assert_int_equal(known_doubt(relay(&h, 0), h.now), DOUBT_WHOLE / 8);
    host_deinit(&h);
}

/* ---- What speed tests found -------------------------------------------- */

static uint32_t measured(struct host *h, uint32_t rate)
{
    const uint8_t *identity = test_descriptor(1).identity;
    uint8_t copy[32];

    memcpy(copy, identity, sizeof(copy));
    if (rate != 0)
        directory_measured(h->d, copy, rate, (uint64_t)h->wall);
    return directory_find(h->d, copy)->record.capacity;
}

/* More is believed at once, for it was carried; less bit by bit, for another
 * hop may have been in the way. */
static void test_known_capacity_rises_at_once_and_falls_slowly(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 27);
    host_add_many(&h, 1, 1, ROLE_RELAY);
    assert_int_equal(measured(&h, 100), 100);
    assert_int_equal(measured(&h, 900), 900);
    assert_int_equal(measured(&h, 100), 700);
    assert_int_equal(measured(&h, 1000), 1000);
    for (unsigned i = 0; i < 20; i++)
        measured(&h, 40);
    assert_in_range(measured(&h, 0), 40, 50);
    directory_measured(h.d, test_descriptor(2).identity, 5, 1); /* unknown */
    host_deinit(&h);
}

/* Also by a clock that was set back, and over a restart. */
static void test_known_capacity_is_forgotten_after_a_month(void **state)
{
    struct directory_config c;
    struct host h;

    (void)state;
    host_init(&h, 28);
    host_add_many(&h, 1, 1, ROLE_RELAY);
    /* Others that are out of reach for so long are dropped. */
    directory_set_guard(h.d, test_descriptor(1).identity, 1, UINT32_MAX, false);
    assert_int_equal(measured(&h, 100), 100);
    c = host_config(&h);
    host_pass(&h, 29 * 24 * TIME_HOUR);
    host_restart(&h, &c);
    host_run(&h, TIME_MIN);
    assert_int_equal(measured(&h, 0), 100);
    h.wall -= 1000000;
    host_run(&h, TIME_MIN);
    assert_int_equal(measured(&h, 0), 100);
    h.wall += 1000000;
    host_pass(&h, 24 * TIME_HOUR);
    host_run(&h, TIME_MIN);
    assert_int_equal(measured(&h, 0), 0);
    assert_int_equal(
        host_find(&h, test_descriptor(1).identity)->s.record.capacity, 0);
    host_deinit(&h);
}

/* ---- A restart --------------------------------------------------------- */

static void test_known_remembers_and_asks_anew(void **state)
{
    struct directory_config c;
    struct directory_status status;
    const struct known_relay *relay;
    struct descriptor d = test_descriptor(1);
    struct host h;

    (void)state;
    host_init(&h, 25);
    assert_int_equal(ask_and_tell(&h, 1, &d, 1), OK);
    directory_succeeded(h.d, d.identity, 5 * TIME_MS, (uint64_t)h.wall);
    directory_measured(h.d, d.identity, 5000, (uint64_t)h.wall);
    c = host_config(&h);
    host_restart(&h, &c);
    relay = directory_find(h.d, d.identity);
    assert_int_equal(relay->record.rtt, 5 * TIME_MS);
    assert_int_equal(relay->record.capacity, 5000);
    assert_true(known_is_usable(relay, (uint64_t)h.wall));

    host_pass(&h, 48 * TIME_HOUR);
    host_restart(&h, &c);
    directory_status(h.d, (uint64_t)h.wall, h.now, &status);
    assert_int_equal(status.usable, 0);
    h.sent = 0;
    host_tick(&h);
    assert_int_equal(h.sent, 1); /* at once */
    d.issued = (uint64_t)h.wall;
    d.expires = d.issued + 100;
    {
        uint8_t text[DESCRIPTOR_MAX];

        assert_int_equal(
            tell(&h, &d.addresses[0],
                 bytes_of(text, test_descriptor_text(&d, 1, text))),
            OK);
    }
    assert_true(
        known_is_usable(directory_find(h.d, d.identity), (uint64_t)h.wall));
    assert_int_equal(directory_stats(h.d)->renewed, 1);
    host_deinit(&h);
}

/* One that never answers again is asked now and then, and given up. */
static void test_known_forgets_the_dead(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 26);
    host_add_many(&h, 0, 20, ROLE_RELAY);
    host_run(&h, 10 * 24 * TIME_HOUR);
    assert_int_equal(directory_count(h.d), 0);
    assert_true(h.sent < 20 * 2 * 24 * 6);
    host_deinit(&h);
}

static void test_known_backs_off_from_failing_relays(void **state)
{
    struct descriptor d = test_descriptor(1);
    const struct known_relay *relay;
    uint64_t wait = 30 * TIME_S;
    struct host h;

    (void)state;
    host_init(&h, 27);
    assert_int_equal(host_add(&h, &d, 1), OK);
    relay = directory_find(h.d, d.identity);
    for (unsigned i = 0; i < 12; i++) {
        directory_failed(h.d, d.identity, h.now);
        assert_true(known_is_failing(relay, h.now + wait - 1));
        assert_false(known_is_failing(relay, h.now + wait));
        if (wait < TIME_HOUR)
            h.now += wait;
        wait = time_min(2 * wait, TIME_HOUR);
    }
    assert_int_equal(known_failures(relay, h.now + 5 * TIME_HOUR),
                     known_failures(relay, h.now) - 5);
    directory_succeeded(h.d, d.identity, 0, (uint64_t)h.wall);
    assert_false(known_is_failing(relay, h.now));
    host_deinit(&h);
}

static void test_known_counts_an_outage_once(void **state)
{
    struct descriptor d = test_descriptor(1);
    const struct known_relay *relay;
    struct host h;

    (void)state;
    host_init(&h, 29);
    assert_int_equal(host_add(&h, &d, 1), OK);
    relay = directory_find(h.d, d.identity);
    for (unsigned i = 0; i < 20; i++)
        directory_failed(h.d, d.identity, h.now + i * TIME_S);
    assert_int_equal(known_failures(relay, h.now), 1);
    assert_true(known_is_failing(relay, h.now + 30 * TIME_S - 1));
    assert_false(known_is_failing(relay, h.now + 30 * TIME_S));
    host_deinit(&h);
}

/* ---- Trouble ----------------------------------------------------------- */

static void test_known_without_memory(void **state)
{
    struct host h;
    enum error e;

    (void)state;
    host_init(&h, 28);
    for (unsigned n = 1;; n++) {
        struct descriptor d = test_descriptor(n);
        struct directory_config c = host_config(&h);
        struct directory_env env = host_env(&h);
        struct directory *other;

        fail_alloc_at(n);
        e = directory_new(&c, &env, h.now, &other);
        if (e == OK)
            e = host_add(&h, &d, n);
        if (!fail_alloc_end()) {
            assert_int_equal(e, OK);
            directory_free(other);
            break;
        }
        assert_int_equal(e, ERR_NO_MEMORY);
        if (n > 4)
            directory_free(other);
    }
    host_deinit(&h);
}

static void test_known_refuses_caps_of_nothing(void **state)
{
    struct directory_config c;
    struct directory_env env;
    struct directory *d;
    struct host h;

    (void)state;
    host_init(&h, 29);
    c = host_config(&h);
    env = host_env(&h);
    c.max_relays = 0;
    assert_int_equal(directory_new(&c, &env, 0, &d), ERR_RANGE);
    directory_free(NULL);
    host_deinit(&h);
}

/* An hour of everything that can come, right and wrong: what is held stays
 * below what the caps give. */
static void test_known_is_bounded_under_a_flood(void **state)
{
    static char links[256];
    struct directory_status status;
    struct host h;

    (void)state;
    host_init(&h, 30);
    start_small(&h, 50);
    directory_set_wanted(h.d, 100, 100, h.now);
    for (unsigned i = 0; i < 3600; i++) {
        struct link *link = (struct link *)(void *)&links[i % 256];
        struct endpoint ep = test_relay_ep(test_random_below(&h.random, 5000));
        struct descriptor d =
            test_descriptor(test_random_below(&h.random, 500));
        uint8_t text[DESCRIPTOR_MAX], sample[2 + 2 + DESCRIPTOR_MAX];
        size_t len = test_descriptor_text(&d, d.addresses[0].addr[1], text);

        (void)directory_ask(h.d, &ep, h.now);
        directory_link_up(h.d, link, &ep, true, h.now);
        host_run(&h, TIME_S);
        sample[0] = 0x91;
        sample[1] = 0xc5;
        sample[2] = (uint8_t)(len >> 8);
        sample[3] = (uint8_t)len;
        memcpy(sample + 4, text, len);
        (void)directory_receive_sample(h.d, link, bytes_of(sample, len + 4),
                                       (uint64_t)h.wall, h.now);
        for (unsigned k = 0; k < h.logged; k++)
            (void)tell_with(&h, &h.log[k].to,
                            bytes_of(h.log[k].nonce, LINK_ASK_NONCE),
                            bytes_of(text, len));
        h.logged = 0;
        directory_failed(h.d, d.identity, h.now);
    }
    directory_status(h.d, (uint64_t)h.wall, h.now, &status);
    assert_int_equal(status.neighbours, 64);
    assert_in_range(status.known, 20, 50);
    assert_true(status.candidates <= 64 && status.asks <= 16);
    assert_true(status.memory < 50 * 1024 + 32 * 1024);
    host_deinit(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_evicts_the_least_worth),
        cmocka_unit_test(test_known_evicts_the_stalest_of_equals),
        cmocka_unit_test(test_known_shares_of_networks_and_informants),
        cmocka_unit_test(test_known_shares_at_each_width),
        cmocka_unit_test(test_known_stays_at_its_cap),
        cmocka_unit_test(test_known_relay_fits_in_a_kilobyte),
        cmocka_unit_test(test_known_parted_needs_a_second_witness),
        cmocka_unit_test(test_known_doubt_falls_on_who_parts),
        cmocka_unit_test(test_known_capacity_rises_at_once_and_falls_slowly),
        cmocka_unit_test(test_known_capacity_is_forgotten_after_a_month),
        cmocka_unit_test(test_known_remembers_and_asks_anew),
        cmocka_unit_test(test_known_forgets_the_dead),
        cmocka_unit_test(test_known_backs_off_from_failing_relays),
        cmocka_unit_test(test_known_counts_an_outage_once),
        cmocka_unit_test(test_known_without_memory),
        cmocka_unit_test(test_known_refuses_caps_of_nothing),
        cmocka_unit_test(test_known_is_bounded_under_a_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
