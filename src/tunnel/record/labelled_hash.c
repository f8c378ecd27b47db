/* SPDX-License-Identifier: MIT
 *
 * The one place where the room hashes; the state is wiped, since most keys and
 * some parts are secret.
 */
#include "tunnel/record/labelled_hash.h"

#include <sodium.h>

void labelled_hash(uint8_t *out, size_t len, const uint8_t *key,
                   const char *label, const struct bytes *parts, size_t count)
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, key, key ? 32 : 0, len);
    crypto_generichash_update(&state, (const uint8_t *)label,
                              strlen(label) + 1);
    for (size_t i = 0; i < count; i++)
        crypto_generichash_update(&state, parts[i].p, parts[i].len);
    crypto_generichash_final(&state, out, len);
    sodium_memzero(&state, sizeof(state));
}
