/* SPDX-License-Identifier: MIT
 *
 * msgpack as JSON text.
 */
#ifndef WARREN_CLI_SHOW_JSON_H
#define WARREN_CLI_SHOW_JSON_H

#include "base/bytes.h"
#include "base/text.h"
#include "wire/msgpack/mp_reader.h"

/* Takes the next object of `r`. str is text; bin is text when it is
 * plain (text_is_plain), else {"hex": "00ff..."}. */
void json_add(struct text *out, struct mp_reader *r);

void json_add_hex(struct text *out, struct bytes b);

#endif
