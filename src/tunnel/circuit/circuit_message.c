/* SPDX-License-Identifier: MIT
 *
 * The table of circuit_message.h as code: read_fields and write_fields have one
 * case a type, which is where a new message goes. Who may say it to whom is
 * decided by transit.c (at a hop) and circuit_receive.c (at the client).
 */
#include "tunnel/circuit/circuit_message.h"

#include "tunnel/link/cell.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>

#define ELEMENTS_MAX 6
#define TOKENS_MAX   12

static struct endpoint read_endpoint(struct mp_reader *r)
{
    struct bytes compact = mp_read_bytes(r, 6, ENDPOINT_COMPACT_MAX);
    struct endpoint ep = {0};

    if (r->err == OK && endpoint_read_compact(compact, &ep) != OK)
        mp_fail(r, ERR_WRONG_LENGTH);
    return ep;
}

static void read_destination(struct mp_reader *r, struct circuit_message *m)
{
    if (mp_peek(r) != MP_ARRAY) {
        m->ep = read_endpoint(r);
        return;
    }
    if (mp_read_array(r, 2) != 2)
        mp_fail(r, ERR_MISSING);
    m->name = mp_read_bytes(r, 1, CIRCUIT_NAME_MAX);
    m->port = (uint16_t)mp_read_uint(r, UINT16_MAX);
}

static void read_piece(struct mp_reader *r, struct circuit_message *m)
{
    m->piece_id = (uint16_t)mp_read_uint(r, UINT16_MAX);
    m->piece_index = (uint8_t)mp_read_uint(r, UINT8_MAX);
    m->piece_count = (uint8_t)mp_read_uint(r, UINT8_MAX);
    m->payload = mp_read_bytes(r, 1, CELL_MAX);
}

static void read_fields(struct mp_reader *r, struct circuit_message *m)
{
    switch (m->type) {
    case CIRCUIT_EXTEND:
        m->attempt = (uint8_t)mp_read_uint(r, UINT8_MAX);
        m->identity = mp_read_bytes(r, 32, 32).p;
        m->handshake_key = mp_read_bytes(r, 32, 32).p;
        m->ep = read_endpoint(r);
        m->noise = mp_read_bytes(r, HOP_NOISE1_BYTES, HOP_NOISE1_BYTES);
        break;
    case CIRCUIT_EXTENDED:
        m->attempt = (uint8_t)mp_read_uint(r, UINT8_MAX);
        m->noise = mp_read_bytes(r, NOISE_OVERHEAD, NOISE_OVERHEAD);
        break;
    case CIRCUIT_FAILED:
        m->attempt = (uint8_t)mp_read_uint(r, UINT8_MAX);
        m->reason = reason_of(mp_read_uint(r, UINT64_MAX));
        break;
    case CIRCUIT_DESTROY:
        m->reason = reason_of(mp_read_uint(r, UINT64_MAX));
        break;
    case CIRCUIT_DATA:
        read_destination(r, m);
        m->payload = mp_read_bytes(r, 0, CIRCUIT_PAYLOAD_MAX);
        break;
    case CIRCUIT_PIECE:
        read_piece(r, m);
        break;
    case CIRCUIT_PACKET_IN:
    case CIRCUIT_PACKET_BACK:
        m->payload = mp_read_bytes(r, 1, CIRCUIT_PACKET_MAX);
        break;
    case CIRCUIT_PING:
    case CIRCUIT_PONG:
        m->nonce = mp_read_uint(r, UINT64_MAX);
        break;
    case CIRCUIT_TEST:
    case CIRCUIT_TESTED:
        m->nonce = mp_read_uint(r, UINT64_MAX);
        m->payload = mp_read_bytes(r, 0, CELL_MAX);
        break;
    default:
        mp_fail(r, ERR_UNKNOWN_KIND);
        break;
    }
}

enum error circuit_message_read(struct bytes text, struct circuit_message *out)
{
    struct mp_token tokens[TOKENS_MAX];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS_MAX};
    struct circuit_message m = {0};
    struct mp_reader r;

    mp_reader_parse_padded(&r, &tape, text);
    mp_read_array(&r, ELEMENTS_MAX);
    m.type = (enum circuit_message_type)mp_read_uint(&r, UINT8_MAX);
    if (r.err == OK)
        read_fields(&r, &m);
    if (r.err == OK)
        *out = m;
    return r.err;
}

bool circuit_message_is_service(struct bytes text)
{
    const uint8_t array = 0x90; /* and its elements: msgpack's fixarray */

    return text.len >= 2 && text.p[0] > array && text.p[0] <= array + 15 &&
           text.p[1] >= CIRCUIT_SERVICE_FIRST &&
           text.p[1] <= CIRCUIT_SERVICE_LAST;
}

static void write_destination(struct mp_writer *w,
                              const struct circuit_message *m)
{
    if (m->name.len == 0) {
        mp_write_endpoint(w, &m->ep);
        return;
    }
    mp_write_array(w, 2);
    mp_write_text_n(w, m->name);
    mp_write_uint(w, m->port);
}

static void write_head(struct mp_writer *w, const struct circuit_message *m,
                       uint32_t elements)
{
    mp_write_array(w, elements);
    mp_write_uint(w, m->type);
}

static void write_fields(struct mp_writer *w, const struct circuit_message *m)
{
    switch (m->type) {
    case CIRCUIT_EXTEND:
        write_head(w, m, 6);
        mp_write_uint(w, m->attempt);
        mp_write_bin(w, bytes_of(m->identity, 32));
        mp_write_bin(w, bytes_of(m->handshake_key, 32));
        mp_write_endpoint(w, &m->ep);
        mp_write_bin(w, m->noise);
        break;
    case CIRCUIT_EXTENDED:
        write_head(w, m, 3);
        mp_write_uint(w, m->attempt);
        mp_write_bin(w, m->noise);
        break;
    case CIRCUIT_FAILED:
        write_head(w, m, 3);
        mp_write_uint(w, m->attempt);
        mp_write_uint(w, m->reason);
        break;
    case CIRCUIT_DESTROY:
        write_head(w, m, 2);
        mp_write_uint(w, m->reason);
        break;
    case CIRCUIT_DATA:
        write_head(w, m, 3);
        write_destination(w, m);
        mp_write_bin(w, m->payload);
        break;
    case CIRCUIT_PIECE:
        write_head(w, m, 5);
        mp_write_uint(w, m->piece_id);
        mp_write_uint(w, m->piece_index);
        mp_write_uint(w, m->piece_count);
        mp_write_bin(w, m->payload);
        break;
    case CIRCUIT_PACKET_IN:
    case CIRCUIT_PACKET_BACK:
        write_head(w, m, 2);
        mp_write_bin(w, m->payload);
        break;
    case CIRCUIT_PING:
    case CIRCUIT_PONG:
        write_head(w, m, 2);
        mp_write_uint(w, m->nonce);
        break;
    case CIRCUIT_TEST:
    case CIRCUIT_TESTED:
        write_head(w, m, 3);
        mp_write_uint(w, m->nonce);
        mp_write_bin(w, m->payload);
        break;
    }
}

enum error circuit_message_write(const struct circuit_message *m, uint8_t *out,
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
