/* SPDX-License-Identifier: MIT
 *
 * The handshake in the words of the Noise specification: mix_hash is its
 * MixHash, mix_dh a DH and its MixKey, encrypt_and_hash and decrypt_and_hash as
 * there, hkdf over HMAC-BLAKE2b. NK has two messages of one shape (e, then one
 * DH), so that write_message and read_message serve both; which key the DH is
 * with, es or ee, is the only difference.
 */
#include "tunnel/crypto/noise.h"

#include <sodium.h>
#include <string.h>

#define BLOCK_BYTES 128 /* of BLAKE2b, for HMAC */

static const char protocol_name[] = "Noise_NK_25519_ChaChaPoly_BLAKE2b";

static void mix_hash(struct noise *n, struct bytes data)
{
    crypto_generichash_state s;

    crypto_generichash_init(&s, NULL, 0, NOISE_HASH_BYTES);
    crypto_generichash_update(&s, n->h, sizeof(n->h));
    crypto_generichash_update(&s, data.p, data.len);
    crypto_generichash_final(&s, n->h, NOISE_HASH_BYTES);
}

/* HMAC (RFC 2104) over BLAKE2b, of `a` followed by `b`. */
static void hmac(const uint8_t key[NOISE_HASH_BYTES], struct bytes a,
                 struct bytes b, uint8_t out[NOISE_HASH_BYTES])
{
    crypto_generichash_state s;
    uint8_t pad[BLOCK_BYTES];
    uint8_t inner[NOISE_HASH_BYTES];

    memset(pad, 0x36, sizeof(pad));
    for (int i = 0; i < NOISE_HASH_BYTES; i++)
        pad[i] ^= key[i];
    crypto_generichash_init(&s, NULL, 0, NOISE_HASH_BYTES);
    crypto_generichash_update(&s, pad, sizeof(pad));
    crypto_generichash_update(&s, a.p, a.len);
    crypto_generichash_update(&s, b.p, b.len);
    crypto_generichash_final(&s, inner, sizeof(inner));

    for (int i = 0; i < BLOCK_BYTES; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    crypto_generichash_init(&s, NULL, 0, NOISE_HASH_BYTES);
    crypto_generichash_update(&s, pad, sizeof(pad));
    crypto_generichash_update(&s, inner, sizeof(inner));
    crypto_generichash_final(&s, out, NOISE_HASH_BYTES);
    sodium_memzero(pad, sizeof(pad));
    sodium_memzero(inner, sizeof(inner));
    sodium_memzero(&s, sizeof(s));
}

/* HKDF with two outputs, Noise section 4.3. */
static void hkdf(const uint8_t ck[NOISE_HASH_BYTES], struct bytes material,
                 uint8_t out1[NOISE_HASH_BYTES], uint8_t out2[NOISE_HASH_BYTES])
{
    static const uint8_t one[] = {1}, two[] = {2};
    uint8_t temp[NOISE_HASH_BYTES];

    hmac(ck, material, bytes_of(NULL, 0), temp);
    hmac(temp, bytes_of(one, 1), bytes_of(NULL, 0), out1);
    hmac(temp, bytes_of(out1, NOISE_HASH_BYTES), bytes_of(two, 1), out2);
    sodium_memzero(temp, sizeof(temp));
}

/* Mixes the Diffie-Hellman secret of the two keys into the chain. */
static enum error mix_dh(struct noise *n, const uint8_t secret[NOISE_KEY_BYTES],
                         const uint8_t public_key[NOISE_KEY_BYTES])
{
    uint8_t shared[NOISE_KEY_BYTES];
    uint8_t ck[NOISE_HASH_BYTES], k[NOISE_HASH_BYTES];

    if (crypto_scalarmult(shared, secret, public_key) != 0)
        return ERR_RANGE;
    hkdf(n->ck, bytes_of(shared, sizeof(shared)), ck, k);
    memcpy(n->ck, ck, sizeof(ck));
    memcpy(n->k, k, sizeof(n->k));
    sodium_memzero(shared, sizeof(shared));
    sodium_memzero(ck, sizeof(ck));
    sodium_memzero(k, sizeof(k));
    return OK;
}

/* A key is used for one payload only, so that the counter is always 0. */
static void encrypt_and_hash(struct noise *n, struct bytes payload,
                             uint8_t *out)
{
    if (payload.len > 0)
        memmove(out, payload.p, payload.len);
    aead_seal(n->k, 0, bytes_of(n->h, sizeof(n->h)), out, payload.len);
    mix_hash(n, bytes_of(out, payload.len + NOISE_TAG_BYTES));
}

static enum error decrypt_and_hash(struct noise *n, struct bytes sealed,
                                   uint8_t *payload)
{
    uint8_t before[NOISE_HASH_BYTES];

    memcpy(before, n->h, sizeof(before));
    mix_hash(n, sealed);
    return aead_open_copy(n->k, 0, bytes_of(before, sizeof(before)), sealed.p,
                          payload, sealed.len - NOISE_TAG_BYTES);
}

void noise_public_key(const uint8_t secret[NOISE_KEY_BYTES],
                      uint8_t public_key[NOISE_KEY_BYTES])
{
    crypto_scalarmult_base(public_key, secret);
}

void noise_init(struct noise *n, struct bytes prologue,
                const uint8_t responder_static[NOISE_KEY_BYTES])
{
    /* The name is shorter than a hash: it is padded, not hashed. */
    *n = (struct noise){0};
    memcpy(n->h, protocol_name, sizeof(protocol_name) - 1);
    memcpy(n->ck, n->h, sizeof(n->ck));
    mix_hash(n, prologue);
    mix_hash(n, bytes_of(responder_static, NOISE_KEY_BYTES)); /* <- s */
    memcpy(n->e_remote, responder_static, NOISE_KEY_BYTES);
}

void noise_deinit(struct noise *n)
{
    sodium_memzero(n, sizeof(*n));
}

/* e: our ephemeral key; then the DH of it with the remote key that is known:
 * the responder's static one (es) or the initiator's ephemeral one (ee). */
static enum error write_message(struct noise *n,
                                const uint8_t ephemeral[NOISE_KEY_BYTES],
                                struct bytes payload, uint8_t *out)
{
    enum error e;

    memcpy(n->e_secret, ephemeral, NOISE_KEY_BYTES);
    noise_public_key(ephemeral, out);
    mix_hash(n, bytes_of(out, NOISE_KEY_BYTES));
    e = mix_dh(n, n->e_secret, n->e_remote);
    if (e != OK)
        return e;
    encrypt_and_hash(n, payload, out + NOISE_KEY_BYTES);
    return OK;
}

static enum error read_message(struct noise *n,
                               const uint8_t secret[NOISE_KEY_BYTES],
                               struct bytes message, uint8_t *payload)
{
    if (message.len < NOISE_OVERHEAD)
        return ERR_WRONG_LENGTH;
    memcpy(n->e_remote, message.p, NOISE_KEY_BYTES);
    mix_hash(n, bytes_of(message.p, NOISE_KEY_BYTES));
    if (mix_dh(n, secret, n->e_remote) != OK)
        return ERR_SIGNATURE;
    return decrypt_and_hash(
        n, bytes_of(message.p + NOISE_KEY_BYTES, message.len - NOISE_KEY_BYTES),
        payload);
}

enum error noise_write_first(struct noise *n,
                             const uint8_t ephemeral[NOISE_KEY_BYTES],
                             struct bytes payload, uint8_t *out)
{
    return write_message(n, ephemeral, payload, out); /* -> e, es */
}

enum error noise_read_first(struct noise *n,
                            const uint8_t static_secret[NOISE_KEY_BYTES],
                            struct bytes message, uint8_t *payload)
{
    return read_message(n, static_secret, message, payload);
}

enum error noise_write_second(struct noise *n,
                              const uint8_t ephemeral[NOISE_KEY_BYTES],
                              struct bytes payload, uint8_t *out)
{
    return write_message(n, ephemeral, payload, out); /* <- e, ee */
}

enum error noise_read_second(struct noise *n, struct bytes message,
                             uint8_t *payload)
{
    return read_message(n, n->e_secret, message, payload);
}

void noise_split(const struct noise *n, struct noise_keys *out)
{
    uint8_t k1[NOISE_HASH_BYTES], k2[NOISE_HASH_BYTES];

    hkdf(n->ck, bytes_of(NULL, 0), k1, k2);
    memcpy(out->to_responder, k1, NOISE_KEY_BYTES);
    memcpy(out->to_initiator, k2, NOISE_KEY_BYTES);
    memcpy(out->transcript, n->h, sizeof(n->h));
    sodium_memzero(k1, sizeof(k1));
    sodium_memzero(k2, sizeof(k2));
}
