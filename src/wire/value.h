/* SPDX-License-Identifier: MIT
 *
 * The value of a BEP 44 item (`v`): any tree of integers, byte strings, lists
 * and dictionaries. On our wire it is msgpack; what is hashed and signed is
 * its bencoding, as on the mainline DHT, so that an item has the same target
 * and the same signature in both encodings.
 *
 * Canonical msgpack: shortest encoding, byte strings as bin, dictionary keys
 * as str and strictly ascending (bytewise). A value is never longer in
 * msgpack than in bencode, so VALUE_BENCODED_MAX bounds both.
 */
#ifndef WARREN_WIRE_VALUE_H
#define WARREN_WIRE_VALUE_H

#include "wire/bytes.h"
#include "wire/error.h"
#include "wire/mp_reader.h"

#include <stddef.h>
#include <stdint.h>

#define VALUE_BENCODED_MAX 1000 /* BEP 44 */

struct value {
    uint16_t len;
    uint8_t mp[VALUE_BENCODED_MAX]; /* canonical msgpack, `len` bytes */
};

/* Takes the next object from `r` and makes it canonical. Fails the reader
 * with ERR_WRONG_TYPE (nil, bool, double), ERR_UNSORTED (keys repeated or out
 * of order), ERR_TOO_LARGE (bencoded over 1000 bytes). */
void value_read(struct mp_reader *r, struct value *out);

/* The byte string `text` as a value; ERR_TOO_LARGE. */
enum error value_from_bytes(struct bytes text, struct value *out);

/* From msgpack that may be not canonical. Errors of mp_parse and above. */
enum error value_from_msgpack(struct bytes mp, struct value *out);

/* Bencoding of a canonical value into `out`; returns its length. */
size_t value_bencode(const struct value *v, uint8_t out[VALUE_BENCODED_MAX]);

/* The value's msgpack, as a view of `v`. */
struct bytes value_bytes(const struct value *v);

#endif
