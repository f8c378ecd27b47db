/* SPDX-License-Identifier: MIT
 *
 * The msgpack cursor against a model: random trees, encoded a second time
 * here, cut and squeezed at each byte, and noise.
 */
#include "mp_testing.h"
#include "testing.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A random tree in preorder, and a second opinion on how it is encoded. */
struct model {
    struct mp_token items[TOKENS];
    size_t count;
    uint8_t text[600];
};

static void grow_model(struct model *m, struct test_random *rnd, int depth)
{
    struct mp_token *t = &m->items[m->count++];
    uint32_t kind = test_random_below(rnd, depth < 5 ? 9 : 7);
    uint64_t number = test_random_next(rnd) >> test_random_below(rnd, 64);

    *t = (struct mp_token){.type = (uint8_t)kind};
    if (kind == MP_BOOL)
        t->as.b = number & 1;
    else if (kind == MP_UINT)
        t->as.u = number;
    else if (kind == MP_INT)
        t->as.i = -1 - (int64_t)(number >> 1);
    else if (kind == MP_DOUBLE)
        t->as.d = ldexp((double)number, -20);
    else if (kind == MP_STR || kind == MP_BIN)
        t->count = test_random_below(rnd, number & 1 ? 600 : 40);
    if (kind == MP_STR || kind == MP_BIN)
        t->as.p = m->text;
    if (kind != MP_ARRAY && kind != MP_MAP)
        return;
    t->count = test_random_below(rnd, depth == 0 ? 20 : 4);
    if (m->count + 100 > TOKENS)
        t->count = 0;
    for (uint32_t i = t->count * (kind == MP_MAP ? 2 : 1); i > 0; i--)
        grow_model(m, rnd, depth + 1);
}

static size_t put_number(uint8_t *out, uint8_t head, uint64_t n, int width)
{
    *out++ = head;
    for (int i = width - 1; i >= 0; i--)
        *out++ = (uint8_t)(n >> (8 * i));
    return (size_t)width + 1;
}

/* The smallest of the widths 1, 2, 4, 8 that holds n, as a power of two, at
 * least `min`; made wider at random when there is a generator. */
static int width_of(uint64_t n, int min, int max, struct test_random *rnd)
{
    int w = min;

    while (w < max && n >> (8 << w) != 0)
        w++;
    if (rnd != NULL)
        w += (int)test_random_below(rnd, (uint32_t)(max - w + 1));
    return w;
}

static size_t encode_head(uint8_t *out, const struct mp_token *t,
                          struct test_random *rnd)
{
    static const struct {
        uint32_t fix_below;
        uint8_t fix, wide;
        int min;
    } heads[] = {[MP_STR] = {32, 0xa0, 0xd9, 0},
                 [MP_BIN] = {0, 0, 0xc4, 0},
                 [MP_ARRAY] = {16, 0x90, 0xdc, 1},
                 [MP_MAP] = {16, 0x80, 0xde, 1}};
    bool fix = t->count < heads[t->type].fix_below;
    int min = heads[t->type].min;
    int w;

    if (fix && (rnd == NULL || test_random_below(rnd, 2) == 0)) {
        *out = (uint8_t)(heads[t->type].fix | t->count);
        return 1;
    }
    w = width_of(t->count, min, 2, rnd);
    return put_number(out, (uint8_t)(heads[t->type].wide + w - min), t->count,
                      1 << w);
}

static size_t encode_item(uint8_t *out, const struct mp_token *t,
                          struct test_random *rnd)
{
    bool wide = rnd != NULL && test_random_below(rnd, 2) == 0;
    uint64_t bits;
    size_t n;
    int w;

    switch ((enum mp_type)t->type) {
    case MP_NIL:
        return put_number(out, 0xc0, 0, 0);
    case MP_BOOL:
        return put_number(out, t->as.b ? 0xc3 : 0xc2, 0, 0);
    case MP_UINT:
        if (t->as.u < 128 && !wide)
            return put_number(out, (uint8_t)t->as.u, 0, 0);
        w = width_of(t->as.u, 0, 3, rnd);
        return put_number(out, (uint8_t)(0xcc + w), t->as.u, 1 << w);
    case MP_INT:
        if (t->as.i >= -32 && !wide)
            return put_number(out, (uint8_t)t->as.i, 0, 0);
        /* the sign needs a bit */
        w = width_of((uint64_t)(-1 - t->as.i) << 1, 0, 3, rnd);
        return put_number(out, (uint8_t)(0xd0 + w), t->as.u, 1 << w);
    case MP_DOUBLE:
        memcpy(&bits, &t->as.d, 8);
        return put_number(out, 0xcb, bits, 8);
    case MP_STR:
    case MP_BIN:
        n = encode_head(out, t, rnd);
        memcpy(out + n, t->as.p, t->count);
        return n + t->count;
    case MP_ARRAY:
    case MP_MAP:
        break;
    }
    return encode_head(out, t, rnd);
}

static size_t encode_model(uint8_t *out, const struct model *m,
                           struct test_random *rnd)
{
    size_t len = 0;

    for (size_t i = 0; i < m->count; i++)
        len += encode_item(out + len, &m->items[i], rnd);
    return len;
}

static void write_item(struct mp_writer *w, const struct mp_token *t)
{
    switch ((enum mp_type)t->type) {
    case MP_NIL:
        mp_write_nil(w);
        break;
    case MP_BOOL:
        mp_write_bool(w, t->as.b);
        break;
    case MP_UINT:
        mp_write_uint(w, t->as.u);
        break;
    case MP_INT:
        mp_write_int(w, t->as.i);
        break;
    case MP_DOUBLE:
        mp_write_double(w, t->as.d);
        break;
    case MP_STR:
        mp_write_text_n(w, bytes_of(t->as.p, t->count));
        break;
    case MP_BIN:
        mp_write_bin(w, bytes_of(t->as.p, t->count));
        break;
    case MP_ARRAY:
        mp_write_array(w, t->count);
        break;
    case MP_MAP:
        mp_write_map(w, t->count);
        break;
    }
}

static void expect_model(const struct parsed *p, const struct model *m)
{
    assert_int_equal(p->tape.count, m->count);
    for (size_t i = 0; i < m->count; i++) {
        const struct mp_token *got = &p->tokens[i];
        const struct mp_token *want = &m->items[i];

        assert_int_equal(got->type, want->type);
        assert_int_equal(got->count, want->count);
        if (want->type == MP_STR || want->type == MP_BIN)
            assert_true(bytes_equal(bytes_of(got->as.p, got->count),
                                    bytes_of(want->as.p, want->count)));
        else if (want->type == MP_BOOL)
            assert_int_equal(got->as.b, want->as.b);
        else if (want->type < MP_STR && want->type > MP_BOOL)
            assert_true(got->as.u == want->as.u);
    }
}

static void test_mp_agrees_with_model(void **state)
{
    static uint8_t wire[TOKENS * 610];
    static uint8_t buf[TOKENS * 610];
    struct test_random rnd = test_seed(20240517);
    struct model m;
    struct parsed p;
    struct mp_writer w;
    size_t len;

    (void)state;
    test_random_fill(&rnd, m.text, sizeof(m.text));
    for (int round = 0; round < 3000; round++) {
        m.count = 0;
        grow_model(&m, &rnd, 0);

        len = encode_model(wire, &m, &rnd);
        must_parse(&p, bytes_of(wire, len));
        expect_model(&p, &m);
        mp_skip(&p.r);
        assert_ptr_equal(p.r.at, p.r.end);

        mp_writer_init(&w, buf, sizeof(buf));
        for (size_t i = 0; i < m.count; i++)
            write_item(&w, &m.items[i]);
        assert_int_equal(w.err, OK);
        len = encode_model(wire, &m, NULL);
        assert_true(bytes_equal(mp_writer_bytes(&w), bytes_of(wire, len)));
    }
}

static void test_mp_refuses_every_truncation(void **state)
{
    static uint8_t wire[TOKENS * 610];
    struct test_random rnd = test_seed(77);
    struct model m;
    struct parsed p;

    (void)state;
    test_random_fill(&rnd, m.text, sizeof(m.text));
    for (int round = 0; round < 60; round++) {
        size_t len;

        m.count = 0;
        grow_model(&m, &rnd, 0);
        len = encode_model(wire, &m, &rnd);
        for (size_t cut = 0; cut < len && cut < 2000; cut++) {
            uint8_t *exact = test_exact_copy(bytes_of(wire, cut));

            assert_int_equal(parse(&p, bytes_of(exact, cut)), ERR_NOT_MSGPACK);
            free(exact);
        }
        assert_int_equal(parse(&p, bytes_of(wire, len + 1)), ERR_TRAILING);
    }
}

static void test_mp_writer_never_passes_its_cap(void **state)
{
    static uint8_t whole[TOKENS * 610];
    struct test_random rnd = test_seed(5);
    struct model m;
    struct mp_writer w;

    (void)state;
    test_random_fill(&rnd, m.text, sizeof(m.text));
    for (int round = 0; round < 30; round++) {
        size_t len;

        m.count = 0;
        grow_model(&m, &rnd, 0);
        len = encode_model(whole, &m, NULL);
        for (size_t cap = len > 1500 ? len - 1500 : 0; cap <= len; cap++) {
            uint8_t *buf = malloc(cap + 1);

            assert_non_null(buf);
            mp_writer_init(&w, buf, cap);
            for (size_t i = 0; i < m.count; i++)
                write_item(&w, &m.items[i]);
            assert_int_equal(w.err, cap < len ? ERR_NO_SPACE : OK);
            assert_true(w.len <= cap);
            assert_memory_equal(buf, whole, w.len);
            free(buf);
        }
    }
}

static void test_mp_survives_noise(void **state)
{
    struct test_random rnd = test_seed(4711);
    struct parsed p;
    uint8_t noise[48];

    (void)state;
    for (int round = 0; round < 200000; round++) {
        size_t len = test_random_below(&rnd, sizeof(noise) + 1);

        test_random_fill(&rnd, noise + sizeof(noise) - len, len);
        if (parse(&p, bytes_of(noise + sizeof(noise) - len, len)) != OK)
            continue;
        mp_skip(&p.r);
        assert_int_equal(p.r.err, OK);
        assert_ptr_equal(p.r.at, p.r.end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mp_agrees_with_model),
        cmocka_unit_test(test_mp_refuses_every_truncation),
        cmocka_unit_test(test_mp_writer_never_passes_its_cap),
        cmocka_unit_test(test_mp_survives_noise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
