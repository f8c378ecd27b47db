/* SPDX-License-Identifier: MIT
 *
 * Writes a message by walking the table of fields, which is in the order of
 * keys: is_present decides which of them this message has, write_field has a
 * case for each type of field.
 */
#include "wire/krpc/dht_message_fields.h"

#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <string.h>

static const char *const kind_letters[] = {
    [DHT_QUERY] = "q", [DHT_RESPONSE] = "r", [DHT_ERROR] = "e"};

/* By its bit in `has`; what has none is there when it is not empty or false. */
static bool is_present(const struct dht_message *m, const struct field *f)
{
    const void *at = (const uint8_t *)m + f->offset;

    if ((f->kinds & 1 << m->kind) == 0 || (m->has & f->has) != f->has)
        return false;
    switch ((enum field_type)f->type) {
    case FIELD_TARGET:
    case FIELD_INFO_HASH:
        return f->type == dht_message_target_field(m->method);
    case FIELD_BYTES:
    case FIELD_NETWORK:
        return f->has != 0 || ((const struct bytes *)at)->len > 0;
    case FIELD_FLAG:
        return *(const bool *)at;
    case FIELD_UNITS:
    case FIELD_FIXED:
    case FIELD_ID:
    case FIELD_UINT16:
    case FIELD_UINT32:
    case FIELD_INT64:
    case FIELD_ENDPOINT:
    case FIELD_PEERS:
    case FIELD_WANT:
    case FIELD_VALUE:
    case FIELD_METHOD:
    case FIELD_KIND:
    case FIELD_ERROR:
    case FIELD_BODY:
        break;
    }
    return true;
}

static void write_fields(struct mp_writer *w, const struct dht_message *m,
                         const struct field *fields, size_t count);

static void write_bytes(struct mp_writer *w, const struct field *f,
                        const struct bytes *b)
{
    assert(b->len <= f->max);
    if (f->type == FIELD_NETWORK)
        mp_write_text_n(w, *b);
    else
        mp_write_bin(w, *b);
}

static void write_peers(struct mp_writer *w, const struct dht_message *m)
{
    assert(m->value_count <= DHT_VALUES_MAX);
    mp_write_array(w, (uint32_t)m->value_count);
    for (size_t i = 0; i < m->value_count; i++)
        mp_write_endpoint(w, &m->values[i]);
}

static void write_want(struct mp_writer *w, const bool want[FAMILIES])
{
    mp_write_array(w, (uint32_t)want[FAMILY_IPV4] + want[FAMILY_IPV6]);
    if (want[FAMILY_IPV4])
        mp_write_text(w, "n4");
    if (want[FAMILY_IPV6])
        mp_write_text(w, "n6");
}

static void write_error(struct mp_writer *w, const struct dht_message *m)
{
    assert(m->error_text.len <= DHT_ERROR_TEXT_MAX);
    mp_write_array(w, 2);
    mp_write_uint(w, m->error_code);
    mp_write_text_n(w, m->error_text);
}

static void write_field(struct mp_writer *w, const struct field *f,
                        const struct dht_message *m)
{
    const void *at = (const uint8_t *)m + f->offset;

    switch ((enum field_type)f->type) {
    case FIELD_BYTES:
    case FIELD_NETWORK:
    case FIELD_UNITS:
        write_bytes(w, f, at);
        break;
    case FIELD_FIXED:
        mp_write_bin(w, bytes_of(*(const uint8_t *const *)at, f->min));
        break;
    case FIELD_ID:
    case FIELD_TARGET:
    case FIELD_INFO_HASH:
        mp_write_bin(w, bytes_of(at, ID_BYTES));
        break;
    case FIELD_UINT16:
        mp_write_uint(w, *(const uint16_t *)at);
        break;
    case FIELD_UINT32:
        mp_write_uint(w, *(const uint32_t *)at);
        break;
    case FIELD_INT64:
        mp_write_int(w, *(const int64_t *)at);
        break;
    case FIELD_FLAG:
        mp_write_uint(w, 1);
        break;
    case FIELD_ENDPOINT:
        mp_write_endpoint(w, at);
        break;
    case FIELD_PEERS:
        write_peers(w, m);
        break;
    case FIELD_WANT:
        write_want(w, at);
        break;
    case FIELD_VALUE:
        mp_write_raw(w, value_bytes(at));
        break;
    case FIELD_METHOD:
        mp_write_text(w, dht_method_name(m->method));
        break;
    case FIELD_KIND:
        mp_write_text(w, kind_letters[m->kind]);
        break;
    case FIELD_ERROR:
        write_error(w, m);
        break;
    case FIELD_BODY:
        write_fields(w, m, dht_message_body, DHT_BODY_FIELDS);
        break;
    }
}

/* A map of those of `fields` that the message has. */
static void write_fields(struct mp_writer *w, const struct dht_message *m,
                         const struct field *fields, size_t count)
{
    const struct field *present[DHT_BODY_FIELDS]; /* the longer table */
    uint32_t n = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_present(m, &fields[i]))
            present[n++] = &fields[i];
    }
    mp_write_map(w, n);
    for (uint32_t i = 0; i < n; i++) {
        mp_write_text_n(w, bytes_of(present[i]->key, present[i]->key_len));
        write_field(w, present[i], m);
    }
}

enum error dht_message_write(const struct dht_message *m, uint8_t *buf,
                             size_t cap, size_t *len)
{
    struct mp_writer w;

    assert(m->transaction.len > 0);
    mp_writer_init(&w, buf, cap);
    write_fields(&w, m, dht_message_top, DHT_TOP_FIELDS);
    if (w.err != OK)
        return w.err;
    *len = w.len;
    return OK;
}
