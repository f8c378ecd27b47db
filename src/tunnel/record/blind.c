/* SPDX-License-Identifier: MIT
 *
 * Arithmetic by libsodium's scalars and points, in constant time. Of its
 * multiplications only those that do not clamp are of use here: a blinded
 * scalar is any number below the order, and clamped it would be another one.
 */
#include "tunnel/record/blind.h"

#include "tunnel/record/labelled_hash.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <sodium.h>

#define PERIOD_LENGTH 86400 /* seconds; enters the factor */
#define NAME_TEXT_MAX 160   /* the arrays below, with any network's name */

/* The order of the base point less one, little endian. */
static const uint8_t minus_one[32] = {
    0xec, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
    0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

static void clamp(uint8_t scalar[32])
{
    scalar[0] &= 0xf8;
    scalar[31] = (uint8_t)((scalar[31] & 0x7f) | 0x40);
}

/* Any number of 32 bytes, modulo the order. */
static void reduce(const uint8_t number[32], uint8_t out[32])
{
    uint8_t wide[64] = {0};

    memcpy(wide, number, 32);
    crypto_core_ed25519_scalar_reduce(out, wide);
    sodium_memzero(wide, sizeof(wide));
}

/* SHA-512 of parts, one behind the other. */
static void hash512(const struct bytes *parts, size_t count, uint8_t out[64])
{
    crypto_hash_sha512_state state;

    crypto_hash_sha512_init(&state);
    for (size_t i = 0; i < count; i++)
        crypto_hash_sha512_update(&state, parts[i].p, parts[i].len);
    crypto_hash_sha512_final(&state, out);
    sodium_memzero(&state, sizeof(state));
}

void blind_expand(const uint8_t seed[32], struct service_secret *out)
{
    struct bytes part = bytes_of(seed, 32);
    uint8_t h[64];

    hash512(&part, 1, h);
    clamp(h);
    reduce(h, out->scalar);
    memcpy(out->prefix, h + 32, 32);
    crypto_scalarmult_ed25519_base_noclamp(out->key, out->scalar);
    sodium_memzero(h, sizeof(h));
}

/* Let A = P + T, where T is the torsion part, whose order divides 8. (l - 1) A
 * is -P + (l - 1) T, and this is -A only if l T is nothing, so T is: l is odd.
 * libsodium before 2025-12-30 takes some points with a T for valid
 * (CVE-2025-69277). -A differs from A in the sign bit only. */
enum error blind_check_key(const uint8_t key[BLIND_KEY_BYTES])
{
    uint8_t negative[32];

    if (!crypto_core_ed25519_is_valid_point(key) ||
        crypto_scalarmult_ed25519_noclamp(negative, minus_one, key) != 0)
        return ERR_RANGE;
    negative[31] ^= 0x80;
    return memcmp(negative, key, 32) == 0 ? OK : ERR_RANGE;
}

static void write_name(struct mp_writer *w, const char *network,
                       const struct service_name *name)
{
    mp_write_text(w, network);
    mp_write_bin(w, bytes_of(name->key, sizeof(name->key)));
    mp_write_bin(
        w, bytes_of(name->access, name->has_access ? sizeof(name->access) : 0));
}

void blind_factor(const char *network, const struct service_name *name,
                  uint32_t period, uint8_t factor[32])
{
    uint8_t buf[NAME_TEXT_MAX];
    struct mp_writer w;
    struct bytes part;

    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_array(&w, 5);
    write_name(&w, network, name);
    mp_write_uint(&w, period);
    mp_write_uint(&w, PERIOD_LENGTH);
    assert(w.err == OK);
    part = mp_writer_bytes(&w);
    labelled_hash(factor, 32, NULL, "warren blind", &part, 1);
    clamp(factor);
    sodium_memzero(buf, sizeof(buf));
}

void blind_credential(const char *network, const struct service_name *name,
                      uint8_t credential[32])
{
    uint8_t buf[NAME_TEXT_MAX];
    struct mp_writer w;

    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_array(&w, 4);
    mp_write_text(&w, "warren credential");
    write_name(&w, network, name);
    assert(w.err == OK);
    crypto_generichash(credential, 32, buf, w.len, NULL, 0);
    sodium_memzero(buf, sizeof(buf));
}

enum error blind_public(const uint8_t key[BLIND_KEY_BYTES],
                        const uint8_t factor[32],
                        uint8_t blinded[BLIND_KEY_BYTES])
{
    uint8_t h[32], point[32];
    int rc;

    memcpy(h, factor, 32);
    clamp(h);
    rc = crypto_scalarmult_ed25519_noclamp(point, h, key);
    sodium_memzero(h, sizeof(h));
    if (rc != 0)
        return ERR_RANGE;
    memcpy(blinded, point, 32);
    return OK;
}

/* RH' of the clamped factor. */
static void blind_prefix(const uint8_t prefix[32], const uint8_t h[32],
                         uint8_t out[32])
{
    static const char label[] = "warren blind nonce";
    struct bytes parts[] = {bytes_of(label, sizeof(label)),
                            bytes_of(prefix, 32), bytes_of(h, 32)};
    uint8_t wide[64];

    hash512(parts, 3, wide);
    memcpy(out, wide, 32);
    sodium_memzero(wide, sizeof(wide));
}

void blind_secret(const struct service_secret *secret, const uint8_t factor[32],
                  struct blinded_key *out)
{
    uint8_t h[32], reduced[32];

    memcpy(h, factor, 32);
    clamp(h);
    reduce(h, reduced);
    crypto_core_ed25519_scalar_mul(out->scalar, secret->scalar, reduced);
    blind_prefix(secret->prefix, h, out->prefix);
    crypto_scalarmult_ed25519_base_noclamp(out->key, out->scalar);
    sodium_memzero(h, sizeof(h));
    sodium_memzero(reduced, sizeof(reduced));
}

/* R | S, as RFC 8032, 5.1.6 has it from step 2 on. */
static void sign(const struct blinded_key *key, struct bytes message,
                 uint8_t out[BLIND_SIGNATURE_BYTES])
{
    struct bytes for_r[] = {bytes_of(key->prefix, 32), message};
    struct bytes for_k[] = {bytes_of(out, 32), bytes_of(key->key, 32), message};
    uint8_t wide[64], r[32], k[32];

    hash512(for_r, 2, wide);
    crypto_core_ed25519_scalar_reduce(r, wide);
    crypto_scalarmult_ed25519_base_noclamp(out, r);
    hash512(for_k, 3, wide);
    crypto_core_ed25519_scalar_reduce(k, wide);
    crypto_core_ed25519_scalar_mul(k, k, key->scalar);
    crypto_core_ed25519_scalar_add(out + 32, r, k);
    sodium_memzero(wide, sizeof(wide));
    sodium_memzero(r, sizeof(r));
    sodium_memzero(k, sizeof(k));
}

enum error blind_sign(const struct blinded_key *key, struct bytes message,
                      uint8_t signature[BLIND_SIGNATURE_BYTES])
{
    uint8_t made[BLIND_SIGNATURE_BYTES];

    sign(key, message, made);
    if (crypto_sign_verify_detached(made, message.p, message.len, key->key) !=
        0) {
        sodium_memzero(made, sizeof(made));
        return ERR_SIGNATURE;
    }
    memcpy(signature, made, sizeof(made));
    return OK;
}
