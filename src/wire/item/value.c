/* SPDX-License-Identifier: MIT
 *
 * A value goes two ways. `copy_*` reads msgpack from outside and writes it
 * canonically, while it sums up what the bencoding would take: the limit of BEP
 * 44 is one of bencoded bytes. `bencode_*` turns the canonical form into
 * bencoding, for hashes and signatures, and can no longer fail.
 */
#include "wire/item/value.h"

#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Enough for any value: an object takes two bytes of bencoding at least. */
#define VALUE_TOKENS (VALUE_BENCODED_MAX / 2)
/* What is not a value yet may have more, and is refused later. */
#define INPUT_TOKENS 1024

/* ---- Canonical msgpack ------------------------------------------------- */

/* One pass that checks a value, writes it canonically and sums up what its
 * bencoding will take. */
struct copy {
    struct mp_reader *in;
    struct mp_writer out;
    size_t bencoded;
    bool any_order; /* keys may come in any order, */
    bool unsorted;  /* and have */
};

static void copy_object(struct copy *c, int depth);

static size_t digits(uint64_t n)
{
    size_t count = 1;

    for (; n >= 10; n /= 10)
        count++;
    return count;
}

/* The bencoding takes so many bytes more. */
static void grow(struct copy *c, size_t bytes)
{
    c->bencoded += bytes;
    if (c->bencoded > VALUE_BENCODED_MAX)
        mp_fail(c->in, ERR_TOO_LARGE);
}

static void copy_unsigned(struct copy *c)
{
    uint64_t n = mp_read_uint(c->in, UINT64_MAX);

    grow(c, strlen("ie") + digits(n));
    mp_write_uint(&c->out, n);
}

static void copy_negative(struct copy *c)
{
    int64_t n = mp_read_int(c->in);

    grow(c, strlen("i-e") + digits(0 - (uint64_t)n));
    mp_write_int(&c->out, n);
}

static struct bytes read_string(struct copy *c)
{
    struct bytes s = mp_read_bytes(c->in, 0, SIZE_MAX);

    grow(c, digits(s.len) + strlen(":") + s.len);
    return s;
}

static void copy_list(struct copy *c, int depth)
{
    uint32_t count = mp_read_array(c->in, UINT32_MAX);

    grow(c, strlen("le"));
    mp_write_array(&c->out, count);
    for (uint32_t i = 0; i < count && c->in->err == OK; i++)
        copy_object(c, depth + 1);
}

/* Bytewise, and a prefix comes first. */
static bool ascending(struct bytes a, struct bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.p, b.p, common);

    return order < 0 || (order == 0 && a.len < b.len);
}

static void copy_dictionary(struct copy *c, int depth)
{
    uint32_t count = mp_read_map(c->in, UINT32_MAX);
    struct bytes last = {NULL, 0};

    grow(c, strlen("de"));
    mp_write_map(&c->out, count);
    for (uint32_t i = 0; i < count && c->in->err == OK; i++) {
        struct bytes key = read_string(c);

        if (i > 0 && !ascending(last, key)) {
            c->unsorted = true;
            if (!c->any_order)
                mp_fail(c->in, ERR_UNSORTED);
        }
        last = key;
        mp_write_text_n(&c->out, key);
        copy_object(c, depth + 1);
    }
}

static void copy_object(struct copy *c, int depth)
{
    enum mp_type type = mp_peek(c->in);

    if (type == MP_UINT)
        copy_unsigned(c);
    else if (type == MP_INT)
        copy_negative(c);
    else if (type == MP_STR || type == MP_BIN)
        mp_write_bin(&c->out, read_string(c));
    else if (type != MP_ARRAY && type != MP_MAP)
        mp_fail(c->in, ERR_WRONG_TYPE);
    else if (depth == VALUE_DEPTH_MAX)
        mp_fail(c->in, ERR_TOO_DEEP);
    else if (type == MP_ARRAY)
        copy_list(c, depth);
    else
        copy_dictionary(c, depth);
}

void value_read(struct mp_reader *r, struct value *out)
{
    struct copy c = {.in = r};

    mp_writer_init(&c.out, out->mp, sizeof(out->mp));
    copy_object(&c, 0);
    assert(r->err != OK || c.out.err == OK);
    out->len = (uint16_t)c.out.len;
}

void value_read_bencoded(struct mp_reader *r, struct value *out)
{
    const struct mp_token *first = r->at;
    struct copy c = {.in = r, .any_order = true};

    mp_writer_init(&c.out, out->mp, sizeof(out->mp));
    copy_object(&c, 0);
    assert(r->err != OK || c.out.err == OK);
    out->len = (uint16_t)c.out.len;
    if (r->err == OK && c.unsorted) { /* so it is a container */
        memcpy(out->mp, first->as.p, c.bencoded);
        out->len = (uint16_t)c.bencoded;
    }
}

enum error value_from_bytes(struct bytes text, struct value *out)
{
    struct mp_writer w;

    if (digits(text.len) + strlen(":") + text.len > VALUE_BENCODED_MAX)
        return ERR_TOO_LARGE;
    mp_writer_init(&w, out->mp, sizeof(out->mp));
    mp_write_bin(&w, text);
    assert(w.err == OK);
    out->len = (uint16_t)w.len;
    return OK;
}

enum error value_from_msgpack(struct bytes mp, struct value *out)
{
    struct mp_token tokens[INPUT_TOKENS];
    struct mp_tape tape = {.tokens = tokens, .cap = INPUT_TOKENS};
    struct mp_reader r;
    struct value value;

    mp_reader_parse(&r, &tape, mp);
    value_read(&r, &value);
    if (r.err != OK)
        return r.err;
    memcpy(out->mp, value.mp, value.len);
    out->len = value.len;
    return OK;
}

/* ---- Bencoding --------------------------------------------------------- */

struct bencoded {
    uint8_t *p;
    size_t len;
};

static void append(struct bencoded *out, const void *p, size_t len)
{
    assert(len <= VALUE_BENCODED_MAX - out->len);
    if (len > 0)
        memcpy(out->p + out->len, p, len);
    out->len += len;
}

static void bencode_unsigned(struct bencoded *out, struct mp_reader *r)
{
    char s[32];
    int n =
        snprintf(s, sizeof(s), "i%" PRIu64 "e", mp_read_uint(r, UINT64_MAX));

    append(out, s, (size_t)n);
}

static void bencode_negative(struct bencoded *out, struct mp_reader *r)
{
    char s[32];
    int n = snprintf(s, sizeof(s), "i%" PRId64 "e", mp_read_int(r));

    append(out, s, (size_t)n);
}

static void bencode_string(struct bencoded *out, struct mp_reader *r)
{
    struct bytes string = mp_read_bytes(r, 0, SIZE_MAX);
    char head[32];
    int n = snprintf(head, sizeof(head), "%zu:", string.len);

    append(out, head, (size_t)n);
    append(out, string.p, string.len);
}

static void bencode_object(struct bencoded *out, struct mp_reader *r)
{
    enum mp_type type = mp_peek(r);
    uint32_t left;

    if (type == MP_UINT) {
        bencode_unsigned(out, r);
    } else if (type == MP_INT) {
        bencode_negative(out, r);
    } else if (type == MP_ARRAY) {
        append(out, "l", 1);
        for (left = mp_read_array(r, UINT32_MAX); left > 0; left--)
            bencode_object(out, r);
        append(out, "e", 1);
    } else if (type == MP_MAP) {
        append(out, "d", 1);
        for (left = 2 * mp_read_map(r, UINT32_MAX); left > 0; left--)
            bencode_object(out, r);
        append(out, "e", 1);
    } else {
        bencode_string(out, r);
    }
}

size_t value_bencode(const struct value *v, uint8_t out[VALUE_BENCODED_MAX])
{
    struct mp_token tokens[VALUE_TOKENS];
    struct mp_tape tape = {.tokens = tokens, .cap = VALUE_TOKENS};
    struct bencoded text = {.p = out};
    struct mp_reader r;

    if (value_is_raw(v)) {
        append(&text, v->mp, v->len);
        return text.len;
    }
    mp_reader_parse(&r, &tape, value_bytes(v));
    bencode_object(&text, &r);
    assert(r.err == OK);
    return text.len;
}

struct bytes value_bytes(const struct value *v)
{
    return bytes_of(v->mp, v->len);
}
