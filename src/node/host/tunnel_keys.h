/* SPDX-License-Identifier: MIT
 *
 * The keys of a member of the tunnels, as files of the data directory:
 *
 *   identity.key   seed of the Ed25519 key, 32 bytes, for life
 *   handshake.key  wall seconds when it was made, 8 bytes big-endian, and the
 *                  X25519 secret, 32 bytes; renewed every week
 *   handshake.previous  wall seconds when it was replaced, and the secret
 *                  before; removed when nobody may use it any more
 *
 * A renewal writes the previous key first, each file whole. A kill between
 * the two leaves one key in both, which tunnel_keys_load takes as one.
 */
#ifndef WARREN_NODE_HOST_TUNNEL_KEYS_H
#define WARREN_NODE_HOST_TUNNEL_KEYS_H

#include "base/error.h"
#include "base/text.h"
#include "tunnel/member/member.h"

#include <stdint.h>

/* Fills in identity, identity_secret, handshake_secret, handshake_made,
 * previous_secret and previous_replaced of `out`, from files or new. On
 * failure `why` gets a sentence: errors of secret.h; ERR_CORRUPT, of another
 * length or no random bytes, with what to do about the file. */
enum error tunnel_keys_load(const char *data_dir, uint64_t wall,
                            struct member_config *out, struct text *why);

/* Puts a new handshake key in the place of the old one, which is kept as the
 * one before. */
enum error tunnel_keys_renew(const char *data_dir,
                             const uint8_t secret[NOISE_KEY_BYTES],
                             const uint8_t previous[NOISE_KEY_BYTES],
                             uint64_t wall, struct text *why);
/* Gives the handshake key that is there another date. */
enum error tunnel_keys_date(const char *data_dir, uint64_t wall,
                            struct text *why);
/* Wipes the one before. */
enum error tunnel_keys_retire(const char *data_dir, struct text *why);

#endif
