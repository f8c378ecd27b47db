/* SPDX-License-Identifier: MIT
 *
 * A relay as one party names it to another that may not know it: in
 * descriptors of services, introductions and answers about members.
 *
 *   target    [identity 32, handshake key 32, [endpoint, endpoint?]]
 *   endpoint  bin of 6 or 18 bytes; of two, the first is IPv4, the second IPv6
 *
 * At most 98 bytes.
 */
#ifndef WARREN_TUNNEL_RECORD_RELAY_TARGET_H
#define WARREN_TUNNEL_RECORD_RELAY_TARGET_H

#include "base/endpoint.h"
#include "tunnel/crypto/noise.h"
#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <stdbool.h>
#include <stdint.h>

#define RELAY_TARGET_ENDPOINTS_MAX 2
#define RELAY_TARGET_BYTES_MAX     98
/* On the tape of mp_parse. */
#define RELAY_TARGET_TOKENS (4 + RELAY_TARGET_ENDPOINTS_MAX)

struct relay_target {
    uint8_t identity[32];
    uint8_t handshake_key[NOISE_KEY_BYTES];
    uint8_t endpoint_count; /* 1 or 2 */
    struct endpoint endpoints[RELAY_TARGET_ENDPOINTS_MAX];
};

void relay_target_write(struct mp_writer *w, const struct relay_target *t);

/* Fails the reader with ERR_WRONG_LENGTH, ERR_MISSING (no endpoint),
 * ERR_TOO_LARGE (too many), ERR_UNSORTED (two of one family, or IPv6 first),
 * ERR_ADDRESS (one that is not global; with `testing` only one that nothing
 * can be sent to). */
void relay_target_read(struct mp_reader *r, bool testing,
                       struct relay_target *out);

#endif
