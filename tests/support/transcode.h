/* SPDX-License-Identifier: MIT
 *
 * Between msgpack and bencode for tests, sharing nothing with src/wire: a
 * second opinion, and a way to write messages as readable text. Beside what
 * bencode has, the text may say n (nil), t (true) and f (0.5).
 */
#ifndef WARREN_TESTS_TRANSCODE_H
#define WARREN_TESTS_TRANSCODE_H

#include "base/bytes.h"

#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct transcoder {
    const uint8_t *in;
    uint8_t *out;
};

static inline void transcode_put(struct transcoder *t, const void *p, size_t n)
{
    if (n > 0)
        memcpy(t->out, p, n);
    t->out += n;
}

/* A type byte and a number of `width` bytes. */
static inline void transcode_head(struct transcoder *t, int type, uint64_t n,
                                  int width)
{
    *t->out++ = (uint8_t)type;
    for (int i = width - 1; i >= 0; i--)
        *t->out++ = (uint8_t)(n >> (8 * i));
}

static inline const uint8_t *bencode_skip(const uint8_t *p)
{
    char *end;
    unsigned long len;

    if (*p == 'l' || *p == 'd') {
        for (p++; *p != 'e';)
            p = bencode_skip(p);
        return p + 1;
    }
    if (*p == 'i')
        return (const uint8_t *)strchr((const char *)p, 'e') + 1;
    if (*p < '0' || *p > '9')
        return p + 1;
    len = strtoul((const char *)p, &end, 10);
    return (const uint8_t *)end + 1 + len;
}

static inline void bencode_int_to_msgpack(struct transcoder *t)
{
    char *end;
    long long n = strtoll((const char *)t->in + 1, &end, 10);

    t->in = (const uint8_t *)end + 1;
    if (n >= -32 && n < 128)
        transcode_head(t, (int)n, 0, 0);
    else
        transcode_head(t, n < 0 ? 0xd3 : 0xcf, (uint64_t)n, 8);
}

static inline void bencode_object_to_msgpack(struct transcoder *t)
{
    int type = *t->in;
    unsigned count = 0;
    char *end;

    if (type == 'i') {
        bencode_int_to_msgpack(t);
    } else if (type == 'l' || type == 'd') {
        for (const uint8_t *p = t->in + 1; *p != 'e'; p = bencode_skip(p))
            count++;
        assert(type == 'l' || count % 2 == 0);
        transcode_head(t, type == 'l' ? 0xdc : 0xde,
                       type == 'l' ? count : count / 2, 2);
        for (t->in++; count > 0; count--)
            bencode_object_to_msgpack(t);
        t->in++;
    } else if (type >= '0' && type <= '9') {
        unsigned long len = strtoul((const char *)t->in, &end, 10);

        transcode_head(t, 0xc5, len, 2);
        transcode_put(t, end + 1, len);
        t->in = (const uint8_t *)end + 1 + len;
    } else {
        assert(type == 'n' || type == 't' || type == 'f');
        transcode_head(t,
                       type == 'n'   ? 0xc0
                       : type == 't' ? 0xc3
                                     : 0xca,
                       0x3f000000, type == 'f' ? 4 : 0);
        t->in++;
    }
}

/* Every string becomes bin 16, containers and numbers take wide forms: legal
 * msgpack, but not what we write. `text` ends with a NUL. */
static inline size_t bencode_to_msgpack(const char *text, uint8_t *out)
{
    struct transcoder t = {(const uint8_t *)text, out};

    bencode_object_to_msgpack(&t);
    assert(*t.in == '\0');
    return (size_t)(t.out - out);
}

static inline void transcode_printf(struct transcoder *t, const char *format,
                                    int64_t n)
{
    char text[32];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int len = snprintf(text, sizeof(text), format, n);
#pragma GCC diagnostic pop

    transcode_put(t, text, (size_t)len);
}

static inline uint64_t msgpack_number(struct transcoder *t, int width)
{
    uint64_t n = 0;

    for (; width > 0; width--)
        n = n << 8 | *t->in++;
    return n;
}

static inline void msgpack_string_to_bencode(struct transcoder *t, size_t len)
{
    transcode_printf(t, "%" PRId64 ":", (int64_t)len);
    transcode_put(t, t->in, len);
    t->in += len;
}

static inline void msgpack_object_to_bencode(struct transcoder *t);

static inline void msgpack_list_to_bencode(struct transcoder *t, char type,
                                           size_t count)
{
    transcode_put(t, &type, 1);
    for (; count > 0; count--)
        msgpack_object_to_bencode(t);
    transcode_put(t, "e", 1);
}

static inline void msgpack_object_to_bencode(struct transcoder *t)
{
    int b = *t->in++;

    if (b < 0x80)
        transcode_printf(t, "i%" PRId64 "e", b);
    else if (b < 0x90)
        msgpack_list_to_bencode(t, 'd', 2 * ((size_t)b & 15));
    else if (b < 0xa0)
        msgpack_list_to_bencode(t, 'l', (size_t)b & 15);
    else if (b < 0xc0)
        msgpack_string_to_bencode(t, (size_t)b & 31);
    else if (b == 0xc4 || b == 0xc5)
        msgpack_string_to_bencode(t, msgpack_number(t, b - 0xc3));
    else if (b == 0xd9 || b == 0xda)
        msgpack_string_to_bencode(t, msgpack_number(t, b - 0xd8));
    else if (b >= 0xcc && b <= 0xcf)
        transcode_printf(t, "i%" PRId64 "e",
                         (int64_t)msgpack_number(t, 1 << (b - 0xcc)));
    else if (b == 0xd0)
        transcode_printf(t, "i%" PRId64 "e", (int8_t)msgpack_number(t, 1));
    else if (b == 0xd3)
        transcode_printf(t, "i%" PRId64 "e", (int64_t)msgpack_number(t, 8));
    else if (b == 0xdc)
        msgpack_list_to_bencode(t, 'l', msgpack_number(t, 2));
    else if (b == 0xde)
        msgpack_list_to_bencode(t, 'd', 2 * msgpack_number(t, 2));
    else if (b >= 0xe0)
        transcode_printf(t, "i%" PRId64 "e", (int8_t)b);
    else
        abort(); /* nothing that our messages have */
}

static inline size_t msgpack_to_bencode(struct bytes in, uint8_t *out)
{
    struct transcoder t = {in.p, out};

    msgpack_object_to_bencode(&t);
    assert(t.in == in.p + in.len);
    return (size_t)(t.out - out);
}

#endif
