/* SPDX-License-Identifier: MIT */
#include "dht/dht_item.h"
#include "wire/dht_message.h"

#include <assert.h>
#include <inttypes.h>
#include <sha1.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static_assert(SHA1_DIGEST_LENGTH == ID_BYTES, "targets are SHA-1 hashes");
static_assert(crypto_sign_BYTES == 64, "signature");
static_assert(crypto_sign_PUBLICKEYBYTES == 32, "key");

/* "4:salt64:" salt "3:seqi-9223372036854775808e1:v" value */
#define SIGNED_MAX (9 + DHT_SALT_MAX + 30 + VALUE_BENCODED_MAX)

void dht_item_target(const struct dht_item *item, struct id *out)
{
    uint8_t bencoded[VALUE_BENCODED_MAX];
    SHA1_CTX sha1;

    SHA1Init(&sha1);
    if (item->mutable_item) {
        SHA1Update(&sha1, item->key, sizeof(item->key));
        if (item->salt.len > 0)
            SHA1Update(&sha1, item->salt.p, item->salt.len);
    } else {
        SHA1Update(&sha1, bencoded, value_bencode(item->value, bencoded));
    }
    SHA1Final(out->b, &sha1);
}

/* What is signed (BEP 44, "Signature Verification"): the parts of the
 * bencoded dictionary {salt, seq, v}, without its frame. */
static size_t signed_bytes(const struct dht_item *item, uint8_t out[SIGNED_MAX])
{
    char text[64];
    size_t len = 0;
    int n;

    if (item->salt.len > 0) {
        n = snprintf(text, sizeof(text), "4:salt%zu:", item->salt.len);
        memcpy(out, text, (size_t)n);
        len = (size_t)n;
        memcpy(out + len, item->salt.p, item->salt.len);
        len += item->salt.len;
    }
    n = snprintf(text, sizeof(text), "3:seqi%" PRId64 "e1:v", item->seq);
    memcpy(out + len, text, (size_t)n);
    len += (size_t)n;
    return len + value_bencode(item->value, out + len);
}

void dht_item_sign(struct dht_item *item, const uint8_t secret[64])
{
    uint8_t message[SIGNED_MAX];
    size_t len;

    assert(item->salt.len <= DHT_SALT_MAX);
    len = signed_bytes(item, message);
    crypto_sign_detached(item->signature, NULL, message, len, secret);
    crypto_sign_ed25519_sk_to_pk(item->key, secret);
    item->mutable_item = true;
}

enum error dht_item_verify(const struct dht_item *item)
{
    uint8_t message[SIGNED_MAX];
    size_t len;

    if (!item->mutable_item)
        return OK;
    if (item->salt.len > DHT_SALT_MAX)
        return ERR_TOO_LARGE;
    len = signed_bytes(item, message);
    if (crypto_sign_verify_detached(item->signature, message, len, item->key) !=
        0)
        return ERR_SIGNATURE;
    return OK;
}
