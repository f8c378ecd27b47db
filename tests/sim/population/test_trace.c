/* SPDX-License-Identifier: MIT */
#include "sim/population/trace.h"

#include "base/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fail_alloc.h"

static struct trace trace;
static struct text why;

static int setup(void **state)
{
    (void)state;
    text_init(&why, 1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trace_deinit(&trace);
    text_deinit(&why);
    return 0;
}

static enum error parse(const char *text, uint32_t nodes)
{
    static char buf[1024];

    text_clear(&why);
    trace_deinit(&trace);
    memcpy(buf, text, strlen(text) + 1);
    return trace_parse(&trace, "t.csv", buf, strlen(text), nodes, &why);
}

static void test_trace_is_read(void **state)
{
    (void)state;
    assert_int_equal(parse("seconds,node,event\n0,17,join\n"
                           "12.5, 17, leave\n12.5,17,join\n",
                           18),
                     OK);
    assert_int_equal(trace.count, 3);
    assert_int_equal(trace.events[1].at, 12500 * TIME_MS);
    assert_int_equal(trace.events[1].node, 17);
    assert_false(trace.events[1].join);
    assert_true(trace.events[2].join);
    assert_int_equal(parse("0,0,join", 1), OK);
}

static void test_trace_mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "t.csv:0: nobody ever joins"},
        {"seconds,node,event\n", "t.csv:1: nobody ever joins"},
        {"0,1,join\nseconds,node,event\n",
         "t.csv:2: the time in seconds is 'seconds' but must be a number from "
         "0 to 100000000 with at most 3 digits behind the point"},
        {"0,1\n", "t.csv:1: a line must be seconds,node,join or "
                  "seconds,node,leave"},
        {"0,1,join,2\n", "t.csv:1: a line must be seconds,node,join or "
                         "seconds,node,leave"},
        {"\n0,10,join\n",
         "t.csv:2: the node is '10' but must be a number from 0 to 9"},
        {"0,1,came\n", "t.csv:1: 'came' must be join or leave"},
        {"1,1,leave\n", "t.csv:1: node 1 leaves but is away"},
        {"1,1,join\n2,1,join", "t.csv:2: node 1 joins but is there"},
        {"1,1,join\n0.999,2,join", "t.csv:2: goes back in time"},
        {"1,1,join\n1.0001,2,join",
         "t.csv:2: the time in seconds is '1.0001' but must be a number from 0 "
         "to 100000000 with at most 3 digits behind the point"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(rows[i].text, 10), ERR_SYNTAX);
        assert_string_equal(text_get(&why), rows[i].why);
        assert_null(trace.events);
    }
    assert_int_equal(parse("0,0,join", 0), ERR_SYNTAX);
}

static void test_trace_survives_without_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        enum error err;

        fail_alloc_at(n);
        err = parse("0,1,join\n1,1,leave\n", 10);
        if (!fail_alloc_end())
            break;
        assert_true(err == ERR_NO_MEMORY || trace.count == 2);
    }
    trace_deinit(&trace);
    assert_int_equal(trace_load(&trace, "/nowhere", 10, &why), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace_is_read),
        cmocka_unit_test(test_trace_mistakes_are_named),
        cmocka_unit_test(test_trace_survives_without_memory),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
