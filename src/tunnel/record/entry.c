/* SPDX-License-Identifier: MIT
 *
 * Its text is padded, so that an entry has one length whatever it says.
 */
#include "tunnel/record/entry.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <sodium.h>

#define TAG        crypto_aead_xchacha20poly1305_ietf_ABYTES
#define ENTRY_TEXT (ENTRY_BYTES - ENTRY_NONCE_BYTES - TAG)

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
    enum error e;

    if (sealed.len != ENTRY_BYTES)
        return ERR_WRONG_LENGTH;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            text, NULL, NULL, sealed.p + ENTRY_NONCE_BYTES,
            sealed.len - ENTRY_NONCE_BYTES, ad.p, ad.len, sealed.p,
            entry_key) != 0)
        return ERR_SIGNATURE;
    e = read_entry(text, out);
    sodium_memzero(text, sizeof(text));
    return e;
}

enum error entry_check_time(const struct entry *e, uint64_t wall)
{
    if (e->issued > wall + ENTRY_SKEW)
        return ERR_FUTURE;
    if ((uint64_t)e->issued + ENTRY_AGE < wall)
        return ERR_EXPIRED;
    return OK;
}
