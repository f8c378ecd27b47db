/* SPDX-License-Identifier: MIT
 *
 * Picks values out of the maps that the daemon answers with. What is absent
 * or of another type reads as empty or 0.
 */
#ifndef WARREN_NODE_CONTROL_REPLY_H
#define WARREN_NODE_CONTROL_REPLY_H

#include "base/bytes.h"
#include "wire/msgpack/mp_reader.h"

#include <stdbool.h>
#include <stdint.h>

#define REPLY_TEXT_SIZE 1200

/* A reader at the value of `key` in the map that `map` is at; false when the
 * key is absent or its value is nil. */
bool reply_find(struct mp_reader map, const char *key, struct mp_reader *out);

struct bytes reply_bytes(struct mp_reader map, const char *key);
/* A copy, fit for a terminal and cut to REPLY_TEXT_SIZE with its terminator; ""
 * when absent, or when memory is out. Valid until reply_forget. */
const char *reply_text(struct mp_reader map, const char *key);
/* Frees all texts: the control client does before each request, after each
 * notification, and at its end. */
void reply_forget(void);
uint64_t reply_uint(struct mp_reader map, const char *key);
double reply_double(struct mp_reader map, const char *key);
bool reply_bool(struct mp_reader map, const char *key);
/* Number of elements; `out` is at the first one. */
uint32_t reply_array(struct mp_reader map, const char *key,
                     struct mp_reader *out);

#endif
