/* SPDX-License-Identifier: MIT
 *
 * Items of BEP 44: their targets (SHA-1) and their signatures (Ed25519).
 */
#include "dht/types/dht_item.h"
#include "wire/item/item_signing.h"
#include "wire/krpc/dht_message.h"

#include <assert.h>
#include <sha1.h>
#include <sodium.h>

static_assert(SHA1_DIGEST_LENGTH == ID_BYTES, "targets are SHA-1 hashes");
static_assert(crypto_sign_BYTES == 64, "signature");
static_assert(crypto_sign_PUBLICKEYBYTES == 32, "key");

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

void dht_item_sign(struct dht_item *item, const uint8_t secret[64])
{
    uint8_t message[ITEM_SIGNED_MAX];
    size_t len;

    assert(item->salt.len <= DHT_SALT_MAX);
    len = item_signed_bytes(item->salt, item->seq, item->value, message);
    crypto_sign_detached(item->signature, NULL, message, len, secret);
    crypto_sign_ed25519_sk_to_pk(item->key, secret);
    item->mutable_item = true;
}

enum error dht_item_verify(const struct dht_item *item)
{
    uint8_t message[ITEM_SIGNED_MAX];
    size_t len;

    if (!item->mutable_item)
        return OK;
    if (item->salt.len > DHT_SALT_MAX)
        return ERR_TOO_LARGE;
    len = item_signed_bytes(item->salt, item->seq, item->value, message);
    if (crypto_sign_verify_detached(item->signature, message, len, item->key) !=
        0)
        return ERR_SIGNATURE;
    return OK;
}
