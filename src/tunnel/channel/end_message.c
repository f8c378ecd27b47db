/* SPDX-License-Identifier: MIT
 *
 * The table of end_message.h as code: read_fields and write_fields have one
 * case a type. Who may say it is decided in channel_receive.c.
 */
#include "tunnel/channel/end_message.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <stdbool.h>

#define ELEMENTS_MAX 6
#define TOKENS_MAX   12

static struct piece read_piece(struct mp_reader *r)
{
    struct piece p;

    p.id = (uint16_t)mp_read_uint(r, UINT16_MAX);
    p.index = (uint8_t)mp_read_uint(r, UINT8_MAX);
    p.count = (uint8_t)mp_read_uint(r, UINT8_MAX);
    p.bytes = mp_read_bytes(r, 1, PIECE_BYTES);
    return p;
}

static const uint8_t *read_cookie(struct mp_reader *r)
{
    return mp_read_bytes(r, MEETING_COOKIE_BYTES, MEETING_COOKIE_BYTES).p;
}

/* REASON_UNKNOWN is a yes here: a number that is not known is none. */
static enum reason read_answer(struct mp_reader *r)
{
    uint64_t number = mp_read_uint(r, UINT64_MAX);

    return number < REASON_END_ ? reason_of(number) : REASON_PROTOCOL;
}

static void read_fields(struct mp_reader *r, struct end_message *m)
{
    switch (m->type) {
    case END_HELLO:
    case END_PING:
    case END_PONG:
        m->nonce = mp_read_uint(r, UINT64_MAX);
        break;
    case END_DATA:
        m->port = (uint16_t)mp_read_uint(r, UINT16_MAX);
        m->payload = mp_read_bytes(r, 0, END_PAYLOAD_MAX);
        break;
    case END_PIECE:
        m->piece = read_piece(r);
        break;
    case END_PACKET_IN:
    case END_PACKET_BACK:
        m->payload = mp_read_bytes(r, 1, END_PACKET_MAX);
        break;
    case END_MOVE:
        m->cookie = read_cookie(r);
        m->noise1 =
            mp_read_bytes(r, MEETING_NOISE1_BYTES, MEETING_NOISE1_BYTES);
        break;
    case END_MOVED:
        m->cookie = read_cookie(r);
        m->reason = read_answer(r);
        break;
    case END_CLOSE:
        m->reason = reason_of(mp_read_uint(r, UINT64_MAX));
        break;
    default:
        mp_fail(r, ERR_UNKNOWN_KIND);
        break;
    }
}

enum error end_message_read(struct bytes text, struct end_message *out)
{
    struct mp_token tokens[TOKENS_MAX];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS_MAX};
    struct end_message m = {0};
    struct mp_reader r;

    mp_reader_parse_padded(&r, &tape, text);
    mp_read_array(&r, ELEMENTS_MAX);
    m.type = (enum end_message_type)mp_read_uint(&r, UINT8_MAX);
    if (r.err == OK)
        read_fields(&r, &m);
    if (r.err == OK)
        *out = m;
    return r.err;
}

static void write_head(struct mp_writer *w, const struct end_message *m,
                       uint32_t elements)
{
    mp_write_array(w, elements);
    mp_write_uint(w, m->type);
}

static void write_piece(struct mp_writer *w, const struct piece *p)
{
    mp_write_uint(w, p->id);
    mp_write_uint(w, p->index);
    mp_write_uint(w, p->count);
    mp_write_bin(w, p->bytes);
}

static void write_fields(struct mp_writer *w, const struct end_message *m)
{
    switch (m->type) {
    case END_HELLO:
    case END_PING:
    case END_PONG:
        write_head(w, m, 2);
        mp_write_uint(w, m->nonce);
        break;
    case END_DATA:
        write_head(w, m, 3);
        mp_write_uint(w, m->port);
        mp_write_bin(w, m->payload);
        break;
    case END_PIECE:
        write_head(w, m, 5);
        write_piece(w, &m->piece);
        break;
    case END_PACKET_IN:
    case END_PACKET_BACK:
        write_head(w, m, 2);
        mp_write_bin(w, m->payload);
        break;
    case END_MOVE:
        write_head(w, m, 3);
        mp_write_bin(w, bytes_of(m->cookie, MEETING_COOKIE_BYTES));
        mp_write_bin(w, m->noise1);
        break;
    case END_MOVED:
        write_head(w, m, 3);
        mp_write_bin(w, bytes_of(m->cookie, MEETING_COOKIE_BYTES));
        mp_write_uint(w, m->reason);
        break;
    case END_CLOSE:
        write_head(w, m, 2);
        mp_write_uint(w, m->reason);
        break;
    }
}

enum error end_message_write(const struct end_message *m, uint8_t *out,
                             size_t cap, size_t *len)
{
    struct mp_writer w;

    mp_writer_init(&w, out, cap);
    write_fields(&w, m);
    assert(w.len > 0 || w.err != OK);
    if (w.err == OK)
        *len = w.len;
    return w.err;
}
