/* SPDX-License-Identifier: MIT
 *
 * The table of meeting_message.h as code: the array `kinds` has a line for each
 * type, read_fields and write_fields a case.
 */
#include "tunnel/meeting/meeting_message.h"

#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>

#define TYPE_FIRST MEETING_INTRO_ESTABLISH
#define TYPE_LAST  MEETING_RELAY_TOLD

/* MEMBERS has most: 5, 8 times 3, 4 times 6; and one to spare. */
#define TOKENS_MAX 54

/* Ed25519 signatures; what is looked for in the DHT (BEP 5, BEP 44). */
#define SIGNATURE_BYTES 64
#define HASH_BYTES      20
#define KEY_BYTES       32

enum said_by { BY_CLIENT, BY_RELAY };

static const struct {
    uint8_t elements; /* with the type */
    uint8_t by;       /* enum said_by */
    uint16_t cell;
} kinds[] = {
    {7, BY_CLIENT, CELL_LARGE}, /* INTRO_ESTABLISH */
    {2, BY_RELAY, CELL_SMALL},  /* INTRO_ESTABLISHED */
    {4, BY_CLIENT, CELL_LARGE}, /* INTRODUCE */
    {3, BY_RELAY, CELL_SMALL},  /* INTRODUCE_ACK */
    {5, BY_RELAY, CELL_LARGE},  /* INTRODUCED */
    {4, BY_CLIENT, CELL_SMALL}, /* INTRO_RESULT */
    {2, BY_CLIENT, CELL_SMALL}, /* RENDEZVOUS */
    {2, BY_RELAY, CELL_SMALL},  /* READY */
    {3, BY_CLIENT, CELL_SMALL}, /* JOIN */
    {2, BY_RELAY, CELL_SMALL},  /* JOINED */
    {2, BY_CLIENT, CELL_SMALL}, /* MEMBERS_ASK */
    {4, BY_RELAY, CELL_LARGE},  /* MEMBERS */
    {4, BY_CLIENT, CELL_LARGE}, /* DHT_GET */
    {3, BY_RELAY, CELL_LARGE},  /* DHT_PEERS */
    {5, BY_RELAY, CELL_LARGE},  /* DHT_ITEM */
    {7, BY_CLIENT, CELL_LARGE}, /* DHT_PUT */
    {6, BY_RELAY, CELL_LARGE},  /* DHT_DONE */
    {3, BY_CLIENT, CELL_SMALL}, /* RELAY_ASK */
    {3, BY_RELAY, CELL_LARGE},  /* RELAY_TOLD */
};

static_assert(sizeof(kinds) / sizeof(kinds[0]) == TYPE_LAST - TYPE_FIRST + 1,
              "one line a type");

size_t meeting_message_cell(enum meeting_message_type type)
{
    assert(type >= TYPE_FIRST && type <= TYPE_LAST);
    return kinds[type - TYPE_FIRST].cell;
}

bool meeting_client_says(enum meeting_message_type type)
{
    assert(type >= TYPE_FIRST && type <= TYPE_LAST);
    return kinds[type - TYPE_FIRST].by == BY_CLIENT;
}

bool meeting_relay_says(enum meeting_message_type type)
{
    return !meeting_client_says(type);
}

static bool has_handle(enum meeting_message_type type)
{
    return type == MEETING_INTRODUCED || type == MEETING_INTRO_RESULT;
}

static bool has_id(enum meeting_message_type type)
{
    return type >= MEETING_DHT_GET;
}

const char *meeting_status_name(enum meeting_status s)
{
    static const char *const names[MEETING_STATUS_END_] = {
        [MEETING_TAKEN] = "taken",       [MEETING_REFUSED] = "refused",
        [MEETING_BUSY] = "busy",         [MEETING_UNKNOWN] = "unknown",
        [MEETING_REPLACED] = "replaced", [MEETING_FULL] = "full",
        [MEETING_AGAIN] = "again",
    };

    assert(s < MEETING_STATUS_END_);
    return names[s];
}

/* ---- Reading ------------------------------------------------------------ */

static const uint8_t *read_bytes(struct mp_reader *r, size_t len)
{
    return mp_read_bytes(r, len, len).p;
}

/* Empty or `len` bytes; NULL for empty ones. */
static const uint8_t *read_optional(struct mp_reader *r, size_t len)
{
    struct bytes b = mp_read_bytes(r, 0, len);

    if (b.len != 0 && b.len != len)
        mp_fail(r, ERR_WRONG_LENGTH);
    return b.len == 0 ? NULL : b.p;
}

static uint32_t read_number(struct mp_reader *r)
{
    return (uint32_t)mp_read_uint(r, UINT32_MAX);
}

static void expect_array(struct mp_reader *r, uint32_t elements)
{
    if (mp_read_array(r, elements) != elements)
        mp_fail(r, ERR_MISSING);
}

static enum meeting_status read_status(struct mp_reader *r)
{
    uint64_t status = mp_read_uint(r, UINT64_MAX);

    return status < MEETING_STATUS_END_ ? (enum meeting_status)status
                                        : MEETING_REFUSED;
}

static struct endpoint read_endpoint(struct mp_reader *r)
{
    struct bytes compact = mp_read_bytes(r, 6, ENDPOINT_COMPACT_MAX);
    struct endpoint ep = {0};

    if (r->err == OK && endpoint_read_compact(compact, &ep) != OK)
        mp_fail(r, ERR_WRONG_LENGTH);
    return ep;
}

static uint8_t read_endpoints(struct mp_reader *r, struct endpoint *out,
                              uint32_t max)
{
    uint8_t count = (uint8_t)mp_read_array(r, max);

    for (uint8_t i = 0; i < count; i++)
        out[i] = read_endpoint(r);
    return count;
}

static void read_work(struct mp_reader *r, struct meeting_message *m)
{
    m->has_work = mp_peek(r) != MP_NIL;
    if (!m->has_work) {
        mp_read_nil(r);
        return;
    }
    expect_array(r, 4);
    mp_read_fixed(r, m->work.hint, sizeof(m->work.hint));
    m->work.effort = read_number(r);
    mp_read_fixed(r, m->work.nonce, sizeof(m->work.nonce));
    mp_read_fixed(r, m->work.digest, sizeof(m->work.digest));
}

static void read_introduction(struct mp_reader *r, struct meeting_message *m)
{
    m->auth_id = read_bytes(r, MEETING_AUTH_ID_BYTES);
    read_work(r, m);
    m->noise = mp_read_bytes(r, MEETING_NOISE1_BYTES, MEETING_NOISE1_BYTES);
}

static void read_establish(struct mp_reader *r, struct meeting_message *m)
{
    m->auth_key = read_bytes(r, 32);
    m->rate = (uint16_t)mp_read_uint(r, UINT16_MAX);
    m->burst = (uint16_t)mp_read_uint(r, UINT16_MAX);
    m->topic = read_optional(r, 32);
    m->entry = read_optional(r, MEETING_ENTRY_BYTES);
    m->signature = read_bytes(r, SIGNATURE_BYTES);
    if ((m->topic == NULL) != (m->entry == NULL))
        mp_fail(r, ERR_MISSING);
}

static void read_members(struct mp_reader *r, struct meeting_message *m)
{
    m->total = read_number(r);
    m->member_count = (uint8_t)mp_read_array(r, MEETING_MEMBERS_MAX);
    for (uint8_t i = 0; i < m->member_count; i++) {
        expect_array(r, 2);
        m->members[i].auth_id = read_bytes(r, MEETING_AUTH_ID_BYTES);
        m->members[i].entry = read_bytes(r, MEETING_ENTRY_BYTES);
    }
    m->target_count = (uint8_t)mp_read_array(r, MEETING_TARGETS_MAX);
    for (uint8_t i = 0; i < m->target_count; i++)
        relay_target_read(r, true, &m->targets[i]);
}

static void read_get(struct mp_reader *r, struct meeting_message *m)
{
    m->key = mp_read_bytes(r, HASH_BYTES, KEY_BYTES);
    m->salt = mp_read_bytes(r, 0, MEETING_SALT_MAX);
    if (m->key.len != HASH_BYTES && m->key.len != KEY_BYTES)
        mp_fail(r, ERR_WRONG_LENGTH);
    if (m->key.len == HASH_BYTES && m->salt.len > 0)
        mp_fail(r, ERR_WRONG_LENGTH);
}

static void read_item(struct mp_reader *r, struct meeting_message *m)
{
    m->seq = mp_read_int(r);
    m->signature = read_bytes(r, SIGNATURE_BYTES);
    m->value = read_bytes(r, MEETING_VALUE_BYTES);
}

static void read_put(struct mp_reader *r, struct meeting_message *m)
{
    m->key = mp_read_bytes(r, KEY_BYTES, KEY_BYTES);
    m->salt = mp_read_bytes(r, 0, MEETING_SALT_MAX);
    read_item(r, m);
}

static void read_done(struct mp_reader *r, struct meeting_message *m)
{
    m->reason = reason_of(mp_read_uint(r, UINT64_MAX));
    m->asked = read_number(r);
    m->answered = read_number(r);
    m->stored = read_number(r);
}

static void read_result(struct mp_reader *r, struct meeting_message *m)
{
    m->status = read_status(r);
    m->effort = read_number(r);
}

static void read_noise2(struct mp_reader *r, struct meeting_message *m)
{
    m->noise.p = read_optional(r, MEETING_NOISE2_BYTES);
    m->noise.len = m->noise.p == NULL ? 0 : MEETING_NOISE2_BYTES;
}

static void read_fields(struct mp_reader *r, struct meeting_message *m)
{
    switch (m->type) {
    case MEETING_INTRO_ESTABLISH:
        read_establish(r, m);
        break;
    case MEETING_INTRO_ESTABLISHED:
        m->status = read_status(r);
        break;
    case MEETING_INTRODUCE:
    case MEETING_INTRODUCED:
        read_introduction(r, m);
        break;
    case MEETING_INTRODUCE_ACK:
    case MEETING_INTRO_RESULT:
        read_result(r, m);
        break;
    case MEETING_JOIN:
        m->cookie = read_bytes(r, MEETING_COOKIE_BYTES);
        m->noise = mp_read_bytes(r, MEETING_NOISE2_BYTES, MEETING_NOISE2_BYTES);
        break;
    case MEETING_RENDEZVOUS:
    case MEETING_READY:
        m->cookie = read_bytes(r, MEETING_COOKIE_BYTES);
        break;
    case MEETING_JOINED:
        read_noise2(r, m);
        break;
    case MEETING_MEMBERS_ASK:
        m->topic = read_bytes(r, 32);
        break;
    case MEETING_MEMBERS:
        read_members(r, m);
        break;
    case MEETING_DHT_GET:
        read_get(r, m);
        break;
    case MEETING_DHT_PEERS:
        m->peer_count = read_endpoints(r, m->peers, MEETING_PEERS_MAX);
        break;
    case MEETING_DHT_ITEM:
        read_item(r, m);
        break;
    case MEETING_DHT_PUT:
        read_put(r, m);
        break;
    case MEETING_DHT_DONE:
        read_done(r, m);
        break;
    case MEETING_RELAY_ASK:
        m->ep = read_endpoint(r);
        break;
    case MEETING_RELAY_TOLD:
        m->descriptor = mp_read_bytes(r, 0, MEETING_DESCRIPTOR_MAX);
        break;
    }
}

/* What comes first. */
static void read_numbers(struct mp_reader *r, struct meeting_message *m)
{
    if (has_handle(m->type))
        m->handle = read_number(r);
    if (has_id(m->type))
        m->id = read_number(r);
}

static void read_head(struct mp_reader *r, struct meeting_message *m,
                      size_t text_len)
{
    uint32_t elements = mp_read_array(r, UINT8_MAX);
    uint64_t type = mp_read_uint(r, UINT64_MAX);

    m->type = (enum meeting_message_type)type;
    if (type < TYPE_FIRST || type > TYPE_LAST)
        mp_fail(r, ERR_UNKNOWN_KIND);
    else if (elements != kinds[type - TYPE_FIRST].elements)
        mp_fail(r, ERR_MISSING);
    else if (text_len != onion_message_len(meeting_message_cell(m->type) -
                                           CELL_BODY_OFFSET))
        mp_fail(r, ERR_WRONG_LENGTH);
}

enum error meeting_message_read(struct bytes text, struct meeting_message *out)
{
    struct mp_token tokens[TOKENS_MAX];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS_MAX};
    struct meeting_message m = {0};
    struct mp_reader r;

    mp_reader_parse_padded(&r, &tape, text);
    read_head(&r, &m, text.len);
    if (r.err == OK) {
        read_numbers(&r, &m);
        read_fields(&r, &m);
    }
    if (r.err == OK)
        *out = m;
    return r.err;
}

/* ---- Writing ------------------------------------------------------------ */

static void write_bytes(struct mp_writer *w, const uint8_t *p, size_t len)
{
    mp_write_bin(w, bytes_of(p, p == NULL ? 0 : len));
}

static void write_endpoints(struct mp_writer *w, const struct endpoint *eps,
                            uint8_t count)
{
    mp_write_array(w, count);
    for (uint8_t i = 0; i < count; i++)
        mp_write_endpoint(w, &eps[i]);
}

static void write_introduction(struct mp_writer *w,
                               const struct meeting_message *m)
{
    write_bytes(w, m->auth_id, MEETING_AUTH_ID_BYTES);
    if (m->has_work) {
        mp_write_array(w, 4);
        write_bytes(w, m->work.hint, sizeof(m->work.hint));
        mp_write_uint(w, m->work.effort);
        write_bytes(w, m->work.nonce, sizeof(m->work.nonce));
        write_bytes(w, m->work.digest, sizeof(m->work.digest));
    } else {
        mp_write_nil(w);
    }
    mp_write_bin(w, m->noise);
}

static void write_establish(struct mp_writer *w,
                            const struct meeting_message *m)
{
    write_bytes(w, m->auth_key, 32);
    mp_write_uint(w, m->rate);
    mp_write_uint(w, m->burst);
    write_bytes(w, m->topic, 32);
    write_bytes(w, m->entry, MEETING_ENTRY_BYTES);
}

static void write_members(struct mp_writer *w, const struct meeting_message *m)
{
    mp_write_uint(w, m->total);
    mp_write_array(w, m->member_count);
    for (uint8_t i = 0; i < m->member_count; i++) {
        mp_write_array(w, 2);
        write_bytes(w, m->members[i].auth_id, MEETING_AUTH_ID_BYTES);
        write_bytes(w, m->members[i].entry, MEETING_ENTRY_BYTES);
    }
    mp_write_array(w, m->target_count);
    for (uint8_t i = 0; i < m->target_count; i++)
        relay_target_write(w, &m->targets[i]);
}

static void write_item(struct mp_writer *w, const struct meeting_message *m)
{
    mp_write_int(w, m->seq);
    write_bytes(w, m->signature, SIGNATURE_BYTES);
    write_bytes(w, m->value, MEETING_VALUE_BYTES);
}

static void write_lookup(struct mp_writer *w, const struct meeting_message *m)
{
    mp_write_bin(w, m->key);
    mp_write_bin(w, m->salt);
}

static void write_done(struct mp_writer *w, const struct meeting_message *m)
{
    mp_write_uint(w, m->reason);
    mp_write_uint(w, m->asked);
    mp_write_uint(w, m->answered);
    mp_write_uint(w, m->stored);
}

static void write_fields(struct mp_writer *w, const struct meeting_message *m)
{
    switch (m->type) {
    case MEETING_INTRO_ESTABLISH:
        write_establish(w, m);
        write_bytes(w, m->signature, SIGNATURE_BYTES);
        break;
    case MEETING_INTRO_ESTABLISHED:
        mp_write_uint(w, m->status);
        break;
    case MEETING_INTRODUCE:
    case MEETING_INTRODUCED:
        write_introduction(w, m);
        break;
    case MEETING_INTRODUCE_ACK:
    case MEETING_INTRO_RESULT:
        mp_write_uint(w, m->status);
        mp_write_uint(w, m->effort);
        break;
    case MEETING_JOIN:
        write_bytes(w, m->cookie, MEETING_COOKIE_BYTES);
        mp_write_bin(w, m->noise);
        break;
    case MEETING_RENDEZVOUS:
    case MEETING_READY:
        write_bytes(w, m->cookie, MEETING_COOKIE_BYTES);
        break;
    case MEETING_JOINED:
        mp_write_bin(w, m->noise);
        break;
    case MEETING_MEMBERS_ASK:
        write_bytes(w, m->topic, 32);
        break;
    case MEETING_MEMBERS:
        write_members(w, m);
        break;
    case MEETING_DHT_GET:
        write_lookup(w, m);
        break;
    case MEETING_DHT_PUT:
        write_lookup(w, m);
        write_item(w, m);
        break;
    case MEETING_DHT_ITEM:
        write_item(w, m);
        break;
    case MEETING_DHT_PEERS:
        write_endpoints(w, m->peers, m->peer_count);
        break;
    case MEETING_DHT_DONE:
        write_done(w, m);
        break;
    case MEETING_RELAY_ASK:
        mp_write_endpoint(w, &m->ep);
        break;
    case MEETING_RELAY_TOLD:
        mp_write_bin(w, m->descriptor);
        break;
    }
}

static void write_numbers(struct mp_writer *w, const struct meeting_message *m)
{
    if (has_handle(m->type))
        mp_write_uint(w, m->handle);
    if (has_id(m->type))
        mp_write_uint(w, m->id);
}

enum error meeting_message_write(const struct meeting_message *m, uint8_t *out,
                                 size_t cap, size_t *len)
{
    struct mp_writer w;

    assert(m->type >= TYPE_FIRST && m->type <= TYPE_LAST);
    mp_writer_init(&w, out, cap);
    mp_write_array(&w, kinds[m->type - TYPE_FIRST].elements);
    mp_write_uint(&w, m->type);
    write_numbers(&w, m);
    write_fields(&w, m);
    if (w.err == OK)
        *len = w.len;
    return w.err;
}

size_t meeting_signed_bytes(const struct meeting_message *m,
                            const uint8_t transcript[MEETING_TRANSCRIPT_BYTES],
                            uint8_t out[MEETING_SIGNED_MAX])
{
    static const char label[] = "warren establish"; /* with its zero byte */
    struct mp_writer w;

    assert(m->type == MEETING_INTRO_ESTABLISH);
    mp_writer_init(&w, out, MEETING_SIGNED_MAX);
    mp_write_raw(&w, bytes_of(label, sizeof(label)));
    mp_write_raw(&w, bytes_of(transcript, MEETING_TRANSCRIPT_BYTES));
    mp_write_array(&w, kinds[0].elements - 1);
    mp_write_uint(&w, m->type);
    write_establish(&w, m);
    assert(w.err == OK);
    return w.len;
}
