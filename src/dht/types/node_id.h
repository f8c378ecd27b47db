/* SPDX-License-Identifier: MIT
 *
 * BEP 42: the first 21 bits of a node id follow from its external address and
 * 3 random bits, so that an address has few places in the id space.
 */
#ifndef WARREN_DHT_TYPES_NODE_ID_H
#define WARREN_DHT_TYPES_NODE_ID_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/id.h"
#include "base/random_source.h"

#include <stdbool.h>
#include <stdint.h>

/* An id for `ep` (its port does not matter) whose last byte is `r` and whose
 * other free bits come from `random`. */
void node_id_generate(const struct endpoint *ep, uint8_t r,
                      const struct random_source *random, struct id *out);

/* True when `id` is allowed at `ep`. Addresses that are not global (private,
 * loopback, ...) are exempt: any id is. */
bool node_id_matches(const struct id *id, const struct endpoint *ep);

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4). */
uint32_t crc32c(struct bytes data);

#endif
