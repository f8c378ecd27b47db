/* SPDX-License-Identifier: MIT
 *
 * The msgpack reader on arbitrary bytes. What it accepts is copied, object by
 * object, through the writer; the copy must be accepted too and
 * copy to itself. Item values go the same way.
 */

#include "fuzz.h"

#include "wire/item/value.h"
#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <string.h>

#define TOKENS  512
#define MAX_LEN 4096

static void copy_object(struct mp_reader *r, struct mp_writer *w);

static void copy_objects(struct mp_reader *r, struct mp_writer *w, size_t n)
{
    for (size_t i = 0; i < n && !r->err; i++)
        copy_object(r, w);
}

static void copy_container(struct mp_reader *r, struct mp_writer *w)
{
    uint32_t count;

    if (mp_peek(r) == MP_MAP) {
        count = mp_read_map(r, UINT32_MAX);
        mp_write_map(w, count);
        copy_objects(r, w, 2 * (size_t)count);
    } else {
        count = mp_read_array(r, UINT32_MAX);
        mp_write_array(w, count);
        copy_objects(r, w, count);
    }
}

static void copy_object(struct mp_reader *r, struct mp_writer *w)
{
    switch (mp_peek(r)) {
    case MP_NIL:
        mp_read_nil(r);
        mp_write_nil(w);
        break;
    case MP_BOOL:
        mp_write_bool(w, mp_read_bool(r));
        break;
    case MP_UINT:
        mp_write_uint(w, mp_read_uint(r, UINT64_MAX));
        break;
    case MP_INT:
        mp_write_int(w, mp_read_int(r));
        break;
    case MP_DOUBLE:
        mp_write_double(w, mp_read_double(r));
        break;
    case MP_STR:
        mp_write_text_n(w, mp_read_bytes(r, 0, SIZE_MAX));
        break;
    case MP_BIN:
        mp_write_bin(w, mp_read_bytes(r, 0, SIZE_MAX));
        break;
    case MP_ARRAY:
    case MP_MAP:
        copy_container(r, w);
        break;
    }
}

/* Copies `in` into `buf`; the length, or 0 when `in` is not accepted. */
static size_t copy(struct bytes in, uint8_t *buf, size_t cap)
{
    struct mp_token tokens[TOKENS];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS};
    struct mp_reader reader;
    struct mp_reader skipper;
    struct mp_writer writer;

    if (mp_parse(&tape, in) != OK)
        return 0;
    mp_reader_init(&reader, &tape);
    mp_reader_init(&skipper, &tape);
    mp_writer_init(&writer, buf, cap);
    copy_object(&reader, &writer);
    mp_skip(&skipper);
    assert(reader.err == OK && writer.err == OK && skipper.err == OK);
    assert(reader.at == reader.end && skipper.at == skipper.end);
    return writer.len;
}

static void try_value(struct bytes in)
{
    struct value once;
    struct value twice;
    uint8_t bencoded[VALUE_BENCODED_MAX];
    size_t len;

    if (value_from_msgpack(in, &once) != OK)
        return;
    len = value_bencode(&once, bencoded);
    assert(len > 0 && len <= VALUE_BENCODED_MAX && once.len <= len);
    assert(value_from_msgpack(value_bytes(&once), &twice) == OK);
    assert(twice.len == once.len);
    assert(memcmp(twice.mp, once.mp, once.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {.p = data, .len = size};
    uint8_t once[2 * MAX_LEN];
    uint8_t twice[2 * MAX_LEN];
    size_t len;

    if (size > MAX_LEN)
        return 0;
    try_value(in);
    /* A float32 grows to eight bytes, all else keeps its length or shrinks. */
    len = copy(in, once, sizeof(once));
    if (len > 0) {
        struct bytes again = {.p = once, .len = len};

        assert(copy(again, twice, sizeof(twice)) == len);
        assert(memcmp(once, twice, len) == 0);
    }
    return 0;
}
