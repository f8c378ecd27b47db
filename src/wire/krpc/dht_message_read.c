/* SPDX-License-Identifier: MIT
 *
 * Reads a message by walking its tape with the table of fields: the top level
 * first, where `a`, `r` and `e` are only found, then the one of them that
 * belongs to the kind. read_field has a case for each type of field. A key that
 * is no field of this kind is skipped.
 */
#include "wire/krpc/dht_message_fields.h"

#include "wire/bencode/be_reader.h"
#include "wire/msgpack/mp_reader.h"

#include <string.h>

#define TOKENS 1024 /* no message of ours has more */

/* The name of the network; "main" is what has no name. */
static void read_network(struct mp_reader *r, const struct field *f,
                         struct bytes *out)
{
    struct bytes name = mp_read_bytes(r, f->min, f->max);

    if (!bytes_is_text(name, "main"))
        *out = name;
}

static void read_salt(struct mp_reader *r, const struct field *f,
                      struct bytes *out)
{
    *out = mp_read_bytes(r, f->min, SIZE_MAX);
    if (out->len > f->max)
        mp_fail(r, ERR_SALT);
}

/* Entries of `min` bytes each; those over `max` bytes are cut off. */
static void read_units(struct mp_reader *r, const struct field *f,
                       struct bytes *out)
{
    struct bytes units = mp_read_bytes(r, 0, SIZE_MAX);

    if (units.len % f->min != 0)
        mp_fail(r, ERR_WRONG_LENGTH);
    if (units.len > f->max)
        units.len = f->max;
    *out = units;
}

/* False: there is none. On the mainline DHT one that is no compact endpoint is
 * passed over, as uTorrent does: libtorrent takes an address without a port,
 * which an older draft of BEP 42 had. */
static bool read_endpoint(struct mp_reader *r, enum dht_dialect dialect,
                          struct endpoint *out)
{
    enum error err = endpoint_read_compact(mp_read_bytes(r, 0, SIZE_MAX), out);

    if (err != OK && dialect == DHT_DIALECT_WARREN)
        mp_fail(r, err);
    return err == OK;
}

static bool is_string(const struct mp_reader *r)
{
    return mp_peek(r) == MP_STR || mp_peek(r) == MP_BIN;
}

/* Skips what is no peer, and those for which there is no room. */
static void read_peers(struct mp_reader *r, struct dht_message *m)
{
    uint32_t left;

    if (mp_peek(r) != MP_ARRAY) {
        mp_skip(r);
        return;
    }
    m->value_count = 0;
    m->has |= DHT_HAS_VALUES;
    for (left = mp_read_array(r, UINT32_MAX); left > 0; left--) {
        if (!is_string(r) || m->value_count == DHT_VALUES_MAX)
            mp_skip(r);
        else if (endpoint_read_compact(mp_read_bytes(r, 0, SIZE_MAX),
                                       &m->values[m->value_count]) == OK)
            m->value_count++;
    }
}

static void read_want(struct mp_reader *r, bool want[FAMILIES])
{
    uint32_t left = mp_read_array(r, UINT32_MAX);

    for (; left > 0; left--) {
        struct bytes family = mp_read_bytes(r, 0, SIZE_MAX);

        if (bytes_is_text(family, "n4"))
            want[FAMILY_IPV4] = true;
        else if (bytes_is_text(family, "n6"))
            want[FAMILY_IPV6] = true;
    }
}

/* One that is not in the table is the last of the enum, the unknown one. */
static void read_method(struct mp_reader *r, enum dht_method *out)
{
    struct bytes name = mp_read_bytes(r, 0, SIZE_MAX);
    unsigned m = 0;

    while (m < DHT_UNKNOWN_METHOD &&
           !bytes_equal(name, dht_message_method_name(m)))
        m++;
    *out = (enum dht_method)m;
}

static void read_kind(struct mp_reader *r, enum dht_kind *out)
{
    struct bytes letter = mp_read_bytes(r, 0, SIZE_MAX);

    if (bytes_is_text(letter, "q"))
        *out = DHT_QUERY;
    else if (bytes_is_text(letter, "r"))
        *out = DHT_RESPONSE;
    else if (bytes_is_text(letter, "e"))
        *out = DHT_ERROR;
    else
        mp_fail(r, ERR_UNKNOWN_KIND);
}

static void read_error_text(struct mp_reader *r, struct dht_message *m)
{
    m->error_text = mp_read_bytes(r, 0, SIZE_MAX);
    if (m->error_text.len > DHT_ERROR_TEXT_MAX)
        m->error_text.len = DHT_ERROR_TEXT_MAX;
}

/* [code, text], and what else an extension may have added. */
static void read_error(struct mp_reader *r, struct dht_message *m)
{
    uint32_t count = mp_read_array(r, UINT32_MAX);

    if (count < 2) {
        mp_fail(r, ERR_MISSING);
        return;
    }
    m->error_code = (uint32_t)mp_read_uint(r, UINT32_MAX);
    read_error_text(r, m);
    for (; count > 2; count--)
        mp_skip(r);
}

/* On the mainline DHT an error is one, whatever it says: k-rpc-socket, which
 * WebTorrent has, may send a list of a text alone, and mldht has met a text
 * without a list. */
static void read_any_error(struct mp_reader *r, struct dht_message *m)
{
    uint32_t left = mp_peek(r) == MP_ARRAY ? mp_read_array(r, UINT32_MAX) : 1;

    m->error_code = DHT_ERROR_GENERIC;
    for (; left > 0; left--) {
        if (is_string(r))
            read_error_text(r, m);
        else if (mp_peek(r) == MP_UINT && r->at->as.u <= UINT32_MAX)
            m->error_code = (uint32_t)mp_read_uint(r, UINT32_MAX);
        else
            mp_skip(r);
    }
}

/* Whether a query of this method names its target by this field; one of an
 * unknown method may use either. */
static bool names_target(const struct dht_message *m, const struct field *f)
{
    if (m->kind != DHT_QUERY || m->method == DHT_UNKNOWN_METHOD)
        return true;
    return f->type == dht_message_target_field(m->method);
}

static void read_field(struct mp_reader *r, const struct field *f,
                       enum dht_dialect dialect, struct dht_message *m)
{
    void *out = (uint8_t *)m + f->offset;

    switch ((enum field_type)f->type) {
    case FIELD_BYTES:
        *(struct bytes *)out = mp_read_bytes(r, f->min, f->max);
        break;
    case FIELD_NETWORK:
        read_network(r, f, out);
        break;
    case FIELD_SALT:
        read_salt(r, f, out);
        break;
    case FIELD_UNITS:
        read_units(r, f, out);
        break;
    case FIELD_FIXED:
        *(const uint8_t **)out = mp_read_bytes(r, f->min, f->min).p;
        break;
    case FIELD_TARGET:
    case FIELD_INFO_HASH:
        if (!names_target(m, f)) {
            mp_skip(r);
            return;
        }
        mp_read_fixed(r, out, ID_BYTES);
        break;
    case FIELD_ID:
        mp_read_fixed(r, out, ID_BYTES);
        break;
    case FIELD_UINT16:
        *(uint16_t *)out = (uint16_t)mp_read_uint(r, UINT16_MAX);
        break;
    case FIELD_UINT32:
        *(uint32_t *)out =
            (uint32_t)mp_read_uint(r, f->max > 0 ? f->max : UINT32_MAX);
        break;
    case FIELD_INT64:
        *(int64_t *)out = mp_read_int(r);
        break;
    case FIELD_FLAG:
        *(bool *)out = mp_read_uint(r, UINT64_MAX) != 0;
        break;
    case FIELD_ENDPOINT:
        if (!read_endpoint(r, dialect, out))
            return;
        break;
    case FIELD_PEERS:
        read_peers(r, m);
        return;
    case FIELD_WANT:
        read_want(r, out);
        break;
    case FIELD_VALUE:
        if (dialect == DHT_DIALECT_MAINLINE)
            value_read_bencoded(r, out);
        else
            value_read(r, out);
        break;
    case FIELD_METHOD:
        read_method(r, out);
        break;
    case FIELD_KIND:
        read_kind(r, out);
        break;
    case FIELD_ERROR:
    case FIELD_BODY:
        break; /* read_payload */
    }
    m->has |= f->has;
}

/* Most keys of equal length differ in the first byte, and many have no other:
 * no call for those. */
static bool is_key(const struct field *f, struct bytes key)
{
    return f->key_len == key.len && (uint8_t)f->key[0] == key.p[0] &&
           (key.len == 1 || memcmp(f->key, key.p, key.len) == 0);
}

/* The fields of a map, and where the reading of its keys stands. */
struct keys {
    const struct field *fields;
    size_t count;
    size_t next;
    uint32_t seen; /* bit i: the field i */
};

/* The first field from number `at` on, and before `end`, that has this key;
 * `end` when there is none. */
static size_t find_key(const struct field *fields, size_t at, size_t end,
                       struct bytes key)
{
    while (at < end && !is_key(&fields[at], key))
        at++;
    return at;
}

/* The next key's field; NULL for one that is none, or after a failure. Keys
 * mostly come in order, so the search goes on after the last one found. */
static const struct field *read_key(struct mp_reader *r, struct keys *k)
{
    struct bytes key = mp_read_bytes(r, 0, SIZE_MAX);
    size_t at = find_key(k->fields, k->next, k->count, key);

    if (at == k->count) {
        at = find_key(k->fields, 0, k->next, key);
        if (at == k->next)
            return NULL;
    }
    if (k->seen & UINT32_C(1) << at) {
        mp_fail(r, ERR_REPEATED);
        return NULL;
    }
    k->seen |= UINT32_C(1) << at;
    k->next = at + 1;
    return &k->fields[at];
}

/* The top level. What `a` or `r` says depends on `q` and `y`, which come
 * after it: here it is only found. `payload` gets, at the number of the kind
 * that it belongs to (its field has this one alone), a reader that stands
 * before it. */
static void read_top(struct mp_reader *r, enum dht_dialect dialect,
                     struct dht_message *m, struct mp_reader payload[3])
{
    uint32_t left = mp_read_map(r, DHT_KEYS_MAX);
    struct keys keys = {.fields = dht_message_top, .count = DHT_TOP_FIELDS};
    bool kind_seen = false;
    bool method_seen = false;

    for (; left > 0 && r->err == OK; left--) {
        const struct field *f = read_key(r, &keys);

        if (f == NULL) {
            mp_skip(r);
        } else if (f->type == FIELD_BODY || f->type == FIELD_ERROR) {
            payload[__builtin_ctz(f->kinds)] = *r;
            mp_skip(r);
        } else {
            read_field(r, f, dialect, m);
            kind_seen |= f->type == FIELD_KIND;
            method_seen |= f->type == FIELD_METHOD;
        }
    }
    if (!kind_seen || m->transaction.len == 0 ||
        (m->kind == DHT_QUERY && !method_seen))
        mp_fail(r, ERR_MISSING);
}

static void read_body(struct mp_reader *r, enum dht_dialect dialect,
                      struct dht_message *m)
{
    uint32_t left = mp_read_map(r, DHT_KEYS_MAX);
    struct keys keys = {.fields = dht_message_body, .count = DHT_BODY_FIELDS};

    for (; left > 0 && r->err == OK; left--) {
        const struct field *f = read_key(r, &keys);

        if (f == NULL || (f->kinds & 1 << m->kind) == 0)
            mp_skip(r);
        else
            read_field(r, f, dialect, m);
    }
}

/* What the method requires, and what some keys require of others. */
static enum error check_query(const struct dht_message *m)
{
    uint32_t missing = dht_message_methods[m->method].required & ~m->has;
    uint32_t of_key = DHT_HAS_SIGNATURE | DHT_HAS_SEQ;

    if (m->method == DHT_UNKNOWN_METHOD && missing == DHT_HAS_TARGET)
        return ERR_UNKNOWN_KIND;
    if (m->method == DHT_ANNOUNCE_PEER && !m->implied_port)
        missing |= DHT_HAS_PORT & ~m->has;
    if (m->method == DHT_PUT && (m->has & DHT_HAS_KEY))
        missing |= of_key & ~m->has;
    return missing == 0 ? OK : ERR_MISSING;
}

/* The map `a` or `r`, or the array `e`. */
static enum error read_payload(struct mp_reader *r, enum dht_dialect dialect,
                               struct dht_message *m)
{
    if (r->at == NULL)
        return ERR_MISSING;
    if (m->kind == DHT_ERROR && dialect == DHT_DIALECT_MAINLINE)
        read_any_error(r, m);
    else if (m->kind == DHT_ERROR)
        read_error(r, m);
    else
        read_body(r, dialect, m);
    if (r->err != OK)
        return r->err;
    if (m->kind == DHT_QUERY)
        return check_query(m);
    if (m->kind == DHT_RESPONSE && !(m->has & DHT_HAS_ID))
        return ERR_MISSING;
    return OK;
}

enum error dht_message_read(enum dht_dialect dialect, struct bytes datagram,
                            struct dht_message *out)
{
    struct mp_token tokens[TOKENS];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS};
    struct mp_reader payload[3] = {{0}};
    struct mp_reader r;

    dht_message_init(out, DHT_QUERY);
    if (dialect == DHT_DIALECT_MAINLINE)
        be_reader_parse(&r, &tape, datagram);
    else
        mp_reader_parse(&r, &tape, datagram);
    read_top(&r, dialect, out, payload);
    if (r.err != OK) {
        out->transaction = bytes_of(NULL, 0);
        return r.err;
    }
    return read_payload(&payload[out->kind], dialect, out);
}

bool dht_message_next_node(struct bytes *nodes, enum family f, struct id *id,
                           struct endpoint *ep)
{
    size_t size = f == FAMILY_IPV4 ? COMPACT_NODE4 : COMPACT_NODE6;

    while (nodes->len >= size) {
        const uint8_t *p = nodes->p;

        *nodes = bytes_of(p + size, nodes->len - size);
        if (endpoint_read_compact(bytes_of(p + ID_BYTES, size - ID_BYTES),
                                  ep) != OK)
            continue;
        memcpy(id->b, p, ID_BYTES);
        return true;
    }
    return false;
}
