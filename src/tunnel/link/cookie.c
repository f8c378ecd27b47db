/* SPDX-License-Identifier: MIT
 *
 * Proofs of address under load, after WireGuard: the MACs of an INIT, made and
 * checked, and the secret of which cookies are made, changed every few minutes.
 */
#include "tunnel/link/cookie.h"

#include "base/timestamp.h"

#include <sodium.h>
#include <string.h>

/* mac2 lies behind mac1 and the two bytes of its own msgpack header. */
#define MAC2_AFTER_MAC1 (LINK_MAC_BYTES + 2)

static void labelled_key(const char *label, const uint8_t identity[32],
                         uint8_t out[32])
{
    crypto_generichash_state s;

    crypto_generichash_init(&s, NULL, 0, 32);
    crypto_generichash_update(&s, (const uint8_t *)label, strlen(label));
    crypto_generichash_update(&s, identity, 32);
    crypto_generichash_final(&s, out, 32);
}

static void mac(const uint8_t *key, size_t key_len, struct bytes text,
                uint8_t out[LINK_MAC_BYTES])
{
    crypto_generichash(out, LINK_MAC_BYTES, text.p, text.len, key, key_len);
}

static void mac1_of(struct bytes maced, const uint8_t identity[32],
                    uint8_t out[LINK_MAC_BYTES])
{
    uint8_t key[32];

    labelled_key("warren mac1", identity, key);
    mac(key, sizeof(key), maced, out);
}

static void cookie_of(const uint8_t secret[32], const struct endpoint *source,
                      uint8_t out[LINK_COOKIE_BYTES])
{
    uint8_t compact[ENDPOINT_COMPACT_MAX];
    size_t len = endpoint_write_compact(source, compact);

    mac(secret, 32, bytes_of(compact, len), out);
}

void cookie_jar_init(struct cookie_jar *jar, const uint8_t fresh[32],
                     uint64_t now)
{
    memcpy(jar->secret, fresh, 32);
    memcpy(jar->previous, fresh, 32);
    jar->rotated_at = now;
}

bool cookie_jar_is_due(const struct cookie_jar *jar, uint64_t now)
{
    return time_since(jar->rotated_at, now) >= COOKIE_LIFETIME;
}

void cookie_jar_rotate(struct cookie_jar *jar, const uint8_t fresh[32],
                       uint64_t now)
{
    memcpy(jar->previous, jar->secret, 32);
    memcpy(jar->secret, fresh, 32);
    jar->rotated_at = now;
}

void cookie_jar_deinit(struct cookie_jar *jar)
{
    sodium_memzero(jar, sizeof(*jar));
}

void cookie_make(const struct cookie_jar *jar, const struct endpoint *source,
                 uint8_t out[LINK_COOKIE_BYTES])
{
    cookie_of(jar->secret, source, out);
}

bool cookie_is_right(const struct cookie_jar *jar,
                     const uint8_t cookie[LINK_COOKIE_BYTES],
                     const struct endpoint *source)
{
    uint8_t want[LINK_COOKIE_BYTES];

    cookie_of(jar->secret, source, want);
    if (sodium_memcmp(want, cookie, sizeof(want)) == 0)
        return true;
    cookie_of(jar->previous, source, want);
    return sodium_memcmp(want, cookie, sizeof(want)) == 0;
}

bool cookie_mac1_is_right(const struct link_message *init,
                          const uint8_t identity[32])
{
    uint8_t want[LINK_MAC_BYTES];

    mac1_of(init->maced, identity, want);
    return sodium_memcmp(want, init->mac1, sizeof(want)) == 0;
}

static bool is_made_with(const uint8_t secret[32],
                         const struct link_message *init,
                         const struct endpoint *source)
{
    uint8_t cookie[LINK_COOKIE_BYTES], want[LINK_MAC_BYTES];

    cookie_of(secret, source, cookie);
    mac(cookie, sizeof(cookie), init->maced, want);
    sodium_memzero(cookie, sizeof(cookie));
    return sodium_memcmp(want, init->mac2, sizeof(want)) == 0;
}

bool cookie_mac2_is_right(const struct cookie_jar *jar,
                          const struct link_message *init,
                          const struct endpoint *source)
{
    return is_made_with(jar->secret, init, source) ||
           is_made_with(jar->previous, init, source);
}

void cookie_seal(const struct cookie_jar *jar, const struct endpoint *source,
                 const uint8_t identity[32], const uint8_t mac1[LINK_MAC_BYTES],
                 const uint8_t nonce[LINK_NONCE_BYTES],
                 uint8_t sealed[LINK_SEALED_BYTES])
{
    uint8_t key[32], cookie[LINK_COOKIE_BYTES];

    labelled_key("warren cookie", identity, key);
    cookie_of(jar->secret, source, cookie);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed, NULL, cookie, sizeof(cookie), mac1, LINK_MAC_BYTES, NULL, nonce,
        key);
}

enum error cookie_open(const struct link_message *retry,
                       const uint8_t identity[32],
                       const uint8_t mac1[LINK_MAC_BYTES],
                       uint8_t cookie[LINK_COOKIE_BYTES])
{
    uint8_t key[32], text[LINK_COOKIE_BYTES];

    labelled_key("warren cookie", identity, key);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            text, NULL, NULL, retry->sealed, LINK_SEALED_BYTES, mac1,
            LINK_MAC_BYTES, retry->nonce.p, key) != 0)
        return ERR_SIGNATURE;
    memcpy(cookie, text, sizeof(text));
    return OK;
}

void cookie_set_macs(uint8_t *datagram, const struct link_message *init,
                     const uint8_t identity[32], const uint8_t *cookie)
{
    uint8_t *mac1 = datagram + init->maced.len;

    mac1_of(init->maced, identity, mac1);
    if (cookie != NULL)
        mac(cookie, LINK_COOKIE_BYTES, init->maced, mac1 + MAC2_AFTER_MAC1);
}
