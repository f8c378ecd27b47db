/* SPDX-License-Identifier: MIT
 *
 * Writes a message by walking the table of fields, which is in the order of
 * keys: find_present decides which of them this message has, write_field has a
 * case for each type of field.
 */
#include "wire/krpc/dht_message_fields.h"

#include "wire/bencode/be_writer.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <string.h>

/* A writer of either dialect. Text is a string of its own kind in msgpack
 * alone, and bencode has ends where msgpack has counts. */
struct out {
    struct mp_writer w;
    bool bencode;
};

static void put_text(struct out *o, struct bytes text)
{
    if (o->bencode)
        be_write_bytes(&o->w, text);
    else
        mp_write_text_n(&o->w, text);
}

static void put_bytes(struct out *o, struct bytes b)
{
    if (o->bencode)
        be_write_bytes(&o->w, b);
    else
        mp_write_bin(&o->w, b);
}

static void put_uint(struct out *o, uint64_t n)
{
    if (o->bencode)
        be_write_uint(&o->w, n);
    else
        mp_write_uint(&o->w, n);
}

static void put_int(struct out *o, int64_t n)
{
    if (o->bencode)
        be_write_int(&o->w, n);
    else
        mp_write_int(&o->w, n);
}

static void put_endpoint(struct out *o, const struct endpoint *ep)
{
    uint8_t compact[ENDPOINT_COMPACT_MAX];

    put_bytes(o, bytes_of(compact, endpoint_write_compact(ep, compact)));
}

static void put_value(struct out *o, const struct value *v)
{
    uint8_t bencoded[VALUE_BENCODED_MAX];

    assert(o->bencode || !value_is_raw(v));
    if (o->bencode)
        mp_write_raw(&o->w, bytes_of(bencoded, value_bencode(v, bencoded)));
    else
        mp_write_raw(&o->w, value_bytes(v));
}

static void open_list(struct out *o, uint32_t count)
{
    if (o->bencode)
        be_open_list(&o->w);
    else
        mp_write_array(&o->w, count);
}

static void open_map(struct out *o, uint32_t count)
{
    if (o->bencode)
        be_open_dictionary(&o->w);
    else
        mp_write_map(&o->w, count);
}

static void close(struct out *o)
{
    if (o->bencode)
        be_close(&o->w);
}

static const char kind_letters[] = {
    [DHT_QUERY] = 'q', [DHT_RESPONSE] = 'r', [DHT_ERROR] = 'e'};

/* Whether a field that has no bit in `has` is there. */
static bool is_set(const struct dht_message *m, const struct field *f)
{
    const void *at = (const uint8_t *)m + f->offset;

    if (f->type == FIELD_FLAG)
        return *(const bool *)at;
    if (f->type == FIELD_BYTES || f->type == FIELD_NETWORK ||
        f->type == FIELD_UNITS)
        return ((const struct bytes *)at)->len > 0;
    return true; /* every message of its kind has it */
}

/* The field that is not the target's in queries of this method. */
static enum field_type other_target_field(enum dht_method m)
{
    return dht_message_target_field(m) == FIELD_TARGET ? FIELD_INFO_HASH
                                                       : FIELD_TARGET;
}

/* A map of those of `fields` that the message has. */
static void write_fields(struct out *o, const struct dht_message *m,
                         const struct field *fields, size_t count);

static void write_bytes(struct out *o, const struct field *f,
                        const struct bytes *b)
{
    assert(b->len <= f->max);
    if (f->type == FIELD_NETWORK)
        put_text(o, *b);
    else
        put_bytes(o, *b);
}

static void write_peers(struct out *o, const struct dht_message *m)
{
    assert(m->value_count <= DHT_VALUES_MAX);
    open_list(o, (uint32_t)m->value_count);
    for (size_t i = 0; i < m->value_count; i++)
        put_endpoint(o, &m->values[i]);
    close(o);
}

static void write_want(struct out *o, const bool want[FAMILIES])
{
    open_list(o, (uint32_t)want[FAMILY_IPV4] + want[FAMILY_IPV6]);
    if (want[FAMILY_IPV4])
        put_text(o, bytes_of("n4", 2));
    if (want[FAMILY_IPV6])
        put_text(o, bytes_of("n6", 2));
    close(o);
}

static void write_error(struct out *o, const struct dht_message *m)
{
    assert(m->error_text.len <= DHT_ERROR_TEXT_MAX);
    open_list(o, 2);
    put_uint(o, m->error_code);
    put_text(o, m->error_text);
    close(o);
}

static void write_field(struct out *o, const struct field *f,
                        const struct dht_message *m)
{
    const void *at = (const uint8_t *)m + f->offset;

    switch ((enum field_type)f->type) {
    case FIELD_BYTES:
    case FIELD_NETWORK:
    case FIELD_SALT:
    case FIELD_UNITS:
        write_bytes(o, f, at);
        break;
    case FIELD_FIXED:
        put_bytes(o, bytes_of(*(const uint8_t *const *)at, f->min));
        break;
    case FIELD_ID:
    case FIELD_TARGET:
    case FIELD_INFO_HASH:
        put_bytes(o, bytes_of(at, ID_BYTES));
        break;
    case FIELD_UINT16:
        put_uint(o, *(const uint16_t *)at);
        break;
    case FIELD_UINT32:
        put_uint(o, *(const uint32_t *)at);
        break;
    case FIELD_INT64:
        put_int(o, *(const int64_t *)at);
        break;
    case FIELD_FLAG:
        put_uint(o, 1);
        break;
    case FIELD_ENDPOINT:
        put_endpoint(o, at);
        break;
    case FIELD_PEERS:
        write_peers(o, m);
        break;
    case FIELD_WANT:
        write_want(o, at);
        break;
    case FIELD_VALUE:
        put_value(o, at);
        break;
    case FIELD_METHOD:
        put_text(o, dht_message_method_name(m->method));
        break;
    case FIELD_KIND:
        put_text(o, bytes_of(&kind_letters[m->kind], 1));
        break;
    case FIELD_ERROR:
        write_error(o, m);
        break;
    case FIELD_BODY:
        write_fields(o, m, dht_message_body, DHT_BODY_FIELDS);
        break;
    }
}

/* Those of `fields` that the message has. Most are of another kind or have a
 * bit that it has not, so this is looked at first. */
static uint32_t find_present(const struct dht_message *m,
                             const struct field *fields, size_t count,
                             const struct field **present)
{
    const enum field_type other = other_target_field(m->method);
    const unsigned kind = 1U << m->kind;
    const uint32_t absent = ~m->has;
    uint32_t n = 0;

    for (const struct field *f = fields; f < fields + count; f++) {
        if ((f->kinds & kind) == 0 || (f->has & absent) != 0)
            continue;
        if (f->has == 0 ? is_set(m, f) : f->type != other)
            present[n++] = f;
    }
    return n;
}

static void write_fields(struct out *o, const struct dht_message *m,
                         const struct field *fields, size_t count)
{
    const struct field *present[DHT_BODY_FIELDS]; /* the longer table */
    uint32_t n = find_present(m, fields, count, present);

    open_map(o, n);
    for (uint32_t i = 0; i < n; i++) {
        put_text(o, bytes_of(present[i]->key, present[i]->key_len));
        write_field(o, present[i], m);
    }
    close(o);
}

enum error dht_message_write(enum dht_dialect dialect,
                             const struct dht_message *m, uint8_t *buf,
                             size_t cap, size_t *len)
{
    struct out o = {.bencode = dialect == DHT_DIALECT_MAINLINE};

    assert(m->transaction.len > 0);
    mp_writer_init(&o.w, buf, cap);
    write_fields(&o, m, dht_message_top, DHT_TOP_FIELDS);
    if (o.w.err != OK)
        return o.w.err;
    *len = o.w.len;
    return OK;
}
