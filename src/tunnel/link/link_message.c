/* SPDX-License-Identifier: MIT
 *
 * Reading and writing the datagrams that are no cells. Nothing here is
 * believed: who reads checks lengths and versions, and leaves MACs and
 * handshakes to link_handshake.c.
 */
#include "tunnel/link/link_message.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <string.h>

#define ELEMENTS_MAX 8

static const uint8_t zeros[LINK_MAC_BYTES];

static uint32_t read_index(struct mp_reader *r)
{
    return (uint32_t)mp_read_uint(r, UINT32_MAX);
}

static const uint8_t *read_exactly(struct mp_reader *r, size_t len)
{
    return mp_read_bytes(r, len, len).p;
}

static void read_init(struct mp_reader *r, struct bytes datagram,
                      struct link_message *m)
{
    m->version = mp_read_uint(r, UINT32_MAX);
    m->index = read_index(r);
    if (m->version != TUNNEL_VERSION)
        return;
    m->noise = read_exactly(r, NOISE_OVERHEAD);
    m->mac1 = read_exactly(r, LINK_MAC_BYTES);
    m->mac2 = read_exactly(r, LINK_MAC_BYTES);
    mp_read_bytes(r, 0, LINK_INIT_BYTES);
    if (r->err == OK)
        m->maced = bytes_of(datagram.p, (size_t)(m->mac1 - datagram.p));
}

/* What is not laid out as it should be says nothing. */
static void read_ask_padding(struct bytes pad, struct link_message *m)
{
    const uint8_t *after = pad.p + LINK_COOKIE_BYTES;

    m->cookie = pad.p;
    if (pad.len < LINK_COOKIE_BYTES + 2 + ENDPOINT_COMPACT_MAX)
        return;
    m->ask_back = (after[0] & LINK_ASK_BACK) != 0;
    if (endpoint_read_compact(bytes_of(after + 2, after[1]), &m->reached) != OK)
        m->reached = (struct endpoint){0};
}

static void read_ask(struct mp_reader *r, struct link_message *m)
{
    struct bytes pad;

    m->version = mp_read_uint(r, UINT32_MAX);
    if (m->version != TUNNEL_VERSION)
        return;
    m->network = mp_read_bytes(r, 1, DHT_NETWORK_MAX);
    m->nonce = mp_read_bytes(r, LINK_ASK_NONCE, LINK_ASK_NONCE);
    pad = mp_read_bytes(r, LINK_COOKIE_BYTES, LINK_ASK_BYTES);
    if (r->err == OK)
        read_ask_padding(pad, m);
}

static void read_fields(struct mp_reader *r, struct bytes datagram,
                        struct link_message *m)
{
    switch (m->kind) {
    case LINK_REFUSE:
        m->receiver = read_index(r);
        m->version = mp_read_uint(r, UINT32_MAX);
        break;
    case LINK_INIT:
        read_init(r, datagram, m);
        break;
    case LINK_ACCEPT:
        m->receiver = read_index(r);
        m->index = read_index(r);
        m->noise = read_exactly(r, NOISE_OVERHEAD);
        break;
    case LINK_RETRY:
        m->receiver = read_index(r);
        m->nonce = mp_read_bytes(r, LINK_NONCE_BYTES, LINK_NONCE_BYTES);
        m->sealed = read_exactly(r, LINK_SEALED_BYTES);
        break;
    case LINK_ASK:
        read_ask(r, m);
        break;
    case LINK_TELL:
        m->nonce = mp_read_bytes(r, LINK_ASK_NONCE, LINK_ASK_NONCE);
        m->descriptor = mp_read_bytes(r, 1, LINK_DESCRIPTOR_MAX);
        break;
    case LINK_POKE:
        break;
    case LINK_UNKNOWN:
        m->receiver = read_index(r);
        break;
    case LINK_COOKIE:
        m->nonce = mp_read_bytes(r, LINK_ASK_NONCE, LINK_ASK_NONCE);
        m->cookie = read_exactly(r, LINK_COOKIE_BYTES);
        break;
    case LINK_CELL:
    case LINK_PART:
        mp_fail(r, ERR_UNKNOWN_KIND);
        break;
    }
}

enum error link_message_read(struct bytes datagram, struct link_message *out)
{
    struct mp_token tokens[1 + ELEMENTS_MAX];
    struct mp_tape tape = {.tokens = tokens, .cap = 1 + ELEMENTS_MAX};
    struct link_message m = {0};
    struct mp_reader r;

    mp_reader_parse(&r, &tape, datagram);
    mp_read_array(&r, ELEMENTS_MAX);
    m.kind = (enum link_kind)mp_read_uint(&r, UINT8_MAX);
    if (r.err == OK && m.kind > LINK_UNKNOWN)
        return ERR_UNKNOWN_KIND;
    read_fields(&r, datagram, &m);
    if (r.err != OK)
        return r.err;
    if ((m.kind == LINK_INIT && datagram.len != LINK_INIT_BYTES) ||
        (m.kind == LINK_ASK && datagram.len != LINK_ASK_BYTES))
        return ERR_WRONG_LENGTH;
    *out = m;
    return OK;
}

/* Padding as the last element, so that the whole has `total` bytes: more than
 * 259 are missing in an ASK, fewer than 255 in an INIT. */
static void write_padding(struct mp_writer *w, size_t total,
                          uint8_t padding[LINK_MESSAGE_MAX])
{
    size_t left = total - w->len;
    size_t header = left - 2 > UINT8_MAX ? 3 : 2;

    mp_write_bin(w, bytes_of(padding, left - header));
    assert(w->len == total);
}

static void write_init(struct mp_writer *w, struct link_message *m)
{
    uint8_t padding[LINK_MESSAGE_MAX] = {0};

    mp_write_array(w, 7);
    mp_write_uint(w, LINK_INIT);
    mp_write_uint(w, m->version);
    mp_write_uint(w, m->index);
    mp_write_bin(w, bytes_of(m->noise, NOISE_OVERHEAD));
    mp_write_bin(w, bytes_of(zeros, LINK_MAC_BYTES));
    m->maced = bytes_of(w->buf, w->len - LINK_MAC_BYTES);
    mp_write_bin(w, bytes_of(zeros, LINK_MAC_BYTES));
    write_padding(w, LINK_INIT_BYTES, padding);
}

static void write_accept(struct mp_writer *w, const struct link_message *m)
{
    mp_write_array(w, 4);
    mp_write_uint(w, LINK_ACCEPT);
    mp_write_uint(w, m->receiver);
    mp_write_uint(w, m->index);
    mp_write_bin(w, bytes_of(m->noise, NOISE_OVERHEAD));
}

static void write_retry(struct mp_writer *w, const struct link_message *m)
{
    mp_write_array(w, 4);
    mp_write_uint(w, LINK_RETRY);
    mp_write_uint(w, m->receiver);
    mp_write_bin(w, m->nonce);
    mp_write_bin(w, bytes_of(m->sealed, LINK_SEALED_BYTES));
}

static void write_ask(struct mp_writer *w, const struct link_message *m)
{
    uint8_t padding[LINK_MESSAGE_MAX] = {0};
    uint8_t *after = padding + LINK_COOKIE_BYTES;

    if (m->cookie != NULL)
        memcpy(padding, m->cookie, LINK_COOKIE_BYTES);
    after[0] = m->ask_back ? LINK_ASK_BACK : 0;
    if (m->reached.port != 0)
        after[1] = (uint8_t)endpoint_write_compact(&m->reached, after + 2);
    mp_write_array(w, 5);
    mp_write_uint(w, LINK_ASK);
    mp_write_uint(w, m->version);
    mp_write_text_n(w, m->network);
    mp_write_bin(w, m->nonce);
    write_padding(w, LINK_ASK_BYTES, padding);
}

size_t link_message_write(struct link_message *m, uint8_t out[LINK_MESSAGE_MAX])
{
    struct mp_writer w;

    mp_writer_init(&w, out, LINK_MESSAGE_MAX);
    switch (m->kind) {
    case LINK_REFUSE:
        mp_write_array(&w, 3);
        mp_write_uint(&w, LINK_REFUSE);
        mp_write_uint(&w, m->receiver);
        mp_write_uint(&w, m->version);
        break;
    case LINK_INIT:
        write_init(&w, m);
        break;
    case LINK_ACCEPT:
        write_accept(&w, m);
        break;
    case LINK_RETRY:
        write_retry(&w, m);
        break;
    case LINK_ASK:
        write_ask(&w, m);
        break;
    case LINK_TELL:
        mp_write_array(&w, 3);
        mp_write_uint(&w, LINK_TELL);
        mp_write_bin(&w, m->nonce);
        mp_write_bin(&w, m->descriptor);
        break;
    case LINK_POKE:
        mp_write_array(&w, 1);
        mp_write_uint(&w, LINK_POKE);
        break;
    case LINK_COOKIE:
        mp_write_array(&w, 3);
        mp_write_uint(&w, LINK_COOKIE);
        mp_write_bin(&w, m->nonce);
        mp_write_bin(&w, bytes_of(m->cookie, LINK_COOKIE_BYTES));
        break;
    case LINK_UNKNOWN:
        mp_write_array(&w, 2);
        mp_write_uint(&w, LINK_UNKNOWN);
        mp_write_uint(&w, m->receiver);
        break;
    case LINK_CELL:
    case LINK_PART:
        assert(0);
        break;
    }
    assert(w.err == OK);
    return w.len;
}
