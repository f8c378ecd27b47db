/* SPDX-License-Identifier: MIT
 *
 * Writes msgpack in its shortest encoding into a buffer of the caller's.
 * The first failure sticks: write everything, then look at `err` once.
 */
#ifndef WARREN_WIRE_MSGPACK_MP_WRITER_H
#define WARREN_WIRE_MSGPACK_MP_WRITER_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mp_writer {
    uint8_t *buf; /* the caller's */
    size_t cap;
    size_t len;     /* bytes written */
    enum error err; /* OK or ERR_NO_SPACE */
};

void mp_writer_init(struct mp_writer *w, uint8_t *buf, size_t cap);

/* Room for so many bytes more, which count as written; NULL when there is none,
 * or after a failure. For writers of other encodings too. */
static inline uint8_t *mp_writer_take(struct mp_writer *w, size_t len)
{
    uint8_t *p = w->buf + w->len;

    if (w->err != OK)
        return NULL;
    if (len > w->cap - w->len) {
        w->err = ERR_NO_SPACE;
        return NULL;
    }
    w->len += len;
    return p;
}

/* What was written so far, as a view of the buffer. */
struct bytes mp_writer_bytes(const struct mp_writer *w);

/* After these, `count` elements (or key and value pairs) follow. */
void mp_write_map(struct mp_writer *w, uint32_t count);
void mp_write_array(struct mp_writer *w, uint32_t count);

void mp_write_nil(struct mp_writer *w);
void mp_write_bool(struct mp_writer *w, bool value);
void mp_write_uint(struct mp_writer *w, uint64_t value);
void mp_write_int(struct mp_writer *w, int64_t value);
void mp_write_double(struct mp_writer *w, double value);
void mp_write_text(struct mp_writer *w, const char *text);    /* str */
void mp_write_text_n(struct mp_writer *w, struct bytes text); /* str */
void mp_write_bin(struct mp_writer *w, struct bytes value);   /* bin */
/* The compact form, 6 or 18 bytes, as a bin. */
void mp_write_endpoint(struct mp_writer *w, const struct endpoint *ep);

/* Bytes that are msgpack already. */
void mp_write_raw(struct mp_writer *w, struct bytes encoded);

#endif
