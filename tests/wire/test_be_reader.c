/* SPDX-License-Identifier: MIT
 *
 * Bencode laid on a tape: what is taken, what is refused and why, cut at each
 * byte, and random trees against a model.
 */
#include "mp_testing.h"
#include "testing.h"

#include "wire/bencode/be_reader.h"
#include "wire/bencode/be_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* From a block of just this size, for the sanitizer. */
static enum error be_parse_exact(struct parsed *p, struct bytes in)
{
    uint8_t *exact = test_exact_copy(in);
    enum error err;

    p->tape = (struct mp_tape){.tokens = p->tokens, .cap = TOKENS};
    err = be_parse(&p->tape, bytes_of(exact, in.len));
    free(exact);
    return err;
}

/* The tokens point into `text`. */
static struct mp_reader *read_text(struct parsed *p, const char *text)
{
    p->tape = (struct mp_tape){.tokens = p->tokens, .cap = TOKENS};
    be_reader_parse(&p->r, &p->tape, bytes_of_text(text));
    return &p->r;
}

static void test_be_reader_refuses(void **state)
{
    static const struct {
        const char *text;
        enum error want;
    } cases[] = {
        {"", ERR_NOT_BENCODE},
        {"x", ERR_NOT_BENCODE},
        {"-", ERR_NOT_BENCODE},
        {" 1:a", ERR_NOT_BENCODE},
        {"e", ERR_NOT_BENCODE},
        /* integers have one form */
        {"i", ERR_NOT_BENCODE},
        {"i-", ERR_NOT_BENCODE},
        {"ie", ERR_NOT_BENCODE},
        {"i-e", ERR_NOT_BENCODE},
        {"i1", ERR_NOT_BENCODE},
        {"i-1", ERR_NOT_BENCODE},
        {"i-0e", ERR_NOT_BENCODE},
        {"i00e", ERR_NOT_BENCODE},
        {"i01e", ERR_NOT_BENCODE},
        {"i-01e", ERR_NOT_BENCODE},
        {"i+1e", ERR_NOT_BENCODE},
        {"i 1e", ERR_NOT_BENCODE},
        {"i1 e", ERR_NOT_BENCODE},
        {"i--1e", ERR_NOT_BENCODE},
        {"i1-e", ERR_NOT_BENCODE},
        {"i1.5e", ERR_NOT_BENCODE},
        {"i1e5e", ERR_TRAILING},
        {"i0x1e", ERR_NOT_BENCODE},
        {"i1:", ERR_NOT_BENCODE},
        {"i18446744073709551616e", ERR_RANGE},
        {"i99999999999999999999e", ERR_RANGE},
        {"i18446744073709551615999e", ERR_RANGE},
        {"i-9223372036854775809e", ERR_RANGE},
        {"i-18446744073709551616e", ERR_RANGE},
        /* so have lengths, and they are of what is there */
        {"1", ERR_NOT_BENCODE},
        {"1:", ERR_NOT_BENCODE},
        {":", ERR_NOT_BENCODE},
        {"00:", ERR_NOT_BENCODE},
        {"01:a", ERR_NOT_BENCODE},
        {"-1:a", ERR_NOT_BENCODE},
        {"1a", ERR_NOT_BENCODE},
        {"1e:a", ERR_NOT_BENCODE},
        {"2:a", ERR_NOT_BENCODE},
        {"4294967296:a", ERR_NOT_BENCODE},
        {"4294967297:a", ERR_NOT_BENCODE},
        {"18446744073709551615:a", ERR_NOT_BENCODE},
        {"18446744073709551616:", ERR_NOT_BENCODE},
        {"18446744073709551617:a", ERR_NOT_BENCODE},
        /* lists and dictionaries end, and keys are strings with values */
        {"l", ERR_NOT_BENCODE},
        {"d", ERR_NOT_BENCODE},
        {"li1e", ERR_NOT_BENCODE},
        {"lle", ERR_NOT_BENCODE},
        {"d1:ae", ERR_NOT_BENCODE},
        {"d1:ai1e1:be", ERR_NOT_BENCODE},
        {"di1ei2ee", ERR_NOT_BENCODE},
        {"dlei1ee", ERR_NOT_BENCODE},
        {"ddei1ee", ERR_NOT_BENCODE},
        {"d1:ai1ei2ei3ee", ERR_NOT_BENCODE},
        {"d-1:ai1ee", ERR_NOT_BENCODE},
        {"dxi1ee", ERR_NOT_BENCODE},
        /* one object */
        {"i1ei2e", ERR_TRAILING},
        {"1:ab", ERR_TRAILING},
        {"lee", ERR_TRAILING},
        {"de\n", ERR_TRAILING},
        {"0:e", ERR_TRAILING},
    };
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (be_parse_exact(&p, bytes_of_text(cases[i].text)) != cases[i].want)
            fail_msg("%s", cases[i].text);
        read_text(&p, cases[i].text);
        assert_int_equal(p.r.err, cases[i].want);
        assert_int_equal(mp_peek(&p.r), MP_NIL);
    }
}

static void test_be_reader_integers(void **state)
{
    static const struct {
        const char *text;
        uint64_t u; /* of those that are not negative */
        int64_t i;
    } cases[] = {
        {"i0e", 0, 0},
        {"i1e", 1, 0},
        {"i10e", 10, 0},
        {"i9223372036854775808e", UINT64_C(1) << 63, 0},
        {"i18446744073709551615e", UINT64_MAX, 0},
        {"i-1e", 0, -1},
        {"i-10e", 0, -10},
        {"i-9223372036854775807e", 0, -INT64_MAX},
        {"i-9223372036854775808e", 0, INT64_MIN},
    };
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mp_reader *r = read_text(&p, cases[i].text);

        if (cases[i].i < 0)
            assert_true(mp_read_int(r) == cases[i].i);
        else
            assert_true(mp_read_uint(r, UINT64_MAX) == cases[i].u);
        assert_int_equal(r->err, OK);
        assert_ptr_equal(r->at, r->end);
    }
}

static void test_be_reader_strings(void **state)
{
    struct parsed p;

    (void)state;
    assert_int_equal(mp_read_bytes(read_text(&p, "0:"), 0, 9).len, 0);
    assert_int_equal(p.r.err, OK);
    assert_true(
        bytes_is_text(mp_read_bytes(read_text(&p, "3:i1e"), 0, 9), "i1e"));
    assert_true(
        bytes_is_text(mp_read_bytes(read_text(&p, "12:Hello World!"), 0, 99),
                      "Hello World!"));
}

/* Keys in any order, and there twice: that is for who reads them. */
static void test_be_reader_containers(void **state)
{
    static const char text[] = "d1:bli1eli2ee1:ce1:adee";
    struct parsed p;
    struct mp_reader *r = read_text(&p, text);

    (void)state;
    assert_ptr_equal(r->at->as.p, text);
    assert_int_equal(mp_read_map(r, 9), 2);
    assert_true(bytes_is_text(mp_read_bytes(r, 1, 1), "b"));
    assert_ptr_equal(r->at->as.p, text + 4);
    assert_int_equal(mp_read_array(r, 9), 3);
    assert_int_equal(mp_read_uint(r, 9), 1);
    assert_int_equal(mp_read_array(r, 9), 1);
    assert_int_equal(mp_read_uint(r, 9), 2);
    assert_true(bytes_is_text(mp_read_bytes(r, 1, 1), "c"));
    assert_true(bytes_is_text(mp_read_bytes(r, 1, 1), "a"));
    assert_int_equal(mp_read_map(r, 9), 0);
    assert_int_equal(r->err, OK);
    assert_ptr_equal(r->at, r->end);
    assert_int_equal(be_parse_exact(&p, bytes_of_text("d0:0:0:0:e")), OK);
    assert_int_equal(p.tokens[0].count, 2);
}

#define LE10 "lelelelelelelelelele"

static void test_be_reader_depth(void **state)
{
    char text[2 * (MP_DEPTH_MAX + 1) + 1];
    struct parsed p;

    (void)state;
    for (size_t depth = 1; depth <= MP_DEPTH_MAX + 1; depth++) {
        memset(text, 'l', depth);
        memset(text + depth, 'e', depth);
        assert_int_equal(be_parse_exact(&p, bytes_of(text, 2 * depth)),
                         depth <= MP_DEPTH_MAX ? OK : ERR_TOO_DEEP);
    }
    /* beside each other, they may be many */
    assert_int_equal(be_parse_exact(&p, bytes_of_text("l" LE10 LE10 LE10 "e")),
                     OK);
}

static void test_be_reader_minds_its_tape(void **state)
{
    static const char *const texts[] = {"i1e", "1:a",     "le",
                                        "de",  "li1e0:e", "d1:alee"};
    struct mp_token tokens[4];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct mp_tape tape = {.tokens = tokens, .cap = 4};
        size_t count;

        assert_int_equal(be_parse(&tape, bytes_of_text(texts[i])), OK);
        count = tape.count;
        for (size_t cap = 0; cap <= count; cap++) {
            struct mp_token *exact = malloc((cap + 1) * sizeof(*exact));

            assert_non_null(exact);
            tape = (struct mp_tape){.tokens = exact, .cap = cap};
            assert_int_equal(be_parse(&tape, bytes_of_text(texts[i])),
                             cap < count ? ERR_TOO_LARGE : OK);
            assert_true(tape.count <= cap);
            free(exact);
        }
    }
}

/* ---- Random trees ---------------------------------------------------------*/

struct model {
    struct mp_token items[TOKENS];
    size_t count;
    struct mp_writer w;
};

static void grow_model(struct model *m, struct test_random *rnd, int depth)
{
    static const uint8_t text[300] = "i1el0:de1:a";
    struct mp_token *t = &m->items[m->count++];
    uint32_t kind = test_random_below(rnd, depth < 5 ? 5 : 3);
    uint64_t number = test_random_next(rnd) >> test_random_below(rnd, 64);

    *t = (struct mp_token){.as.u = number};
    if (kind == 0) {
        t->type = MP_UINT;
        be_write_uint(&m->w, number);
    } else if (kind == 1) {
        t->type = MP_INT;
        t->as.i = -1 - (int64_t)(number >> 1);
        be_write_int(&m->w, t->as.i);
    } else if (kind == 2) {
        t->type = MP_BIN;
        t->count = test_random_below(rnd, number & 1 ? 300 : 12);
        be_write_bytes(&m->w, bytes_of(text, t->count));
    } else {
        bool map = kind == 4;

        t->type = map ? MP_MAP : MP_ARRAY;
        t->count = m->count + 100 > TOKENS ? 0 : test_random_below(rnd, 5);
        map ? be_open_dictionary(&m->w) : be_open_list(&m->w);
        for (uint32_t i = 0; i < t->count; i++) {
            if (map) {
                m->items[m->count++] = (struct mp_token){MP_BIN, 1, {text}};
                be_write_bytes(&m->w, bytes_of(text, 1));
            }
            grow_model(m, rnd, depth + 1);
        }
        be_close(&m->w);
    }
}

static void expect_tape(const struct model *m, const struct parsed *p)
{
    assert_int_equal(p->tape.count, m->count);
    for (size_t i = 0; i < m->count; i++) {
        const struct mp_token *want = &m->items[i], *t = &p->tokens[i];

        assert_int_equal(t->type, want->type);
        if (t->type == MP_UINT || t->type == MP_INT)
            assert_true(t->as.u == want->as.u);
        else
            assert_int_equal(t->count, want->count);
    }
}

static void test_be_reader_reads_what_is_written(void **state)
{
    struct test_random rnd = test_seed(97);
    static uint8_t buf[128 * 1024];
    struct parsed p;

    (void)state;
    for (int round = 0; round < 1000; round++) {
        struct model m = {.count = 0};

        mp_writer_init(&m.w, buf, sizeof(buf));
        grow_model(&m, &rnd, 0);
        assert_int_equal(m.w.err, OK);
        assert_int_equal(be_parse_exact(&p, mp_writer_bytes(&m.w)), OK);
        expect_tape(&m, &p);
        for (int cut = 0; cut < 20; cut++) {
            uint32_t len = test_random_below(&rnd, (uint32_t)m.w.len);

            assert_int_equal(be_parse_exact(&p, bytes_of(buf, len)),
                             ERR_NOT_BENCODE);
        }
    }
}

static void test_be_reader_survives_noise(void **state)
{
    static const char letters[] = "ilde0123456789:-ee1:";
    struct test_random rnd = test_seed(98);
    uint8_t noise[40];
    int taken = 0;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        size_t len = test_random_below(&rnd, sizeof(noise));
        struct parsed p;

        for (size_t i = 0; i < len; i++)
            noise[i] =
                (uint8_t)letters[test_random_below(&rnd, sizeof(letters) - 1)];
        taken += be_parse_exact(&p, bytes_of(noise, len)) == OK;
    }
    assert_in_range(taken, 100, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_be_reader_refuses),
        cmocka_unit_test(test_be_reader_integers),
        cmocka_unit_test(test_be_reader_strings),
        cmocka_unit_test(test_be_reader_containers),
        cmocka_unit_test(test_be_reader_depth),
        cmocka_unit_test(test_be_reader_minds_its_tape),
        cmocka_unit_test(test_be_reader_reads_what_is_written),
        cmocka_unit_test(test_be_reader_survives_noise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
