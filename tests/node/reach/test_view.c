/* SPDX-License-Identifier: MIT
 *
 * What can be said of any machine; the rest is tests/process/test_field_*.py,
 * on machines that are made for it.
 */
#include "node/reach/view.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct view_question bound_to(const char *at)
{
    struct view_question q = {.testing_network = true, .bound_count = 1};

    assert_int_equal(endpoint_parse(at, &q.bound[0]), OK);
    return q;
}

static void test_view_bound_to_loopback(void **state)
{
    struct view_question q = bound_to("127.0.0.1:7881");
    struct view v;

    (void)state;
    view_look(&q, &v);
    assert_true(v.usable[FAMILY_IPV4]);
    assert_false(v.usable[FAMILY_IPV6]);
}

static void test_view_bound_to_an_address_that_went(void **state)
{
    struct view_question q = bound_to("192.0.2.77:7881");
    struct view v;

    (void)state;
    view_look(&q, &v);
    assert_false(v.usable[FAMILY_IPV4]);
}

/* Who names somebody on this machine can do without a network. */
static void test_view_named(void **state)
{
    struct view_question q = bound_to("0.0.0.0:7881");
    struct endpoint source, named;
    struct view v;

    (void)state;
    assert_int_equal(endpoint_parse("127.5.6.7:7881", &named), OK);
    assert_true(view_has_route(&named, &source));
    assert_true(endpoint_is_loopback(&source));
    assert_int_equal(source.port, 0);
    q.named[q.named_count++] = named;
    view_look(&q, &v);
    assert_true(v.usable[FAMILY_IPV4]);
    assert_true(v.has_source[FAMILY_IPV4]);
}

static void test_view_same_twice(void **state)
{
    struct view_question q = bound_to("0.0.0.0:7881");
    struct view a, b;

    (void)state;
    view_look(&q, &a);
    view_look(&q, &b);
    assert_true(a.print == b.print);
    assert_memory_equal(a.usable, b.usable, sizeof(a.usable));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_view_bound_to_loopback),
        cmocka_unit_test(test_view_bound_to_an_address_that_went),
        cmocka_unit_test(test_view_named),
        cmocka_unit_test(test_view_same_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
