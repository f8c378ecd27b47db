/* SPDX-License-Identifier: MIT */
#include "directory_tell.h"

#include "tunnel/directory/directory_internal.h"
#include "tunnel/path/guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DAY 86400

static void update(struct host *h, struct guards *g)
{
    struct random_source random = test_source(&h->random);

    guards_update(g, h->d, &random, (uint64_t)h->wall, h->now);
}

/* Until no more relays are to be expected. */
static void settle(struct host *h)
{
    directory_set_wanted(h->d, 64, 4, h->now);
    host_run(h, 10 * TIME_MIN);
    assert_true(directory_is_complete(h->d));
    directory_set_wanted(h->d, 0, 0, h->now);
}

static unsigned list(const struct host *h, const struct guards *g,
                     const struct known_relay *out[GUARDS_MAX])
{
    return guards_list(g, h->d, (uint64_t)h->wall, h->now, out);
}

/* Fresh descriptors for all, as if they had been asked, and reached. */
static void renew(struct host *h, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        struct descriptor d = test_descriptor(n);
        uint8_t text[DESCRIPTOR_MAX];
        struct stored_relay s = {0};
        const struct known_relay *old = directory_find(h->d, d.identity);

        s.record.last_seen = (uint64_t)h->wall;
        if (old != NULL) {
            s.record.guard_since = old->record.guard_since;
            s.record.guard_until = old->record.guard_until;
        }
        d.issued = (uint64_t)h->wall;
        d.expires = d.issued + DESCRIPTOR_LIFETIME_MAX;
        s.text = bytes_of(text, test_descriptor_text(&d, n, text));
        assert_int_equal(
            directory_add_stored(h->d, &s, (uint64_t)h->wall, h->now), OK);
    }
}

static void test_guard_set_is_small_and_spread(void **state)
{
    struct guards g;
    struct host h;

    (void)state;
    host_init(&h, 1);
    host_add_many(&h, 0, 20, ROLE_RELAY);
    host_add_many(&h, 20, 5, ROLE_RELAY | ROLE_EXIT);
    guards_init(&g, h.d);
    assert_int_equal(g.count, 0);
    update(&h, &g);
    assert_int_equal(g.count, GUARDS_PRIMARY);
    for (unsigned i = 0; i < g.count; i++) {
        const struct known_relay *relay =
            directory_find(h.d, g.list[i].identity);
        int64_t days = (int64_t)(g.list[i].until - (uint64_t)h.wall) / DAY;

        assert_int_equal(relay->d.roles, ROLE_RELAY);
        assert_in_range(days, 45, 75);
        assert_int_equal(relay->record.guard_until, g.list[i].until);
    }
    for (unsigned i = 0; i < 100; i++)
        update(&h, &g);
    assert_int_equal(g.count, GUARDS_PRIMARY);
    host_deinit(&h);
}

static void test_guard_set_survives_a_restart(void **state)
{
    struct directory_config c;
    struct guards g, again;
    struct host h;

    (void)state;
    host_init(&h, 2);
    host_add_many(&h, 0, 30, ROLE_RELAY);
    settle(&h);
    guards_init(&g, h.d);
    update(&h, &g);
    /* All are remembered once they have been of use. */
    for (unsigned n = 0; n < 30; n++)
        directory_measured(h.d, test_descriptor(n).identity, 100,
                           (uint64_t)h.wall);
    c = host_config(&h);
    host_restart(&h, &c);
    guards_init(&again, h.d);
    assert_int_equal(again.count, g.count);
    assert_memory_equal(again.list, g.list, g.count * sizeof(g.list[0]));
    update(&h, &again);
    assert_memory_equal(again.list, g.list, g.count * sizeof(g.list[0]));

    /* A week later their descriptors have expired. They are waited for, and
     * no others are chosen in their place. */
    host_pass(&h, 7 * 24 * TIME_HOUR);
    host_restart(&h, &c);
    guards_init(&again, h.d);
    host_add_many(&h, 40, 10, ROLE_RELAY);
    update(&h, &again);
    assert_int_equal(again.count, g.count);
    assert_memory_equal(again.list, g.list, g.count * sizeof(g.list[0]));
    host_deinit(&h);
}

/* An hour without an answer: the next in order serves, and when the first
 * ones work again, they do. */
static void test_guard_outage_changes_nothing_for_good(void **state)
{
    const struct known_relay *ready[GUARDS_MAX];
    struct guards g, before;
    struct host h;

    (void)state;
    host_init(&h, 3);
    host_add_many(&h, 0, 30, ROLE_RELAY);
    guards_init(&g, h.d);
    update(&h, &g);
    before = g;
    directory_failed(h.d, g.list[0].identity, h.now);
    update(&h, &g);
    assert_int_equal(g.count, GUARDS_PRIMARY);
    assert_int_equal(list(&h, &g, ready), GUARDS_PRIMARY - 1);
    assert_memory_equal(ready[0]->d.identity, g.list[1].identity, 32);

    /* The whole network is away: a few more, and then no more. */
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned k = 0; k < g.count; k++)
            directory_failed(h.d, g.list[k].identity, h.now);
        update(&h, &g);
    }
    assert_int_equal(g.count, GUARDS_MAX);
    assert_memory_equal(g.list, before.list, 3 * sizeof(g.list[0]));

    host_pass(&h, 2 * TIME_HOUR);
    assert_int_equal(list(&h, &g, ready), GUARDS_MAX);
    assert_memory_equal(ready[0]->d.identity, before.list[0].identity, 32);
    host_deinit(&h);
}

static void test_guard_that_is_lost_goes(void **state)
{
    struct guards g;
    uint8_t lost[32];
    struct host h;

    (void)state;
    host_init(&h, 4);
    host_add_many(&h, 0, 30, ROLE_RELAY);
    guards_init(&g, h.d);
    update(&h, &g);
    memcpy(lost, g.list[0].identity, 32);
    for (unsigned day = 0; day < 8; day++) {
        directory_failed(h.d, lost, h.now);
        host_pass(&h, 24 * TIME_HOUR);
        if (day == 6) { /* nobody was reached meanwhile: all are kept */
            update(&h, &g);
            assert_memory_equal(g.list[0].identity, lost, 32);
        }
    }
    directory_failed(h.d, lost, h.now);
    directory_succeeded(h.d, g.list[1].identity, TIME_MS, (uint64_t)h.wall);
    update(&h, &g);
    for (unsigned i = 0; i < g.count; i++)
        assert_memory_not_equal(g.list[i].identity, lost, 32);
    assert_true(directory_find(h.d, lost)->record.guard_since == 0);
    host_deinit(&h);
}

/* After half a year each has changed, by ones. */
static void test_guard_is_kept_for_weeks_and_then_changed(void **state)
{
    struct guards g, first;
    unsigned kept_days = 0;
    struct host h;

    (void)state;
    host_init(&h, 5);
    host_add_many(&h, 0, 30, ROLE_RELAY);
    guards_init(&g, h.d);
    update(&h, &g);
    first = g;
    for (unsigned day = 0; day < 180; day++) {
        struct guards before = g;
        unsigned same = 0;

        host_pass(&h, 24 * TIME_HOUR);
        renew(&h, 30);
        update(&h, &g);
        for (unsigned i = 0; i < g.count; i++)
            for (unsigned k = 0; k < before.count; k++)
                same += memcmp(g.list[i].identity, before.list[k].identity,
                               32) == 0;
        assert_in_range(same, GUARDS_PRIMARY - 1, GUARDS_PRIMARY);
        kept_days += memcmp(&g, &first, sizeof(first.list)) == 0;
    }
    assert_in_range(kept_days, 44, 75);
    assert_int_equal(g.count, GUARDS_PRIMARY);
    host_deinit(&h);
}

/* A clock that jumps a year ahead and back costs one guard. */
static void test_guard_set_outlives_a_clock_that_jumps(void **state)
{
    struct guards g, before;
    unsigned same = 0;
    struct host h;

    (void)state;
    host_init(&h, 6);
    host_add_many(&h, 0, 30, ROLE_RELAY);
    guards_init(&g, h.d);
    update(&h, &g);
    before = g;
    h.wall += 365 * DAY;
    for (unsigned i = 0; i < 10; i++) {
        host_pass(&h, TIME_MIN);
        update(&h, &g);
    }
    h.wall -= 365 * DAY;
    update(&h, &g);
    for (unsigned i = 0; i < g.count; i++)
        for (unsigned k = 0; k < before.count; k++)
            same += memcmp(g.list[i].identity, before.list[k].identity, 32) ==
                    0;
    /* The one in its place may be the same one. */
    assert_in_range(same, GUARDS_PRIMARY - 1, GUARDS_PRIMARY);
    host_deinit(&h);
}

/* Over many clients, each relay is a guard with the same chance. */
static void test_guard_choice_is_even(void **state)
{
    unsigned hits[20] = {0};
    const double mean = 300.0 * GUARDS_PRIMARY / 20;

    (void)state;
    for (unsigned run = 0; run < 300; run++) {
        static struct host h;
        static bool ready;
        struct guards g = {0};

        if (!ready) {
            host_init(&h, 99);
            host_add_many(&h, 0, 20, ROLE_RELAY);
            ready = true;
        }
        update(&h, &g);
        for (unsigned n = 0; n < 20; n++) {
            struct descriptor d = test_descriptor(n);

            hits[n] += directory_find(h.d, d.identity)->record.guard_since != 0;
            directory_set_guard(h.d, d.identity, 0, 0, false);
        }
        if (run == 299)
            host_deinit(&h);
    }
    for (unsigned n = 0; n < 20; n++) /* five standard deviations */
        assert_in_range(hits[n], (unsigned)(mean - 31), (unsigned)(mean + 31));
}

/* ---- Who may be a guard -------------------------------------------------- */

/* Chooses many times anew, and looks at each set. */
static void choose_often(struct host *h,
                         void (*check)(const struct descriptor *const *guards,
                                       unsigned count))
{
    for (unsigned run = 0; run < 50; run++) {
        const struct descriptor *chosen[GUARDS_MAX];
        struct guards g = {0};

        update(h, &g);
        assert_in_range(g.count, 1, GUARDS_MAX);
        for (unsigned i = 0; i < g.count; i++)
            chosen[i] = &directory_find(h->d, g.list[i].identity)->d;
        check(chosen, g.count);
        for (unsigned i = 0; i < g.count; i++)
            directory_set_guard(h->d, g.list[i].identity, 0, 0, false);
    }
}

/* Relays of one operator, who says so. */
static void add_family(struct host *h, unsigned first, unsigned count)
{
    for (unsigned n = first; n < first + count; n++) {
        struct descriptor d = test_descriptor(n);

        d.has_family = true;
        d.family[0] = 0x42;
        assert_int_equal(host_add(h, &d, n), OK);
    }
}

static void check_one_of_a_family(const struct descriptor *const *guards,
                                  unsigned count)
{
    unsigned of_family = 0;

    for (unsigned i = 0; i < count; i++)
        of_family += guards[i]->has_family;
    assert_true(of_family <= 1);
    assert_int_equal(count, GUARDS_PRIMARY);
}

static void test_guard_set_is_not_of_one_operator(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 101);
    add_family(&h, 0, 17);
    host_add_many(&h, 17, GUARDS_PRIMARY, ROLE_RELAY);
    choose_often(&h, check_one_of_a_family);
    host_deinit(&h);
}

static void check_no_family(const struct descriptor *const *guards,
                            unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_false(guards[i]->has_family);
}

static void test_guard_is_not_of_our_own_family(void **state)
{
    struct directory_self self = {.roles = ROLE_RELAY,
                                  .address_count = 1,
                                  .addresses = {test_ep4(9, 9, 9, 9, 9)},
                                  .has_family = true,
                                  .family = {0x42}};
    struct host h;

    (void)state;
    host_init(&h, 102);
    directory_set_self(h.d, &self, h.now);
    add_family(&h, 0, 10);
    host_add_many(&h, 10, 2, ROLE_RELAY);
    choose_often(&h, check_no_family);
    host_deinit(&h);
}

static void check_no_exit(const struct descriptor *const *guards,
                          unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(guards[i]->roles, ROLE_RELAY);
}

static void test_guard_is_no_exit_while_there_are_others(void **state)
{
    struct host h;

    (void)state;
    host_init(&h, 103);
    host_add_many(&h, 0, GUARDS_PRIMARY, ROLE_RELAY);
    host_add_many(&h, 10, 20, ROLE_RELAY | ROLE_EXIT);
    choose_often(&h, check_no_exit);
    host_deinit(&h);
}

static void check_ipv4(const struct descriptor *const *guards, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(guards[i]->addresses[0].family, FAMILY_IPV4);
}

static void test_guard_can_be_reached(void **state)
{
    struct directory_config c;
    struct host h;

    (void)state;
    host_init(&h, 104);
    directory_free(h.d);
    c = host_config(&h);
    c.family[FAMILY_IPV6] = false;
    host_start(&h, &c);
    host_add_many(&h, 0, 2, ROLE_RELAY);
    for (unsigned n = 2; n < 12; n++) {
        struct descriptor d = test_descriptor(n);

        d.addresses[0] = test_ep("[2a00:1::1]:5");
        d.addresses[0].addr[3] = (uint8_t)n;
        assert_int_equal(host_add(&h, &d, n), OK);
    }
    choose_often(&h, check_ipv4);
    host_deinit(&h);
}

/* Four relays of one network and sixteen others, each in its own: each network
 * has the same chance. */
static void test_guard_choice_is_even_among_networks(void **state)
{
    unsigned of_one = 0;
    struct host h;

    (void)state;
    host_init(&h, 105);
    host_add_many(&h, 0, 16, ROLE_RELAY);
    for (unsigned n = 16; n < 20; n++) {
        struct descriptor d = test_descriptor(n);

        d.addresses[0] = test_ep4(66, 66, (uint8_t)n, 1, 1000);
        assert_int_equal(host_add(&h, &d, n), OK);
    }
    for (unsigned run = 0; run < 400; run++) {
        struct guards g = {0};

        update(&h, &g);
        assert_int_equal(g.count, GUARDS_PRIMARY);
        for (unsigned i = 0; i < g.count; i++) {
            const struct known_relay *relay =
                directory_find(h.d, g.list[i].identity);

            of_one += relay->d.addresses[0].addr[0] == 66;
            directory_set_guard(h.d, g.list[i].identity, 0, 0, false);
        }
    }
    /* 3 of 17 in each run: 71 of 400, give or take 8; it was 157 by relays. */
    print_message("%u of 400 have one of the four\n", of_one);
    assert_in_range(of_one, 35, 105);
    host_deinit(&h);
}

/* ---- The first minutes --------------------------------------------------- */

#define PARTY 4 /* relays 200.. are of the party that is met first */

static void tell_of(struct host *h, unsigned first, unsigned count)
{
    for (unsigned n = first; n < first + count; n++) {
        struct descriptor d = test_descriptor(n);

        d.issued = (uint64_t)h->wall;
        d.expires = d.issued + DESCRIPTOR_LIFETIME;
        assert_int_equal(ask_and_tell(h, n, &d, n), OK);
    }
}

static unsigned of_party(const struct guards *g)
{
    unsigned count = 0;

    for (unsigned i = 0; i < g->count; i++)
        for (unsigned n = 200; n < 200 + PARTY; n++)
            count += memcmp(g->list[i].identity, test_descriptor(n).identity,
                            32) == 0;
    return count;
}

static unsigned stored_guards(const struct host *h)
{
    unsigned count = 0;

    for (unsigned i = 0; i < h->stored_count; i++)
        count += h->stored[i].s.record.guard_since != 0;
    return count;
}

/* For 8 seconds a client is told of four relays only. It uses them meanwhile,
 * and when it knows the other twenty as well, they have their share and no
 * more. */
static void test_guard_is_not_who_was_met_first(void **state)
{
    const unsigned clients = 60;
    unsigned first = 0, then = 0;

    (void)state;
    for (unsigned run = 0; run < clients; run++) {
        struct guards g = {0}, fixed;
        struct host h;

        host_init(&h, 300 + run);
        directory_set_wanted(h.d, 48, 4, h.now);
        tell_of(&h, 200, PARTY);
        update(&h, &g);
        first += of_party(&g);
        host_run(&h, 8 * TIME_S);
        tell_of(&h, 0, 20);
        host_run(&h, TIME_MIN);
        update(&h, &g);
        assert_int_equal(of_party(&g), GUARDS_PRIMARY); /* still the same */
        assert_int_equal(stored_guards(&h), 0);
        host_run(&h, 4 * TIME_MIN);
        assert_true(directory_is_complete(h.d));
        assert_true(guards_are_overdue(&g, h.d));
        update(&h, &g);
        then += of_party(&g);
        assert_int_equal(stored_guards(&h), GUARDS_PRIMARY);
        /* Once. */
        fixed = g;
        tell_of(&h, 50, 20);
        host_run(&h, TIME_HOUR);
        update(&h, &g);
        assert_memory_equal(&fixed, &g, sizeof(g));
        host_deinit(&h);
    }
    print_message("guards of the party: %u of %u at first, then %u\n", first,
                  clients * GUARDS_PRIMARY, then);
    assert_int_equal(first, clients * GUARDS_PRIMARY);
    /* 4 of 24 are 30 of 180; four standard deviations more. */
    assert_in_range(then, 1, 50);
}

/* When a view counts as complete, in seconds; 0: not within an hour. A relay
 * more is told of each `every` seconds, until there are `relays`. */
static unsigned settles_after(unsigned relays, unsigned every, bool dht)
{
    unsigned told = 0, at = 0;
    struct host h;

    host_init(&h, 400);
    h.dht_error = dht ? OK : ERR_NO_NODES;
    directory_set_wanted(h.d, 48, 0, h.now);
    for (unsigned second = 1; second <= 3600 && at == 0; second++) {
        if (told < relays && second % every == 0)
            tell_of(&h, told++, 1);
        host_run(&h, TIME_S);
        if (directory_is_complete(h.d))
            at = second;
    }
    host_deinit(&h);
    return at;
}

static void test_guard_waits_for_a_complete_view(void **state)
{
    unsigned most = (unsigned)(SURVEY_MAX / TIME_S);

    (void)state;
    /* All relays of a small network, and enough of a large one. */
    assert_in_range(settles_after(4, 1, true), 1440, 1450);
    assert_in_range(settles_after(24, 1, true), 240, 300);
    assert_in_range(settles_after(1000, 1, true), 120, 130);
    /* They come slowly. */
    assert_in_range(settles_after(10, 30, true), 576, 600);
    /* It never ends, there are too few, or the DHT does not answer. */
    assert_in_range(settles_after(1000, 50, true), most, most + 60);
    assert_in_range(settles_after(3, 1, true), most, most + 5);
    assert_in_range(settles_after(20, 1, false), most, most + 5);
    assert_int_equal(settles_after(0, 1, false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guard_set_is_small_and_spread),
        cmocka_unit_test(test_guard_set_survives_a_restart),
        cmocka_unit_test(test_guard_outage_changes_nothing_for_good),
        cmocka_unit_test(test_guard_that_is_lost_goes),
        cmocka_unit_test(test_guard_is_kept_for_weeks_and_then_changed),
        cmocka_unit_test(test_guard_set_outlives_a_clock_that_jumps),
        cmocka_unit_test(test_guard_choice_is_even),
        cmocka_unit_test(test_guard_set_is_not_of_one_operator),
        cmocka_unit_test(test_guard_is_not_of_our_own_family),
        cmocka_unit_test(test_guard_is_no_exit_while_there_are_others),
        cmocka_unit_test(test_guard_can_be_reached),
        cmocka_unit_test(test_guard_choice_is_even_among_networks),
        cmocka_unit_test(test_guard_is_not_who_was_met_first),
        cmocka_unit_test(test_guard_waits_for_a_complete_view),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
