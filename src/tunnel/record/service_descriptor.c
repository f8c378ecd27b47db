/* SPDX-License-Identifier: MIT
 *
 * The text first, then what seals and signs it. write_* and read_* have the
 * fields in the same order, which is where a new one goes.
 */
#include "tunnel/record/service_descriptor.h"

#include "tunnel/record/labelled_hash.h"
#include "wire/item/item_signing.h"

#include <assert.h>
#include <sodium.h>

#define VERSION 1
#define TAG     crypto_aead_xchacha20poly1305_ietf_ABYTES
#define TEXT    SERVICE_TEXT_BYTES
#define SEALED  (TEXT + TAG)

#define NONCE_AT  1
#define SEALED_AT (NONCE_AT + SERVICE_NONCE_BYTES)

#define TEXT_ELEMENTS  6
#define WORK_ELEMENTS  3
#define INTRO_ELEMENTS 3
/* The arrays of the text, of work and of the introduction points; these. */
#define TOKENS                           \
    (3 + TEXT_ELEMENTS + WORK_ELEMENTS + \
     SERVICE_INTROS_MAX * (RELAY_TARGET_TOKENS + INTRO_ELEMENTS))

_Static_assert(SEALED_AT + SEALED == SERVICE_DESCRIPTOR_BYTES, "one length");

static void write_work(struct mp_writer *w, const struct service_descriptor *d)
{
    if (!d->has_work) {
        mp_write_nil(w);
        return;
    }
    mp_write_array(w, WORK_ELEMENTS);
    mp_write_bin(w, bytes_of(d->work_seed, sizeof(d->work_seed)));
    mp_write_uint(w, d->work_effort);
    mp_write_uint(w, d->work_expires);
}

static void write_intro(struct mp_writer *w, const struct service_intro *intro)
{
    mp_write_array(w, INTRO_ELEMENTS);
    relay_target_write(w, &intro->relay);
    mp_write_bin(w, bytes_of(intro->auth_id, sizeof(intro->auth_id)));
    mp_write_bin(w, bytes_of(intro->service_key, sizeof(intro->service_key)));
}

static bool is_before(const struct service_intro *a,
                      const struct service_intro *b)
{
    return memcmp(a->relay.identity, b->relay.identity,
                  sizeof(a->relay.identity)) < 0;
}

/* The order in which they are written; by insertion, there are few. */
static void sort_intros(const struct service_descriptor *d,
                        const struct service_intro *out[SERVICE_INTROS_MAX])
{
    for (size_t i = 0; i < d->intro_count; i++) {
        size_t at = i;

        for (; at > 0 && is_before(&d->intros[i], out[at - 1]); at--)
            out[at] = out[at - 1];
        out[at] = &d->intros[i];
    }
}

void service_text_write(const struct service_descriptor *d,
                        uint8_t out[SERVICE_TEXT_BYTES])
{
    const struct service_intro *sorted[SERVICE_INTROS_MAX] = {0};
    struct mp_writer w;

    assert(d->intro_count <= SERVICE_INTROS_MAX);
    sort_intros(d, sorted);
    memset(out, 0, TEXT);
    mp_writer_init(&w, out, TEXT);
    mp_write_array(&w, TEXT_ELEMENTS);
    mp_write_uint(&w, d->period);
    mp_write_uint(&w, d->issued);
    mp_write_uint(&w, d->lifetime);
    mp_write_uint(&w, d->flags);
    write_work(&w, d);
    mp_write_array(&w, d->intro_count);
    for (size_t i = 0; i < d->intro_count; i++)
        write_intro(&w, sorted[i]);
    assert(w.err == OK);
}

static void read_work(struct mp_reader *r, struct service_descriptor *d)
{
    if (mp_peek(r) == MP_NIL) {
        mp_read_nil(r);
        return;
    }
    if (mp_read_array(r, WORK_ELEMENTS) != WORK_ELEMENTS)
        mp_fail(r, ERR_MISSING);
    mp_read_fixed(r, d->work_seed, sizeof(d->work_seed));
    d->work_effort = (uint32_t)mp_read_uint(r, UINT32_MAX);
    d->work_expires = (uint32_t)mp_read_uint(r, UINT32_MAX);
    if (d->work_effort == 0)
        mp_fail(r, ERR_RANGE);
    d->has_work = true;
}

static void read_intro(struct mp_reader *r, bool testing,
                       struct service_intro *out)
{
    if (mp_read_array(r, INTRO_ELEMENTS) != INTRO_ELEMENTS)
        mp_fail(r, ERR_MISSING);
    relay_target_read(r, testing, &out->relay);
    mp_read_fixed(r, out->auth_id, sizeof(out->auth_id));
    mp_read_fixed(r, out->service_key, sizeof(out->service_key));
}

static void read_intros(struct mp_reader *r, bool testing,
                        struct service_descriptor *d)
{
    uint32_t count = mp_read_array(r, SERVICE_INTROS_MAX);

    for (uint32_t i = 0; i < count && r->err == OK; i++) {
        read_intro(r, testing, &d->intros[i]);
        if (i > 0 && !is_before(&d->intros[i - 1], &d->intros[i]))
            mp_fail(r, ERR_UNSORTED);
    }
    d->intro_count = (uint8_t)count;
}

static void read_text(struct mp_reader *r, bool testing,
                      struct service_descriptor *d)
{
    if (mp_read_array(r, TEXT_ELEMENTS) != TEXT_ELEMENTS)
        mp_fail(r, ERR_MISSING);
    d->period = (uint32_t)mp_read_uint(r, UINT32_MAX);
    d->issued = (uint32_t)mp_read_uint(r, UINT32_MAX);
    d->lifetime = (uint16_t)mp_read_uint(r, SERVICE_LIFETIME_MAX);
    if (d->lifetime == 0)
        mp_fail(r, ERR_RANGE);
    d->flags = (uint8_t)mp_read_uint(r, UINT8_MAX);
    read_work(r, d);
    read_intros(r, testing, d);
}

enum error service_text_read(const uint8_t text[SERVICE_TEXT_BYTES],
                             bool testing, struct service_descriptor *out)
{
    struct mp_token tokens[TOKENS];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS};
    struct service_descriptor d = {0};
    struct mp_reader r;
    size_t used = 0;

    mp_reader_parse_first(&r, &tape, bytes_of(text, TEXT), &used);
    read_text(&r, testing, &d);
    if (r.err == OK && !sodium_is_zero(text + used, TEXT - used))
        mp_fail(&r, ERR_TRAILING);
    if (r.err == OK)
        *out = d;
    return r.err;
}

enum error service_view_init(const char *network,
                             const struct service_name *name, uint32_t period,
                             bool testing, struct service_view *out)
{
    struct service_view view = {.period = period, .testing = testing};
    uint8_t factor[32];
    enum error e;

    blind_factor(network, name, period, factor);
    e = blind_public(name->key, factor, view.key);
    sodium_memzero(factor, sizeof(factor));
    if (e != OK)
        return e;
    blind_credential(network, name, view.credential);
    *out = view;
    sodium_memzero(&view, sizeof(view));
    return OK;
}

struct bytes service_replica_salt(unsigned replica)
{
    static const uint8_t salt[] = {1};

    assert(replica < SERVICE_REPLICAS);
    return bytes_of(salt, replica);
}

static void seal_key(const struct service_view *view, uint8_t out[32])
{
    uint8_t number[4];
    struct bytes parts[] = {bytes_of(view->key, sizeof(view->key)),
                            bytes_of(number, sizeof(number))};

    bytes_put_number(number, sizeof(number), view->period);
    labelled_hash(out, 32, view->credential, "warren descriptor", parts, 2);
}

/* What is sealed along with the text. */
#define ALONG (1 + BLIND_KEY_BYTES + 8)
static void put_along(const struct service_view *view, int64_t seq,
                      uint8_t out[ALONG])
{
    out[0] = VERSION;
    memcpy(out + 1, view->key, BLIND_KEY_BYTES);
    bytes_put_number(out + 1 + BLIND_KEY_BYTES, 8, (uint64_t)seq);
}

static void seal(const struct service_view *view,
                 const struct service_descriptor *d, int64_t seq,
                 const uint8_t nonce[SERVICE_NONCE_BYTES],
                 uint8_t out[SERVICE_DESCRIPTOR_BYTES])
{
    uint8_t text[TEXT], key[32], along[ALONG];

    service_text_write(d, text);
    seal_key(view, key);
    put_along(view, seq, along);
    out[0] = VERSION;
    memcpy(out + NONCE_AT, nonce, SERVICE_NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        out + SEALED_AT, NULL, text, TEXT, along, ALONG, NULL, nonce, key);
    sodium_memzero(key, sizeof(key));
    sodium_memzero(text, sizeof(text));
}

enum error service_descriptor_seal(const struct service_view *view,
                                   const struct blinded_key *key,
                                   const struct service_descriptor *d,
                                   int64_t seq,
                                   const uint8_t nonce[SERVICE_NONCE_BYTES],
                                   struct service_item out[SERVICE_REPLICAS])
{
    uint8_t sealed[SERVICE_DESCRIPTOR_BYTES], to_sign[ITEM_SIGNED_MAX];
    enum error e;

    assert(seq >= 1 && d->period == view->period);
    assert(memcmp(key->key, view->key, BLIND_KEY_BYTES) == 0);
    seal(view, d, seq, nonce, sealed);
    for (unsigned i = 0; i < SERVICE_REPLICAS; i++) {
        size_t len;

        out[i].seq = seq;
        e = value_from_bytes(bytes_of(sealed, sizeof(sealed)), &out[i].value);
        assert(e == OK);
        len = item_signed_bytes(service_replica_salt(i), seq, &out[i].value,
                                to_sign);
        e = blind_sign(key, bytes_of(to_sign, len), out[i].signature);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum error verify(const struct service_view *view, unsigned replica,
                         const struct service_item *item)
{
    uint8_t to_sign[ITEM_SIGNED_MAX];
    size_t len = item_signed_bytes(service_replica_salt(replica), item->seq,
                                   &item->value, to_sign);

    return crypto_sign_verify_detached(item->signature, to_sign, len,
                                       view->key) == 0
               ? OK
               : ERR_SIGNATURE;
}

static enum error unseal(const struct service_view *view, int64_t seq,
                         const uint8_t *sealed, uint8_t text[TEXT])
{
    uint8_t key[32], along[ALONG];
    int rc;

    seal_key(view, key);
    put_along(view, seq, along);
    rc = crypto_aead_xchacha20poly1305_ietf_decrypt(
        text, NULL, NULL, sealed + SEALED_AT, SEALED, along, ALONG,
        sealed + NONCE_AT, key);
    sodium_memzero(key, sizeof(key));
    return rc == 0 ? OK : ERR_SIGNATURE;
}

/* The 996 bytes, if it is these and of this version. */
static enum error sealed_bytes(const struct service_item *item,
                               const uint8_t **out)
{
    struct mp_token token;
    struct mp_tape tape = {.tokens = &token, .cap = 1};
    struct mp_reader r;
    struct bytes sealed;

    if (item->seq < 1)
        return ERR_RANGE;
    mp_reader_parse(&r, &tape, value_bytes(&item->value));
    sealed =
        mp_read_bytes(&r, SERVICE_DESCRIPTOR_BYTES, SERVICE_DESCRIPTOR_BYTES);
    if (r.err != OK)
        return r.err == ERR_TOO_LARGE ? ERR_WRONG_LENGTH : r.err;
    if (sealed.p[0] != VERSION)
        return ERR_UNSUPPORTED;
    *out = sealed.p;
    return OK;
}

enum error service_descriptor_open(const struct service_view *view,
                                   unsigned replica,
                                   const struct service_item *item,
                                   struct service_descriptor *out)
{
    struct service_descriptor d;
    const uint8_t *sealed;
    uint8_t text[TEXT];
    enum error e = sealed_bytes(item, &sealed);

    if (e == OK)
        e = verify(view, replica, item);
    if (e == OK)
        e = unseal(view, item->seq, sealed, text);
    if (e == OK)
        e = service_text_read(text, view->testing, &d);
    if (e == OK && d.period != view->period)
        e = ERR_UNEXPECTED;
    if (e == OK)
        *out = d;
    sodium_memzero(text, sizeof(text));
    return e;
}

uint64_t service_descriptor_expires(const struct service_descriptor *d)
{
    return (uint64_t)d->issued + 60 * (uint64_t)d->lifetime;
}

enum error service_descriptor_check_time(const struct service_descriptor *d,
                                         uint64_t wall)
{
    if (d->issued > wall + SERVICE_SKEW)
        return ERR_FUTURE;
    if (service_descriptor_expires(d) + SERVICE_SKEW < wall)
        return ERR_EXPIRED;
    return OK;
}
