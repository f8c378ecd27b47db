/* SPDX-License-Identifier: MIT */
#include "node/host/own_address.h"
#include "testing.h"

#include "base/text.h"
#include "node/os/sockaddr.h"
#include "node/reach/view.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <event2/event.h>
#include <ifaddrs.h>

/* ---- The machine's interfaces, in the place of the system's -------------- */

#define INTERFACES_MAX 64

static struct ifaddrs interfaces[INTERFACES_MAX];
static struct sockaddr_storage addresses[INTERFACES_MAX];
static struct sockaddr_storage masks[INTERFACES_MAX];
static unsigned interface_count;

int getifaddrs(struct ifaddrs **out)
{
    *out = interface_count == 0 ? NULL : interfaces;
    return 0;
}

void freeifaddrs(struct ifaddrs *all)
{
    (void)all;
}

static void add_network(const char *addr, unsigned bits)
{
    struct ifaddrs *i = &interfaces[interface_count];
    struct endpoint ep;

    assert_int_equal(endpoint_parse_addr(addr, &ep), OK);
    sockaddr_from_endpoint(&ep, &addresses[interface_count]);
    memset(ep.addr, 0xff, endpoint_addr_len(&ep));
    ep = policy_network_of(&ep, bits).net;
    sockaddr_from_endpoint(&ep, &masks[interface_count]);
    *i = (struct ifaddrs){
        .ifa_addr = (struct sockaddr *)&addresses[interface_count],
        .ifa_netmask = (struct sockaddr *)&masks[interface_count]};
    if (interface_count++ > 0)
        i[-1].ifa_next = i;
}

static void add_interface(const char *addr)
{
    add_network(addr, strchr(addr, ':') != NULL ? 128 : 32);
}

/* ---- Tests --------------------------------------------------------------- */

struct fixture {
    struct event_base *base;
    struct udp *udp;
    struct policy policy;
    struct config_endpoints reachable;
};

static void fixture_init(struct fixture *f, bool testing_network)
{
    static const struct udp_config config = {0};
    static const struct udp_handlers handlers = {0};

    interface_count = 0;
    *f = (struct fixture){.base = event_base_new()};
    f->udp = udp_new(f->base, &config, &handlers, NULL);
    assert_non_null(f->udp);
    policy_init(&f->policy, true, testing_network);
    f->reachable.count = 1;
    assert_int_equal(endpoint_parse("8.8.8.8:7881", &f->reachable.at[0]), OK);
}

static void fixture_deinit(struct fixture *f)
{
    udp_free(f->udp);
    event_base_free(f->base);
}

static void refuse(struct fixture *f)
{
    own_address_refuse(&f->policy, &f->reachable, f->udp, NULL);
}

static enum policy_verdict verdict(struct fixture *f, const char *to)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse(to, &ep), OK);
    return policy_check(&f->policy, &ep);
}

/* Where others reach the node stays the same meanwhile. */
static void test_own_address_follows_the_interfaces(void **state)
{
    struct fixture f;
    unsigned version;

    (void)state;
    fixture_init(&f, false);
    refuse(&f);
    assert_int_equal(verdict(&f, "8.8.8.8:22"), POLICY_OWN);
    assert_int_equal(verdict(&f, "[2606::9]:22"), POLICY_ACCEPTED);
    add_interface("2606::9");
    refuse(&f);
    assert_int_equal(verdict(&f, "[2606::9]:22"), POLICY_OWN);
    version = f.policy.version;
    refuse(&f);
    assert_int_equal(f.policy.version, version);
    interface_count = 0;
    add_interface("2606::a");
    refuse(&f);
    assert_int_equal(verdict(&f, "[2606::9]:22"), POLICY_OWN_NETWORK);
    assert_int_equal(verdict(&f, "[2606::a]:22"), POLICY_OWN);
    assert_int_equal(verdict(&f, "8.8.8.8:22"), POLICY_OWN);
    fixture_deinit(&f);
}

/* A machine with many containers has many addresses that need no place. */
static void test_own_address_finds_room_for_what_is_global(void **state)
{
    char addr[ENDPOINT_TEXT_SIZE];
    struct fixture f;

    (void)state;
    fixture_init(&f, false);
    add_interface("8.8.8.8");
    for (unsigned i = 0; i < POLICY_OWN_MAX; i++) {
        snprintf(addr, sizeof(addr), "fe80::%x", i + 1);
        add_interface(addr);
    }
    add_interface("2606::9");
    refuse(&f);
    assert_int_equal(f.policy.own_count, 2);
    assert_int_equal(verdict(&f, "[2606::9]:22"), POLICY_OWN);
    fixture_deinit(&f);
}

/* Global addresses may be the operator's, behind his firewall. */
static void test_own_address_covers_the_networks(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, false);
    add_network("2606:1:2:345::9", 64);
    add_network("9.9.9.9", 24);
    add_network("11.1.1.1", 31);
    add_network("2607:1::9", 48);
    add_network("2608:1::9", 3); /* a tunnel, not a network */
    add_network("10.0.0.9", 8);
    refuse(&f);
    assert_int_equal(f.policy.network_count, 5);
    assert_int_equal(verdict(&f, "[2606:1:2:345::10]:22"), POLICY_OWN_NETWORK);
    /* what else his line may have */
    assert_int_equal(verdict(&f, "[2606:1:2:3ff::1]:22"), POLICY_OWN_NETWORK);
    assert_int_equal(verdict(&f, "[2606:1:2:400::1]:22"), POLICY_ACCEPTED);
    assert_int_equal(verdict(&f, "9.9.9.255:22"), POLICY_OWN_NETWORK);
    assert_int_equal(verdict(&f, "9.9.8.255:22"), POLICY_ACCEPTED);
    assert_int_equal(verdict(&f, "11.1.1.0:22"), POLICY_OWN_NETWORK);
    assert_int_equal(verdict(&f, "11.1.1.2:22"), POLICY_ACCEPTED);
    assert_int_equal(verdict(&f, "[2607:1:0:ffff::9]:22"), POLICY_OWN_NETWORK);
    assert_int_equal(verdict(&f, "[2608:1:ffff::9]:22"), POLICY_OWN_NETWORK);
    assert_int_equal(verdict(&f, "[2608:2::9]:22"), POLICY_ACCEPTED);
    interface_count = 0;
    add_network("2606:1:2:345::9", 64);
    add_network("2606:1:2:346::9", 64); /* in the same /56 */
    refuse(&f);
    assert_int_equal(f.policy.network_count, 1);
    assert_int_equal(verdict(&f, "9.9.9.255:22"), POLICY_ACCEPTED);
    fixture_deinit(&f);
}

static void test_own_address_of_a_testing_network(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, true);
    add_network("10.0.0.5", 24);
    add_network("9.9.9.5", 24);
    refuse(&f);
    assert_int_equal(verdict(&f, "10.0.0.5:22"), POLICY_OWN);
    assert_int_equal(verdict(&f, "10.0.0.6:22"), POLICY_ACCEPTED);
    assert_int_equal(verdict(&f, "9.9.9.6:22"), POLICY_ACCEPTED);
    fixture_deinit(&f);
}

/* What the machine has counts, unless a NAT is sure to change it. */
static void test_own_address_is_certain(void **state)
{
    static const struct {
        const char *bound, *source; /* source NULL: no route */
        const char *want;           /* NULL: ask others */
    } cases[] = {
        {"0.0.0.0", "8.1.2.3", "8.1.2.3"},
        {"0.0.0.0", "192.168.1.2", NULL},
        {"0.0.0.0", NULL, NULL},
        {"127.0.0.1", "8.1.2.3", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint at, found, want;
        struct view view = {0};
        struct text why = {0};
        struct fixture f;

        fixture_init(&f, false);
        assert_int_equal(endpoint_parse_addr(cases[i].bound, &at), OK);
        assert_int_equal(udp_listen(f.udp, &at, &why), OK);
        view.has_source[FAMILY_IPV4] = cases[i].source != NULL;
        if (cases[i].source != NULL)
            assert_int_equal(
                endpoint_parse_addr(cases[i].source, &view.source[FAMILY_IPV4]),
                OK);
        assert_int_equal(own_address_certain(f.udp, &view, FAMILY_IPV4, &found),
                         cases[i].want != NULL);
        assert_false(own_address_certain(f.udp, &view, FAMILY_IPV6, &found));
        if (cases[i].want != NULL) {
            assert_int_equal(endpoint_parse_addr(cases[i].want, &want), OK);
            want.port = udp_local(f.udp, 0).port;
            assert_true(endpoint_equal(&found, &want));
        }
        text_clear(&why);
        fixture_deinit(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_address_follows_the_interfaces),
        cmocka_unit_test(test_own_address_finds_room_for_what_is_global),
        cmocka_unit_test(test_own_address_covers_the_networks),
        cmocka_unit_test(test_own_address_of_a_testing_network),
        cmocka_unit_test(test_own_address_is_certain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
