/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_id_parses_and_prints(void **state)
{
    const char *text = "00112233445566778899aabbccddeeff01234567";
    char out[ID_TEXT_SIZE];
    struct id id;
    struct id upper;

    (void)state;
    assert_int_equal(id_parse(text, &id), OK);
    assert_int_equal(id.b[0], 0x00);
    assert_int_equal(id.b[1], 0x11);
    assert_int_equal(id.b[19], 0x67);
    assert_ptr_equal(id_print(&id, out), out);
    assert_string_equal(out, text);
    assert_int_equal(
        id_parse("00112233445566778899AABBCCDDEEFF01234567", &upper), OK);
    assert_true(id_equal(&id, &upper));
}

static void test_id_refuses_other_text(void **state)
{
    static const char *const bad[] = {
        "",
        "0",
        "00112233445566778899aabbccddeeff0123456",
        "00112233445566778899aabbccddeeff012345678",
        "00112233445566778899aabbccddeeff0123456g",
        "g0112233445566778899aabbccddeeff01234567",
        " 0112233445566778899aabbccddeeff01234567",
        "0x112233445566778899aabbccddeeff01234567",
        "00112233445566778899aabbccddeeff0123456 ",
        "00:12233445566778899aabbccddeeff01234567",
    };
    struct id id;
    struct id before;

    (void)state;
    memset(&id, 7, sizeof(id));
    before = id;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(id_parse(bad[i], &id), ERR_SYNTAX);
        assert_true(id_equal(&id, &before));
    }
}

static void test_id_counts_common_bits(void **state)
{
    (void)state;
    for (int n = 0; n < ID_BITS; n++) {
        struct id a = {{0}};
        struct id b = {{0}};

        id_set_bit(&b, n, true);
        assert_int_equal(id_common_bits(&a, &b), n);
        for (int later = n + 1; later < ID_BITS; later += 7)
            id_set_bit(&a, later, true);
        assert_int_equal(id_common_bits(&a, &b), n);
        assert_int_equal(id_common_bits(&b, &b), ID_BITS);
    }
}

static void test_id_bits(void **state)
{
    struct id id = {{0x80, 0x01}};

    (void)state;
    assert_true(id_bit(&id, 0));
    assert_false(id_bit(&id, 1));
    assert_true(id_bit(&id, 15));
    assert_false(id_bit(&id, 159));
    for (int n = 0; n < ID_BITS; n++) {
        struct id before = id;
        bool old = id_bit(&id, n);

        id_set_bit(&id, n, !old);
        assert_int_equal(id_bit(&id, n), !old);
        assert_int_equal(id_common_bits(&id, &before), n);
        id_set_bit(&id, n, old);
        assert_true(id_equal(&id, &before));
    }
}

/* The distance as a number, one bit at a time. */
static int naive_compare(const struct id *t, const struct id *a,
                         const struct id *b)
{
    for (int n = 0; n < ID_BITS; n++) {
        bool da = id_bit(a, n) != id_bit(t, n);
        bool db = id_bit(b, n) != id_bit(t, n);

        if (da != db)
            return da ? 1 : -1;
    }
    return 0;
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void test_id_compares_distance(void **state)
{
    struct test_random rnd = test_seed(99);

    (void)state;
    for (int round = 0; round < 20000; round++) {
        int same = (int)test_random_below(&rnd, ID_BYTES + 1);
        struct id t, a, b;

        test_random_fill(&rnd, &t, sizeof(t));
        test_random_fill(&rnd, &a, sizeof(a));
        b = a;
        test_random_fill(&rnd, b.b + same, (size_t)(ID_BYTES - same));
        assert_int_equal(sign(id_compare_distance(&t, &a, &b)),
                         naive_compare(&t, &a, &b));
        assert_int_equal(sign(id_compare_distance(&t, &b, &a)),
                         naive_compare(&t, &b, &a));
        assert_int_equal(id_equal(&a, &b), naive_compare(&t, &a, &b) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_parses_and_prints),
        cmocka_unit_test(test_id_refuses_other_text),
        cmocka_unit_test(test_id_counts_common_bits),
        cmocka_unit_test(test_id_bits),
        cmocka_unit_test(test_id_compares_distance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
