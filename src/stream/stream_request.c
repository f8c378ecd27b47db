/* SPDX-License-Identifier: MIT */
#include "stream/stream_request.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>

#define LENGTH 2
#define TOKENS (STREAM_ADDRESSES_MAX + 4)

/* ---- A message comes in pieces ------------------------------------------ */

static size_t take(struct stream_message *m, struct bytes *data, size_t want)
{
    size_t n = want - m->have < data->len ? want - m->have : data->len;

    if (n > 0)
        memcpy(m->text + m->have, data->p, n);
    m->have += n;
    *data = bytes_of(data->len == n ? NULL : data->p + n, data->len - n);
    return want - m->have;
}

static size_t whole(const struct stream_message *m)
{
    return LENGTH + (size_t)bytes_get_number(m->text, LENGTH);
}

enum error stream_message_take(struct stream_message *m, struct bytes *data)
{
    if (m->have < LENGTH && take(m, data, LENGTH) > 0)
        return ERR_MISSING;
    if (whole(m) == LENGTH)
        return ERR_RANGE;
    if (whole(m) > sizeof(m->text))
        return ERR_TOO_LARGE;
    return take(m, data, whole(m)) > 0 ? ERR_MISSING : OK;
}

static void open_message(const struct stream_message *m, struct mp_reader *r,
                         struct mp_tape *tape)
{
    assert(m->have >= LENGTH && m->have == whole(m));
    mp_reader_parse(r, tape, bytes_of(m->text + LENGTH, m->have - LENGTH));
    mp_read_array(r, TOKENS);
}

static enum error close_message(struct mp_reader *r)
{
    if (r->err == OK && r->at != r->end)
        mp_fail(r, ERR_TRAILING);
    return r->err;
}

/* ---- Fields ------------------------------------------------------------- */

static struct endpoint read_endpoint(struct mp_reader *r)
{
    struct bytes b = mp_read_bytes(r, 0, ENDPOINT_COMPACT_MAX);
    struct endpoint ep = {.port = 0};

    if (r->err == OK)
        mp_fail(r, endpoint_read_compact(b, &ep));
    if (r->err == OK && ep.port == 0)
        mp_fail(r, ERR_RANGE);
    return ep;
}

static struct endpoint read_address(struct mp_reader *r)
{
    struct bytes b = mp_read_bytes(r, 4, 16);
    struct endpoint ep = {.family = b.len == 16 ? FAMILY_IPV6 : FAMILY_IPV4};

    if (r->err == OK && b.len != endpoint_addr_len(&ep))
        mp_fail(r, ERR_WRONG_LENGTH);
    if (r->err == OK)
        memcpy(ep.addr, b.p, b.len);
    return ep;
}

static uint16_t read_port(struct mp_reader *r)
{
    uint64_t port = mp_read_uint(r, UINT16_MAX);

    if (r->err == OK && port == 0)
        mp_fail(r, ERR_RANGE);
    return (uint16_t)port;
}

static struct bytes read_name(struct mp_reader *r)
{
    return mp_read_bytes(r, 1, STREAM_NAME_MAX);
}

static void write_address(struct mp_writer *w, const struct endpoint *ep)
{
    mp_write_bin(w, bytes_of(ep->addr, endpoint_addr_len(ep)));
}

/* ---- Requests ----------------------------------------------------------- */

static void read_connect(struct mp_reader *r, struct stream_request *q)
{
    if (mp_peek(r) == MP_BIN) {
        q->ep = read_endpoint(r);
        return;
    }
    q->name = read_name(r);
    q->port = read_port(r);
}

static void read_request(struct mp_reader *r, struct stream_request *q)
{
    switch (q->kind) {
    case STREAM_CONNECT:
        read_connect(r, q);
        break;
    case STREAM_RESOLVE:
        q->name = read_name(r);
        break;
    case STREAM_REVERSE:
        q->ep = read_address(r);
        break;
    case STREAM_PORT:
        q->port = read_port(r);
        break;
    default:
        mp_fail(r, ERR_UNKNOWN_KIND);
    }
}

enum error stream_request_read(const struct stream_message *m,
                               struct stream_request *out)
{
    struct mp_token tokens[TOKENS];
    struct mp_tape tape = {tokens, TOKENS, 0};
    struct mp_reader r;
    struct stream_request q = {.kind = 0};
    enum error err;

    open_message(m, &r, &tape);
    q.kind = (enum stream_request_kind)mp_read_uint(&r, UINT8_MAX);
    if (r.err == OK)
        read_request(&r, &q);
    err = close_message(&r);
    if (err == OK)
        *out = q;
    return err;
}

static void begin(struct mp_writer *w, uint8_t out[STREAM_MESSAGE_MAX],
                  uint32_t fields)
{
    mp_writer_init(w, out + LENGTH, STREAM_MESSAGE_MAX - LENGTH);
    mp_write_array(w, fields);
}

static size_t end(const struct mp_writer *w, uint8_t out[STREAM_MESSAGE_MAX])
{
    assert(w->err == OK);
    bytes_put_number(out, LENGTH, w->len);
    return LENGTH + w->len;
}

static void write_connect(struct mp_writer *w, const struct stream_request *q)
{
    if (q->name.len == 0) {
        mp_write_endpoint(w, &q->ep);
        return;
    }
    mp_write_text_n(w, q->name);
    mp_write_uint(w, q->port);
}

size_t stream_request_write(const struct stream_request *q,
                            uint8_t out[STREAM_MESSAGE_MAX])
{
    bool named = q->kind == STREAM_CONNECT && q->name.len > 0;
    struct mp_writer w;

    assert(q->name.len <= STREAM_NAME_MAX);
    begin(&w, out, named ? 3 : 2);
    mp_write_uint(&w, q->kind);
    switch (q->kind) {
    case STREAM_CONNECT:
        write_connect(&w, q);
        break;
    case STREAM_RESOLVE:
        mp_write_text_n(&w, q->name);
        break;
    case STREAM_REVERSE:
        write_address(&w, &q->ep);
        break;
    case STREAM_PORT:
        mp_write_uint(&w, q->port);
        break;
    }
    return end(&w, out);
}

/* ---- Answers ------------------------------------------------------------ */

static void read_addresses(struct mp_reader *r, struct stream_answer *a)
{
    unsigned count = mp_read_array(r, STREAM_ADDRESSES_MAX);

    if (r->err == OK && count == 0)
        mp_fail(r, ERR_MISSING);
    for (unsigned i = 0; i < count && r->err == OK; i++)
        a->address[i] = read_address(r);
    a->address_count = count;
}

static void read_answer(struct mp_reader *r, enum stream_request_kind to,
                        struct stream_answer *a)
{
    if (to == STREAM_CONNECT) {
        a->address[0] = read_endpoint(r);
        a->address_count = 1;
    } else if (to != STREAM_PORT) {
        a->ttl = (uint32_t)mp_read_uint(r, UINT32_MAX);
        if (to == STREAM_RESOLVE)
            read_addresses(r, a);
        else
            a->name = read_name(r);
    }
}

enum error stream_answer_read(const struct stream_message *m,
                              enum stream_request_kind to,
                              struct stream_answer *out)
{
    struct mp_token tokens[TOKENS];
    struct mp_tape tape = {tokens, TOKENS, 0};
    struct mp_reader r;
    struct stream_answer a = {.reason = 0};
    enum error err;

    open_message(m, &r, &tape);
    a.reason = (uint8_t)mp_read_uint(&r, UINT8_MAX);
    if (r.err == OK && a.reason == 0)
        read_answer(&r, to, &a);
    err = close_message(&r);
    if (err == OK)
        *out = a;
    return err;
}

static uint32_t fields_of(const struct stream_answer *a,
                          enum stream_request_kind to)
{
    if (a->reason != 0 || to == STREAM_PORT)
        return 1;
    return to == STREAM_CONNECT ? 2 : 3;
}

static void write_addresses(struct mp_writer *w, const struct stream_answer *a)
{
    assert(a->address_count > 0 && a->address_count <= STREAM_ADDRESSES_MAX);
    mp_write_array(w, a->address_count);
    for (unsigned i = 0; i < a->address_count; i++)
        write_address(w, &a->address[i]);
}

size_t stream_answer_write(const struct stream_answer *a,
                           enum stream_request_kind to,
                           uint8_t out[STREAM_MESSAGE_MAX])
{
    uint32_t fields = fields_of(a, to);
    struct mp_writer w;

    begin(&w, out, fields);
    mp_write_uint(&w, a->reason);
    if (fields == 2)
        mp_write_endpoint(&w, &a->address[0]);
    if (fields == 3)
        mp_write_uint(&w, a->ttl);
    if (fields == 3 && to == STREAM_RESOLVE)
        write_addresses(&w, a);
    else if (fields == 3)
        mp_write_text_n(&w, a->name);
    return end(&w, out);
}
