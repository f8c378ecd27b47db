/* SPDX-License-Identifier: MIT */
#include "wire/msgpack/plane.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Every first byte there is, by what the msgpack specification says of it. */
static void test_plane_of_each_first_byte(void **state)
{
    unsigned maps = 0, arrays = 0;

    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t datagram[2] = {(uint8_t)first, 0x80};
        enum plane plane = plane_of(bytes_of(datagram, 2));
        bool map = (first >= 0x80 && first <= 0x8f) || first == 0xde ||
                   first == 0xdf;
        bool array = (first >= 0x90 && first <= 0x9f) || first == 0xdc ||
                     first == 0xdd;

        assert_int_equal(plane, map            ? PLANE_DHT
                                : array        ? PLANE_TUNNEL
                                : first == 'd' ? PLANE_MAINLINE
                                               : PLANE_FOREIGN);
        assert_int_equal(plane_of(bytes_of(datagram, 1)), plane);
        maps += map;
        arrays += array;
    }
    assert_int_equal(maps, 18);
    assert_int_equal(arrays, 18);
}

static void test_plane_of_nothing(void **state)
{
    (void)state;
    assert_int_equal(plane_of(bytes_of(NULL, 0)), PLANE_EMPTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plane_of_each_first_byte),
        cmocka_unit_test(test_plane_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
