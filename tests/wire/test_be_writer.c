/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "wire/bencode/be_writer.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect_text(const struct mp_writer *w, const char *want)
{
    assert_int_equal(w->err, OK);
    assert_int_equal(w->len, strlen(want));
    assert_memory_equal(w->buf, want, w->len);
}

/* 10^n and its neighbours, n = 0..19, and both ends. */
static void test_be_writer_integers(void **state)
{
    uint64_t numbers[64] = {0, UINT64_MAX, INT64_MAX, UINT64_C(1) << 63};
    size_t count = 4;
    char want[32];
    uint8_t buf[32];
    struct mp_writer w;

    (void)state;
    for (uint64_t n = 1; n <= UINT64_MAX / 10; n *= 10) {
        numbers[count++] = n - 1;
        numbers[count++] = n;
        numbers[count++] = 10 * n - 1;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t negative = -(int64_t)(numbers[i] >> 1) - 1;

        mp_writer_init(&w, buf, sizeof(buf));
        be_write_uint(&w, numbers[i]);
        snprintf(want, sizeof(want), "i%" PRIu64 "e", numbers[i]);
        expect_text(&w, want);
        mp_writer_init(&w, buf, sizeof(buf));
        be_write_int(&w, negative);
        snprintf(want, sizeof(want), "i%" PRId64 "e", negative);
        expect_text(&w, want);
        mp_writer_init(&w, buf, sizeof(buf));
        be_write_int(&w, (int64_t)(numbers[i] >> 1));
        snprintf(want, sizeof(want), "i%" PRId64 "e",
                 (int64_t)(numbers[i] >> 1));
        expect_text(&w, want);
    }
}

static void write_all(struct mp_writer *w)
{
    be_open_dictionary(w);
    be_write_bytes(w, bytes_of_text("a"));
    be_open_list(w);
    be_write_bytes(w, bytes_of(NULL, 0));
    be_write_bytes(w, bytes_of_text("Hello World!"));
    be_write_int(w, -12);
    be_close(w);
    be_write_bytes(w, bytes_of_text("b"));
    be_write_uint(w, 345);
    be_close(w);
}

static void test_be_writer_minds_its_buffer(void **state)
{
    static const char want[] = "d1:al0:12:Hello World!i-12ee1:bi345ee";
    struct mp_writer w;

    (void)state;
    for (size_t cap = 0; cap < sizeof(want); cap++) {
        uint8_t *buf = malloc(cap + 1);

        assert_non_null(buf);
        mp_writer_init(&w, buf, cap);
        write_all(&w);
        assert_int_equal(w.err, cap < strlen(want) ? ERR_NO_SPACE : OK);
        assert_true(w.len <= cap);
        if (w.err == OK)
            expect_text(&w, want);
        free(buf);
    }
}

static void test_be_writer_long_strings(void **state)
{
    static uint8_t text[70000], buf[70010];
    struct mp_writer w;
    char head[16];

    (void)state;
    for (size_t len = 1; len <= sizeof(text); len *= 9) {
        mp_writer_init(&w, buf, sizeof(buf));
        be_write_bytes(&w, bytes_of(text, len));
        snprintf(head, sizeof(head), "%zu:", len);
        assert_int_equal(w.len, strlen(head) + len);
        assert_memory_equal(buf, head, strlen(head));
        assert_memory_equal(buf + strlen(head), text, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_be_writer_integers),
        cmocka_unit_test(test_be_writer_minds_its_buffer),
        cmocka_unit_test(test_be_writer_long_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
