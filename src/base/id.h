/* SPDX-License-Identifier: MIT
 *
 * 160-bit identifiers of nodes, info-hashes and targets (BEP 5), compared by
 * the XOR metric (Maymounkov and Mazieres, "Kademlia", 2002).
 */
#ifndef WARREN_BASE_ID_H
#define WARREN_BASE_ID_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ID_BYTES     20
#define ID_BITS      160
#define ID_TEXT_SIZE 41 /* 40 hex digits and the terminator */

struct id {
    uint8_t b[ID_BYTES]; /* most significant first */
};

/* Exactly 40 hex digits of either case. ERR_SYNTAX otherwise. */
enum error id_parse(const char *text, struct id *out);

/* Lower-case hex into `text`, which is also returned. */
const char *id_print(const struct id *id, char text[ID_TEXT_SIZE]);

/* The rest of this is done for each contact of a table: in words, and inline.
 */

static inline bool id_equal(const struct id *a, const struct id *b)
{
    return memcmp(a->b, b->b, ID_BYTES) == 0;
}

/* The first 64 bits, the next, the last 32. */
static inline uint64_t id_word(const struct id *id, int n)
{
    return n < 2 ? bytes_get_number64(id->b + 8 * n)
                 : bytes_get_number64(id->b + 12) & UINT32_MAX;
}

/* < 0, 0, > 0 as `a` is nearer to `target` than `b`, equal, farther. */
static inline int id_compare_distance(const struct id *target,
                                      const struct id *a, const struct id *b)
{
    for (int n = 0; n < 3; n++) {
        uint64_t da = id_word(a, n) ^ id_word(target, n);
        uint64_t db = id_word(b, n) ^ id_word(target, n);

        if (da != db)
            return da < db ? -1 : 1;
    }
    return 0;
}

/* Number of leading bits that are the same: 0..160. */
static inline int id_common_bits(const struct id *a, const struct id *b)
{
    for (int n = 0; n < 2; n++) {
        uint64_t diff = id_word(a, n) ^ id_word(b, n);

        if (diff != 0)
            return 64 * n + __builtin_clzll(diff);
    }
    return 128 + __builtin_clzll((id_word(a, 2) ^ id_word(b, 2)) << 32 |
                                 UINT32_C(1) << 31);
}

/* Bit `n` (0 is the most significant) and its setter; n < ID_BITS. */
bool id_bit(const struct id *id, int n);
void id_set_bit(struct id *id, int n, bool value);

#endif
