/* SPDX-License-Identifier: MIT
 *
 * The value of a BEP 44 item (`v`): any tree of integers, byte strings, lists
 * and dictionaries. On our wire it is msgpack; what is hashed and signed is
 * its bencoding, as on the mainline DHT, so that an item has the same target
 * and the same signature in both encodings.
 *
 * Canonical msgpack: shortest encoding, byte strings as bin, dictionary keys
 * as str and strictly ascending (bytewise). No part of a value is longer in
 * msgpack than in bencode, but for a list of 16 or more: its head takes one
 * byte more. Such lists have 16 elements of 2 bytes at least, so 1000 bytes
 * hold at most 31 of them.
 */
#ifndef WARREN_WIRE_ITEM_VALUE_H
#define WARREN_WIRE_ITEM_VALUE_H

#include "base/bytes.h"
#include "base/error.h"
#include "wire/msgpack/mp_reader.h"

#include <stddef.h>
#include <stdint.h>

#define VALUE_BENCODED_MAX 1000 /* BEP 44 */
#define VALUE_MSGPACK_MAX  (VALUE_BENCODED_MAX + 31)
/* Nested lists and dictionaries; two levels of a message are around them. */
#define VALUE_DEPTH_MAX (MP_DEPTH_MAX - 2)

struct value {
    uint16_t len;
    uint8_t mp[VALUE_MSGPACK_MAX]; /* canonical msgpack, `len` bytes */
};

/* Takes the next object from `r` and makes it canonical. Fails the reader
 * with ERR_WRONG_TYPE (nil, bool, double, a key that is no string),
 * ERR_UNSORTED (keys repeated or out of order), ERR_TOO_LARGE (bencoded over
 * 1000 bytes), ERR_TOO_DEEP; `out` is then an undefined value. */
void value_read(struct mp_reader *r, struct value *out);

/* The byte string `text` as a value; ERR_TOO_LARGE. */
enum error value_from_bytes(struct bytes text, struct value *out);

/* From msgpack that need not be canonical. Errors of mp_parse and above. */
enum error value_from_msgpack(struct bytes mp, struct value *out);

/* Bencoding of a canonical value into `out`; returns its length. */
size_t value_bencode(const struct value *v, uint8_t out[VALUE_BENCODED_MAX]);

/* The value's msgpack, as a view of `v`. */
struct bytes value_bytes(const struct value *v);

#endif
