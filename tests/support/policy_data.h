/* SPDX-License-Identifier: MIT
 *
 * Policies for tests.
 */
#ifndef WARREN_TESTS_POLICY_DATA_H
#define WARREN_TESTS_POLICY_DATA_H

#include "tunnel/exit/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Appends lines, which are separated by commas. */
static inline void test_policy_add(struct policy *p, const char *text)
{
    struct policy_line lines[POLICY_LINES_MAX];
    size_t count = p->count;
    char why[POLICY_ERROR_SIZE];

    for (size_t i = 0; i < count; i++)
        lines[i] = p->lines[i];
    while (*text != '\0') {
        size_t len = strcspn(text, ",");

        assert_true(count < POLICY_LINES_MAX);
        assert_int_equal(
            policy_parse_line(bytes_of(text, len), &lines[count++], why), OK);
        text += len + (text[len] == ',');
    }
    policy_set_lines(p, lines, count);
}

#endif
