/* SPDX-License-Identifier: MIT
 *
 * When are two messages of a circuit the same? For the test of the codec and
 * its fuzz harness.
 */
#ifndef WARREN_TESTS_CIRCUIT_MESSAGE_CHECK_H
#define WARREN_TESTS_CIRCUIT_MESSAGE_CHECK_H

#include "tunnel/circuit/circuit_message.h"

#include <string.h>

static inline bool same_bytes(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool same_key(const uint8_t *a, const uint8_t *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || memcmp(a, b, 32) == 0);
}

static inline bool circuit_message_equal(const struct circuit_message *a,
                                         const struct circuit_message *b)
{
    return a->type == b->type && a->attempt == b->attempt &&
           same_key(a->identity, b->identity) &&
           same_key(a->handshake_key, b->handshake_key) &&
           endpoint_equal(&a->ep, &b->ep) && same_bytes(a->noise, b->noise) &&
           a->reason == b->reason && same_bytes(a->name, b->name) &&
           a->port == b->port && same_bytes(a->payload, b->payload) &&
           a->nonce == b->nonce && a->piece_id == b->piece_id &&
           a->piece_index == b->piece_index && a->piece_count == b->piece_count;
}

#endif
