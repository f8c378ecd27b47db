/* SPDX-License-Identifier: MIT
 *
 * One pass without recursion: `open` has the containers around the place that
 * is read, as tokens whose counts grow. What a peer claims is a length of a
 * string, which is compared with what is left of the input.
 */
#include "wire/bencode/be_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct parse {
    const uint8_t *p;
    const uint8_t *end;
    struct mp_tape *tape;
    struct mp_token *open[MP_DEPTH_MAX];
    unsigned depth;
};

static bool is_digit(const struct parse *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

/* Whether what began at `first` has one digit at least, no leading zeros, and
 * ends with `end`, which is passed. */
static bool ends_number(struct parse *s, const uint8_t *first, uint8_t end)
{
    return s->p != first && s->p != s->end && *s->p++ == end &&
           (*first != '0' || s->p - first == 2);
}

static enum error parse_number(struct parse *s, uint64_t *out)
{
    const uint8_t *first = s->p;
    uint64_t n = 0;

    for (; is_digit(s); s->p++) {
        unsigned digit = *s->p - '0';

        if (n > (UINT64_MAX - digit) / 10)
            return ERR_RANGE;
        n = 10 * n + digit;
    }
    *out = n;
    return ends_number(s, first, 'e') ? OK : ERR_NOT_BENCODE;
}

static enum error parse_integer(struct parse *s, struct mp_token *t)
{
    bool negative = s->p + 1 < s->end && s->p[1] == '-';
    uint64_t n;
    enum error err;

    s->p += negative ? 2 : 1;
    err = parse_number(s, &n);
    if (err != OK)
        return err;
    if (!negative) {
        t->type = MP_UINT;
        t->as.u = n;
        return OK;
    }
    if (n == 0)
        return ERR_NOT_BENCODE;
    if (n > (uint64_t)INT64_MAX + 1)
        return ERR_RANGE;
    t->type = MP_INT;
    t->as.i = -(int64_t)(n - 1) - 1;
    return OK;
}

/* A length beyond what is left needs no more digits, so none overflows. */
static enum error parse_string(struct parse *s, struct mp_token *t)
{
    const uint8_t *first = s->p;
    uint64_t len = 0;

    for (; is_digit(s); s->p++) {
        len = 10 * len + (*s->p - (uint64_t)'0');
        if (len > (size_t)(s->end - s->p))
            return ERR_NOT_BENCODE;
    }
    if (!ends_number(s, first, ':') || len > (size_t)(s->end - s->p))
        return ERR_NOT_BENCODE;
    t->type = MP_BIN;
    t->count = (uint32_t)len;
    t->as.p = s->p;
    s->p += len;
    return OK;
}

static enum error parse_open(struct parse *s, struct mp_token *t)
{
    if (s->depth == MP_DEPTH_MAX)
        return ERR_TOO_DEEP;
    t->type = *s->p == 'd' ? MP_MAP : MP_ARRAY;
    t->as.p = s->p++;
    s->open[s->depth++] = t;
    return OK;
}

/* The end of the innermost container. */
static enum error parse_close(struct parse *s)
{
    struct mp_token *t = s->open[--s->depth];

    s->p++;
    if (t->type == MP_ARRAY)
        return OK;
    if (t->count % 2 != 0)
        return ERR_NOT_BENCODE;
    t->count /= 2;
    return OK;
}

/* The next object, or as much of it as stands before what it contains. */
static enum error parse_object(struct parse *s)
{
    struct mp_token *t;

    if (s->depth > 0) {
        struct mp_token *around = s->open[s->depth - 1];

        if (around->type == MP_MAP && around->count % 2 == 0 && !is_digit(s))
            return ERR_NOT_BENCODE; /* a key that is no string */
        around->count++;
    }
    if (s->tape->count == s->tape->cap)
        return ERR_TOO_LARGE;
    t = &s->tape->tokens[s->tape->count++];
    t->count = 0;
    switch (*s->p) {
    case 'i':
        return parse_integer(s, t);
    case 'l':
    case 'd':
        return parse_open(s, t);
    default:
        return parse_string(s, t);
    }
}

enum error be_parse(struct mp_tape *tape, struct bytes in)
{
    struct parse s = {.tape = tape};
    enum error err;

    s.p = in.p;
    s.end = in.p + in.len;
    tape->count = 0;
    if (in.len > UINT32_MAX)
        return ERR_TOO_LARGE;
    do {
        if (s.p == s.end)
            return ERR_NOT_BENCODE;
        err = *s.p == 'e' && s.depth > 0 ? parse_close(&s) : parse_object(&s);
        if (err != OK)
            return err;
    } while (s.depth > 0);
    return s.p == s.end ? OK : ERR_TRAILING;
}

void be_reader_parse(struct mp_reader *r, struct mp_tape *tape, struct bytes in)
{
    enum error err = be_parse(tape, in);

    mp_reader_init(r, tape);
    if (err != OK)
        mp_fail(r, err);
}
