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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALUE_BENCODED_MAX 1000 /* BEP 44 */
#define VALUE_MSGPACK_MAX  (VALUE_BENCODED_MAX + 31)
/* Nested lists and dictionaries; two levels of a message are around them. */
#define VALUE_DEPTH_MAX (MP_DEPTH_MAX - 2)

/* Canonical msgpack, `len` bytes. The one exception came in bencode with keys
 * out of order: it has no other form than the bytes it came in, and is kept as
 * these (value_is_raw). It goes out in bencode only. */
struct value {
    uint16_t len;
    uint8_t mp[VALUE_MSGPACK_MAX];
};

/* Takes the next object from `r` and makes it canonical. Fails the reader
 * with ERR_WRONG_TYPE (nil, bool, double, a key that is no string),
 * ERR_UNSORTED (keys repeated or out of order), ERR_TOO_LARGE (bencoded over
 * 1000 bytes), ERR_TOO_DEEP; `out` is then an undefined value. */
void value_read(struct mp_reader *r, struct value *out);

/* The same from a tape that be_parse has filled. Dictionaries whose keys are
 * out of order are taken, also when that is because one repeats: what such a
 * value means is between who signed it and who reads it. */
void value_read_bencoded(struct mp_reader *r, struct value *out);

/* Whether it is bencode as it came. No msgpack of a value that is longer than a
 * byte begins like a dictionary or a list of bencode: that would be a small
 * integer, which is one byte. */
static inline bool value_is_raw(const struct value *v)
{
    return v->len > 1 && (v->mp[0] == 'd' || v->mp[0] == 'l');
}

/* The byte string `text` as a value; ERR_TOO_LARGE. */
enum error value_from_bytes(struct bytes text, struct value *out);

/* From msgpack that need not be canonical. Errors of mp_parse and above. */
enum error value_from_msgpack(struct bytes mp, struct value *out);

/* Bencoding of a value into `out`; returns its length. */
size_t value_bencode(const struct value *v, uint8_t out[VALUE_BENCODED_MAX]);

/* What it is kept as, a view of `v`. */
struct bytes value_bytes(const struct value *v);

#endif
