/* SPDX-License-Identifier: MIT
 *
 * Reads bencode (BEP 3, "bencoding") onto the tape that msgpack is laid on, so
 * that one reader serves both: strings are MP_BIN, integers MP_UINT and MP_INT,
 * lists MP_ARRAY, dictionaries MP_MAP.
 *
 * Strict: integers and lengths have one form ("i0e", no "i-0e", "i03e" or
 * "03:abc"), keys are strings. So the length of an object follows from what it
 * says. Whether keys are in order, or there twice, is for who reads them.
 */
#ifndef WARREN_WIRE_BENCODE_BE_READER_H
#define WARREN_WIRE_BENCODE_BE_READER_H

#include "base/bytes.h"
#include "base/error.h"
#include "wire/msgpack/mp_reader.h"

/* As mp_parse, of exactly one object; the tokens of containers have in as.p
 * where they begin. Errors: ERR_NOT_BENCODE, ERR_TRAILING, ERR_TOO_DEEP,
 * ERR_TOO_LARGE (the tape is full), ERR_RANGE (an integer below -2^63 or above
 * 2^64 - 1). */
enum error be_parse(struct mp_tape *tape, struct bytes in);
/* Parses all of `in`, and reads that. */
void be_reader_parse(struct mp_reader *r, struct mp_tape *tape,
                     struct bytes in);

#endif
