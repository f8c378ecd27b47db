/* SPDX-License-Identifier: MIT
 */
#include "node/control/reply.h"
#include "testing.h"
#include "wire/msgpack/mp_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 100

struct answer {
    uint8_t buf[8192];
    struct mp_token tokens[512];
    struct mp_tape tape;
    struct mp_reader map;
};

static const char *key_of(unsigned i)
{
    static char key[16];

    snprintf(key, sizeof(key), "key%u", i);
    return key;
}

/* {"key0": "text 0", ..., "evil": "\x1b[1m", "long": 3000 bytes, "n": 7} */
static void answer_init(struct answer *a)
{
    static char large[3001];
    struct mp_writer w;
    char text[32];

    memset(large, 'x', sizeof(large) - 1);
    mp_writer_init(&w, a->buf, sizeof(a->buf));
    mp_write_map(&w, KEYS + 3);
    for (unsigned i = 0; i < KEYS; i++) {
        mp_write_text(&w, key_of(i));
        snprintf(text, sizeof(text), "text %u", i);
        mp_write_text(&w, text);
    }
    mp_write_text(&w, "evil");
    mp_write_text(&w, "\x1b[1m");
    mp_write_text(&w, "long");
    mp_write_text(&w, large);
    mp_write_text(&w, "n");
    mp_write_uint(&w, 7);
    assert_int_equal(w.err, OK);
    a->tape = (struct mp_tape){.tokens = a->tokens, .cap = COUNT_OF(a->tokens)};
    mp_reader_parse(&a->map, &a->tape, mp_writer_bytes(&w));
    assert_int_equal(a->map.err, OK);
}

/* A row of a table has as many as it likes. */
static void test_reply_texts_stay(void **state)
{
    const char *texts[KEYS];
    struct answer a;
    char expected[32];

    (void)state;
    answer_init(&a);
    for (unsigned i = 0; i < KEYS; i++)
        texts[i] = reply_text(a.map, key_of(i));
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(expected, sizeof(expected), "text %u", i);
        assert_string_equal(texts[i], expected);
    }
    reply_forget();
    reply_forget();
    assert_string_equal(reply_text(a.map, "key1"), "text 1");
    reply_forget();
}

static void test_reply_text_of_anything(void **state)
{
    struct answer a;

    (void)state;
    answer_init(&a);
    assert_string_equal(reply_text(a.map, "nothing"), "");
    assert_string_equal(reply_text(a.map, "n"), "");
    assert_string_equal(reply_text(a.map, "evil"), "\\x1b[1m");
    assert_int_equal(strlen(reply_text(a.map, "long")), REPLY_TEXT_SIZE - 1);
    assert_int_equal(reply_uint(a.map, "n"), 7);
    reply_forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply_texts_stay),
        cmocka_unit_test(test_reply_text_of_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
