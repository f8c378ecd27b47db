/* SPDX-License-Identifier: MIT
 *
 * What the signature of a mutable item covers (BEP 44, "Signature
 * Verification"): the parts of the bencoded dictionary {salt, seq, v},
 * without its frame. For whoever makes or checks one, with any key.
 */
#ifndef WARREN_WIRE_ITEM_ITEM_SIGNING_H
#define WARREN_WIRE_ITEM_ITEM_SIGNING_H

#include "base/bytes.h"
#include "wire/item/value.h"

#include <stddef.h>
#include <stdint.h>

#define DHT_SALT_MAX 64

/* "4:salt64:" salt "3:seqi-9223372036854775808e1:v" value */
#define ITEM_SIGNED_MAX (9 + DHT_SALT_MAX + 30 + VALUE_BENCODED_MAX)

/* `salt` has at most DHT_SALT_MAX bytes. Returns the length. */
size_t item_signed_bytes(struct bytes salt, int64_t seq,
                         const struct value *value,
                         uint8_t out[ITEM_SIGNED_MAX]);

#endif
