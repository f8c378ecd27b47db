/* SPDX-License-Identifier: MIT
 *
 * msgpack-c's packing template, instantiated over a bounded buffer: no
 * allocation and no call through a pointer for each field.
 */
#include "wire/msgpack/mp_writer.h"

#include <msgpack/pack_define.h>
#include <msgpack/timestamp.h>

/* Heads of strings. */
#define FIXSTR     0xa0 /* and the length, at most FIXSTR_MAX */
#define FIXSTR_MAX 31
#define BIN8       0xc4 /* then the length in one byte */

static int append(struct mp_writer *w, const void *p, size_t len)
{
    uint8_t *to = mp_writer_take(w, len);

    if (to == NULL)
        return -1;
    memcpy(to, p, len);
    return 0;
}

#define msgpack_pack_inline_func(name) static inline int pack##name
#define msgpack_pack_user              struct mp_writer *
#define msgpack_pack_append_buffer(w, buf, len) \
    return append((w), (const void *)(buf), (len))
/* One of the template's own functions calls another by the name that it has in
 * msgpack-c. */
#define msgpack_pack_ext pack_ext

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wduplicated-branches"
#include <msgpack/pack_template.h>
#pragma GCC diagnostic pop
#undef msgpack_pack_ext

void mp_writer_init(struct mp_writer *w, uint8_t *buf, size_t cap)
{
    *w = (struct mp_writer){.buf = buf, .cap = cap};
}

struct bytes mp_writer_bytes(const struct mp_writer *w)
{
    return bytes_of(w->buf, w->len);
}

void mp_write_map(struct mp_writer *w, uint32_t count)
{
    pack_map(w, count);
}

void mp_write_array(struct mp_writer *w, uint32_t count)
{
    pack_array(w, count);
}

void mp_write_nil(struct mp_writer *w)
{
    pack_nil(w);
}

void mp_write_bool(struct mp_writer *w, bool value)
{
    if (value)
        pack_true(w);
    else
        pack_false(w);
}

void mp_write_uint(struct mp_writer *w, uint64_t value)
{
    pack_uint64(w, value);
}

void mp_write_int(struct mp_writer *w, int64_t value)
{
    pack_int64(w, value);
}

void mp_write_double(struct mp_writer *w, double value)
{
    pack_double(w, value);
}

void mp_write_text(struct mp_writer *w, const char *text)
{
    mp_write_text_n(w, bytes_of_text(text));
}

/* A message is many short strings: room is made once for each with its head. */
void mp_write_text_n(struct mp_writer *w, struct bytes text)
{
    uint8_t *p;

    if (text.len > FIXSTR_MAX) {
        pack_str(w, text.len);
        append(w, text.p, text.len);
        return;
    }
    p = mp_writer_take(w, 1 + text.len);
    if (p == NULL)
        return;
    p[0] = (uint8_t)(FIXSTR | text.len);
    bytes_copy(p + 1, text);
}

void mp_write_bin(struct mp_writer *w, struct bytes value)
{
    uint8_t *p;

    if (value.len > UINT8_MAX) {
        pack_bin(w, value.len);
        append(w, value.p, value.len);
        return;
    }
    p = mp_writer_take(w, 2 + value.len);
    if (p == NULL)
        return;
    p[0] = BIN8;
    p[1] = (uint8_t)value.len;
    bytes_copy(p + 2, value);
}

void mp_write_endpoint(struct mp_writer *w, const struct endpoint *ep)
{
    uint8_t compact[ENDPOINT_COMPACT_MAX];

    mp_write_bin(w, bytes_of(compact, endpoint_write_compact(ep, compact)));
}

void mp_write_raw(struct mp_writer *w, struct bytes encoded)
{
    if (encoded.len > 0)
        append(w, encoded.p, encoded.len);
}
