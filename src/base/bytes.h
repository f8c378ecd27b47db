/* SPDX-License-Identifier: MIT
 *
 * A view of bytes that somebody else owns.
 */
#ifndef WARREN_BASE_BYTES_H
#define WARREN_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *p; /* may be NULL when len is 0 */
    size_t len;
};

static inline struct bytes bytes_of(const void *p, size_t len)
{
    return (struct bytes){p, len};
}

static inline struct bytes bytes_of_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

/* Not for secrets: those are compared by sodium_memcmp. */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool bytes_is_text(struct bytes b, const char *text)
{
    return bytes_equal(b, bytes_of_text(text));
}

/* Short as most are (keys, ids, addresses), they are copied without a call: by
 * parts of one size that may overlap. */
static inline void bytes_copy(uint8_t *to, struct bytes b)
{
    const size_t len = b.len;

    if (len > 32) {
        memcpy(to, b.p, len);
    } else if (len >= 16) {
        memcpy(to, b.p, 16);
        memcpy(to + len - 16, b.p + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, b.p, 8);
        memcpy(to + len - 8, b.p + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, b.p, 4);
        memcpy(to + len - 4, b.p + len - 4, 4);
    } else if (len > 0) {
        to[0] = b.p[0];
        to[len / 2] = b.p[len / 2];
        to[len - 1] = b.p[len - 1];
    }
}

/* A big endian number of `len` bytes, at most 8. */
static inline void bytes_put_number(uint8_t *p, size_t len, uint64_t value)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
}

static inline uint64_t bytes_get_number(const uint8_t *p, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | p[i];
    return value;
}

/* One of 8 bytes, in one load: for what is done for each contact of a table. */
static inline uint64_t bytes_get_number64(const uint8_t *p)
{
    uint64_t value;

    memcpy(&value, p, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

/* Brings them into the cache, for who knows what comes next (sim/sim.h): of a
 * hundred thousand nodes hardly anything is there. Any pointer will do. */
static inline void bytes_prefetch(const void *p, size_t len)
{
    for (size_t at = 0; at < len; at += 64)
        __builtin_prefetch((const char *)p + at);
}

#endif
