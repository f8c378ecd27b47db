/* SPDX-License-Identifier: MIT
 *
 * What both sides of a handshake must agree on before it begins: the msgpack
 * array ["warren", version, purpose, network, identity of the responder].
 */
#ifndef WARREN_TUNNEL_CRYPTO_PROLOGUE_H
#define WARREN_TUNNEL_CRYPTO_PROLOGUE_H

#include "tunnel/crypto/noise.h"

/* Begins the handshake `n` with this prologue. `purpose` is "link", "hop" or
 * "service". */
void prologue_init_noise(struct noise *n, const char *purpose,
                         const char *network, const uint8_t identity[32],
                         const uint8_t responder_static[NOISE_KEY_BYTES]);

#endif
