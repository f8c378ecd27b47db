/* SPDX-License-Identifier: MIT
 *
 * The bencode reader on arbitrary bytes. Each object has one form: what is
 * accepted is what the writer makes of it. Item values go the same way.
 */
#include "fuzz.h"

#include "wire/bencode/be_reader.h"
#include "wire/bencode/be_writer.h"
#include "wire/item/value.h"

#include <assert.h>
#include <string.h>

#define TOKENS  1024
#define MAX_LEN 4096

static void copy_object(struct mp_reader *r, struct mp_writer *w)
{
    const enum mp_type type = mp_peek(r);
    uint64_t left;

    if (type == MP_UINT) {
        be_write_uint(w, mp_read_uint(r, UINT64_MAX));
    } else if (type == MP_INT) {
        be_write_int(w, mp_read_int(r));
    } else if (type == MP_BIN) {
        be_write_bytes(w, mp_read_bytes(r, 0, SIZE_MAX));
    } else {
        assert(type == MP_MAP || type == MP_ARRAY);
        if (type == MP_MAP) {
            left = 2 * (uint64_t)mp_read_map(r, UINT32_MAX);
            be_open_dictionary(w);
        } else {
            left = mp_read_array(r, UINT32_MAX);
            be_open_list(w);
        }
        for (; left > 0; left--)
            copy_object(r, w);
        be_close(w);
    }
}

/* Raw or not, a value becomes the bytes that it came in. */
static void try_value(struct mp_reader *r, struct bytes in)
{
    uint8_t bencoded[VALUE_BENCODED_MAX];
    struct value value;

    value_read_bencoded(r, &value);
    if (r->err != OK)
        return;
    assert(value_bencode(&value, bencoded) == in.len);
    assert(memcmp(bencoded, in.p, in.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes in = bytes_of(data, size);
    struct mp_token tokens[TOKENS];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS};
    uint8_t copy[MAX_LEN];
    struct mp_writer w;
    struct mp_reader r;

    if (size > MAX_LEN || be_parse(&tape, in) != OK)
        return 0;
    mp_reader_init(&r, &tape);
    mp_writer_init(&w, copy, sizeof(copy));
    copy_object(&r, &w);
    assert(r.err == OK && r.at == r.end);
    assert(bytes_equal(mp_writer_bytes(&w), in));
    mp_reader_init(&r, &tape);
    mp_skip(&r);
    assert(r.err == OK && r.at == r.end);
    mp_reader_init(&r, &tape);
    try_value(&r, in);
    return 0;
}
