/* SPDX-License-Identifier: MIT
 *
 * One layer of one hop at a time, in place; the picture is in onion.h. All
 * offsets follow from onion_text_len.
 */
#include "tunnel/circuit/onion.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static const uint8_t no_layer[ONION_COUNTER_BYTES];

/* 1 to 2^48: the length of a circuit's life stays hidden, and 2^64 is far. */
static uint64_t first_counter(const uint8_t key[NOISE_KEY_BYTES])
{
    static const uint8_t label[] = "warren counter";
    uint8_t hash[crypto_generichash_BYTES_MIN];

    crypto_generichash(hash, sizeof(hash), label, sizeof(label) - 1, key,
                       NOISE_KEY_BYTES);
    return 1 + (bytes_get_number(hash, ONION_COUNTER_BYTES) >> 16);
}

void onion_sender_init(struct onion_sender *s,
                       const uint8_t key[NOISE_KEY_BYTES])
{
    memcpy(s->key, key, NOISE_KEY_BYTES);
    s->counter = first_counter(key);
}

void onion_receiver_init(struct onion_receiver *r,
                         const uint8_t key[NOISE_KEY_BYTES])
{
    memcpy(r->key, key, NOISE_KEY_BYTES);
    replay_init(&r->replay, first_counter(key));
}

size_t onion_text_len(size_t body_len, unsigned depth)
{
    assert(depth >= 1 && depth <= ONION_HOPS_MAX);
    return body_len - ONION_LAYER_BYTES * depth;
}

size_t onion_message_len(size_t body_len)
{
    return onion_text_len(body_len, ONION_HOPS_MAX) - ONION_LAYER_BYTES -
           ONION_COUNTER_BYTES;
}

void onion_message(uint8_t *body, size_t body_len, unsigned depth, size_t len)
{
    assert(len <= onion_message_len(body_len));
    memset(body + len, 0, onion_text_len(body_len, depth) - len);
}

bool onion_is_message(const uint8_t *body, size_t body_len, unsigned depth)
{
    const uint8_t *end = body + onion_text_len(body_len, depth);

    return memcmp(end - ONION_COUNTER_BYTES, no_layer, ONION_COUNTER_BYTES) ==
           0;
}

/* Puts tag and counter behind a text of `len` bytes. */
static void seal_layer(struct onion_sender *s, uint8_t *body, size_t len)
{
    aead_seal(s->key, s->counter, bytes_of(NULL, 0), body, len);
    bytes_put_number(body + len + NOISE_TAG_BYTES, ONION_COUNTER_BYTES,
                     s->counter);
    s->counter++;
}

static enum error open_layer(struct onion_receiver *r, uint8_t *body,
                             size_t len)
{
    uint64_t counter =
        bytes_get_number(body + len + NOISE_TAG_BYTES, ONION_COUNTER_BYTES);

    if (!replay_is_fresh(&r->replay, counter))
        return ERR_UNEXPECTED;
    if (aead_open(r->key, counter, bytes_of(NULL, 0), body, len) != OK)
        return ERR_SIGNATURE;
    replay_accept(&r->replay, counter);
    return OK;
}

void onion_add(struct onion_sender *s, uint8_t *body, size_t body_len,
               unsigned depth)
{
    seal_layer(s, body, onion_text_len(body_len, depth));
}

enum error onion_remove(struct onion_receiver *r, uint8_t *body,
                        size_t body_len, unsigned depth, bool *is_message)
{
    enum error e = open_layer(r, body, onion_text_len(body_len, depth));

    if (e == OK)
        *is_message = onion_is_message(body, body_len, depth);
    return e;
}

size_t onion_fill_forward(size_t body_len, unsigned depth)
{
    return onion_text_len(body_len, depth);
}

size_t onion_fill_backward(size_t body_len, unsigned depth)
{
    return onion_text_len(body_len, depth) + ONION_LAYER_BYTES;
}

size_t onion_end_text_len(size_t body_len)
{
    return onion_message_len(body_len);
}

size_t onion_end_len(size_t body_len)
{
    return onion_end_text_len(body_len) + ONION_LAYER_BYTES;
}

void onion_end_add(struct onion_sender *s, uint8_t *body, size_t body_len)
{
    seal_layer(s, body, onion_end_text_len(body_len));
}

enum error onion_end_remove(struct onion_receiver *r, uint8_t *body,
                            size_t body_len)
{
    return open_layer(r, body, onion_end_text_len(body_len));
}

void onion_mark_end(uint8_t *body, size_t body_len, unsigned depth,
                    struct keystream *fill)
{
    size_t from = onion_end_len(body_len);
    size_t to = onion_text_len(body_len, depth);

    keystream_fill(fill, body + from, to - from);
    body[to - 1] |= 1;
}
