/* SPDX-License-Identifier: MIT */
#include "directory_data.h"

#include "tunnel/path/path.h"
#include "tunnel/path/path_weight.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum path_result choose(struct host *h, struct guards *g,
                               const struct path_request *request,
                               struct path *path)
{
    struct random_source random = test_source(&h->random);

    return path_choose(h->d, g, request, &random, (uint64_t)h->wall, h->now,
                       path);
}

static const struct descriptor *hop(const struct host *h,
                                    const struct path *path, unsigned i)
{
    const struct known_relay *relay =
        directory_find(h->d, path->hops[i].identity);

    assert_non_null(relay);
    return &relay->d;
}

static void check_path(const struct host *h, const struct guards *g,
                       const struct path_request *r, const struct path *path)
{
    bool guard = false;

    assert_int_equal(path->count, r->hops);
    for (unsigned i = 0; i < path->count; i++)
        for (unsigned j = 0; j < i; j++)
            assert_false(
                path_conflict(hop(h, path, i), hop(h, path, j),
                              directory_config_of(h->d)->testing_network));
    for (unsigned i = 0; i < g->count; i++)
        guard |= memcmp(g->list[i].identity, path->hops[0].identity, 32) == 0;
    assert_true(guard || (r->hops == 1 && r->exit));
    if (r->exit)
        assert_true(hop(h, path, r->hops - 1)->roles & ROLE_EXIT);
}

static void test_path_keeps_the_rules_at_each_length(void **state)
{
    struct guards g = {0};
    struct host h;

    (void)state;
    host_init(&h, 1);
    host_add_many(&h, 0, 20, ROLE_RELAY);
    host_add_many(&h, 20, 4, ROLE_RELAY | ROLE_EXIT);
    for (unsigned i = 0; i < 200; i++) {
        struct path_request r = {.hops = 1 + i % 4, .exit = i % 8 < 4};
        struct path path = {0};

        assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
        check_path(&h, &g, &r, &path);
        /* Exits at the end, if wanted, and nowhere else. */
        for (unsigned k = 0; k < r.hops; k++)
            assert_int_equal((hop(&h, &path, k)->roles & ROLE_EXIT) != 0,
                             r.exit && k == r.hops - 1);
    }
    host_deinit(&h);
}

/* Three in one /16, two of one family: of these, one each. */
static void test_path_avoids_subnets_and_families(void **state)
{
    struct guards g = {0};
    struct host h;

    (void)state;
    host_init(&h, 2);
    host_add_many(&h, 0, 2, ROLE_RELAY);
    for (unsigned n = 2; n < 7; n++) {
        struct descriptor d = test_descriptor(n);

        d.has_family = n >= 5;
        memset(d.family, 0x77, sizeof(d.family));
        if (n < 5)
            d.addresses[0] = test_ep4(11, 11, (uint8_t)n, 1, 1000);
        assert_int_equal(host_add(&h, &d, n), OK);
    }
    for (unsigned i = 0; i < 200; i++) {
        struct path_request r = {.hops = 4};
        struct path path = {0};

        assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
        check_path(&h, &g, &r, &path);
    }
    host_deinit(&h);
}

static void test_path_says_what_is_missing(void **state)
{
    struct path_request r3 = {.hops = 3, .exit = true};
    struct path path = {0};
    struct guards g = {0};
    struct host h;

    (void)state;
    host_init(&h, 3);
    assert_int_equal(choose(&h, &g, &r3, &path), PATH_NO_RELAYS);
    host_add_many(&h, 0, 2, ROLE_RELAY);
    assert_int_equal(choose(&h, &g, &r3, &path), PATH_NO_RELAYS);
    host_add_many(&h, 2, 2, ROLE_RELAY);
    assert_int_equal(choose(&h, &g, &r3, &path), PATH_NO_EXITS);
    host_add_many(&h, 4, 1, ROLE_RELAY | ROLE_EXIT);
    assert_int_equal(choose(&h, &g, &r3, &path), PATH_FOUND);
    path.count = 0;
    directory_failed(h.d, test_descriptor(4).identity, h.now);
    assert_int_equal(choose(&h, &g, &r3, &path), PATH_EXITS_FAILING);
    assert_int_equal(path.count, 0);
    host_pass(&h, TIME_MIN);
    assert_int_equal(choose(&h, &g, &r3, &path), PATH_FOUND);
    path.count = 0;
    for (unsigned n = 0; n < 4; n++)
        directory_failed(h.d, test_descriptor(n).identity, h.now);
    assert_int_equal(choose(&h, &g, &r3, &path), PATH_RELAYS_FAILING);
    r3.failing_too = true; /* but the guard is one that does not */
    assert_int_equal(choose(&h, &g, &r3, &path), PATH_RELAYS_FAILING);
    r3.failing_too = false;
    host_deinit(&h);

    host_init(&h, 3);
    g = (struct guards){0};
    for (unsigned n = 0; n < 4; n++) {
        struct descriptor d = test_descriptor(n);

        d.addresses[0] = test_ep4(11, 11, (uint8_t)n, 1, 1000);
        d.roles = ROLE_RELAY | ROLE_EXIT;
        assert_int_equal(host_add(&h, &d, n), OK);
    }
    assert_int_equal(choose(&h, &g, &r3, &path), PATH_TOO_FEW_SUBNETS);
    host_deinit(&h);
    for (unsigned i = 0; i < PATH_RESULTS; i++) {
        assert_true(strlen(path_result_text((enum path_result)i)) > 0);
        assert_true(strlen(path_result_name((enum path_result)i)) > 0);
    }
}

/* The same relays do when the network is one for testing; families count. */
static void test_path_testing_network_relaxes_subnets_only(void **state)
{
    struct path_request r = {.hops = 3, .exit = true};
    struct directory_config c;
    struct guards g = {0};
    struct path path = {0};
    struct host h;

    (void)state;
    host_init(&h, 4);
    directory_free(h.d);
    c = host_config(&h);
    c.testing_network = true;
    host_start(&h, &c);
    for (unsigned n = 0; n < 3; n++) {
        struct descriptor d = test_descriptor(n);

        d.addresses[0] = test_ep4(127, 0, 0, 1, (uint16_t)(1000 + n));
        d.roles = ROLE_RELAY | ROLE_EXIT;
        d.has_family = n > 0;
        assert_int_equal(host_add(&h, &d, n), OK);
    }
    assert_int_equal(choose(&h, &g, &r, &path), PATH_TOO_FEW_SUBNETS);
    host_add_many(&h, 3, 1, ROLE_RELAY);
    assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
    check_path(&h, &g, &r, &path);
    host_deinit(&h);
}

/* Each begins at the guard at which circuits do not break, if there is one;
 * when they break at all of them the first ones share again. */
static void test_path_begins_at_doubtful_guards_last(void **state)
{
    struct path_request r = {.hops = 2};
    struct guards g = {0};
    unsigned used = 0;
    struct host h;

    (void)state;
    host_init(&h, 10);
    host_add_many(&h, 0, 20, ROLE_RELAY);
    for (unsigned n = 0; n <= GUARDS_PRIMARY; n++) {
        unsigned hits[GUARDS_PRIMARY] = {0};

        for (unsigned i = 0; i < 100; i++) {
            struct path path = {0};

            assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
            assert_int_equal(g.count, GUARDS_PRIMARY);
            for (unsigned k = 0; k < GUARDS_PRIMARY; k++)
                hits[k] +=
                    memcmp(g.list[k].identity, path.hops[0].identity, 32) == 0;
        }
        used = 0;
        for (unsigned k = 0; k < GUARDS_PRIMARY; k++) {
            bool doubted = k < n && n < GUARDS_PRIMARY;

            used += hits[k] > 0;
            assert_true(!doubted || hits[k] == 0);
        }
        assert_int_equal(used, n == 2 ? 1 : GUARDS_USED);
        for (unsigned i = 0; i < 10 && n < GUARDS_PRIMARY; i++)
            directory_parted(h.d, g.list[n].identity,
                             test_descriptor(90).identity, false, false, h.now);
    }
    host_deinit(&h);
}

static bool refuses(void *ctx, const struct descriptor *exit)
{
    (void)ctx;
    return bytes_is_text(descriptor_exit_policy(exit), "accept 53");
}

static void test_path_asks_for_a_suitable_exit(void **state)
{
    struct path_request r = {.hops = 2, .exit = true, .exit_suits = refuses};
    struct descriptor d = test_descriptor(30);
    struct guards g = {0};
    struct path path = {0};
    struct host h;

    (void)state;
    host_init(&h, 5);
    host_add_many(&h, 0, 5, ROLE_RELAY);
    host_add_many(&h, 5, 5, ROLE_RELAY | ROLE_EXIT);
    assert_int_equal(choose(&h, &g, &r, &path), PATH_NO_EXITS);
    d.roles |= ROLE_EXIT;
    d.exit_policy_len = 9;
    memcpy(d.exit_policy, "accept 53", 9);
    assert_int_equal(host_add(&h, &d, 30), OK);
    for (unsigned i = 0; i < 20; i++) {
        path.count = 0;
        assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
        assert_memory_equal(path.hops[1].identity, d.identity, 32);
    }
    host_deinit(&h);
}

/* One exit and relays that are not wanted: the rest of the path is new, what
 * stands is left. */
static void test_path_replaces_hops_behind_those_that_stand(void **state)
{
    struct path_request r = {.hops = 4, .exit = true};
    struct guards g = {0};
    struct path path = {0};
    uint8_t dead[32];
    struct host h;

    (void)state;
    host_init(&h, 6);
    host_add_many(&h, 0, 8, ROLE_RELAY);
    host_add_many(&h, 8, 2, ROLE_RELAY | ROLE_EXIT);
    assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
    for (unsigned i = 0; i < 50; i++) {
        struct path again = path;

        memcpy(dead, path.hops[2].identity, 32);
        again.count = 2;
        r.avoid = (const uint8_t(*)[32]) & dead;
        r.avoid_count = 1;
        assert_int_equal(choose(&h, &g, &r, &again), PATH_FOUND);
        check_path(&h, &g, &r, &again);
        assert_memory_equal(again.hops, path.hops, 2 * sizeof(path.hops[0]));
        assert_memory_not_equal(again.hops[2].identity, dead, 32);
        path = again;
    }
    host_deinit(&h);
}

/* When all are exits they serve everywhere. */
static void test_path_of_exits_alone(void **state)
{
    struct path_request r = {.hops = 3, .exit = true};
    struct guards g = {0};
    struct path path = {0};
    struct host h;

    (void)state;
    host_init(&h, 7);
    host_add_many(&h, 0, 3, ROLE_RELAY | ROLE_EXIT);
    assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
    check_path(&h, &g, &r, &path);
    host_deinit(&h);
}

/* We speak IPv4; behind a relay of both, one that has IPv6 only is fine. */
static void test_path_neighbours_share_a_family(void **state)
{
    struct path_request r = {.hops = 3};
    struct directory_config c;
    struct guards g = {0};
    struct host h;

    (void)state;
    host_init(&h, 8);
    directory_free(h.d);
    c = host_config(&h);
    c.family[FAMILY_IPV6] = false;
    host_start(&h, &c);
    host_add_many(&h, 0, 3, ROLE_RELAY);
    for (unsigned n = 3; n < 6; n++) {
        struct descriptor d = test_descriptor(n);
        struct endpoint v6 = test_ep("[2a00:1::1]:5");

        v6.addr[3] = (uint8_t)n;
        if (n == 3)
            d.addresses[d.address_count++] = v6;
        else
            d.addresses[0] = v6;
        assert_int_equal(host_add(&h, &d, n), OK);
    }
    for (unsigned i = 0; i < 100; i++) {
        struct path path = {0};

        assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
        assert_int_equal(path.hops[0].ep.family, FAMILY_IPV4);
        for (unsigned k = 1; k < r.hops; k++) {
            const struct descriptor *before = hop(&h, &path, k - 1);
            bool has = false;

            for (unsigned a = 0; a < before->address_count; a++)
                has |= before->addresses[a].family == path.hops[k].ep.family;
            assert_true(has);
        }
    }
    host_deinit(&h);
}

/* Not the node itself, nor another of its operator. */
static void test_path_leaves_our_own_family_out(void **state)
{
    struct path_request r = {.hops = 2};
    struct directory_self self = {.roles = ROLE_RELAY,
                                  .address_count = 1,
                                  .addresses = {test_ep4(9, 9, 9, 9, 9)},
                                  .has_family = true,
                                  .family = {0x42}};
    struct descriptor d = test_descriptor(1);
    struct guards g = {0};
    struct path path = {0};
    struct host h;

    (void)state;
    host_init(&h, 9);
    directory_set_self(h.d, &self, h.now);
    d.has_family = true;
    d.family[0] = 0x42;
    assert_int_equal(host_add(&h, &d, 1), OK);
    host_add_many(&h, 2, 1, ROLE_RELAY);
    assert_int_equal(choose(&h, &g, &r, &path), PATH_NO_RELAYS);
    host_deinit(&h);
}

/* ---- Places ------------------------------------------------------------- */

/* Each of those that a place is for, as often, whatever was measured of it and
 * whatever it is doubted for; exits among them too. */
static void test_path_place_is_for_few_with_equal_chances(void **state)
{
    uint8_t few[4][32];
    unsigned hits[4] = {0};
    struct path_place places[3] = {
        {0}, {.among = (const uint8_t(*)[32])few, .among_count = 4}, {0}};
    struct path_request r = {.hops = 3, .places = places};
    struct guards g = {0};
    struct host h;

    (void)state;
    host_init(&h, 20);
    host_add_many(&h, 0, 30, ROLE_RELAY);
    host_add_many(&h, 30, 1, ROLE_RELAY | ROLE_EXIT);
    for (unsigned i = 0; i < 4; i++)
        memcpy(few[i], test_descriptor(27 + i).identity, 32);
    directory_measured(h.d, few[0], 100000, (uint64_t)h.wall);
    for (unsigned i = 0; i < 20; i++)
        directory_parted(h.d, few[1], test_descriptor(1).identity, false, false,
                         h.now);
    for (unsigned i = 0; i < 2000; i++) {
        struct path path = {0};

        assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
        check_path(&h, &g, &r, &path);
        for (unsigned k = 0; k < 4; k++)
            hits[k] += memcmp(path.hops[1].identity, few[k], 32) == 0;
    }
    assert_int_equal(hits[0] + hits[1] + hits[2] + hits[3], 2000);
    for (unsigned k = 0; k < 4; k++) /* a guard among them is in its way */
        assert_in_range(hits[k], 300, 700);
    r.places = (struct path_place[]){{0}, {.among = places[1].among}, {0}};
    assert_int_equal(choose(&h, &g, &r, &(struct path){0}),
                     PATH_TOO_FEW_SUBNETS);
    host_deinit(&h);
}

static void test_path_place_is_not_for_some(void **state)
{
    uint8_t not [6][32];
    struct path_place places[2] = {
        {0}, {.but = (const uint8_t(*)[32]) not, .but_count = 5, .roles = 8}};
    struct path_request r = {.hops = 2, .places = places};
    struct guards g = {0};
    struct host h;

    (void)state;
    host_init(&h, 21);
    host_add_many(&h, 0, 5, ROLE_RELAY);
    for (unsigned n = 5; n < 12; n++) {
        struct descriptor d = test_descriptor(n);

        d.roles = ROLE_RELAY | ROLE_MEETING;
        if (n >= 10) /* a network for two, one of them not wanted */
            d.addresses[0] = test_ep4(11, 11, (uint8_t)n, 1, 1000);
        assert_int_equal(host_add(&h, &d, n), OK);
    }
    for (unsigned i = 0; i < 5; i++)
        memcpy(not [i], test_descriptor(6 + i).identity, 32);
    for (unsigned i = 0; i < 100; i++) {
        struct path path = {0};
        bool own, other;

        places[1].apart = i % 2;
        assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
        own = memcmp(path.hops[1].identity, test_descriptor(5).identity, 32) ==
              0;
        other = memcmp(path.hops[1].identity, test_descriptor(11).identity,
                       32) == 0;
        assert_true(own || (other && !places[1].apart));
    }
    places[1].but = NULL;
    places[1].but_count = 0;
    places[0].roles = 16;
    assert_int_equal(choose(&h, &g, &r, &(struct path){0}),
                     PATH_TOO_FEW_SUBNETS);
    host_deinit(&h);
}

/* It may be a hop that is there already, but the two before it: no relay
 * extends to itself, nor back. */
static void test_path_last_one_may_be_free(void **state)
{
    struct path_request r = {.hops = 4, .free_last = true};
    struct guards g = {0};
    struct path path = {0};
    struct host h;

    (void)state;
    host_init(&h, 22);
    host_add_many(&h, 0, 3, ROLE_RELAY);
    assert_int_equal(choose(&h, &g, &(struct path_request){.hops = 3}, &path),
                     PATH_FOUND);
    for (unsigned i = 0; i < 20; i++) {
        path.count = 3;
        assert_int_equal(choose(&h, &g, &r, &path), PATH_FOUND);
        assert_memory_equal(&path.hops[3], &path.hops[0], sizeof(path.hops[0]));
    }
    host_deinit(&h);
}

/* ---- Weights ----------------------------------------------------------- */

#define DRAWS 20000

static void draw(const struct known_relay *relays, unsigned count,
                 unsigned *hits)
{
    struct test_random r = {12345};
    struct random_source random = test_source(&r);
    struct weighing w;

    memset(hits, 0, count * sizeof(*hits));
    assert_true(weighing_init(&w, count));
    for (unsigned i = 0; i < count; i++)
        weighing_add(&w, &relays[i], 0);
    for (unsigned i = 0; i < DRAWS; i++)
        hits[weighing_choose(&w, &random) - relays]++;
    weighing_deinit(&w);
}

/* Within five standard deviations of `share` of all draws. */
static void check_share(unsigned hits, double share)
{
    double mean = DRAWS * share, sigma2 = DRAWS * share * (1 - share);
    double off = hits - mean;

    assert_true(off * off <= 25 * sigma2);
}

static void test_path_weight_is_by_capacity(void **state)
{
    struct known_relay relays[4] = {{.record.capacity = 100},
                                    {.record.capacity = 200},
                                    {.record.capacity = 300},
                                    {.record.capacity = 400}};
    unsigned hits[4];

    (void)state;
    draw(relays, 4, hits);
    for (unsigned i = 0; i < 4; i++)
        check_share(hits[i], (i + 1) / 10.0);
}

static void test_path_weight_of_equals_is_uniform(void **state)
{
    struct known_relay relays[37] = {{.record.capacity = 0}};
    unsigned hits[37];

    (void)state;
    draw(relays, 37, hits);
    for (unsigned i = 0; i < 37; i++)
        check_share(hits[i], 1 / 37.0);
}

/* A claim of 4 TB/s gives four times the default, a measured giant eight
 * times the median. */
static void test_path_weight_caps_lies_and_giants(void **state)
{
    struct known_relay relays[20] = {{.record.capacity = 0}};
    unsigned hits[20];

    (void)state;
    relays[7].d.bandwidth = UINT32_MAX;
    draw(relays, 20, hits);
    check_share(hits[7], 4.0 / 23);
    for (unsigned i = 0; i < 20; i++)
        relays[i].record.capacity = 300;
    relays[7].record.capacity = UINT32_MAX;
    draw(relays, 20, hits);
    check_share(hits[7], 8.0 / 27);
}

/* Who throttles the tests of others does not get rid of them. */
static void test_path_weight_leaves_an_eighth_to_the_slowest(void **state)
{
    struct known_relay relays[20] = {{.record.capacity = 0}};
    unsigned hits[20];

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        relays[i].record.capacity = 8000;
    relays[7].record.capacity = 1;
    draw(relays, 20, hits);
    check_share(hits[7], 1.0 / 153);
}

/* Whatever the first ones measured have, the others count as no less: it may
 * be our own network that is slow. What they declare is a limit still. */
static void test_path_weight_of_the_unmeasured_is_that_of_the_measured(void **s)
{
    static const uint32_t rates[] = {20, 200, 200000};
    struct known_relay relays[10] = {{.record.capacity = 0}};
    unsigned hits[10];

    (void)s;
    relays[8].d.bandwidth = UINT32_MAX;
    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        for (unsigned n = 0; n < 3; n++)
            relays[n].record.capacity = rates[i];
        draw(relays, 10, hits);
        for (unsigned n = 0; n < 10; n++)
            check_share(hits[n], 0.1);
    }
    relays[9].d.bandwidth = 100000;
    draw(relays, 10, hits);
    check_share(hits[9], 0.5 / 9.5);
}

static void test_path_trust_halves_with_each_failure(void **state)
{
    struct known_relay relay = {.record.capacity = 1000};
    uint64_t now = 100 * TIME_HOUR;

    (void)state;
    assert_int_equal(relay_trust(&relay, now), TRUST_WHOLE);
    relay.record.failures = 3;
    relay.failed_at = now;
    assert_int_equal(relay_trust(&relay, now), TRUST_WHOLE / 8);
    assert_int_equal(relay_trust(&relay, now + TIME_HOUR), TRUST_WHOLE / 4);
    assert_int_equal(relay_trust(&relay, now + 3 * TIME_HOUR), TRUST_WHOLE);
    relay.record.failures = 1000;
    assert_int_equal(relay_trust(&relay, now), TRUST_WHOLE / 256);
    relay.doubt = DOUBT_WHOLE / 2;
    relay.doubted_at = now;
    assert_int_equal(relay_trust(&relay, now), TRUST_WHOLE / 256 / 4);
    relay.doubt = DOUBT_WHOLE - 1;
    assert_int_equal(relay_trust(&relay, now), 1);
    relay.record.failures = 0;
    relay.doubt = DOUBT_WHOLE / 4;
    assert_int_equal(relay_trust(&relay, now), TRUST_WHOLE / 16 * 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_keeps_the_rules_at_each_length),
        cmocka_unit_test(test_path_avoids_subnets_and_families),
        cmocka_unit_test(test_path_says_what_is_missing),
        cmocka_unit_test(test_path_testing_network_relaxes_subnets_only),
        cmocka_unit_test(test_path_begins_at_doubtful_guards_last),
        cmocka_unit_test(test_path_asks_for_a_suitable_exit),
        cmocka_unit_test(test_path_replaces_hops_behind_those_that_stand),
        cmocka_unit_test(test_path_of_exits_alone),
        cmocka_unit_test(test_path_neighbours_share_a_family),
        cmocka_unit_test(test_path_leaves_our_own_family_out),
        cmocka_unit_test(test_path_place_is_for_few_with_equal_chances),
        cmocka_unit_test(test_path_place_is_not_for_some),
        cmocka_unit_test(test_path_last_one_may_be_free),
        cmocka_unit_test(test_path_weight_is_by_capacity),
        cmocka_unit_test(test_path_weight_of_equals_is_uniform),
        cmocka_unit_test(test_path_weight_caps_lies_and_giants),
        cmocka_unit_test(test_path_weight_leaves_an_eighth_to_the_slowest),
        cmocka_unit_test(
            test_path_weight_of_the_unmeasured_is_that_of_the_measured),
        cmocka_unit_test(test_path_trust_halves_with_each_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
