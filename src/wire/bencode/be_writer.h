/* SPDX-License-Identifier: MIT
 *
 * Writes bencode (BEP 3) into the buffer of a writer, whose first failure
 * sticks. Keys of dictionaries are the caller's to write in order.
 */
#ifndef WARREN_WIRE_BENCODE_BE_WRITER_H
#define WARREN_WIRE_BENCODE_BE_WRITER_H

#include "base/bytes.h"
#include "wire/msgpack/mp_writer.h"

#include <stdint.h>

void be_write_uint(struct mp_writer *w, uint64_t value);
void be_write_int(struct mp_writer *w, int64_t value);
void be_write_bytes(struct mp_writer *w, struct bytes value);

/* After these come the elements (or keys and values), then be_close. */
void be_open_list(struct mp_writer *w);
void be_open_dictionary(struct mp_writer *w);
void be_close(struct mp_writer *w);

#endif
