/* SPDX-License-Identifier: MIT
 *
 * Everything that adds comes by `reserve`, which says how many bytes fit. What
 * comes from outside is taken apart into UTF-8 sequences, and each is either
 * copied or replaced as its reader (JSON, a terminal) needs it.
 */
#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_init(struct text *t, size_t max)
{
    *t = (struct text){.max = max};
}

void text_deinit(struct text *t)
{
    free(t->buf);
    *t = (struct text){0};
}

void text_cut(struct text *t, size_t len)
{
    assert(len <= t->len);
    t->len = len;
    if (t->buf != NULL)
        t->buf[len] = '\0';
}

void text_clear(struct text *t)
{
    text_cut(t, 0);
    t->truncated = false;
}

const char *text_get(const struct text *t)
{
    return t->buf == NULL ? "" : t->buf;
}

/* Bytes of `want` more that fit, after growing as far as is allowed. */
static size_t reserve(struct text *t, size_t want)
{
    size_t need, cap = t->cap == 0 ? 128 : t->cap;
    char *buf;

    if (want > t->max - t->len) {
        t->truncated = true;
        want = t->max - t->len;
    }
    need = t->len + want + 1;
    if (need <= t->cap)
        return want;
    while (cap < need)
        cap *= 2;
    buf = realloc(t->buf, cap);
    if (buf == NULL) {
        t->truncated = true;
        return t->cap == 0 ? 0 : t->cap - 1 - t->len;
    }
    buf[t->len] = '\0';
    t->buf = buf;
    t->cap = cap;
    return want;
}

void text_add_bytes(struct text *t, struct bytes s)
{
    size_t n = reserve(t, s.len);

    if (n == 0)
        return;
    memcpy(t->buf + t->len, s.p, n);
    t->len += n;
    t->buf[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
    text_add_bytes(t, bytes_of_text(s));
}

void text_vaddf(struct text *t, const char *format, va_list args)
{
    va_list again;
    size_t n;
    int want;

    va_copy(again, args);
    want = vsnprintf(NULL, 0, format, args);
    n = want > 0 ? reserve(t, (size_t)want) : 0;
    if (n > 0) {
        vsnprintf(t->buf + t->len, n + 1, format, again);
        t->len += n;
    }
    va_end(again);
}

void text_addf(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_vaddf(t, format, args);
    va_end(args);
}

/* ---- What comes from outside ------------------------------------------- */

/* Bytes of the UTF-8 sequence (RFC 3629) at the start of `s`; 0 when it is
 * none: a stray or missing continuation, overlong, surrogate, too large. */
static size_t utf8_length(struct bytes s)
{
    uint8_t c = s.p[0];
    uint8_t low = 0x80, high = 0xbf;
    size_t n;

    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    if (s.len < n || s.p[1] < low || s.p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

/* C1 controls (U+0080 to U+009F) steer terminals like C0 ones. */
static bool is_control(const uint8_t *p, size_t n)
{
    return (n == 1 && (p[0] < 0x20 || p[0] == 0x7f)) ||
           (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

static void add_json_char(struct text *t, struct bytes c)
{
    switch (c.p[0]) {
    case '"':
        text_add(t, "\\\"");
        break;
    case '\\':
        text_add(t, "\\\\");
        break;
    case '\n':
        text_add(t, "\\n");
        break;
    default:
        if (is_control(c.p, c.len))
            text_addf(t, "\\u%04x", c.p[c.len - 1]);
        else
            text_add_bytes(t, c);
    }
}

void text_add_json(struct text *t, struct bytes s)
{
    size_t n;

    text_add(t, "\"");
    for (size_t i = 0; i < s.len; i += n == 0 ? 1 : n) {
        struct bytes rest = bytes_of(s.p + i, s.len - i);

        n = utf8_length(rest);
        if (n == 0)
            text_add(t, "\xef\xbf\xbd");
        else
            add_json_char(t, bytes_of(rest.p, n));
    }
    text_add(t, "\"");
}

void text_add_printable(struct text *t, struct bytes s)
{
    size_t n;

    for (size_t i = 0; i < s.len; i += n) {
        struct bytes rest = bytes_of(s.p + i, s.len - i);

        n = utf8_length(rest);
        if (n > 0 && !is_control(rest.p, n)) {
            text_add_bytes(t, bytes_of(rest.p, n));
            continue;
        }
        n = n == 0 ? 1 : n;
        for (size_t k = 0; k < n; k++)
            text_addf(t, "\\x%02x", rest.p[k]);
    }
}

bool text_is_plain(struct bytes s)
{
    size_t n;

    for (size_t i = 0; i < s.len; i += n) {
        const uint8_t *p = s.p + i;

        n = utf8_length(bytes_of(p, s.len - i));
        if (n == 0 || (is_control(p, n) && *p != '\n' && *p != '\t'))
            return false;
    }
    return true;
}

/* ---- Numbers of things ------------------------------------------------- */

const char *text_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* By the rules for what is counted here: queries, relays, hashes, nodes. */
const char *text_count(uint64_t count, const char *noun,
                       char out[TEXT_COUNT_SIZE])
{
    size_t len = strlen(noun);
    bool y = len > 1 && noun[len - 1] == 'y' &&
             strchr("aeo", noun[len - 2]) == NULL;
    bool hisses = len > 1 && strcmp(noun + len - 2, "sh") == 0;

    if (count == 1)
        snprintf(out, TEXT_COUNT_SIZE, "1 %s", noun);
    else
        snprintf(out, TEXT_COUNT_SIZE, "%llu %.*s%s", (unsigned long long)count,
                 (int)(y ? len - 1 : len), noun,
                 y        ? "ies"
                 : hisses ? "es"
                          : "s");
    return out;
}
