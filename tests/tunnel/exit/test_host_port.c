/* SPDX-License-Identifier: MIT
 */
#include "testing.h"
#include "tunnel/exit/host_port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_host_port_address(void **state)
{
    static const char *const rows[] = {"192.0.2.1:53", "127.0.0.1:1",
                                       "[2001:db8::1]:65535", "10.0.0.1:80"};
    char text[ENDPOINT_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct host_port d;

        assert_int_equal(host_port_parse(bytes_of_text(rows[i]), &d), OK);
        assert_int_equal(d.name.len, 0);
        assert_string_equal(endpoint_print(&d.ep, text), rows[i]);
    }
}

static void test_host_port_name(void **state)
{
    struct host_port d;

    (void)state;
    assert_int_equal(host_port_parse(bytes_of_text("Example.org:53"), &d), OK);
    assert_string_equal(d.name.text, "example.org");
    assert_int_equal(d.ep.port, 53);
    assert_int_equal(host_port_parse(bytes_of_text("_dns.a-b.example:1"), &d),
                     OK);
}

static void test_host_port_wrong(void **state)
{
    static const struct {
        const char *text;
        enum error err;
    } rows[] = {
        {"", ERR_SYNTAX},
        {":", ERR_SYNTAX},
        {":53", ERR_SYNTAX},
        {"example.org", ERR_SYNTAX},
        {"example.org:", ERR_SYNTAX},
        {"example.org:http", ERR_SYNTAX},
        {"example.org:+1", ERR_SYNTAX},
        {"example.org:65536", ERR_SYNTAX},
        {"example.org:000053", ERR_SYNTAX},
        {"example.org:0", ERR_ADDRESS},
        {"example.org:53 ", ERR_SYNTAX},
        {"exa mple.org:53", ERR_SYNTAX},
        {"2001:db8::1:53", ERR_SYNTAX},
        {"[2001:db8::1]", ERR_SYNTAX},
        {"2130706433:53", ERR_SYNTAX},
        {"127.1:53", ERR_SYNTAX},
        {"192.0.2.1:0", ERR_ADDRESS},
        {"224.0.0.1:53", ERR_ADDRESS},
        {"0.0.0.0:53", ERR_ADDRESS},
        {"localhost:53", ERR_UNSUPPORTED},
        {"x.local:53", ERR_UNSUPPORTED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct host_port d = {.ep = {.port = 7}};
        enum error err = host_port_parse(bytes_of_text(rows[i].text), &d);

        if (err != rows[i].err || d.ep.port != 7)
            fail_msg("%s: %s", rows[i].text, error_text(err));
        /* More than the error's own name says. */
        assert_string_not_equal(host_port_error_text(err), error_text(err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_port_address),
        cmocka_unit_test(test_host_port_name),
        cmocka_unit_test(test_host_port_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
