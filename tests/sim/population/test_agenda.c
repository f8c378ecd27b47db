/* SPDX-License-Identifier: MIT */
#include "sim/population/agenda.h"

#include "base/timestamp.h"
#include "sim/chance/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fail_alloc.h"

static void test_agenda_gives_out_by_time_then_seat(void **state)
{
    struct agenda a = {0};
    struct agenda_entry last = {0}, e;
    struct sim_rng r;
    size_t left = 0;

    (void)state;
    sim_rng_init(&r, 3, 3);
    assert_int_equal(agenda_next(&a), TIME_NEVER);
    for (int round = 0; round < 2000; round++) {
        assert_int_equal(
            agenda_add(&a, sim_rng_below(&r, 50), sim_rng_below(&r, 50)), OK);
        left++;
        if (round % 3 == 2) {
            uint64_t at = agenda_next(&a);

            e = agenda_take(&a);
            assert_int_equal(e.at, at);
            for (size_t i = 0; i < a.count; i++)
                assert_true(
                    a.entries[i].at > e.at ||
                    (a.entries[i].at == e.at && a.entries[i].seat >= e.seat));
            left--;
        }
    }
    for (; left > 0; left--) {
        e = agenda_take(&a);
        assert_true(e.at > last.at || (e.at == last.at && e.seat >= last.seat));
        last = e;
    }
    assert_int_equal(agenda_next(&a), TIME_NEVER);
    agenda_deinit(&a);
    fail_alloc_at(1);
    assert_int_equal(agenda_add(&a, 1, 1), ERR_NO_MEMORY);
    fail_alloc_end();
    assert_int_equal(agenda_next(&a), TIME_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agenda_gives_out_by_time_then_seat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
