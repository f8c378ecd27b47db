/* SPDX-License-Identifier: MIT
 *
 * From the string to topics and keys, and entries and proofs made with them.
 */
#include "tunnel/record/topic.h"

#include "tunnel/record/labelled_hash.h"
#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <sodium.h>

/* ["warren service", network, string] */
#define ROOT_TEXT_MAX (64 + TOPIC_STRING_MAX)

#define TAG        crypto_aead_xchacha20poly1305_ietf_ABYTES
#define ENTRY_TEXT (ENTRY_BYTES - ENTRY_NONCE_BYTES - TAG)

enum error topic_root(const char *network, struct bytes string,
                      uint8_t root[32])
{
    uint8_t buf[ROOT_TEXT_MAX];
    struct mp_writer w;

    if (string.len == 0 || string.len > TOPIC_STRING_MAX)
        return ERR_WRONG_LENGTH;
    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_array(&w, 3);
    mp_write_text(&w, "warren service");
    mp_write_text(&w, network);
    mp_write_bin(&w, string);
    assert(w.err == OK);
    crypto_generichash(root, 32, buf, w.len, NULL, 0);
    sodium_memzero(buf, sizeof(buf));
    return OK;
}

static void derive(const uint8_t root[32], const char *label, uint32_t period,
                   uint8_t out[32])
{
    uint8_t number[4];
    struct bytes part = bytes_of(number, sizeof(number));

    bytes_put_number(number, sizeof(number), period);
    labelled_hash(out, 32, root, label, &part, 1);
}

void topic_of(const uint8_t root[32], uint32_t period,
              uint8_t topic[TOPIC_BYTES])
{
    derive(root, "topic", period, topic);
}

void topic_entry_key(const uint8_t root[32], uint32_t period, uint8_t key[32])
{
    derive(root, "entry", period, key);
}

void topic_credential(const uint8_t root[32], uint8_t credential[32])
{
    labelled_hash(credential, 32, root, "credential", NULL, 0);
}

void topic_hash(const char *network, const uint8_t topic[TOPIC_BYTES],
                unsigned replica, struct id *out)
{
    uint8_t buf[128];
    struct mp_writer w;

    assert(replica < TOPIC_REPLICAS);
    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_array(&w, 4);
    mp_write_text(&w, "warren topic");
    mp_write_text(&w, network);
    mp_write_bin(&w, bytes_of(topic, TOPIC_BYTES));
    mp_write_uint(&w, replica);
    assert(w.err == OK);
    crypto_generichash(out->b, sizeof(out->b), buf, w.len, NULL, 0);
}

/* All of it is sealed along. */
static struct bytes place_bytes(const struct entry_place *place)
{
    _Static_assert(sizeof(*place) == AUTH_ID_BYTES + 32 + TOPIC_BYTES,
                   "auth id | relay | topic, and nothing between");

    return bytes_of(place, sizeof(*place));
}

void entry_seal(const uint8_t entry_key[32], const struct entry_place *place,
                const struct entry *e, const uint8_t nonce[ENTRY_NONCE_BYTES],
                uint8_t out[ENTRY_BYTES])
{
    struct bytes ad = place_bytes(place);
    uint8_t text[ENTRY_TEXT] = {0};
    struct mp_writer w;

    mp_writer_init(&w, text, sizeof(text));
    mp_write_array(&w, 3);
    mp_write_bin(&w, bytes_of(e->member, sizeof(e->member)));
    mp_write_uint(&w, e->issued);
    mp_write_uint(&w, e->flags);
    assert(w.err == OK);
    memcpy(out, nonce, ENTRY_NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + ENTRY_NONCE_BYTES, NULL,
                                               text, sizeof(text), ad.p, ad.len,
                                               NULL, nonce, entry_key);
    sodium_memzero(text, sizeof(text));
}

static enum error read_entry(const uint8_t text[ENTRY_TEXT], struct entry *out)
{
    struct mp_token tokens[4];
    struct mp_tape tape = {.tokens = tokens, .cap = 4};
    struct mp_reader r;
    struct entry e = {0};
    size_t used = 0;

    mp_reader_parse_first(&r, &tape, bytes_of(text, ENTRY_TEXT), &used);
    if (mp_read_array(&r, 3) != 3)
        mp_fail(&r, ERR_MISSING);
    mp_read_fixed(&r, e.member, sizeof(e.member));
    e.issued = (uint32_t)mp_read_uint(&r, UINT32_MAX);
    e.flags = (uint8_t)mp_read_uint(&r, ENTRY_FLAGS_MAX);
    if (r.err == OK && !sodium_is_zero(text + used, ENTRY_TEXT - used))
        mp_fail(&r, ERR_TRAILING);
    if (r.err == OK)
        *out = e;
    return r.err;
}

enum error entry_open(const uint8_t entry_key[32],
                      const struct entry_place *place, struct bytes sealed,
                      struct entry *out)
{
    struct bytes ad = place_bytes(place);
    uint8_t text[ENTRY_TEXT];

    if (sealed.len != ENTRY_BYTES)
        return ERR_WRONG_LENGTH;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            text, NULL, NULL, sealed.p + ENTRY_NONCE_BYTES,
            sealed.len - ENTRY_NONCE_BYTES, ad.p, ad.len, sealed.p,
            entry_key) != 0)
        return ERR_SIGNATURE;
    return read_entry(text, out);
}

enum error entry_check_time(const struct entry *e, uint64_t wall)
{
    if (e->issued > wall + ENTRY_SKEW)
        return ERR_FUTURE;
    if ((uint64_t)e->issued + ENTRY_AGE < wall)
        return ERR_EXPIRED;
    return OK;
}

/* `parts` are M_i, M_r and e: the same on both sides. */
static enum error member_mac(const uint8_t secret[NOISE_KEY_BYTES],
                             const uint8_t peer[NOISE_KEY_BYTES],
                             const struct bytes parts[3],
                             uint8_t mac[MEMBER_MAC_BYTES])
{
    uint8_t shared[crypto_scalarmult_BYTES];
    enum error e = ERR_RANGE;

    if (crypto_scalarmult(shared, secret, peer) == 0) {
        labelled_hash(mac, MEMBER_MAC_BYTES, shared, "warren member", parts, 3);
        e = OK;
    }
    sodium_memzero(shared, sizeof(shared));
    return e;
}

enum error member_prove(const uint8_t secret[NOISE_KEY_BYTES],
                        const uint8_t own[NOISE_KEY_BYTES],
                        const uint8_t other[NOISE_KEY_BYTES],
                        const uint8_t e[NOISE_KEY_BYTES],
                        uint8_t mac[MEMBER_MAC_BYTES])
{
    struct bytes parts[] = {bytes_of(own, NOISE_KEY_BYTES),
                            bytes_of(other, NOISE_KEY_BYTES),
                            bytes_of(e, NOISE_KEY_BYTES)};

    return member_mac(secret, other, parts, mac);
}

enum error member_check(const uint8_t secret[NOISE_KEY_BYTES],
                        const uint8_t own[NOISE_KEY_BYTES],
                        const uint8_t other[NOISE_KEY_BYTES],
                        const uint8_t e[NOISE_KEY_BYTES],
                        const uint8_t mac[MEMBER_MAC_BYTES])
{
    struct bytes parts[] = {bytes_of(other, NOISE_KEY_BYTES),
                            bytes_of(own, NOISE_KEY_BYTES),
                            bytes_of(e, NOISE_KEY_BYTES)};
    uint8_t want[MEMBER_MAC_BYTES];
    enum error err = member_mac(secret, other, parts, want);

    if (err == OK && sodium_memcmp(want, mac, sizeof(want)) != 0)
        err = ERR_SIGNATURE;
    sodium_memzero(want, sizeof(want));
    return err;
}
