/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_error_all_have_name_and_text(void **state)
{
    (void)state;
    for (int e = OK; e < ERR_END_; e++) {
        const char *name = error_name((enum error)e);

        assert_non_null(name);
        assert_non_null(error_text((enum error)e));
        assert_true(strlen(error_text((enum error)e)) > 0);
        assert_true(strlen(name) > 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"),
                         strlen(name));
    }
}

static void test_error_names_are_unique(void **state)
{
    (void)state;
    for (int a = OK; a < ERR_END_; a++) {
        for (int b = a + 1; b < ERR_END_; b++) {
            assert_string_not_equal(error_name((enum error)a),
                                    error_name((enum error)b));
            assert_string_not_equal(error_text((enum error)a),
                                    error_text((enum error)b));
        }
    }
}

static void test_error_success_is_zero(void **state)
{
    (void)state;
    assert_int_equal(OK, 0);
    assert_string_equal(error_name(OK), "ok");
    assert_string_equal(error_name(ERR_REMOTE), "remote");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_all_have_name_and_text),
        cmocka_unit_test(test_error_names_are_unique),
        cmocka_unit_test(test_error_success_is_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
