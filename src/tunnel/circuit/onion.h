/* SPDX-License-Identifier: MIT
 *
 * The layers of a RELAY cell's body. Hop i (its depth, 1 to ONION_HOPS_MAX)
 * owns one layer in each direction. Of a body of F bytes, layer i takes the
 * first F - 24 (i - 1):
 *
 *     ciphertext, F - 24 i bytes | tag, 16 | counter, 8, big endian
 *
 * and what it decrypts to, in place, is layer i + 1. When the counter of that
 * next layer is 0, there is none: the text is a message for hop i, padded
 * with zeros. So the counter of each layer travels inside the layer before
 * it, everything is done where it was received, and a hop learns nothing but
 * its own depth. What a hop does not use of the body is fresh random bytes.
 *
 *     forward:  the client adds layers d, ..., 1; hop i removes layer i.
 *     backward: hop i adds layer i; the client removes layers 1, ..., d.
 *
 * The message has the same length at every depth (onion_message_len), which
 * leaves room for one more layer, the end layer: two circuits can be joined at
 * the relay in which both end. Between the two clients it goes, at any depth,
 * in the first F - 104 bytes of the text of the last hop:
 *
 *     ciphertext, F - 128 bytes | tag, 16 | counter, 8
 *
 * What is behind it, up to the end of that text, is random, and the last 8
 * bytes are not 0: so it is no message. The relay finds the end layer where
 * the next layer would be, at the beginning, and leaves it there: it changes
 * what is behind it, and adds its layer of the other circuit.
 */
#ifndef WARREN_TUNNEL_CIRCUIT_ONION_H
#define WARREN_TUNNEL_CIRCUIT_ONION_H

#include "base/error.h"
#include "tunnel/crypto/keystream.h"
#include "tunnel/crypto/layout.h"
#include "tunnel/crypto/noise.h"
#include "tunnel/crypto/replay.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The sending half of a layer, at the client or at a hop. Secret. */
struct onion_sender {
    uint8_t key[NOISE_KEY_BYTES];
    uint64_t counter; /* of the next cell */
};

/* The receiving half. Secret. */
struct onion_receiver {
    uint8_t key[NOISE_KEY_BYTES];
    struct replay replay;
};

/* From a key of the handshake with the hop (noise_split). Both ends start at
 * the same counter, which nobody else can guess. */
void onion_sender_init(struct onion_sender *s,
                       const uint8_t key[NOISE_KEY_BYTES]);
void onion_receiver_init(struct onion_receiver *r,
                         const uint8_t key[NOISE_KEY_BYTES]);

/* Bytes of the plaintext of layer `depth` in a body of `body_len`. */
size_t onion_text_len(size_t body_len, unsigned depth);

/* Bytes of the innermost message in a body of `body_len`, at any depth. */
size_t onion_message_len(size_t body_len);

/* Marks the plaintext that lies in the first onion_text_len bytes of `body`
 * as a message for, or from, the hop at `depth`; the rest of it is padded
 * with zeros from `len` on, which is at most onion_message_len. */
void onion_message(uint8_t *body, size_t body_len, unsigned depth, size_t len);

/* True when the plaintext of layer `depth` that lies in `body` reads as a
 * message of that hop. What a relay gets from the hop behind it must not. */
bool onion_is_message(const uint8_t *body, size_t body_len, unsigned depth);

/* Adds layer `depth` around the plaintext, in place. */
void onion_add(struct onion_sender *s, uint8_t *body, size_t body_len,
               unsigned depth);

/* Removes layer `depth`. ERR_UNEXPECTED for a counter that was seen or is too
 * old, ERR_SIGNATURE for a layer that is not authentic; `body` is spoilt
 * then. `is_message` tells whether the text is a message for this hop or from
 * it, or one more layer. */
enum error onion_remove(struct onion_receiver *r, uint8_t *body,
                        size_t body_len, unsigned depth, bool *is_message);

/* Where the bytes begin that hop `depth` fills with random ones: forward
 * after it removed its layer, backward after it added it. */
size_t onion_fill_forward(size_t body_len, unsigned depth);
size_t onion_fill_backward(size_t body_len, unsigned depth);

/* Bytes of the end layer, and of the text inside it, in a body of `body_len`:
 * the same at every depth. */
size_t onion_end_len(size_t body_len);
size_t onion_end_text_len(size_t body_len);

/* Adds the end layer around the text at the beginning of `body`, or removes
 * it, in place; errors as onion_remove's. */
void onion_end_add(struct onion_sender *s, uint8_t *body, size_t body_len);
enum error onion_end_remove(struct onion_receiver *r, uint8_t *body,
                            size_t body_len);

/* Makes the end layer at the beginning of `body` the text of the hop at
 * `depth`, which is no message then: before onion_add. */
void onion_mark_end(uint8_t *body, size_t body_len, unsigned depth,
                    struct keystream *fill);

#endif
