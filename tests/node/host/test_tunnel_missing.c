/* SPDX-License-Identifier: MIT
 */
#include "node/host/tunnel_missing.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_tunnel_missing_nothing(void **state)
{
    struct member_status status = {.path = PATH_FOUND};
    struct text what;

    (void)state;
    text_init(&what, 512);
    assert_false(tunnel_missing_say(&status, &what));
    assert_string_equal(text_get(&what), "");
}

static void test_tunnel_missing_role(void **state)
{
    struct member_status status = {
        .path = PATH_NO_EXITS, .known = 9, .usable = 7, .exits = 0};
    struct text what;

    (void)state;
    text_init(&what, 512);
    assert_true(tunnel_missing_say(&status, &what));
    assert_string_equal(text_get(&what),
                        "no exit is known that would do (7 relays are known, "
                        "0 of them exits)");
    assert_non_null(strstr(tunnel_missing_remedy(&status), "become_exitnode"));
    text_clear(&what);
    status =
        (struct member_status){.path = PATH_NO_RELAYS, .usable = 1, .exits = 1};
    assert_true(tunnel_missing_say(&status, &what));
    assert_string_equal(text_get(&what), "too few relays are known (1 relay is "
                                         "known, 1 of them an exit)");
    text_deinit(&what);
}

/* Whatever is missing, something can be done. */
static void test_tunnel_missing_remedies(void **state)
{
    (void)state;
    for (int r = PATH_FOUND + 1; r < PATH_RESULTS; r++) {
        struct member_status status = {.path = (enum path_result)r};

        assert_true(strlen(tunnel_missing_remedy(&status)) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel_missing_nothing),
        cmocka_unit_test(test_tunnel_missing_role),
        cmocka_unit_test(test_tunnel_missing_remedies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
