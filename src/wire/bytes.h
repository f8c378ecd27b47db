/* SPDX-License-Identifier: MIT
 *
 * A view of bytes that somebody else owns.
 */
#ifndef WARREN_WIRE_BYTES_H
#define WARREN_WIRE_BYTES_H

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

#endif
