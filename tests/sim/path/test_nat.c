/* SPDX-License-Identifier: MIT
 *
 * Who is let in by which NAT, from where, to which port, and until when.
 */
#include "sim/path/nat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fail_alloc.h"

#define PORT  6881
#define START (TIME_HOUR)

static struct endpoint at(const char *text)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse(text, &ep), OK);
    return ep;
}

static void test_nat_cone_has_one_port_and_filters_addresses(void **state)
{
    struct nat *n = nat_new(NAT_CONE, PORT, 5);
    struct endpoint a = at("1.2.3.4:100"), b = at("1.2.3.5:100");
    struct endpoint a2 = at("1.2.3.4:200");

    (void)state;
    assert_int_equal(nat_kind(n), NAT_CONE);
    assert_false(nat_in(n, &a, PORT, START));
    assert_int_equal(nat_out(n, &a, START), PORT);
    assert_true(nat_in(n, &a, PORT, START));
    assert_true(nat_in(n, &a2, PORT, START)); /* the address counts */
    assert_false(nat_in(n, &b, PORT, START));
    assert_false(nat_in(n, &a, PORT + 1, START));
    assert_int_equal(nat_out(n, &b, START), PORT);
    assert_true(nat_in(n, &b, PORT, START));
    assert_int_equal(nat_open(n, START), 2);
    nat_free(n);
}

static void test_nat_symmetric_has_a_port_for_each_endpoint(void **state)
{
    struct nat *n = nat_new(NAT_SYMMETRIC, PORT, 5);
    struct endpoint a = at("1.2.3.4:100"), a2 = at("1.2.3.4:200");
    uint16_t port = nat_out(n, &a, START), port2 = nat_out(n, &a2, START);

    (void)state;
    assert_int_equal(port, 1029);
    assert_int_equal(port2, 1030);
    assert_int_equal(nat_out(n, &a, START + TIME_S), port);
    assert_true(nat_in(n, &a, port, START));
    assert_true(nat_in(n, &a2, port2, START));
    assert_false(nat_in(n, &a, port2, START));
    assert_false(nat_in(n, &a2, port, START));
    assert_false(nat_in(n, &a, PORT, START));
    nat_free(n);
    n = nat_new(NAT_SYMMETRIC, PORT, UINT16_MAX - 1024); /* the last port */
    assert_int_equal(nat_out(n, &a, START), UINT16_MAX);
    assert_int_equal(nat_out(n, &a2, START), 1024);
    nat_free(n);
}

static void test_nat_closes_what_is_idle(void **state)
{
    struct nat *n = nat_new(NAT_SYMMETRIC, PORT, 0);
    struct endpoint a = at("1.2.3.4:100");
    uint16_t port = nat_out(n, &a, START);

    (void)state;
    assert_true(nat_in(n, &a, port, START + NAT_IDLE - 1));
    assert_false(nat_in(n, &a, port, START + NAT_IDLE));
    assert_int_equal(nat_open(n, START + NAT_IDLE), 0);
    /* A new mapping, on another port. */
    assert_int_equal(nat_out(n, &a, START + NAT_IDLE), port + 1);
    /* What goes out keeps it open, what comes in does not. */
    assert_int_equal(nat_out(n, &a, START + NAT_IDLE + TIME_S), port + 1);
    assert_true(nat_in(n, &a, port + 1, START + 2 * NAT_IDLE));
    assert_false(nat_in(n, &a, port + 1, START + 2 * NAT_IDLE + TIME_S));
    nat_free(n);
}

static void test_nat_filters_ipv6_without_rewriting(void **state)
{
    struct nat *n = nat_new(NAT_SYMMETRIC, PORT, 0);
    struct endpoint a = at("[2a00::1]:100"), b = at("[2a00::1]:101");

    (void)state;
    assert_int_equal(nat_out(n, &a, START), PORT);
    assert_true(nat_in(n, &a, PORT, START));
    assert_false(nat_in(n, &b, PORT, START));
    nat_free(n);
}

static void test_nat_is_bounded_and_the_oldest_makes_way(void **state)
{
    struct nat *n = nat_new(NAT_CONE, PORT, 0);
    struct endpoint ep = at("1.0.0.1:100");

    (void)state;
    for (unsigned i = 0; i < NAT_HOLES_MAX + 10; i++) {
        ep.addr[2] = (uint8_t)(i >> 8);
        ep.addr[3] = (uint8_t)i;
        assert_int_equal(nat_out(n, &ep, START + i), PORT);
    }
    assert_int_equal(nat_open(n, START + 1000), NAT_HOLES_MAX);
    for (unsigned i = 0; i < NAT_HOLES_MAX + 10; i++) {
        ep.addr[2] = (uint8_t)(i >> 8);
        ep.addr[3] = (uint8_t)i;
        assert_int_equal(nat_in(n, &ep, PORT, START + 1000), i >= 10);
    }
    nat_free(n);
}

static void test_nat_without_memory_drops(void **state)
{
    struct endpoint a = at("1.2.3.4:100");
    struct nat *n;

    (void)state;
    fail_alloc_at(1);
    assert_null(nat_new(NAT_CONE, PORT, 0));
    fail_alloc_end();
    n = nat_new(NAT_CONE, PORT, 0);
    fail_alloc_at(1);
    assert_int_equal(nat_out(n, &a, START), 0);
    fail_alloc_end();
    assert_false(nat_in(n, &a, PORT, START));
    assert_int_equal(nat_out(n, &a, START), PORT);
    nat_free(n);
    nat_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nat_cone_has_one_port_and_filters_addresses),
        cmocka_unit_test(test_nat_symmetric_has_a_port_for_each_endpoint),
        cmocka_unit_test(test_nat_closes_what_is_idle),
        cmocka_unit_test(test_nat_filters_ipv6_without_rewriting),
        cmocka_unit_test(test_nat_is_bounded_and_the_oldest_makes_way),
        cmocka_unit_test(test_nat_without_memory_drops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
