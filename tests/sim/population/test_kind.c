/* SPDX-License-Identifier: MIT
 *
 * Shares of kinds, and addresses of the adversary.
 */
#include "sim/population/kind.h"

#include "base/timestamp.h"
#include "sim/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRAWS 10000

static struct scenario scenario;

static void scene(void)
{
    scenario = (struct scenario){.run = {.seed = 5},
                                 .nodes = {.ipv6_only = 0.1,
                                           .dual = 0.3,
                                           .read_only = 0.2,
                                           .cone_nat = 0.25,
                                           .symmetric_nat = 0.15,
                                           .wrong_clock = 0.4,
                                           .clock_error = TIME_HOUR},
                                 .variant = 0.5};
}

static void test_kind_shares_are_as_asked_for(void **state)
{
    unsigned only = 0, dual = 0, read_only = 0, cone = 0, symmetric = 0;
    unsigned ahead = 0, behind = 0, variant = 0;
    struct seat seat = {0};

    (void)state;
    scene();
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct kind k = kind_draw(&scenario, &seat, i);
        struct kind again = kind_draw(&scenario, &seat, i);

        assert_memory_equal(&k, &again, sizeof(k));
        assert_true(k.family[0] || k.family[1]);
        only += !k.family[FAMILY_IPV4];
        dual += k.family[FAMILY_IPV4] && k.family[FAMILY_IPV6];
        read_only += k.read_only;
        cone += k.nat == NAT_CONE;
        symmetric += k.nat == NAT_SYMMETRIC;
        ahead += k.clock_error == 3600;
        behind += k.clock_error == -3600;
        variant += k.variant;
    }
    assert_in_range(only, 900, 1100);
    assert_in_range(dual, 2850, 3150);
    assert_in_range(read_only, 1850, 2150);
    assert_in_range(cone, 2350, 2650);
    assert_in_range(symmetric, 1350, 1650);
    assert_in_range(ahead, 1850, 2150);
    assert_in_range(behind, 1850, 2150);
    assert_in_range(variant, 4850, 5150);
}

static void test_kind_of_those_who_serve_is_plain(void **state)
{
    static const struct seat seats[] = {{.role = POPULATION_RELAY},
                                        {.role = POPULATION_EXIT},
                                        {.hostile = true}};
    struct seat bootstrap = {.bootstrap = true};
    unsigned wrong = 0;

    (void)state;
    scene();
    scenario.nodes.read_only = 1;
    scenario.nodes.cone_nat = 1;
    for (uint32_t i = 0; i < 100; i++) {
        struct kind k = kind_draw(&scenario, &seats[i % 3], i);

        assert_int_equal(k.nat, NAT_NONE);
        assert_false(k.read_only);
        wrong += k.clock_error != 0;
        k = kind_draw(&scenario, &bootstrap, i);
        assert_true(k.family[FAMILY_IPV4] && k.family[FAMILY_IPV6]);
        assert_false(k.read_only || k.variant || k.nat || k.clock_error);
        k = kind_draw(&scenario, &(struct seat){0}, i);
        assert_true(k.read_only && k.nat == NAT_CONE);
    }
    assert_in_range(wrong, 20, 60);
    scenario.nodes.ipv6_only = 1;
    assert_false(kind_draw(&scenario, &bootstrap, 0).family[FAMILY_IPV4]);
    scenario.nodes.ipv6_only = scenario.nodes.dual = 0;
    assert_false(kind_draw(&scenario, &bootstrap, 0).family[FAMILY_IPV6]);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct endpoint));
}

/* That `n` addresses are different ones, all inside of the networks. */
static void assert_addresses(uint32_t n)
{
    const struct scenario_networks *all = &scenario.adversary.networks;
    struct endpoint *eps = calloc(n, sizeof(*eps));

    assert_non_null(eps);
    for (uint32_t i = 0; i < n; i++) {
        const struct scenario_prefix *p = &all->at[i % all->count];

        eps[i] = kind_hostile_address(&scenario, i);
        assert_true(endpoint_same_prefix(&eps[i], &p->ep, (int)p->bits));
        assert_int_not_equal(eps[i].port, SIM_PORT);
    }
    qsort(eps, n, sizeof(*eps), compare);
    for (uint32_t i = 1; i < n; i++)
        assert_memory_not_equal(&eps[i - 1], &eps[i], sizeof(*eps));
    free(eps);
}

static void add_network(const char *text, unsigned bits)
{
    struct scenario_networks *all = &scenario.adversary.networks;

    assert_int_equal(endpoint_parse_addr(text, &all->at[all->count].ep), OK);
    all->at[all->count++].bits = bits;
}

static void test_kind_hostile_addresses_are_in_the_networks(void **state)
{
    unsigned subnets = 0;
    bool seen[256] = {false};

    (void)state;
    scene();
    add_network("91.5.0.0", 16);
    assert_addresses(5000);
    for (uint32_t i = 0; i < 200; i++)
        seen[kind_hostile_address(&scenario, i).addr[2]] = true;
    for (int i = 0; i < 256; i++)
        subnets += seen[i];
    assert_in_range(subnets, 150, 256); /* not all in one /24 */
    add_network("2a01:4f8::", 32);
    add_network("6.7.8.9", 32); /* one address: ports */
    add_network("11.12.13.0", 24);
    assert_addresses(5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind_shares_are_as_asked_for),
        cmocka_unit_test(test_kind_of_those_who_serve_is_plain),
        cmocka_unit_test(test_kind_hostile_addresses_are_in_the_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
