/* SPDX-License-Identifier: MIT
 *
 * Items of BEP 44: a value under the hash of itself, or under the hash of a
 * key and a salt, signed. Pure functions.
 */
#ifndef WARREN_DHT_TYPES_DHT_ITEM_H
#define WARREN_DHT_TYPES_DHT_ITEM_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/id.h"
#include "wire/item/value.h"

#include <stdbool.h>
#include <stdint.h>

/* An item of BEP 44, as found or as published. Views are valid during the
 * call. Immutable items have mutable_item = false and only a value. */
struct dht_item {
    bool mutable_item;
    uint8_t key[32];
    uint8_t signature[64];
    int64_t seq;
    struct bytes salt; /* at most DHT_SALT_MAX */
    const struct value *value;
};

/* SHA-1 of the bencoded value, or of key and salt. */
void dht_item_target(const struct dht_item *item, struct id *out);
/* Signs with a libsodium Ed25519 secret key (64 bytes); sets key, signature. */
void dht_item_sign(struct dht_item *item, const uint8_t secret[64]);
/* OK, ERR_SIGNATURE, ERR_TOO_LARGE (salt, value). */
enum error dht_item_verify(const struct dht_item *item);

#endif
