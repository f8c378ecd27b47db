/* SPDX-License-Identifier: MIT
 *
 * Writing and reading one layout: write_body and read_body have its fields in
 * the same order, which is where a new one goes. What is read must be the
 * shortest msgpack, so that there is one text for one content.
 */
#include "tunnel/directory/descriptor.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define BODY_ELEMENTS 11 /* and one more at an exit of streams */
#define SIGNATURE     crypto_sign_BYTES
/* Array and bin head around the body, bin head of the signature. */
#define FRAME_MIN (1 + 2 + 2 + SIGNATURE)
#define BODY_MAX  (DESCRIPTOR_MAX - FRAME_MIN - 1)
/* The body's tokens, its array and that of the addresses included. */
#define TOKENS_MAX (BODY_ELEMENTS + DESCRIPTOR_ADDRESSES_MAX + 2)

/* With its zero byte. */
static const char label[] = "warren descriptor";

struct frame {
    struct bytes body;
    const uint8_t *signature;
};

static size_t to_sign(struct bytes body, uint8_t out[sizeof(label) + BODY_MAX])
{
    assert(body.len <= BODY_MAX);
    memcpy(out, label, sizeof(label));
    memcpy(out + sizeof(label), body.p, body.len);
    return sizeof(label) + body.len;
}

static void write_addresses(struct mp_writer *w, const struct descriptor *d)
{
    uint8_t compact[ENDPOINT_COMPACT_MAX];

    mp_write_array(w, d->address_count);
    for (size_t i = 0; i < d->address_count; i++) {
        size_t len = endpoint_write_compact(&d->addresses[i], compact);

        mp_write_bin(w, bytes_of(compact, len));
    }
}

static struct bytes write_body(const struct descriptor *d, const char *network,
                               uint8_t out[BODY_MAX])
{
    bool tcp = d->tcp_policy_len > 0;
    struct mp_writer w;

    mp_writer_init(&w, out, BODY_MAX);
    mp_write_array(&w, BODY_ELEMENTS + (tcp ? 1 : 0));
    mp_write_uint(&w, TUNNEL_VERSION);
    mp_write_text(&w, network);
    mp_write_bin(&w, bytes_of(d->identity, sizeof(d->identity)));
    mp_write_bin(&w, bytes_of(d->handshake_key, sizeof(d->handshake_key)));
    mp_write_uint(&w, d->issued);
    mp_write_uint(&w, d->expires);
    mp_write_uint(&w, d->roles);
    write_addresses(&w, d);
    mp_write_text_n(&w, descriptor_exit_policy(d));
    mp_write_uint(&w, d->bandwidth);
    mp_write_bin(&w,
                 bytes_of(d->family, d->has_family ? sizeof(d->family) : 0));
    if (tcp)
        mp_write_text_n(&w, descriptor_tcp_policy(d));
    assert(w.err == OK);
    return mp_writer_bytes(&w);
}

size_t descriptor_write(const struct descriptor *d, const char *network,
                        const uint8_t secret[64], uint8_t out[DESCRIPTOR_MAX])
{
    uint8_t body[BODY_MAX], text[sizeof(label) + BODY_MAX];
    uint8_t signature[SIGNATURE];
    struct bytes b = write_body(d, network, body);
    struct mp_writer w;

    crypto_sign_detached(signature, NULL, text, to_sign(b, text), secret);
    mp_writer_init(&w, out, DESCRIPTOR_MAX);
    mp_write_array(&w, 2);
    mp_write_bin(&w, b);
    mp_write_bin(&w, bytes_of(signature, sizeof(signature)));
    assert(w.err == OK);
    return w.len;
}

/* The frame has one length only, so that a descriptor has one text only. */
static enum error read_frame(struct bytes text, struct frame *out)
{
    struct mp_token tokens[3];
    struct mp_tape tape = {.tokens = tokens, .cap = 3};
    struct mp_reader r;
    struct bytes signature;

    if (text.len > DESCRIPTOR_MAX)
        return ERR_TOO_LARGE;
    mp_reader_parse(&r, &tape, text);
    mp_read_array(&r, 2);
    out->body = mp_read_bytes(&r, 1, BODY_MAX);
    signature = mp_read_bytes(&r, SIGNATURE, SIGNATURE);
    out->signature = signature.p;
    if (r.err != OK)
        return r.err;
    if (text.len != FRAME_MIN + out->body.len + (out->body.len > UINT8_MAX))
        return ERR_WRONG_LENGTH;
    return OK;
}

static void read_addresses(struct mp_reader *r, struct descriptor *d)
{
    uint32_t count = mp_read_array(r, DESCRIPTOR_ADDRESSES_MAX);

    if (r->err == OK && count == 0)
        mp_fail(r, ERR_MISSING);
    for (uint32_t i = 0; i < count && r->err == OK; i++) {
        struct bytes compact = mp_read_bytes(r, 6, ENDPOINT_COMPACT_MAX);

        if (r->err != OK)
            return;
        if (endpoint_read_compact(compact, &d->addresses[i]) != OK)
            mp_fail(r, ERR_WRONG_LENGTH);
        else if (!endpoint_is_usable(&d->addresses[i]))
            mp_fail(r, ERR_ADDRESS);
    }
    d->address_count = (uint8_t)count;
}

static uint8_t read_policy(struct mp_reader *r, size_t min, size_t max,
                           uint8_t *out)
{
    struct bytes policy = mp_read_bytes(r, min, max);

    /* People get to see it. */
    for (size_t i = 0; i < policy.len; i++)
        if (policy.p[i] < ' ' || policy.p[i] > '~')
            mp_fail(r, ERR_SYNTAX);
    if (policy.len > 0)
        memcpy(out, policy.p, policy.len);
    return (uint8_t)policy.len;
}

static void read_family(struct mp_reader *r, struct descriptor *d)
{
    struct bytes family = mp_read_bytes(r, 0, sizeof(d->family));

    if (family.len == 0)
        return;
    if (family.len != sizeof(d->family)) {
        mp_fail(r, ERR_WRONG_LENGTH);
        return;
    }
    memcpy(d->family, family.p, family.len);
    d->has_family = true;
}

static void read_times(struct mp_reader *r, struct descriptor *d)
{
    d->issued = mp_read_uint(r, INT64_MAX);
    d->expires = mp_read_uint(r, INT64_MAX);
    if (r->err == OK && (d->expires <= d->issued ||
                         d->expires - d->issued > DESCRIPTOR_LIFETIME_MAX))
        mp_fail(r, ERR_RANGE);
}

static void read_body(struct mp_reader *r, const char *network,
                      struct descriptor *d)
{
    uint32_t elements = mp_read_array(r, UINT8_MAX);
    struct bytes name;

    if (mp_read_uint(r, UINT32_MAX) != TUNNEL_VERSION)
        mp_fail(r, ERR_UNSUPPORTED);
    if (r->err == OK && elements < BODY_ELEMENTS)
        mp_fail(r, ERR_MISSING);
    name = mp_read_bytes(r, 1, DHT_NETWORK_MAX);
    if (r->err == OK && !bytes_equal(name, bytes_of_text(network)))
        mp_fail(r, ERR_NETWORK);
    mp_read_fixed(r, d->identity, sizeof(d->identity));
    mp_read_fixed(r, d->handshake_key, sizeof(d->handshake_key));
    read_times(r, d);
    d->roles = (uint8_t)(mp_read_uint(r, UINT32_MAX) & ROLES_ALL);
    read_addresses(r, d);
    d->exit_policy_len =
        read_policy(r, 0, DESCRIPTOR_POLICY_MAX, d->exit_policy);
    d->bandwidth = (uint32_t)mp_read_uint(r, UINT32_MAX);
    read_family(r, d);
    if (r->err == OK && elements > BODY_ELEMENTS)
        d->tcp_policy_len =
            read_policy(r, 1, DESCRIPTOR_TCP_MAX, d->tcp_policy);
}

enum error descriptor_read(struct bytes text, const char *network,
                           struct descriptor *out)
{
    /* There may be more elements than are known here. */
    struct mp_token tokens[4 * TOKENS_MAX];
    struct mp_tape tape = {.tokens = tokens, .cap = 4 * (size_t)TOKENS_MAX};
    struct descriptor d = {0};
    struct frame frame;
    struct mp_reader r;
    enum error e;

    e = read_frame(text, &frame);
    if (e != OK)
        return e;
    mp_reader_parse(&r, &tape, frame.body);
    read_body(&r, network, &d);
    if (r.err != OK)
        return r.err;
    *out = d;
    return OK;
}

enum error descriptor_check_time(const struct descriptor *d, uint64_t wall)
{
    if (d->issued > wall + DESCRIPTOR_SKEW)
        return ERR_FUTURE;
    if (d->expires + DESCRIPTOR_SKEW < wall)
        return ERR_EXPIRED;
    return OK;
}

enum error descriptor_verify(struct bytes text, const struct descriptor *d)
{
    uint8_t signed_text[sizeof(label) + BODY_MAX];
    struct frame frame;
    enum error e = read_frame(text, &frame);

    if (e != OK)
        return e;
    if (crypto_sign_verify_detached(frame.signature, signed_text,
                                    to_sign(frame.body, signed_text),
                                    d->identity) != 0)
        return ERR_SIGNATURE;
    return OK;
}

struct bytes descriptor_exit_policy(const struct descriptor *d)
{
    return bytes_of(d->exit_policy, d->exit_policy_len);
}

struct bytes descriptor_tcp_policy(const struct descriptor *d)
{
    return bytes_of(d->tcp_policy, d->tcp_policy_len);
}
