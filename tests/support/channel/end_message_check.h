/* SPDX-License-Identifier: MIT
 *
 * When are two end messages the same? For the test of the codec and the fuzz
 * harness.
 */
#ifndef WARREN_TESTS_END_MESSAGE_CHECK_H
#define WARREN_TESTS_END_MESSAGE_CHECK_H

#include "tunnel/channel/end_message.h"

#include <stdbool.h>
#include <string.h>

static inline bool end_same_key(const uint8_t *a, const uint8_t *b, size_t len)
{
    return (a == NULL) == (b == NULL) && (a == NULL || memcmp(a, b, len) == 0);
}

static inline bool end_message_equal(const struct end_message *a,
                                     const struct end_message *b)
{
    return a->type == b->type && a->nonce == b->nonce && a->port == b->port &&
           bytes_equal(a->payload, b->payload) && a->piece.id == b->piece.id &&
           a->piece.index == b->piece.index &&
           a->piece.count == b->piece.count &&
           bytes_equal(a->piece.bytes, b->piece.bytes) &&
           end_same_key(a->cookie, b->cookie, MEETING_COOKIE_BYTES) &&
           bytes_equal(a->noise1, b->noise1) && a->reason == b->reason;
}

#endif
