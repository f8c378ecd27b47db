/* SPDX-License-Identifier: MIT
 *
 * 160-bit identifiers of nodes, info-hashes and targets (BEP 5), compared by
 * the XOR metric (Maymounkov and Mazieres, "Kademlia", 2002).
 */
#ifndef WARREN_BASE_ID_H
#define WARREN_BASE_ID_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

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

bool id_equal(const struct id *a, const struct id *b);

/* < 0, 0, > 0 as `a` is nearer to `target` than `b`, equal, farther. */
int id_compare_distance(const struct id *target, const struct id *a,
                        const struct id *b);

/* Number of leading bits that are the same: 0..160. */
int id_common_bits(const struct id *a, const struct id *b);

/* Bit `n` (0 is the most significant) and its setter; n < ID_BITS. */
bool id_bit(const struct id *id, int n);
void id_set_bit(struct id *id, int n, bool value);

#endif
