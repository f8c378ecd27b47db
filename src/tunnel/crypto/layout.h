/* SPDX-License-Identifier: MIT
 *
 * Lengths that more than one plane has to know: the link masks what the layers
 * of the onion leave readable, and carries the handshakes with hops.
 */
#ifndef WARREN_TUNNEL_CRYPTO_LAYOUT_H
#define WARREN_TUNNEL_CRYPTO_LAYOUT_H

#include "tunnel/crypto/noise.h"

#define TUNNEL_VERSION 1 /* of the protocol; enters every handshake */

/* Layers of the onion (circuit/onion.h). */
#define ONION_HOPS_MAX      4
#define ONION_COUNTER_BYTES 8
#define ONION_LAYER_BYTES   (NOISE_TAG_BYTES + ONION_COUNTER_BYTES)

/* The handshake with a hop: in CREATE on a link, in EXTEND on a circuit. The
 * payload of its first message is [depth]. */
#define HOP_PAYLOAD_BYTES 2
#define HOP_NOISE1_BYTES  (NOISE_OVERHEAD + HOP_PAYLOAD_BYTES)

/* What both ends of a circuit know a hop by, and nobody else: the beginning of
 * the transcript of its handshake. */
#define CIRCUIT_TRANSCRIPT 32

#endif
