/* SPDX-License-Identifier: MIT
 *
 * One function for each type of msgpack that has more to it than a word;
 * json_add calls the one of the next object, and they call it for elements. The
 * reader bounds the depth: mp_parse refuses more than MP_DEPTH_MAX.
 */
#include "cli/show/json.h"

#include <inttypes.h>
#include <math.h>

void json_add_hex(struct text *out, struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        text_addf(out, "%02x", b.p[i]);
}

static void add_bin(struct text *out, struct bytes b)
{
    if (text_is_plain(b)) {
        text_add_json(out, b);
        return;
    }
    text_add(out, "{\"hex\": \"");
    json_add_hex(out, b);
    text_add(out, "\"}");
}

static void add_double(struct text *out, double d)
{
    if (isfinite(d))
        text_addf(out, "%.6g", d);
    else
        text_add(out, "null");
}

static void add_array(struct text *out, struct mp_reader *r)
{
    uint32_t count = mp_read_array(r, UINT32_MAX);

    text_add(out, "[");
    for (uint32_t i = 0; i < count && r->err == OK; i++) {
        text_add(out, i > 0 ? ", " : "");
        json_add(out, r);
    }
    text_add(out, "]");
}

static void add_map(struct text *out, struct mp_reader *r)
{
    uint32_t count = mp_read_map(r, UINT32_MAX);

    text_add(out, "{");
    for (uint32_t i = 0; i < count && r->err == OK; i++) {
        text_add(out, i > 0 ? ", " : "");
        text_add_json(out, mp_read_bytes(r, 0, SIZE_MAX));
        text_add(out, ": ");
        json_add(out, r);
    }
    text_add(out, "}");
}

void json_add(struct text *out, struct mp_reader *r)
{
    switch (mp_peek(r)) {
    case MP_NIL:
        mp_read_nil(r);
        text_add(out, "null");
        break;
    case MP_BOOL:
        text_add(out, mp_read_bool(r) ? "true" : "false");
        break;
    case MP_UINT:
        text_addf(out, "%" PRIu64, mp_read_uint(r, UINT64_MAX));
        break;
    case MP_INT:
        text_addf(out, "%" PRId64, mp_read_int(r));
        break;
    case MP_DOUBLE:
        add_double(out, mp_read_double(r));
        break;
    case MP_STR:
        text_add_json(out, mp_read_bytes(r, 0, SIZE_MAX));
        break;
    case MP_BIN:
        add_bin(out, mp_read_bytes(r, 0, SIZE_MAX));
        break;
    case MP_ARRAY:
        add_array(out, r);
        break;
    case MP_MAP:
        add_map(out, r);
        break;
    }
}
