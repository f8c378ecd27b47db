/* SPDX-License-Identifier: MIT
 *
 * BLAKE2b over a label with its zero byte, which says what for, and then over
 * parts of known lengths. Every derivation of this room goes through it or
 * begins a msgpack array with its label: none means anything as another.
 */
#ifndef WARREN_TUNNEL_RECORD_LABELLED_HASH_H
#define WARREN_TUNNEL_RECORD_LABELLED_HASH_H

#include "base/bytes.h"

#include <stddef.h>
#include <stdint.h>

/* `len` is 16 to 64. `key` has 32 bytes; NULL for none. */
void labelled_hash(uint8_t *out, size_t len, const uint8_t *key,
                   const char *label, const struct bytes *parts, size_t count);

#endif
