/* SPDX-License-Identifier: MIT
 *
 * Bencodes what is signed by hand: three keys in a fixed order are all there
 * is. The value itself is bencoded by value.c.
 */
#include "wire/item/item_signing.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t item_signed_bytes(struct bytes salt, int64_t seq,
                         const struct value *value,
                         uint8_t out[ITEM_SIGNED_MAX])
{
    char text[64];
    size_t len = 0;
    int n;

    assert(salt.len <= DHT_SALT_MAX);
    if (salt.len > 0) {
        n = snprintf(text, sizeof(text), "4:salt%zu:", salt.len);
        memcpy(out, text, (size_t)n);
        len = (size_t)n;
        memcpy(out + len, salt.p, salt.len);
        len += salt.len;
    }
    n = snprintf(text, sizeof(text), "3:seqi%" PRId64 "e1:v", seq);
    memcpy(out + len, text, (size_t)n);
    len += (size_t)n;
    return len + value_bencode(value, out + len);
}
